/* Writes the access line of an exchange into its reactor's log buffer. On the exchange's reactor; owns nothing. */
#include "gateway/core/access_log.h"

#include "gateway/base/redact.h"
#include "gateway/core/log_buffer.h"
#include "gateway/core/session.h"

enum { STATUS_HUNG_UP = 499, MAX_FIELDS = 20 };

struct line {
    struct log_field field[MAX_FIELDS];
    size_t count;
};

static void add_text(struct line *line, const char *key, struct span value)
{
    if (value.size > 0)
        line->field[line->count++] = (struct log_field)LOG_SPAN(key, value);
}

static void add_number(struct line *line, const char *key, uint64_t value)
{
    line->field[line->count++] = (struct log_field)LOG_NUMBER(key, value);
}

/* Before guards looked at it a connection may have shown a certificate. */
static struct span subject(const struct identity *identity, const struct peer_facts *facts)
{
    if (identity)
        return span_of(identity->subject);
    return facts && facts->subject ? span_of(facts->subject) : SPAN("");
}

static void add_caller(struct line *line, const struct identity *identity, const struct peer_facts *facts,
                       struct span client)
{
    add_text(line, "client", client);
    line->field[line->count++] = (struct log_field)LOG_SPAN("subject", subject(identity, facts));
    add_text(line, "proof", span_of(identity_proof_name(identity ? identity->proof : IDENTITY_ANONYMOUS)));
}

static void add_way_in(struct line *line, const char *front, const struct listener_settings *listener)
{
    add_text(line, "front", span_of(front));
    add_text(line, "endpoint", listener ? span_of(listener->path) : (struct span){0});
}

/* The name of a tool or prompt, or of a resource: what the methods that there are take for one. */
static struct span name(const struct exchange *exchange, char redacted[REDACT_BYTES])
{
    struct span text = exchange_text(exchange, MEMBER_NAME);
    if (exchange->method == METHOD_UNKNOWN)
        return (struct span){0};
    if (span_absent(text))
        return redact_uri(exchange_text(exchange, MEMBER_URI), redacted);
    return (struct span){text.at, MIN(text.size, (size_t)REDACT_SHOWN_BYTES)};
}

/* Known once a modern request has been admitted, or a session found. */
static struct span revision(const struct exchange *exchange)
{
    bool known = exchange->session || (exchange->era == ERA_MODERN && revision_era(exchange->revision) == ERA_MODERN);
    return known ? span_of(revision_name(exchange->revision)) : (struct span){0};
}

static void add_request(struct line *line, const struct exchange *exchange, char redacted[REDACT_BYTES])
{
    add_way_in(line, exchange->ops->name, exchange->listener);
    add_text(line, "era", span_of(era_name(exchange->era)));
    add_text(line, "revision", revision(exchange));
    add_text(line, "method", span_of(method_name(exchange->method)));
    add_text(line, "name", name(exchange, redacted));
    if (exchange->session)
        add_text(line, "session", span_of(session_tag(exchange->session)));
    if (exchange_settings(exchange)->log.arguments)
        add_text(line, "arguments", exchange_member(exchange, MEMBER_ARGUMENTS)->raw);
}

/* A stream that has begun said 200. */
static unsigned status(const struct exchange *exchange)
{
    if (exchange->status)
        return (unsigned)exchange->status;
    return exchange->state == EXCHANGE_GONE ? STATUS_HUNG_UP : 200;
}

static void add_outcome(struct line *line, enum outcome outcome, const char *error, unsigned code)
{
    add_text(line, "outcome", span_of(outcome_name(outcome)));
    add_text(line, "error", span_of(error));
    add_number(line, "status", code);
}

static bool is_on(const struct settings *settings)
{
    return settings->log.access && log_enabled(LOG_INFO);
}

void access_log_add(const struct exchange *exchange, enum outcome outcome, uint64_t duration_ns)
{
    char client[ADDRESS_BYTES], redacted[REDACT_BYTES];
    struct line line;
    if (!is_on(exchange_settings(exchange)))
        return;
    line.count = 0;
    address_format_host(&exchange->client, client);
    add_caller(&line, exchange->identity, exchange->facts, span_of(client));
    add_request(&line, exchange, redacted);
    add_outcome(&line, outcome, exchange->error, status(exchange));
    add_number(&line, "in", exchange->message.size);
    add_number(&line, "out", exchange->bytes_out);
    line.field[line.count++] = (struct log_field)LOG_THOUSANDTHS("ms", duration_ns / 1000);
    log_buffer_add(reactor_log(exchange->reactor), LOG_INFO, "request", line.field, line.count);
}

void access_log_add_refusal(struct reactor *reactor, const struct access_refusal *refusal)
{
    char client[ADDRESS_BYTES];
    struct line line = {.count = 0};
    if (!is_on(reactor_snapshot(reactor)->settings))
        return;
    address_format_host(refusal->client, client);
    add_caller(&line, refusal->identity, refusal->facts, span_of(client));
    add_way_in(&line, refusal->front, refusal->listener);
    add_outcome(&line, OUTCOME_REFUSED, refusal->error, refusal->status);
    add_number(&line, "in", refusal->bytes_in);
    log_buffer_add(reactor_log(reactor), LOG_INFO, "request", line.field, line.count);
}
