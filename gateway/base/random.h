/* Unpredictable bytes from the kernel (getrandom(2)). Any thread. */
#pragma once
#include "gateway/base/defs.h"

/* 0 or -errno. Never partial. */
MUST_USE int random_bytes(void *out, size_t size);
/* 128 random bits as 32 lower-case hexadecimal digits and a NUL: session, task and request-state ids. 0 or -errno. */
enum { RANDOM_ID_BYTES = 33 };
MUST_USE int random_id(char out[RANDOM_ID_BYTES]);
