/* Unit tests of auth/claims.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/claims.h"
#include "gateway/base/clock.h"
#include "gateway/base/text.h"

#define ISSUER   "https://issuer.example"
#define AUDIENCE "https://gw.example/mcp"
/* The clock stands at second 1000, the leeway is 10 seconds. */
#define GOOD "\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\",\"exp\":2000,\"sub\":\"alice\""

enum { NOW_MS = 1000000, LEEWAY_MS = 10000 };
static const uint8_t fingerprint[32] = {0xff}; /* as base64: _wAAAAAA… */

static struct claims_rules rules(void)
{
    return (struct claims_rules){
        .issuer = SPAN(ISSUER), .audience = SPAN(AUDIENCE), .complete = true, .leeway_ms = LEEWAY_MS};
}

static struct json_object *parse(const char *members)
{
    CLEANUP(text_done) struct text json = TEXT(CLAIMS_MAX_BYTES);
    struct json_object *object = NULL;
    text_addf(&json, "{%s}", members);
    if (claims_parse(text_span(&json), CLAIMS_MAX_BYTES, &object) != 0)
        fail_msg("%s", members);
    return object;
}

static void check(const char *members, const struct claims_rules *by, const char *expected, const char *comment)
{
    struct json_object *claims = parse(members);
    const char *why = NULL;
    int result = claims_judge(claims, by, &why);
    if ((result == 0) != (expected == NULL) || (expected && strcmp(why, expected) != 0))
        fail_msg("%s: %s", comment, why ? why : "accepted");
    json_object_put(claims);
}

struct row {
    const char *members, *expected, *comment;
};

static const struct row rows[] = {
    {GOOD, NULL, "the usual"},
    {"\"aud\":\"" AUDIENCE "\",\"exp\":2000", "no issuer", "no issuer"},
    {GOOD ",\"iss\":\"https://issuer.example/\"", "wrong issuer", "a slash more"},
    {GOOD ",\"iss\":\"https://issuer.exampl\"", "wrong issuer", "the beginning of it"},
    {GOOD ",\"iss\":\"HTTPS://issuer.example\"", "wrong issuer", "exactly means case, too"},
    {GOOD ",\"iss\":[\"" ISSUER "\"]", "wrong issuer", "a list"},
    {GOOD ",\"iss\":null", "wrong issuer", "null"},
    {"\"iss\":\"" ISSUER "\",\"exp\":2000", "no audience", "no audience"},
    {GOOD ",\"aud\":\"https://other.example/mcp\"", "wrong audience", "another audience"},
    {GOOD ",\"aud\":[]", "wrong audience", "nobody"},
    {GOOD ",\"aud\":[\"x\",\"" AUDIENCE "\"]", NULL, "one of several"},
    {GOOD ",\"aud\":[\"x\",1,null,{}]", "wrong audience", "others"},
    {GOOD ",\"aud\":{\"a\":\"" AUDIENCE "\"}", "wrong audience", "an object"},
    {GOOD ",\"aud\":\"https://gw.example/mcp \"", "wrong audience", "a blank more"},
    {"\"iss\":\"" ISSUER "\",\"aud\":\"" AUDIENCE "\"", "no expiry", "no expiry"},
    {GOOD ",\"exp\":990", "expired", "expired, to the millisecond"},
    {GOOD ",\"exp\":990.001", NULL, "one millisecond before it"},
    {GOOD ",\"exp\":0", "expired", "at the beginning of time"},
    {GOOD ",\"exp\":-1", "wrong expiry", "before it"},
    {GOOD ",\"exp\":\"2000\"", "wrong expiry", "text"},
    {GOOD ",\"exp\":null", "wrong expiry", "null"},
    {GOOD ",\"exp\":1e400", "wrong expiry", "beyond what a number can be"},
    {GOOD ",\"exp\":9223372036854775807", "wrong expiry", "beyond the year 9999"},
    {GOOD ",\"exp\":253402300799", NULL, "its end"},
    {GOOD ",\"exp\":NaN", "wrong expiry", "no number, which json-c reads"},
    {GOOD ",\"nbf\":1010", NULL, "from now on, leeway included"},
    {GOOD ",\"nbf\":1010.001", "not valid yet", "a millisecond later"},
    {GOOD ",\"nbf\":\"1\"", "wrong beginning", "text"},
    {GOOD ",\"iat\":1010", NULL, "issued now"},
    {GOOD ",\"iat\":1011", "issued in the future", "in the future"},
    {GOOD ",\"iat\":true", "wrong issue time", "a truth"},
    {GOOD ",\"cnf\":{\"x5t#S256\":\"_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
     "bound to a client certificate, and none was shown", "bound, and no certificate"},
    {GOOD ",\"cnf\":{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}",
     "bound to a key (DPoP), and proofs of possession are not verified here", "DPoP"},
    {GOOD ",\"cnf\":{\"kid\":\"a\"}", "bound by a means that is not known here", "unknown means"},
    {GOOD ",\"cnf\":{}", "bound by a means that is not known here", "by nothing"},
    {GOOD ",\"cnf\":\"a\"", "wrong confirmation", "no object"},
};

static void test_judge(void **state UNUSED)
{
    struct claims_rules by = rules();
    clock_fake(0, NOW_MS);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(rows[i].members, &by, rows[i].expected, rows[i].comment);
    clock_fake_end();
}

static void test_certificate(void **state UNUSED)
{
    static const struct row bound[] = {
        {GOOD, NULL, "a token that is not bound"},
        {GOOD ",\"cnf\":{\"x5t#S256\":\"_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", NULL, "its certificate"},
        {GOOD ",\"cnf\":{\"x5t#S256\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
         "bound to another client certificate", "another"},
        {GOOD ",\"cnf\":{\"x5t#S256\":\"_wAA\"}", "bound to another client certificate", "cut"},
        {GOOD ",\"cnf\":{\"x5t#S256\":\"_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
         "bound to another client certificate", "padded"},
        {GOOD ",\"cnf\":{\"x5t#S256\":1}", "bound to another client certificate", "no text"},
        {GOOD ",\"cnf\":{\"x5t#S256\":\"_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"jwk\":{}}",
         "bound by a means that is not known here", "and by another means"},
        {GOOD ",\"cnf\":{\"x5t#S256\":\"_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"jkt\":\"a\"}",
         "bound to a key (DPoP), and proofs of possession are not verified here", "and by DPoP"},
    };
    struct claims_rules by = rules();
    by.certificate_fingerprint = fingerprint;
    clock_fake(0, NOW_MS);
    for (size_t i = 0; i < ARRAY_SIZE(bound); i++)
        check(bound[i].members, &by, bound[i].expected, bound[i].comment);
    clock_fake_end();
}

/* What an issuer answers may leave out iss and exp; what it says must be right all the same. */
static void test_incomplete(void **state UNUSED)
{
    struct claims_rules by = rules();
    by.complete = false;
    clock_fake(0, NOW_MS);
    check("\"aud\":\"" AUDIENCE "\"", &by, NULL, "the audience alone");
    check("\"aud\":\"" AUDIENCE "\",\"iss\":\"x\"", &by, "wrong issuer", "another issuer");
    check("\"aud\":\"" AUDIENCE "\",\"exp\":1", &by, "expired", "expired");
    check("", &by, "no audience", "no audience");
    by.audience = (struct span){NULL, 0};
    check("", &by, NULL, "none is asked for");
    clock_fake_end();
}

/* ---- parts of an identity ---- */

static const struct {
    const char *members, *expected; /* "subject|client|scope,scope,|" or why */
} facts_rows[] = {
    {"\"sub\":\"alice\"", "alice||"},
    {"\"sub\":\"alice\",\"client_id\":\"app\",\"azp\":\"x\"", "alice|app|"},
    {"\"sub\":\"alice\",\"azp\":\"app\"", "alice|app|"},
    {"\"client_id\":\"app\"", "app|app|"},
    {"\"azp\":\"app\"", "no subject"},
    {"", "no subject"},
    {"\"sub\":\"\"", "no subject"},
    {"\"sub\":1,\"client_id\":\"app\"", "a claim that should be text is not"},
    {"\"sub\":\"a\",\"client_id\":[]", "a claim that should be text is not"},
    {"\"sub\":\"a\",\"scope\":\"tools  read \"", "a||tools,read,"},
    {"\"sub\":\"a\",\"scope\":\"\"", "a||"},
    {"\"sub\":\"a\",\"scope\":[\"tools\",\"read\"]", "a||tools,read,"},
    {"\"sub\":\"a\",\"scp\":[\"tools\",\"read it\"]", "a||tools,read it,"},
    {"\"sub\":\"a\",\"scp\":\"tools read\"", "a||tools,read,"},
    {"\"sub\":\"a\",\"scope\":\"one\",\"scp\":[\"two\"]", "a||one,"},
    {"\"sub\":\"a\",\"scp\":[1]", "a scope that is no text"},
    {"\"sub\":\"a\",\"scp\":[\"\"]", "a scope that is no text"},
    {"\"sub\":\"a\",\"scope\":{}", "scopes that are no text"},
    {"\"sub\":\"a\",\"scope\":null", "scopes that are no text"},
};

static void test_read(void **state UNUSED)
{
    struct claims_rules by = rules();
    for (size_t i = 0; i < ARRAY_SIZE(facts_rows); i++) {
        CLEANUP(text_done) struct text got = TEXT(CLAIMS_MAX_BYTES);
        struct json_object *claims = parse(facts_rows[i].members);
        struct claims_facts facts;
        const char *why = NULL;
        if (claims_read(claims, &by, &facts, &why) == 0) {
            text_addf(&got, "%.*s|%.*s|", SPAN_PRINT(facts.facts.subject), SPAN_PRINT(facts.facts.client_id));
            for (size_t k = 0; k < facts.facts.scopes; k++)
                text_addf(&got, "%.*s,", SPAN_PRINT(facts.facts.scope[k]));
            assert_true(span_is(facts.facts.issuer, ISSUER));
        } else {
            text_addf(&got, "%s", why);
        }
        text_terminate(&got);
        assert_string_equal(got.at, facts_rows[i].expected);
        json_object_put(claims);
    }
}

static void test_end(void **state UNUSED)
{
    struct claims_rules by = rules();
    struct claims_facts facts;
    const char *why = NULL;
    struct json_object *claims = parse("\"sub\":\"a\",\"exp\":2000.5"), *endless = parse("\"sub\":\"a\"");
    assert_int_equal(claims_read(claims, &by, &facts, &why), 0);
    assert_int_equal(facts.facts.expires_wall_ms, 2000500 + LEEWAY_MS);
    assert_int_equal(claims_read(endless, &by, &facts, &why), 0);
    assert_int_equal(facts.facts.expires_wall_ms, 0);
    json_object_put(claims);
    json_object_put(endless);
}

static void test_many_scopes(void **state UNUSED)
{
    struct claims_rules by = rules();
    for (size_t more = 0; more < 2; more++) {
        CLEANUP(text_done) struct text members = TEXT(CLAIMS_MAX_BYTES);
        struct claims_facts facts;
        const char *why = NULL;
        text_add_literal(&members, "\"sub\":\"a\",\"scope\":\"");
        for (size_t i = 0; i < CLAIMS_MAX_SCOPES + more; i++)
            text_add_literal(&members, "s ");
        text_add_literal(&members, "\"");
        text_terminate(&members);
        struct json_object *claims = parse(members.at);
        assert_int_equal(claims_read(claims, &by, &facts, &why), more ? CLAIMS_REFUSED : 0);
        if (more)
            assert_string_equal(why, "too many scopes");
        json_object_put(claims);
    }
}

static void test_parse(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        " ",
        "1",
        "[]",
        "null",
        "{",
        "{}}",
        "{} x",
        "{a:1}",
        "{\"a\":1,}",
        "{\"a\":'b'}",
        "/**/{}",
        "{\"a\":\xc0\x80}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}",
    };
    struct json_object *object = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (claims_parse(span_of(bad[i]), CLAIMS_MAX_BYTES, &object) != CLAIMS_BAD)
            fail_msg("%s", bad[i]);
    assert_null(object);
    assert_int_equal(claims_parse(SPAN("{\"a\":1}"), 6, &object), CLAIMS_BAD);
    assert_int_equal(claims_parse(SPAN(" {\"a\":\"\\u00e4\"}\n"), 100, &object), 0);
    assert_true(span_is(claims_text(object, "a"), "\xc3\xa4"));
    assert_true(span_absent(claims_text(object, "b")));
    assert_true(claims_has(object, "a"));
    json_object_put(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge), cmocka_unit_test(test_certificate), cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_read),  cmocka_unit_test(test_end),         cmocka_unit_test(test_many_scopes),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
