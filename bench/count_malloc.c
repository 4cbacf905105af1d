/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into the daemon by bench/run: counts malloc, calloc, realloc and aligned_alloc of each
 * thread. On SIGURG the counts are written to COUNT_MALLOC_FILE, "thread count" a line. The
 * allocators proper are reached through the C library's own names, so that nothing here allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS_MAX = 256 };

static struct {
    _Atomic long thread;
    _Atomic unsigned long count;
} counts[THREADS_MAX];
static char path[512];

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void count_one(void) {
    static _Thread_local int slot = -1;
    if (slot < 0) {
        const long self = syscall(SYS_gettid);
        for (int i = 0; i < THREADS_MAX && slot < 0; i++) {
            long none = 0;
            if (atomic_compare_exchange_strong(&counts[i].thread, &none, self)) {
                slot = i;
            }
        }
        slot = slot < 0 ? THREADS_MAX - 1 : slot;
    }
    atomic_fetch_add(&counts[slot].count, 1);
}

void *malloc(size_t size) {
    count_one();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    count_one();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    count_one();
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count_one();
    return __libc_memalign(alignment, size);
}

static size_t digits(char *out, unsigned long value) {
    char reversed[24];
    size_t n = 0;
    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = reversed[n - 1 - i];
    }
    return n;
}

static void write_counts(int number) {
    (void)number;
    const int saved = errno;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int i = 0; fd >= 0 && i < THREADS_MAX; i++) {
        if (counts[i].thread == 0) {
            continue;
        }
        char line[64];
        size_t n = digits(line, (unsigned long)counts[i].thread);
        line[n++] = ' ';
        n += digits(line + n, counts[i].count);
        line[n++] = '\n';
        if (write(fd, line, n) != (ssize_t)n) {
            break;
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = saved;
}

__attribute__((constructor)) static void start(void) {
    const char *given = getenv("COUNT_MALLOC_FILE");
    (void)snprintf(path, sizeof path, "%s", given != NULL ? given : "/dev/null");
    struct sigaction action = {.sa_handler = write_counts, .sa_flags = SA_RESTART};
    (void)sigaction(SIGURG, &action, NULL);
}
