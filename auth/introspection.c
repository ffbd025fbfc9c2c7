/* Open questions in a list, answers in a table (credential_cache.h, without addresses). One lock for both, which comes
   before the fetcher's. A question belongs to the fetcher until it is released, and holds a reference of its
   introspector. */
#include "auth/introspection.h"

#include <errno.h>
#include <json-c/json.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <utlist.h>

#include "auth/credential_cache.h"
#include "gateway/base/clock.h"
#include "gateway/base/text.h"

enum { ANSWER_MAX_BYTES = CLAIMS_MAX_BYTES, FORM_MAX_BYTES = 64 * 1024, FINGERPRINT_BYTES = 32 };

struct introspector {
    _Atomic unsigned references;
    char *url, *ca, *user, *password, *issuer, *audience;
    uint64_t leeway_ms;
    struct credential_cache *answers;

    pthread_mutex_t lock; /* of all below, and of what is put into `answers` and taken from `questions` together */
    struct question *questions;
    size_t open;
    unsigned failures;
    uint64_t away_until_ms; /* monotonic */
    struct introspector_status status;
};

struct question {
    struct fetch fetch;
    struct introspector *introspector;
    struct text form;
    char *token;
    bool has_certificate;
    uint8_t fingerprint[FINGERPRINT_BYTES];
    struct question *next, *prev;
};

/* ---- what an answer says ---- */

static int refused(const char *why, const char **ret_why)
{
    *ret_why = why;
    return INTROSPECTION_REFUSED;
}

static int no_answer(const char *why, const char **ret_why)
{
    *ret_why = why;
    return INTROSPECTION_AWAY;
}

static int read_claims(const struct json_object *claims, const struct claims_rules *rules,
                       struct identity **ret_identity, const char **ret_why)
{
    struct json_object *active = NULL;
    struct claims_facts facts;
    if (!json_object_object_get_ex(claims, "active", &active) || !json_object_is_type(active, json_type_boolean))
        return no_answer("the answer does not say whether the token is active", ret_why);
    if (!json_object_get_boolean(active))
        return refused("not active", ret_why);
    if (claims_judge(claims, rules, ret_why) != 0 || claims_read(claims, rules, &facts, ret_why) != 0)
        return INTROSPECTION_REFUSED;
    facts.facts.proof = IDENTITY_INTROSPECTION;
    return identity_new(&facts.facts, ret_identity);
}

int introspection_read(struct span answer, const struct claims_rules *rules, struct identity **ret_identity,
                       const char **ret_why)
{
    struct json_object *claims = NULL;
    int result = claims_parse(answer, ANSWER_MAX_BYTES, &claims);
    if (result != 0)
        return result < 0 ? result : no_answer("the answer is no JSON object", ret_why);
    result = read_claims(claims, rules, ret_identity, ret_why);
    json_object_put(claims);
    return result;
}

/* ---- questions ---- */

static struct credential_cache_key answer_key(struct span token, const uint8_t *fingerprint)
{
    return (struct credential_cache_key){.secret = token, .certificate_fingerprint = fingerprint};
}

static const uint8_t *fingerprint_of(const struct question *question)
{
    return question->has_certificate ? question->fingerprint : NULL;
}

static void free_question(struct question *question)
{
    if (question->token)
        OPENSSL_cleanse(question->token, strlen(question->token));
    if (question->form.at)
        OPENSSL_cleanse(question->form.at, question->form.size);
    free(question->token);
    text_done(&question->form);
    introspector_unref(question->introspector);
    free(question);
}

/* Under the lock. What cannot be kept is asked again by whoever waits for it. */
static void note_answer(struct introspector *introspector, const struct question *question, struct identity *identity,
                        const char *why)
{
    struct credential_cache_key key = answer_key(span_of(question->token), fingerprint_of(question));
    (void)!credential_cache_add(introspector->answers, &key, identity, why,
                                identity ? INTROSPECTION_ANSWER_MS : INTROSPECTION_REFUSED_MS);
    introspector->failures = 0;
    introspector->away_until_ms = 0;
    introspector->status.good_wall_ms = clock_wall_ms();
    introspector->status.error[0] = '\0';
}

/* Under the lock. */
static void note_failure(struct introspector *introspector, const char *error)
{
    uint64_t pause_ms = (uint64_t)INTROSPECTION_RETRY_MIN_MS << MIN(introspector->failures, 16U);
    introspector->failures++;
    introspector->away_until_ms = clock_now_ms() + MIN(pause_ms, (uint64_t)INTROSPECTION_RETRY_MAX_MS);
    introspector->status.failures++;
    introspector->status.failed_wall_ms = clock_wall_ms();
    (void)snprintf(introspector->status.error, sizeof(introspector->status.error), "%s", error);
}

static struct claims_rules rules_of(const struct introspector *introspector, const uint8_t *fingerprint)
{
    return (struct claims_rules){.issuer = span_of(introspector->issuer),
                                 .audience = span_of(introspector->audience),
                                 .leeway_ms = introspector->leeway_ms,
                                 .certificate_fingerprint = fingerprint};
}

/* On the fetcher's thread. */
static uint64_t answered(struct fetch *fetch, const struct fetch_answer *answer)
{
    struct question *question = CONTAINER_OF(fetch, struct question, fetch);
    struct introspector *introspector = question->introspector;
    struct claims_rules rules = rules_of(introspector, fingerprint_of(question));
    struct identity *identity = NULL;
    const char *why = answer->error;
    int result = INTROSPECTION_AWAY;
    if (!why)
        result = introspection_read(answer->body, &rules, &identity, &why);
    pthread_mutex_lock(&introspector->lock);
    DL_DELETE(introspector->questions, question);
    introspector->open--;
    if (result == 0 || result == INTROSPECTION_REFUSED)
        note_answer(introspector, question, identity, why);
    else
        note_failure(introspector, result < 0 ? "out of memory" : why);
    pthread_mutex_unlock(&introspector->lock);
    identity_unref(identity);
    return FETCH_NEVER;
}

/* Answered, or the fetcher has ended before: then it is still in the list. */
static void released(struct fetch *fetch)
{
    struct question *question = CONTAINER_OF(fetch, struct question, fetch);
    struct introspector *introspector = question->introspector;
    struct question *found;
    pthread_mutex_lock(&introspector->lock);
    DL_FOREACH(introspector->questions, found)
    {
        if (found != question)
            continue;
        DL_DELETE(introspector->questions, question);
        introspector->open--;
        break;
    }
    pthread_mutex_unlock(&introspector->lock);
    free_question(question);
}

static const struct fetch_ops question_fetch = {answered, released};

/* application/x-www-form-urlencoded: all but the unreserved characters of RFC 3986 as %XX. */
static void add_encoded(struct text *out, struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.at[i];
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                     (byte != '\0' && strchr("-._~", byte));
        if (plain)
            text_add_char(out, byte);
        else
            text_addf(out, "%%%02X", (unsigned char)byte);
    }
}

static int fill_question(struct question *question, struct span token, const uint8_t *fingerprint)
{
    struct introspector *introspector = question->introspector;
    question->token = span_copy(token);
    question->form = TEXT(FORM_MAX_BYTES);
    text_add_literal(&question->form, "token_type_hint=access_token&token=");
    add_encoded(&question->form, token);
    question->has_certificate = fingerprint != NULL;
    if (fingerprint)
        memcpy(question->fingerprint, fingerprint, FINGERPRINT_BYTES);
    question->fetch.ops = &question_fetch;
    question->fetch.request = (struct fetch_request){.url = introspector->url,
                                                     .ca = introspector->ca,
                                                     .user = introspector->user,
                                                     .password = introspector->password,
                                                     .form = text_span(&question->form),
                                                     .max_bytes = ANSWER_MAX_BYTES};
    return question->token && question->form.error == 0 ? 0 : -ENOMEM;
}

static struct question *new_question(struct introspector *introspector, struct span token, const uint8_t *fingerprint)
{
    struct question *question = calloc(1, sizeof(*question));
    if (!question)
        return NULL;
    question->introspector = introspector;
    atomic_fetch_add_explicit(&introspector->references, 1, memory_order_relaxed);
    if (fill_question(question, token, fingerprint) == 0)
        return question;
    free_question(question);
    return NULL;
}

/* Under the lock. */
static struct question *find_question(const struct introspector *introspector, struct span token,
                                      const uint8_t *fingerprint)
{
    struct question *question;
    DL_FOREACH(introspector->questions, question)
    {
        const uint8_t *other = fingerprint_of(question);
        bool certificate =
            fingerprint && other ? memcmp(fingerprint, other, FINGERPRINT_BYTES) == 0 : !fingerprint && !other;
        if (certificate && span_is(token, question->token))
            return question;
    }
    return NULL;
}

/* Under the lock. */
static int open_question(struct introspector *introspector, struct fetcher *fetcher, struct span token,
                         const uint8_t *fingerprint, struct authenticator_waiter *waiter)
{
    if (clock_now_ms() < introspector->away_until_ms)
        return INTROSPECTION_AWAY;
    if (introspector->open >= INTROSPECTION_MAX_OPEN)
        return INTROSPECTION_FULL;
    struct question *question = new_question(introspector, token, fingerprint);
    if (!question)
        return -ENOMEM;
    DL_APPEND(introspector->questions, question); /* before it can be answered */
    introspector->open++;
    if (fetcher_add(fetcher, &question->fetch, waiter) == 0)
        return INTROSPECTION_ASKING;
    DL_DELETE(introspector->questions, question);
    introspector->open--;
    free_question(question);
    return INTROSPECTION_FULL;
}

/* Under the lock. */
static int ask(struct introspector *introspector, struct fetcher *fetcher, struct span token,
               const uint8_t *fingerprint, struct authenticator_waiter *waiter)
{
    struct question *question = find_question(introspector, token, fingerprint);
    if (!question)
        return open_question(introspector, fetcher, token, fingerprint, waiter);
    fetcher_wait(fetcher, &question->fetch, waiter);
    return INTROSPECTION_ASKING;
}

int introspector_ask(struct introspector *introspector, struct fetcher *fetcher, struct span token,
                     const uint8_t *certificate_fingerprint, struct authenticator_waiter *waiter,
                     struct identity **ret_identity, const char **ret_why)
{
    struct credential_cache_key key = answer_key(token, certificate_fingerprint);
    pthread_mutex_lock(&introspector->lock);
    int known = credential_cache_find(introspector->answers, &key, ret_identity, ret_why);
    int result = known == CREDENTIAL_CACHE_REFUSED ? INTROSPECTION_REFUSED : known;
    if (known == CREDENTIAL_CACHE_MISSING)
        result = ask(introspector, fetcher, token, certificate_fingerprint, waiter);
    pthread_mutex_unlock(&introspector->lock);
    return result;
}

void introspector_read_status(struct introspector *introspector, struct introspector_status *ret_status)
{
    pthread_mutex_lock(&introspector->lock);
    *ret_status = introspector->status;
    pthread_mutex_unlock(&introspector->lock);
}

/* ---- life ---- */

static void free_introspector(struct introspector *introspector)
{
    credential_cache_free(introspector->answers);
    if (introspector->password)
        OPENSSL_cleanse(introspector->password, strlen(introspector->password));
    free(introspector->password);
    free(introspector->user);
    free(introspector->audience);
    free(introspector->issuer);
    free(introspector->ca);
    free(introspector->url);
    pthread_mutex_destroy(&introspector->lock);
    free(introspector);
}

static int copy(const char *from, char **ret_to)
{
    if (!from)
        return 0;
    *ret_to = strdup(from);
    return *ret_to ? 0 : -ENOMEM;
}

/* RFC 6749, 2.3.1: both are form-encoded before they become a user and a password. */
static int copy_encoded(const char *from, char **ret_to)
{
    CLEANUP(text_done) struct text text = TEXT(FORM_MAX_BYTES);
    add_encoded(&text, span_of(from));
    text_terminate(&text);
    return text.error ? text.error : copy(text.at, ret_to);
}

static int fill(struct introspector *introspector, const struct introspection_settings *settings)
{
    const struct {
        const char *from;
        char **to;
    } rows[] = {{settings->url, &introspector->url},
                {settings->ca, &introspector->ca},
                {settings->issuer, &introspector->issuer},
                {settings->audience, &introspector->audience}};
    int result = 0;
    introspector->leeway_ms = settings->leeway_ms;
    for (size_t i = 0; i < ARRAY_SIZE(rows) && result == 0; i++)
        result = copy(rows[i].from, rows[i].to);
    if (result == 0 && settings->client_id)
        result = copy_encoded(settings->client_id, &introspector->user);
    if (result == 0 && settings->client_id)
        result = copy_encoded(settings->client_secret ? settings->client_secret : "", &introspector->password);
    return result == 0 ? credential_cache_new(INTROSPECTION_MAX_ANSWERS, &introspector->answers) : result;
}

int introspector_new(const struct introspection_settings *settings, struct introspector **ret_introspector)
{
    int result = fetcher_check_url(span_of(settings->url), false);
    if (result < 0)
        return result;
    struct introspector *introspector = calloc(1, sizeof(*introspector));
    if (!introspector)
        return -ENOMEM;
    atomic_init(&introspector->references, 1);
    pthread_mutex_init(&introspector->lock, NULL);
    result = fill(introspector, settings);
    if (result < 0) {
        free_introspector(introspector);
        return result;
    }
    *ret_introspector = introspector;
    return 0;
}

void introspector_unref(struct introspector *introspector)
{
    if (introspector && atomic_fetch_sub_explicit(&introspector->references, 1, memory_order_acq_rel) == 1)
        free_introspector(introspector);
}
