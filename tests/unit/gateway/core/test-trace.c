/* Unit tests of gateway/core/trace.h: what is recorded, how often, and with what in it. */
#include "tests/unit/gateway/core/fake.h"

#include "gateway/core/trace.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"

struct kept {
    struct trace_sink sink;
    struct trace_record *records; /* newest first */
    unsigned count;
};

static void take(struct trace_sink *sink, struct trace_record *record)
{
    struct kept *kept = CONTAINER_OF(sink, struct kept, sink);
    record->next = kept->records;
    kept->records = record;
    kept->count++;
}

static void lost(struct trace_sink *sink UNUSED)
{
    fail();
}

static void forget(struct kept *kept)
{
    while (kept->records) {
        struct trace_record *next = kept->records->next;
        free(kept->records);
        kept->records = next;
    }
    kept->count = 0;
}

static void begin(struct fake *fake, struct kept *kept, uint64_t threshold)
{
    *kept = (struct kept){.sink = {.threshold = threshold, .take = take, .lost = lost}};
    fake_begin(fake);
    fake->gateway->trace_sink = &kept->sink;
}

static void end(struct fake *fake, struct kept *kept)
{
    fake_done(fake);
    forget(kept);
}

static struct asked *echo(struct fake *fake, const char *meta)
{
    return fake_modern(fake, &(struct fake_request){.method = "tools/call",
                                                    .name = "echo",
                                                    .params = "\"name\":\"echo\",\"arguments\":{\"message\":\"x\"},",
                                                    .meta = meta});
}

static const struct trace_record *of_kind(const struct kept *kept, enum trace_kind kind)
{
    const struct trace_record *record = kept->records;
    while (record && record->kind != kind)
        record = record->next;
    assert_non_null(record);
    return record;
}

static void test_nobody_wants_them(void **state UNUSED)
{
    struct fake fake;
    struct kept kept;
    begin(&fake, &kept, TRACE_EVERY);
    fake.gateway->trace_sink = NULL;
    assert_null(echo(&fake, NULL)->exchange.trace);
    assert_int_equal(kept.count, 0);
    end(&fake, &kept);
}

static void test_how_often(void **state UNUSED)
{
    enum { CALLS = 1000 };
    static const struct {
        uint64_t threshold;
        unsigned least, most;
    } rows[] = {{0, 0, 0}, {TRACE_EVERY / 4, CALLS / 8, CALLS * 3 / 8}, {TRACE_EVERY, CALLS, CALLS}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fake fake;
        struct kept kept;
        begin(&fake, &kept, rows[i].threshold);
        for (unsigned call = 0; call < CALLS; call++)
            (void)echo(&fake, NULL);
        assert_in_range(kept.count, 2 * rows[i].least, 2 * rows[i].most); /* the request's and its handler's */
        end(&fake, &kept);
    }
}

/* The parent decides, whatever the threshold. */
static void test_the_parent(void **state UNUSED)
{
    struct fake fake;
    struct kept kept;
    begin(&fake, &kept, 0);
    (void)echo(&fake, ",\"traceparent\":\"00-" TRACE "-b7ad6b7169203331-00\"");
    assert_int_equal(kept.count, 0);
    (void)echo(&fake, ",\"traceparent\":\"00-" TRACE "-b7ad6b7169203331-01\",\"tracestate\":\"a=1\"");
    assert_int_equal(kept.count, 2);
    const struct trace_record *request = of_kind(&kept, TRACE_REQUEST), *handler = of_kind(&kept, TRACE_HANDLER);
    assert_int_equal(request->parent[0], 0xb7);
    assert_memory_equal(request->self.trace_id, handler->self.trace_id, TRACE_ID_BYTES);
    assert_memory_equal(handler->parent, request->self.span_id, TRACE_SPAN_ID_BYTES);
    assert_memory_not_equal(handler->self.span_id, request->self.span_id, TRACE_SPAN_ID_BYTES);
    assert_string_equal(request->state, "a=1");
    assert_string_equal(request->item, "echo");
    assert_int_equal(request->outcome, OUTCOME_OK);
    assert_true(request->start_ns <= request->end_ns);
    end(&fake, &kept);
}

/* Long texts are cut between characters. */
static void test_long_uri(void **state UNUSED)
{
    struct fake fake;
    struct kept kept;
    char params[1024] = "\"uri\":\"note://one";
    size_t size = strlen(params);
    begin(&fake, &kept, TRACE_EVERY);
    while (size < 700) {
        memcpy(params + size, "\xe2\x82\xac", 3);
        size += 3;
    }
    memcpy(params + size, "/data\",", 8);
    (void)fake_modern(&fake, &(struct fake_request){.method = "resources/read", .params = params});
    for (const struct trace_record *record = kept.records; record; record = record->next)
        for (struct span rest = span_of(record->item); rest.size > 0;) {
            size_t bytes = span_utf8(rest);
            assert_int_not_equal(bytes, 0);
            rest = (struct span){rest.at + bytes, rest.size - bytes};
        }
    assert_true(kept.count > 0);
    end(&fake, &kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_wants_them),
        cmocka_unit_test(test_how_often),
        cmocka_unit_test(test_the_parent),
        cmocka_unit_test(test_long_uri),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
