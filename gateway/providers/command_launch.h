/* From the gateway to a program, without a moment in between that nobody guards. */
#pragma once
#include "gateway/providers/command_keeper.h"
#include "gateway/providers/command_process.h"

/* Starts the program with `stream` as its standard input, output and error; -1: nothing to read. All of them close on
   exec. Takes `place` (or NULL), which has the program's number before that is loaded and is free again on failure. 0,
   or -errno with nothing left. Any thread, which waits until the program is loaded; the end of that very thread ends
   the program. */
MUST_USE int command_launch(const struct command_process_plan *plan, const int stream[COMMAND_STREAMS],
                            command_place *place, pid_t *ret_id);
