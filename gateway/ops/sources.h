/* What the pages are rendered from. A plain record, filled by main and not changed while pages are served. */
#pragma once
#include "gateway/core/gateway.h"

struct traces;

enum { SOURCES_POLICY_BYTES = 512 };

struct sources {
    struct gateway *gateway;
    struct traces *traces; /* NULL: none */
    /* Calls `each` for every listener that speaks TLS: its address, and when the first of its certificates expires, in
       seconds since 1970. Any thread. NULL: none does. */
    void (*certificates)(void *context, void (*each)(void *out, const char *address, int64_t expires_s), void *out);
    void *certificates_context;
    /* Calls `each` for every limit that is a number, with what the settings say: bytes, seconds, shares, or how many.
       Any thread. NULL: unknown. */
    void (*limits)(const struct settings *settings, void (*each)(void *out, const char *option, double value),
                   void *out);
    char policy[SOURCES_POLICY_BYTES]; /* of the status page; pages_fill() */
};

static inline void sources_certificates(const struct sources *sources,
                                        void (*each)(void *out, const char *address, int64_t expires_s), void *out)
{
    if (sources->certificates)
        sources->certificates(sources->certificates_context, each, out);
}
