/* The limit, from the bottom: what the gateway itself needs and its clients, refused ones that linger, programs, and
   what handlers, issuers and logs open now and then. Owns nothing. */
#include "limits/descriptors.h"

#include <limits.h>

enum {
    OWN = 32,          /* standard streams, logs, the configuration, a reload under way */
    PER_REACTOR = 16,  /* epoll of the loop, of three libmicrohttpd daemons and of libwebsockets, and what wakes them */
    PER_PROGRAM = 4,   /* its three standard streams, and its pidfd */
    PER_TLS = 3,       /* the socket, and the socketpair that carries its plaintext */
    PROGRAMS_PART = 4, /* of what is left, where it does not suffice */
    LINGERING_PART = 16, /* of the limit, for the refused; at least one per ring */
    SPARE = 64,
};

/* Of every listening socket, and of every reactor's HTTP front. */
static uint64_t rings(const struct descriptors_wanted *wanted)
{
    return (wanted->listeners + 1) * wanted->reactors;
}

/* Of each ring. */
static uint64_t lingering(const struct descriptors_wanted *wanted)
{
    uint64_t share = wanted->limit / LINGERING_PART / MAX(rings(wanted), (uint64_t)1);
    return MAX(MIN(share, (uint64_t)DESCRIPTORS_MOST_LINGERING), (uint64_t)1);
}

static uint64_t own(const struct descriptors_wanted *wanted)
{
    return OWN + (PER_REACTOR + wanted->listeners) * wanted->reactors;
}

static uint64_t reserved(const struct descriptors_wanted *wanted)
{
    return own(wanted) + SPARE + lingering(wanted) * rings(wanted);
}

static uint64_t per_connection(const struct descriptors_wanted *wanted)
{
    return wanted->tls ? PER_TLS : 1;
}

uint64_t descriptors_least(const struct descriptors_wanted *wanted)
{
    return reserved(wanted) + per_connection(wanted) + (wanted->processes > 0 ? PER_PROGRAM : 0);
}

/* What connections want; more than `left` if that cannot be. */
static uint64_t all_connections(const struct descriptors_wanted *wanted, uint64_t left)
{
    return wanted->connections <= left ? wanted->connections * per_connection(wanted) : UINT64_MAX;
}

static uint64_t fit_processes(const struct descriptors_wanted *wanted, uint64_t left)
{
    uint64_t connections = all_connections(wanted, left);
    uint64_t rest = left - MIN(left, connections), share = left / PROGRAMS_PART;
    uint64_t most = MAX(rest, share) / PER_PROGRAM;
    return MIN(wanted->processes, MAX(most, (uint64_t)1));
}

int descriptors_allow(const struct descriptors_wanted *wanted, struct descriptors_allowed *ret_allowed)
{
    uint64_t limit = MIN(wanted->limit, (uint64_t)INT_MAX);
    struct descriptors_allowed allowed = {.connections = wanted->connections, .processes = wanted->processes};
    if (limit < descriptors_least(wanted))
        return DESCRIPTORS_TOO_FEW;
    uint64_t left = limit - reserved(wanted);
    uint64_t connections = all_connections(wanted, left);
    bool suffices = connections <= left && wanted->processes <= (left - connections) / PER_PROGRAM;
    if (!suffices) {
        allowed.processes = fit_processes(wanted, left);
        allowed.connections =
            MIN(wanted->connections, (left - allowed.processes * PER_PROGRAM) / per_connection(wanted));
    }
    allowed.lingering = (unsigned)lingering(wanted);
    if (wanted->limit != UINT64_MAX)
        allowed.clients = (int)(limit - reserved(wanted) + own(wanted) - allowed.processes * PER_PROGRAM);
    *ret_allowed = allowed;
    return suffices ? 0 : DESCRIPTORS_LOWERED;
}
