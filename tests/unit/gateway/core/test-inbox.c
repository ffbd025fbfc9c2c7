/* Unit tests of gateway/core/inbox.h: what is put is taken once, in order, on the inbox's reactor; bounds; ends. */
#include <pthread.h>

#include "gateway/core/inbox.h"

#include "tests/unit/gateway/core/fake.h"

enum { PUTTERS = 4, PUTS = 5000 };

struct parcel {
    struct inbox_message message;
    unsigned putter, number;
};

struct taken {
    struct inbox *inbox;
    struct gateway *gateway;
    struct reactor *reactor;
    unsigned next[PUTTERS]; /* of each putter */
    _Atomic unsigned count;
    unsigned orphans; /* taken after the inbox was closed */
    struct parcel *held;
    bool hold;
};

static struct taken *orphanage; /* where parcels of closed inboxes are counted */

static void take(void *context, struct inbox_message *message)
{
    struct parcel *parcel = CONTAINER_OF(message, struct parcel, message);
    struct taken *taken = context;
    if (taken) {
        assert_ptr_equal(reactor_current(), taken->reactor);
        assert_int_equal(parcel->number, taken->next[parcel->putter]);
        taken->next[parcel->putter]++;
        if (taken->hold) {
            taken->held = parcel;
            return;
        }
    } else {
        orphanage->orphans++;
    }
    inbox_done(message);
    free(parcel);
    if (taken)
        atomic_fetch_add(&taken->count, 1);
}

static const struct owner nobody = {{0}};
static const struct inbox_bounds wide = {.messages = SIZE_MAX, .bytes = SIZE_MAX};

static int put(struct taken *taken, const char *id, const struct inbox_bounds *bounds, unsigned putter, unsigned number,
               size_t size)
{
    struct parcel *parcel = calloc(1, sizeof(*parcel));
    *parcel = (struct parcel){.message.size = size, .putter = putter, .number = number};
    int r = inbox_put(taken->gateway, span_of(id), &nobody, bounds, &parcel->message);
    if (r != 0)
        free(parcel);
    return r;
}

static void run(struct taken *taken)
{
    while (reactor_run_here(taken->reactor))
        ;
}

static void begin(struct fake *fake, struct taken *taken)
{
    *taken = (struct taken){.gateway = fake->gateway, .reactor = fake->gateway->reactor[0]};
    orphanage = taken;
    assert_int_equal(inbox_open(taken->reactor, &nobody, take, taken, &taken->inbox), 0);
}

static void test_ids(void **state UNUSED)
{
    struct fake fake;
    struct taken taken;
    fake_begin(&fake);
    begin(&fake, &taken);
    char id[RANDOM_ID_BYTES + 1] = "";
    memcpy(id, inbox_id(taken.inbox), RANDOM_ID_BYTES);
    assert_int_equal(put(&taken, id, &wide, 0, 0, 1), 0);
    run(&taken);
    assert_int_equal(taken.count, 1);
    assert_int_equal(put(&taken, "", &wide, 0, 1, 1), INBOX_UNKNOWN);
    assert_int_equal(put(&taken, "0", &wide, 0, 1, 1), INBOX_UNKNOWN);
    id[RANDOM_ID_BYTES - 2] = id[RANDOM_ID_BYTES - 2] == '0' ? '1' : '0';
    assert_int_equal(put(&taken, id, &wide, 0, 1, 1), INBOX_UNKNOWN);
    id[RANDOM_ID_BYTES - 1] = '0';
    assert_int_equal(put(&taken, id, &wide, 0, 1, 1), INBOX_UNKNOWN);
    inbox_close(taken.inbox);
    inbox_close(NULL);
    fake_done(&fake);
}

static void test_bounds(void **state UNUSED)
{
    static const struct inbox_bounds two = {.messages = 2, .bytes = 10};
    struct fake fake;
    struct taken taken;
    fake_begin(&fake);
    begin(&fake, &taken);
    const char *id = inbox_id(taken.inbox);
    taken.hold = true;
    assert_int_equal(put(&taken, id, &two, 0, 0, 100), 0); /* one always fits */
    assert_int_equal(put(&taken, id, &two, 0, 1, 1), INBOX_FULL);
    run(&taken);
    assert_int_equal(put(&taken, id, &two, 0, 1, 1), INBOX_FULL); /* until it is done with */
    inbox_done(&taken.held->message);
    free(taken.held);
    taken.hold = false;
    assert_int_equal(put(&taken, id, &two, 0, 1, 4), 0);
    assert_int_equal(put(&taken, id, &two, 0, 2, 7), INBOX_FULL);
    assert_int_equal(put(&taken, id, &two, 0, 2, 6), 0);
    assert_int_equal(put(&taken, id, &two, 0, 3, 0), INBOX_FULL);
    run(&taken);
    assert_int_equal(taken.count, 2);
    assert_int_equal(put(&taken, id, &two, 0, 3, 6), 0);
    run(&taken);
    inbox_close(taken.inbox);
    fake_done(&fake);
}

/* What was under way when it closed is handed back, and its memory stays good until then. */
static void test_closed(void **state UNUSED)
{
    struct fake fake;
    struct taken taken;
    fake_begin(&fake);
    begin(&fake, &taken);
    char id[RANDOM_ID_BYTES];
    memcpy(id, inbox_id(taken.inbox), sizeof(id));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(put(&taken, id, &wide, 0, i, 1), 0);
    inbox_close(taken.inbox);
    assert_int_equal(put(&taken, id, &wide, 0, 3, 1), INBOX_UNKNOWN);
    run(&taken);
    assert_int_equal(taken.count, 0);
    assert_int_equal(taken.orphans, 3);
    fake_done(&fake);
}

struct putter {
    pthread_t thread;
    struct taken *taken;
    char id[RANDOM_ID_BYTES];
    unsigned index;
};

static void *put_many(void *context)
{
    struct putter *putter = context;
    for (unsigned i = 0; i < PUTS; i++)
        while (put(putter->taken, putter->id, &(struct inbox_bounds){.messages = 64, .bytes = SIZE_MAX}, putter->index,
                   i, 1) == INBOX_FULL)
            sched_yield();
    return NULL;
}

static void test_threads(void **state UNUSED)
{
    struct putter putter[PUTTERS];
    struct fake fake;
    struct taken taken;
    fake_begin(&fake);
    begin(&fake, &taken);
    for (unsigned i = 0; i < PUTTERS; i++) {
        putter[i] = (struct putter){.taken = &taken, .index = i};
        memcpy(putter[i].id, inbox_id(taken.inbox), sizeof(putter[i].id));
        assert_int_equal(pthread_create(&putter[i].thread, NULL, put_many, &putter[i]), 0);
    }
    while (taken.count < PUTTERS * PUTS)
        run(&taken);
    for (unsigned i = 0; i < PUTTERS; i++) {
        pthread_join(putter[i].thread, NULL);
        assert_int_equal(taken.next[i], PUTS);
    }
    inbox_close(taken.inbox);
    fake_done(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
