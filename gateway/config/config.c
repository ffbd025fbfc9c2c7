/* Puts the configuration together: defaults, file, environment, arguments. Owns the settings until they are handed
   over; config_free() frees them by the same table that filled them. */
#include "gateway/config/config.h"

#include <errno.h>
#include <unistd.h>

#include "gateway/config/apply.h"
#include "gateway/config/checks.h"
#include "gateway/config/file.h"
#include "gateway/config/types.h"

static const char demo[] = "listen:\n"
                           "  - address: 127.0.0.1:8080\n"
                           "admin:\n"
                           "  address: 127.0.0.1:9464\n"
                           "builtin: true\n";
static const char demo_name[] = "the built-in demo";
static const char default_address[] = "127.0.0.1:8080";

void config_free(struct settings *settings)
{
    if (!settings)
        return;
    option_release(options_top(), settings);
    free(settings);
}

static void config_freep(struct settings **settings)
{
    config_free(*settings);
}

/* ---- listeners ---- */

static const struct option_list *listener_list(void)
{
    return option_find_list(options_top(), SPAN("listen"));
}

static int set_address(struct listener_settings *listener, const char *address, struct mistakes *mistakes)
{
    CLEANUP(text_done) struct text problem = TEXT(MISTAKE_MAX_BYTES);
    const struct option *option = option_find(&listener_list()->table, SPAN("address"));
    int result = option->type->read(option, listener, span_of(address), NULL, &problem);
    if (result == OPTION_WRONG)
        text_addf(mistake(mistakes, (struct position){0}), "--listen: %.*s", SPAN_PRINT(text_span(&problem)));
    return MIN(result, 0);
}

static int copy_names(const struct name_list *from, struct name_list *to)
{
    to->name = calloc(from->count + 1, sizeof(char *));
    if (!to->name)
        return -ENOMEM;
    for (; to->count < from->count; to->count++)
        if (!(to->name[to->count] = span_copy(span_of(from->name[to->count]))))
            return -ENOMEM;
    return 0;
}

/* NULL stays NULL. */
static int copy_text(const char *from, char **to)
{
    *to = from ? span_copy(span_of(from)) : NULL;
    return from && !*to ? -ENOMEM : 0;
}

static int copy_sni(const struct tls_sni_settings *from, struct tls_sni_settings *to)
{
    to->place = from->place;
    int result = copy_text(from->name, &to->name);
    if (result == 0)
        result = copy_text(from->certificate, &to->certificate);
    return result == 0 ? copy_text(from->key, &to->key) : result;
}

static int copy_tls(const struct tls_settings *from, struct tls_settings *to)
{
    to->place = from->place;
    to->min_version = from->min_version;
    to->client_auth = from->client_auth;
    int result = copy_text(from->certificate, &to->certificate);
    if (result == 0)
        result = copy_text(from->key, &to->key);
    if (result == 0)
        result = copy_text(from->client_ca, &to->client_ca);
    to->sni = result == 0 ? calloc(from->snis + 1, sizeof(*to->sni)) : NULL;
    if (!to->sni)
        return -ENOMEM;
    for (; to->snis < from->snis && result == 0; to->snis++)
        result = copy_sni(&from->sni[to->snis], &to->sni[to->snis]);
    return result;
}

static int copy_prefixes(const struct prefix_list *from, struct prefix_list *to)
{
    to->local = from->local;
    to->prefix = calloc(from->count + 1, sizeof(*to->prefix));
    if (!to->prefix)
        return -ENOMEM;
    for (; to->count < from->count; to->count++)
        to->prefix[to->count] = from->prefix[to->count];
    return 0;
}

/* Everything but the address. */
static int copy_listener(const struct listener_settings *from, struct listener_settings *to)
{
    to->place = from->place;
    to->transports = from->transports;
    to->proxy_protocol = from->proxy_protocol;
    int result = copy_text(from->path, &to->path);
    if (result == 0)
        result = copy_names(&from->allowed_hosts, &to->allowed_hosts);
    if (result == 0)
        result = copy_names(&from->allowed_origins, &to->allowed_origins);
    if (result == 0)
        result = copy_tls(&from->tls, &to->tls);
    return result == 0 ? copy_prefixes(&from->trusted_proxies, &to->trusted_proxies) : result;
}

static int fill_listeners(const struct listener_settings *model, const struct config_arguments *arguments,
                          struct settings *settings, struct mistakes *mistakes)
{
    int result = 0;
    for (size_t i = 0; i < arguments->listens && result == 0; i++) {
        struct listener_settings *listener = &settings->listener[settings->listeners++];
        result = model ? copy_listener(model, listener) : option_defaults(&listener_list()->table, listener);
        if (result == 0)
            result = set_address(listener, arguments->listen[i], mistakes);
    }
    return result;
}

/* The arguments' listeners in place of the file's. */
static int replace_listeners(struct settings *settings, const struct config_arguments *arguments,
                             struct mistakes *mistakes)
{
    struct listener_settings *old = settings->listener;
    size_t count = settings->listeners;
    if (arguments->listens > SETTINGS_MAX_LISTENERS) {
        text_addf(mistake(mistakes, (struct position){0}), "--listen: %d addresses at most", SETTINGS_MAX_LISTENERS);
        return 0;
    }
    settings->listeners = 0;
    settings->listener = calloc(arguments->listens, sizeof(*settings->listener));
    int result = settings->listener ? fill_listeners(count ? &old[0] : NULL, arguments, settings, mistakes) : -ENOMEM;
    for (size_t i = 0; i < count; i++)
        option_release(&listener_list()->table, &old[i]);
    free(old);
    return result;
}

static void drop_listeners(struct settings *settings)
{
    for (size_t i = 0; i < settings->listeners; i++)
        option_release(&listener_list()->table, &settings->listener[i]);
    settings->listeners = 0;
    free(TAKE(settings->admin.address_text));
    settings->admin.address = (struct address){.size = 0};
}

static int complete_listeners(struct settings *settings, const struct config_arguments *arguments,
                              struct mistakes *mistakes)
{
    static const char *const fallback[] = {default_address};
    struct config_arguments one = {.listen = fallback, .listens = ARRAY_SIZE(fallback)};
    if (arguments && arguments->listens > 0)
        return replace_listeners(settings, arguments, mistakes);
    if (arguments && arguments->no_listeners) {
        drop_listeners(settings);
        return 0;
    }
    return settings->listeners > 0 ? 0 : replace_listeners(settings, &one, mistakes);
}

/* SO_REUSEPORT would let two listeners open one address and share its connections at random. A free port (0) is another
   one each time. */
static void check_pair(const struct listener_settings *one, const struct listener_settings *other,
                       struct mistakes *mistakes)
{
    char a[ADDRESS_BYTES], b[ADDRESS_BYTES];
    address_format(&one->address, a);
    address_format(&other->address, b);
    if (*a && strcmp(a, b) == 0 && (address_is_local(&one->address) || !span_ends(span_of(a), SPAN(":0"))))
        text_addf(mistake(mistakes, (struct position){0}), "the address %s is there twice (listen, admin.address)", a);
}

static void check_addresses(const struct settings *settings, struct mistakes *mistakes)
{
    for (size_t i = 0; i < settings->listeners; i++) {
        for (size_t j = 0; j < i; j++)
            check_pair(&settings->listener[i], &settings->listener[j], mistakes);
        check_pair(&settings->listener[i], &settings->admin, mistakes);
    }
}

/* ---- the whole ---- */

static int fill(struct span yaml, const char *directory, char *const *environment,
                const struct config_arguments *arguments, struct settings *settings, struct mistakes *mistakes)
{
    CLEANUP(document_freep) struct document *document = NULL;
    int result = option_defaults(options_top(), settings);
    if (result == 0)
        result = document_parse(yaml, mistakes, &document);
    if (result == 0)
        result = apply_document(document, directory, settings, mistakes);
    if (result >= 0)
        result = apply_environment(environment, directory, settings, mistakes);
    if (result == 0)
        result = complete_listeners(settings, arguments, mistakes);
    if (result == 0) {
        check_addresses(settings, mistakes);
        result = check_auth(document ? document_root(document) : NULL, settings, mistakes);
    }
    return result;
}

int config_parse(struct span yaml, const char *name, const char *directory, char *const *environment,
                 const struct config_arguments *arguments, struct settings **ret_settings, struct text *mistakes)
{
    struct mistakes list = {0};
    CLEANUP(config_freep) struct settings *settings = calloc(1, sizeof(*settings));
    if (!settings)
        return -ENOMEM;
    int result = fill(yaml, directory, environment, arguments, settings, &list);
    if (result == 0 && list.error)
        result = list.error;
    if (result >= 0 && list.count > 0)
        result = CONFIG_MISTAKES;
    mistakes_write(&list, name, mistakes);
    mistakes_done(&list);
    if (result == 0)
        *ret_settings = TAKE(settings);
    return result;
}

int config_load(const char *path, const struct config_arguments *arguments, struct settings **ret_settings,
                struct text *mistakes)
{
    CLEANUP(text_done) struct text yaml = TEXT(DOCUMENT_MAX_BYTES);
    if (!path)
        return config_parse(span_of(demo), demo_name, NULL, environ, arguments, ret_settings, mistakes);
    int result = file_read(path, &yaml);
    if (result < 0 && result != -ENOMEM) {
        text_addf(mistakes, "%s: cannot be read: %s\n", path,
                  result == -EMSGSIZE ? "it is larger than 4 MiB" : strerror(-result));
        return CONFIG_MISTAKES;
    }
    CLEANUP_FREE char *directory = file_directory(path);
    if (result < 0 || !directory)
        return -ENOMEM;
    return config_parse(text_span(&yaml), path, directory, environ, arguments, ret_settings, mistakes);
}

/* ---- reload ---- */

static int compare_fixed(const struct option_table *table, size_t index, const void *running, const void *next,
                         struct text *mistakes)
{
    int result = 0;
    for (size_t i = 0; i < table->rows; i++) {
        const struct option *option = &table->row[i];
        if (!(option->flags & OPTION_RESTART) || option_equal(option, running, next))
            continue;
        if (*table->name)
            text_addf(mistakes, "%s[%zu].", table->name, index);
        text_addf(mistakes, "%s: cannot change while the gateway runs: restart it\n", option->path);
        result = CONFIG_MISTAKES;
    }
    return result;
}

/* Its files may change, and what is asked of clients; whether there is TLS at all may not. */
static int compare_tls(size_t index, const struct listener_settings *running, const struct listener_settings *next,
                       struct text *mistakes)
{
    if (!running->tls.certificate == !next->tls.certificate)
        return 0;
    text_addf(mistakes, "listen[%zu].tls: cannot come or go while the gateway runs: restart it\n", index);
    return CONFIG_MISTAKES;
}

int config_can_replace(const struct settings *running, const struct settings *next, struct text *mistakes)
{
    int result = compare_fixed(options_top(), 0, running, next, mistakes);
    if (running->listeners != next->listeners) {
        text_add_literal(mistakes, "listen: cannot gain or lose entries while the gateway runs: restart it\n");
        return CONFIG_MISTAKES;
    }
    for (size_t i = 0; i < running->listeners; i++) {
        result |= compare_tls(i, &running->listener[i], &next->listener[i], mistakes);
        result |= compare_fixed(&listener_list()->table, i, &running->listener[i], &next->listener[i], mistakes);
    }
    return result;
}

static void show_difference(const struct option *option, const struct settings *settings,
                            void (*each)(const char *path, struct span value))
{
    CLEANUP(text_done) struct text value = TEXT(64 * KIB);
    option_show(option, settings, &value);
    if (!span_is(text_span(&value), option->fallback ? option->fallback : "") && !span_is(text_span(&value), "[]"))
        each(option->path, text_span(&value));
}

void config_differences(const struct settings *settings, void (*each)(const char *path, struct span value))
{
    const struct option_table *top = options_top();
    for (size_t i = 0; i < top->rows; i++)
        show_difference(&top->row[i], settings, each);
}
