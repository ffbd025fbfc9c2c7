/* Claims first, signature after them: what is expired or meant for somebody else costs no cryptography, and nothing is
   believed before both were right. Any thread; owns copies of its settings, and references of what it stands on. */
#include "auth/issuer.h"

#include <errno.h>
#include <stdio.h>

#include "auth/introspection.h"

struct issuer {
    char *name, *audience;
    unsigned algorithms;
    uint64_t leeway_ms;
    struct key_source *keys;           /* or */
    struct introspector *introspector; /* one of them */
};

/* ---- life ---- */

int issuer_algorithms(const struct name_list *names, unsigned *ret_algorithms)
{
    unsigned all = names->count > 0 ? 0 : (1U << ALGORITHMS) - 1;
    for (size_t i = 0; i < names->count; i++) {
        const struct algorithm *algorithm = algorithm_find(span_of(names->name[i]));
        if (!algorithm)
            return -EINVAL;
        all |= algorithm_bit(algorithm);
    }
    *ret_algorithms = all;
    return 0;
}

static int open_keys(struct issuer *issuer, const struct issuer_settings *settings, const struct issuer_rules *rules,
                     struct fetcher *fetcher, struct issuer *const *previous, size_t previous_count)
{
    const struct key_source_settings wanted = {.url = settings->jwks, .ca = settings->ca, .ttl_ms = rules->jwks_ttl_ms};
    if (!settings->audience)
        return -EINVAL; /* without it, a token for anybody would open this gate */
    for (size_t i = 0; i < previous_count; i++) {
        if (previous[i]->keys && key_source_is(previous[i]->keys, &wanted)) {
            issuer->keys = key_source_ref(previous[i]->keys);
            return 0;
        }
    }
    return key_source_new(&wanted, fetcher, &issuer->keys);
}

static int open_introspection(struct issuer *issuer, const struct issuer_settings *settings)
{
    return introspector_new(&(struct introspection_settings){.url = settings->introspection,
                                                             .ca = settings->ca,
                                                             .client_id = settings->client_id,
                                                             .client_secret = settings->client_secret,
                                                             .issuer = settings->issuer,
                                                             .audience = settings->audience,
                                                             .leeway_ms = issuer->leeway_ms},
                            &issuer->introspector);
}

static int fill(struct issuer *issuer, const struct issuer_settings *settings, const struct issuer_rules *rules)
{
    bool one = (settings->jwks != NULL) != (settings->introspection != NULL);
    if (!settings->issuer || settings->issuer[0] == '\0' || !one)
        return -EINVAL;
    issuer->leeway_ms = rules->leeway_ms;
    issuer->name = strdup(settings->issuer);
    if (settings->audience)
        issuer->audience = strdup(settings->audience);
    if (!issuer->name || (settings->audience && !issuer->audience))
        return -ENOMEM;
    return issuer_algorithms(&settings->algorithms, &issuer->algorithms);
}

int issuer_new(const struct issuer_settings *settings, const struct issuer_rules *rules, struct fetcher *fetcher,
               struct issuer *const *previous, size_t previous_count, struct issuer **ret_issuer)
{
    struct issuer *issuer = calloc(1, sizeof(*issuer));
    if (!issuer)
        return -ENOMEM;
    int result = fill(issuer, settings, rules);
    if (result == 0)
        result = settings->jwks ? open_keys(issuer, settings, rules, fetcher, previous, previous_count)
                                : open_introspection(issuer, settings);
    if (result == 0)
        *ret_issuer = issuer;
    else
        issuer_free(issuer, fetcher);
    return result;
}

void issuer_free(struct issuer *issuer, struct fetcher *fetcher)
{
    if (!issuer)
        return;
    key_source_unref(issuer->keys, fetcher);
    introspector_unref(issuer->introspector);
    free(issuer->audience);
    free(issuer->name);
    free(issuer);
}

const char *issuer_name(const struct issuer *issuer)
{
    return issuer->name;
}

bool issuer_is_introspected(const struct issuer *issuer)
{
    return issuer->introspector != NULL;
}

/* ---- signed tokens ---- */

static int refused(const char *why, const char **ret_why)
{
    *ret_why = why;
    return AUTHENTICATOR_REFUSED;
}

static int unavailable(const char *why, const char **ret_why)
{
    *ret_why = why;
    return AUTHENTICATOR_UNAVAILABLE;
}

/* What is to be done when none of the keys goes with the token; LOOK_AGAIN: there are others now. */
enum { LOOK_AGAIN = 0 };
static int ask_for_key(struct issuer *issuer, struct fetcher *fetcher, const struct jwks *seen,
                       struct authenticator_waiter *waiter, const char **ret_why)
{
    switch (key_source_ask(issuer->keys, fetcher, seen, waiter)) {
    case KEY_SOURCE_ASKING:
        return AUTHENTICATOR_PENDING;
    case KEY_SOURCE_CURRENT:
        return refused("unknown key", ret_why);
    case KEY_SOURCE_AWAY:
        return unavailable("the issuer's keys cannot be fetched", ret_why);
    default:
        return LOOK_AGAIN;
    }
}

static int verify_signature(struct issuer *issuer, struct fetcher *fetcher, const struct jwt *jwt,
                            struct authenticator_waiter *waiter, const char **ret_why)
{
    for (;;) {
        struct jwks *keys = key_source_keys(issuer->keys);
        int result = keys ? jwt_verify(jwt, keys) : JWT_NO_KEY;
        int asked = result == JWT_NO_KEY ? ask_for_key(issuer, fetcher, keys, waiter, ret_why) : LOOK_AGAIN;
        jwks_unref(keys);
        if (asked != LOOK_AGAIN)
            return asked;
        if (result == JWT_WRONG_SIGNATURE)
            return refused("wrong signature", ret_why);
        if (result <= 0)
            return result;
    }
}

int issuer_verify(struct issuer *issuer, struct fetcher *fetcher, const struct jwt *jwt,
                  const struct issuer_question *question, struct identity **ret_identity, const char **ret_why)
{
    const struct claims_rules rules = {.issuer = span_of(issuer->name),
                                       .audience = span_of(issuer->audience),
                                       .complete = true,
                                       .leeway_ms = issuer->leeway_ms,
                                       .certificate_fingerprint = question->certificate_fingerprint};
    struct claims_facts facts;
    if (!(issuer->algorithms & algorithm_bit(jwt->algorithm)))
        return refused("algorithm not allowed", ret_why);
    if (claims_judge(jwt->claims, &rules, ret_why) != 0 || claims_read(jwt->claims, &rules, &facts, ret_why) != 0)
        return AUTHENTICATOR_REFUSED;
    int result = verify_signature(issuer, fetcher, jwt, question->waiter, ret_why);
    if (result != 0)
        return result;
    facts.facts.proof = IDENTITY_JWT;
    facts.facts.address = question->address;
    return identity_new(&facts.facts, ret_identity);
}

/* ---- any token ---- */

int issuer_introspect(struct issuer *issuer, struct fetcher *fetcher, const struct issuer_question *question,
                      struct identity **ret_identity, const char **ret_why)
{
    struct identity *anywhere = NULL;
    int result = introspector_ask(issuer->introspector, fetcher, question->token, question->certificate_fingerprint,
                                  question->waiter, &anywhere, ret_why);
    switch (result) {
    case 0:
        result = identity_at(anywhere, question->address, ret_identity);
        identity_unref(anywhere);
        return result;
    case INTROSPECTION_REFUSED:
        return AUTHENTICATOR_REFUSED;
    case INTROSPECTION_ASKING:
        return AUTHENTICATOR_PENDING;
    case INTROSPECTION_AWAY:
        return unavailable("the issuer does not answer", ret_why);
    case INTROSPECTION_FULL:
        return unavailable("too many questions to the issuer are open", ret_why);
    default:
        return result;
    }
}

/* ---- what is shown of it ---- */

void issuer_read_status(struct issuer *issuer, struct authenticator_issuer *ret_status)
{
    *ret_status = (struct authenticator_issuer){.issuer = issuer->name, .introspected = issuer_is_introspected(issuer)};
    if (issuer->keys) {
        struct key_source_status keys;
        key_source_read_status(issuer->keys, &keys);
        ret_status->keys = keys.keys;
        ret_status->good_wall_ms = keys.good_wall_ms;
        ret_status->failed_wall_ms = keys.failed_wall_ms;
        ret_status->failures = keys.failures;
        (void)snprintf(ret_status->error, sizeof(ret_status->error), "%s", keys.error);
    } else {
        struct introspector_status asked;
        introspector_read_status(issuer->introspector, &asked);
        ret_status->good_wall_ms = asked.good_wall_ms;
        ret_status->failed_wall_ms = asked.failed_wall_ms;
        ret_status->failures = asked.failures;
        (void)snprintf(ret_status->error, sizeof(ret_status->error), "%s", asked.error);
    }
}
