/* Joins settings, clock and tables. Owns nothing. */
#include "gateway/core/rates.h"

#include "gateway/base/clock.h"
#include "gateway/core/exchange.h"
#include "limits/rate_table.h"

static const uint64_t SECOND_NS = 1000000000;

enum realm { REALM_ATTEMPTS = 1, REALM_REQUESTS };

static struct limit_prefixes prefixes_of(const struct settings *settings)
{
    return (struct limit_prefixes){.ipv4 = settings->limits.ipv4_prefix, .ipv6 = settings->limits.ipv6_prefix};
}

int rates_attempt(struct gateway *gateway, const struct settings *settings, const struct address *client,
                  unsigned *ret_retry_s)
{
    struct token_rate rate =
        token_rate_per(settings->limits.auth_attempts.per_minute, 60 * SECOND_NS, settings->limits.auth_attempts.burst);
    struct limit_key key = limit_key_of_address(client, prefixes_of(settings), REALM_ATTEMPTS);
    uint64_t retry_ns = 0;
    if (rate_table_take(gateway->attempts, &key, &rate, clock_now_ns(), &retry_ns) == 0)
        return 0;
    *ret_retry_s = rate_retry_s(retry_ns);
    return RATE_REFUSED;
}

struct limit_key rates_caller(const struct exchange *exchange, uint32_t realm)
{
    const struct identity *identity = exchange->identity;
    if (!identity || identity->proof == IDENTITY_ANONYMOUS)
        return limit_key_of_address(&exchange->client, prefixes_of(exchange_settings(exchange)), realm);
    struct limit_key key = {.realm = realm};
    _Static_assert(sizeof(key.bytes) == sizeof(identity->key), "an identity's key is a limit's");
    memcpy(key.bytes, identity->key, sizeof(key.bytes));
    return key;
}

void rates_refuse(struct exchange *exchange, const char *option, enum counter counter, uint64_t retry_ns)
{
    CLEANUP(text_done) struct text message = TEXT(256);
    struct exchange_refusal more = {.retry_after_s = rate_retry_s(retry_ns)};
    counter_add(exchange_counters(exchange), counter, 1);
    text_addf(&message, "Too many requests: the next one is welcome in %u s (%s)", more.retry_after_s, option);
    text_terminate(&message);
    exchange_reply_refusal(exchange, exchange->method == METHOD_DISCOVER ? ERROR_OVER_CAPACITY : ERROR_RATE_LIMITED,
                           message.error == 0 ? message.at : NULL, &more);
}

bool rates_refuse_request(struct exchange *exchange)
{
    const struct settings *settings = exchange_settings(exchange);
    if (settings->limits.requests.per_second == 0)
        return false;
    struct token_rate rate =
        token_rate_per(settings->limits.requests.per_second, SECOND_NS, settings->limits.requests.burst);
    struct limit_key key = rates_caller(exchange, REALM_REQUESTS);
    uint64_t retry_ns = 0;
    if (rate_table_take(exchange_gateway(exchange)->requests, &key, &rate, exchange->started_ns, &retry_ns) == 0)
        return false;
    rates_refuse(exchange, "limits.requests", COUNTER_REFUSED_REQUEST_RATE, retry_ns);
    return true;
}
