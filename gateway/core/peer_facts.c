/* The life of a record of facts. Owns its strings. Any thread. */
#include "gateway/core/peer_facts.h"

struct peer_facts *peer_facts_new(void)
{
    struct peer_facts *facts = calloc(1, sizeof(*facts));
    if (facts)
        atomic_init(&facts->references, 1);
    return facts;
}

struct peer_facts *peer_facts_ref(struct peer_facts *facts)
{
    if (facts)
        atomic_fetch_add_explicit(&facts->references, 1, memory_order_relaxed);
    return facts;
}

void peer_facts_unref(struct peer_facts *facts)
{
    if (!facts || atomic_fetch_sub_explicit(&facts->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < facts->subject_alts; i++)
        free(facts->subject_alt[i]);
    free(facts->subject_alt);
    free(facts->subject);
    free(facts->server_name);
    free(facts);
}
