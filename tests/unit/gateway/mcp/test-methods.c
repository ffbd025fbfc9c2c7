/* Unit tests of gateway/mcp/methods.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/mcp/methods.h"

enum { NEITHER, LEGACY = 1 << ERA_LEGACY, MODERN = 1 << ERA_MODERN, BOTH = LEGACY | MODERN };

/* By the schemas of the revisions, written down here a second time. */
static void test_eras(void **state)
{
    static const struct {
        const char *name;
        enum method method;
        unsigned eras;
        bool notification;
        const char *mirrored;
    } rows[] = {
        {"initialize", METHOD_INITIALIZE, LEGACY, false, NULL},
        {"ping", METHOD_PING, LEGACY, false, NULL},
        {"logging/setLevel", METHOD_SET_LEVEL, LEGACY, false, NULL},
        {"resources/subscribe", METHOD_SUBSCRIBE, LEGACY, false, NULL},
        {"resources/unsubscribe", METHOD_UNSUBSCRIBE, LEGACY, false, NULL},
        {"server/discover", METHOD_DISCOVER, MODERN, false, NULL},
        {"subscriptions/listen", METHOD_LISTEN, MODERN, false, NULL},
        {"tools/list", METHOD_TOOLS_LIST, BOTH, false, NULL},
        {"tools/call", METHOD_TOOLS_CALL, BOTH, false, "name"},
        {"resources/list", METHOD_RESOURCES_LIST, BOTH, false, NULL},
        {"resources/templates/list", METHOD_TEMPLATES_LIST, BOTH, false, NULL},
        {"resources/read", METHOD_RESOURCES_READ, BOTH, false, "uri"},
        {"prompts/list", METHOD_PROMPTS_LIST, BOTH, false, NULL},
        {"prompts/get", METHOD_PROMPTS_GET, BOTH, false, "name"},
        {"completion/complete", METHOD_COMPLETE, BOTH, false, NULL},
        {"tasks/get", METHOD_TASKS_GET, MODERN, false, "taskId"},
        {"tasks/update", METHOD_TASKS_UPDATE, MODERN, false, "taskId"},
        {"tasks/cancel", METHOD_TASKS_CANCEL, MODERN, false, "taskId"},
        {"notifications/initialized", METHOD_INITIALIZED, LEGACY, true, NULL},
        {"notifications/cancelled", METHOD_CANCELLED, BOTH, true, NULL},
        {"notifications/progress", METHOD_PROGRESS, LEGACY, true, NULL},
        {"notifications/roots/list_changed", METHOD_ROOTS_CHANGED, LEGACY, true, NULL},
        {"tasks/result", METHOD_UNKNOWN, NEITHER, false, NULL},
        {"tasks/list", METHOD_UNKNOWN, NEITHER, false, NULL},
        {"sampling/createMessage", METHOD_UNKNOWN, NEITHER, false, NULL},
        {"elicitation/create", METHOD_UNKNOWN, NEITHER, false, NULL},
        {"Tools/call", METHOD_UNKNOWN, NEITHER, false, NULL},
        {"tools/call ", METHOD_UNKNOWN, NEITHER, false, NULL},
        {"tools/cal", METHOD_UNKNOWN, NEITHER, false, NULL},
        {"unknown", METHOD_UNKNOWN, NEITHER, false, NULL},
        {"", METHOD_UNKNOWN, NEITHER, false, NULL},
        {NULL, METHOD_UNKNOWN, NEITHER, false, NULL},
    };
    unsigned seen = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum method method = rows[i].method;
        print_message("%s\n", rows[i].name ? rows[i].name : "(absent)");
        for (unsigned era = 0; era < ERA_COUNT; era++)
            assert_int_equal(method_find(span_of(rows[i].name), (enum era)era),
                             rows[i].eras & 1U << era ? method : METHOD_UNKNOWN);
        if (method == METHOD_UNKNOWN)
            continue;
        seen++;
        assert_string_equal(method_name(method), rows[i].name);
        assert_int_equal(method_is_notification(method), rows[i].notification);
        if (rows[i].mirrored == NULL)
            assert_null(method_mirrored_member(method));
        else
            assert_string_equal(method_mirrored_member(method), rows[i].mirrored);
    }
    assert_int_equal(seen, METHOD_UNKNOWN); /* no method without a row here */
}

static void test_unknown_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(method_name(METHOD_UNKNOWN), "unknown");
    assert_null(method_mirrored_member(METHOD_UNKNOWN));
    assert_false(method_is_notification(METHOD_UNKNOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eras),
        cmocka_unit_test(test_unknown_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
