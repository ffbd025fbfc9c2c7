/* The pages of the gateway: /healthz and /readyz on every listener, /metrics and /status on the admin listener alone.
   A new page is one row in pages.c. */
#pragma once
#include "gateway/core/page.h"
#include "gateway/ops/sources.h"

enum { PAGES_COUNT = 4 };

/* Fills the rows. The sources must outlive them. */
void pages_fill(struct sources *sources, struct page ret_pages[PAGES_COUNT]);
