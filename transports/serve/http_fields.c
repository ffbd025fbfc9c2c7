/* The fields of a request's head, whoever has read it: libmicrohttpd, or http_straight.c. On one reactor; owns nothing.
 */
#include "transports/serve/http_parts.h"

struct visit {
    http_fields_visitor visitor;
    void *context;
};

static enum MHD_Result on_field(void *context, enum MHD_ValueKind kind UNUSED, const char *name, size_t name_size,
                                const char *value, size_t value_size)
{
    const struct visit *visit = context;
    struct span text = {value ? value : "", value_size};
    return visit->visitor(visit->context, (struct span){name, name_size}, text) ? MHD_YES : MHD_NO;
}

void http_fields_each(const struct http_connection *connection, http_fields_visitor visitor, void *context)
{
    struct span fields = connection->request->fields, name, value;
    struct visit visit = {visitor, context};
    if (span_absent(fields))
        MHD_get_connection_values_n(connection->mhd, MHD_HEADER_KIND, on_field, &visit);
    while (http_message_next_field(&fields, &name, &value) && visitor(context, name, span_trim(value)))
        ;
}

struct span http_fields_find(const struct http_connection *connection, const char *name)
{
    const char *value = NULL;
    size_t size = 0;
    if (!connection || !connection->request)
        return (struct span){NULL, 0};
    if (!span_absent(connection->request->fields))
        return http_message_field(connection->request->fields, span_of(name));
    if (MHD_lookup_connection_value_n(connection->mhd, MHD_HEADER_KIND, name, strlen(name), &value, &size) != MHD_YES)
        return (struct span){NULL, 0};
    return span_trim((struct span){value ? value : "", size});
}
