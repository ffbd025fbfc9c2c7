/* What is said to those who are not let in, as clients of OAuth read it: the challenge (RFC 6750, RFC 9728) and the
   metadata of what is protected. Made once per guard; any thread. */
#include <errno.h>

#include "gateway/core/exchange.h"
#include "gateway/core/guard_priv.h"

enum { CHALLENGE_MAX_BYTES = 16 * 1024 };

/* ---- what the settings say ---- */

/* The authority and the path of "https://host/path". */
static struct span path_of_url(struct span url)
{
    const char *authority = memmem(url.at, url.size, "://", 3);
    const char *end = url.at + url.size;
    const char *at = authority ? authority + 3 : end;
    while (at < end && *at != '/')
        at++;
    return (struct span){at, (size_t)(end - at)};
}

/* RFC 9728, 3.1: between the host and the path. A path of "/" alone is none. */
static void add_metadata_url(struct text *out, struct span url)
{
    struct span path = path_of_url(url);
    text_add(out, (struct span){url.at, url.size - path.size});
    text_add_literal(out, GUARD_METADATA_PATH);
    if (path.size > 1)
        text_add(out, path);
}

static void add_names(struct text *out, const char *key, const struct name_list *names)
{
    if (names->count == 0)
        return;
    text_addf(out, ",\"%s\":", key);
    for (size_t i = 0; i < names->count; i++) {
        text_add_char(out, i == 0 ? '[' : ',');
        text_add_json_string(out, span_of(names->name[i]));
    }
    text_add_char(out, ']');
}

static bool is_among_first(const struct auth_settings *auth, size_t count, const char *issuer)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(auth->issuer[i].issuer, issuer) == 0)
            return true;
    return false;
}

static void add_issuers(struct text *out, const struct auth_settings *auth)
{
    text_add_literal(out, ",\"authorization_servers\":");
    for (size_t i = 0; i < auth->issuers; i++) {
        if (is_among_first(auth, i, auth->issuer[i].issuer))
            continue;
        text_add_char(out, i == 0 ? '[' : ',');
        text_add_json_string(out, span_of(auth->issuer[i].issuer));
    }
    text_add_char(out, ']');
}

static void add_metadata(struct text *out, const struct settings *settings, struct span url)
{
    text_add_literal(out, "{\"resource\":");
    text_add_json_string(out, url);
    add_issuers(out, &settings->auth);
    add_names(out, "scopes_supported", &settings->resource.scopes);
    text_add_literal(out, ",\"bearer_methods_supported\":[\"header\"]");
    if (settings->resource.name) {
        text_add_literal(out, ",\"resource_name\":");
        text_add_json_string(out, span_of(settings->resource.name));
    }
    text_add_char(out, '}');
}

static void add_list(struct text *out, const struct name_list *names)
{
    for (size_t i = 0; i < names->count; i++)
        text_addf(out, "%s%s", i > 0 ? " " : "", names->name[i]);
}

static int keep(struct text *text, char **ret_text)
{
    *ret_text = text->error == 0 ? span_copy(text->size ? text_span(text) : SPAN("")) : NULL;
    return *ret_text ? 0 : -ENOMEM;
}

int guard_describe(struct guard *guard, const struct settings *settings)
{
    CLEANUP(text_done) struct text challenge = TEXT(CHALLENGE_MAX_BYTES), metadata = TEXT(SIZE_MAX);
    CLEANUP(text_done) struct text scope = TEXT(CHALLENGE_MAX_BYTES), path = TEXT(CHALLENGE_MAX_BYTES);
    if (settings->auth.issuers == 0)
        return 0;
    struct span url = span_of(settings->resource.url ? settings->resource.url : settings->auth.issuer[0].audience);
    add_metadata_url(&challenge, url);
    add_metadata(&metadata, settings, url);
    add_list(&scope, &settings->resource.scopes);
    text_add(&path, path_of_url(url));
    int result = keep(&challenge, &guard->challenge);
    if (result == 0)
        result = keep(&metadata, &guard->metadata);
    if (result == 0 && scope.size > 0)
        result = keep(&scope, &guard->scope);
    return result == 0 ? keep(&path, &guard->path) : result;
}

/* ---- metadata ---- */

bool guard_has_metadata(struct reactor *reactor, const char *endpoint, struct span path)
{
    const struct span prefix = SPAN(GUARD_METADATA_PATH);
    const struct guard *guard = reactor_snapshot(reactor)->guard;
    if (!guard || !guard->metadata || !span_starts(path, prefix))
        return false;
    struct span rest = {path.at + prefix.size, path.size - prefix.size};
    return rest.size == 0 || span_is(rest, endpoint) || span_is(rest, guard->path);
}

void guard_add_metadata(struct reactor *reactor, struct text *out)
{
    const struct guard *guard = reactor_snapshot(reactor)->guard;
    text_add(out, guard && guard->metadata ? span_of(guard->metadata) : SPAN("{}"));
}

/* ---- challenges ---- */

/* A quoted-string (RFC 9110, 5.6.4); RFC 6750, 3, leaves '"' and '\\' out of these values. */
static void add_parameter(struct text *out, const char *name, struct span value)
{
    text_addf(out, "%s%s=\"", out->size > 0 && out->at[out->size - 1] == '"' ? ", " : " ", name);
    for (size_t i = 0; i < value.size; i++)
        text_add_char(out, value.at[i] == '"' || value.at[i] == '\\' ? '\'' : value.at[i]);
    text_add_char(out, '"');
}

static void add_challenge(const struct guard *guard, struct span scope, const char *error, const char *why,
                          struct text *out)
{
    text_add_literal(out, "Bearer");
    if (guard && guard->challenge)
        add_parameter(out, "resource_metadata", span_of(guard->challenge));
    else
        add_parameter(out, "realm", SPAN("weir"));
    if (scope.size > 0)
        add_parameter(out, "scope", scope);
    if (error)
        add_parameter(out, "error", span_of(error));
    if (why)
        add_parameter(out, "error_description", span_of(why));
}

void guard_add_challenge(const struct guard *guard, const struct guard_refusal *refusal, struct text *out)
{
    add_challenge(guard, span_of(guard ? guard->scope : NULL), refusal->oauth, refusal->why, out);
}

/* One that there was no memory for is as short as can be. */
static const char *terminated(struct text *challenge)
{
    text_terminate(challenge);
    return challenge->error == 0 ? challenge->at : "Bearer";
}

void guard_refuse(struct exchange *exchange, const struct guard_refusal *refusal)
{
    CLEANUP(text_done) struct text challenge = TEXT(CHALLENGE_MAX_BYTES);
    struct exchange_refusal more = {.retry_after_s = refusal->retry_after_s};
    if (refusal->challenge) {
        guard_add_challenge(exchange->snapshot->guard, refusal, &challenge);
        more.authenticate = terminated(&challenge);
    }
    exchange_reply_refusal(exchange, refusal->error, refusal->message, &more);
}

void guard_refuse_scope(struct exchange *exchange, const struct name_list *scopes, struct span message)
{
    CLEANUP(text_done) struct text challenge = TEXT(CHALLENGE_MAX_BYTES), scope = TEXT(CHALLENGE_MAX_BYTES);
    CLEANUP_FREE char *text = span_copy(message);
    add_list(&scope, scopes);
    add_challenge(exchange->snapshot->guard, text_span(&scope), "insufficient_scope", NULL, &challenge);
    exchange_reply_refusal(exchange, ERROR_INSUFFICIENT_SCOPE, text,
                           &(struct exchange_refusal){.authenticate = terminated(&challenge)});
}
