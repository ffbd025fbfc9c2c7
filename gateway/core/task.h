/* Tasks: calls whose client polls for the result (extension io.modelcontextprotocol/tasks, SEP-2663). Kept in a bounded
   table until their time to live is over; any thread. */
#pragma once
#include "gateway/core/bridge.h"

struct task;
struct task_table;

enum { TASK_MAX_RESULT_BYTES = 4 * 1024 * 1024 };
#define TASK_MAX_TTL_MS (UINT64_C(31) * 24 * 3600 * 1000)

MUST_USE int task_table_new(struct task_table **ret_table);
/* No reactor runs any more. Takes NULL. */
void task_table_free(struct task_table *table);
/* Takes it out of the table and cancels its call. On the call's reactor. */
void task_forget(struct task *task);
/* Ends what has outlived its ttl. */
void task_table_sweep(struct gateway *gateway);

/* A working task for a call, in the table, so that tasks/get finds it from now on. Charges QUOTA_TASKS. 0 with a
   reference, QUOTA_REFUSED, or -errno. ttl_ms is cut at TASK_MAX_TTL_MS; poll_ms 0: not said. */
MUST_USE int task_new(struct gateway *gateway, struct call *call, uint64_t ttl_ms, uint64_t poll_ms,
                      struct task **ret_task);
void task_unref(struct task *task); /* NULL is fine */

/* What its call has to say. All are ignored once the task has ended. task_ask: 0, or -ENOMEM or -EMSGSIZE
   (BRIDGE_MAX_INPUT_BYTES): nothing has changed then. */
void task_complete(struct task *task, struct span result);
void task_fail(struct task *task, int code, struct span message, struct span data);
MUST_USE int task_ask(struct task *task, struct span requests);
/* The Task object: id, status, times ... */
void task_add_state(struct text *out, struct task *task);

/* The methods tasks/get, tasks/update and tasks/cancel. On the exchange's reactor. */
void task_get(struct exchange *exchange);
void task_update(struct exchange *exchange);
void task_cancel(struct exchange *exchange);
