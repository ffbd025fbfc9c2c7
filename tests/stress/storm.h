/* The stress generator, part by part. A plan says what to do and to whom; a mode does it and prints one JSON object. */
#pragma once
#include <stdio.h>

#include "gateway/base/defs.h"
#include "tests/bench/generator.h"

enum { MAX_TEMPLATES = 64, PLACES = 4, DIGITS = 10, HEAD_BYTES = 2048, GRACE_SECONDS = 60 };

/* Bytes to send. Ten '#' in the first HEAD_BYTES stand for a number that no other message has, ten '@' for the id of
   the request, which may be used again (plan.reuse). */
struct template
{
    char *bytes;
    size_t size, head_size;
    size_t number_at[PLACES], numbers;
    size_t id_at[PLACES], ids;
};

enum framing { FRAMING_HTTP, FRAMING_LINES, FRAMING_WEBSOCKET };

struct plan {
    size_t port, connections, count, seconds, rate, reuse, reconnect, sources, seed, silent, patience, receive_buffer;
    enum framing framing;
    struct template *prelude; /* sent first; its answer ends with an empty line. NULL: none */
    struct template template[MAX_TEMPLATES];
    size_t templates;
};

/* An answer as it comes. */
struct answer {
    char *bytes;
    size_t have, room;
};

/* The size of the first whole answer in it, or 0. *ret_status: of HTTP, else 200; an error that came with 200 is its
   JSON-RPC code. */
size_t answer_whole(const struct answer *answer, enum framing framing, int *ret_status);
/* Reads what there is. False at the end of the connection. */
bool answer_read(struct answer *answer, int fd);

/* The source address of the n-th connection (generator_try_connect). */
static inline unsigned plan_source(const struct plan *plan, size_t n)
{
    return plan->sources == 0 ? 0 : (unsigned)(256 + n % plan->sources);
}

void storm_calls(const struct plan *chosen);
void storm_churn(const struct plan *chosen);
void storm_pour(const struct plan *chosen);
