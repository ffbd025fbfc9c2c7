/* How often somebody may: the tables of gateway.h with the rates of the settings. Any thread. */
#pragma once
#include "gateway/core/gateway.h"

/* Charges the network of `client` with one attempt to prove who it is (limits.auth_attempts): for every credential that
   has to be looked at, before any of that work. 0, or RATE_REFUSED with the value of Retry-After. */
enum { RATE_REFUSED = 1 };
MUST_USE int rates_attempt(struct gateway *gateway, const struct settings *settings, const struct address *client,
                           unsigned *ret_retry_s);
