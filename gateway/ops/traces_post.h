/* Posting to a collector, with libcurl. One thread. */
#pragma once
#include "gateway/base/text.h"
#include "gateway/core/settings.h"

struct traces_post;

/* The settings' texts are borrowed until traces_post_free(). 0 or -ENOMEM. */
MUST_USE int traces_post_new(const struct trace_settings *settings, struct traces_post **ret_post);
void traces_post_free(struct traces_post *post); /* takes NULL */

enum traces_answer {
    TRACES_TAKEN,   /* *ret_rejected of the spans were not */
    TRACES_REFUSED, /* this batch will never be taken */
    TRACES_LATER,   /* *ret_wait_ms: what the collector asks for; 0: it says nothing */
};
/* Sends a body and waits for the answer, at most `timeout_ms`, or until `give_up(context)` says so (asked at least once
   a second). What went wrong is in traces_post_problem(). */
enum traces_answer traces_post_send(struct traces_post *post, struct span body, uint64_t timeout_ms,
                                    bool (*give_up)(void *context), void *context, uint64_t *ret_rejected,
                                    uint64_t *ret_wait_ms);
const char *traces_post_problem(const struct traces_post *post);
