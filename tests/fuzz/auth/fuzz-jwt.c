/* Fuzz target: tokens, against a key of each kind (the corpus has tokens by all of them; the private keys are gone).
   Beyond not crashing, it checks what must hold: what is verified has an algorithm of the table and a key of its kind,
   and is not verified any more when a byte of its claims or its header is another one. */
#include "auth/claims.h"
#include "auth/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key_set[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"oWxlVbwvDMO5nKNyOEkAwwiQhokAnf7Qn9ik9rWg9vvLtHFoZ4RDmN"
    "TB6NMdcpI-eDy8bjymQvfyZfGR7oE5mkryg0CZGsi06zaT_YZYUy4sSkgRvvUUksge_8WL74QFErbnNnhIkGZ4U-yFq1nT7COK4QDSkG"
    "lHg6kJG1w5aqVCO9ebU1eTYOA6sZv9iFj7Cozd9bDxpIsiPTYy76kj4cf8tlyVZt_oH4LvyKrxapk0JuTtubGWxZPdhzAARTY6fCqeYo"
    "EOI62P0x-PWtdvoXRsbVc3RXncYHRG9gQzIClh5fFPw7WCW7zwScxn9aF7kO50laW9CXPkNx9rd4-How\",\"e\":\"AQAB\"},{\"kt"
    "y\":\"EC\",\"kid\":\"P-256\",\"crv\":\"P-256\",\"x\":\"7SzcLMT0kAeAXDfr1xNu0ayXYewR29o8gg5m47bjhHA\",\"y"
    "\":\"J-5tGSOkeGic7tZUnxUQSjSpWJfTDtL-dJDQVEpbixU\"},{\"kty\":\"EC\",\"kid\":\"P-384\",\"crv\":\"P-384\","
    "\"x\":\"ACOaiEQUklHzQqk-kx_edjYxc_WdQcQRL1r4XDHgRBI6SEaszNXjCzWR59HCef4J\",\"y\":\"NKG1pdNTLTpk89Gb-Ar0D"
    "LyYE5KpwGmYDJtBQN_uaMJEYOiSjUSZ1CqDUevS77mx\"},{\"kty\":\"EC\",\"kid\":\"P-521\",\"crv\":\"P-521\",\"x\""
    ":\"ARbUYpw7OzmRWeZz2cxi3mj3GWJOEevlULLal-zVXFdcWtbaAPMpzdVbFeHvxRWdb_AK0vsRvY6YQemmKGLX3aom\",\"y\":\"AP"
    "Jj14Rkj5YHZ9tO1jQRnPj3RZYOnG-oWmRtaQq9vxhjgZr6ord0iYJKwXaDy_FVet35XubQALveL3EuyvcTSvR4\"},{\"kty\":\"OKP"
    "\",\"kid\":\"e\",\"crv\":\"Ed25519\",\"x\":\"-t7yo4-yvNUWDB-b_zjbRmD9tyw_fnhNvkolaxB5vF0\"}]}";

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static int verify(struct span token, const struct jwks *jwks)
{
    struct jwt jwt;
    const char *why = NULL;
    int result = jwt_read(token, &jwt, &why);
    if (result == JWT_OPAQUE)
        return result;
    check(result == 0 || (result == JWT_REFUSED && why));
    if (result == 0) {
        check(jwt.algorithm && jwt.claims && jwt.signature.size > 0);
        result = jwt_verify(&jwt, jwks);
    }
    jwt_done(&jwt);
    return result;
}

/* Every byte before the signature counts. */
static void check_altered(struct span token, const struct jwks *jwks)
{
    char *copy = span_copy(token);
    const char *dot = memrchr(token.at, '.', token.size);
    for (size_t i = 0; i < (size_t)(dot - token.at); i += 1 + token.size / 16) {
        char old = copy[i];
        copy[i] = old == 'A' ? 'B' : 'A';
        check(verify((struct span){copy, token.size}, jwks) != 0);
        copy[i] = old;
    }
    free(copy);
}

static void check_claims(struct span token)
{
    static const uint8_t fingerprint[32] = {0xff};
    const struct claims_rules rules = {.issuer = SPAN("https://issuer.example"),
                                       .audience = SPAN("https://gw.example/mcp"),
                                       .complete = true,
                                       .certificate_fingerprint = fingerprint};
    struct claims_facts facts;
    struct jwt jwt;
    const char *why = NULL;
    if (jwt_read(token, &jwt, &why) != 0) {
        if (why)
            jwt_done(&jwt);
        return;
    }
    if (claims_judge(jwt.claims, &rules, &why) == 0)
        check(span_equal(claims_text(jwt.claims, "iss"), rules.issuer));
    if (claims_read(jwt.claims, &rules, &facts, &why) == 0)
        check(facts.facts.subject.size > 0 && facts.facts.scopes <= CLAIMS_MAX_SCOPES);
    jwt_done(&jwt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jwks *jwks;
    struct span token = {(const char *)data, size};
    const char *why = NULL;
    if (!jwks)
        check(jwks_parse(span_of(key_set), &jwks, &why) == 0 && jwks_count(jwks) == 5);
    if (verify(token, jwks) == 0)
        check_altered(token, jwks);
    check_claims(token);
    return 0;
}
