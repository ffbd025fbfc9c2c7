/* How often somebody may: the tables of gateway.h with the rates of the settings. */
#pragma once
#include "gateway/core/gateway.h"
#include "limits/limit_key.h"

struct exchange;

/* Charges the network of `client` with one attempt to prove who it is (limits.auth_attempts): for every credential that
   has to be looked at, before any of that work. 0, or RATE_REFUSED with the value of Retry-After. Any thread. */
enum { RATE_REFUSED = 1 };
MUST_USE int rates_attempt(struct gateway *gateway, const struct settings *settings, const struct address *client,
                           unsigned *ret_retry_s);

/* Who the exchange's caller is to limits: its identity, whatever the address; or its network. */
struct limit_key rates_caller(const struct exchange *exchange, uint32_t realm);
/* Charges the caller with one request (limits.requests). True: there were too many, and it has been answered. On the
   reactor. */
MUST_USE bool rates_refuse_request(struct exchange *exchange);
/* 429 with Retry-After, or 503 where a 429 would be taken for something else: clients of both eras that ask
   server/discover first give up the modern era on any 4xx (basic/versioning). Counted. */
void rates_refuse(struct exchange *exchange, const char *option, enum counter counter, uint64_t retry_ns);
