/* Unit tests of auth/credential.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/credential.h"

static const uint8_t fingerprint[32] = {1, 2, 3};

struct row {
    const char *authorization, *subprotocol, *api_key, *subject;
    int expected;
    enum credential_kind kind;
    const char *secret; /* or why */
    const char *comment;
};

static const struct row rows[] = {
    {NULL, NULL, NULL, NULL, CREDENTIAL_NONE, 0, NULL, "nothing"},
    {"Bearer abc", NULL, NULL, NULL, 0, CREDENTIAL_BEARER, "abc", "the usual"},
    {"bEARER abc", NULL, NULL, NULL, 0, CREDENTIAL_BEARER, "abc", "schemes have no case"},
    {"  Bearer   abc  ", NULL, NULL, NULL, 0, CREDENTIAL_BEARER, "abc", "blanks around"},
    {"Bearer aZ09-._~+/==", NULL, NULL, NULL, 0, CREDENTIAL_BEARER, "aZ09-._~+/==", "all of b64token"},
    {"Bearer", NULL, NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "no token"},
    {"Bearer ", NULL, NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "no token but a blank"},
    {"Bearer ==", NULL, NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "padding alone"},
    {"Bearer a=b", NULL, NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "padding inside"},
    {"Bearer a b", NULL, NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "two words"},
    {"Bearer a,b", NULL, NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "a comma: two fields in one"},
    {"Bearer a%20", NULL, NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "only subprotocols decode"},
    {"", NULL, NULL, NULL, CREDENTIAL_MALFORMED, 0, "empty Authorization", "an empty field"},
    {"Basic dTpw", NULL, NULL, NULL, CREDENTIAL_REFUSED, 0, "unsupported authorization scheme", "another scheme"},
    {"Bearerabc", NULL, NULL, NULL, CREDENTIAL_REFUSED, 0, "unsupported authorization scheme", "no blank"},
    {"DPoP abc", NULL, NULL, NULL, 0, CREDENTIAL_DPOP, "abc", "bound to a key"},
    {NULL, "abc.-_~", NULL, NULL, 0, CREDENTIAL_BEARER, "abc.-_~", "a browser's WebSocket"},
    {NULL, "a%2Fb%3d%3D", NULL, NULL, 0, CREDENTIAL_BEARER, "a/b==", "what a subprotocol cannot hold"},
    {NULL, "a%2", NULL, NULL, CREDENTIAL_MALFORMED, 0, "wrong percent encoding", "cut"},
    {NULL, "a%20b", NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "a blank in disguise"},
    {NULL, "a%00b", NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "a NUL in disguise"},
    {NULL, "", NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "mcp.auth. alone"},
    {NULL, "a|b", NULL, NULL, CREDENTIAL_MALFORMED, 0, "not a bearer token", "a token of HTTP, not of RFC 6750"},
    {NULL, NULL, " k:{}! ", NULL, 0, CREDENTIAL_API_KEY, "k:{}!", "a key may be anything visible"},
    {NULL, NULL, "a b", NULL, CREDENTIAL_MALFORMED, 0, "not an API key", "a blank"},
    {NULL, NULL, "\xc3\xa4", NULL, CREDENTIAL_MALFORMED, 0, "not an API key", "beyond ASCII"},
    {NULL, NULL, "", NULL, CREDENTIAL_MALFORMED, 0, "not an API key", "empty"},
    {"Bearer abc", NULL, "abc", NULL, 0, CREDENTIAL_BEARER, "abc", "the same twice"},
    {"Bearer abc", NULL, "abd", NULL, CREDENTIAL_MALFORMED, 0, "two different credentials", "two keys"},
    {"Bearer abc", "abd", NULL, NULL, CREDENTIAL_MALFORMED, 0, "two different credentials", "two tokens"},
    {"Bearer a/b", "a%2fb", "a/b", NULL, 0, CREDENTIAL_BEARER, "a/b", "the same three times"},
    {"DPoP abc", NULL, "abc", NULL, CREDENTIAL_MALFORMED, 0, "two different credentials", "bound and not bound"},
    {NULL, "a%2Fb", "a/c", NULL, CREDENTIAL_MALFORMED, 0, "two different credentials", "decoded and another"},
    {"Basic dTpw", NULL, "abc", NULL, CREDENTIAL_REFUSED, 0, "unsupported authorization scheme",
     "the first is looked at"},
    {NULL, NULL, NULL, "CN=a", 0, CREDENTIAL_CERTIFICATE, NULL, "a certificate alone"},
    {"Bearer abc", NULL, NULL, "CN=a", 0, CREDENTIAL_BEARER, "abc", "a token counts before the certificate"},
    {"Bearer", NULL, NULL, "CN=a", CREDENTIAL_MALFORMED, 0, "not a bearer token", "and a wrong one is no certificate"},
};

/* Read and checked. */
static int read_credential(const struct credentials *credentials, struct credential *ret_credential,
                           const char **ret_why)
{
    struct credential credential;
    int result = credential_read(credentials, true, &credential, ret_why);
    if (result != 0)
        return result;
    result = credential_check(&credential, ret_why);
    if (result == 0)
        *ret_credential = credential;
    else
        credential_done(&credential);
    return result;
}

static struct credentials shown(const struct row *row)
{
    return (struct credentials){.authorization = span_of(row->authorization),
                                .subprotocol = span_of(row->subprotocol),
                                .api_key = span_of(row->api_key),
                                .certificate_subject = span_of(row->subject),
                                .certificate_fingerprint = row->subject ? fingerprint : NULL};
}

static void test_rows(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct credential credential = {.secret = SPAN("untouched")};
        struct credentials credentials = shown(&rows[i]);
        const char *why = NULL;
        int result = read_credential(&credentials, &credential, &why);
        if (result != rows[i].expected)
            fail_msg("%s: %d", rows[i].comment, result);
        if (result == 0) {
            assert_int_equal(credential.kind, rows[i].kind);
            if (rows[i].secret && !span_is(credential.secret, rows[i].secret))
                fail_msg("%s: %.*s", rows[i].comment, SPAN_PRINT(credential.secret));
            credential_done(&credential);
        } else {
            assert_true(span_is(credential.secret, "untouched"));
            if (rows[i].secret)
                assert_string_equal(why, rows[i].secret);
        }
    }
}

static void test_certificates_do_not_count(void **state UNUSED)
{
    struct credential credential;
    const char *why = NULL;
    struct credentials credentials = {.certificate_subject = SPAN("CN=a"), .certificate_fingerprint = fingerprint};
    assert_int_equal(credential_read(&credentials, false, &credential, &why), CREDENTIAL_NONE);
    assert_int_equal(credential_read(&credentials, true, &credential, &why), 0);
    assert_int_equal(credential.secret.size, sizeof(fingerprint));
    assert_memory_equal(credential.secret.at, fingerprint, sizeof(fingerprint));
    credentials.certificate_fingerprint = NULL;
    assert_int_equal(credential_read(&credentials, true, &credential, &why), CREDENTIAL_NONE);
}

static void test_bounds(void **state UNUSED)
{
    enum { PREFIX = 7, MOST = CREDENTIAL_MAX_BYTES };
    char *field = malloc(PREFIX + 3 * (MOST + 1));
    memcpy(field, "Bearer ", PREFIX);
    memset(field + PREFIX, 'a', 3 * (MOST + 1));
    for (size_t more = 0; more < 2; more++) {
        struct span token = {field + PREFIX, MOST + more};
        const struct credentials all[] = {
            {.authorization = {field, PREFIX + token.size}}, {.subprotocol = token}, {.api_key = token}};
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
            struct credential credential;
            const char *why = NULL;
            assert_int_equal(read_credential(&all[i], &credential, &why), more ? CREDENTIAL_MALFORMED : 0);
            if (more == 0)
                credential_done(&credential);
        }
    }
    for (size_t i = 0; i <= MOST; i++)
        memcpy(field + PREFIX + 3 * i, "%61", 3);
    for (size_t more = 0; more < 2; more++) { /* bounded by what it means, not by how it is written */
        struct credentials encoded = {.subprotocol = {field + PREFIX, 3 * (MOST + more)}};
        struct credential credential;
        const char *why = NULL;
        assert_int_equal(read_credential(&encoded, &credential, &why), more ? CREDENTIAL_MALFORMED : 0);
        if (more == 0)
            credential_done(&credential);
        else
            assert_string_equal(why, "token too long");
    }
    free(field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_certificates_do_not_count),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
