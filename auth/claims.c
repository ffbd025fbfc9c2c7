/* Reads claims with json-c, which is bounded here before and checked after: size, depth, one whole object, UTF-8. Any
   thread; owns nothing. */
#include "auth/claims.h"

#include <errno.h>
#include <math.h>
#include <openssl/crypto.h>

#include <json-c/json.h>

#include "gateway/base/clock.h"
#include "gateway/base/encoding.h"

enum { MS_PER_SECOND = 1000, FINGERPRINT_BYTES = 32 };
static const double LAST_SECOND = 253402300799; /* the end of the year 9999 */

/* ---- reading ---- */

int claims_parse(struct span json, size_t max_bytes, struct json_object **ret_object)
{
    static const struct span nul = SPAN("\\u0000");
    if (json.size == 0 || json.size > MIN(max_bytes, (size_t)CLAIMS_MAX_BYTES * 16) ||
        memmem(json.at, json.size, nul.at, nul.size))
        return CLAIMS_BAD;
    struct json_tokener *tokener = json_tokener_new_ex(CLAIMS_MAX_DEPTH);
    if (!tokener)
        return -ENOMEM;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, json.at, (int)json.size);
    bool whole = object && json_tokener_get_error(tokener) == json_tokener_success &&
                 json_tokener_get_parse_end(tokener) == json.size;
    json_tokener_free(tokener);
    if (!whole || !json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        return CLAIMS_BAD;
    }
    *ret_object = object;
    return 0;
}

static struct span text_of(const struct json_object *value)
{
    struct json_object *string = (struct json_object *)(uintptr_t)value; /* json-c reads it with a pointer to write */
    if (!json_object_is_type(value, json_type_string))
        return (struct span){NULL, 0};
    return (struct span){json_object_get_string(string), (size_t)json_object_get_string_len(value)};
}

static struct json_object *member(const struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, name, &value) ? value : NULL;
}

struct span claims_text(const struct json_object *object, const char *name)
{
    return text_of(member(object, name));
}

bool claims_has(const struct json_object *object, const char *name)
{
    return json_object_object_get_ex(object, name, NULL);
}

/* A NumericDate (RFC 7519, 2). 0, CLAIMS_BAD, or ABSENT. */
enum { ABSENT = CLAIMS_BAD + 1 };
static int read_time(const struct json_object *claims, const char *name, uint64_t *ret_ms)
{
    const struct json_object *value = member(claims, name);
    if (!claims_has(claims, name))
        return ABSENT;
    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
        return CLAIMS_BAD;
    double seconds = json_object_get_double(value);
    if (!isfinite(seconds) || seconds < 0 || seconds > LAST_SECOND)
        return CLAIMS_BAD;
    *ret_ms = (uint64_t)(seconds * MS_PER_SECOND);
    return 0;
}

/* ---- judging ---- */

static const char *judge_issuer(const struct json_object *claims, const struct claims_rules *rules)
{
    if (!claims_has(claims, "iss"))
        return rules->complete ? "no issuer" : NULL;
    return span_equal(claims_text(claims, "iss"), rules->issuer) ? NULL : "wrong issuer";
}

static bool names_audience(const struct json_object *value, struct span audience)
{
    if (!json_object_is_type(value, json_type_array))
        return span_equal(text_of(value), audience);
    size_t count = MIN(json_object_array_length(value), (size_t)CLAIMS_MAX_AUDIENCES);
    for (size_t i = 0; i < count; i++)
        if (span_equal(text_of(json_object_array_get_idx(value, i)), audience))
            return true;
    return false;
}

static const char *judge_audience(const struct json_object *claims, const struct claims_rules *rules)
{
    if (span_absent(rules->audience))
        return NULL;
    if (!claims_has(claims, "aud"))
        return "no audience";
    return names_audience(member(claims, "aud"), rules->audience) ? NULL : "wrong audience";
}

static const char *judge_expiry(const struct json_object *claims, const struct claims_rules *rules)
{
    uint64_t ms;
    int result = read_time(claims, "exp", &ms);
    if (result == ABSENT)
        return rules->complete ? "no expiry" : NULL;
    if (result != 0)
        return "wrong expiry";
    return clock_wall_ms() < ms + rules->leeway_ms ? NULL : "expired";
}

/* nbf and iat: neither may be in the future. */
static const char *judge_beginning(const struct json_object *claims, const struct claims_rules *rules)
{
    static const struct {
        const char *name, *wrong, *early;
    } rows[] = {{"nbf", "wrong beginning", "not valid yet"}, {"iat", "wrong issue time", "issued in the future"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t ms;
        int result = read_time(claims, rows[i].name, &ms);
        if (result == CLAIMS_BAD)
            return rows[i].wrong;
        if (result == 0 && ms > clock_wall_ms() + rules->leeway_ms)
            return rows[i].early;
    }
    return NULL;
}

static bool is_fingerprint(struct span encoded, const uint8_t *fingerprint)
{
    CLEANUP(text_done) struct text bytes = TEXT(FINGERPRINT_BYTES);
    return base64_decode(BASE64_URL, encoded, &bytes) == 0 && bytes.size == FINGERPRINT_BYTES &&
           CRYPTO_memcmp(bytes.at, fingerprint, FINGERPRINT_BYTES) == 0;
}

/* RFC 7800: a bound token is worth nothing without what it is bound to, so a means that is not known here is refused.
 */
static const char *judge_binding(const struct json_object *claims, const struct claims_rules *rules)
{
    static const char to_certificate[] = "x5t#S256"; /* RFC 8705, 3.1 */
    if (!claims_has(claims, "cnf"))
        return NULL;
    const struct json_object *cnf = member(claims, "cnf");
    if (!json_object_is_type(cnf, json_type_object))
        return "wrong confirmation";
    if (claims_has(cnf, "jkt"))
        return "bound to a key (DPoP), and proofs of possession are not verified here";
    if (json_object_object_length(cnf) != 1 || !claims_has(cnf, to_certificate))
        return "bound by a means that is not known here";
    if (!rules->certificate_fingerprint)
        return "bound to a client certificate, and none was shown";
    return is_fingerprint(claims_text(cnf, to_certificate), rules->certificate_fingerprint)
               ? NULL
               : "bound to another client certificate";
}

int claims_judge(const struct json_object *claims, const struct claims_rules *rules, const char **ret_why)
{
    static const char *(*const judges[])(const struct json_object *claims, const struct claims_rules *rules) = {
        judge_issuer, judge_audience, judge_expiry, judge_beginning, judge_binding,
    };
    for (size_t i = 0; i < ARRAY_SIZE(judges); i++) {
        const char *why = judges[i](claims, rules);
        if (why) {
            *ret_why = why;
            return CLAIMS_REFUSED;
        }
    }
    return 0;
}

/* ---- an identity's parts ---- */

/* The first of the names that is there; it must be text. */
static const char *read_first(const struct json_object *claims, const char *const *names, struct span *ret_text)
{
    for (; *names; names++) {
        if (!claims_has(claims, *names))
            continue;
        *ret_text = claims_text(claims, *names);
        return span_absent(*ret_text) ? "a claim that should be text is not" : NULL;
    }
    return NULL;
}

static const char *add_scope(struct claims_facts *facts, struct span scope)
{
    if (facts->facts.scopes == CLAIMS_MAX_SCOPES)
        return "too many scopes";
    facts->scope[facts->facts.scopes++] = scope;
    return NULL;
}

static const char *read_scope_text(struct span text, struct claims_facts *facts)
{
    const char *why = NULL;
    while (!span_absent(text) && !why) {
        struct span scope = span_cut(&text, ' ');
        why = scope.size > 0 ? add_scope(facts, scope) : NULL;
    }
    return why;
}

static const char *read_scope_list(const struct json_object *list, struct claims_facts *facts)
{
    const char *why = NULL;
    for (size_t i = 0; i < json_object_array_length(list) && !why; i++) {
        struct span scope = text_of(json_object_array_get_idx(list, i));
        why = scope.size > 0 ? add_scope(facts, scope) : "a scope that is no text";
    }
    return why;
}

/* RFC 8693, 4.2 has text; scp is what others write, as text or as a list. */
static const char *read_scopes(const struct json_object *claims, struct claims_facts *facts)
{
    const char *name = claims_has(claims, "scope") ? "scope" : "scp";
    const struct json_object *value = member(claims, name);
    if (!claims_has(claims, name))
        return NULL;
    if (json_object_is_type(value, json_type_array))
        return read_scope_list(value, facts);
    return json_object_is_type(value, json_type_string) ? read_scope_text(text_of(value), facts)
                                                        : "scopes that are no text";
}

int claims_read(const struct json_object *claims, const struct claims_rules *rules, struct claims_facts *ret_facts,
                const char **ret_why)
{
    static const char *const subject[] = {"sub", "client_id", NULL}, *const client[] = {"client_id", "azp", NULL};
    struct identity_facts *facts = &ret_facts->facts;
    uint64_t ms = 0;
    *facts = (struct identity_facts){.issuer = rules->issuer, .scope = ret_facts->scope};
    const char *why = read_first(claims, subject, &facts->subject);
    if (!why)
        why = facts->subject.size == 0 ? "no subject" : read_first(claims, client, &facts->client_id);
    if (!why)
        why = read_scopes(claims, ret_facts);
    if (why) {
        *ret_why = why;
        return CLAIMS_REFUSED;
    }
    facts->expires_wall_ms = read_time(claims, "exp", &ms) == 0 ? ms + rules->leeway_ms : 0;
    return 0;
}
