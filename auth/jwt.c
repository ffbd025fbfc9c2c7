/* Takes a token apart: three parts in base64url without padding, of which the first two are JSON objects. Any thread;
   owns what it decoded. */
#include "auth/jwt.h"

#include <errno.h>

#include <json-c/json.h>

#include "auth/claims.h"
#include "auth/credential.h"
#include "gateway/base/encoding.h"

enum { SIGNATURE_MAX_BYTES = JWKS_RSA_MAX_BITS / 8 };

static int refused(const char *why, const char **ret_why)
{
    *ret_why = why;
    return JWT_REFUSED;
}

/* A part that is no JSON object says that this is another kind of token. */
static int read_object(struct span part, size_t max_bytes, struct json_object **ret_object)
{
    CLEANUP(text_done) struct text json = TEXT(max_bytes);
    int result = base64_decode(BASE64_URL, part, &json);
    if (result == 0)
        result = claims_parse(text_span(&json), max_bytes, ret_object);
    return result == -ENOMEM ? result : result == 0 ? 0 : JWT_OPAQUE;
}

/* RFC 8725, 3.11: a token made for another purpose is none for us. */
static bool is_access_token(struct span type)
{
    static const char *const types[] = {"JWT", "at+jwt", "application/at+jwt", "application/jwt"};
    if (span_absent(type))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (span_equal_nocase(type, span_of(types[i])))
            return true;
    return false;
}

static bool is_text_or_absent(const struct json_object *object, const char *name)
{
    return !claims_has(object, name) || !span_absent(claims_text(object, name));
}

static int read_header(struct jwt *jwt, const char **ret_why)
{
    jwt->algorithm = algorithm_find(claims_text(jwt->header, "alg"));
    jwt->kid = claims_text(jwt->header, "kid");
    if (claims_has(jwt->header, "crit"))
        return refused("critical extensions, of which none is known here", ret_why);
    if (!is_text_or_absent(jwt->header, "typ") || !is_access_token(claims_text(jwt->header, "typ")))
        return refused("not an access token", ret_why);
    if (!is_text_or_absent(jwt->header, "kid"))
        return refused("wrong key id", ret_why);
    return jwt->algorithm ? 0 : refused("algorithm not allowed", ret_why);
}

static int read_signature(struct span part, struct jwt *jwt, const char **ret_why)
{
    jwt->signature = TEXT(SIGNATURE_MAX_BYTES);
    int result = base64_decode(BASE64_URL, part, &jwt->signature);
    if (result == -ENOMEM)
        return result;
    return result == 0 && jwt->signature.size > 0 ? 0 : refused("wrong signature", ret_why);
}

int jwt_read(struct span token, struct jwt *ret_jwt, const char **ret_why)
{
    struct jwt jwt = {.token = token};
    struct span rest = token, header = span_cut(&rest, '.'), claims = span_cut(&rest, '.');
    if (token.size > CREDENTIAL_MAX_BYTES || span_absent(rest) || memchr(rest.at, '.', rest.size))
        return JWT_OPAQUE;
    int result = read_object(header, JWT_MAX_HEADER_BYTES, &jwt.header);
    if (result == 0 && !claims_has(jwt.header, "alg"))
        result = JWT_OPAQUE;
    if (result == 0)
        result = read_object(claims, CREDENTIAL_MAX_BYTES, &jwt.claims);
    if (result == 0)
        result = read_header(&jwt, ret_why);
    if (result == 0)
        result = read_signature(rest, &jwt, ret_why);
    if (result == 0 || result == JWT_REFUSED)
        *ret_jwt = jwt;
    else
        jwt_done(&jwt);
    return result;
}

void jwt_done(struct jwt *jwt)
{
    json_object_put(jwt->header);
    json_object_put(jwt->claims);
    text_done(&jwt->signature);
    *jwt = (struct jwt){.header = NULL};
}

int jwt_verify(const struct jwt *jwt, const struct jwks *jwks)
{
    const struct jwk *key = jwks_next(jwks, NULL, jwt->algorithm, jwt->kid);
    int result = key ? JWT_WRONG_SIGNATURE : JWT_NO_KEY;
    for (size_t tried = 0; key && tried < JWT_MAX_KEYS_TRIED; tried++) {
        int one = jwk_verify(key, jwt->algorithm, jwt->token, text_span(&jwt->signature));
        if (one <= 0)
            return one;
        key = jwks_next(jwks, key, jwt->algorithm, jwt->kid);
    }
    return result;
}
