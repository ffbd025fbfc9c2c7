/* The interface of weir handler modules: shared objects that bring tools, resources, prompts and completions into the
   gateway. This file needs libc only. gateway/providers/README.md is "write a handler in ten minutes"; its example is
   tests/fixtures/example/example.c.

   A module exports one object:

       WEIR_MODULE_EXPORT const struct weir_module weir_module = {
           .version = WEIR_MODULE_VERSION, .name = "weather", .start = start, .stop = stop };

   Handlers are written once, in the shape of multi round-trip requests (MCP 2026-07-28, basic/patterns/mrtr): a handler
   gets the arguments, the answers gathered so far and its own state, and answers exactly once per round with result(),
   fail() or need_input(). The gateway serves clients of every revision from that: a modern client gets `input_required`
   and calls again, a legacy client is asked over its session.

   Every text is UTF-8 with an explicit size. What the gateway hands out lives until the round is answered. What the
   module hands in is copied before the function returns. */
#ifndef WEIR_MODULE_H
#define WEIR_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_MODULE_VERSION 1
#define WEIR_MODULE_EXPORT  __attribute__((visibility("default")))

struct weir_host; /* the gateway as one module instance sees it */
struct weir_call; /* one round of one call */

/* Bytes with their size; at == NULL: absent. */
struct weir_text {
    const char *at;
    size_t size;
};

enum weir_mode {
    WEIR_INLINE, /* runs on the gateway's event loop: must return within microseconds and must not block */
    WEIR_WORKER, /* runs on a worker thread: may block, sleep, compute; `limits.workers` bounds how many at once */
};

enum weir_flags {
    WEIR_TASK_REQUIRED = 1 << 0, /* tools: callable only by clients with the tasks extension; others get -32021 */
    WEIR_UNLISTED = 1 << 1,      /* callable by name, but not in the list */
};

typedef void weir_handler(struct weir_call *call, void *user);

/* Every definition is copied. `more` is a JSON object with further members of the definition as the client shall see
   them: title, icons, annotations, outputSchema, _meta, mimeType, size ...; NULL for none. */
struct weir_tool {
    const char *name; /* 1-128 of A-Z a-z 0-9 _ - . */
    const char *description;
    const char *input_schema; /* JSON Schema 2020-12 of type object; NULL: {"type":"object"}. Arguments are checked
                                 against it before run() is called. */
    const char *more;
    enum weir_mode mode;
    unsigned flags;
    weir_handler *run;
    void *user;
};

struct weir_resource {
    const char *uri; /* a URI, or with `is_template` an RFC 6570 template such as note://{id}/text */
    bool is_template;
    const char *name;
    const char *description;
    const char *mime_type; /* NULL: not said */
    const char *more;
    enum weir_mode mode;
    unsigned flags;
    weir_handler *read;
    weir_handler *complete; /* completion of template variables; NULL: none */
    void *user;
};

struct weir_prompt {
    const char *name;
    const char *description;
    const char
        *arguments; /* JSON array of {name, title?, description?, required?}; NULL: none. Required ones are checked. */
    const char *more;
    enum weir_mode mode;
    unsigned flags;
    weir_handler *get;
    weir_handler *complete; /* completion of argument values; NULL: none */
    void *user;
};

enum weir_capability { /* what the client of this call declared */
                       WEIR_SAMPLING,
                       WEIR_ELICITATION,
                       WEIR_ELICITATION_URL,
                       WEIR_ROOTS,
                       WEIR_TASKS,
};

/* Of who calls. The proof: "anonymous", "local", "certificate", "api_key", "jwt" or "introspection". The subject: the
   name of a key, the sub of a token, the name of a certificate, "" if anonymous. The others are a token's. */
enum weir_caller_fact { WEIR_CALLER_PROOF, WEIR_CALLER_SUBJECT, WEIR_CALLER_ISSUER, WEIR_CALLER_CLIENT_ID };

enum weir_log_level { /* RFC 5424, as MCP names them */
                      WEIR_LOG_DEBUG,
                      WEIR_LOG_INFO,
                      WEIR_LOG_NOTICE,
                      WEIR_LOG_WARNING,
                      WEIR_LOG_ERROR,
                      WEIR_LOG_CRITICAL,
                      WEIR_LOG_ALERT,
                      WEIR_LOG_EMERGENCY,
};

/* What the gateway offers. Functions that return int: 0, or a negative errno. All may be called from any thread. */
struct weir_api {
    size_t size; /* sizeof of the gateway's struct: later members exist if they lie within */

    /* --- registration: in start(), or at any later time. A later change shows after publish(). --- */
    /* On failure the reason is in the gateway's log, and returned by problem(). -EEXIST: the name is taken; -EINVAL. */
    int (*add_tool)(struct weir_host *host, const struct weir_tool *tool);
    int (*add_resource)(struct weir_host *host, const struct weir_resource *resource);
    int (*add_prompt)(struct weir_host *host, const struct weir_prompt *prompt);
    /* By name (tools, prompts) or URI (resources, templates). -ENOENT. */
    int (*remove_tool)(struct weir_host *host, const char *name);
    int (*remove_resource)(struct weir_host *host, const char *uri);
    int (*remove_prompt)(struct weir_host *host, const char *name);
    /* Puts all changes since the last publish() before the clients, in one step, and tells those who subscribed.
       Without a change, the kinds in `announce` (WEIR_TOOLS | WEIR_PROMPTS | WEIR_RESOURCES) are announced all the
       same. */
    int (*publish)(struct weir_host *host, unsigned announce);
    /* Tells the subscribers of `uri` that it changed. */
    int (*resource_updated)(struct weir_host *host, const char *uri);
    const char *(*problem)(struct weir_host *host);

    /* --- what a handler is asked --- */
    struct weir_text (*name)(
        struct weir_call *call); /* tool or prompt name; for resources the URI that was asked for */
    struct weir_text (*arguments)(
        struct weir_call *call); /* JSON object, "{}" when none came; prompts: string values */
    /* One member of the arguments as JSON; absent if not there. */
    struct weir_text (*argument)(struct weir_call *call, const char *member);
    /* The same, decoded, if it is a string; absent otherwise. */
    struct weir_text (*argument_string)(struct weir_call *call, const char *member);
    struct weir_text (*variable)(struct weir_call *call,
                                 const char *name); /* of a matched resource template, decoded */
    struct weir_text (*input)(struct weir_call *call,
                              const char *key);         /* the client's answer to need_input's `key`, JSON */
    struct weir_text (*inputs)(struct weir_call *call); /* all of them, a JSON object */
    struct weir_text (*state)(struct weir_call *call);  /* what the last round's need_input() gave */
    bool (*client_can)(struct weir_call *call, enum weir_capability capability);
    bool (*cancelled)(
        struct weir_call *call); /* the client gave up, or time is over: stop soon; an answer is still owed */
    /* Completion: which argument is being completed, what is typed so far. context_arguments: those already chosen,
     * JSON object. */
    struct weir_text (*completing)(struct weir_call *call);
    struct weir_text (*completing_value)(struct weir_call *call);
    struct weir_text (*context_arguments)(struct weir_call *call);

    /* --- answers: exactly one per round --- */
    /* `json` is the MCP result object of the method: CallToolResult, ReadResourceResult, GetPromptResult,
     * CompleteResult. */
    int (*result)(struct weir_call *call, const char *json, size_t size);
    /* A tool result with one text item; `is_error` sets isError (the model sees it; the call itself did not fail). */
    int (*result_text)(struct weir_call *call, const char *text, size_t size, bool is_error);
    /* A JSON-RPC error. `data`: JSON or NULL. Codes -32020..-32099 are the specification's own: use
     * missing_capability(). */
    int (*fail)(struct weir_call *call, int code, const char *message, const char *data);
    int (*missing_capability)(struct weir_call *call, enum weir_capability capability);
    /* Ends the round: the client is asked. `requests`: JSON object {key: {"method": "elicitation/create" |
       "sampling/createMessage" | "roots/list", "params": {...}}}. `state` comes back in the next round, sealed against
       tampering; may be empty. The handler is called again, with the answers, from its beginning. A client that cannot
       answer such a request makes the call fail with the error the specification wants: ask client_can() first where
       there is another way. */
    int (*need_input)(struct weir_call *call, const char *requests, const char *state, size_t state_size);

    /* --- while it runs --- */
    /* Dropped silently when the client did not ask for it, or when `progress` does not grow. total < 0: unknown;
     * message may be NULL. */
    int (*progress)(struct weir_call *call, double progress, double total, const char *message);
    /* `data` is JSON. Sent if the client asked for this level or a lower one. */
    int (*log)(struct weir_call *call, enum weir_log_level level, const char *logger, const char *data);
    /* From here on the call is a task (extension io.modelcontextprotocol/tasks): the client gets a task id at once and
       polls. -ENOTSUP: this client cannot; go on as an ordinary call. ttl_ms 0: the gateway's default. poll_ms 0: not
       said. */
    int (*task_start)(struct weir_call *call, uint64_t ttl_ms, uint64_t poll_ms);
    /* A handler that will answer after it has returned (from any thread) says so first. Then on_cancel, if given, is
       called once, on any thread, when the client gives up. */
    int (*hold)(struct weir_call *call, void (*on_cancel)(struct weir_call *call, void *user), void *user);
    /* Module-owned pointer of the instance, as start() set it. */
    void *(*instance)(struct weir_call *call);

    /* --- reading JSON that came with the call: arguments, inputs, the module's own state --- */
    /* A member of an object, as JSON; absent if there is none, or `json` is no object. */
    struct weir_text (*member)(struct weir_call *call, struct weir_text json, const char *name);
    /* A JSON string, decoded; absent if `json` is something else. */
    struct weir_text (*string)(struct weir_call *call, struct weir_text json);

    /* --- the call's trace (W3C Trace Context), for what the handler calls in its turn: this round is the parent there.
       Absent if it belongs to none. --- */
    struct weir_text (*trace_parent)(struct weir_call *call);
    struct weir_text (*trace_state)(struct weir_call *call);

    /* --- who calls, as the gateway has verified it; credentials themselves are never handed on. Whether he may call
       this at all is the policy's business (`policy` in weir.yaml), and has been judged. --- */
    struct weir_text (*caller)(struct weir_call *call, enum weir_caller_fact fact); /* absent: not known */
    bool (*caller_has_scope)(struct weir_call *call, const char *scope);
};

enum weir_announce { WEIR_TOOLS = 1 << 0, WEIR_PROMPTS = 1 << 1, WEIR_RESOURCES = 1 << 2 };

struct weir_module {
    uint32_t version; /* WEIR_MODULE_VERSION of this header */
    const char *name;
    /* Registers everything. `config`: the `config` of the module's row as JSON ("null" without one). 0, or anything
       else to be refused: then write one sentence that says what to do into `problem`. */
    int (*start)(const struct weir_api *api, struct weir_host *host, const char *config, void **ret_instance,
                 char *problem, size_t problem_size);
    /* No call is running any more and none will come. May be NULL. */
    void (*stop)(void *instance);
};

#ifdef __cplusplus
}
#endif
#endif
