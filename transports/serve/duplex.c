/* Messages of a two-way connection, and their answers. On one reactor; the exchanges own themselves, the connection
   knows those that still need it. */
#include "transports/serve/duplex.h"

#include <errno.h>

#include "gateway/core/session.h"

static struct duplex_exchange *of(struct exchange *exchange)
{
    return CONTAINER_OF(exchange, struct duplex_exchange, exchange);
}

struct span duplex_header(struct exchange *exchange UNUSED, const char *name UNUSED)
{
    return (struct span){0};
}

int duplex_send(struct exchange *exchange, const struct event *event)
{
    struct duplex *duplex = of(exchange)->duplex;
    if (!duplex)
        return FRONT_GONE;
    return event->message.size ? duplex->ops->write(duplex, event->message) : 0;
}

static void settle(struct duplex_exchange *mine)
{
    struct duplex *duplex = mine->duplex;
    if (!duplex)
        return; /* it ended while the answer was written */
    if (mine->owes)
        duplex->outstanding--;
    mine->owes = false;
    duplex->ops->settle(duplex);
}

static void write_reply(struct duplex_exchange *mine, const struct reply *reply)
{
    struct duplex *duplex = mine->duplex;
    if (duplex->ops->replying)
        duplex->ops->replying(duplex, &mine->exchange, reply);
    if (reply->body && mine->owes && exchange_answers(&mine->exchange))
        (void)!duplex->ops->write(duplex, (struct span){reply->body, reply->size});
}

void duplex_reply(struct exchange *exchange, struct reply *reply)
{
    struct duplex_exchange *mine = of(exchange);
    struct duplex *duplex = mine->duplex;
    if (duplex) {
        duplex->ops->hold(duplex);
        if (reply->session_id && exchange->session && !duplex->session)
            duplex->session = session_ref(exchange->session);
        write_reply(mine, reply);
        settle(mine);
        duplex->ops->unhold(duplex);
    }
    free(reply->body);
}

void duplex_release(struct exchange *exchange)
{
    struct duplex_exchange *mine = of(exchange);
    struct duplex_spares *spares = mine->duplex ? mine->duplex->spares : NULL;
    link_remove(&mine->link);
    peer_facts_unref(mine->facts);
    if (!spares || spares->count >= DUPLEX_SPARES || mine->room != DUPLEX_SPARE_BYTES) {
        free(mine);
        return;
    }
    mine->next_spare = spares->first;
    spares->first = mine;
    spares->count++;
}

void duplex_spares_done(struct duplex_spares *spares)
{
    while (spares->first) {
        struct duplex_exchange *next = spares->first->next_spare;
        free(spares->first);
        spares->first = next;
    }
    spares->count = 0;
}

/* ---- messages ---- */

static struct duplex_exchange *take_memory(struct duplex *duplex, size_t size)
{
    struct duplex_spares *spares = duplex->spares;
    size_t room = spares ? MAX(size, (size_t)DUPLEX_SPARE_BYTES) : size;
    if (spares && spares->first && room == DUPLEX_SPARE_BYTES) {
        struct duplex_exchange *spare = spares->first;
        spares->first = spare->next_spare;
        spares->count--;
        return spare;
    }
    struct duplex_exchange *fresh = malloc(sizeof(*fresh) + room);
    if (fresh)
        fresh->room = room;
    return fresh;
}

static struct duplex_exchange *make(struct duplex *duplex, struct span message)
{
    struct duplex_exchange *mine = take_memory(duplex, message.size);
    if (!mine)
        return NULL;
    exchange_init(&mine->exchange, &duplex->ops->front, duplex->reactor);
    if (message.size)
        memcpy(mine->message, message.at, message.size);
    mine->duplex = duplex;
    mine->owes = false;
    mine->facts = peer_facts_ref(duplex->facts);
    link_append(&duplex->exchanges, &mine->link);
    mine->exchange.message = (struct span){mine->message, message.size};
    mine->exchange.client = duplex->client;
    mine->exchange.identity = identity_ref(duplex->pass ? guard_pass_identity(duplex->pass) : duplex->identity);
    mine->exchange.facts = mine->facts;
    mine->exchange.connection = duplex;
    mine->exchange.session = duplex->session ? session_ref(duplex->session) : NULL;
    if (duplex->listener < mine->exchange.snapshot->settings->listeners)
        mine->exchange.listener = &mine->exchange.snapshot->settings->listener[duplex->listener];
    return mine;
}

/* What the session sends outside of any request has the connection itself for its stream. */
static void open_standing(struct duplex *duplex)
{
    struct duplex_exchange *mine = make(duplex, (struct span){0});
    if (!mine)
        return; /* the client misses notifications, and no answer */
    duplex->standing = mine;
    dispatch_stream(&mine->exchange, (struct span){0});
}

static void owe(struct duplex_exchange *mine)
{
    mine->owes = true;
    mine->duplex->outstanding++;
}

void duplex_message(struct duplex *duplex, struct span message)
{
    struct duplex_exchange *mine = make(duplex, message);
    if (!mine) {
        duplex->ops->overtaxed(duplex);
        return;
    }
    bool had_session = duplex->session != NULL;
    duplex->ops->hold(duplex);
    owe(mine);
    dispatch_message(&mine->exchange);
    exchange_unref(&mine->exchange);
    if (!had_session && duplex->session && !duplex->over)
        open_standing(duplex);
    duplex->ops->unhold(duplex);
}

void duplex_refuse_unread(struct duplex *duplex, enum error_name name)
{
    struct duplex_exchange *mine = make(duplex, (struct span){0});
    if (!mine)
        return;
    owe(mine);
    exchange_reply_error(&mine->exchange, name, NULL);
    exchange_unref(&mine->exchange);
}

bool duplex_busy(const struct duplex *duplex)
{
    for (struct link *link = duplex->exchanges.next; link != &duplex->exchanges; link = link->next) {
        const struct duplex_exchange *mine = CONTAINER_OF(link, struct duplex_exchange, link);
        if (mine->owes && !mine->exchange.listen)
            return true;
    }
    return false;
}

/* ---- life ---- */

void duplex_init(struct duplex *duplex, const struct duplex_ops *ops, struct reactor *reactor, unsigned listener,
                 const struct address *client, struct peer_facts *facts)
{
    *duplex = (struct duplex){
        .ops = ops, .reactor = reactor, .facts = facts, .listener = listener, .client = *client, .over = false};
    link_init(&duplex->exchanges);
}

static void on_over(void *context, const char *why)
{
    struct duplex *duplex = context;
    duplex->ops->shut_out(duplex, why);
}

int duplex_admit(struct duplex *duplex, const struct credentials *credentials, struct identity *identity)
{
    duplex->pass = guard_pass_new(duplex->reactor, &(struct guard_pass_facts){.front = duplex->ops->front.name,
                                                                              .credentials = credentials,
                                                                              .peer = duplex->facts,
                                                                              .identity = identity,
                                                                              .over = on_over,
                                                                              .context = duplex});
    identity_unref(identity);
    return duplex->pass ? 0 : -ENOMEM;
}

void duplex_abandon(struct duplex *duplex)
{
    struct duplex_exchange *standing = TAKE(duplex->standing);
    duplex->over = true;
    while (!link_alone(&duplex->exchanges)) {
        struct duplex_exchange *mine = CONTAINER_OF(duplex->exchanges.next, struct duplex_exchange, link);
        link_remove(&mine->link);
        mine->duplex = NULL;
        exchange_ref(&mine->exchange);
        exchange_gone(&mine->exchange);
        exchange_unref(&mine->exchange);
    }
    if (standing)
        exchange_unref(&standing->exchange);
    if (duplex->session) {
        session_close(duplex->session);
        session_unref(TAKE(duplex->session));
    }
}

void duplex_done(struct duplex *duplex)
{
    guard_pass_end(TAKE(duplex->pass));
    identity_unref(TAKE(duplex->identity));
    peer_facts_unref(TAKE(duplex->facts));
}
