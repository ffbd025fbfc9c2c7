/* weir health: asks a gateway whether it is ready, in bounded time and with nothing but this program: what HEALTHCHECK
   of an image without a shell, and an operator's first question, need. It sends nothing that is anybody's and believes
   nothing but a status, so it does not judge certificates. Main thread. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include <curl/curl.h>

#include "gateway/config/config.h"
#include "gateway/main/commands.h"

enum { URL_BYTES = 4096, DEFAULT_TIMEOUT_S = 3, MAX_TIMEOUT_S = 3600, READY = 200 };

static const char default_config[] = "./weir.yaml";

struct health_arguments {
    const char *config; /* NULL: the built-in demo */
    const char *place;  /* URL or unix:PATH; NULL: where the configuration listens */
    uint64_t timeout_s;
};

/* Whom to ask. */
struct target {
    struct text url;    /* terminated */
    struct text socket; /* terminated; empty: by TCP */
};

static void target_done(struct target *target)
{
    text_done(&target->url);
    text_done(&target->socket);
}

/* ---- the command line ---- */

static int usage(const char *why, const char *word)
{
    (void)fprintf(stderr, "weir health: %s: %s\n", why, word);
    (void)fprintf(stderr, "usage: weir health [URL | unix:PATH] [--config FILE] [--timeout SECONDS]\n");
    return EXIT_USAGE;
}

static bool set_timeout(struct health_arguments *arguments, const char *word)
{
    return span_to_uint64(span_of(word), &arguments->timeout_s) == 0 && arguments->timeout_s >= 1 &&
           arguments->timeout_s <= MAX_TIMEOUT_S;
}

static int read_arguments(int argc, char **argv, struct health_arguments *arguments)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"timeout", required_argument, NULL, 't'}, {0}};
    int found;
    opterr = 0;
    while ((found = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (found == 'c')
            arguments->config = optarg;
        else if (found != 't' || !set_timeout(arguments, optarg))
            return usage("cannot be understood", argv[optind - 1]);
    }
    if (optind + 1 < argc)
        return usage("takes one place to ask", argv[optind + 1]);
    if (optind < argc)
        arguments->place = argv[optind];
    if (!arguments->config && access(default_config, F_OK) == 0)
        arguments->config = default_config;
    return EXIT_DONE;
}

/* ---- a place that was given ---- */

static void aim_at_socket(struct target *target, const char *scheme, struct span path)
{
    text_add(&target->socket, path);
    text_terminate(&target->socket);
    text_addf(&target->url, "%s://localhost/readyz", scheme);
    text_terminate(&target->url);
}

/* The URL with the probe's path in the place of its own. */
static CURLUcode rewrite(CURLU *parts, const char *url, struct text *out)
{
    char *scheme = NULL, *whole = NULL;
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        code = CURLUE_UNSUPPORTED_SCHEME;
    if (code == CURLUE_OK)
        code = curl_url_set(parts, CURLUPART_PATH, "/readyz", 0);
    if (code == CURLUE_OK)
        code = curl_url_set(parts, CURLUPART_QUERY, NULL, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_URL, &whole, 0);
    if (code == CURLUE_OK)
        text_add(out, span_of(whole));
    curl_free(scheme);
    curl_free(whole);
    return code;
}

static int aim_at_place(struct target *target, const char *place)
{
    static const char local[] = "unix:";
    if (span_starts(span_of(place), span_of(local))) {
        aim_at_socket(target, "http", span_of(place + strlen(local)));
        return place[strlen(local)] ? EXIT_DONE : usage("names no socket", place);
    }
    CURLU *parts = curl_url();
    CURLUcode code = parts ? rewrite(parts, place, &target->url) : CURLUE_OUT_OF_MEMORY;
    curl_url_cleanup(parts);
    text_terminate(&target->url);
    return code == CURLUE_OK ? EXIT_DONE : usage("give http://, https:// or unix:", place);
}

/* ---- where the configuration listens ---- */

static unsigned port_of(const struct address *address)
{
    return ntohs(address->any.sa_family == AF_INET6 ? address->ipv6.sin6_port : address->ipv4.sin_port);
}

/* Whether a plain request gets an answer there. */
static bool takes_probes(const struct listener_settings *listener)
{
    return listener->address_text && !listener->proxy_protocol && !(listener->transports & TRANSPORT_STREAM) &&
           listener->tls.client_auth != TLS_CLIENT_REQUIRE &&
           (address_is_local(&listener->address) || port_of(&listener->address) != 0);
}

static const struct listener_settings *choose(const struct settings *settings)
{
    for (size_t i = 0; i < settings->listeners; i++)
        if (takes_probes(&settings->listener[i]))
            return &settings->listener[i];
    return takes_probes(&settings->admin) ? &settings->admin : NULL;
}

/* Who listens everywhere is asked on loopback. */
static struct address reachable(struct address address)
{
    static const struct in6_addr any = IN6ADDR_ANY_INIT, loopback = IN6ADDR_LOOPBACK_INIT;
    if (address.any.sa_family == AF_INET && address.ipv4.sin_addr.s_addr == htonl(INADDR_ANY))
        address.ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (address.any.sa_family == AF_INET6 && memcmp(&address.ipv6.sin6_addr, &any, sizeof(any)) == 0)
        address.ipv6.sin6_addr = loopback;
    return address;
}

static void aim_at_listener(struct target *target, const struct listener_settings *listener)
{
    char text[ADDRESS_BYTES];
    const char *scheme = listener->tls.certificate ? "https" : "http";
    struct address address = reachable(listener->address);
    if (address_is_local(&address)) {
        aim_at_socket(target, scheme, span_of(address.local.sun_path));
        return;
    }
    address_format(&address, text);
    text_addf(&target->url, "%s://%s/readyz", scheme, text);
    text_terminate(&target->url);
}

static int aim_at_configured(struct target *target, const char *path)
{
    CLEANUP(text_done) struct text mistakes = TEXT(CONFIG_MISTAKES_BYTES);
    struct settings *settings = NULL;
    int result = config_load(path, NULL, &settings, &mistakes);
    (void)fprintf(stderr, "%.*s", SPAN_PRINT(text_span(&mistakes)));
    if (result != 0)
        return EXIT_USAGE;
    const struct listener_settings *listener = choose(settings);
    if (listener)
        aim_at_listener(target, listener);
    else
        (void)fprintf(
            stderr,
            "weir health: no address of this configuration takes a plain request (they want PROXY headers, client "
            "certificates or lines, or choose their port): give a URL, or configure admin.address\n");
    config_free(settings);
    return listener ? EXIT_DONE : EXIT_USAGE;
}

/* ---- asking ---- */

static size_t drop(char *bytes UNUSED, size_t one, size_t size, void *context UNUSED)
{
    return one * size;
}

static CURLcode ask(CURL *easy, const struct target *target, uint64_t timeout_s, long *ret_status)
{
    (void)curl_easy_setopt(easy, CURLOPT_URL, target->url.at);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir-health/" WEIR_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout_s * 1000));
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    if (target->socket.size > 0)
        (void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, target->socket.at);
    CURLcode code = curl_easy_perform(easy);
    if (code == CURLE_OK)
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, ret_status);
    return code;
}

static int judge(const struct target *target, CURLcode code, long status)
{
    const char *at = target->socket.size > 0 ? target->socket.at : target->url.at;
    if (code != CURLE_OK)
        (void)fprintf(stderr, "weir health: %s: %s\n", at, curl_easy_strerror(code));
    else if (status != READY)
        (void)fprintf(stderr, "weir health: %s: not ready (%ld)\n", at, status);
    else
        (void)printf("ready\n");
    return code == CURLE_OK && status == READY ? EXIT_DONE : EXIT_FAILED;
}

static int ask_once(const struct target *target, uint64_t timeout_s)
{
    long status = 0;
    CURL *easy = curl_easy_init();
    CURLcode code = easy && !target->url.error && !target->socket.error ? ask(easy, target, timeout_s, &status)
                                                                        : CURLE_OUT_OF_MEMORY;
    curl_easy_cleanup(easy);
    return judge(target, code, status);
}

int health_command(int argc, char **argv)
{
    CLEANUP(target_done) struct target target = {TEXT(URL_BYTES), TEXT(URL_BYTES)};
    struct health_arguments arguments = {.timeout_s = DEFAULT_TIMEOUT_S};
    int result = read_arguments(argc, argv, &arguments);
    if (result != EXIT_DONE)
        return result;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return EXIT_FAILED;
    result = arguments.place ? aim_at_place(&target, arguments.place) : aim_at_configured(&target, arguments.config);
    if (result == EXIT_DONE)
        result = ask_once(&target, arguments.timeout_s);
    curl_global_cleanup();
    return result;
}
