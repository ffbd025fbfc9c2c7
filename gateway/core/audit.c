/* Writes audit lines, each with one write(2), to the log's descriptor or to a file of its own. What may be written is
   decided by token buckets under one lock: one for all, and one per address in a table of fixed size, where an address
   takes the place of another with the same hash. The file's descriptor stays the same number for life: a new file is
   put under it, so that no writer ever has a closed one. */
#include "gateway/core/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/core/gateway.h"

enum { SLOTS = 1024, IPV6_KEPT_BYTES = 8, IPV4_MAPPED_BYTES = 12 };
#define NS_PER_SECOND UINT64_C(1000000000)

enum target { TARGET_OFF, TARGET_LOG, TARGET_FILE };

/* Tokens are nanoseconds here: a line costs NS_PER_SECOND / per_second, and no more than the burst's cost is saved. */
struct bucket {
    uint64_t full_at_ns; /* when it will be full again; the later, the emptier */
};

struct slot {
    uint8_t key[16];
    struct bucket bucket;
};

struct audit {
    struct gateway *gateway;
    _Atomic int target; /* enum target */
    int file;           /* -1: none was ever opened */
    pthread_mutex_t lock;
    struct bucket all;
    struct slot slot[SLOTS];
    uint64_t left_out; /* since the last line that said so */
    struct address last_left_out;
};

int audit_new(struct gateway *gateway, struct audit **ret_audit)
{
    struct audit *audit = calloc(1, sizeof(*audit));
    if (!audit)
        return -ENOMEM;
    audit->gateway = gateway;
    audit->file = -1;
    pthread_mutex_init(&audit->lock, NULL);
    *ret_audit = audit;
    return 0;
}

void audit_free(struct audit *audit)
{
    if (!audit)
        return;
    audit_tick(audit);
    if (audit->file >= 0)
        close(audit->file);
    pthread_mutex_destroy(&audit->lock);
    free(audit);
}

/* ---- where to ---- */

static int open_file(struct audit *audit, const char *path)
{
    /* Not to wait for the reader of a FIFO. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd < 0)
        return -errno;
    if (audit->file < 0) {
        audit->file = fd;
        return 0;
    }
    int result = dup3(fd, audit->file, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    return result;
}

int audit_open(struct audit *audit, const char *target)
{
    enum target kind = strcmp(target, "off") == 0      ? TARGET_OFF
                       : strcmp(target, "stderr") == 0 ? TARGET_LOG
                                                       : TARGET_FILE;
    int result = kind == TARGET_FILE ? open_file(audit, target) : 0;
    if (result == 0)
        atomic_store_explicit(&audit->target, kind, memory_order_release);
    return result;
}

/* ---- how often ---- */

static bool take(struct bucket *bucket, uint64_t now_ns, unsigned per_second, unsigned burst)
{
    uint64_t cost = NS_PER_SECOND / per_second;
    uint64_t full_at_ns = MAX(bucket->full_at_ns, now_ns) + cost;
    if (full_at_ns > now_ns + burst * cost)
        return false;
    bucket->full_at_ns = full_at_ns;
    return true;
}

/* A local socket's callers share a key of zeros. */
static void make_key(const struct address *from, uint8_t key[16])
{
    static const uint8_t mapped[IPV4_MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};
    memset(key, 0, 16);
    if (address_bytes(from, key) == 0 && memcmp(key, mapped, sizeof(mapped)) != 0)
        memset(key + IPV6_KEPT_BYTES, 0, 16 - IPV6_KEPT_BYTES);
}

static struct slot *find_slot(struct audit *audit, const struct address *from)
{
    uint8_t key[16];
    uint32_t hash = UINT32_C(2166136261);
    make_key(from, key);
    for (unsigned i = 0; i < sizeof(key); i++)
        hash = (hash ^ key[i]) * UINT32_C(16777619);
    struct slot *slot = &audit->slot[hash % SLOTS];
    if (memcmp(slot->key, key, sizeof(key)) != 0) {
        memcpy(slot->key, key, sizeof(key));
        slot->bucket.full_at_ns = 0;
    }
    return slot;
}

static void count_lost(struct audit *audit, enum counter counter)
{
    struct gateway *gateway = audit->gateway;
    struct reactor *reactor = reactor_current();
    if (reactor && reactor_gateway(reactor) == gateway)
        counter_add(reactor_counters(reactor), counter, 1);
    else if (gateway->reactors > 0)
        counter_add_shared(reactor_counters(gateway->reactor[0]), counter, 1);
}

static bool may_write(struct audit *audit, const struct address *from)
{
    uint64_t now_ns = clock_now_ns();
    pthread_mutex_lock(&audit->lock);
    bool may = take(&find_slot(audit, from)->bucket, now_ns, AUDIT_PER_SECOND, AUDIT_BURST) &&
               take(&audit->all, now_ns, AUDIT_ALL_PER_SECOND, AUDIT_ALL_BURST);
    if (!may) {
        audit->left_out++;
        audit->last_left_out = *from;
    }
    pthread_mutex_unlock(&audit->lock);
    if (!may)
        count_lost(audit, COUNTER_AUDIT_SUPPRESSED);
    return may;
}

/* ---- lines ---- */

/* A line that cannot be written is lost and counted. The caller's errno survives. */
static void write_line(struct audit *audit, struct span line)
{
    int saved = errno;
    ssize_t written;
    do
        written = write(audit->file, line.at, line.size);
    while (written < 0 && errno == EINTR);
    if (written != (ssize_t)line.size)
        count_lost(audit, COUNTER_AUDIT_UNWRITABLE);
    errno = saved;
}

static void put(struct audit *audit, const char *event, const struct log_field *fields, size_t count)
{
    char line[LOG_LINE_BYTES];
    int target = atomic_load_explicit(&audit->target, memory_order_acquire);
    if (target == TARGET_LOG)
        log_write(LOG_INFO, event, fields, count);
    else if (target == TARGET_FILE)
        write_line(audit, (struct span){line, log_line(LOG_JSON, LOG_INFO, event, fields, count, line)});
}

/* Asked before anything is made of a line: those that are left out cost next to nothing, for it is attackers who cause
   them. */
static bool is_due(struct audit *audit, const struct address *from)
{
    if (atomic_load_explicit(&audit->target, memory_order_relaxed) == TARGET_OFF)
        return false;
    return !from || may_write(audit, from);
}

void audit_write(struct gateway *gateway, const struct address *from, const char *event, const struct log_field *fields,
                 size_t count)
{
    if (is_due(gateway->audit, from))
        put(gateway->audit, event, fields, count);
}

void audit_tick(struct audit *audit)
{
    char client[ADDRESS_BYTES];
    pthread_mutex_lock(&audit->lock);
    uint64_t left_out = audit->left_out;
    struct address last = audit->last_left_out;
    audit->left_out = 0;
    pthread_mutex_unlock(&audit->lock);
    if (left_out == 0)
        return;
    address_format_host(&last, client);
    put(audit, "audit_suppressed",
        (const struct log_field[]){LOG_NUMBER("lines", left_out), LOG_TEXT("last_client", client)}, 2);
}

void audit_authenticated(struct gateway *gateway, const struct identity *identity, const char *front)
{
    char client[ADDRESS_BYTES];
    if (!is_due(gateway->audit, &identity->address))
        return;
    address_format_host(&identity->address, client);
    const struct log_field fields[] = {
        LOG_TEXT("client", client),
        LOG_TEXT("proof", identity_proof_name(identity->proof)),
        LOG_TEXT("subject", identity->subject),
        LOG_TEXT("issuer", identity->issuer ? identity->issuer : ""),
        LOG_TEXT("front", front),
    };
    put(gateway->audit, "audit_authenticated", fields, ARRAY_SIZE(fields));
}

static void write_attempt(struct gateway *gateway, const struct address *from, const char *event, const char *why,
                          const char *front)
{
    char client[ADDRESS_BYTES];
    if (!is_due(gateway->audit, from))
        return;
    address_format_host(from, client);
    const struct log_field fields[] = {LOG_TEXT("client", client), LOG_TEXT("front", front), LOG_TEXT("why", why)};
    put(gateway->audit, event, fields, ARRAY_SIZE(fields));
}

void audit_refused(struct gateway *gateway, const struct address *from, const char *why, const char *front)
{
    write_attempt(gateway, from, "audit_refused", why, front);
}

void audit_limited(struct gateway *gateway, const struct address *from, const char *front)
{
    write_attempt(gateway, from, "audit_limited", "too many attempts", front);
}
