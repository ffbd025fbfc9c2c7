/* What is said to those who are not let in, as clients of OAuth read it. Any thread; owns nothing. */
#include "gateway/core/exchange.h"
#include "gateway/core/guard_priv.h"

enum { CHALLENGE_MAX_BYTES = 4096 };

/* A quoted-string (RFC 9110, 5.6.4) of what is ours: RFC 6750, 3, leaves '"' and '\' out of these values. */
static void add_parameter(struct text *out, const char *name, struct span value)
{
    text_addf(out, "%s%s=\"", out->size > 0 && out->at[out->size - 1] == '"' ? ", " : " ", name);
    for (size_t i = 0; i < value.size; i++)
        text_add_char(out, value.at[i] == '"' || value.at[i] == '\\' ? '\'' : value.at[i]);
    text_add_char(out, '"');
}

void guard_add_challenge(const struct guard *guard UNUSED, const struct guard_refusal *refusal, struct text *out)
{
    text_add_literal(out, "Bearer");
    add_parameter(out, "realm", SPAN("weir"));
    if (refusal->oauth)
        add_parameter(out, "error", span_of(refusal->oauth));
    if (refusal->why)
        add_parameter(out, "error_description", span_of(refusal->why));
}

void guard_refuse(struct exchange *exchange, const struct guard_refusal *refusal)
{
    CLEANUP(text_done) struct text challenge = TEXT(CHALLENGE_MAX_BYTES);
    struct exchange_refusal more = {.retry_after_s = refusal->retry_after_s};
    if (refusal->challenge) {
        guard_add_challenge(exchange->snapshot->guard, refusal, &challenge);
        text_terminate(&challenge);
        more.authenticate = challenge.error == 0 ? challenge.at : "Bearer";
    }
    exchange_reply_refusal(exchange, refusal->error, refusal->message, &more);
}
