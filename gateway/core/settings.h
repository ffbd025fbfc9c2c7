/* The settings of one configuration: a plain record, filled by gateway/config from options.def, immutable once it is
   part of a snapshot. Sizes are bytes, durations milliseconds. */
#pragma once
#include "auth/policy_settings.h"
#include "auth/settings.h"
#include "gateway/base/address.h"
#include "gateway/base/log.h"
#include "gateway/base/place.h"
#include "limits/descriptors.h"

enum {
    SETTINGS_MAX_LISTENERS = 32,
    SETTINGS_MAX_MODULES = 64,
    SETTINGS_MAX_COMMANDS = 1024,
    SETTINGS_MAX_NAMES = 256,
    SETTINGS_MAX_TOOL_LIMITS = 64
};

enum transport {
    TRANSPORT_HTTP = 1 << 0,
    TRANSPORT_WEBSOCKET = 1 << 1,
    TRANSPORT_SSE = 1 << 2,    /* HTTP with SSE, two endpoints (2024-11-05) */
    TRANSPORT_STREAM = 1 << 3, /* newline-delimited, on a listener of its own */
};

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };
enum tls_client_auth { TLS_CLIENT_NONE, TLS_CLIENT_REQUEST, TLS_CLIENT_REQUIRE };

/* A further certificate, for clients that ask for `name`. Several rows with one name: one certificate per kind of key
   (RSA, ECDSA), the client's abilities choose. */
struct tls_sni_settings {
    struct place place;
    char *name; /* "a.example", or "*.example" for one label more */
    char *certificate;
    char *key;
};

struct tls_settings {
    struct place place;
    char *certificate; /* path, PEM: the certificate, then its chain; NULL: the listener does not speak TLS */
    char *key;         /* path, PEM, unencrypted */
    enum tls_version min_version;
    char *client_ca; /* path, PEM: who may sign client certificates; NULL: none, and client_auth is NONE */
    enum tls_client_auth client_auth;
    struct tls_sni_settings *sni;
    size_t snis;
};

struct listener_settings {
    struct place place;
    char *address_text; /* as configured */
    struct address address;
    unsigned transports;              /* enum transport */
    char *path;                       /* "/mcp" */
    struct name_list allowed_hosts;   /* host names without port, "*" for any; empty: loopback names */
    struct name_list allowed_origins; /* whole origins, "*" for any; empty: loopback origins */
    struct tls_settings tls;
    bool proxy_protocol;                /* every connection begins with a PROXY header */
    struct prefix_list trusted_proxies; /* whose word about their clients is believed */
};

/* How often, and how many at once, tools may be called whose names `match`. */
struct tool_limit_settings {
    struct place place;
    char *match;         /* "disk_*" */
    uint64_t per_minute; /* of one caller; 0: as often as he likes */
    uint64_t burst;      /* 0: as many as per_minute */
    uint64_t in_flight;  /* over all callers; 0: any number */
};

struct module_settings {
    struct place place;
    char *path;
    char *config; /* JSON, "null" without one */
};

struct command_settings {
    struct place place;
    char *name;
    char *title;
    char *description;
    char *input_schema;           /* JSON */
    char *annotations;            /* JSON or NULL */
    struct name_list run;         /* argument vector template */
    struct name_list environment; /* names that are passed on */
    char *directory;              /* or NULL */
    bool json_stdin;              /* the arguments object goes to standard input */
    bool json_output;             /* standard output is a JSON value: structuredContent */
    uint64_t timeout_ms;
    size_t max_output;
    size_t max_memory; /* of each of its processes; 0: no limit of its own */
};

struct trace_settings {
    char *endpoint;     /* URL; NULL: nothing is traced */
    char *headers;      /* "Name: value" lines that the collector wants; secret; NULL: none */
    char *service_name; /* of the resource that spans belong to */
    unsigned sample;    /* how many of the traces that begin here are recorded, in millionths */
    uint64_t max_queue; /* spans that wait for the collector */
};

struct settings {
    unsigned threads; /* 0: one per online processor */
    struct listener_settings *listener;
    size_t listeners;
    struct listener_settings admin; /* address_text NULL: none */
    struct {
        enum log_level level;
        enum log_format format;
        bool access;    /* a line per request */
        bool arguments; /* with its arguments */
        char *audit;    /* "stderr", "off", or a path */
    } log;
    struct trace_settings traces;
    struct {
        size_t max_payload;
        size_t max_head;
        unsigned max_batch;
        uint64_t max_connections;
        uint64_t max_connections_per_ip; /* of one network; 0: any number */
        uint64_t max_sessions;
        uint64_t session_idle_ms;
        uint64_t max_streams;
        uint64_t max_in_flight;
        uint64_t queue_delay_ms; /* that work may wait before it is begun; 0: however long */
        uint64_t max_tasks;
        uint64_t task_ttl_ms;
        uint64_t max_subscriptions;
        size_t max_send_queue;
        size_t max_replay; /* bytes kept per session for Last-Event-ID */
        uint64_t request_timeout_ms;
        uint64_t input_timeout_ms; /* how long a client may take to answer a request of ours, and requestState lives */
        uint64_t head_timeout_ms;
        uint64_t body_timeout_ms;
        uint64_t idle_timeout_ms;
        uint64_t drain_grace_ms; /* /readyz says 503, and everything is served still */
        uint64_t drain_timeout_ms;
        uint64_t workers;
        uint64_t max_processes;
        uint64_t cpu_per_second_ms; /* of one command; 0: no budget */
        uint64_t memory;            /* 0: as memory_guard.h has it */
        uint64_t memory_high;       /* millionths of it */
        struct {
            uint64_t per_minute; /* 0: as many as come */
            uint64_t burst;      /* 0: as many as per_minute */
        } auth_attempts;         /* of one network to prove who it is */
        struct {
            uint64_t per_second; /* 0: as many as come */
            uint64_t burst;      /* 0: as many as per_second */
        } requests;              /* of one caller */
        struct tool_limit_settings *tool;
        size_t tools;
        unsigned ipv4_prefix, ipv6_prefix; /* bits of an address that are one network, to all limits by address */
        uint64_t max_buckets;              /* networks and callers whose rate is remembered, per table */
    } limits;
    /* What the process's descriptors allow, where that was looked at (main/descriptors.c): the limits above have been
       lowered to it from what is in `wanted`. */
    struct {
        struct descriptors_wanted wanted;
        struct descriptors_allowed allowed;
    } descriptors;
    struct auth_settings auth;
    struct {
        char *url;               /* of this gateway, as clients know it; NULL: the audience of its issuers */
        char *name;              /* for people; NULL: none */
        struct name_list scopes; /* that clients are told to ask for */
    } resource;                  /* what is protected (RFC 9728) */
    char *state_key; /* secret that seals requestState, shared by gateways behind one balancer; NULL: random per process
                      */
    unsigned page_size;
    uint64_t list_ttl_ms; /* ttlMs of lists and server/discover for modern clients */
    char *instructions;   /* server/discover and initialize; NULL: none */
    bool builtin;
    struct module_settings *module;
    size_t modules;
    struct command_settings *command;
    size_t commands;
    struct policy_rule_settings *policy;
    size_t policies; /* 0: everything is allowed */
};
