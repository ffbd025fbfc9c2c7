/* Claims about a token: the payload of a JWT (RFC 7519, 9068) or what an issuer says of it (RFC 7662). Strict and
   bounded reading of JSON objects, and the judgement that both share. Any thread; spans are borrowed from the object.
 */
#pragma once
#include <json-c/json_object.h>

#include "auth/identity.h"

enum {
    CLAIMS_MAX_BYTES = 64 * 1024, /* of a JSON text */
    CLAIMS_MAX_DEPTH = 16,
    CLAIMS_MAX_SCOPES = 256,
    CLAIMS_MAX_AUDIENCES = 256,
};

enum { CLAIMS_BAD = 1 };
/* One JSON object and nothing behind it, as strict as json-c can be (it takes names in single quotes, and NaN, which no
   claim may be). Names that come twice: the last one counts (RFC 7519, 4). A text with \u0000
   is refused, because json-c ends names there. 0 and a counted object (json_object_put()), or CLAIMS_BAD. */
MUST_USE int claims_parse(struct span json, size_t max_bytes, struct json_object **ret_object);
/* Absent when it is not there or no string. */
struct span claims_text(const struct json_object *object, const char *name);
/* Whether there is such a member at all; null counts. */
bool claims_has(const struct json_object *object, const char *name);

struct claims_rules {
    struct span issuer;
    struct span audience; /* absent: any */
    bool complete;        /* iss and exp must be there (a JWT); else they are judged when they are */
    uint64_t leeway_ms;
    const uint8_t *certificate_fingerprint; /* that the client has shown; NULL: none */
};
enum { CLAIMS_REFUSED = 1 };
/* iss, aud, exp, nbf, iat and cnf, now. 0, or CLAIMS_REFUSED: *ret_why (static) says which is wrong. */
MUST_USE int claims_judge(const struct json_object *claims, const struct claims_rules *rules, const char **ret_why);

/* An identity's parts, where they stand in the claims. */
struct claims_facts {
    struct identity_facts facts; /* without proof and address */
    struct span scope[CLAIMS_MAX_SCOPES];
};
/* sub (else client_id), client_id (else azp), scope (else scp, text or list), and when it ends, leeway included. 0, or
   CLAIMS_REFUSED (nobody, too many scopes, a member that is not what it should be). */
MUST_USE int claims_read(const struct json_object *claims, const struct claims_rules *rules,
                         struct claims_facts *ret_facts, const char **ret_why);
