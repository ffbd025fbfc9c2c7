/* weir explain: asks the policy of a configuration, by the functions that a gateway asks, for a caller of the command
   line. */
#include <stdio.h>

#include "auth/policy.h"
#include "gateway/config/config.h"
#include "gateway/main/commands.h"

enum { MAX_SCOPES = 64, EXPLANATION_BYTES = 1 << 20, EXIT_DENIED = 1 };

/* What the command line says; borrowed from it. */
struct question {
    const char *file, *key, *subject, *issuer, *proof, *endpoint;
    struct span scope[MAX_SCOPES];
    size_t scopes;
    const char *name;
    enum policy_kind kind;
    bool wrong;
};

static void set_once(struct question *question, const char **field, const char *value)
{
    question->wrong |= *field != NULL;
    *field = value;
}

static void add_scope(struct question *question, const char *value)
{
    question->wrong |= question->scopes == MAX_SCOPES;
    if (question->scopes < MAX_SCOPES)
        question->scope[question->scopes++] = span_of(value);
}

static bool set_name(struct question *question, const char *option, const char *value)
{
    static const char *const options[POLICY_KINDS] = {"--tool", "--resource", "--template", "--prompt"};
    for (unsigned kind = 0; kind < POLICY_KINDS; kind++)
        if (strcmp(option, options[kind]) == 0) {
            set_once(question, &question->name, value);
            question->kind = (enum policy_kind)kind;
            return true;
        }
    return false;
}

static void read_option(struct question *question, const char *option, const char *value)
{
    const struct {
        const char *option;
        const char **field;
    } fields[] = {
        {"--key", &question->key},     {"--subject", &question->subject},   {"--issuer", &question->issuer},
        {"--proof", &question->proof}, {"--endpoint", &question->endpoint},
    };
    if (strcmp(option, "--scope") == 0) {
        add_scope(question, value);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (strcmp(option, fields[i].option) == 0) {
            set_once(question, fields[i].field, value);
            return;
        }
    question->wrong |= !set_name(question, option, value);
}

static void read_arguments(struct question *question, int argc, char **argv)
{
    for (int i = 1; i < argc && !question->wrong; i++) {
        if (argv[i][0] != '-')
            set_once(question, &question->file, argv[i]);
        else if (i + 1 < argc)
            read_option(question, argv[i], argv[i + 1]), i++;
        else
            question->wrong = true;
    }
    question->wrong |= !question->file || !question->name || (question->key && (question->subject || question->issuer));
}

/* Without a word about it: a key is an API key, a subject or an issuer makes a token, else nobody has shown anything.
 */
static int find_proof(const struct question *question, enum identity_proof *ret_proof)
{
    if (!question->proof) {
        *ret_proof = question->key                           ? IDENTITY_API_KEY
                     : question->subject || question->issuer ? IDENTITY_JWT
                                                             : IDENTITY_ANONYMOUS;
        return 0;
    }
    for (unsigned proof = IDENTITY_ANONYMOUS; proof <= IDENTITY_INTROSPECTION; proof++)
        if (strcmp(identity_proof_name((enum identity_proof)proof), question->proof) == 0) {
            *ret_proof = (enum identity_proof)proof;
            return 0;
        }
    (void)fprintf(stderr,
                  "weir explain: --proof is anonymous, local, certificate, api_key, jwt or introspection, and not %s\n",
                  question->proof);
    return CONFIG_MISTAKES;
}

/* The scopes that an API key has in the configuration, unless others are asked for. */
static void add_scopes_of_key(const struct settings *settings, struct question *question)
{
    const struct auth_settings *auth = &settings->auth;
    size_t i = 0;
    while (i < auth->api_keys && strcmp(auth->api_key[i].name, question->key) != 0)
        i++;
    if (i == auth->api_keys) {
        (void)fprintf(stderr, "weir explain: auth.api_keys has none of the name %s: taken for one without scopes\n",
                      question->key);
        return;
    }
    for (size_t s = 0; s < auth->api_key[i].scopes.count; s++)
        add_scope(question, auth->api_key[i].scopes.name[s]);
}

static int make_identity(const struct settings *settings, struct question *question, struct identity **ret_identity)
{
    if (question->key && question->scopes == 0)
        add_scopes_of_key(settings, question);
    struct identity_facts facts = {
        .issuer = span_of(question->issuer), .scope = question->scope, .scopes = question->scopes};
    int result = find_proof(question, &facts.proof);
    if (result != 0)
        return result;
    facts.subject = span_of(question->key ? question->key : question->subject ? question->subject : "");
    return identity_new(&facts, ret_identity);
}

/* Where nobody says otherwise: the first listener. Its address comes with its path. */
static struct policy_caller make_caller(const struct settings *settings, const struct question *question,
                                        const struct identity *identity)
{
    struct policy_caller caller = {.identity = identity, .path = span_of(question->endpoint)};
    for (size_t i = 0; i < settings->listeners; i++) {
        const struct listener_settings *listener = &settings->listener[i];
        if (question->endpoint && strcmp(listener->path, question->endpoint) != 0 &&
            strcmp(listener->address_text, question->endpoint) != 0)
            continue;
        caller.path = span_of(listener->path);
        caller.address = span_of(listener->address_text);
        break;
    }
    return caller;
}

static int explain(const struct settings *settings, struct question *question, enum policy_verdict *ret_verdict)
{
    CLEANUP(text_done) struct text out = TEXT(EXPLANATION_BYTES);
    struct policy *policy = NULL;
    struct identity *identity = NULL;
    int result = settings->policies ? policy_new(settings->policy, settings->policies, &policy) : 0;
    if (result == 0)
        result = make_identity(settings, question, &identity);
    if (result == 0) {
        struct policy_caller caller = make_caller(settings, question, identity);
        *ret_verdict = policy_explain(policy, &caller, question->kind, span_of(question->name), question->file, &out);
        (void)printf("%.*s", SPAN_PRINT(text_span(&out)));
    }
    identity_unref(identity);
    policy_free(policy);
    return result;
}

static int explain_file(struct question *question, enum policy_verdict *ret_verdict)
{
    CLEANUP(text_done) struct text mistakes = TEXT(CONFIG_MISTAKES_BYTES);
    struct settings *settings = NULL;
    int result = config_load(question->file, NULL, &settings, &mistakes);
    (void)fprintf(stderr, "%.*s", SPAN_PRINT(text_span(&mistakes)));
    if (result == 0)
        result = explain(settings, question, ret_verdict);
    config_free(settings);
    return result;
}

int explain_command(int argc, char **argv)
{
    struct question question = {.scopes = 0};
    enum policy_verdict verdict = POLICY_HIDDEN;
    read_arguments(&question, argc, argv);
    if (question.wrong) {
        (void)fprintf(stderr,
                      "usage: weir explain FILE [--key NAME | --subject S --issuer I] [--proof P] [--scope S]... "
                      "[--endpoint PATH] --tool NAME | --resource URI | --template TEXT | --prompt NAME\n");
        return EXIT_USAGE;
    }
    int result = explain_file(&question, &verdict);
    if (result < 0)
        (void)fprintf(stderr, "weir explain: %s\n", strerror(-result));
    if (result != 0)
        return EXIT_USAGE;
    return verdict == POLICY_ALLOWED ? EXIT_DONE : EXIT_DENIED;
}
