/* The table of inboxes, in stripes of one lock each. Any thread, under the stripe's lock; `context` is its reactor's
   alone. An inbox is owned by who opened it and by its messages that are not done. */
#include "gateway/core/inbox.h"

#include <errno.h>

#include "gateway/core/gateway.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum { STRIPES = 16 };

struct inbox_stripe {
    pthread_mutex_t lock;
    struct inbox *inboxes;
};

struct inbox_table {
    struct inbox_stripe stripe[STRIPES];
};

struct inbox {
    UT_hash_handle hh;
    char id[RANDOM_ID_BYTES];
    struct owner owner;
    struct reactor *reactor;
    struct inbox_stripe *stripe;
    unsigned references;
    size_t messages, bytes;
    inbox_taker take;
    void *context; /* NULL once it is closed */
};

static struct inbox_stripe *stripe_of(struct inbox_table *table, struct span id)
{
    return &table->stripe[id.size > 0 ? (unsigned char)id.at[id.size - 1] % STRIPES : 0];
}

int inbox_table_new(struct inbox_table **ret_table)
{
    struct inbox_table *table = calloc(1, sizeof(*table));
    if (!table)
        return -ENOMEM;
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&table->stripe[i].lock, NULL);
    *ret_table = table;
    return 0;
}

void inbox_table_free(struct inbox_table *table)
{
    if (!table)
        return;
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&table->stripe[i].lock);
    free(table);
}

/* With the lock held. */
static void drop_reference(struct inbox *inbox)
{
    if (--inbox->references == 0)
        free(inbox);
}

/* ---- open, close ---- */

static int put_in_table(struct inbox *inbox)
{
    pthread_mutex_lock(&inbox->stripe->lock);
    HASH_ADD_STR(inbox->stripe->inboxes, id, inbox);
    bool added = inbox->hh.tbl != NULL;
    pthread_mutex_unlock(&inbox->stripe->lock);
    return added ? 0 : -ENOMEM;
}

int inbox_open(struct reactor *reactor, const struct owner *owner, inbox_taker take, void *context,
               struct inbox **ret_inbox)
{
    struct inbox *inbox = calloc(1, sizeof(*inbox));
    if (!inbox)
        return -ENOMEM;
    inbox->owner = *owner;
    inbox->reactor = reactor;
    inbox->references = 1;
    inbox->take = take;
    inbox->context = context;
    int r = random_id(inbox->id);
    if (r == 0) {
        inbox->stripe = stripe_of(reactor_gateway(reactor)->inboxes, span_of(inbox->id));
        r = put_in_table(inbox);
    }
    if (r != 0) {
        free(inbox);
        return r;
    }
    *ret_inbox = inbox;
    return 0;
}

const char *inbox_id(const struct inbox *inbox)
{
    return inbox->id;
}

void inbox_close(struct inbox *inbox)
{
    if (!inbox)
        return;
    struct inbox_stripe *stripe = inbox->stripe;
    inbox->context = NULL;
    pthread_mutex_lock(&stripe->lock);
    HASH_DEL(stripe->inboxes, inbox);
    drop_reference(inbox);
    pthread_mutex_unlock(&stripe->lock);
}

/* ---- messages ---- */

static void take_posted(struct reactor_post *post)
{
    struct inbox_message *message = CONTAINER_OF(post, struct inbox_message, post);
    message->inbox->take(message->inbox->context, message);
}

static bool has_room(const struct inbox *inbox, const struct inbox_bounds *bounds, size_t size)
{
    if (inbox->messages == 0)
        return true;
    return inbox->messages < bounds->messages && inbox->bytes <= bounds->bytes && size <= bounds->bytes - inbox->bytes;
}

/* With the lock held, so that posts go out in the order in which places were taken. */
static void post_message(struct inbox *inbox, struct inbox_message *message)
{
    inbox->messages++;
    inbox->bytes += message->size;
    inbox->references++;
    message->inbox = inbox;
    reactor_post(inbox->reactor, &message->post, take_posted);
}

int inbox_put(struct gateway *gateway, struct span id, const struct owner *owner, const struct inbox_bounds *bounds,
              struct inbox_message *message)
{
    struct inbox_stripe *stripe = stripe_of(gateway->inboxes, id);
    struct inbox *inbox = NULL;
    int r = INBOX_UNKNOWN;
    if (id.size != RANDOM_ID_BYTES - 1)
        return r;
    pthread_mutex_lock(&stripe->lock);
    HASH_FIND(hh, stripe->inboxes, id.at, id.size, inbox);
    if (inbox && memcmp(&inbox->owner, owner, sizeof(*owner)) == 0)
        r = has_room(inbox, bounds, message->size) ? 0 : INBOX_FULL;
    if (r == 0)
        post_message(inbox, message);
    pthread_mutex_unlock(&stripe->lock);
    return r;
}

void inbox_done(struct inbox_message *message)
{
    struct inbox *inbox = TAKE(message->inbox);
    struct inbox_stripe *stripe = inbox->stripe;
    pthread_mutex_lock(&stripe->lock);
    inbox->messages--;
    inbox->bytes -= message->size;
    drop_reference(inbox);
    pthread_mutex_unlock(&stripe->lock);
}
