/* The admin listener's /status: the state of the gateway at a glance, as one JSON object for people and scripts.

   {"version", "phase": "starting|ready|leaving|draining|stopped", "started", "uptime_seconds", "threads",
    "requests": {"total", "by_era": {era: n}, "by_outcome": {outcome: n}, "by_method": {method: {outcome: n}}},
    "latency_seconds": {era: {"count", "mean", "p50", "p95", "p99"}},     (null without a request)
    "latency_buckets": {"bounds_seconds": [n], "counts": [n]},            (both eras; one count more: beyond all bounds)
    "refusals": {reason: n},                                              (only reasons that occurred)
    "limits": {limit: {"used", "limit", "highest", "refused", "option"}}, (limit null: none)
    "catalogue": {"tools", "resources", "templates", "prompts"},
    "items": [{"kind", "name", outcome: n, "seconds"}],                   (those that were asked for: metrics_items.h)
    "certificates": [{"listener", "expires"}],                            (the first to expire of each TLS listener)
    "authentication": {"cache": {"entries", "found", "missed", "evicted"},
                       "issuers": [{"issuer", "introspected", "keys", "last_success", "failures", "error"}]},
                                                                          (null: nobody is asked; in auth.jwt's order)
    "process": {"resident_bytes", "virtual_bytes", "open_descriptors", "max_descriptors", "threads", "cpu_seconds"}}

   by_method names only methods that were asked for, and only outcomes that occurred. The percentiles are estimated from
   the buckets of the latency histogram. */
#pragma once
#include "gateway/core/gateway.h"

/* `context` is the struct sources. On a reactor; bounded by the tables and METRICS_MAX_ITEMS. 0 or text's error. */
MUST_USE int status_render(void *context, struct text *body, int *ret_status);
