/* The admin listener's /metrics: all that is counted, in the text exposition format 0.0.4 of Prometheus. What an event
   counter or a limit is called stands in gateway/core/counters.def and limits/quotas.def; a new row there appears here
   by itself. Names, labels and units follow Prometheus's rules ("Metric and label naming"). */
#pragma once
#include "gateway/core/gateway.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* `context` is the struct sources. On a reactor; its size is bounded by the tables (a few hundred lines) and by
   METRICS_MAX_ITEMS. 0 or text's error. */
MUST_USE int metrics_render(void *context, struct text *body, int *ret_status);
