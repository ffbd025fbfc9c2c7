/* Reads and sets the log's level. Any thread; owns nothing. */
#include "gateway/ops/log_level.h"

#include "gateway/base/log.h"
#include "gateway/core/audit.h"
#include "gateway/ops/sources.h"

static bool find_level(struct span word, enum log_level *ret_level)
{
    for (unsigned level = LOG_DEBUG; level <= LOG_OFF; level++)
        if (span_is(word, log_level_word((enum log_level)level))) {
            *ret_level = (enum log_level)level;
            return true;
        }
    return false;
}

/* Without the end of the line that `echo debug | curl --data-binary @-` sends. */
static struct span bare(struct span value)
{
    while (value.size > 0 && (value.at[value.size - 1] == '\n' || value.at[value.size - 1] == '\r'))
        value.size--;
    return span_trim(value);
}

int log_level_render(void *context UNUSED, struct text *body, int *ret_status)
{
    text_addf(body, "%s\n", log_level_word(log_minimum()));
    *ret_status = 200;
    return body->error;
}

int log_level_change(void *context, const struct address *from, struct span value, struct text *body, int *ret_status)
{
    const struct sources *sources = context;
    char client[ADDRESS_BYTES];
    enum log_level level, before = log_minimum();
    if (!find_level(bare(value), &level)) {
        text_add_literal(body, "The body must be one of debug, info, warning, error, off\n");
        *ret_status = 400;
        return body->error;
    }
    log_set_level(level);
    address_format_host(from, client);
    audit_administered(sources->gateway, "audit_log_level", LOG_TEXT("from", log_level_word(before)),
                       LOG_TEXT("to", log_level_word(level)), LOG_TEXT("client", client));
    return log_level_render(context, body, ret_status);
}
