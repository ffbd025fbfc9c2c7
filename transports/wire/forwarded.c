/* Reads the lists from their right ends, line by line. Quoted strings have no escapes here: no address needs one, and
   an entry that cannot be read ends the belief. Pure; owns nothing. */
#include "transports/wire/forwarded.h"

void forwarded_add(struct forwarded *forwarded, struct span name, struct span value)
{
    bool x = span_equal_nocase(name, SPAN("x-forwarded-for"));
    if (!x && !span_equal_nocase(name, SPAN("forwarded")))
        return;
    struct span *line = x ? forwarded->x_forwarded_for : forwarded->forwarded;
    size_t *count = x ? &forwarded->x_forwarded_fors : &forwarded->forwardeds;
    if (*count == FORWARDED_MAX_LINES)
        forwarded->beyond = true;
    else
        line[(*count)++] = value;
}

/* ---- one entry ---- */

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80" */
static int read_node(struct span node, struct address *ret_address)
{
    enum { MOST = ADDRESS_BYTES - 8 };
    char text[ADDRESS_BYTES];
    size_t size = node.size;
    if (size == 0 || size > MOST)
        return -1;
    bool bracketed = node.at[0] == '[', bare = !bracketed && memchr(node.at, ':', size) != memrchr(node.at, ':', size);
    bool port = bracketed ? node.at[size - 1] != ']' : !bare && memchr(node.at, ':', size);
    size_t at = 0;
    if (bare)
        text[at++] = '[';
    memcpy(text + at, node.at, size);
    at += size;
    if (bare)
        text[at++] = ']';
    if (!port) {
        text[at++] = ':';
        text[at++] = '0';
    }
    struct address address;
    if (address_parse((struct span){text, at}, &address) < 0 || address_is_local(&address)) /* "unix" is no node */
        return -1;
    *ret_address = address;
    return 0;
}

static struct span unquoted(struct span value)
{
    if (value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"')
        return (struct span){value.at + 1, value.size - 2};
    return value;
}

/* The `for` of "for=192.0.2.60;proto=http;by=203.0.113.43". */
static int read_element(struct span element, struct address *ret_address)
{
    struct span node = {NULL, 0};
    while (!span_absent(element)) {
        struct span value = span_trim(span_cut(&element, ';'));
        struct span name = span_cut(&value, '=');
        if (!span_equal_nocase(name, SPAN("for")))
            continue;
        if (!span_absent(node) || span_absent(value))
            return -1;
        node = unquoted(value);
    }
    return read_node(node, ret_address);
}

/* ---- the walk ---- */

struct walk {
    const struct span *line;
    size_t lines;     /* not read yet; the last of them in part: */
    struct span rest; /* absent: it has not been begun */
    unsigned entries;
};

/* The entry at the right end; false: there is none. A comma in quotes cuts, too: neither half can be read then. */
static bool next_entry(struct walk *walk, struct span *ret_entry)
{
    while (span_absent(walk->rest)) {
        if (walk->lines == 0)
            return false;
        walk->rest = walk->line[--walk->lines];
    }
    if (walk->entries++ == FORWARDED_MAX_ENTRIES)
        return false;
    const char *comma = walk->rest.size > 0 ? memrchr(walk->rest.at, ',', walk->rest.size) : NULL;
    size_t before = comma ? (size_t)(comma - walk->rest.at) : 0;
    size_t start = comma ? before + 1 : 0;
    *ret_entry = span_trim((struct span){walk->rest.at + start, walk->rest.size - start});
    walk->rest = comma ? (struct span){walk->rest.at, before} : (struct span){NULL, 0};
    return true;
}

static void follow(struct walk walk, int (*read)(struct span entry, struct address *ret_address),
                   const struct address *peer, const struct prefix_list *trusted, struct address *ret_client)
{
    struct span entry;
    *ret_client = *peer;
    while (prefix_list_contains(trusted, ret_client) && next_entry(&walk, &entry) && read(entry, ret_client) == 0)
        ;
}

static bool same_host(const struct address *a, const struct address *b)
{
    uint8_t one[16], other[16];
    return address_bytes(a, one) == 0 && address_bytes(b, other) == 0 && memcmp(one, other, sizeof(one)) == 0;
}

void forwarded_client(const struct forwarded *forwarded, const struct address *peer, const struct prefix_list *trusted,
                      struct address *ret_client)
{
    const struct walk x = {forwarded->x_forwarded_for, forwarded->x_forwarded_fors, {NULL, 0}, 0};
    const struct walk standard = {forwarded->forwarded, forwarded->forwardeds, {NULL, 0}, 0};
    struct address by_x, by_standard;
    follow(x, read_node, peer, trusted, &by_x);
    follow(standard, read_element, peer, trusted, &by_standard);
    bool disagree = x.lines > 0 && standard.lines > 0 && !same_host(&by_x, &by_standard);
    *ret_client = forwarded->beyond || disagree ? *peer : standard.lines > 0 ? by_standard : by_x;
}
