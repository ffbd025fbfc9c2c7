/* Lines of one reactor, gathered in one turn of its loop and written together to the log's descriptor: a line per
   request would else be a system call per request. Bounded: when whoever reads the log does not keep up, lines are
   dropped and counted, and the reactor goes on. The reactor's thread. */
#pragma once
#include <uv.h>

#include "gateway/base/log.h"

struct log_buffer;
struct counters;

/* `counters` (borrowed) has COUNTER_LOG_LINES_DROPPED. 0 or -errno. */
MUST_USE int log_buffer_new(uv_loop_t *loop, struct counters *counters, struct log_buffer **ret_buffer);
/* Writes what is left, and closes; the memory is freed by a further run of the loop. NULL is fine. */
void log_buffer_close(struct log_buffer *buffer);

/* One line with the fields of log_write(), if that level is logged at all. */
void log_buffer_add(struct log_buffer *buffer, enum log_level level, const char *event, const struct log_field *fields,
                    size_t count);
/* Before the end of the turn. */
void log_buffer_flush(struct log_buffer *buffer);
