/* Options that are texts: plain ones, secrets, paths and addresses. The fields own their strings. */
#include <errno.h>

#include "gateway/config/file.h"
#include "gateway/config/secret.h"
#include "gateway/config/types.h"

static char **text_field(const struct option *option, void *record)
{
    return option_field(option, record);
}

static const char *text_value(const struct option *option, const void *record)
{
    return *(char *const *)option_field_const(option, record);
}

void option_release_text(const struct option *option, void *record)
{
    char **field = text_field(option, record);
    free(TAKE(*field));
}

/* Takes the string. */
static void replace(const struct option *option, void *record, char *value)
{
    option_release_text(option, record);
    *text_field(option, record) = value;
}

static void show_text(const struct option *option, const void *record, struct text *out)
{
    text_add(out, span_of(text_value(option, record)));
}

/* Length, NUL bytes and the row's own rule. */
static int check_text(const struct option *option, struct span text, struct text *problem)
{
    if (text.size == 0 && option->minimum > 0) {
        text_add_literal(problem, "must not be empty");
        return OPTION_WRONG;
    }
    if (text.size < option->minimum || text.size > option->maximum) {
        bool small = text.size < option->minimum;
        text_addf(problem, "is too %s: %zu bytes, %llu at %s", small ? "short" : "long", text.size,
                  (unsigned long long)(small ? option->minimum : option->maximum), small ? "least" : "most");
        return OPTION_WRONG;
    }
    if (text.size > 0 && memchr(text.at, '\0', text.size)) {
        text_add_literal(problem, "must not hold a NUL character");
        return OPTION_WRONG;
    }
    return option->check && !option->check(text, problem) ? OPTION_WRONG : 0;
}

static int read_text(const struct option *option, void *record, struct span text, const char *directory UNUSED,
                     struct text *problem)
{
    int result = check_text(option, text, problem);
    char *copy = result == 0 ? span_copy(text) : NULL;
    if (copy)
        replace(option, record, copy);
    return result != 0 ? result : copy ? 0 : -ENOMEM;
}

const struct option_type option_type_TEXT = {
    .name = "text", .read = read_text, .show = show_text, .release = option_release_text};

/* Words of a path option that are no paths. */
static bool is_choice(const struct option *option, struct span text)
{
    const struct option_choice *choice = option->choices;
    while (choice && choice->name && !span_is(text, choice->name))
        choice++;
    return choice && choice->name;
}

static int read_path(const struct option *option, void *record, struct span text, const char *directory,
                     struct text *problem)
{
    int result = check_text(option, text, problem);
    char *path = result != 0 ? NULL : is_choice(option, text) ? span_copy(text) : file_path(directory, text);
    if (path)
        replace(option, record, path);
    return result != 0 ? result : path ? 0 : -ENOMEM;
}

const struct option_type option_type_PATH = {
    .name = "path", .read = read_path, .show = show_text, .release = option_release_text};

/* A URL, or "file:" and a path, which is made whole. */
static int read_location(const struct option *option, void *record, struct span text, const char *directory,
                         struct text *problem)
{
    const struct span scheme = SPAN("file:");
    int result = check_text(option, text, problem);
    if (result != 0 || !span_starts(text, scheme))
        return result != 0 ? result : read_text(option, record, text, directory, problem);
    CLEANUP_FREE char *path = file_path(directory, (struct span){text.at + scheme.size, text.size - scheme.size});
    CLEANUP(text_done) struct text whole = TEXT(SIZE_MAX);
    text_add(&whole, scheme);
    text_add(&whole, span_of(path));
    char *copy = path && whole.error == 0 ? span_copy(text_span(&whole)) : NULL;
    if (copy)
        replace(option, record, copy);
    return copy ? 0 : -ENOMEM;
}

const struct option_type option_type_LOCATION = {
    .name = "URL or file:PATH", .read = read_location, .show = show_text, .release = option_release_text};

static void release_secret(const struct option *option, void *record)
{
    const char *secret = text_value(option, record);
    if (secret)
        explicit_bzero(*text_field(option, record), strlen(secret));
    option_release_text(option, record);
}

static int read_secret(const struct option *option, void *record, struct span text, const char *directory,
                       struct text *problem)
{
    char *secret;
    if (text.size > 0 && memchr(text.at, '\0', text.size)) {
        text_add_literal(problem, "must not hold a NUL character");
        return OPTION_WRONG;
    }
    int result = secret_read(text, directory, problem, &secret);
    if (result != 0)
        return result;
    release_secret(option, record);
    *text_field(option, record) = secret;
    return check_text(option, span_of(secret), problem); /* a bad one is wiped with the settings */
}

static void show_secret(const struct option *option, const void *record, struct text *out)
{
    if (text_value(option, record))
        text_add_literal(out, "(secret)");
}

const struct option_type option_type_SECRET = {
    .name = "secret", .secret = true, .read = read_secret, .show = show_secret, .release = release_secret};

/* The field is the address_text of a struct listener_settings; the parsed address stands beside it. */
static int read_address(const struct option *option, void *record, struct span text, const char *directory UNUSED,
                        struct text *problem)
{
    struct listener_settings *listener =
        CONTAINER_OF(text_field(option, record), struct listener_settings, address_text);
    struct address address;
    if (address_parse(text, &address) < 0) {
        mistake_add_value(problem, text);
        text_add_literal(problem, " is no address: write 127.0.0.1:8080, [::1]:8080 or unix:/run/weir.sock");
        return OPTION_WRONG;
    }
    char *copy = span_copy(text);
    if (!copy)
        return -ENOMEM;
    replace(option, record, copy);
    listener->address = address;
    return 0;
}

const struct option_type option_type_ADDRESS = {
    .name = "address", .read = read_address, .show = show_text, .release = option_release_text};
