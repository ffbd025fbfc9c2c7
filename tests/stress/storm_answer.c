/* Where an answer ends, and what it says: HTTP (by length or in chunks), lines, and frames of a WebSocket. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/stress/storm.h"

enum { FIRST_ROOM = 4096, MAX_ROOM = 64 * 1024 * 1024, ERROR_LOOK = 512 };

static bool make_room(struct answer *answer)
{
    if (answer->room - answer->have > FIRST_ROOM / 2)
        return true;
    size_t room = MAX((size_t)FIRST_ROOM, answer->room * 2);
    char *bytes = room <= MAX_ROOM ? realloc(answer->bytes, room) : NULL;
    if (!bytes)
        generator_fail("an answer is too large");
    answer->bytes = bytes;
    answer->room = room;
    return true;
}

bool answer_read(struct answer *answer, int fd)
{
    while (make_room(answer)) {
        ssize_t got = read(fd, answer->bytes + answer->have, answer->room - answer->have - 1);
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        answer->have += (size_t)got;
        answer->bytes[answer->have] = '\0';
        if (answer->have + 1 < answer->room)
            return true;
    }
    return true;
}

/* The code of a JSON-RPC error that stands in the answer, or 200. Our answers have it near the front, after the id. */
static int error_in(const char *bytes, size_t size)
{
    static const char wanted[] = "\"error\":{\"code\":";
    const char *found = memmem(bytes, MIN(size, (size_t)ERROR_LOOK), wanted, sizeof(wanted) - 1);
    return found ? (int)strtol(found + sizeof(wanted) - 1, NULL, 10) : 200;
}

static size_t whole_http(const struct answer *answer, int *ret_status)
{
    const char *end = memmem(answer->bytes, answer->have, "\r\n\r\n", 4), *field;
    if (!end)
        return 0;
    size_t head = (size_t)(end + 4 - answer->bytes), size;
    int status = answer->have > 12 ? (int)strtol(answer->bytes + 9, NULL, 10) : 0;
    if ((field = strcasestr(answer->bytes, "\r\ncontent-length:")) && field < end) {
        size = head + strtoull(field + 17, NULL, 10);
    } else if ((field = strcasestr(answer->bytes, "\r\ntransfer-encoding: chunked")) && field < end) {
        field = memmem(end, answer->have - head + 4, "\r\n0\r\n\r\n", 7);
        size = field ? (size_t)(field + 7 - answer->bytes) : answer->have + 1;
    } else {
        size = head;
    }
    if (size > answer->have)
        return 0;
    *ret_status = status == 200 ? error_in(end, size - head + 4) : status;
    return size;
}

static size_t whole_line(const struct answer *answer, int *ret_status)
{
    const char *end = memchr(answer->bytes, '\n', answer->have);
    if (!end)
        return 0;
    *ret_status = error_in(answer->bytes, (size_t)(end - answer->bytes));
    return (size_t)(end + 1 - answer->bytes);
}

static size_t whole_frame(const struct answer *answer, int *ret_status)
{
    const unsigned char *at = (const unsigned char *)answer->bytes;
    size_t head = 2, size;
    if (answer->have < 10 && (answer->have < 2 || answer->have < 2 + (size_t)(at[1] & 0x7f)))
        return 0;
    size = at[1] & 0x7f;
    if (size >= 126) {
        size_t more = size == 126 ? 2 : 8;
        size = 0;
        for (size_t i = 0; i < more; i++)
            size = size << 8 | at[2 + i];
        head += more;
    }
    if (answer->have < head + size)
        return 0;
    *ret_status = (at[0] & 0x0f) == 1 ? error_in(answer->bytes + head, size) : (int)(at[0] & 0x0f);
    return head + size;
}

size_t answer_whole(const struct answer *answer, enum framing framing, int *ret_status)
{
    if (answer->have == 0)
        return 0;
    switch (framing) {
    case FRAMING_LINES:
        return whole_line(answer, ret_status);
    case FRAMING_WEBSOCKET:
        return whole_frame(answer, ret_status);
    default:
        return whole_http(answer, ret_status);
    }
}
