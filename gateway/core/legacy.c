/* The legacy era: initialize and sessions, and the small methods that exist only there (2024-11-05 … 2025-11-25). Runs
   on the exchange's reactor. */
#include "gateway/core/methods.h"
#include "gateway/core/permission.h"
#include "gateway/core/result.h"
#include "gateway/core/session.h"
#include "gateway/mcp/capabilities.h"
#include "gateway/mcp/log_level.h"

static struct span version_header(struct exchange *exchange)
{
    return exchange->ops->has_headers ? exchange->ops->header(exchange, "MCP-Protocol-Version") : (struct span){0};
}

static void refuse_version(struct exchange *exchange, struct span requested)
{
    CLEANUP(text_done) struct text data = TEXT(2048);
    text_add_literal(&data, "{\"supported\":");
    revision_add_supported(&data);
    text_add_literal(&data, ",\"requested\":");
    text_add_json_string(&data, (struct span){requested.at, MIN(requested.size, 128)});
    text_add_char(&data, '}');
    exchange_reply_error_full(exchange, ERROR_UNSUPPORTED_VERSION, (struct span){0}, text_span(&data));
}

static void use_session(struct exchange *exchange)
{
    const struct settings *settings = exchange_settings(exchange);
    unsigned listener = 0;
    while (listener < settings->listeners && exchange->listener != &settings->listener[listener])
        listener++;
    session_used(exchange->session, listener < settings->listeners ? listener : SESSION_NO_LISTENER,
                 exchange->identity);
}

static bool find_session(struct exchange *exchange)
{
    if (!exchange->session && !span_absent(exchange->session_id))
        exchange->session = session_find(exchange_gateway(exchange), exchange->session_id, exchange->identity);
    if (exchange->session) {
        use_session(exchange);
        exchange->revision = session_revision(exchange->session);
        exchange->capabilities = session_capabilities(exchange->session);
        return true;
    }
    exchange_reply_error(exchange, span_absent(exchange->session_id) ? ERROR_SESSION_REQUIRED : ERROR_SESSION_UNKNOWN,
                         NULL);
    return false;
}

/* "If the server receives a request with an invalid or unsupported MCP-Protocol-Version, it MUST respond with 400"
   (2025-06-18, basic/transports). A version that is served but was not negotiated is let pass: the session knows
   better. */
static bool version_fits(struct exchange *exchange)
{
    enum revision revision;
    struct span version = version_header(exchange);
    if (span_absent(version) || revision_find(version, &revision) == 0)
        return true;
    refuse_version(exchange, version);
    return false;
}

bool legacy_session(struct exchange *exchange)
{
    return find_session(exchange) && version_fits(exchange);
}

bool legacy_admit(struct exchange *exchange)
{
    if (exchange->method == METHOD_INITIALIZE)
        return true;
    if (!legacy_session(exchange))
        return false;
    if (exchange->method == METHOD_UNKNOWN) {
        exchange_reply_error(exchange, ERROR_METHOD_NOT_FOUND, NULL);
        return false;
    }
    return true;
}

/* ---- initialize ---- */

static void add_initialize_result(struct text *out, const struct exchange *exchange, enum revision revision)
{
    const char *instructions = exchange_settings(exchange)->instructions;
    text_addf(out, "{\"protocolVersion\":\"%s\",\"capabilities\":", revision_name(revision));
    capabilities_add_server(out, ERA_LEGACY);
    text_add_literal(out, ",\"serverInfo\":" RESULT_SERVER_INFO);
    if (instructions) {
        text_add_literal(out, ",\"instructions\":");
        text_add_json_string(out, span_of(instructions));
    }
    text_add_char(out, '}');
}

/* "If the server supports the requested protocol version, it MUST respond with the same version. Otherwise, the server
   MUST respond with another protocol version it supports" (basic/lifecycle). */
static enum revision negotiate(struct span asked)
{
    enum revision revision;
    if (revision_find(asked, &revision) == 0 && revision_era(revision) == ERA_LEGACY)
        return revision;
    return (enum revision)REVISION_NEWEST_LEGACY;
}

static void welcome(struct exchange *exchange)
{
    CLEANUP(text_done) struct text result = TEXT(SIZE_MAX);
    struct text body = TEXT(SIZE_MAX);
    char *bytes = NULL;
    size_t size = 0;
    use_session(exchange);
    add_initialize_result(&result, exchange, exchange->revision);
    result_add_response(&body, exchange->envelope.id, ERA_LEGACY, NULL, text_span(&result));
    if (result.error || text_take(&body, &bytes, &size) < 0) {
        text_done(&body);
        session_close(exchange->session);
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
        return;
    }
    exchange_reply_bytes(exchange, 200, bytes, size, session_id(exchange->session));
}

void method_initialize(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_PROTOCOL_VERSION, MEMBER_CAPABILITIES, MEMBER_CLIENT_INFO};
    if (exchange->session || !span_absent(exchange->session_id)) {
        if (find_session(exchange))
            exchange_reply_error(exchange, ERROR_INVALID_REQUEST, "This session is initialized already");
        return;
    }
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 1))
        return;
    exchange->revision = negotiate(exchange_text(exchange, MEMBER_PROTOCOL_VERSION));
    /* The tasks extension is declared per request, and its methods are the modern era's: no session has it. */
    exchange->capabilities =
        capabilities_read(exchange_member(exchange, MEMBER_CAPABILITIES)->raw) & ~(unsigned)CAPABILITY_TASKS;
    int r = session_open(exchange_gateway(exchange), exchange->revision, exchange->capabilities, exchange->identity,
                         &exchange->session);
    if (r == QUOTA_REFUSED)
        exchange_refuse(exchange, QUOTA_SESSIONS, COUNTER_REFUSED_SESSION);
    else if (r < 0)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else
        welcome(exchange);
}

/* ---- small methods ---- */

void method_ping(struct exchange *exchange)
{
    exchange_reply_result(exchange, RESULT_COMPLETE, SPAN("{}"));
}

void method_set_level(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_LEVEL};
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 1))
        return;
    unsigned level = log_level_find(exchange_text(exchange, MEMBER_LEVEL));
    if (level == LOG_LEVEL_NONE) {
        exchange_reply_error(exchange, ERROR_INVALID_PARAMS, "params.level is no log level");
        return;
    }
    session_set_log_level(exchange->session, level);
    exchange_reply_result(exchange, RESULT_COMPLETE, SPAN("{}"));
}

static bool refuse_uri(struct exchange *exchange)
{
    static const enum envelope_member_id members[] = {MEMBER_URI};
    if (exchange_refuse_members(exchange, members, ARRAY_SIZE(members), 1))
        return true;
    if (exchange_text(exchange, MEMBER_URI).size <= CATALOGUE_MAX_URI_BYTES)
        return false;
    exchange_reply_error(exchange, ERROR_INVALID_PARAMS, "params.uri is too long");
    return true;
}

void method_subscribe(struct exchange *exchange)
{
    struct uri_match match;
    struct item *item = NULL;
    if (refuse_uri(exchange))
        return;
    if (catalogue_resource(exchange->snapshot->catalogue, exchange_text(exchange, MEMBER_URI), &item, &match) == 0 &&
        permission_refuses(exchange, &item, exchange_text(exchange, MEMBER_URI)))
        return;
    /* What is hidden is taken as what does not exist is: nothing ever comes of it. */
    int r = session_subscribe(exchange->session, exchange_text(exchange, MEMBER_URI));
    if (r == QUOTA_REFUSED)
        exchange_refuse(exchange, QUOTA_SUBSCRIPTIONS, COUNTER_REFUSED_SUBSCRIPTION);
    else if (r < 0)
        exchange_reply_error(exchange, ERROR_INTERNAL, NULL);
    else
        exchange_reply_result(exchange, RESULT_COMPLETE, SPAN("{}"));
}

void method_unsubscribe(struct exchange *exchange)
{
    if (refuse_uri(exchange))
        return;
    session_unsubscribe(exchange->session, exchange_text(exchange, MEMBER_URI));
    exchange_reply_result(exchange, RESULT_COMPLETE, SPAN("{}"));
}

/* ---- what wants no answer ---- */

void legacy_notification(struct exchange *exchange)
{
    if (!legacy_session(exchange))
        return;
    if (exchange->method == METHOD_CANCELLED && !exchange_member(exchange, MEMBER_REQUEST_ID)->wrong_type)
        session_cancel_call(exchange->session, exchange_member(exchange, MEMBER_REQUEST_ID)->raw);
    exchange_reply_empty(exchange);
}

/* An answer to a question that nobody asked, or asked no longer, is as good as none: it is accepted and dropped. */
void legacy_response(struct exchange *exchange)
{
    if (exchange->era == ERA_MODERN) {
        exchange_reply_error(exchange, ERROR_INVALID_REQUEST, "Clients do not send responses in this protocol version");
        return;
    }
    if (!legacy_session(exchange))
        return;
    (void)session_answer(exchange->session, &exchange->envelope);
    exchange_reply_empty(exchange);
}
