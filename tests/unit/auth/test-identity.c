/* Unit tests of auth/identity.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/identity.h"

static struct identity *make(const struct identity_facts *facts)
{
    struct identity *identity = NULL;
    assert_int_equal(identity_new(facts, &identity), 0);
    return identity;
}

static void test_facts(void **state UNUSED)
{
    const struct span scope[] = {SPAN("tools"), SPAN("read")};
    struct address address, other;
    struct identity *moved = NULL;
    assert_int_equal(address_parse(SPAN("192.0.2.1:1"), &address), 0);
    assert_int_equal(address_parse(SPAN("192.0.2.2:2"), &other), 0);
    struct identity *identity = make(&(struct identity_facts){.proof = IDENTITY_JWT,
                                                              .subject = SPAN("alice"),
                                                              .issuer = SPAN("issuer"),
                                                              .client_id = SPAN("app"),
                                                              .scope = scope,
                                                              .scopes = 2,
                                                              .address = &address,
                                                              .expires_wall_ms = 7});
    assert_int_equal(identity_at(identity, &other, &moved), 0);
    const struct identity *both[] = {identity, moved};
    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        assert_int_equal(both[i]->proof, IDENTITY_JWT);
        assert_string_equal(both[i]->subject, "alice");
        assert_string_equal(both[i]->issuer, "issuer");
        assert_string_equal(both[i]->client_id, "app");
        assert_int_equal(both[i]->expires_wall_ms, 7);
        assert_true(identity_has_scope(both[i], SPAN("tools")));
        assert_true(identity_has_scope(both[i], SPAN("read")));
        assert_false(identity_has_scope(both[i], SPAN("too")));
        assert_memory_equal(&both[i]->address, i ? &other : &address, sizeof(address));
    }
    assert_memory_equal(identity->key, moved->key, IDENTITY_KEY_BYTES);
    identity_unref(identity_ref(identity));
    identity_unref(identity);
    identity_unref(moved);
}

static void test_nothing_known(void **state UNUSED)
{
    struct identity *identity = make(&(struct identity_facts){.proof = IDENTITY_ANONYMOUS, .subject = SPAN("")});
    assert_string_equal(identity->subject, "");
    assert_null(identity->issuer);
    assert_null(identity->client_id);
    assert_int_equal(identity->address.size, 0);
    assert_false(identity_has_scope(identity, SPAN("")));
    identity_unref(identity);
    identity_unref(NULL);
    assert_null(identity_ref(NULL));
}

/* Nobody shares a key with another: not across proofs or issuers, and not because the parts add up to the same. */
static void test_keys(void **state UNUSED)
{
    static const struct identity_facts rows[] = {
        {.proof = IDENTITY_JWT, .issuer = SPAN("ab"), .subject = SPAN("c")},
        {.proof = IDENTITY_JWT, .issuer = SPAN("a"), .subject = SPAN("bc")},
        {.proof = IDENTITY_JWT, .subject = SPAN("abc")},
        {.proof = IDENTITY_INTROSPECTION, .issuer = SPAN("ab"), .subject = SPAN("c")},
        {.proof = IDENTITY_API_KEY, .subject = SPAN("abc")},
        {.proof = IDENTITY_CERTIFICATE, .subject = SPAN("abc")},
    };
    uint8_t key[ARRAY_SIZE(rows)][IDENTITY_KEY_BYTES];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct identity *identity = make(&rows[i]);
        memcpy(key[i], identity->key, IDENTITY_KEY_BYTES);
        identity_unref(identity);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(key[i], key[k], IDENTITY_KEY_BYTES);
    }
    struct identity *again = make(&rows[0]);
    assert_memory_equal(again->key, key[0], IDENTITY_KEY_BYTES);
    identity_unref(again);
}

static void test_names(void **state UNUSED)
{
    for (enum identity_proof proof = IDENTITY_ANONYMOUS; proof <= IDENTITY_INTROSPECTION; proof++)
        assert_non_null(identity_proof_name(proof));
    assert_string_equal(identity_proof_name(IDENTITY_API_KEY), "api_key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
