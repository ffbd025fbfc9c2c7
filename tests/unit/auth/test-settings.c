/* Unit tests of auth/settings.h: two settings that say the same, and then differ in one thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "auth/settings.h"

static char alice[] = "alice", again[] = "alice", another[] = "another", digest[] = "ab", url[] = "https://i.example";
static char *scopes[] = {alice, url}, *fewer[] = {again, another}, *algorithms[] = {another};
static struct api_key_settings keys[2];
static struct issuer_settings issuers[2];
static struct auth_settings one, other;

/* Texts that are equal, and not the same memory where that could matter. */
static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        keys[i] = (struct api_key_settings){
            .place = {1 + i, 1}, .name = i ? again : alice, .sha256 = digest, .scopes = {scopes, 2}};
        issuers[i] = (struct issuer_settings){.place = {1 + i, 1},
                                              .issuer = url,
                                              .audience = url,
                                              .introspection = url,
                                              .client_id = alice,
                                              .client_secret = digest,
                                              .algorithms = {algorithms, 1}};
    }
    one = (struct auth_settings){.api_key = &keys[0],
                                 .api_keys = 1,
                                 .issuer = &issuers[0],
                                 .issuers = 1,
                                 .leeway_ms = 1,
                                 .cache_ms = 2,
                                 .jwks_ttl_ms = 3,
                                 .max_cached = 4};
    other = one;
    other.api_key = &keys[1];
    other.issuer = &issuers[1];
    return 0;
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(auth_settings_equal(&one, &one));
    assert_true(auth_settings_equal(&one, &other)); /* in other lines of the file */
    other = one = (struct auth_settings){0};
    assert_true(auth_settings_equal(&one, &other));
}

static void assert_differs_with(void *member, const void *value, size_t size)
{
    char kept[sizeof(struct name_list)];
    assert_true(size <= sizeof(kept));
    memcpy(kept, member, size);
    memcpy(member, value, size);
    assert_false(auth_settings_equal(&one, &other));
    assert_false(auth_settings_equal(&other, &one));
    memcpy(member, kept, size);
    assert_true(auth_settings_equal(&one, &other));
}

#define DIFFERS(member, ...) assert_differs_with(&(member), &(__VA_ARGS__), sizeof(member))

static void test_rules(void **state)
{
    (void)state;
    DIFFERS(other.required, (bool){true});
    DIFFERS(other.certificates, (bool){true});
    DIFFERS(other.leeway_ms, (uint64_t){9});
    DIFFERS(other.cache_ms, (uint64_t){9});
    DIFFERS(other.jwks_ttl_ms, (uint64_t){9});
    DIFFERS(other.max_cached, (size_t){9});
    DIFFERS(other.api_keys, (size_t){0});
    DIFFERS(other.issuers, (size_t){0});
}

static void test_keys_and_issuers(void **state)
{
    char *const text = another, *const none = NULL;
    (void)state;
    DIFFERS(keys[1].name, text);
    DIFFERS(keys[1].sha256, text);
    DIFFERS(keys[1].scopes, (struct name_list){scopes, 1});
    DIFFERS(keys[1].scopes, (struct name_list){fewer, 2});
    DIFFERS(issuers[1].issuer, text);
    DIFFERS(issuers[1].audience, text);
    DIFFERS(issuers[1].jwks, text);
    DIFFERS(issuers[1].introspection, none);
    DIFFERS(issuers[1].client_id, text);
    DIFFERS(issuers[1].client_secret, text);
    DIFFERS(issuers[1].client_secret, none);
    DIFFERS(issuers[1].algorithms, (struct name_list){NULL, 0});
    DIFFERS(issuers[1].ca, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_equal, setup),
        cmocka_unit_test_setup(test_rules, setup),
        cmocka_unit_test_setup(test_keys_and_issuers, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
