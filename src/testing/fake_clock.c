/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/fake_clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

static struct fake_clock real = {.running = 1};
static const struct fake_clock *fake = &real;
static pthread_once_t mapped = PTHREAD_ONCE_INIT;

static void map_file(void) {
    const char *path = getenv("SECZIM_FAKE_CLOCK");
    if (path == NULL) {
        return;
    }
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(fstat(fd, &status) == 0 && status.st_size >= FAKE_CLOCK_FILE_SIZE);
    const void *memory = mmap(NULL, FAKE_CLOCK_FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    fake = memory;
    (void)close(fd);
}

static int64_t read_clock(clockid_t which, const _Atomic int64_t *stored_ns) {
    struct timespec now = {0};
    if (fake->running != 0) {
        CHECK(clock_gettime(which, &now) == 0);
    }
    return *stored_ns + (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_wall_ns(void) {
    CHECK(pthread_once(&mapped, map_file) == 0);
    return read_clock(CLOCK_REALTIME, &fake->wall_ns);
}

int64_t clock_boot_ns(void) {
    CHECK(pthread_once(&mapped, map_file) == 0);
    return read_clock(CLOCK_BOOTTIME, &fake->boot_ns);
}
