/* Opens and closes the fronts on their reactors' threads, from the main thread, which waits for each step. Owns the
   listening sockets that no front has taken, and the fronts. */
#include "gateway/main/fronts.h"

#include <errno.h>
#include <semaphore.h>

#include "transports/serve/http_front.h"

enum { ADMIN = SETTINGS_MAX_LISTENERS }; /* its place behind the listeners */

struct fronts {
    struct gateway *gateway;
    struct http_listener listener[HTTP_FRONT_MAX_LISTENERS];
    size_t listeners;
    const struct page *pages;
    size_t pages_count;
    struct http_front **front; /* one per reactor */
    struct step *step;         /* one per reactor, so that the end needs no memory */
};

/* A step that every reactor takes. */
struct step {
    struct reactor_post post;
    struct fronts *fronts;
    unsigned index;
    int (*take)(struct fronts *fronts, unsigned index);
    int result;
    sem_t *taken;
};

static void take_step(struct reactor_post *post)
{
    struct step *step = CONTAINER_OF(post, struct step, post);
    step->result = step->take(step->fronts, step->index);
    sem_post(step->taken);
}

/* On all reactors at once; returns when all have taken it: 0, or the result of one that failed. */
static int on_all_reactors(struct fronts *fronts, int (*take)(struct fronts *fronts, unsigned index))
{
    unsigned count = fronts->gateway->reactors;
    sem_t taken;
    int result = 0;
    sem_init(&taken, 0, 0);
    for (unsigned i = 0; i < count; i++) {
        fronts->step[i] = (struct step){.fronts = fronts, .index = i, .take = take, .taken = &taken};
        reactor_post(fronts->gateway->reactor[i], &fronts->step[i].post, take_step);
    }
    for (unsigned i = 0; i < count; i++)
        while (sem_wait(&taken) != 0)
            ;
    for (unsigned i = 0; i < count; i++)
        result = result == 0 ? fronts->step[i].result : result;
    sem_destroy(&taken);
    return result;
}

static int open_front(struct fronts *fronts, unsigned index)
{
    return http_front_new(fronts->gateway->reactor[index], fronts->listener, fronts->listeners, fronts->pages,
                          fronts->pages_count, &fronts->front[index]);
}

static int drain_front(struct fronts *fronts, unsigned index)
{
    http_front_drain(fronts->front[index]);
    return 0;
}

static int close_front(struct fronts *fronts, unsigned index)
{
    http_front_free(fronts->front[index]);
    return 0;
}

/* ---- listening ---- */

static int open_address(struct fronts *fronts, const struct listener_settings *settings, bool admin, unsigned index,
                        struct text *problem)
{
    struct http_listener *listener = &fronts->listener[fronts->listeners];
    int result = listening_open(&settings->address, fronts->gateway->reactors, &listener->listening);
    if (result < 0) {
        text_addf(problem, "cannot listen on %s: %s", settings->address_text, strerror(-result));
        return result;
    }
    listener->admin = admin;
    listener->index = index;
    fronts->listeners++;
    return 0;
}

static int open_addresses(struct fronts *fronts, const struct settings *settings, struct text *problem)
{
    int result = 0;
    for (size_t i = 0; i < settings->listeners && result == 0; i++)
        result = open_address(fronts, &settings->listener[i], false, (unsigned)i, problem);
    if (result == 0 && settings->admin.address_text)
        result = open_address(fronts, &settings->admin, true, ADMIN, problem);
    return result;
}

int fronts_open(struct gateway *gateway, const struct settings *settings, const struct page *pages, size_t pages_count,
                struct fronts **ret_fronts, struct text *problem)
{
    struct fronts *fronts = calloc(1, sizeof(*fronts));
    if (!fronts)
        return -ENOMEM;
    *fronts = (struct fronts){.gateway = gateway, .pages = pages, .pages_count = pages_count};
    fronts->front = calloc(gateway->reactors, sizeof(struct http_front *));
    fronts->step = calloc(gateway->reactors, sizeof(struct step));
    int result = fronts->front && fronts->step ? open_addresses(fronts, settings, problem) : -ENOMEM;
    if (result == 0)
        result = on_all_reactors(fronts, open_front);
    if (result < 0) {
        fronts_close(fronts);
        return result;
    }
    *ret_fronts = fronts;
    return 0;
}

static void add_base(const struct http_listener *listener, struct text *out)
{
    char address[ADDRESS_BYTES];
    address_format(listening_address(listener->listening), address);
    text_addf(out, "http://%s%s", address, address_is_local(listening_address(listener->listening)) ? ":" : "");
}

void fronts_add_url(const struct fronts *fronts, const struct settings *settings, size_t index, struct text *out)
{
    add_base(&fronts->listener[index], out);
    text_add(out, span_of(settings->listener[index].path));
}

void fronts_add_admin_url(const struct fronts *fronts, struct text *out)
{
    for (size_t i = 0; i < fronts->listeners; i++)
        if (fronts->listener[i].admin)
            add_base(&fronts->listener[i], out);
}

void fronts_drain(struct fronts *fronts)
{
    (void)on_all_reactors(fronts, drain_front);
}

void fronts_close(struct fronts *fronts)
{
    if (!fronts)
        return;
    if (fronts->front && fronts->step)
        (void)on_all_reactors(fronts, close_front);
    for (size_t i = 0; i < fronts->listeners; i++)
        listening_close(fronts->listener[i].listening);
    free(fronts->front);
    free(fronts->step);
    free(fronts);
}
