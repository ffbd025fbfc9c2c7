/* Joins settings, clock and tables. Owns nothing. */
#include "gateway/core/rates.h"

#include "gateway/base/clock.h"
#include "limits/rate_table.h"

static const uint64_t SECOND_NS = 1000000000;

enum realm { REALM_ATTEMPTS = 1 };

static struct rate_prefixes prefixes_of(const struct settings *settings)
{
    return (struct rate_prefixes){.ipv4 = settings->limits.ipv4_prefix, .ipv6 = settings->limits.ipv6_prefix};
}

int rates_attempt(struct gateway *gateway, const struct settings *settings, const struct address *client,
                  unsigned *ret_retry_s)
{
    struct token_rate rate =
        token_rate_per(settings->limits.auth_attempts.per_minute, 60 * SECOND_NS, settings->limits.auth_attempts.burst);
    struct rate_key key = rate_key_of_address(client, prefixes_of(settings), REALM_ATTEMPTS);
    uint64_t retry_ns = 0;
    if (rate_table_take(gateway->attempts, &key, &rate, clock_now_ns(), &retry_ns) == 0)
        return 0;
    *ret_retry_s = rate_retry_s(retry_ns);
    return RATE_REFUSED;
}
