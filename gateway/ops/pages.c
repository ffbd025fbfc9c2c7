/* The table of pages. Any thread; owns nothing. */
#include "gateway/ops/pages.h"

#include "gateway/ops/health.h"
#include "gateway/ops/metrics.h"
#include "gateway/ops/status.h"

static const struct page rows[] = {
    {"/healthz", PAGE_EVERY_LISTENER | PAGE_ADMIN, "text/plain; charset=utf-8", health_render_alive, NULL},
    {"/readyz", PAGE_EVERY_LISTENER | PAGE_ADMIN, "text/plain; charset=utf-8", health_render_ready, NULL},
    {"/metrics", PAGE_ADMIN, METRICS_CONTENT_TYPE, metrics_render, NULL},
    {"/status", PAGE_ADMIN, "application/json", status_render, NULL},
};
_Static_assert(ARRAY_SIZE(rows) == PAGES_COUNT, "one row per page");

void pages_fill(struct sources *sources, struct page ret_pages[PAGES_COUNT])
{
    for (size_t i = 0; i < PAGES_COUNT; i++) {
        ret_pages[i] = rows[i];
        ret_pages[i].context = sources;
    }
}
