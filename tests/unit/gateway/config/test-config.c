/* Unit tests of gateway/config/config.h: what a file, the environment and arguments come to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/config/config.h"

#include <stdio.h>
#include <unistd.h>

#include "gateway/config/options.h"

static void free_settings(struct settings **settings)
{
    config_free(*settings);
}

/* The settings, or NULL and the mistakes. */
static struct settings *parse(const char *yaml, char *const *environment, const struct config_arguments *arguments,
                              struct text *mistakes)
{
    struct settings *settings = NULL;
    text_clear(mistakes);
    int result = config_parse(span_of(yaml), "f", "/etc/weir", environment, arguments, &settings, mistakes);
    assert_int_equal(result, settings ? 0 : CONFIG_MISTAKES);
    assert_int_equal(result == 0, mistakes->size == 0);
    text_terminate(mistakes);
    return settings;
}

static const struct {
    const char *yaml, *mistakes, *comment;
} mistake_rows[] = {
    /* keys */
    {"page_sise: 5", "f:1:1: unknown key \"page_sise\", did you mean page_size?\n", "a slip"},
    {"limit:\n  max_payload: 1MiB", "f:1:1: unknown key \"limit\", did you mean limits?\n", "a section"},
    {"limits:\n  max_conections: 5",
     "f:2:3: unknown key \"limits.max_conections\", did you mean limits.max_connections?\n", "in a section"},
    {"max_connections: 5", "f:1:1: unknown key \"max_connections\", did you mean limits.max_connections?\n",
     "without its section"},
    {"limits.max_payload: 1MiB",
     "f:1:1: unknown key \"limits.max_payload\"; dots are nesting: write limits.max_payload as a member of its "
     "section\n",
     "dots"},
    {"limits: {max.payload: 1MiB}",
     "f:1:10: unknown key \"limits.max.payload\"; dots are nesting: write limits.max_payload as a member of its "
     "section\n",
     "dots in a section"},
    {"moduls: []", "f:1:1: unknown key \"moduls\", did you mean modules?\n", "a list"},
    {"xyzzy: 1", "f:1:1: unknown key \"xyzzy\"\n", "nothing is near"},
    {"\"a\\u001b[31m\": 1", "f:1:1: unknown key \"a\\u001b[31m\"\n", "a key that would paint the terminal"},
    {"\"a\\x9b\\u202eb\": 1", "f:1:1: unknown key \"a\ufffd\ufffdb\"\n", "another way to do that"},
    {"listen: [{adress: 1}]",
     "f:1:10: listen[0]: address is missing\n"
     "f:1:11: listen[0]: unknown key \"adress\", did you mean address?\n",
     "in an entry"},
    {"page_size: 1\npage_size: 2", "f:2:1: the key \"page_size\" is here twice; the first is in line 1\n", "twice"},

    /* shapes */
    {"- 1", "f:1:1: a configuration is a mapping, as in \"page_size: 50\"\n", "a list as the whole"},
    {"text", "f:1:1: a configuration is a mapping, as in \"page_size: 50\"\n", "a scalar as the whole"},
    {"limits: 5", "f:1:9: limits: must be a mapping: its options are indented below it\n", "a section as scalar"},
    {"limits: {auth_attempts: 5}",
     "f:1:25: limits.auth_attempts: must be a mapping: its options are indented below it\n", "one in a section"},
    {"limits: {auth_attempts: {per_hour: 5}}",
     "f:1:26: unknown key \"limits.auth_attempts.per_hour\", did you mean limits.auth_attempts.per_minute?\n",
     "unknown in it"},
    {"limits: [1]", "f:1:9: limits: must be a mapping: its options are indented below it\n", "a section as list"},
    {"page_size: [1]", "f:1:12: page_size: must be a single value (count)\n", "an option as list"},
    {"page_size: {a: 1}", "f:1:12: page_size: must be a single value (count)\n", "an option as mapping"},
    {"page_size:", "f:1:11: page_size: has no value (count)\n", "nothing"},
    {"page_size: ~", "f:1:12: page_size: has no value (count)\n", "null"},
    {"listen: 127.0.0.1:80", "f:1:9: listen: must be a list: each entry begins with a dash\n", "a list as scalar"},
    {"listen: {address: 1}", "f:1:9: listen: must be a list: each entry begins with a dash\n", "a list as mapping"},
    {"modules: [./a.so]", "f:1:11: modules[0]: must be a mapping: {path: ...}\n", "an entry as scalar"},
    {"modules: [~]", "f:1:11: modules[0]: must be a mapping: {path: ...}\n", "an entry as null"},

    /* numbers */
    {"page_size: many", "f:1:12: page_size: \"many\" is not a whole number\n", "no number"},
    {"page_size: 0", "f:1:12: page_size: \"0\" is too small: 1 at least\n", "below"},
    {"page_size: 10001", "f:1:12: page_size: \"10001\" is too large: 10000 at most\n", "above"},
    {"page_size: -1", "f:1:12: page_size: \"-1\" is not a whole number\n", "negative"},
    {"page_size: 99999999999999999999", "f:1:12: page_size: \"99999999999999999999\" is too large: 10000 at most\n",
     "beyond 64 bits"},
    {"threads: 0", "f:1:10: threads: \"0\" is not a whole number above 0, or auto\n", "no threads"},
    {"threads: 257", "f:1:10: threads: \"257\" is too large: 256 at most\n", "too many threads"},
    {"limits: {max_payload: 16MB}",
     "f:1:23: limits.max_payload: \"16MB\" is not a size: write bytes, or a number with KiB, MiB or GiB, as in "
     "16MiB\n",
     "a decimal unit"},
    {"limits: {max_payload: 1023}", "f:1:23: limits.max_payload: \"1023\" is too small: 1KiB at least\n", "small"},
    {"limits: {max_payload: 2GiB}", "f:1:23: limits.max_payload: \"2GiB\" is too large: 1GiB at most\n", "large"},
    {"limits: {request_timeout: 60}",
     "f:1:27: limits.request_timeout: \"60\" is not a duration: write a number with ms, s, m or h, as in 30s\n",
     "sixty what?"},
    {"limits: {request_timeout: 25h}", "f:1:27: limits.request_timeout: \"25h\" is too large: 24h at most\n",
     "more than a day"},
    {"limits: {workers: 1025}", "f:1:19: limits.workers: \"1025\" is too large: 1024 at most\n", "libuv's bound"},

    /* booleans and choices */
    {"builtin: yes", "f:1:10: builtin: \"yes\" is neither true nor false\n", "YAML 1.1"},
    {"builtin: on", "f:1:10: builtin: \"on\" is neither true nor false\n", "YAML 1.1"},
    {"builtin: 1", "f:1:10: builtin: \"1\" is neither true nor false\n", "a number"},
    {"log: {level: verbose}", "f:1:14: log.level: \"verbose\" is none of debug, info, warning, error, off\n",
     "no level"},
    {"log: {format: xml}", "f:1:15: log.format: \"xml\" is none of logfmt, json\n", "no format"},

    /* texts */
    {"instructions: \"\"", "f:1:15: instructions: must not be empty\n", "empty"},
    {"instructions: \"a\\0b\"", "f:1:15: instructions: must not hold a NUL character\n", "NUL"},
    {"state_key: tooshort", "f:1:12: state_key: is too short: 8 bytes, 16 at least\n", "a short secret, not shown"},
    {"state_key: env:WEIR_TEST_NOT_SET",
     "f:1:12: state_key: the environment variable WEIR_TEST_NOT_SET, which should hold the secret, is not set\n",
     "a secret that is not there"},
    {"state_key: file:/nonexistent/key",
     "f:1:12: state_key: the secret cannot be read from /nonexistent/key: No such file or directory\n", "nor there"},
    {"state_key: file:key",
     "f:1:12: state_key: the secret cannot be read from /etc/weir/key: No such file or directory\n", "beside the file"},

    /* addresses and what belongs to them */
    {"admin: {address: 9464}",
     "f:1:18: admin.address: \"9464\" is no address: write 127.0.0.1:8080, [::1]:8080 or unix:/run/weir.sock\n",
     "a port alone"},
    {"listen: [{address: \"localhost:80\"}]",
     "f:1:20: listen[0].address: \"localhost:80\" is no address: write 127.0.0.1:8080, [::1]:8080 or "
     "unix:/run/weir.sock\n",
     "a name"},
    {"listen: [{address: \"127.0.0.1:1\", transports: [http, smtp]}]",
     "f:1:54: listen[0].transports: \"smtp\" is none of http, websocket, sse, stream\n", "no such transport"},
    {"listen: [{address: \"127.0.0.1:1\", transports: [stream, http]}]",
     "f:1:47: listen[0].transports: stream needs a listener of its own\n", "two framings"},
    {"listen: [{address: \"127.0.0.1:1\", tls: {key: a}}]", "f:1:40: listen[0].tls: certificate is missing\n",
     "a key alone"},
    {"listen: [{address: \"127.0.0.1:1\", tls: {certificate: a}}]", "f:1:40: listen[0].tls: key is missing\n",
     "a certificate alone"},
    {"listen: [{address: \"127.0.0.1:1\", tls: {certificate: a, key: b, client_ca: c}}]",
     "f:1:76: listen[0].tls: client_ca has no effect without client_auth: request or require\n", "nobody is asked"},
    {"listen: [{address: \"127.0.0.1:1\", tls: {certificate: a, key: b, client_auth: require}}]",
     "f:1:78: listen[0].tls: client_auth needs a client_ca\n", "nobody can be trusted"},
    {"listen: [{address: \"127.0.0.1:1\", tls: {certificate: a, key: b, min_version: 1.1}}]",
     "f:1:78: listen[0].tls.min_version: \"1.1\" is none of 1.2, 1.3\n", "an old version"},
    {"listen: [{address: \"127.0.0.1:1\", tls: {certificat: a, key: b}}]",
     "f:1:40: listen[0].tls: certificate is missing\n"
     "f:1:41: listen[0]: unknown key \"tls.certificat\", did you mean tls.certificate?\n",
     "a slip in a section of an entry"},
    {"listen: [{address: \"127.0.0.1:1\", tls: yes}]",
     "f:1:40: listen[0].tls: must be a mapping: its options are indented below it\n", "a section as scalar"},
    {"listen: [{address: \"127.0.0.1:1\", tls: {certificate: a, key: b, sni: [{name: \"a:1\", key: k}, 5]}}]",
     "f:1:71: listen[0].tls.sni[0]: certificate is missing\n"
     "f:1:78: listen[0].tls.sni[0].name: \"a:1\" is no host name: write it without port, as in a.example or "
     "*.example\n"
     "f:1:94: listen[0].tls.sni[1]: must be a mapping: {name: ...}\n",
     "a list in an entry"},
    {"listen: [{address: \"127.0.0.1:1\", proxy_protocol: true}]",
     "f:1:51: listen[0].proxy_protocol: nobody may send the header: trusted_proxies is empty\n", "from whom?"},
    {"listen: [{address: \"127.0.0.1:1\", trusted_proxies: [10.0.0.0/8, 10.0.0.1/8, lb]}]",
     "f:1:65: listen[0].trusted_proxies: \"10.0.0.1/8\" is no address or prefix: write 192.0.2.1, 10.0.0.0/8 (the bits "
     "behind the prefix are 0), 2001:db8::/32 or unix\n"
     "f:1:77: listen[0].trusted_proxies: \"lb\" is no address or prefix: write 192.0.2.1, 10.0.0.0/8 (the bits behind "
     "the prefix are 0), 2001:db8::/32 or unix\n",
     "no prefixes"},
    {"listen: [{address: \"127.0.0.1:1\", transports: []}]",
     "f:1:47: listen[0].transports: has 0 entries: 1 at least\n", "no transport"},
    {"listen: [{address: \"127.0.0.1:1\", path: mcp}]",
     "f:1:41: listen[0].path: \"mcp\" must begin with a slash, as in /mcp\n", "no slash"},
    {"listen: [{address: \"127.0.0.1:1\", path: \"/a?b\"}]",
     "f:1:41: listen[0].path: \"/a?b\" must be a path: letters, digits and -._~/, without ? or #\n", "a query"},
    {"listen: [{address: \"127.0.0.1:1\", path: /healthz}]",
     "f:1:41: listen[0].path: \"/healthz\" is a page of the gateway itself: take another path\n", "its own page"},
    {"listen: [{address: \"127.0.0.1:1\", path: /.well-known/oauth-protected-resource/mcp}]",
     "f:1:41: listen[0].path: \"/.well-known/oauth-protected-resource/mcp\" is a page of the gateway itself: take "
     "another "
     "path\n",
     "its metadata"},
    {"listen: [{address: \"127.0.0.1:1\", path: /sse, transports: [sse]}, {address: \"127.0.0.1:2\", path: /sse}]",
     "f:1:41: listen[0].path: is a path of the transport sse itself: take another one\n", "the other transport's"},
    {"listen: [{address: \"127.0.0.1:1\", path: /messages, transports: [http, sse]}]",
     "f:1:41: listen[0].path: is a path of the transport sse itself: take another one\n", "its other path"},
    {"listen: [{address: \"127.0.0.1:1\", allowed_hosts: [\"a:80\", \"https://b\", \"\"]}]",
     "f:1:51: listen[0].allowed_hosts: \"a:80\" is no host name: write it without scheme, port, path or brackets, "
     "as in gw.example\n"
     "f:1:59: listen[0].allowed_hosts: \"https://b\" is no host name: write it without scheme, port, path or "
     "brackets, as in gw.example\n"
     "f:1:72: listen[0].allowed_hosts: \"\" is no host name: write it without scheme, port, path or brackets, as "
     "in gw.example\n",
     "hosts"},
    {"listen: [{address: \"127.0.0.1:1\", allowed_origins: [app.example, \"https://a/\", \"https://a:0\"]}]",
     "f:1:53: listen[0].allowed_origins: \"app.example\" is no origin: write scheme, host and port without a path, "
     "as in https://app.example\n"
     "f:1:66: listen[0].allowed_origins: \"https://a/\" is no origin: write scheme, host and port without a path, "
     "as in https://app.example\n"
     "f:1:80: listen[0].allowed_origins: \"https://a:0\" is no origin: write scheme, host and port without a path, "
     "as in https://app.example\n",
     "origins"},
    {"listen: [{address: \"127.0.0.1:1\", allowed_hosts: gw.example}]",
     "f:1:50: listen[0].allowed_hosts: must be a list: [one, two]\n", "one instead of a list"},
    {"listen: [{address: \"127.0.0.1:1\", allowed_hosts: [[a], ~]}]",
     "f:1:51: listen[0].allowed_hosts: an entry must be a text (an empty one: \"\")\n"
     "f:1:56: listen[0].allowed_hosts: an entry must be a text (an empty one: \"\")\n",
     "no texts"},
    {"listen: [{address: \"127.0.0.1:1\"}, {address: \"[::ffff:127.0.0.1]:1\"}]",
     "the address 127.0.0.1:1 is there twice (listen, admin.address)\n", "one address in two spellings"},
    {"listen: [{address: \"127.0.0.1:1\"}]\nadmin: {address: 127.0.0.1:1}",
     "the address 127.0.0.1:1 is there twice (listen, admin.address)\n", "for clients and for admin"},

    /* modules and commands */
    {"modules:\n  - config: {a: 1}", "f:2:5: modules[0]: path is missing\n", "no path"},
    {"modules: [{path: a.so, config: .inf}]",
     "f:1:32: infinity and not-a-number have no JSON: use a number, or quotes\n", "no JSON"},
    /* policy */
    {"policy: [{name: a, allow: {tools: []}}]",
     "f:1:10: policy[0]: allows nothing and denies nothing: name tools, resources or prompts\n", "nothing to say"},
    {"policy: [{allow: {tools: ['*']}}]", "f:1:10: policy[0]: name is missing\n", "without a name"},
    {"policy: [{name: a, allow: {tool: ['*']}}]",
     "f:1:10: policy[0]: allows nothing and denies nothing: name tools, resources or prompts\n"
     "f:1:28: policy[0]: unknown key \"allow.tool\", did you mean allow.tools?\n",
     "a slip in a rule"},
    {"policy: [{name: a, deny: {prompts: ['']}}]",
     "f:1:37: policy[0].deny.prompts: \"\" is no pattern: write 1 to 256 bytes; * is any run of characters, ? is one\n",
     "a pattern that is empty"},
    {"policy: [{name: a, who: {scopes: [a b]}, allow: {tools: ['*']}}]",
     "f:1:35: policy[0].who.scopes: \"a b\" is no scope: visible ASCII without blanks, quotes and backslashes\n",
     "two scopes in one"},
    {"policy: [{name: a, who: {proofs: [key]}, allow: {tools: ['*']}}]",
     "f:1:35: policy[0].who.proofs: \"key\" is none of anonymous, local, certificate, api_key, jwt, introspection\n",
     "no proof"},
    {"policy: [{name: a, who: {keys: [k], subjects: [s]}, allow: {tools: ['*']}}]",
     "f:1:32: policy[0].who: an API key has no subject and no issuer: write two rules\n", "nobody is both"},
    {"policy: [{name: a, who: {keys: [k], proofs: [jwt]}, allow: {tools: ['*']}}]",
     "f:1:32: policy[0].who: proofs leaves out api_key, so no key is meant\n", "no key is a token"},
    {"policy: [{name: a, who: {subjects: [k], issuers: [i], proofs: [api_key]}, allow: {tools: ['*']}}]",
     "f:1:36: policy[0].who: proofs leaves out certificate and tokens, so no subject is meant\n"
     "f:1:50: policy[0].who: proofs leaves out jwt and introspection, so no issuer is meant\n",
     "no token is a key"},
    {"policy: [{name: a, who: {scopes: [s], proofs: [anonymous]}, allow: {tools: ['*']}}]",
     "f:1:34: policy[0].who: only API keys and tokens have scopes, and proofs leaves them out\n", "nobody has scopes"},
    {"policy: [{name: a, deny: {tools: [x]}}, {name: a, deny: {tools: [x]}}]",
     "f:1:48: policy: the name \"a\" is taken by the entry in line 1\n", "a rule's name twice"},
    {"commands: [{}]", "f:1:12: commands[0]: name is missing\nf:1:12: commands[0]: run is missing\n",
     "two things are missing"},
    {"commands: [{name: a b, run: [ls]}]",
     "f:1:19: commands[0].name: \"a b\" is no tool name: letters, digits, _ - and . only\n", "a blank in a name"},
    {"commands: [{name: a, run: []}]", "f:1:27: commands[0].run: has 0 entries: 1 at least\n", "no program"},
    {"commands: [{name: a, run: ls -l}]", "f:1:27: commands[0].run: must be a list: [one, two]\n", "a shell line"},
    {"commands: [{name: a, run: [ls], environment: [A=1]}]",
     "f:1:47: commands[0].environment: \"A=1\" is no name of an environment variable: write PATH, not PATH=value\n",
     "a value"},
    {"commands: [{name: a, run: [ls]}, {name: b, run: [ls]}, {name: a, run: [ls]}]",
     "f:1:63: commands: the name \"a\" is taken by the entry in line 1\n", "a name twice"},
    {"commands: [{name: a, run: [ls], stdin: yaml}]", "f:1:40: commands[0].stdin: \"yaml\" is none of none, json\n",
     "no form"},
    {"commands: [{name: a, run: [ls], annotations: [1]}]",
     "f:1:46: commands[0].annotations: must be a mapping: {name: value}\n", "annotations are a mapping"},
    {"commands:\n  - name: a\n    run: [ls]\n    input_schema:\n      type: object\n      properties:\n"
     "        age: {type: nubmer}\n",
     "f:7:21: commands[0].input_schema: #/properties/age/type: must be one of \"null\", \"boolean\", "
     "\"integer\", \"number\", \"string\", \"array\", \"object\", or an array of these\n",
     "a bad schema, where it is bad"},
    {"commands: [{name: a, run: [ls], input_schema: {type: array}}]",
     "f:1:54: commands[0].input_schema: the type of the whole must be object: arguments have names\n",
     "arguments are an object"},
    {"commands: [{name: a, run: [ls], input_schema: {}}]",
     "f:1:47: commands[0].input_schema: the type of the whole must be object: arguments have names\n",
     "and it must say so"},
    {"commands: [{name: a, run: [ls], input_schema: true}]",
     "f:1:47: commands[0].input_schema: must be a mapping: {name: value}\n", "a boolean schema"},

    /* all of them, in the order of the file */
    {"page_size: 0\nlimits:\n  workers: none\n  max_batch: 0\nbuiltin: maybe\nadmin: {adress: x}",
     "f:1:12: page_size: \"0\" is too small: 1 at least\n"
     "f:3:12: limits.workers: \"none\" is not a whole number\n"
     "f:4:14: limits.max_batch: \"0\" is too small: 1 at least\n"
     "f:5:10: builtin: \"maybe\" is neither true nor false\n"
     "f:6:9: unknown key \"admin.adress\", did you mean admin.address?\n",
     "five at once"},
    {"a: [", "f:2:1: not YAML: did not find expected node content (while parsing a flow node in line 2)\n",
     "no YAML at all"},
};

static void test_mistakes(void **state)
{
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB);
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(mistake_rows); i++) {
        print_message("%s: %s\n", mistake_rows[i].comment, mistake_rows[i].yaml);
        CLEANUP(free_settings) struct settings *settings = parse(mistake_rows[i].yaml, NULL, NULL, &mistakes);
        assert_null(settings);
        assert_string_equal(mistakes.at, mistake_rows[i].mistakes);
    }
}

/* What an option of the top, or of the first entry of a list, is shown as. */
static void show(const struct settings *settings, const char *path, struct text *out)
{
    const struct option *option = option_find(options_top(), span_of(path));
    struct span rest = span_of(path), name = span_cut(&rest, '/');
    size_t count;
    const struct option_list *lists = options_lists(&count);
    text_clear(out);
    if (option)
        option_show(option, settings, out);
    for (size_t i = 0; !option && i < count; i++) {
        const char *base = (const char *)settings;
        if (!span_is(name, lists[i].table.name))
            continue;
        option = option_find(&lists[i].table, rest);
        assert_true(*(const size_t *)(const void *)(base + lists[i].count_offset) > 0);
        option_show(option, *(void *const *)(const void *)(base + lists[i].array_offset), out);
    }
    assert_non_null(option);
    text_terminate(out);
}

static void test_values(void **state)
{
    static const struct {
        const char *yaml, *path, *value, *comment;
    } rows[] = {
        {"", "page_size", "100", "the default"},
        {"# nothing", "limits.max_payload", "16MiB", "another"},
        {"page_size: 7", "page_size", "7", "a count"},
        {"page_size: \"7\"", "page_size", "7", "in quotes, as JSON writers may have it"},
        {"threads: auto", "threads", "auto", "auto"},
        {"threads: 4", "threads", "4", "four"},
        {"limits: {auth_attempts: {per_minute: 5}}", "limits.auth_attempts.per_minute", "5", "a section in a section"},
        {"{\"limits\": {\"max_payload\": \"2MiB\"}}", "limits.max_payload", "2MiB", "JSON"},
        {"limits: {max_payload: 1048576}", "limits.max_payload", "1MiB", "bytes"},
        {"limits:\n  drain_timeout: 0", "limits.drain_timeout", "0", "no time"},
        {"limits:\n  request_timeout: 90s", "limits.request_timeout", "90s", "a duration"},
        {"limits:\n", "limits.max_batch", "100", "a section with everything commented out"},
        {"commands:\nmodules: ~", "page_size", "100", "lists with everything commented out"},
        {"builtin: false", "builtin", "false", "a boolean"},
        {"log: {level: debug, format: json}", "log.format", "json", "a choice"},
        {"instructions: |\n  Say please.\n", "instructions", "Say please.\n", "a block"},
        {"instructions: 12", "instructions", "12", "a text that looks like a number"},
        {"instructions: on", "instructions", "on", "a text that YAML 1.1 takes for a boolean"},
        {"", "state_key", "", "no secret"},
        {"state_key: 0123456789abcdef", "state_key", "(secret)", "a secret is never shown"},
        {"state_key: env:WEIR_TEST_SECRET", "state_key", "(secret)", "from the environment"},
        {"", "admin.address", "", "no admin listener"},
        {"admin: {address: \"127.0.0.1:0\"}", "admin.address", "127.0.0.1:0", "an admin listener"},
        {"", "listen/address", "127.0.0.1:8080", "a listener there always is"},
        {"", "listen/path", "/mcp", "with its defaults"},
        {"listen: [{address: \"[::]:0\", path: /a}]", "listen/transports", "[http, websocket]",
         "a default of an entry"},
        {"listen: [{address: \"[::]:0\", transports: [sse, http]}]", "listen/transports", "[http, sse]", "transports"},
        {"listen: [{address: \"[::]:0\", trusted_proxies: [unix, 10.0.0.0/8, \"2001:db8::1\", 192.0.2.1]}]",
         "listen/trusted_proxies", "[10.0.0.0/8, 2001:db8::1/128, 192.0.2.1/32, unix]", "proxies"},
        {"listen: [{address: \"[::]:0\", tls: {certificate: a.pem, key: /k, min_version: 1.3}}]",
         "listen/tls.certificate", "/etc/weir/a.pem", "a path in a section of an entry"},
        {"listen: [{address: \"[::]:0\", tls: {certificate: a.pem, key: /k, min_version: 1.3}}]",
         "listen/tls.min_version", "1.3", "a number that is a word"},
        {"listen: [{address: \"[::]:0\", allowed_hosts: [gw.example, \"*\", \"::1\", 10.0.0.1]}]",
         "listen/allowed_hosts", "[\"gw.example\", \"*\", \"::1\", \"10.0.0.1\"]", "hosts"},
        {"listen: [{address: \"unix:/run/w\", allowed_origins: [\"https://a.example:8443\", \"http://[::1]:80\", "
         "\"*\"]}]",
         "listen/allowed_origins", "[\"https://a.example:8443\", \"http://[::1]:80\", \"*\"]", "origins"},
        {"listen: [{address: \"127.0.0.1:0\"}, {address: \"127.0.0.1:0\"}]", "listen/address", "127.0.0.1:0",
         "two free ports are two"},
        {"modules: [{path: ./a.so}]", "modules/path", "/etc/weir/./a.so", "beside the file"},
        {"modules: [{path: /a.so}]", "modules/path", "/a.so", "an absolute path"},
        {"modules: [{path: a}]", "modules/config", "null", "no configuration"},
        {"modules: [{path: a, config: {b: [1, yes, ~, 0x10, \"1\"], a: {}}}]", "modules/config",
         "{\"b\":[1,\"yes\",null,16,\"1\"],\"a\":{}}", "configuration as JSON"},
        {"commands: [{name: a, run: [head, -n, 5, true, \"{path}\"]}]", "commands/run",
         "[\"head\", \"-n\", \"5\", \"true\", \"{path}\"]", "arguments are texts as they are written"},
        {"commands: [{name: a, run: [ls]}]", "commands/input_schema", "{\"type\":\"object\"}", "any object"},
        {"commands: [{name: a, run: [ls], input_schema: {type: object, required: [b, a]}}]", "commands/input_schema",
         "{\"type\":\"object\",\"required\":[\"b\",\"a\"]}", "a schema"},
        {"commands: [{name: a, run: [ls], annotations: {readOnlyHint: true}}]", "commands/annotations",
         "{\"readOnlyHint\":true}", "annotations"},
        {"commands: [{name: a, run: [ls], directory: data}]", "commands/directory", "/etc/weir/data",
         "beside the file"},
        {"commands: [{name: a, run: [ls]}]", "commands/timeout", "30s", "a default"},
        {"commands: [{name: a, run: [ls], stdin: json, output: json}]", "commands/stdin", "json", "a form"},
        {"commands: [{name: a, run: [ls]}]", "commands/output", "text", "another"},
    };
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB), out = TEXT(1 * MIB);
    (void)state;
    assert_int_equal(setenv("WEIR_TEST_SECRET", "0123456789abcdef", 1), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s: %s\n", rows[i].comment, rows[i].yaml);
        CLEANUP(free_settings) struct settings *settings = parse(rows[i].yaml, NULL, NULL, &mistakes);
        assert_string_equal(mistakes.at, "");
        assert_non_null(settings);
        show(settings, rows[i].path, &out);
        assert_string_equal(out.at, rows[i].value);
    }
}

static void test_environment(void **state)
{
    static const struct {
        const char *yaml, *variable, *path, *value, *comment;
    } rows[] = {
        {"", "WEIR_PAGE_SIZE=9", "page_size", "9", "beats the default"},
        {"page_size: 8", "WEIR_PAGE_SIZE=9", "page_size", "9", "beats the file"},
        {"", "WEIR_LIMITS_MAX_PAYLOAD=2MiB", "limits.max_payload", "2MiB", "of a section"},
        {"", "WEIR_ADMIN_ADDRESS=127.0.0.1:0", "admin.address", "127.0.0.1:0", "an address"},
        {"", "WEIR_STATE_KEY=0123456789abcdef", "state_key", "(secret)", "a secret"},
        {"", "WEIR_INSTRUCTIONS=a=b", "instructions", "a=b", "a value with an equals sign"},
        {"", "WEIR_THREADS=auto", "threads", "auto", "a word"},
        {"", "WEIR_SERVICE_HOST=10.0.0.1", "page_size", "100", "somebody else's name"},
        {"", "WEIR_PORT=tcp://10.0.0.1:80", "page_size", "100", "another"},
        {"", "weir_page_size=9", "page_size", "100", "names have capitals"},
        {"", "WEIR_PAGE_SIZE", "page_size", "100", "no variable at all"},
    };
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB), out = TEXT(1 * MIB);
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *variable = strdup(rows[i].variable);
        char *const environment[] = {(char[]){"PATH=/bin"}, variable, NULL};
        print_message("%s: %s\n", rows[i].comment, rows[i].variable);
        CLEANUP(free_settings) struct settings *settings = parse(rows[i].yaml, environment, NULL, &mistakes);
        assert_non_null(settings);
        show(settings, rows[i].path, &out);
        assert_string_equal(out.at, rows[i].value);
    }
}

static void test_environment_mistakes(void **state)
{
    static const struct {
        const char *variable, *mistakes, *comment;
    } rows[] = {
        {"WEIR_PAGE_SIZE=0", "environment: WEIR_PAGE_SIZE: \"0\" is too small: 1 at least\n", "below"},
        {"WEIR_PAGE_SIZE=", "environment: WEIR_PAGE_SIZE: \"\" is not a whole number\n", "empty"},
        {"WEIR_LIMITS_MAX_CONECTIONS=5",
         "environment: unknown variable \"WEIR_LIMITS_MAX_CONECTIONS\", did you mean WEIR_LIMITS_MAX_CONNECTIONS?\n",
         "a slip"},
        {"WEIR_STATE_KEY=secret", "environment: WEIR_STATE_KEY: is too short: 6 bytes, 16 at least\n", "not shown"},
        {"WEIR_BUILTIN=1", "environment: WEIR_BUILTIN: \"1\" is neither true nor false\n", "no boolean"},
    };
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB), expected = TEXT(1 * MIB);
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *variable = strdup(rows[i].variable);
        char *const environment[] = {variable, NULL};
        print_message("%s: %s\n", rows[i].comment, rows[i].variable);
        CLEANUP(free_settings) struct settings *settings = parse("xyzzy: 1", environment, NULL, &mistakes);
        text_clear(&expected);
        text_addf(&expected, "f:1:1: unknown key \"xyzzy\"\n%s", rows[i].mistakes);
        text_terminate(&expected);
        assert_null(settings);
        assert_string_equal(mistakes.at, expected.at);
    }
}

static void test_arguments(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:1", "[::1]:2"};
    static const struct config_arguments arguments = {addresses, ARRAY_SIZE(addresses)};
    static const char yaml[] = "listen:\n"
                               "  - {address: \"0.0.0.0:1\", path: /a, allowed_hosts: [x, y],\n"
                               "     tls: {certificate: c, key: k, client_ca: a, client_auth: request,\n"
                               "           sni: [{name: \"*.n.example\", certificate: /m, key: /n}]},\n"
                               "     proxy_protocol: true, trusted_proxies: [unix, 10.0.0.0/8]}\n"
                               "  - {address: \"0.0.0.0:2\", path: /b}\n";
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB);
    (void)state;
    CLEANUP(free_settings) struct settings *settings = parse(yaml, NULL, &arguments, &mistakes);
    assert_non_null(settings);
    assert_int_equal(settings->listeners, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(settings->listener[i].address_text, addresses[i]);
        assert_string_equal(settings->listener[i].path, "/a");
        assert_int_equal(settings->listener[i].allowed_hosts.count, 2);
        assert_string_equal(settings->listener[i].allowed_hosts.name[1], "y");
        assert_int_equal(settings->listener[i].transports, TRANSPORT_HTTP | TRANSPORT_WEBSOCKET);
        assert_string_equal(settings->listener[i].tls.certificate, "/etc/weir/c");
        assert_int_equal(settings->listener[i].tls.client_auth, TLS_CLIENT_REQUEST);
        assert_int_equal(settings->listener[i].tls.snis, 1);
        assert_string_equal(settings->listener[i].tls.sni[0].key, "/n");
        assert_int_equal(settings->listener[i].tls.place.line, 3);
        assert_true(settings->listener[i].proxy_protocol);
        assert_true(settings->listener[i].trusted_proxies.local);
        assert_int_equal(settings->listener[i].trusted_proxies.count, 1);
    }
    assert_int_equal(settings->listener[1].address.any.sa_family, AF_INET6);
}

/* weir serve --stdio: nobody else is served unless they are asked for. */
static void test_no_listeners(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:1"};
    static const struct config_arguments none = {.no_listeners = true};
    static const struct config_arguments one = {addresses, ARRAY_SIZE(addresses), true};
    static const char yaml[] = "listen: [{address: \"0.0.0.0:1\"}]\nadmin: {address: \"127.0.0.1:2\"}";
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB);
    (void)state;
    CLEANUP(free_settings) struct settings *settings = parse(yaml, NULL, &none, &mistakes);
    assert_int_equal(settings->listeners, 0);
    assert_null(settings->admin.address_text);
    CLEANUP(free_settings) struct settings *asked = parse(yaml, NULL, &one, &mistakes);
    assert_int_equal(asked->listeners, 1);
    assert_string_equal(asked->admin.address_text, "127.0.0.1:2");
}

static void test_argument_mistakes(void **state)
{
    static const char *const addresses[] = {"8080", "127.0.0.1:1", "127.0.0.1:1"};
    static const struct config_arguments arguments = {addresses, ARRAY_SIZE(addresses)};
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB);
    (void)state;
    assert_null(parse("", NULL, &arguments, &mistakes));
    assert_string_equal(mistakes.at,
                        "--listen: \"8080\" is no address: write 127.0.0.1:8080, [::1]:8080 or unix:/run/weir.sock\n"
                        "the address 127.0.0.1:1 is there twice (listen, admin.address)\n");
}

static void test_files(void **state)
{
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB);
    struct settings *settings = NULL;
    char path[] = "/tmp/weir-test-XXXXXX";
    (void)state;
    assert_int_equal(config_load("/nonexistent.yaml", NULL, &settings, &mistakes), CONFIG_MISTAKES);
    text_terminate(&mistakes);
    assert_string_equal(mistakes.at, "/nonexistent.yaml: cannot be read: No such file or directory\n");

    text_clear(&mistakes);
    assert_int_equal(config_load("/tmp", NULL, &settings, &mistakes), CONFIG_MISTAKES);
    text_terminate(&mistakes);
    assert_string_equal(mistakes.at, "/tmp: cannot be read: Is a directory\n");

    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "modules: [{path: m.so}]\n", 24), 24);
    assert_int_equal(config_load(path, NULL, &settings, &mistakes), 0);
    assert_string_equal(settings->module[0].path, "/tmp/m.so");
    config_free(settings);
    (void)close(file);
    (void)unlink(path);
}

/* A secret from a file, with the newline that editors leave behind. */
static void test_secret_file(void **state)
{
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB), yaml = TEXT(1 * MIB);
    char path[] = "/tmp/weir-test-XXXXXX";
    int file = mkstemp(path);
    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, "0123456789abcdef\n", 17), 17);
    text_addf(&yaml, "state_key: file:%s\n", path);
    text_terminate(&yaml);
    CLEANUP(free_settings) struct settings *settings = parse(yaml.at, NULL, NULL, &mistakes);
    assert_non_null(settings);
    assert_string_equal(settings->state_key, "0123456789abcdef");

    assert_int_equal(pwrite(file, "\0", 1, 3), 1);
    assert_null(parse(yaml.at, NULL, NULL, &mistakes));
    assert_non_null(strstr(mistakes.at, "holds a NUL byte: store it as text, hexadecimal or base64"));
    (void)close(file);
    (void)unlink(path);
}

static void test_demo(void **state)
{
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB);
    CLEANUP(free_settings) struct settings *settings = NULL;
    (void)state;
    assert_int_equal(config_load(NULL, NULL, &settings, &mistakes), 0);
    assert_string_equal(settings->listener[0].address_text, "127.0.0.1:8080");
    assert_string_equal(settings->admin.address_text, "127.0.0.1:9464");
    assert_true(settings->builtin);
}

static void test_reload(void **state)
{
    static const struct {
        const char *running, *next, *mistakes, *comment;
    } rows[] = {
        {"", "page_size: 5\nlog: {level: debug}", "", "may change"},
        {"", "limits: {workers: 100}", "", "the default, written out"},
        {"threads: 1", "threads: 2", "threads: cannot change while the gateway runs: restart it\n", "fixed"},
        {"", "state_key: 0123456789abcdef", "state_key: cannot change while the gateway runs: restart it\n",
         "a new key"},
        {"state_key: 0123456789abcdef", "state_key: 0123456789abcdeF",
         "state_key: cannot change while the gateway runs: restart it\n", "another key"},
        {"state_key: 0123456789abcdef", "state_key: 0123456789abcdef", "", "the same key"},
        {"", "admin: {address: \"127.0.0.1:1\"}", "admin.address: cannot change while the gateway runs: restart it\n",
         "an admin listener"},
        {"", "listen: [{address: \"127.0.0.1:8080\", allowed_hosts: [a]}]", "", "whom a listener serves"},
        {"listen: [{address: \"127.0.0.1:1\", tls: {certificate: a, key: b}}]",
         "listen: [{address: \"127.0.0.1:1\", tls: {certificate: c, key: d, client_ca: e, client_auth: request}}]", "",
         "certificates"},
        {"", "listen: [{address: \"127.0.0.1:8080\", tls: {certificate: a, key: b}}]",
         "listen[0].tls: cannot come or go while the gateway runs: restart it\n", "TLS"},
        {"", "listen: [{address: \"127.0.0.1:8080\", trusted_proxies: [10.0.0.1], proxy_protocol: true}]",
         "listen[0].proxy_protocol: cannot change while the gateway runs: restart it\n", "what comes first"},
        {"", "listen: [{address: \"127.0.0.1:8081\", path: /x}]",
         "listen[0].address: cannot change while the gateway runs: restart it\n"
         "listen[0].path: cannot change while the gateway runs: restart it\n",
         "where it is"},
        {"", "listen: [{address: \"127.0.0.1:1\"}, {address: \"127.0.0.1:2\"}]",
         "listen: cannot gain or lose entries while the gateway runs: restart it\n", "one more"},
    };
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB);
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(free_settings) struct settings *running = parse(rows[i].running, NULL, NULL, &mistakes);
        CLEANUP(free_settings) struct settings *next = parse(rows[i].next, NULL, NULL, &mistakes);
        print_message("%s\n", rows[i].comment);
        text_clear(&mistakes);
        assert_int_equal(config_can_replace(running, next, &mistakes), *rows[i].mistakes ? CONFIG_MISTAKES : 0);
        text_terminate(&mistakes);
        assert_string_equal(mistakes.at, rows[i].mistakes);
    }
}

static char differences[1024];

static void note_difference(const char *path, struct span value)
{
    size_t used = strlen(differences);
    (void)snprintf(differences + used, sizeof(differences) - used, "%s=%.*s\n", path, SPAN_PRINT(value));
}

static void test_differences(void **state)
{
    CLEANUP(text_done) struct text mistakes = TEXT(1 * MIB);
    (void)state;
    CLEANUP(free_settings)
    struct settings *settings = parse(
        "page_size: 5\nbuiltin: true\nstate_key: 0123456789abcdef\nlimits: {max_payload: 1MiB}", NULL, NULL, &mistakes);
    config_differences(settings, note_difference);
    assert_string_equal(differences, "page_size=5\nstate_key=(secret)\nlimits.max_payload=1MiB\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_environment_mistakes),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_no_listeners),
        cmocka_unit_test(test_argument_mistakes),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_secret_file),
        cmocka_unit_test(test_demo),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
