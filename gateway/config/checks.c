/* Rules of single options, and of a listener as a whole. Pure; owns nothing. */
#include "gateway/config/checks.h"

#include <arpa/inet.h>

#include "gateway/core/guard.h"
#include "gateway/core/settings.h"
#include "transports/serve/sse_legacy.h"

static bool refuse(struct text *problem, struct span value, const char *sentence)
{
    mistake_add_value(problem, value);
    text_add_char(problem, ' ');
    text_add(problem, span_of(sentence));
    return false;
}

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

/* Letters, digits, and those of `others`. */
static bool consists_of(struct span value, const char *others)
{
    for (size_t i = 0; i < value.size; i++)
        if (!is_name_byte(value.at[i]) && (value.at[i] == '\0' || !strchr(others, value.at[i])))
            return false;
    return value.size > 0;
}

bool check_path(struct span value, struct text *problem)
{
    static const char *const own[] = {"/healthz", "/readyz", "/metrics", "/status", "/log-level"};
    if (value.size == 0 || value.at[0] != '/')
        return refuse(problem, value, "must begin with a slash, as in /mcp");
    if (!consists_of(value, "/-._~!$&'()*+,;=:@%"))
        return refuse(problem, value, "must be a path: letters, digits and -._~/, without ? or #");
    bool taken = span_starts(value, SPAN(GUARD_METADATA_PATH));
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        taken = taken || span_is(value, own[i]);
    return !taken || refuse(problem, value, "is a page of the gateway itself: take another path");
}

/* "[::1]" as it stands in a URL. */
static bool is_literal_ipv6(struct span value)
{
    return value.size > 2 && value.at[0] == '[' && value.at[value.size - 1] == ']' &&
           consists_of((struct span){value.at + 1, value.size - 2}, ":.");
}

/* "::1": as names are compared, without the brackets of a URL. */
static bool is_bare_ipv6(struct span value)
{
    struct in6_addr ignored;
    char copy[INET6_ADDRSTRLEN] = "";
    if (value.size >= sizeof(copy))
        return false;
    memcpy(copy, value.at, value.size);
    return inet_pton(AF_INET6, copy, &ignored) == 1;
}

bool check_host(struct span value, struct text *problem)
{
    if (span_is(value, "*") || is_bare_ipv6(value) || consists_of(value, "-._"))
        return true;
    return refuse(problem, value, "is no host name: write it without scheme, port, path or brackets, as in gw.example");
}

static bool is_port(struct span value)
{
    uint64_t port;
    return span_to_uint64(value, &port) == 0 && port > 0 && port <= 65535;
}

/* host, host:port, [::1], [::1]:port */
static bool is_authority(struct span value)
{
    const char *bracket = value.size > 0 && value.at[0] == '[' ? memchr(value.at, ']', value.size) : NULL;
    size_t host = bracket ? (size_t)(bracket - value.at) + 1 : 0;
    while (!bracket && host < value.size && value.at[host] != ':')
        host++;
    struct span name = {value.at, host};
    if (!(bracket ? is_literal_ipv6(name) : consists_of(name, "-._")))
        return false;
    return host == value.size ||
           (value.at[host] == ':' && is_port((struct span){value.at + host + 1, value.size - host - 1}));
}

bool check_origin(struct span value, struct text *problem)
{
    const char *slashes = value.size > 0 ? memmem(value.at, value.size, "://", 3) : NULL;
    if (span_is(value, "*"))
        return true;
    if (slashes) {
        size_t scheme = (size_t)(slashes - value.at);
        struct span authority = {slashes + 3, value.size - scheme - 3};
        if (consists_of((struct span){value.at, scheme}, "+-.") && is_authority(authority))
            return true;
    }
    return refuse(problem, value,
                  "is no origin: write scheme, host and port without a path, as in https://app.example");
}

bool check_http_url(struct span value, struct text *problem)
{
    struct span rest = value;
    struct span scheme = span_cut(&rest, ':');
    if (!span_is(scheme, "http") && !span_is(scheme, "https"))
        return refuse(problem, value, "must be a URL that begins with http:// or https://");
    if (!span_starts(rest, SPAN("//")) || rest.size < 3 || rest.at[2] == '/')
        return refuse(problem, value, "must name a host, as in http://127.0.0.1:4318/v1/traces");
    for (size_t i = 0; i < value.size; i++)
        if (value.at[i] <= ' ' || value.at[i] > '~')
            return refuse(problem, value, "must be a URL: visible ASCII, without blanks");
    return true;
}

static bool is_header_line(struct span line)
{
    struct span text = line;
    struct span name = span_cut(&text, ':');
    for (size_t i = 0; i < text.size; i++)
        if ((text.at[i] < ' ' && text.at[i] != '\t') || text.at[i] == '\177')
            return false;
    return consists_of(name, "!#$%&'*+-.^_`|~") && span_trim(text).size > 0;
}

bool check_header_lines(struct span value, struct text *problem)
{
    while (!span_absent(value)) {
        struct span line = span_cut(&value, '\n');
        if (line.size == 0 || is_header_line(line))
            continue;
        text_add_literal(problem, "must be lines of the form Name: value");
        return false;
    }
    return true;
}

bool check_tool_name(struct span value, struct text *problem)
{
    if (consists_of(value, "_-."))
        return true;
    return refuse(problem, value, "is no tool name: letters, digits, _ - and . only");
}

bool check_tool_pattern(struct span value, struct text *problem)
{
    if (consists_of(value, "_-.*?"))
        return true;
    return refuse(problem, value, "matches no tool: letters, digits, _ - . and the wildcards * and ? only");
}

bool check_variable(struct span value, struct text *problem)
{
    if (value.size > 0 && !memchr(value.at, '=', value.size))
        return true;
    return refuse(problem, value, "is no name of an environment variable: write PATH, not PATH=value");
}

bool check_server_name(struct span value, struct text *problem)
{
    struct span name = span_starts(value, SPAN("*.")) ? (struct span){value.at + 2, value.size - 2} : value;
    if (consists_of(name, "-._") && name.at[0] != '.' && !is_bare_ipv6(name))
        return true;
    return refuse(problem, value, "is no host name: write it without port, as in a.example or *.example");
}

/* ---- listeners ---- */

/* A mistake at the member of that name, or at the entry itself. */
static void say(const struct node *entry, const char *member, const char *label, const char *sentence,
                struct mistakes *mistakes)
{
    const struct node *found = entry->kind == NODE_MAPPING ? node_find(entry, span_of(member)) : NULL;
    text_addf(mistake(mistakes, found ? found->at : entry->at), "%s%s", label, sentence);
}

static void check_tls(const struct node *entry, struct tls_settings *tls, const char *label, struct mistakes *mistakes)
{
    tls->place = (struct place){entry->at.line, entry->at.column};
    if (!node_find(entry, SPAN("certificate")))
        say(entry, "", label, ".tls: certificate is missing", mistakes);
    if (!node_find(entry, SPAN("key")))
        say(entry, "", label, ".tls: key is missing", mistakes);
    if (tls->client_ca && tls->client_auth == TLS_CLIENT_NONE)
        say(entry, "client_ca", label, ".tls: client_ca has no effect without client_auth: request or require",
            mistakes);
    if (!tls->client_ca && tls->client_auth != TLS_CLIENT_NONE)
        say(entry, "client_auth", label, ".tls: client_auth needs a client_ca", mistakes);
}

static bool is_legacy_path(const char *path)
{
    return path && (strcmp(path, SSE_LEGACY_STREAM_PATH) == 0 || strcmp(path, SSE_LEGACY_MESSAGES_PATH) == 0);
}

void check_listener(const struct node *entry, void *record, const char *label, struct mistakes *mistakes)
{
    struct listener_settings *listener = record;
    const struct node *tls = node_find(entry, SPAN("tls"));
    if (tls && tls->kind == NODE_MAPPING)
        check_tls(tls, &listener->tls, label, mistakes);
    if ((listener->transports & TRANSPORT_STREAM) && listener->transports != TRANSPORT_STREAM)
        say(entry, "transports", label, ".transports: stream needs a listener of its own", mistakes);
    if ((listener->transports & TRANSPORT_SSE) && is_legacy_path(listener->path))
        say(entry, "path", label, ".path: is a path of the transport sse itself: take another one", mistakes);
    if (listener->proxy_protocol && listener->trusted_proxies.count == 0 && !listener->trusted_proxies.local)
        say(entry, "proxy_protocol", label, ".proxy_protocol: nobody may send the header: trusted_proxies is empty",
            mistakes);
}
