/* weir hash-key: what a configuration says of an API key. The key comes by standard input, so that it is in nobody's
   list of processes or commands; or it is made here. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "auth/api_key.h"
#include "gateway/base/encoding.h"
#include "gateway/base/random.h"
#include "gateway/main/commands.h"

enum { RANDOM_KEY_BYTES = 32, INPUT_BYTES = API_KEY_MAX_BYTES + 2 };

static int say_usage(void)
{
    (void)fprintf(stderr, "usage: weir hash-key [--generate], with the key on standard input\n");
    return EXIT_USAGE;
}

/* 256 bits, as text that every header and subprotocol can carry. */
static int generate(struct text *key)
{
    char bytes[RANDOM_KEY_BYTES];
    int result = random_bytes(bytes, sizeof(bytes));
    if (result == 0)
        base64_encode(BASE64_URL, (struct span){bytes, sizeof(bytes)}, key);
    explicit_bzero(bytes, sizeof(bytes));
    return result == 0 ? key->error : result;
}

/* One line; its end does not count. More than a key may have is noticed by whoever hashes it. */
static int read_key(struct text *key)
{
    char *room = text_reserve(key, INPUT_BYTES);
    ssize_t size = 1;
    if (!room)
        return key->error;
    while (key->size < INPUT_BYTES && (size = read(STDIN_FILENO, room + key->size, INPUT_BYTES - key->size)) > 0)
        key->size += (size_t)size;
    if (size < 0)
        return -errno;
    if (key->size > 0 && key->at[key->size - 1] == '\n')
        key->size--;
    if (key->size > 0 && key->at[key->size - 1] == '\r')
        key->size--;
    return 0;
}

static int print(const struct text *key, bool generated)
{
    char hex[API_KEY_HEX_BYTES + 1];
    int result = api_key_hash(text_span(key), hex);
    if (result != 0)
        return result;
    if (generated)
        (void)printf("key: %.*s\n", SPAN_PRINT(text_span(key)));
    (void)printf("sha256: %s\n", hex);
    return 0;
}

int hash_key_command(int argc, char **argv)
{
    struct text key = TEXT(INPUT_BYTES);
    bool generated = argc == 2 && strcmp(argv[1], "--generate") == 0;
    if (argc > 1 && !generated)
        return say_usage();
    int result = generated ? generate(&key) : read_key(&key);
    if (result == 0)
        result = print(&key, generated);
    if (key.at)
        explicit_bzero(key.at, key.size);
    text_done(&key);
    if (result == -EINVAL)
        (void)fprintf(stderr,
                      "weir hash-key: a key has %d to %d visible characters in one line; --generate makes a good one\n",
                      API_KEY_MIN_BYTES, API_KEY_MAX_BYTES);
    else if (result < 0)
        (void)fprintf(stderr, "weir hash-key: %s\n", strerror(-result));
    return result == 0 ? EXIT_DONE : result == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}
