/* A main() for a fuzz target in an ordinary build: runs every file that the arguments name, or that lies in a directory
   they name, through the target once. Each name is printed first, so that after a crash the last one is the culprit.
   A corpus that is missing or empty is a failure: it would prove nothing. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_INPUT_BYTES = 64 * 1024 * 1024, MAX_PATH_BYTES = 4096, BLOCK_BYTES = 65536 };

static int read_file(const char *path, struct text *out)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -errno;
    for (size_t got = 1; got > 0 && out->error == 0;) {
        char *to = text_reserve(out, BLOCK_BYTES);
        got = to ? fread(to, 1, BLOCK_BYTES, file) : 0;
        out->size += got;
    }
    int result = out->error ? out->error : ferror(file) ? -EIO : 0;
    (void)fclose(file);
    return result;
}

/* Runs a copy that is exactly as long as the input, so that a sanitizer sees the first byte read behind it. */
static int run_file(const char *path)
{
    CLEANUP(text_done) struct text input = TEXT(MAX_INPUT_BYTES);
    (void)printf("%s\n", path);
    int result = read_file(path, &input);
    if (result < 0)
        return result;
    CLEANUP_FREE uint8_t *copy = malloc(input.size);
    if (!copy && input.size > 0)
        return -ENOMEM;
    if (input.size > 0)
        memcpy(copy, input.at, input.size);
    (void)LLVMFuzzerTestOneInput(copy, input.size);
    return 1;
}

static int run_path(const char *path);

static int run_directory(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort), replayed = 0;
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        char child[MAX_PATH_BYTES];
        int length = snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
        int result = length >= (int)sizeof(child) ? -ENAMETOOLONG : 0;
        if (entries[i]->d_name[0] != '.' && result == 0 && replayed >= 0)
            result = run_path(child);
        replayed = result < 0 || replayed < 0 ? MIN(result, replayed) : replayed + result;
        free(entries[i]);
    }
    free(entries);
    return replayed;
}

/* How many inputs ran, or -errno. */
static int run_path(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    return S_ISDIR(status.st_mode) ? run_directory(path) : run_file(path);
}

int main(int argc, char **argv)
{
    int replayed = 0;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        int result = run_path(argv[i]);
        if (result <= 0) {
            (void)fprintf(stderr, "%s: %s\n", argv[i], result < 0 ? strerror(-result) : "no inputs");
            return EXIT_FAILURE;
        }
        replayed += result;
    }
    (void)printf("replayed %d inputs\n", replayed);
    return replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
