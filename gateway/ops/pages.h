/* The pages of the gateway: /healthz and /readyz on every listener, /metrics and /status on the admin listener alone.
   A new page is one row in pages.c. */
#pragma once
#include "gateway/core/gateway.h"
#include "gateway/core/page.h"

enum { PAGES_COUNT = 4 };

/* Fills the rows for this gateway, which must outlive them. */
void pages_fill(struct gateway *gateway, struct page ret_pages[PAGES_COUNT]);
