/* The table of pages. Any thread; owns nothing. */
#include "gateway/ops/pages.h"

#include "gateway/ops/health.h"
#include "gateway/ops/log_level.h"
#include "gateway/ops/metrics.h"
#include "gateway/ops/status.h"
#include "gateway/ops/status_page.h"
#include "openapi/contract.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_HTML  "text/html; charset=utf-8"

static int render_contract(void *context UNUSED, struct text *body, int *ret_status)
{
    text_add(body, contract_document());
    *ret_status = 200;
    return body->error;
}

static const struct page rows[] = {
    {.path = "/healthz",
     .where = PAGE_EVERY_LISTENER | PAGE_ADMIN,
     .content_type = TEXT_PLAIN,
     .render = health_render_alive},
    {.path = "/readyz",
     .where = PAGE_EVERY_LISTENER | PAGE_ADMIN,
     .content_type = TEXT_PLAIN,
     .render = health_render_ready},
    {.path = "/metrics", .where = PAGE_ADMIN, .content_type = METRICS_CONTENT_TYPE, .render = metrics_render},
    {.path = "/status", .where = PAGE_ADMIN, .content_type = "application/json", .render = status_render},
    {.path = "/status/events",
     .where = PAGE_ADMIN,
     .content_type = "text/event-stream",
     .render = status_render,
     .live = true},
    {.path = "/log-level",
     .where = PAGE_ADMIN,
     .content_type = TEXT_PLAIN,
     .render = log_level_render,
     .change = log_level_change},
    {.path = "/openapi.yaml", .where = PAGE_ADMIN, .content_type = "application/yaml", .render = render_contract},
    {.path = "/", .where = PAGE_ADMIN, .content_type = TEXT_HTML, .render = status_page_render},
};
enum { STATUS_ROW = 3, WEB_PAGE_ROW = PAGES_COUNT - 1 };
_Static_assert(ARRAY_SIZE(rows) == PAGES_COUNT, "one row per page");

int pages_fill(struct sources *sources, struct page ret_pages[PAGES_COUNT])
{
    for (size_t i = 0; i < PAGES_COUNT; i++) {
        ret_pages[i] = rows[i];
        ret_pages[i].context = sources;
    }
    ret_pages[STATUS_ROW].for_browsers = &ret_pages[WEB_PAGE_ROW];
    ret_pages[WEB_PAGE_ROW].policy = sources->policy;
    return status_page_policy(sources->policy, sizeof(sources->policy));
}
