/* Upgrades whose first head has come and is not answered yet. Nearly all are answered at once; those whose credentials
   only their issuer knows wait here, with their head, until the guard tells them to be judged again. On one reactor;
   owns the arrivals until they become connections or are refused. */
#include <unistd.h>

#include "transports/serve/websocket_parts.h"

struct parked {
    struct link link; /* front->parked */
    struct websocket_front *front;
    struct guard_visit visit;
    struct arrival arrival; /* owned until it is handed on */
    size_t size;
    char head[]; /* and early frames */
};

static void leave(struct parked *parked)
{
    struct websocket_front *front = parked->front;
    guard_leave(&parked->visit);
    link_remove(&parked->link);
    free(parked);
    websocket_front_gone(front);
}

/* Whoever is handed the arrival owns it. */
static void judge(struct parked *parked)
{
    CLEANUP(text_done) struct text answer = TEXT(PUMP_MAX_LAST);
    struct upgrade upgrade = {
        .arrival = parked->arrival, .received = {parked->head, parked->size}, .visit = &parked->visit};
    struct websocket_head head;
    struct identity *identity = NULL;
    int status = websocket_answer(parked->front, &upgrade, &head, &answer, &identity);
    if (status == UPGRADE_PENDING)
        return;
    if (status == 101)
        websocket_connection_open(parked->front, &upgrade, &head, identity);
    else
        websocket_answer_refuse(parked->front, &upgrade, text_span(&answer));
    leave(parked);
}

static void on_told(void *context)
{
    judge(context);
}

static void drop(struct websocket_front *front, const struct arrival *arrival)
{
    close(arrival->fd);
    arrival_give_back(front->reactor, arrival->network);
    peer_facts_unref(arrival->facts);
}

/* One that has been answered has nothing to wait for. */
static void open_answered(struct websocket_front *front, const struct upgrade *upgrade)
{
    CLEANUP(text_done) struct text answer = TEXT(PUMP_MAX_LAST);
    struct websocket_head head;
    struct identity *identity = NULL;
    if (websocket_answer(front, upgrade, &head, &answer, &identity) == 101) {
        websocket_connection_open(front, upgrade, &head, identity);
        return;
    }
    identity_unref(upgrade->identity);
    websocket_answer_refuse(front, upgrade, text_span(&answer));
}

void websocket_park(struct websocket_front *front, const struct upgrade *upgrade)
{
    if (upgrade->answered) {
        open_answered(front, upgrade);
        return;
    }
    struct parked *parked = malloc(sizeof(*parked) + upgrade->received.size);
    if (!parked) {
        drop(front, &upgrade->arrival);
        return;
    }
    *parked = (struct parked){.front = front, .arrival = upgrade->arrival, .size = upgrade->received.size};
    parked->visit = (struct guard_visit){.front = "websocket", .told = on_told, .context = parked};
    memcpy(parked->head, upgrade->received.at, upgrade->received.size);
    link_append(&front->parked, &parked->link);
    front->connections++;
    judge(parked);
}

void websocket_park_cut(struct websocket_front *front)
{
    while (!link_alone(&front->parked)) {
        struct parked *parked = CONTAINER_OF(front->parked.next, struct parked, link);
        drop(front, &parked->arrival);
        leave(parked);
    }
}
