/* A configuration is written for many machines, so limits beyond what this one allows are no mistake: they are lowered,
   and that is said. Owns nothing. */
#include "gateway/main/descriptors.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "gateway/base/log.h"
#include "gateway/core/gateway.h"

#define REMEDY "a higher hard limit of descriptors (LimitNOFILE=, ulimit -Hn)"

static uint64_t hard_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_max;
}

static bool speaks_tls(const struct settings *settings)
{
    bool any = false;
    for (size_t i = 0; i < settings->listeners; i++)
        any |= settings->listener[i].tls.certificate != NULL;
    return any;
}

static struct descriptors_wanted wanted_of(const struct settings *settings)
{
    return (struct descriptors_wanted){
        .limit = hard_limit(),
        .reactors = gateway_count_reactors(settings),
        .listeners = settings->listeners + (settings->admin.address_text ? 1 : 0),
        .tls = speaks_tls(settings),
        .connections = settings->limits.max_connections,
        .processes = settings->commands > 0 ? settings->limits.max_processes : 0,
    };
}

static bool is_lowered(const struct settings *settings)
{
    const struct descriptors_wanted *wanted = &settings->descriptors.wanted;
    const struct descriptors_allowed *allowed = &settings->descriptors.allowed;
    return allowed->connections < wanted->connections || allowed->processes < wanted->processes;
}

int descriptors_fit(struct settings *settings, struct text *problem)
{
    struct descriptors_wanted wanted = wanted_of(settings);
    struct descriptors_allowed allowed;
    int result = descriptors_allow(&wanted, &allowed);
    if (result == DESCRIPTORS_TOO_FEW) {
        text_addf(problem,
                  "the hard limit of descriptors (LimitNOFILE=, ulimit -Hn) is %" PRIu64 ", and %" PRIu64
                  " are needed for a single connection",
                  wanted.limit, descriptors_least(&wanted));
        return -EMFILE;
    }
    settings->descriptors.wanted = wanted;
    settings->descriptors.allowed = allowed;
    settings->limits.max_connections = allowed.connections;
    settings->limits.max_connections_per_ip = MIN(settings->limits.max_connections_per_ip, allowed.connections);
    if (settings->commands > 0)
        settings->limits.max_processes = allowed.processes;
    return 0;
}

void descriptors_log(const struct settings *settings)
{
    const struct descriptors_wanted *wanted = &settings->descriptors.wanted;
    if (settings->listeners == 0)
        return;
    if (is_lowered(settings))
        log_warning("descriptors", LOG_NUMBER("limit", wanted->limit),
                    LOG_NUMBER("max_connections", settings->limits.max_connections),
                    LOG_NUMBER("configured_max_connections", wanted->connections),
                    LOG_NUMBER("max_processes", settings->descriptors.allowed.processes),
                    LOG_NUMBER("configured_max_processes", wanted->processes), LOG_TEXT("remedy", REMEDY));
    else
        log_info("descriptors", LOG_NUMBER("limit", wanted->limit),
                 LOG_NUMBER("max_connections", settings->limits.max_connections),
                 LOG_NUMBER("max_processes", settings->descriptors.allowed.processes));
}

void descriptors_add_note(const struct settings *settings, struct text *out)
{
    const struct descriptors_wanted *wanted = &settings->descriptors.wanted;
    const struct descriptors_allowed *allowed = &settings->descriptors.allowed;
    if (is_lowered(settings))
        text_addf(out,
                  "a hard limit of %" PRIu64 " descriptors, as it is here, leaves limits.max_connections at %" PRIu64
                  " of %" PRIu64 ", and limits.max_processes at %" PRIu64 " of %" PRIu64,
                  wanted->limit, allowed->connections, wanted->connections, allowed->processes, wanted->processes);
}
