/* The pages of the gateway: /healthz and /readyz on every listener, all others on the admin listener alone. A new page
   is one row in pages.c. */
#pragma once
#include "gateway/core/page.h"
#include "gateway/ops/sources.h"

enum { PAGES_COUNT = 8 };

/* Fills the rows. The sources and the rows must outlive their use. 0 or -errno. */
MUST_USE int pages_fill(struct sources *sources, struct page ret_pages[PAGES_COUNT]);
