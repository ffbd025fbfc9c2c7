/* Streams of legacy sessions: ids of events, what is replayed after Last-Event-ID and what is not, which of several
   clients gets an event, and what becomes of those that are too slow. */
#include "gateway/core/subscriptions.h"
#include "tests/unit/gateway/core/fake.h"

#define NEWEST "2025-11-25"

static void open_session(struct fake *fake, char session[FAKE_SESSION_BYTES])
{
    fake_open(fake, NEWEST, FAKE_CAPABILITIES, session);
}

static void progress(struct fake *fake, struct call *call, double value)
{
    assert_int_equal(call_progress(call, value, -1, (struct span){0}), 0);
    fake_settle(fake);
}

static void answer(struct fake *fake, struct call *call, const char *text)
{
    assert_int_equal(call_result_text(call, span_of(text), false), 0);
    call_unref(call);
    fake_settle(fake);
}

static void announce(struct fake *fake)
{
    assert_int_equal(subscriptions_announce(fake->gateway, 1U << ITEM_TOOL, (struct span){0}), 0);
    fake_settle(fake);
}

static void test_ids_and_priming(void **state UNUSED)
{
    static const struct {
        const char *version;
        const char *prime;
    } rows[] = {{"2025-11-25", "1-0"}, {"2025-06-18", ""}, {"2025-03-26", ""}};
    struct fake fake;
    fake_begin(&fake);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char session[FAKE_SESSION_BYTES];
        fake_open(&fake, rows[i].version, "{}", session);
        struct asked *asked = fake_call(&fake, session, 1, "progress");
        assert_int_equal(asked->primes, 1);
        assert_string_equal(asked->prime_id, rows[i].prime);
        assert_int_equal(asked->events, 2);
        assert_string_equal(asked->event_id[0], "1-1");
        assert_string_equal(asked->event_id[1], "1-2");
        assert_string_equal(asked->end_id, "1-3");
        assert_reply(asked, 200, "done");
        asked = fake_call(&fake, session, 2, "progress");
        assert_string_equal(asked->event_id[0], "2-1");
        asked = fake_call(&fake, session, 3, "echo");
        assert_int_equal(asked->primes, 0); /* a plain answer is no stream */
        assert_string_equal(asked->end_id, "");
    }
    fake_done(&fake);
}

static void test_standing(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    announce(&fake); /* waits for the client */
    struct asked *asked = fake_get(&fake, session, NULL);
    assert_int_equal(asked->primes, 1);
    assert_string_equal(asked->prime_id, "0-0");
    assert_int_equal(asked->events, 1);
    assert_string_equal(asked->event_id[0], "0-1");
    assert_string_equal(asked->event[0], "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
    announce(&fake);
    assert_int_equal(asked->events, 2);
    fake_gone(asked);
    announce(&fake);
    struct asked *fresh = fake_get(&fake, session, NULL); /* after what somebody has got */
    assert_string_equal(fresh->prime_id, "0-2");
    assert_int_equal(fresh->events, 1);
    assert_string_equal(fresh->event_id[0], "0-3");
    struct asked *again = fake_get(&fake, session, "0-1");
    assert_int_equal(again->events, 2);
    assert_string_equal(again->event_id[0], "0-2");
    assert_int_equal(fresh->replies, 1); /* the newest wins */
    assert_null(fresh->body);
    assert_int_equal(again->replies, 0);
    announce(&fake);
    assert_int_equal(fresh->events, 1);
    assert_int_equal(again->events, 3);
    assert_int_equal(fake_used(&fake, QUOTA_STREAMS), 1);
    fake_done(&fake);
}

/* A Last-Event-ID that is none of ours counts as none. */
static void test_odd_ids(void **state UNUSED)
{
    static const char *const ids[] = {"", "x", "0", "0-", "-1", "0-1-2", "0-99999999999999999999", "00-1"};
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct asked *asked = fake_get(&fake, session, ids[i]);
        assert_int_equal(asked->replies, 0);
        assert_string_equal(asked->prime_id, "0-0");
    }
    fake_done(&fake);
}

static void test_resume_running(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *post = fake_call(&fake, session, 1, "hold");
    struct call *call = fake_take(&fake);
    progress(&fake, call, 1);
    progress(&fake, call, 2);
    fake_gone(post);
    progress(&fake, call, 3);
    struct asked *get = fake_get(&fake, session, "1-1");
    assert_string_equal(get->prime_id, "1-1");
    assert_int_equal(get->events, 2);
    assert_string_equal(get->event_id[0], "1-2");
    assert_string_equal(get->event_id[1], "1-3");
    assert_has(get->event[1], "\"progress\":3");
    progress(&fake, call, 4);
    assert_int_equal(get->events, 3);
    announce(&fake);
    assert_int_equal(get->events,
                     3); /* "MUST NOT replay messages that would have been delivered on a different stream" */
    answer(&fake, call, "finally");
    assert_reply(get, 200, "finally");
    assert_string_equal(get->end_id, "1-5");
    assert_int_equal(post->replies, 0);
    assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    assert_int_equal(fake_used(&fake, QUOTA_STREAMS), 0);
    fake_done(&fake);
}

/* The old connection may look alive: a message goes out on one stream only. */
static void test_resume_while_connected(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *post = fake_call(&fake, session, 1, "hold");
    struct call *call = fake_take(&fake);
    progress(&fake, call, 1);
    struct asked *get = fake_get(&fake, session, "1-1");
    progress(&fake, call, 2);
    assert_int_equal(post->events, 1);
    assert_int_equal(get->events, 1);
    fake_gone(get);
    progress(&fake, call, 3);
    assert_int_equal(post->events, 2);
    get = fake_get(&fake, session, "1-2");
    assert_int_equal(get->events, 1);
    answer(&fake, call, "once");
    assert_reply(get, 200, "once");
    assert_int_equal(post->replies, 1);
    assert_null(post->body);
    fake_done(&fake);
}

static void test_resume_finished(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *post = fake_call(&fake, session, 1, "hold");
    struct call *call = fake_take(&fake);
    progress(&fake, call, 1);
    fake_gone(post);
    answer(&fake, call, "missed");
    for (int i = 0; i < 2; i++) { /* as often as the client likes */
        struct asked *get = fake_get(&fake, session, i ? "1-1" : "1-0");
        assert_int_equal(get->events, i ? 0 : 1);
        assert_reply(get, 200, "missed");
        assert_string_equal(get->end_id, "1-2");
    }
    struct asked *standing = fake_get(&fake, session, NULL);
    struct asked *all = fake_get(&fake, session, "1-2");
    assert_int_equal(all->events, 0); /* it had everything */
    assert_int_equal(all->replies, 1);
    assert_null(all->body);
    assert_error(fake_get(&fake, session, "7-1"), 400, -32600);
    assert_int_equal(standing->replies, 0); /* nobody took the place of the standing stream */
    fake_done(&fake);
}

static void test_eviction(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_settings(&fake);
    fake.settings.limits.max_replay = 300;
    fake_init(&fake);
    open_session(&fake, session);
    struct asked *post = fake_call(&fake, session, 1, "hold");
    struct call *call = fake_take(&fake);
    for (int i = 1; i <= 9; i++)
        progress(&fake, call, i); /* some 100 bytes each */
    fake_gone(post);
    struct asked *get = fake_get(&fake, session, "1-0");
    assert_in_range(get->events, 1, 3);
    assert_string_equal(get->event_id[get->events - 1], "1-9");
    fake_gone(get);
    char *large = fake_format("%0400d", 0);
    answer(&fake, call, large);
    free(large);
    assert_error(fake_get(&fake, session, "1-9"), 400, -32600); /* its end was too large to be kept */
    fake_done(&fake);
}

static void test_slow_outlet(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_settings(&fake);
    fake.settings.limits.max_send_queue = 200;
    fake_init(&fake);
    open_session(&fake, session);
    struct asked *get = fake_get(&fake, session, NULL);
    for (int i = 0; i < 10; i++) /* without the reactor having a turn */
        assert_int_equal(subscriptions_announce(fake.gateway, 1U << ITEM_TOOL, (struct span){0}), 0);
    fake_settle(&fake);
    assert_in_range(get->events, 1, 3);
    assert_int_equal(get->replies, 1);
    struct asked *again = fake_get(&fake, session, get->event_id[get->events - 1]);
    assert_int_equal(get->events + again->events, 10);
    fake_done(&fake);
}

static void test_client_leaves_while_sending(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    for (int tells = 0; tells < 2; tells++) {
        struct asked *post = fake_call(&fake, session, 1, "hold");
        struct call *call = fake_take(&fake);
        progress(&fake, call, 1);
        post->refuse = true;
        post->gone_in_send = tells;
        progress(&fake, call, 2);
        answer(&fake, call, "x");
        struct asked *get = fake_get(&fake, session, post->event_id[0]);
        assert_int_equal(get->events, 1);
        assert_reply(get, 200, "\"text\":\"x\"");
        get = fake_get(&fake, session, NULL);
        get->refuse = true;
        get->gone_in_send = tells;
        announce(&fake);
        announce(&fake);
        fake_gone(get);
    }
    fake_done(&fake);
}

/* Without a stream there is nothing to come back to. */
static void test_gone_before_the_stream(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *post = fake_call(&fake, session, 1, "hold");
    struct call *call = fake_take(&fake);
    fake_gone(post);
    assert_int_equal(fake.cancels, 0); /* "Disconnection SHOULD NOT be interpreted as the client cancelling" */
    progress(&fake, call, 1);
    answer(&fake, call, "x");
    assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    assert_error(fake_get(&fake, session, "1-0"), 400, -32600);
    fake_done(&fake);
}

static void test_session_ends(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_begin(&fake);
    open_session(&fake, session);
    struct asked *standing = fake_get(&fake, session, NULL);
    struct asked *post = fake_call(&fake, session, 1, "hold");
    struct call *call = fake_take(&fake);
    progress(&fake, call, 1);
    fake_gone(post);
    struct asked *resumed = fake_get(&fake, session, "1-1");
    struct asked *waiting = fake_call(&fake, session, 2, "hold");
    struct asked *ended = fake_delete(&fake, session);
    assert_reply(ended, 204, NULL);
    assert_int_equal(standing->replies, 1);
    assert_int_equal(resumed->replies, 1);
    assert_error(waiting, 404, -32600);
    assert_int_equal(fake.cancels, 2);
    assert_int_equal(call_progress(call, 2, -1, (struct span){0}), 0); /* too late, and harmless */
    answer(&fake, call, "late");
    assert_int_equal(fake_used(&fake, QUOTA_STREAMS), 0);
    assert_int_equal(fake_used(&fake, QUOTA_IN_FLIGHT), 0);
    assert_int_equal(fake_used(&fake, QUOTA_SESSIONS), 0);
    fake_done(&fake);
}

static void test_capacity(void **state UNUSED)
{
    struct fake fake;
    char session[FAKE_SESSION_BYTES];
    fake_settings(&fake);
    fake.settings.limits.max_streams = 1;
    fake_init(&fake);
    open_session(&fake, session);
    struct asked *first = fake_get(&fake, session, NULL);
    assert_error(fake_get(&fake, session, NULL), 503, 503);
    fake_gone(first);
    assert_int_equal(fake_get(&fake, session, NULL)->replies, 0);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_and_priming),
        cmocka_unit_test(test_standing),
        cmocka_unit_test(test_odd_ids),
        cmocka_unit_test(test_resume_running),
        cmocka_unit_test(test_resume_while_connected),
        cmocka_unit_test(test_resume_finished),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_slow_outlet),
        cmocka_unit_test(test_client_leaves_while_sending),
        cmocka_unit_test(test_gone_before_the_stream),
        cmocka_unit_test(test_session_ends),
        cmocka_unit_test(test_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
