/* Unpredictable bytes, straight from the kernel: no pool of our own that a fork or a core dump could share. Any thread;
   owns nothing. */
#include "gateway/base/random.h"

#include <errno.h>
#include <sys/random.h>

int random_bytes(void *out, size_t size)
{
    char *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
    return 0;
}

int random_id(char out[RANDOM_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[(RANDOM_ID_BYTES - 1) / 2];
    int result = random_bytes(bytes, sizeof(bytes));
    if (result < 0)
        return result;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[RANDOM_ID_BYTES - 1] = '\0';
    return 0;
}
