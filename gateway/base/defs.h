/* What every file may lean on: attributes, ownership helpers, small arithmetic. Nothing here allocates or fails. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/param.h> /* MIN, MAX */

/* Results, everywhere: negative (-errno) is fatal for the operation and travels up unchanged, 0 is fine, a positive
   value is the module's own outcome, which the caller must handle. Out-parameters are named ret_x and stay untouched
   unless the result is 0. */
#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED       __attribute__((unused))

#define ARRAY_SIZE(array)                   (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* A local that owns: CLEANUP(text_done) struct text out = ...; the function takes a pointer to the local. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* Hands a pointer over: the local is NULL afterwards, so its cleanup does nothing. */
#define TAKE(pointer)                                                                                                  \
    ({                                                                                                                 \
        __typeof__(pointer) take_value = (pointer);                                                                    \
        (pointer) = NULL;                                                                                              \
        take_value;                                                                                                    \
    })

static inline void cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}
#define CLEANUP_FREE CLEANUP(cleanup_free)

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)
