/* Rules of authentication: of single options, and what they say together. Pure; owns nothing. */
#include <errno.h>
#include <strings.h>

#include "auth/authenticator.h"
#include "gateway/config/checks.h"
#include "gateway/core/settings.h"

enum { SHA256_HEX_BYTES = 64 };

static bool refuse(struct text *problem, struct span value, const char *sentence)
{
    mistake_add_value(problem, value);
    text_add_char(problem, ' ');
    text_add(problem, span_of(sentence));
    return false;
}

/* ---- single options ---- */

static bool is_hex(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

bool check_sha256(struct span value, struct text *problem)
{
    bool good = value.size == SHA256_HEX_BYTES;
    for (size_t i = 0; i < value.size; i++)
        good = good && is_hex(value.at[i]);
    if (!good)
        text_add_literal(problem,
                         "is no SHA-256 digest, which has 64 hexadecimal digits: weir hash-key makes it of a key");
    return good;
}

bool check_jwks(struct span value, struct text *problem)
{
    return authenticator_check_url(value, true) == 0 ||
           refuse(problem, value, "must be an https URL (http on loopback only) or file:PATH");
}

bool check_introspection(struct span value, struct text *problem)
{
    return authenticator_check_url(value, false) == 0 ||
           refuse(problem, value, "must be an https URL (http on loopback only)");
}

bool check_algorithm(struct span value, struct text *problem)
{
    return authenticator_check_algorithm(value) == 0 ||
           refuse(problem, value,
                  "is no algorithm that is verified here: RS256, PS256, ES256, their longer kin, EdDSA");
}

/* Behind "https://": something that has a host and neither blanks, query, fragment nor user. */
static bool is_plain_reference(struct span rest)
{
    struct span authority = rest;
    authority = span_cut(&authority, '/');
    for (size_t i = 0; i < rest.size; i++)
        if (rest.at[i] <= ' ' || rest.at[i] >= 0x7f || strchr("?#\"\\<>", rest.at[i]))
            return false;
    return authority.size > 0 && !memchr(authority.at, '@', authority.size);
}

bool check_resource(struct span value, struct text *problem)
{
    const struct span schemes[] = {SPAN("https://"), SPAN("http://")};
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (span_starts(value, schemes[i]) &&
            is_plain_reference((struct span){value.at + schemes[i].size, value.size - schemes[i].size}))
            return true;
    return refuse(problem, value,
                  "is no URL of a resource: write it without query and fragment, as https://gw.example/mcp");
}

/* ---- together ---- */

/* The place of a member of `auth`; nowhere if it is not in the file. */
static struct position place_of(const struct node *root, const char *member)
{
    const struct node *auth = root && root->kind == NODE_MAPPING ? node_find(root, SPAN("auth")) : NULL;
    const struct node *found = auth && auth->kind == NODE_MAPPING ? node_find(auth, span_of(member)) : NULL;
    return found ? found->at : (struct position){0};
}

static int compare_digests(const void *a, const void *b)
{
    const struct api_key_settings *one = *(const struct api_key_settings *const *)a;
    const struct api_key_settings *other = *(const struct api_key_settings *const *)b;
    int order = strcasecmp(one->sha256, other->sha256);
    return order != 0 ? order : one < other ? -1 : one > other;
}

/* Whose is a key that two have? */
static int check_keys(const struct auth_settings *auth, struct mistakes *mistakes)
{
    const struct api_key_settings **row = calloc(auth->api_keys + 1, sizeof(*row));
    size_t count = 0;
    if (!row)
        return -ENOMEM;
    for (size_t i = 0; i < auth->api_keys; i++)
        if (auth->api_key[i].sha256)
            row[count++] = &auth->api_key[i];
    qsort(row, count, sizeof(*row), compare_digests);
    for (size_t i = 1; i < count; i++)
        if (strcasecmp(row[i - 1]->sha256, row[i]->sha256) == 0)
            text_addf(mistake(mistakes, (struct position){row[i]->place.line, row[i]->place.column}),
                      "auth.api_keys[%zu]: its sha256 is that of the entry in line %u",
                      (size_t)(row[i] - auth->api_key), row[i - 1]->place.line);
    free(row);
    return 0;
}

/* ---- issuers ---- */

static void say(const struct node *entry, const char *member, const char *label, const char *sentence,
                struct mistakes *mistakes)
{
    const struct node *found = node_find(entry, span_of(member));
    text_addf(mistake(mistakes, found ? found->at : entry->at), "%s%s", label, sentence);
}

void check_issuer(const struct node *entry, void *record, const char *label, struct mistakes *mistakes)
{
    const struct issuer_settings *issuer = record;
    bool jwks = node_find(entry, SPAN("jwks")) != NULL;
    bool introspection = node_find(entry, SPAN("introspection")) != NULL;
    if (jwks == introspection)
        say(entry, "introspection", label,
            jwks ? ": jwks and introspection exclude each other" : ": either jwks or introspection is needed",
            mistakes);
    if (introspection && !jwks && (!issuer->client_id || !issuer->client_secret))
        say(entry, "", label, ": introspection needs client_id and client_secret", mistakes);
    if (!introspection && (issuer->client_id || issuer->client_secret))
        say(entry, issuer->client_id ? "client_id" : "client_secret", label,
            ": client_id and client_secret have no effect without introspection", mistakes);
    if (introspection && issuer->algorithms.count > 0)
        say(entry, "algorithms", label, ".algorithms: has no effect with introspection", mistakes);
}

static bool same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* Two rows of one issuer: for two audiences, or one that signs some tokens and answers for others. */
static void check_issuers(const struct auth_settings *auth, struct mistakes *mistakes)
{
    for (size_t i = 0; i < auth->issuers; i++)
        for (size_t j = 0; j < i; j++) {
            const struct issuer_settings *one = &auth->issuer[j], *other = &auth->issuer[i];
            if (same_text(one->issuer, other->issuer) && same_text(one->audience, other->audience) &&
                !one->jwks == !other->jwks)
                text_addf(mistake(mistakes, (struct position){other->place.line, other->place.column}),
                          "auth.jwt[%zu]: the entry in line %u is for the same issuer and audience", i,
                          one->place.line);
        }
}

/* Clients have to be told what to ask a token for (RFC 9728): one URL. */
static void check_resource_is_known(const struct node *root, const struct settings *settings, struct mistakes *mistakes)
{
    CLEANUP(text_done) struct text ignored = TEXT(MISTAKE_MAX_BYTES);
    const struct auth_settings *auth = &settings->auth;
    if (settings->resource.url || auth->issuers == 0)
        return;
    bool known = auth->issuer[0].audience && check_resource(span_of(auth->issuer[0].audience), &ignored);
    for (size_t i = 1; i < auth->issuers; i++)
        known = known && same_text(auth->issuer[0].audience, auth->issuer[i].audience);
    if (!known)
        text_add_literal(
            mistake(mistakes, place_of(root, "jwt")),
            "auth.resource: is needed: the audiences of auth.jwt are not one URL, which clients could be told");
}

static bool asks_for_certificates(const struct settings *settings)
{
    for (size_t i = 0; i < settings->listeners; i++)
        if (settings->listener[i].tls.client_auth != TLS_CLIENT_NONE)
            return true;
    return false;
}

/* Lines have no place for a credential: there it is the certificate or nothing. */
static void check_streams(const struct settings *settings, struct mistakes *mistakes)
{
    for (size_t i = 0; i < settings->listeners; i++) {
        const struct listener_settings *listener = &settings->listener[i];
        bool shows = settings->auth.certificates && listener->tls.client_auth == TLS_CLIENT_REQUIRE;
        if ((listener->transports & TRANSPORT_STREAM) && !shows)
            text_addf(mistake(mistakes, (struct position){listener->place.line, listener->place.column}),
                      "listen[%zu]: with auth.required nobody could use it: on a stream a client can only show a "
                      "certificate (tls.client_auth: require, auth.certificates: true)",
                      i);
    }
}

int check_auth(const struct node *root, const struct settings *settings, struct mistakes *mistakes)
{
    const struct auth_settings *auth = &settings->auth;
    if (auth->required && auth->api_keys == 0 && auth->issuers == 0 && !auth->certificates)
        text_add_literal(mistake(mistakes, place_of(root, "required")),
                         "auth.required: nobody could get in: there are no api_keys, no jwt and no certificates");
    if (auth->certificates && !asks_for_certificates(settings))
        text_add_literal(mistake(mistakes, place_of(root, "certificates")),
                         "auth.certificates: no listener asks clients for one (tls.client_auth)");
    if (auth->required)
        check_streams(settings, mistakes);
    check_issuers(auth, mistakes);
    check_resource_is_known(root, settings, mistakes);
    return check_keys(auth, mistakes);
}
