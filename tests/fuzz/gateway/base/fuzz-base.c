/* The parts of gateway/base that meet a stranger's bytes: encodings, addresses, JSON strings and log lines. Each input
   goes through all of them; what is checked is a property, not only the absence of a crash. */
#include <json-c/json.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/base/address.h"
#include "gateway/base/encoding.h"
#include "gateway/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 8 * 1024 * 1024 };

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                      \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static bool is_utf8(struct span bytes)
{
    while (bytes.size > 0) {
        size_t length = span_utf8(bytes);
        if (length == 0)
            return false;
        bytes.at += length;
        bytes.size -= length;
    }
    return true;
}

/* Parses JSON with a parser that is not ours, or NULL. */
static json_object *parse_json(struct span json)
{
    json_tokener *tokener = json_tokener_new();
    /* Not JSON_TOKENER_STRICT: with it Debian 13's json-c 0.18 refuses all that is not ASCII (json-c issue 892). */
    json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
    json_object *object = json_tokener_parse_ex(tokener, json.at, (int)json.size);
    if (!object && json_tokener_get_error(tokener) == json_tokener_continue)
        object = json_tokener_parse_ex(tokener, "", 1);
    json_tokener_free(tokener);
    return object;
}

static void fuzz_json_string(struct span input)
{
    CLEANUP(text_done) struct text out = TEXT(MAX_BYTES);
    text_add_json_string(&out, input);
    CHECK(out.error == 0 && out.size >= 2 && is_utf8(text_span(&out)));
    for (size_t i = 0; i < out.size; i++)
        CHECK((unsigned char)out.at[i] >= 0x20);
    json_object *object = parse_json(text_span(&out));
    CHECK(object && json_object_get_type(object) == json_type_string);
    struct span back = {json_object_get_string(object), (size_t)json_object_get_string_len(object)};
    CHECK(!is_utf8(input) || span_equal(back, input));
    (void)json_object_put(object);

    struct text narrow = TEXT(out.size - 1);
    text_add_json_string(&narrow, input);
    CHECK(narrow.error != 0 && narrow.size < out.size);
    text_done(&narrow);
}

static void fuzz_base64(enum base64_alphabet alphabet, struct span input)
{
    CLEANUP(text_done) struct text once = TEXT(MAX_BYTES), twice = TEXT(MAX_BYTES), back = TEXT(MAX_BYTES);
    base64_encode(alphabet, input, &once);
    CHECK(once.error == 0 && base64_decode(alphabet, text_span(&once), &twice) == 0);
    CHECK(span_equal(text_span(&twice), input));
    text_clear(&once);
    if (base64_decode(alphabet, input, &once) == 0) {
        base64_encode(alphabet, text_span(&once), &back);
        CHECK(span_equal(text_span(&back), input)); /* only the canonical form is taken */
    } else {
        CHECK(once.size == 0);
    }
}

static void fuzz_hex(struct span input)
{
    CLEANUP(text_done) struct text once = TEXT(MAX_BYTES), twice = TEXT(MAX_BYTES);
    hex_encode(input, &once);
    CHECK(once.error == 0 && hex_decode(text_span(&once), &twice) == 0 && span_equal(text_span(&twice), input));
    text_clear(&once);
    text_clear(&twice);
    if (hex_decode(input, &once) == 0) {
        hex_encode(text_span(&once), &twice);
        CHECK(span_equal_nocase(text_span(&twice), input));
    }
}

static void fuzz_percent(struct span input)
{
    CLEANUP(text_done) struct text out = TEXT(input.size);
    bool plain = !(input.size > 0 && memchr(input.at, '%', input.size));
    int result = percent_decode(input, &out);
    CHECK(out.error == 0 && out.size <= input.size);
    CHECK(!plain || (result == 0 && span_equal(text_span(&out), input)));
}

static void fuzz_address(struct span input)
{
    struct address address, again;
    char first[ADDRESS_BYTES], second[ADDRESS_BYTES];
    if (address_parse(input, &address) < 0)
        return;
    address_format(&address, first);
    CHECK(address_parse(span_of(first), &again) == 0);
    address_format(&again, second);
    CHECK(strcmp(first, second) == 0);
    CHECK(address_is_loopback(&address) == address_is_loopback(&again));
}

static void fuzz_prefix(struct span input)
{
    struct prefix prefix;
    if (prefix_parse(input, &prefix) < 0)
        return;
    struct address address = {.ipv6.sin6_family = AF_INET6, .size = sizeof(address.ipv6)};
    memcpy(&address.ipv6.sin6_addr, prefix.bytes, sizeof(prefix.bytes));
    CHECK(prefix.bits <= 128 && prefix_contains(&prefix, &address));
}

static void fuzz_log(int file, enum log_format format, struct span input)
{
    char line[LOG_LINE_BYTES + 1];
    CHECK(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
    log_set_format(format);
    log_info("fuzz", LOG_SPAN("input", input), LOG_NUMBER("size", input.size), LOG_SPAN("again", input),
             LOG_SPAN("third", input), LOG_SPAN("fourth", input));
    ssize_t got = pread(file, line, sizeof(line), 0);
    CHECK(got > 0 && got <= LOG_LINE_BYTES && line[got - 1] == '\n');
    struct span written = {line, (size_t)got - 1};
    CHECK(is_utf8(written));
    for (size_t i = 0; i < written.size; i++)
        CHECK((unsigned char)written.at[i] >= 0x20 && written.at[i] != 0x7f);
    if (format == LOG_JSON) {
        json_object *object = parse_json(written);
        CHECK(object && json_object_get_int64(json_object_object_get(object, "size")) == (int64_t)input.size);
        (void)json_object_put(object);
    }
}

static void fuzz_number(struct span input)
{
    uint64_t value;
    CLEANUP(text_done) struct text out = TEXT(MAX_BYTES);
    if (span_to_uint64(input, &value) < 0)
        return;
    text_add_uint64(&out, value);
    CHECK(span_equal(text_span(&out), input));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    struct span input = {(const char *)data, size};
    if (file < 0) {
        file = memfd_create("log", MFD_CLOEXEC);
        log_set_descriptor(file);
    }
    fuzz_json_string(input);
    fuzz_base64(BASE64_STANDARD, input);
    fuzz_base64(BASE64_URL, input);
    fuzz_hex(input);
    fuzz_percent(input);
    fuzz_address(input);
    fuzz_prefix(input);
    fuzz_number(input);
    fuzz_log(file, LOG_LOGFMT, input);
    fuzz_log(file, LOG_JSON, input);
    return 0;
}
