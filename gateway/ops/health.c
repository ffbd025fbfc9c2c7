/* Alive and ready, as probes of a load balancer or an orchestrator want it. Any thread; owns nothing. */
#include "gateway/ops/health.h"

#include "gateway/ops/sources.h"

static const enum quota_name needed[] = {QUOTA_CONNECTIONS, QUOTA_SESSIONS, QUOTA_IN_FLIGHT};

static bool exhausted(struct quotas *quotas, enum quota_name name)
{
    uint64_t limit = atomic_load_explicit(&quotas->row[name].limit, memory_order_relaxed);
    return limit > 0 && quota_used(quotas, name) >= limit;
}

bool health_ready(struct gateway *gateway)
{
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (exhausted(&gateway->quotas, needed[i]))
            return false;
    return !memory_is_high(&gateway->memory) && gateway_phase(gateway) == GATEWAY_READY;
}

int health_render_alive(void *context UNUSED, struct text *body, int *ret_status)
{
    text_add_literal(body, "ok\n");
    *ret_status = 200;
    return body->error;
}

int health_render_ready(void *context, struct text *body, int *ret_status)
{
    bool ready = health_ready(((const struct sources *)context)->gateway);
    text_add(body, ready ? SPAN("ready\n") : SPAN("not ready\n"));
    *ret_status = ready ? 200 : 503;
    return body->error;
}
