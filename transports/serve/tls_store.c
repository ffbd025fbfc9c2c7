/* A pointer to the newest context behind a mutex, and what is needed to make the next one. Owns a copy of the settings,
   the stamps of the files as they were when they were read last, and one reference to the context. */
#include "transports/serve/tls_store.h"

#include <errno.h>
#include <pthread.h>

#include "transports/serve/tls_files.h"

struct tls_store {
    pthread_mutex_t lock;
    struct tls_context *context;
    struct tls_tickets *tickets;
    struct tls_settings settings;
    struct tls_files *files;
};

/* ---- the copy ---- */

static void drop_settings(struct tls_settings *settings)
{
    for (size_t i = 0; i < settings->snis; i++) {
        free(settings->sni[i].name);
        free(settings->sni[i].certificate);
        free(settings->sni[i].key);
    }
    free(settings->sni);
    free(settings->certificate);
    free(settings->key);
    free(settings->client_ca);
    *settings = (struct tls_settings){0};
}

static bool copy_text(char **to, const char *from)
{
    *to = from ? span_copy(span_of(from)) : NULL;
    return *to || !from;
}

static bool copy_row(struct tls_sni_settings *to, const struct tls_sni_settings *from)
{
    to->place = from->place;
    bool name = copy_text(&to->name, from->name);
    bool certificate = copy_text(&to->certificate, from->certificate);
    return copy_text(&to->key, from->key) && name && certificate;
}

static int copy_settings(struct tls_settings *to, const struct tls_settings *from)
{
    *to =
        (struct tls_settings){.place = from->place, .min_version = from->min_version, .client_auth = from->client_auth};
    bool good = copy_text(&to->certificate, from->certificate) && copy_text(&to->key, from->key) &&
                copy_text(&to->client_ca, from->client_ca);
    if (good && from->snis > 0) {
        to->sni = calloc(from->snis, sizeof(to->sni[0]));
        good = to->sni != NULL;
    }
    while (good && to->snis < from->snis) {
        good = copy_row(&to->sni[to->snis], &from->sni[to->snis]);
        to->snis++;
    }
    if (good)
        return 0;
    drop_settings(to);
    return -ENOMEM;
}

/* ---- replacing ---- */

static void replace(struct tls_store *store, struct tls_context *context)
{
    pthread_mutex_lock(&store->lock);
    struct tls_context *before = store->context;
    store->context = context;
    pthread_mutex_unlock(&store->lock);
    tls_context_unref(before);
}

struct tls_context *tls_store_take(struct tls_store *store)
{
    pthread_mutex_lock(&store->lock);
    struct tls_context *context = tls_context_ref(store->context);
    pthread_mutex_unlock(&store->lock);
    return context;
}

/* Stamps first: a file that changes while it is read has changed once more when it is looked at next. */
static int load(const struct tls_settings *settings, struct tls_tickets *tickets, struct text *mistake,
                struct tls_files **ret_files, struct tls_context **ret_context)
{
    struct tls_files *files = NULL;
    int result = tls_files_new(settings, &files);
    if (result != 0)
        return result;
    result = tls_context_new(settings, tickets, mistake, ret_context);
    if (result < 0)
        tls_files_free(files);
    else
        *ret_files = files; /* of a bad one, too */
    return result;
}

static void note_files(struct tls_store *store, struct tls_files *files)
{
    tls_files_free(store->files);
    store->files = files;
}

int tls_store_reload(struct tls_store *store, const struct tls_settings *settings, struct text *mistake)
{
    struct tls_settings copy;
    struct tls_files *files = NULL;
    struct tls_context *context = NULL;
    int result = copy_settings(&copy, settings);
    if (result != 0)
        return result;
    result = load(&copy, store->tickets, mistake, &files, &context);
    if (result != 0) {
        tls_files_free(files);
        drop_settings(&copy);
        return result;
    }
    drop_settings(&store->settings);
    store->settings = copy;
    note_files(store, files);
    replace(store, context);
    return 0;
}

int tls_store_poll(struct tls_store *store, struct text *mistake)
{
    struct tls_files *files = NULL;
    struct tls_context *context = NULL;
    if (!tls_files_changed(store->files))
        return 0;
    int result = load(&store->settings, store->tickets, mistake, &files, &context);
    if (result < 0)
        return result;
    note_files(store, files);
    if (result != 0)
        return result;
    replace(store, context);
    return TLS_STORE_RELOADED;
}

/* ---- life ---- */

int tls_store_new(const struct tls_settings *settings, struct tls_tickets *tickets, struct text *mistake,
                  struct tls_store **ret_store)
{
    struct tls_store *store = calloc(1, sizeof(*store));
    if (!store)
        return -ENOMEM;
    pthread_mutex_init(&store->lock, NULL);
    store->tickets = tls_tickets_ref(tickets);
    int result = tls_store_reload(store, settings, mistake);
    if (result != 0) {
        tls_store_free(store);
        return result;
    }
    *ret_store = store;
    return 0;
}

void tls_store_free(struct tls_store *store)
{
    if (!store)
        return;
    tls_context_unref(store->context);
    tls_files_free(store->files);
    drop_settings(&store->settings);
    tls_tickets_unref(store->tickets);
    pthread_mutex_destroy(&store->lock);
    free(store);
}
