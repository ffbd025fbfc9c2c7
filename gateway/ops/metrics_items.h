/* The requests of single tools, resources, templates and prompts, as metrics. */
#pragma once
#include "gateway/core/gateway.h"

enum {
    METRICS_MAX_ITEMS = 1000,   /* of those that were asked for, in the order of lists: a label must not be endless */
    METRICS_MAX_ITEM_NAME = 256 /* bytes; an item with a longer name (a URI) has no series of its own */
};

/* weir_item_requests_total and weir_item_request_duration_seconds_total of the newest catalogue's items that were asked
   for. They begin again at zero when a reload replaces an item. Any thread. */
void metrics_items_add(struct text *out, struct gateway *gateway);
/* Calls `each` for those very items of a catalogue. */
void metrics_items_each(const struct catalogue *catalogue, void (*each)(void *context, const struct item *item),
                        void *context);
/* A label's value, with the escapes of the exposition format. */
void metrics_add_label_value(struct text *out, struct span value);
