/* Stamps of files, and their contents. Owns copies of the paths; keeps no descriptor open. */
#include "transports/serve/tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIXED_FILES = 3, FILES_PER_NAME = 2 };

struct stamp {
    char *path;
    bool there;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct tls_files {
    size_t count;
    struct stamp stamp[];
};

static void look(const char *path, struct stamp *ret_stamp)
{
    struct stat now;
    *ret_stamp = (struct stamp){.there = stat(path, &now) == 0};
    if (!ret_stamp->there)
        return;
    ret_stamp->device = now.st_dev;
    ret_stamp->inode = now.st_ino;
    ret_stamp->size = now.st_size;
    ret_stamp->changed = now.st_mtim;
}

static bool same(const struct stamp *a, const struct stamp *b)
{
    return a->there == b->there && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static int note(struct tls_files *files, const char *path)
{
    if (!path)
        return 0;
    struct stamp *stamp = &files->stamp[files->count];
    look(path, stamp);
    stamp->path = span_copy(span_of(path));
    if (!stamp->path)
        return -ENOMEM;
    files->count++;
    return 0;
}

static int note_all(struct tls_files *files, const struct tls_settings *settings)
{
    int result = note(files, settings->certificate);
    if (result == 0)
        result = note(files, settings->key);
    if (result == 0)
        result = note(files, settings->client_ca);
    for (size_t i = 0; result == 0 && i < settings->snis; i++) {
        result = note(files, settings->sni[i].certificate);
        if (result == 0)
            result = note(files, settings->sni[i].key);
    }
    return result;
}

int tls_files_new(const struct tls_settings *settings, struct tls_files **ret_files)
{
    size_t most = FIXED_FILES + FILES_PER_NAME * settings->snis;
    struct tls_files *files = calloc(1, sizeof(*files) + most * sizeof(files->stamp[0]));
    if (!files)
        return -ENOMEM;
    int result = note_all(files, settings);
    if (result != 0) {
        tls_files_free(files);
        return result;
    }
    *ret_files = files;
    return 0;
}

void tls_files_free(struct tls_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->count; i++)
        free(files->stamp[i].path);
    free(files);
}

bool tls_files_changed(const struct tls_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct stamp now;
        look(files->stamp[i].path, &now);
        if (!same(&now, &files->stamp[i]))
            return true;
    }
    return false;
}

/* ---- contents ---- */

/* `left` bytes, or fewer if the file has become shorter. */
static int read_all(int fd, size_t left, struct text *out)
{
    char *to = text_reserve(out, left);
    if (!to)
        return out->error;
    while (left > 0) {
        ssize_t size = read(fd, out->at + out->size, left);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size < 0 ? -errno : 0;
        out->size += (size_t)size;
        left -= (size_t)size;
    }
    return 0;
}

static int check_kind(int fd, size_t most, size_t *ret_size)
{
    struct stat now;
    if (fstat(fd, &now) != 0)
        return -errno;
    if (!S_ISREG(now.st_mode))
        return S_ISDIR(now.st_mode) ? -EISDIR : -EINVAL;
    if ((uintmax_t)now.st_size > most)
        return -EFBIG;
    *ret_size = (size_t)now.st_size;
    return 0;
}

int tls_files_read(const char *path, struct text *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not stop us */
    if (fd < 0)
        return -errno;
    size_t size = 0;
    int result = check_kind(fd, out->max_bytes - out->size, &size);
    if (result == 0)
        result = read_all(fd, size, out);
    close(fd);
    return result;
}
