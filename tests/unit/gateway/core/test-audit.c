/* Unit tests of gateway/core/audit.h: where lines go, and how many. */
#include "gateway/core/audit.h"
#include "tests/unit/gateway/core/fake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct sheet {
    struct fake fake;
    char folder[64], path[96];
    char *text;
    size_t room;
};

static void begin(struct sheet *sheet)
{
    fake_begin(&sheet->fake);
    strcpy(sheet->folder, "/tmp/weir-audit-XXXXXX");
    assert_non_null(mkdtemp(sheet->folder));
    snprintf(sheet->path, sizeof(sheet->path), "%s/audit", sheet->folder);
    sheet->text = NULL;
    assert_int_equal(audit_open(sheet->fake.gateway->audit, sheet->path), 0);
}

static void end(struct sheet *sheet)
{
    unlink(sheet->path);
    assert_int_equal(rmdir(sheet->folder), 0);
    free(sheet->text);
    fake_done(&sheet->fake);
}

/* Everything in the file, NUL-terminated. */
static const char *lines(struct sheet *sheet)
{
    FILE *file = fopen(sheet->path, "r");
    assert_non_null(file);
    free(sheet->text);
    sheet->text = NULL;
    (void)!getdelim(&sheet->text, &sheet->room, '\0', file);
    fclose(file);
    return sheet->text ? sheet->text : "";
}

static unsigned count(const char *text, const char *what)
{
    unsigned found = 0;
    for (; (text = strstr(text, what)); text++)
        found++;
    return found;
}

static struct address from(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(span_of(text), &address), 0);
    return address;
}

static uint64_t lost(struct sheet *sheet, enum counter counter)
{
    struct counters *counters = reactor_counters(sheet->fake.gateway->reactor[0]);
    return atomic_load(&counters->event[counter]);
}

static void test_lines(void **state UNUSED)
{
    struct sheet sheet;
    struct address caller = from("192.0.2.1:5");
    begin(&sheet);
    audit_refused(sheet.fake.gateway, &caller, "expired", "http");
    audit_administered(sheet.fake.gateway, "audit_reload", LOG_TEXT("config", "x\"\n"));
    struct identity *identity = NULL;
    assert_int_equal(
        identity_new(&(struct identity_facts){.proof = IDENTITY_API_KEY, .subject = SPAN("ci"), .address = &caller},
                     &identity),
        0);
    audit_authenticated(sheet.fake.gateway, identity, "http");
    identity_unref(identity);
    assert_string_equal(lines(&sheet),
                        "{\"time\":\"2026-11-23T03:02:50.123Z\",\"level\":\"info\",\"event\":\"audit_refused\","
                        "\"client\":\"192.0.2.1\",\"front\":\"http\",\"why\":\"expired\"}\n"
                        "{\"time\":\"2026-11-23T03:02:50.123Z\",\"level\":\"info\",\"event\":\"audit_reload\","
                        "\"config\":\"x\\\"\\u000a\"}\n"
                        "{\"time\":\"2026-11-23T03:02:50.123Z\",\"level\":\"info\",\"event\":\"audit_authenticated\","
                        "\"client\":\"192.0.2.1\",\"proof\":\"api_key\",\"subject\":\"ci\",\"issuer\":\"\",\"front\":"
                        "\"http\"}\n");
    end(&sheet);
}

static void test_an_address_that_floods(void **state UNUSED)
{
    struct sheet sheet;
    struct address flood = from("192.0.2.1:5"), same = from("192.0.2.1:6"), other = from("192.0.2.2:5");
    begin(&sheet);
    for (int i = 0; i < 1000; i++)
        audit_limited(sheet.fake.gateway, i % 2 ? &flood : &same, "http");
    assert_int_equal(count(lines(&sheet), "\n"), AUDIT_BURST);
    assert_int_equal(lost(&sheet, COUNTER_AUDIT_SUPPRESSED), 1000 - AUDIT_BURST);
    audit_limited(sheet.fake.gateway, &other, "http");
    assert_int_equal(count(lines(&sheet), "192.0.2.2"), 1);
    audit_tick(sheet.fake.gateway->audit);
    assert_non_null(
        strstr(lines(&sheet), "\"event\":\"audit_suppressed\",\"lines\":980,\"last_client\":\"192.0.2.1\""));
    audit_tick(sheet.fake.gateway->audit); /* said already */
    assert_int_equal(count(lines(&sheet), "audit_suppressed"), 1);
    clock_fake_advance(UINT64_C(100000000) - 1);
    audit_limited(sheet.fake.gateway, &flood, "http");
    assert_int_equal(count(lines(&sheet), "audit_limited"), AUDIT_BURST + 1);
    clock_fake_advance(1); /* a tenth of a second: one more */
    audit_limited(sheet.fake.gateway, &flood, "http");
    audit_limited(sheet.fake.gateway, &flood, "http");
    assert_int_equal(count(lines(&sheet), "audit_limited"), AUDIT_BURST + 2);
    end(&sheet);
}

static void test_many_addresses_that_flood(void **state UNUSED)
{
    struct sheet sheet;
    begin(&sheet);
    for (int i = 0; i < 5000; i++) {
        char text[32];
        snprintf(text, sizeof(text), "10.1.%d.%d:5", i / 250, i % 250 + 1);
        struct address address = from(text);
        audit_limited(sheet.fake.gateway, &address, "http");
    }
    assert_int_equal(count(lines(&sheet), "\n"), AUDIT_ALL_BURST);
    for (int i = 0; i < 1000; i++)
        audit_administered(sheet.fake.gateway, "audit_reload");
    assert_int_equal(count(lines(&sheet), "audit_reload"), 1000);
    end(&sheet);
}

static void test_networks_of_ipv6(void **state UNUSED)
{
    struct sheet sheet;
    begin(&sheet);
    for (int i = 0; i < 100; i++) {
        char text[64];
        snprintf(text, sizeof(text), "[2001:db8:0:%d::%x]:5", i % 2, i + 1);
        struct address address = from(text);
        audit_limited(sheet.fake.gateway, &address, "http");
    }
    assert_int_equal(count(lines(&sheet), "\n"), 2 * AUDIT_BURST);
    end(&sheet);
}

static void test_rotation(void **state UNUSED)
{
    struct sheet sheet;
    char moved[128];
    begin(&sheet);
    struct audit *audit = sheet.fake.gateway->audit;
    snprintf(moved, sizeof(moved), "%s.1", sheet.path);
    audit_administered(sheet.fake.gateway, "audit_one");
    assert_int_equal(rename(sheet.path, moved), 0);
    audit_administered(sheet.fake.gateway, "audit_two");
    assert_int_equal(audit_open(audit, sheet.path), 0);
    audit_administered(sheet.fake.gateway, "audit_three");
    assert_int_equal(count(lines(&sheet), "\n"), 1);
    assert_non_null(strstr(lines(&sheet), "audit_three"));
    assert_int_equal(audit_open(audit, "/nowhere/at/all"), -ENOENT);
    audit_administered(sheet.fake.gateway, "audit_four"); /* as it was */
    assert_non_null(strstr(lines(&sheet), "audit_four"));
    assert_int_equal(audit_open(audit, "off"), 0);
    audit_administered(sheet.fake.gateway, "audit_five");
    assert_null(strstr(lines(&sheet), "audit_five"));
    unlink(moved);
    end(&sheet);
}

static void test_a_full_disk(void **state UNUSED)
{
    struct sheet sheet;
    begin(&sheet);
    assert_int_equal(audit_open(sheet.fake.gateway->audit, "/dev/full"), 0);
    audit_administered(sheet.fake.gateway, "audit_one");
    assert_int_equal(lost(&sheet, COUNTER_AUDIT_UNWRITABLE), 1);
    end(&sheet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_an_address_that_floods),
        cmocka_unit_test(test_many_addresses_that_flood),
        cmocka_unit_test(test_networks_of_ipv6),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
