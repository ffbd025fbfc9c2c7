/* A gateway with two reactors that do not run, and a page rendered from it. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/core/gateway.h"
#include "gateway/core/page.h"

struct observed {
    struct settings settings;
    struct gateway *gateway;
    struct text body;
    int status;
};

static inline void observed_release(struct settings *settings)
{
    (void)settings; /* part of the struct observed */
}

static inline struct snapshot *observed_snapshot(struct observed *observed)
{
    struct settings_holder *holder = NULL;
    struct catalogue_builder *builder = NULL;
    struct catalogue *catalogue = NULL;
    struct snapshot *snapshot = NULL;
    unsigned changed;
    assert_int_equal(settings_holder_new(&observed->settings, observed_release, &holder), 0);
    assert_int_equal(catalogue_builder_new(NULL, &builder), 0);
    assert_int_equal(catalogue_builder_finish(builder, &catalogue, &changed), 0);
    catalogue_builder_free(builder);
    assert_int_equal(snapshot_new(holder, catalogue, &snapshot), 0);
    return snapshot;
}

static inline int observed_setup(void **state)
{
    struct observed *observed = calloc(1, sizeof(*observed));
    assert_non_null(observed);
    observed->settings.threads = 2;
    observed->settings.limits.max_connections = 100;
    observed->settings.limits.max_sessions = 10;
    observed->settings.limits.max_streams = 20;
    observed->settings.limits.max_in_flight = 5;
    observed->settings.limits.max_tasks = UINT64_MAX;
    observed->body = TEXT(1024 * 1024);
    assert_int_equal(gateway_new(observed_snapshot(observed), &observed->gateway), 0);
    atomic_store(&observed->gateway->phase, GATEWAY_READY);
    *state = observed;
    return 0;
}

static inline int observed_teardown(void **state)
{
    struct observed *observed = *state;
    text_done(&observed->body);
    gateway_free(observed->gateway);
    free(observed);
    return 0;
}

static inline struct counters *observed_counters(struct observed *observed, unsigned reactor)
{
    return reactor_counters(observed->gateway->reactor[reactor]);
}

/* The page's text, NUL-terminated. */
static inline const char *observed_render(struct observed *observed,
                                          int (*render)(void *context, struct text *body, int *ret_status))
{
    text_clear(&observed->body);
    assert_int_equal(render(observed->gateway, &observed->body, &observed->status), 0);
    text_terminate(&observed->body);
    return observed->body.at;
}
