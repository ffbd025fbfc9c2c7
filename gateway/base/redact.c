/* Cuts secrets out of what is logged. Pure; the result lies in the caller's bytes. */
#include "gateway/base/redact.h"

#define MARK "\xe2\x80\xa6"

/* Where the authority begins: behind "://". The end of the URI if there is none. */
static size_t find_authority(struct span uri)
{
    const char *slashes = uri.size > 0 ? memmem(uri.at, uri.size, "://", 3) : NULL;
    return slashes ? (size_t)(slashes - uri.at) + 3 : uri.size;
}

/* The '@' that ends user information: the last one before the path. `from` if there is none. */
static size_t find_user_end(struct span uri, size_t from)
{
    size_t found = from;
    for (size_t i = from; i < uri.size && uri.at[i] != '/'; i++)
        if (uri.at[i] == '@')
            found = i;
    return found;
}

static size_t find_query(struct span uri)
{
    size_t i = 0;
    while (i < uri.size && uri.at[i] != '?' && uri.at[i] != '#')
        i++;
    return i;
}

static size_t put(char *out, size_t size, struct span bytes)
{
    if (bytes.size > 0)
        memcpy(out + size, bytes.at, bytes.size);
    return size + bytes.size;
}

struct span redact_uri(struct span uri, char out[REDACT_BYTES])
{
    size_t query = find_query(uri);
    struct span before = {uri.at, query};
    size_t authority = find_authority(before), user_end = find_user_end(before, authority);
    bool cut = query > REDACT_SHOWN_BYTES;
    if (query == uri.size && user_end == authority && !cut)
        return uri;
    size_t size = 0, limit = cut ? REDACT_SHOWN_BYTES : query;
    bool shows_host = user_end < limit;
    size = put(out, size, (struct span){uri.at, MIN(user_end > authority ? authority : limit, limit)});
    if (user_end > authority && shows_host) {
        size = put(out, size, SPAN(MARK));
        size = put(out, size, (struct span){uri.at + user_end, limit - user_end});
    }
    cut |= user_end > authority && !shows_host;
    if (!cut && query < uri.size)
        size = put(out, size, (struct span){uri.at + query, 1});
    if (cut || query < uri.size)
        size = put(out, size, SPAN(MARK));
    return (struct span){out, size};
}
