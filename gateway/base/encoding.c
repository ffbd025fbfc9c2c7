/* Base64, hexadecimal and percent-decoding. Pure functions on spans, any thread; each one reserves its exact result in
   `out` first and raises out->size only when all of the input was good. */
#include "gateway/base/encoding.h"

#include <errno.h>

static const char base64_digits[2][65] = {
    [BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

static size_t base64_encoded_size(enum base64_alphabet alphabet, size_t size)
{
    size_t tail = size % 3;
    size_t last = tail == 0 ? 0 : alphabet == BASE64_STANDARD ? 4 : tail + 1;
    return size / 3 * 4 + last;
}

/* The last one or two bytes. */
static void base64_encode_tail(enum base64_alphabet alphabet, const uint8_t *from, size_t tail, char *to)
{
    const char *digits = base64_digits[alphabet];
    unsigned group = (unsigned)from[0] << 16 | (tail == 2 ? (unsigned)from[1] << 8 : 0);
    *to++ = digits[group >> 18];
    *to++ = digits[group >> 12 & 63];
    if (tail == 2)
        *to++ = digits[group >> 6 & 63];
    for (size_t i = tail; alphabet == BASE64_STANDARD && i < 3; i++)
        *to++ = '=';
}

void base64_encode(enum base64_alphabet alphabet, struct span bytes, struct text *out)
{
    if (bytes.size > SIZE_MAX / 2) {
        out->error = out->error ? out->error : -EMSGSIZE;
        return;
    }
    size_t size = base64_encoded_size(alphabet, bytes.size);
    char *to = text_reserve(out, size);
    if (!to)
        return;
    const char *digits = base64_digits[alphabet];
    const uint8_t *from = (const uint8_t *)bytes.at;
    for (size_t groups = bytes.size / 3; groups > 0; groups--, from += 3, to += 4) {
        unsigned group = (unsigned)from[0] << 16 | (unsigned)from[1] << 8 | from[2];
        to[0] = digits[group >> 18];
        to[1] = digits[group >> 12 & 63];
        to[2] = digits[group >> 6 & 63];
        to[3] = digits[group & 63];
    }
    if (bytes.size % 3)
        base64_encode_tail(alphabet, from, bytes.size % 3, to);
    out->size += size;
}

/* A digit's value plus one; 0 is what is no digit. The two alphabets differ in the last two digits. */
#define BASE64_VALUES(digit62, digit63)                                                                                \
    {                                                                                                                  \
        ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10, \
        ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19,    \
        ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,    \
        ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37,    \
        ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46,    \
        ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55,    \
        ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, [digit62] = 63,            \
        [digit63] = 64,                                                                                                \
    }
static const uint8_t base64_values[2][256] = {
    [BASE64_STANDARD] = BASE64_VALUES('+', '/'),
    [BASE64_URL] = BASE64_VALUES('-', '_'),
};

/* Takes the padding off, if it is as the alphabet wants it: `digits` digits are left. */
static int base64_count_digits(enum base64_alphabet alphabet, struct span encoded, size_t *ret_digits)
{
    size_t digits = encoded.size;
    if (alphabet == BASE64_STANDARD) {
        if (digits % 4)
            return -EINVAL;
        for (int i = 0; i < 2 && digits > 0 && encoded.at[digits - 1] == '='; i++)
            digits--;
    }
    if (digits % 4 == 1)
        return -EINVAL;
    *ret_digits = digits;
    return 0;
}

/* The last two or three digits; the bits that make no whole byte must be zero (RFC 4648, 3.5). */
static int base64_decode_tail(const uint8_t *values, const uint8_t *from, size_t tail, char *to)
{
    unsigned group = 0;
    for (size_t i = 0; i < tail; i++) {
        unsigned value = values[from[i]];
        if (value == 0)
            return -EINVAL;
        group |= (value - 1) << (18 - 6 * i);
    }
    if (group & (tail == 2 ? 0xffff : 0xff))
        return -EINVAL;
    to[0] = (char)(group >> 16);
    if (tail == 3)
        to[1] = (char)(group >> 8);
    return 0;
}

int base64_decode(enum base64_alphabet alphabet, struct span encoded, struct text *out)
{
    size_t digits;
    if (base64_count_digits(alphabet, encoded, &digits) < 0)
        return -EINVAL;
    size_t tail = digits % 4, size = digits / 4 * 3 + (tail ? tail - 1 : 0);
    char *to = text_reserve(out, size);
    if (!to)
        return out->error;
    const uint8_t *values = base64_values[alphabet], *from = (const uint8_t *)encoded.at;
    for (size_t groups = digits / 4; groups > 0; groups--, from += 4, to += 3) {
        unsigned a = values[from[0]], b = values[from[1]], c = values[from[2]], d = values[from[3]];
        if (!a || !b || !c || !d)
            return -EINVAL;
        unsigned group = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        to[0] = (char)(group >> 16);
        to[1] = (char)(group >> 8);
        to[2] = (char)group;
    }
    if (tail && base64_decode_tail(values, from, tail, to) < 0)
        return -EINVAL;
    out->size += size;
    return 0;
}

void hex_encode(struct span bytes, struct text *out)
{
    static const char digits[] = "0123456789abcdef";
    if (bytes.size > SIZE_MAX / 2) {
        out->error = out->error ? out->error : -EMSGSIZE;
        return;
    }
    char *to = text_reserve(out, bytes.size * 2);
    if (!to)
        return;
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char byte = (unsigned char)bytes.at[i];
        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15];
    }
    out->size += bytes.size * 2;
}

/* The byte that two digits stand for, or -1. */
static int hex_pair(const char *at)
{
    int value = 0;
    for (int i = 0; i < 2; i++) {
        unsigned char byte = (unsigned char)at[i], letter = byte | 0x20;
        if (byte >= '0' && byte <= '9')
            value = value * 16 + byte - '0';
        else if (letter >= 'a' && letter <= 'f')
            value = value * 16 + letter - 'a' + 10;
        else
            return -1;
    }
    return value;
}

int hex_decode(struct span encoded, struct text *out)
{
    if (encoded.size % 2)
        return -EINVAL;
    char *to = text_reserve(out, encoded.size / 2);
    if (!to)
        return out->error;
    for (size_t i = 0; i < encoded.size; i += 2) {
        int byte = hex_pair(encoded.at + i);
        if (byte < 0)
            return -EINVAL;
        *to++ = (char)byte;
    }
    out->size += encoded.size / 2;
    return 0;
}

/* The size of the decoded bytes, known before anything is written so that out's maximum counts those and not the input.
 */
static int percent_decoded_size(struct span encoded, size_t *ret_size)
{
    size_t size = 0;
    for (size_t i = 0; i < encoded.size; i++, size++) {
        if (encoded.at[i] != '%')
            continue;
        if (encoded.size - i < 3 || hex_pair(encoded.at + i + 1) < 0)
            return -EINVAL;
        i += 2;
    }
    *ret_size = size;
    return 0;
}

int percent_decode(struct span encoded, struct text *out)
{
    size_t size;
    if (percent_decoded_size(encoded, &size) < 0)
        return -EINVAL;
    char *to = text_reserve(out, size);
    if (!to)
        return out->error;
    for (size_t i = 0; i < encoded.size; i++) {
        bool escaped = encoded.at[i] == '%';
        *to++ = escaped ? (char)hex_pair(encoded.at + i + 1) : encoded.at[i];
        i += escaped ? 2 : 0;
    }
    out->size += size;
    return 0;
}
