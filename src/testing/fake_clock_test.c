/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/fake_clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "testing/test.h"

/* One test, since a process maps the file once. */
TEST(fake_clock_stands_where_the_player_puts_it_or_runs_from_there) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s/clock", test_folder());
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, FAKE_CLOCK_FILE_SIZE), 0);
    struct fake_clock *player =
        mmap(NULL, FAKE_CLOCK_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(player != MAP_FAILED);
    assert_int_equal(setenv("SECZIM_FAKE_CLOCK", path, 1), 0);

    assert_int_equal(clock_wall_ns(), 0);
    player->wall_ns = 1733307825 * INT64_C(1000000000);
    player->boot_ns = 77;
    assert_int_equal(clock_wall_ns(), 1733307825 * INT64_C(1000000000));
    assert_int_equal(clock_boot_ns(), 77);
    assert_int_equal(clock_boot_ns(), 77);

    player->wall_ns = 0;
    player->boot_ns = INT64_C(1) << 60;
    player->running = 1;
    assert_true(clock_wall_ns() > 0);
    const int64_t first_ns = clock_boot_ns();
    assert_true(first_ns > INT64_C(1) << 60);
    assert_true(clock_boot_ns() >= first_ns);
    (void)munmap(player, FAKE_CLOCK_FILE_SIZE);
    (void)close(fd);
}
