/* Asks the policy and acts on what it says. Owns nothing. */
#include "gateway/core/permission.h"

#include "gateway/base/redact.h"
#include "gateway/core/audit.h"
#include "gateway/core/guard.h"

/* The kinds of both are the same. */
_Static_assert((int)POLICY_TOOL == (int)ITEM_TOOL && (int)POLICY_RESOURCE == (int)ITEM_RESOURCE &&
                   (int)POLICY_TEMPLATE == (int)ITEM_TEMPLATE && (int)POLICY_PROMPT == (int)ITEM_PROMPT,
               "a policy has the kinds of the catalogue");

enum { CHALLENGE_BYTES = 4096 };

void permission_now(const struct snapshot *snapshot, const struct listener_settings *listener,
                    const struct identity *identity, struct permission *ret_permission)
{
    struct policy_caller caller = {.identity = identity, .path = SPAN("stdio")};
    if (!snapshot->policy) {
        ret_permission->view.policy = NULL;
        return;
    }
    if (listener) {
        caller.path = span_of(listener->path);
        caller.address = span_of(listener->address_text);
    }
    policy_view(snapshot->policy, &caller, &ret_permission->view);
    ret_permission->may_step_up =
        identity && (identity->proof == IDENTITY_JWT || identity->proof == IDENTITY_INTROSPECTION);
}

void permission_of(const struct exchange *exchange, struct permission *ret_permission)
{
    permission_now(exchange->snapshot, exchange->listener, exchange->identity, ret_permission);
}

static bool shows(const struct permission *permission, enum item_kind kind, struct span key)
{
    if (!permission->view.policy)
        return true;
    enum policy_verdict verdict = policy_check(&permission->view, (enum policy_kind)kind, key, NULL);
    return verdict == POLICY_ALLOWED || (verdict == POLICY_SCOPE_MISSING && permission->may_step_up);
}

bool permission_lists(const struct permission *permission, const struct item *item)
{
    return shows(permission, item->kind, span_of(item->key));
}

bool permission_notices(const struct permission *permission, unsigned kinds, struct span changes)
{
    enum item_kind kind;
    struct span key;
    bool noticed = !permission->view.policy || changes.size == 0;
    while (!noticed && catalogue_next_change(&changes, &kind, &key))
        noticed = kinds & 1U << kind && shows(permission, kind, key);
    return noticed;
}

bool permission_tells(const struct permission *permission, struct span uri)
{
    return !permission->view.policy || policy_check_uri(&permission->view, uri, NULL) == POLICY_ALLOWED;
}

/* ---- denials ---- */

/* What is asked for; `uri` as permission_check() has it. */
struct asked {
    enum policy_kind kind;
    struct span name, uri;
};

static void audit_denial(const struct exchange *exchange, const struct asked *asked, enum policy_verdict verdict,
                         const struct policy_reason *reason)
{
    char client[ADDRESS_BYTES], redacted[REDACT_BYTES];
    const struct identity *identity = exchange->identity;
    bool is_uri = asked->kind == POLICY_RESOURCE || asked->kind == POLICY_TEMPLATE;
    struct span name = span_absent(asked->uri) ? asked->name : asked->uri;
    address_format_host(&exchange->client, client);
    const struct log_field fields[] = {
        LOG_TEXT("client", client),
        LOG_TEXT("subject", identity ? identity->subject : ""),
        LOG_TEXT("proof", identity_proof_name(identity ? identity->proof : IDENTITY_ANONYMOUS)),
        LOG_TEXT("method", method_name(exchange->method)),
        LOG_SPAN("name", is_uri ? redact_uri(name, redacted) : name),
        LOG_TEXT("why", verdict == POLICY_SCOPE_MISSING ? "scope missing"
                        : reason->rule                  ? "denied"
                                                        : "not allowed"),
        LOG_TEXT("rule", reason->rule ? reason->rule->name : ""),
    };
    audit_write(exchange_gateway(exchange), &exchange->client, "audit_denied", fields, ARRAY_SIZE(fields));
}

/* MCP 2026-07-28, basic/authorization, "Runtime Insufficient Scope Errors": all scopes of the operation at once. */
static void refuse_for_scope(struct exchange *exchange, const struct policy_rule_settings *rule)
{
    CLEANUP(text_done) struct text message = TEXT(CHALLENGE_BYTES);
    text_add_literal(&message, "The credential lacks a scope that this needs:");
    for (size_t i = 0; i < rule->who.scopes.count; i++)
        text_addf(&message, " %s", rule->who.scopes.name[i]);
    counter_add(exchange_counters(exchange), COUNTER_REFUSED_SCOPE, 1);
    guard_refuse_scope(exchange, &rule->who.scopes, text_span(&message));
}

/* A URI and the template that took it: the stricter verdict. */
static enum policy_verdict judge(const struct permission *permission, const struct asked *asked,
                                 struct policy_reason *ret_reason)
{
    struct policy_reason of_uri;
    enum policy_verdict verdict = policy_check(&permission->view, asked->kind, asked->name, ret_reason);
    if (span_absent(asked->uri))
        return verdict;
    enum policy_verdict other = policy_check_uri(&permission->view, asked->uri, &of_uri);
    if (other <= verdict)
        return verdict;
    *ret_reason = of_uri;
    return other;
}

int permission_check(struct exchange *exchange, enum item_kind kind, struct span name, struct span uri)
{
    struct permission permission;
    struct policy_reason reason;
    struct asked asked = {(enum policy_kind)kind, name, uri};
    if (!exchange->snapshot->policy)
        return 0;
    permission_of(exchange, &permission);
    enum policy_verdict verdict = judge(&permission, &asked, &reason);
    if (verdict == POLICY_ALLOWED)
        return 0;
    audit_denial(exchange, &asked, verdict, &reason);
    if (verdict == POLICY_SCOPE_MISSING) {
        refuse_for_scope(exchange, reason.rule);
        return PERMISSION_ANSWERED;
    }
    counter_add(exchange_counters(exchange), COUNTER_REFUSED_POLICY, 1);
    return PERMISSION_HIDDEN;
}

bool permission_refuses(struct exchange *exchange, struct item **item, struct span uri)
{
    if (!*item)
        return false;
    bool made_up = (*item)->kind == ITEM_TEMPLATE;
    int result = permission_check(exchange, (*item)->kind, span_of((*item)->key), made_up ? uri : (struct span){0});
    if (result == PERMISSION_HIDDEN)
        *item = NULL;
    return result == PERMISSION_ANSWERED;
}
