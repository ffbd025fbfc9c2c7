/* The process of one command call, as a small machine on the reactor's loop:

       start ─▶ RUNNING ──exit──────────────────────────▶ reaped ─▶ handles closed ─▶ freed
                   └─ timeout, cancel, too much output ─▶ ENDING (answered; TERM, then KILL) ─exit─▶ reaped …

   The round is answered on leaving RUNNING. Owns the descriptors, the handles, one reference to the call until the
   answer and one to the provider. */
#include "gateway/providers/command_run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/mcp/errors.h"
#include "gateway/mcp/json.h"
#include "gateway/providers/command_cpu.h"
#include "gateway/providers/command_process.h"

enum {
    READ_BYTES = 16 * 1024,
    READS_PER_TURN = 16,   /* then other connections get their turn */
    READS_AFTER_EXIT = 64, /* 1 MiB: what a pipe can hold at most without privileges */
    MESSAGE_BYTES = 1024,  /* of ours, before what is quoted */
    OUTPUT_MAX_DEPTH = JSON_DEPTH_DEFAULT,
};

enum run_state {
    RUN_RUNNING, /* the round is open */
    RUN_ENDING,  /* answered; the group has its signal */
    RUN_REAPED,  /* the process is gone; handles are closing */
};

/* What is watched: the standard streams by their numbers, then the process itself. */
enum watched { STREAM_INPUT, STREAM_OUTPUT, STREAM_ERROR, PROCESS, WATCHED };

struct watch {
    uv_poll_t poll;
    int fd; /* -1: closed */
};

struct command_run {
    struct provider *provider; /* counted */
    const char *name;          /* the provider's */
    struct call *call;         /* counted; NULL once answered */
    struct reactor *reactor;
    enum run_state state;
    unsigned handles; /* open or closing */
    struct command_process process;
    uv_timer_t timer;
    uv_timer_t cpu_timer; /* until the next look at what it uses */
    struct command_cpu cpu;
    bool stopped; /* it waits for CPU time */
    struct watch watch[WATCHED];
    bool json_output;
    uint64_t timeout_ms;
    size_t sent; /* of the arguments, to standard input */
    struct text output;
    char errors[COMMAND_MAX_ERROR_BYTES];
    size_t error_bytes;
    bool errors_cut; /* the beginning is lost */
};

static struct gateway *gateway_of(const struct command_run *run)
{
    return reactor_gateway(run->reactor);
}

/* ---- ending -------------------------------------------------------------------------------------------------------
 */

static void run_free(struct command_run *run)
{
    text_done(&run->output);
    provider_unref(run->provider);
    free(run);
}

static void handle_closed(uv_handle_t *handle)
{
    struct command_run *run = handle->data;
    if (--run->handles == 0)
        run_free(run);
}

static void close_handle(struct command_run *run, uv_handle_t *handle)
{
    handle->data = run;
    if (!uv_is_closing(handle))
        uv_close(handle, handle_closed);
}

static void unwatch(struct command_run *run, enum watched which)
{
    struct watch *end = &run->watch[which];
    if (end->fd < 0)
        return;
    uv_poll_stop(&end->poll);
    close_handle(run, (uv_handle_t *)&end->poll);
    close(end->fd);
    end->fd = -1;
}

static void close_streams(struct command_run *run)
{
    for (unsigned which = 0; which < PROCESS; which++)
        unwatch(run, which);
}

/* ---- answering ----------------------------------------------------------------------------------------------------
 */

/* Each of these is called once, in state RUNNING. */
static struct call *take_call(struct command_run *run)
{
    call_set_provider_data(run->call, NULL);
    return TAKE(run->call);
}

static void answered(struct call *call, const char *name, int r)
{
    if (r < 0)
        log_error("command_answer_lost", LOG_TEXT("command", name), LOG_NUMBER("error", -r));
    call_unref(call);
}

static void answer_error(struct command_run *run, enum error_name error, struct span message)
{
    struct call *call = take_call(run);
    answered(call, run->name, call_refuse(call, error, message));
}

static void answer_no_memory(struct command_run *run)
{
    answer_error(run, ERROR_HANDLER, SPAN("The gateway is out of memory"));
}

static void answer_json(struct command_run *run, struct text *json)
{
    char *bytes = NULL;
    size_t size = 0;
    if (text_take(json, &bytes, &size) < 0) {
        answer_no_memory(run);
        return;
    }
    struct call *call = take_call(run);
    answered(call, run->name, call_result_trusted(call, bytes, size));
}

/* Escapes make six bytes of one at most; the output may stand there twice. */
static struct text result_text(const struct command_run *run)
{
    return TEXT(8 * (run->output.max_bytes + COMMAND_MAX_ERROR_BYTES + MESSAGE_BYTES));
}

static void add_item(struct text *json, struct span text)
{
    text_add_literal(json, "{\"type\":\"text\",\"text\":");
    text_add_json_string(json, text);
    text_add_char(json, '}');
}

/* The last lines of standard error; a first line that lost its beginning is not shown. */
static struct span last_errors(const struct command_run *run)
{
    const char *end = run->errors + run->error_bytes, *start;
    unsigned lines = 0;
    while (end > run->errors && (end[-1] == '\n' || end[-1] == '\r'))
        end--;
    for (start = end; start > run->errors; start--)
        if (start[-1] == '\n' && ++lines == COMMAND_MAX_ERROR_LINES)
            break;
    if (start == run->errors && run->errors_cut) {
        const char *next = memchr(start, '\n', (size_t)(end - start));
        start = next ? next + 1 : start;
    }
    return (struct span){start, (size_t)(end - start)};
}

/* A result the model can see and react to: what went wrong, standard error's end, and what was printed. */
static void answer_failure(struct command_run *run, struct span message)
{
    struct text json = result_text(run), said = TEXT(MESSAGE_BYTES + COMMAND_MAX_ERROR_BYTES);
    struct span errors = last_errors(run);
    text_add(&said, message);
    if (errors.size > 0) {
        text_add_char(&said, '\n');
        text_add(&said, errors);
    }
    text_add_literal(&json, "{\"content\":[");
    add_item(&json, text_span(&said));
    if (run->output.size > 0) {
        text_add_char(&json, ',');
        add_item(&json, text_span(&run->output));
    }
    text_add_literal(&json, "],\"isError\":true}");
    text_done(&said);
    answer_json(run, &json);
}

static void answer_failuref(struct command_run *run, const char *format, ...) PRINTF(2, 3);
static void answer_failuref(struct command_run *run, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    answer_failure(run, (struct span){message, MIN((size_t)MAX(length, 0), sizeof(message) - 1)});
}

/* Valid JSON that is an object: clients of the legacy era know no other structuredContent. Line ends, which can only
   stand between its tokens, would cut the message on line-wise transports. */
static void add_structured(struct text *json, struct span output)
{
    struct span rest = output;
    if (output.at[strspn(output.at, " \t\r\n")] != '{')
        return;
    text_add_literal(json, ",\"structuredContent\":");
    while (!span_absent(rest)) {
        struct span line = span_cut(&rest, '\n');
        while (!span_absent(line))
            text_add(json, span_cut(&line, '\r'));
    }
}

static void answer_output(struct command_run *run)
{
    struct text json = result_text(run);
    int outcome = run->json_output ? json_check(text_span(&run->output), OUTPUT_MAX_DEPTH) : 0;
    if (outcome != 0) {
        answer_failuref(run, "%s: standard output is not JSON: %s", run->name, json_reason(outcome));
        return;
    }
    text_add_literal(&json, "{\"content\":[");
    add_item(&json, text_span(&run->output));
    text_add_char(&json, ']');
    if (run->json_output)
        add_structured(&json, text_span(&run->output));
    text_add_char(&json, '}');
    answer_json(run, &json);
}

static void answer_exit(struct command_run *run, int status, int signal_number)
{
    if (signal_number != 0)
        answer_failuref(run, "%s: ended by signal %d (%s)", run->name, signal_number, strsignal(signal_number));
    else if (status != 0)
        answer_failuref(run, "%s: exit status %d", run->name, status);
    else
        answer_output(run);
}

/* ---- signals and time ---------------------------------------------------------------------------------------------
 */

static void grace_is_over(uv_timer_t *timer)
{
    command_process_signal(&CONTAINER_OF(timer, struct command_run, timer)->process, SIGKILL);
}

/* The round has its answer. */
static void end_group(struct command_run *run)
{
    run->state = RUN_ENDING;
    uv_timer_stop(&run->cpu_timer);
    close_streams(run);
    if (gateway_phase(gateway_of(run)) >= GATEWAY_DRAINING) {
        uv_timer_stop(&run->timer);
        command_process_signal(&run->process, SIGKILL);
    } else {
        uv_timer_start(&run->timer, grace_is_over, COMMAND_KILL_GRACE_MS, 0);
        command_process_signal(&run->process, SIGTERM);
        if (run->stopped)
            command_process_signal(&run->process, SIGCONT); /* or it would not hear of it */
    }
}

static void time_is_over(uv_timer_t *timer)
{
    struct command_run *run = CONTAINER_OF(timer, struct command_run, timer);
    counter_add(reactor_counters(run->reactor), COUNTER_TIMEOUT_COMMAND, 1);
    answer_failuref(run, "%s: timed out after %llu ms", run->name, (unsigned long long)run->timeout_ms);
    end_group(run);
}

/* ---- CPU time -----------------------------------------------------------------------------------------------------
 */

static void hold(struct command_run *run, bool stop)
{
    if (run->stopped == stop)
        return;
    run->stopped = stop;
    command_process_signal(&run->process, stop ? SIGSTOP : SIGCONT);
    if (stop)
        counter_add(reactor_counters(run->reactor), COUNTER_CPU_THROTTLED, 1);
}

static void look_at_cpu(uv_timer_t *timer)
{
    struct command_run *run = CONTAINER_OF(timer, struct command_run, cpu_timer);
    uint64_t next_ms = 0, used_ns = command_cpu_used_ns(run->process.id);
    enum command_cpu_verdict verdict = command_cpu_look(&run->cpu, used_ns, clock_now_ns(), &next_ms);
    if (verdict == COMMAND_CPU_END) {
        counter_add(reactor_counters(run->reactor), COUNTER_CPU_ENDED, 1);
        answer_failuref(run, "%s: used %llu ms of CPU, more than limits.cpu_per_second allows for its time limit",
                        run->name, (unsigned long long)(used_ns / 1000000));
        end_group(run);
        return;
    }
    hold(run, verdict == COMMAND_CPU_STOP);
    uv_timer_start(timer, look_at_cpu, next_ms, 0);
}

void command_run_cancel(struct command_run *run)
{
    if (run->state != RUN_RUNNING)
        return;
    answer_error(run, ERROR_CANCELLED, SPAN("Cancelled"));
    end_group(run);
}

/* ---- streams ------------------------------------------------------------------------------------------------------
 */

static void keep_errors(struct command_run *run, const char *bytes, size_t size)
{
    size_t keep = MIN(run->error_bytes, size < sizeof(run->errors) ? sizeof(run->errors) - size : 0);
    if (size > sizeof(run->errors)) {
        bytes += size - sizeof(run->errors);
        size = sizeof(run->errors);
        run->errors_cut = true;
    }
    run->errors_cut |= keep < run->error_bytes;
    memmove(run->errors, run->errors + run->error_bytes - keep, keep);
    memcpy(run->errors + keep, bytes, size);
    run->error_bytes = keep + size;
}

enum { READ_MORE, READ_LATER, READ_END, READ_OVERFLOW };

static int read_once(struct command_run *run, enum watched which)
{
    char bytes[READ_BYTES];
    ssize_t got = read(run->watch[which].fd, bytes, sizeof(bytes));
    if (got < 0)
        return errno == EINTR ? READ_MORE : errno == EAGAIN ? READ_LATER : READ_END;
    if (got == 0)
        return READ_END;
    if (which == STREAM_ERROR)
        keep_errors(run, bytes, (size_t)got);
    else
        text_add(&run->output, (struct span){bytes, (size_t)got});
    return which == STREAM_OUTPUT && run->output.error ? READ_OVERFLOW : READ_MORE;
}

static int read_stream(struct command_run *run, enum watched which, unsigned reads)
{
    int outcome = READ_MORE;
    while (outcome == READ_MORE && reads-- > 0)
        outcome = read_once(run, which);
    return outcome;
}

/* In state RUNNING, or when the process is gone and had not been answered for. */
static void answer_overflow(struct command_run *run)
{
    if (run->output.error == -ENOMEM) {
        answer_no_memory(run);
        return;
    }
    counter_add(reactor_counters(run->reactor), COUNTER_COMMAND_OUTPUT, 1);
    answer_failuref(run, "%s: more than max_output (%zu bytes) on standard output", run->name, run->output.max_bytes);
}

static void readable(struct command_run *run, enum watched which, int status)
{
    int outcome = read_stream(run, which, READS_PER_TURN);
    if (outcome == READ_OVERFLOW) {
        answer_overflow(run);
        end_group(run);
    } else if (outcome == READ_END || status < 0) {
        unwatch(run, which);
    }
}

static void output_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    readable(CONTAINER_OF(poll, struct command_run, watch[STREAM_OUTPUT].poll), STREAM_OUTPUT, status);
}

static void errors_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    readable(CONTAINER_OF(poll, struct command_run, watch[STREAM_ERROR].poll), STREAM_ERROR, status);
}

/* The arguments' bytes are the request's, which lives until the answer; with the answer the stream is closed. */
static void input_writable(uv_poll_t *poll, int status, int events)
{
    struct command_run *run = CONTAINER_OF(poll, struct command_run, watch[STREAM_INPUT].poll);
    struct span arguments = call_request(run->call)->arguments;
    ssize_t sent = 0;
    (void)events;
    while (status == 0 && run->sent < arguments.size) {
        sent = write(run->watch[STREAM_INPUT].fd, arguments.at + run->sent, arguments.size - run->sent);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0 && errno != EINTR)
            break; /* EPIPE: the program does not read; that is its affair */
        run->sent += sent > 0 ? (size_t)sent : 0;
    }
    unwatch(run, STREAM_INPUT);
}

/* ---- the process --------------------------------------------------------------------------------------------------
 */

/* What it had written stands in the pipes; nobody else of its group may keep them open. */
static void answer_after_exit(struct command_run *run, int status, int signal_number)
{
    int outcome = READ_END;
    if (run->watch[STREAM_OUTPUT].fd >= 0)
        outcome = read_stream(run, STREAM_OUTPUT, UINT32_MAX); /* ends at max_output at the latest */
    if (run->watch[STREAM_ERROR].fd >= 0)
        (void)read_stream(run, STREAM_ERROR, READS_AFTER_EXIT);
    if (outcome == READ_OVERFLOW)
        answer_overflow(run);
    else
        answer_exit(run, status, signal_number);
}

/* The pidfd is readable: the process has ended and is not yet reaped, so its number is still its own. */
static void process_ended(uv_poll_t *poll, int status, int events)
{
    struct command_run *run = CONTAINER_OF(poll, struct command_run, watch[PROCESS].poll);
    int exit_status, signal_number;
    (void)status;
    (void)events;
    command_process_signal(&run->process, SIGKILL);
    command_process_reap(&run->process, &exit_status, &signal_number);
    quota_give(&gateway_of(run)->quotas, QUOTA_PROCESSES, 1);
    if (run->state == RUN_RUNNING)
        answer_after_exit(run, exit_status, signal_number);
    run->state = RUN_REAPED;
    close_streams(run);
    unwatch(run, PROCESS);
    close_handle(run, (uv_handle_t *)&run->timer);
    close_handle(run, (uv_handle_t *)&run->cpu_timer);
}

/* ---- starting -----------------------------------------------------------------------------------------------------
 */

/* Takes `fd` when watch[which].fd is set afterwards. */
static int watch(struct command_run *run, enum watched which, int fd, int events, uv_poll_cb callback)
{
    struct watch *watched = &run->watch[which];
    int r = uv_poll_init(reactor_loop(run->reactor), &watched->poll, fd);
    if (r < 0)
        return r;
    run->handles++;
    watched->fd = fd;
    return uv_poll_start(&watched->poll, events, callback);
}

/* Takes all of them, whatever becomes of one. */
static int watch_streams(struct command_run *run)
{
    static const uv_poll_cb callbacks[PROCESS] = {input_writable, output_readable, errors_readable};
    int result = 0;
    for (unsigned which = 0; which < PROCESS; which++) {
        int fd = run->process.stream[which], events = which == STREAM_INPUT ? UV_WRITABLE : UV_READABLE;
        int r = fd < 0 ? 0 : watch(run, which, fd, events, callbacks[which]);
        if (fd >= 0 && run->watch[which].fd < 0)
            close(fd);
        result = result < 0 ? result : r;
    }
    return result;
}

static void answer_spawn_failure(struct command_run *run, int r)
{
    char message[MESSAGE_BYTES];
    bool passing = r == UV_EAGAIN || r == UV_ENOMEM || r == UV_EMFILE || r == UV_ENFILE;
    if (r == UV_E2BIG) {
        answer_failuref(run, "%s: the arguments are too long for a program", run->name);
        return;
    }
    log_error("command_not_started", LOG_TEXT("command", run->name), LOG_TEXT("error", uv_strerror(r)));
    int length =
        snprintf(message, sizeof(message), "%s: the program could not be started: %s", run->name, uv_strerror(r));
    answer_error(run, passing ? ERROR_OVER_CAPACITY : ERROR_HANDLER,
                 (struct span){message, MIN((size_t)MAX(length, 0), sizeof(message) - 1)});
}

static void start_timer(struct command_run *run)
{
    uv_loop_t *loop = reactor_loop(run->reactor);
    uv_update_time(loop); /* loading the program took a while */
    uv_timer_init(loop, &run->timer);
    run->handles++;
    uv_timer_start(&run->timer, time_is_over, run->timeout_ms, 0);
    uv_timer_init(loop, &run->cpu_timer);
    run->handles++;
    if (run->cpu.per_second_ns > 0)
        uv_timer_start(&run->cpu_timer, look_at_cpu, COMMAND_FIRST_LOOK_MS, 0);
}

/* The loop cannot watch for its end: it is ended at once, and waited for here. */
static void end_unwatched(struct command_run *run)
{
    int status, signal_number;
    command_process_signal(&run->process, SIGKILL);
    command_process_reap(&run->process, &status, &signal_number);
    if (run->watch[PROCESS].fd < 0)
        close(run->process.pidfd);
    unwatch(run, PROCESS);
    for (unsigned which = 0; which < PROCESS; which++)
        if (run->process.stream[which] >= 0)
            close(run->process.stream[which]);
}

/* 0, or a reason why nothing runs. */
static int launch(struct command_run *run, const struct command_run_plan *plan)
{
    const struct command_process_plan program = {
        .arguments = plan->arguments,
        .environment = plan->environment,
        .directory = plan->directory,
        .input = plan->json_stdin,
        .max_memory = plan->max_memory,
        .keeper = gateway_of(run)->keeper,
    };
    int r = command_process_start(&program, &run->process);
    if (r < 0)
        return r;
    r = watch(run, PROCESS, run->process.pidfd, UV_READABLE, process_ended);
    if (r < 0) {
        end_unwatched(run);
        return r;
    }
    start_timer(run);
    r = watch_streams(run);
    if (r < 0) {
        answer_spawn_failure(run, r);
        end_group(run);
    }
    return 0;
}

static struct command_run *run_new(const struct command_run_plan *plan, struct call *call)
{
    struct command_run *run = calloc(1, sizeof(*run));
    if (!run)
        return NULL;
    run->provider = provider_ref(plan->provider);
    run->name = plan->name;
    run->call = call_ref(call);
    run->reactor = call_reactor(call);
    run->json_output = plan->json_output;
    run->timeout_ms = plan->timeout_ms;
    command_cpu_init(&run->cpu, plan->cpu_per_second_ms, plan->timeout_ms, clock_now_ns());
    run->output = TEXT(plan->max_output);
    for (unsigned which = 0; which < WATCHED; which++)
        run->watch[which].fd = -1;
    call_set_provider_data(call, run);
    return run;
}

static void refuse(struct call *call, const char *name, enum error_name error, struct span message)
{
    answered(call_ref(call), name, call_refuse(call, error, message));
}

static void refuse_process(struct call *call, const char *name)
{
    CLEANUP(text_done) struct text message = TEXT(MESSAGE_BYTES);
    counter_add(reactor_counters(call_reactor(call)), COUNTER_REFUSED_PROCESS, 1);
    text_addf(&message, "Too many programs are running: try again later, or raise %s", quota_option(QUOTA_PROCESSES));
    refuse(call, name, ERROR_OVER_CAPACITY, text_span(&message));
}

void command_run_start(const struct command_run_plan *plan, struct call *call)
{
    struct quotas *quotas = &reactor_gateway(call_reactor(call))->quotas;
    if (quota_take(quotas, QUOTA_PROCESSES, 1) != 0) {
        refuse_process(call, plan->name);
        return;
    }
    struct command_run *run = run_new(plan, call);
    int r = run ? launch(run, plan) : -ENOMEM;
    if (r == 0)
        return;
    quota_give(quotas, QUOTA_PROCESSES, 1);
    if (!run) {
        refuse(call, plan->name, ERROR_HANDLER, SPAN("The gateway is out of memory"));
        return;
    }
    answer_spawn_failure(run, r);
    if (run->handles == 0) /* else it is freed when they have closed */
        run_free(run);
}
