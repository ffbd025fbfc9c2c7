/* Reads /proc/self and the resource clocks. Any thread; owns nothing. */
#include "gateway/ops/usage.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/kernel_file.h"

enum { STATUS_BYTES = 8192 };

/* "VmRSS:	    9092 kB": the number of the line that begins with `key` (proc_pid_status(5)). */
static uint64_t status_number(struct span status, struct span key)
{
    uint64_t number = 0;
    while (!span_absent(status)) {
        struct span line = span_cut(&status, '\n');
        if (!span_starts(line, key))
            continue;
        line = span_trim((struct span){line.at + key.size, line.size - key.size});
        return span_to_uint64(span_cut(&line, ' '), &number) == 0 ? number : 0;
    }
    return 0;
}

/* Since Linux 6.2 the size of the directory is the number of open descriptors. `room` is that of the kernel's table. */
static uint64_t count_descriptors(uint64_t room)
{
    struct stat stat_;
    uint64_t count = 0;
    if (stat("/proc/self/fd", &stat_) == 0 && stat_.st_size > 0)
        return (uint64_t)stat_.st_size;
    for (int fd = 0; fd < (int)MIN(room, (uint64_t)USAGE_MAX_COUNTED); fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static double cpu_seconds(void)
{
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void usage_read(struct usage *ret_usage)
{
    char bytes[STATUS_BYTES];
    struct span status = kernel_file_read("/proc/self/status", bytes, sizeof(bytes));
    struct rlimit descriptors = {0};
    (void)getrlimit(RLIMIT_NOFILE, &descriptors);
    *ret_usage = (struct usage){
        .resident_bytes = status_number(status, SPAN("VmRSS:")) * 1024,
        .virtual_bytes = status_number(status, SPAN("VmSize:")) * 1024,
        .threads = status_number(status, SPAN("Threads:")),
        .open_descriptors = count_descriptors(status_number(status, SPAN("FDSize:"))),
        .max_descriptors = descriptors.rlim_cur == RLIM_INFINITY ? UINT64_MAX : descriptors.rlim_cur,
        .cpu_seconds = cpu_seconds(),
    };
}
