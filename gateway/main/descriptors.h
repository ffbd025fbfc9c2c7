/* What the process's limit of descriptors makes of the limits of a configuration (limits/descriptors.h). Main thread.
 */
#pragma once
#include "gateway/base/text.h"
#include "gateway/core/settings.h"

/* Lowers max_connections, max_connections_per_ip and max_processes to what the hard limit allows, for serve has raised
   the soft one to it. (Streams and sessions have no descriptors of their own: a stream is a connection.) 0, or -EMFILE
   with a sentence in `problem`: not even one connection would be left. */
MUST_USE int descriptors_fit(struct settings *settings, struct text *problem);
/* One line in the log: the limit, and what became of the caps; a warning where one was lowered. */
void descriptors_log(const struct settings *settings);
/* The same for weir check, which must not refuse what another machine may serve: a sentence if a cap was lowered. */
void descriptors_add_note(const struct settings *settings, struct text *out);
