/* A configuration file of any bytes: it becomes settings that keep every promise of the table, or sentences that can be
   printed. The environment is left out, so that a run depends on the input alone. */
#include <json-c/json.h>
#include <stdio.h>

#include "gateway/config/config.h"
#include "gateway/config/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 16 * 1024 * 1024 };

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                      \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* UTF-8, whole lines, and nothing that moves a cursor. */
static void check_printable(struct span text)
{
    CHECK(text.size > 0 && text.at[text.size - 1] == '\n');
    while (text.size > 0) {
        size_t length = span_utf8(text);
        CHECK(length > 0 && ((unsigned char)text.at[0] >= 0x20 || text.at[0] == '\n'));
        text.at += length;
        text.size -= length;
    }
}

static void check_json(const char *json)
{
    json_tokener *tokener = json_tokener_new_ex(128);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *object = json_tokener_parse_ex(tokener, json, (int)strlen(json) + 1);
    CHECK(json_tokener_get_error(tokener) == json_tokener_success);
    (void)json_object_put(object);
    json_tokener_free(tokener);
}

static void check_command(const struct command_settings *command)
{
    CHECK(command->name && *command->name && command->run.count > 0 && command->timeout_ms > 0);
    check_json(command->input_schema);
    if (command->annotations)
        check_json(command->annotations);
}

static void check_settings(const struct settings *settings)
{
    CLEANUP(text_done) struct text mistakes = TEXT(MAX_BYTES);
    CHECK(settings->listeners > 0 && settings->listeners <= SETTINGS_MAX_LISTENERS);
    for (size_t i = 0; i < settings->listeners; i++)
        CHECK(settings->listener[i].address.size > 0 && settings->listener[i].path[0] == '/');
    for (size_t i = 0; i < settings->modules; i++) {
        CHECK(*settings->module[i].path);
        check_json(settings->module[i].config);
    }
    for (size_t i = 0; i < settings->commands; i++)
        check_command(&settings->command[i]);
    CHECK(settings->page_size > 0 && settings->limits.workers <= 1024);
    CHECK(config_can_replace(settings, settings, &mistakes) == 0 && mistakes.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(text_done) struct text mistakes = TEXT(MAX_BYTES);
    struct settings *settings = NULL;
    int result =
        config_parse((struct span){(const char *)data, size}, "f", "/nonexistent", NULL, NULL, &settings, &mistakes);
    CHECK(result == 0 || result == CONFIG_MISTAKES);
    CHECK((result == 0) == (settings != NULL) && (result == 0) == (mistakes.size == 0));
    if (settings)
        check_settings(settings);
    else
        check_printable(text_span(&mistakes));
    config_free(settings);
    return 0;
}
