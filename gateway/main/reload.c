/* The reload: everything is made and checked before anything changes, and then changes in one step. Main thread. */
#include <errno.h>

#include "gateway/core/audit.h"
#include "gateway/main/handlers.h"
#include "gateway/main/notify.h"
#include "gateway/main/server_priv.h"

/* New handlers and new settings, before all clients at once. */
static int replace(struct server *server, struct settings_holder *next, struct text *problem)
{
    struct providers_change *change = NULL;
    int result = providers_prepare(server->providers, settings_holder_get(next), &change, problem);
    if (result == 0) {
        result = gateway_reconfigure(server->gateway, next, providers_apply, change);
        text_add(problem, providers_problem(change));
    }
    if (result < 0) {
        providers_abandon(change);
        return result;
    }
    if (result == GATEWAY_NOT_ANNOUNCED)
        log_warning("list_change_not_announced", LOG_TEXT("why", "there is not enough memory"));
    providers_commit(change, server->gateway);
    return 0;
}

static int replace_or_say_where(struct server *server, struct settings_holder *next, struct text *mistakes)
{
    CLEANUP(text_done) struct text problem = TEXT(CONFIG_MISTAKES_BYTES);
    int result = replace(server, next, &problem);
    if (result != 0 && problem.size > 0)
        handlers_add_mistake(server_config_name(server), settings_holder_get(next), text_span(&problem), mistakes);
    return result;
}

static int reload(struct server *server, struct text *problem)
{
    struct settings_holder *next = NULL;
    int result = server_read_settings(server->arguments, &next, problem);
    if (result == 0)
        result = config_can_replace(server_settings(server), settings_holder_get(next), problem);
    if (result == 0)
        result = server_make_guard(next, server->settings);
    if (result == 0)
        result = replace_or_say_where(server, next, problem);
    if (result == 0) {
        settings_holder_unref(server->settings);
        server->settings = settings_holder_ref(next);
    }
    settings_holder_unref(next);
    return result;
}

/* One event for each line of the problem. */
static void log_refusal(struct server *server, int result, struct span problem)
{
    if (problem.size == 0)
        problem = span_of(strerror(result < 0 ? -result : EINVAL));
    struct span rest = problem, first = span_cut(&rest, '\n');
    audit_administered(server->gateway, "audit_reload", LOG_TEXT("outcome", "refused"),
                       LOG_TEXT("config", server_config_name(server)), LOG_SPAN("mistake", first));
    while (problem.size > 0) {
        struct span line = span_cut(&problem, '\n');
        log_error("reload_refused", LOG_SPAN("mistake", line));
    }
}

/* Also after a refusal: whoever moved the file away means this signal for it. */
static void reopen_audit(struct server *server)
{
    const char *target = server_settings(server)->log.audit;
    int result = audit_open(server->gateway->audit, target);
    if (result < 0)
        log_error("audit_not_opened", LOG_TEXT("target", target), LOG_TEXT("why", strerror(-result)));
}

static void reload_or_say_why(struct server *server)
{
    CLEANUP(text_done) struct text problem = TEXT(CONFIG_MISTAKES_BYTES);
    int result = reload(server, &problem);
    reopen_audit(server);
    if (result != 0) {
        log_refusal(server, result, text_span(&problem));
        return;
    }
    const struct settings *settings = server_settings(server);
    fronts_reload_certificates(server->fronts, settings);
    if (server->traces)
        traces_set_sample(server->traces, settings->traces.sample);
    log_set_level(settings->log.level);
    log_set_format(settings->log.format);
    server_log_settings(settings);
    log_info("reloaded", LOG_TEXT("config", server_config_name(server)));
    audit_administered(server->gateway, "audit_reload", LOG_TEXT("outcome", "ok"),
                       LOG_TEXT("config", server_config_name(server)));
}

void server_reload(struct server *server)
{
    notify_reloading();
    reload_or_say_why(server);
    notify_ready();
}
