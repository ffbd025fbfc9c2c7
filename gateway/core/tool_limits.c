/* Rules are known by their patterns, so that what is counted survives a reload that moves them. Owns nothing. */
#include "gateway/core/tool_limits.h"

#include "gateway/base/glob.h"
#include "gateway/base/siphash.h"
#include "gateway/core/exchange.h"
#include "gateway/core/rates.h"
#include "limits/count_table.h"
#include "limits/rate_table.h"

static const uint64_t MINUTE_NS = 60000000000;

enum { RETRY_AFTER_S = 1 };

static const struct tool_limit_settings *find_rule(const struct exchange *exchange, struct span tool)
{
    const struct settings *settings = exchange_settings(exchange);
    for (size_t i = 0; i < settings->limits.tools; i++)
        if (glob_match(span_of(settings->limits.tool[i].match), tool))
            return &settings->limits.tool[i];
    return NULL;
}

/* Patterns are the operator's, so the hash needs no secret. Any two of a few rules differ in 128 bits of it. */
static struct limit_key rule_key(const struct tool_limit_settings *rule)
{
    static const struct siphash_key no_secret;
    struct siphash hash = siphash(&no_secret, span_of(rule->match));
    struct limit_key key = {.realm = 1};
    memcpy(key.bytes, hash.word, sizeof(key.bytes));
    return key;
}

bool tool_limits_refuse_rate(struct exchange *exchange, struct span tool)
{
    const struct tool_limit_settings *rule = find_rule(exchange, tool);
    if (!rule || rule->per_minute == 0)
        return false;
    struct token_rate rate = token_rate_per(rule->per_minute, MINUTE_NS, rule->burst);
    struct limit_key key = rates_caller(exchange, 1), of = rule_key(rule);
    uint64_t retry_ns = 0;
    for (size_t i = 0; i < sizeof(key.bytes); i++)
        key.bytes[i] ^= of.bytes[i];
    if (rate_table_take(exchange_gateway(exchange)->tool_rates, &key, &rate, exchange->started_ns, &retry_ns) == 0)
        return false;
    rates_refuse(exchange, "limits.tools", COUNTER_REFUSED_TOOL_RATE, retry_ns);
    return true;
}

static void refuse_place(struct exchange *exchange, const struct tool_limit_settings *rule)
{
    CLEANUP(text_done) struct text message = TEXT(512);
    struct exchange_refusal more = {.retry_after_s = RETRY_AFTER_S};
    counter_add(exchange_counters(exchange), COUNTER_REFUSED_TOOL_IN_FLIGHT, 1);
    text_addf(&message, "All %llu calls of %s that there may be at once are under way: try again later (limits.tools)",
              (unsigned long long)rule->in_flight, rule->match);
    text_terminate(&message);
    exchange_reply_refusal(exchange, ERROR_OVER_CAPACITY, message.error == 0 ? message.at : NULL, &more);
}

bool tool_limits_refuse_place(struct exchange *exchange, struct span tool, struct counted **ret_place)
{
    const struct tool_limit_settings *rule = find_rule(exchange, tool);
    if (!rule || rule->in_flight == 0)
        return false;
    struct limit_key key = rule_key(rule);
    int result = count_table_take(exchange_gateway(exchange)->tool_calls, &key, rule->in_flight, ret_place);
    if (result == COUNT_TABLE_FULL)
        refuse_place(exchange, rule);
    else if (result < 0)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    return result != 0;
}

void tool_limits_leave(struct gateway *gateway, struct counted *place)
{
    count_table_give(gateway->tool_calls, place);
}

uint64_t tool_limits_used(struct gateway *gateway, const struct tool_limit_settings *rule)
{
    struct limit_key key = rule_key(rule);
    return count_table_count(gateway->tool_calls, &key);
}
