/* Answers to upgrades: 101, or a refusal with a JSON-RPC error as its body. A refusal goes out through a pump of its
   own, which knows TLS and gives the peer time to read it. Owns the pumps of refusals until they end. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "gateway/core/access_log.h"
#include "gateway/core/gateway.h"
#include "gateway/mcp/errors.h"
#include "transports/serve/websocket_parts.h"

enum { BODY_BYTES = 1024, CHALLENGE_BYTES = 4096 };

/* ---- the answer ---- */

static const char *reason_phrase(int status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Refused";
    }
}

static enum counter counter_of(int status)
{
    switch (status) {
    case 403:
        return COUNTER_REFUSED_ORIGIN;
    case 404:
        return COUNTER_REFUSED_PATH;
    case 405:
        return COUNTER_REFUSED_METHOD;
    case 431:
        return COUNTER_REFUSED_HEAD;
    case 503:
        return COUNTER_REFUSED_DRAINING;
    default:
        return COUNTER_REFUSED_HTTP;
    }
}

/* `fields` are whole lines. */
static void add_answer(int status, const char *message, struct span fields, struct text *out)
{
    CLEANUP(text_done) struct text body = TEXT(BODY_BYTES);
    error_add_response(&body, (struct span){0}, status, span_of(message), (struct span){0});
    text_addf(out, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n", status,
              reason_phrase(status), body.size);
    text_add(out, fields);
    text_add_literal(out, "Connection: close\r\n\r\n");
    text_add(out, text_span(&body));
}

static void add_refusal(const struct websocket_refusal *refusal, struct text *out)
{
    CLEANUP(text_done) struct text fields = TEXT(BODY_BYTES);
    if (refusal->field)
        text_addf(&fields, "%s: %s\r\n", refusal->field, refusal->value);
    if (refusal->status == 503)
        text_addf(&fields, "Retry-After: %d\r\n", WEBSOCKET_RETRY_AFTER_S);
    add_answer(refusal->status, refusal->message, text_span(&fields), out);
}

static int add_switch(const struct websocket_head *head, struct text *out)
{
    char accept[WEBSOCKET_ACCEPT_BYTES + 1];
    int result = websocket_accept(head->key, accept);
    if (result != 0)
        return result;
    text_addf(out,
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Accept: %s\r\n",
              accept);
    if (head->mcp)
        text_add_literal(out, "Sec-WebSocket-Protocol: mcp\r\n");
    text_add_literal(out, "\r\n");
    return 0;
}

static bool is_draining(const struct websocket_front *front)
{
    return front->draining || atomic_load(&reactor_gateway(front->reactor)->phase) >= GATEWAY_DRAINING;
}

/* ---- who it is ---- */

struct credentials websocket_answer_credentials(const struct websocket_head *head, const struct arrival *arrival)
{
    struct credentials credentials = {.authorization = head->authorization,
                                      .api_key = head->api_key,
                                      .dpop = head->dpop,
                                      .subprotocol = head->credentials,
                                      .address = &arrival->client};
    guard_show_certificate(arrival->facts, &credentials);
    return credentials;
}

static void add_guard_refusal(const struct guard *guard, const struct guard_refusal *refusal, struct text *out)
{
    const struct error_row *row = error_row(refusal->error);
    CLEANUP(text_done) struct text fields = TEXT(CHALLENGE_BYTES);
    if (refusal->challenge) {
        text_add_literal(&fields, "WWW-Authenticate: ");
        guard_add_challenge(guard, refusal, &fields);
        text_add_literal(&fields, "\r\n");
    }
    if (refusal->retry_after_s > 0)
        text_addf(&fields, "Retry-After: %u\r\n", refusal->retry_after_s);
    add_answer(row->status[ERA_MODERN], refusal->message ? refusal->message : row->text, text_span(&fields), out);
    if (fields.error != 0)
        out->error = fields.error;
}

/* 101, UPGRADE_PENDING, or the status of the answer. */
static int authenticate(const struct websocket_front *front, const struct upgrade *upgrade,
                        const struct websocket_head *head, struct text *answer, struct identity **ret_identity,
                        const char **ret_error)
{
    struct credentials credentials = websocket_answer_credentials(head, &upgrade->arrival);
    struct guard_refusal refusal;
    int result = guard_authenticate(front->reactor, &credentials, upgrade->visit, ret_identity, &refusal);
    if (result == GUARD_REFUSED) {
        *ret_error = error_row(refusal.error)->label;
        add_guard_refusal(reactor_snapshot(front->reactor)->guard, &refusal, answer);
    }
    return result == GUARD_REFUSED   ? error_row(refusal.error)->status[ERA_MODERN]
           : result == GUARD_PENDING ? UPGRADE_PENDING
                                     : 101;
}

static int judge(const struct websocket_front *front, const struct upgrade *upgrade, struct websocket_head *head,
                 struct websocket_refusal *refusal)
{
    const struct settings *settings = reactor_snapshot(front->reactor)->settings;
    unsigned index = upgrade->arrival.listener;
    struct websocket_rules rules = {.path = ""};
    if (index < settings->listeners) {
        const struct listener_settings *listener = &settings->listener[index];
        rules = (struct websocket_rules){listener->path, listener->allowed_hosts.name, listener->allowed_hosts.count,
                                         listener->allowed_origins.name, listener->allowed_origins.count};
    }
    int outcome = websocket_head_read(upgrade->received, head);
    if (outcome == 0 && head->size > settings->limits.max_head)
        outcome = WEBSOCKET_HEAD_TOO_LARGE;
    int result = websocket_head_judge(head, outcome, &rules, refusal);
    if (result == 0 && !upgrade->answered && is_draining(front)) {
        *refusal =
            (struct websocket_refusal){.status = 503, .message = "The gateway is shutting down: try another one"};
        result = WEBSOCKET_REFUSED;
    }
    return result;
}

/* It will need two descriptors more. The kernel gives the lowest number that is free, to a copy of any (the
   connection's own is not yet known where it comes on a kept-alive connection). */
static bool is_crowded(const struct websocket_front *front)
{
    int bound = atomic_load_explicit(&reactor_gateway(front->reactor)->client_descriptors, memory_order_relaxed);
    int next = bound > 0 ? fcntl(uv_backend_fd(reactor_loop(front->reactor)), F_DUPFD_CLOEXEC, 0) : -1;
    if (next >= 0)
        close(next);
    return bound > 0 && (next < 0 || next >= bound);
}

static int refuse_crowded(struct websocket_front *front, struct text *answer)
{
    static const struct websocket_refusal refusal = {
        .status = 503, .message = "The gateway has no descriptors left for another WebSocket: try again later"};
    quota_note_refused(&reactor_gateway(front->reactor)->quotas, QUOTA_CONNECTIONS);
    counter_add(front->counters, COUNTER_REFUSED_CONNECTION, 1);
    add_refusal(&refusal, answer);
    return refusal.status;
}

static void log_refusal(const struct websocket_front *front, const struct upgrade *upgrade, int status,
                        const char *error)
{
    const struct settings *settings = reactor_snapshot(front->reactor)->settings;
    const struct arrival *arrival = &upgrade->arrival;
    access_log_add_refusal(
        front->reactor,
        &(struct access_refusal){
            .front = "websocket",
            .listener = arrival->listener < settings->listeners ? &settings->listener[arrival->listener] : NULL,
            .client = &arrival->client,
            .facts = arrival->facts,
            .error = error,
            .status = (unsigned)status,
            .bytes_in = upgrade->received.size,
        });
}

int websocket_answer(struct websocket_front *front, const struct upgrade *upgrade, struct websocket_head *ret_head,
                     struct text *answer, struct identity **ret_identity)
{
    struct websocket_refusal refusal;
    struct identity *identity = NULL;
    const char *error = NULL;
    int status = 101;
    if (judge(front, upgrade, ret_head, &refusal) != 0) {
        counter_add(front->counters, counter_of(refusal.status), 1);
        add_refusal(&refusal, answer);
        status = refusal.status;
    } else if (!upgrade->answered && is_crowded(front)) {
        status = refuse_crowded(front, answer);
    } else if (!upgrade->answered) {
        status = authenticate(front, upgrade, ret_head, answer, &identity, &error);
    }
    if (status != 101 && status != UPGRADE_PENDING)
        log_refusal(front, upgrade, status, error);
    int result = status == 101 ? add_switch(ret_head, answer) : 0;
    if (result == 0)
        result = answer->error;
    if (result == 0 && status == 101)
        *ret_identity = upgrade->answered ? upgrade->identity : identity;
    else
        identity_unref(identity);
    return result != 0 ? result : status;
}

/* ---- on its way ---- */

struct refused {
    struct link link; /* front->refusals */
    struct websocket_front *front;
    struct peer_facts *facts;
    struct counted *network;
};

static void give_back(struct websocket_front *front, struct peer_facts *facts, struct counted *network)
{
    arrival_give_back(front->reactor, network);
    peer_facts_unref(facts);
}

static void refused_ended(void *context, enum pump_reason reason UNUSED)
{
    struct refused *refused = context;
    struct websocket_front *front = refused->front;
    give_back(front, refused->facts, refused->network);
    link_remove(&refused->link);
    free(refused);
    websocket_front_gone(front);
}

/* The answer needs an inner end though nobody is there: one that is closed already. */
static int send_refusal(struct websocket_front *front, const struct upgrade *upgrade, struct refused *refused,
                        struct span answer)
{
    struct pump *pump = NULL;
    int pair[2];
    if (pump_socketpair(pair) != 0) {
        close(upgrade->arrival.fd);
        return -EMFILE;
    }
    close(pair[0]);
    int result =
        pump_new(front->pumps,
                 &(struct pump_settings){
                     .outer_fd = upgrade->arrival.fd, .inner_fd = pair[1], .ended = refused_ended, .context = refused},
                 &pump);
    if (result == 0)
        pump_finish(pump, answer);
    return result;
}

void websocket_answer_refuse(struct websocket_front *front, const struct upgrade *upgrade, struct span answer)
{
    struct refused *refused = malloc(sizeof(*refused));
    if (!refused) {
        close(upgrade->arrival.fd);
        give_back(front, upgrade->arrival.facts, upgrade->arrival.network);
        return;
    }
    *refused = (struct refused){.front = front, .facts = upgrade->arrival.facts, .network = upgrade->arrival.network};
    link_append(&front->refusals, &refused->link);
    front->connections++;
    if (send_refusal(front, upgrade, refused, answer) < 0)
        refused_ended(refused, PUMP_NO_MEMORY);
}
