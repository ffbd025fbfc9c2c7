/* Settings as the server holds them: read, and judged aloud. Main thread. */
#include <errno.h>

#include "gateway/core/guard.h"
#include "gateway/main/descriptors.h"
#include "gateway/main/server_priv.h"

int server_read_settings(const struct server_arguments *arguments, struct settings_holder **ret_settings,
                         struct text *problem)
{
    struct settings *settings = NULL;
    int result = config_load(arguments->path, &arguments->config, &settings, problem);
    if (result != 0)
        return result;
    result = descriptors_fit(settings, problem);
    if (result == 0)
        result = settings_holder_new(settings, config_free, ret_settings);
    if (result != 0)
        config_free(settings);
    return result;
}

int server_make_guard(struct settings_holder *settings, const struct settings_holder *running)
{
    struct guard *guard = NULL;
    int result = guard_new(settings_holder_get(settings), running, &guard);
    if (result == 0)
        settings_holder_set_guard(settings, guard);
    return result;
}

static void log_difference(const char *path, struct span value)
{
    log_debug("option", LOG_TEXT("path", path), LOG_SPAN("value", value));
}

/* Without allowed_hosts only loopback names are served; whoever listens on other addresses will wonder. (The admin
   pages are not for browsers' names only where they listen on loopback.) */
static void judge_hosts(const struct listener_settings *listener)
{
    if (!address_is_loopback(&listener->address) && listener->allowed_hosts.count == 0)
        log_warning("loopback_names_only", LOG_TEXT("address", listener->address_text),
                    LOG_TEXT("why", "requests must carry a Host that is localhost, 127.0.0.1 or [::1]"),
                    LOG_TEXT("remedy", "name the hosts that clients use in the listener's allowed_hosts"));
}

void server_log_settings(const struct settings *settings)
{
    for (size_t i = 0; i < settings->listeners; i++)
        judge_hosts(&settings->listener[i]);
    descriptors_log(settings);
    config_differences(settings, log_difference);
}
