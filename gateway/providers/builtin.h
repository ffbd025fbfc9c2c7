/* Built-in handlers (settings: `builtin`), so that a gateway without any configuration does something real: the tools
   echo and time, the resource weir://about, and the prompt summarize with completion of its style. */
#pragma once
#include "gateway/core/provider.h"

enum { BUILTIN_ITEMS = 4 };

/* One reference to the provider and to each item. 0 or -ENOMEM. */
MUST_USE int builtin_new(struct provider **ret_provider, struct item *ret_items[BUILTIN_ITEMS]);
