/* Hostile and honest load, cheap enough to be more than a gateway can take: one thread, one epoll, loopback only,
   bounded in time and count.

     storm calls KEY=VALUE... FILE...   calls whose answers are checked, on kept connections, one at a time on each
     storm churn KEY=VALUE... FILE...   connections that end at any byte of a file: by FIN, by RST, or in silence
     storm pour  KEY=VALUE... FILE      connections that send and send, and read nothing

   Keys: port, connections, count (messages, or connections of churn), seconds (the longest it may take; calls without a
   count take all of it), rate (messages per second, 0: as fast as answers come), reuse (so many ids, 0: each its own),
   reconnect (1: a connection that was closed is made again), sources (so many addresses of ours), seed, silent (of
   1,000 connections of churn), receive_buffer, framing (http, lines, websocket), prelude (a file that is sent first).
 */
#include <errno.h>
#include <string.h>

#include "tests/stress/storm.h"

static const struct {
    const char *name;
    size_t field;
} keys[] = {
    {"port", offsetof(struct plan, port)},           {"connections", offsetof(struct plan, connections)},
    {"count", offsetof(struct plan, count)},         {"seconds", offsetof(struct plan, seconds)},
    {"rate", offsetof(struct plan, rate)},           {"reuse", offsetof(struct plan, reuse)},
    {"reconnect", offsetof(struct plan, reconnect)}, {"sources", offsetof(struct plan, sources)},
    {"seed", offsetof(struct plan, seed)},           {"silent", offsetof(struct plan, silent)},
    {"patience", offsetof(struct plan, patience)},   {"receive_buffer", offsetof(struct plan, receive_buffer)},
};
static const char *const framings[] = {"http", "lines", "websocket"};

static size_t find_places(const struct template *template, char mark, size_t at[PLACES])
{
    char wanted[DIGITS];
    size_t found = 0;
    memset(wanted, mark, DIGITS);
    for (size_t i = 0; i + DIGITS <= template->head_size && found < PLACES; i++) {
        if (memcmp(template->bytes + i, wanted, DIGITS) == 0) {
            at[found++] = i;
            i += DIGITS - 1;
        }
    }
    return found;
}

static void read_template(struct template *template, const char *path)
{
    template->bytes = generator_load_file(path, &template->size);
    template->head_size = MIN(template->size, (size_t)HEAD_BYTES);
    template->numbers = find_places(template, '#', template->number_at);
    template->ids = find_places(template, '@', template->id_at);
}

static bool take_framing(struct plan *plan, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(framings); i++) {
        if (strcmp(value, framings[i]) == 0) {
            plan->framing = (enum framing)i;
            return true;
        }
    }
    return false;
}

static bool take_prelude(struct plan *plan, const char *path)
{
    static struct template prelude;
    read_template(&prelude, path);
    plan->prelude = &prelude;
    return true;
}

/* One KEY=VALUE. */
static bool take_key(struct plan *plan, const char *name, size_t size, const char *value)
{
    if (strncmp(name, "framing=", size + 1) == 0)
        return take_framing(plan, value);
    if (strncmp(name, "prelude=", size + 1) == 0)
        return take_prelude(plan, value);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strlen(keys[i].name) != size || memcmp(keys[i].name, name, size) != 0)
            continue;
        size_t number = strtoull(value, NULL, 10);
        memcpy((char *)plan + keys[i].field, &number, sizeof(number));
        return true;
    }
    return false;
}

static bool read_plan(struct plan *plan, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        if (!equals && plan->templates < MAX_TEMPLATES)
            read_template(&plan->template[plan->templates++], argv[i]);
        else if (!equals || !take_key(plan, argv[i], (size_t)(equals - argv[i]), equals + 1))
            return false;
    }
    return plan->templates > 0 && plan->port > 0 && plan->port < 65536 && plan->connections > 0 && plan->seconds > 0 &&
           plan->seconds <= 3600;
}

int main(int argc, char **argv)
{
    static struct plan plan;
    static const struct {
        const char *name;
        void (*run)(const struct plan *plan);
    } modes[] = {{"calls", storm_calls}, {"churn", storm_churn}, {"pour", storm_pour}};
    for (size_t i = 0; argc > 2 && i < ARRAY_SIZE(modes); i++) {
        if (strcmp(argv[1], modes[i].name) != 0 || !read_plan(&plan, argc, argv))
            continue;
        modes[i].run(&plan);
        return 0;
    }
    (void)fprintf(stderr, "usage: see the head of tests/stress/storm.c\n");
    return 2;
}
