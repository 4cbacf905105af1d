/* SPDX-License-Identifier: Apache-2.0 */
#include "net/socket_batch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/test.h"

enum { PAIRS = SOCKET_BATCH_MAX };

static struct pair {
    int ours, theirs;
    char bytes[64];
} pairs[PAIRS];

static void open_pairs(size_t count) {
    for (size_t i = 0; i < count; i++) {
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        pairs[i] = (struct pair){.ours = ends[0], .theirs = ends[1]};
    }
}

static void close_pairs(size_t count) {
    for (size_t i = 0; i < count; i++) {
        (void)close(pairs[i].ours);
        (void)close(pairs[i].theirs);
    }
}

static void fill(struct socket_transfer *transfers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        transfers[i] = (struct socket_transfer){
            .fd = pairs[i].ours, .bytes = pairs[i].bytes, .length = sizeof pairs[i].bytes};
    }
}

/* The kernel refuses whoever has no descriptor left. */
static struct socket_batch *batch_without_ring(void) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct socket_batch *batch = socket_batch_new();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_non_null(batch);
    assert_int_equal(socket_batch_refusal(batch), EMFILE);
    return batch;
}

/* With a ring, if this kernel gives one, and without. */
static void both_ways(void (*story)(struct socket_batch *batch)) {
    test_case("with a ring");
    struct socket_batch *batch = socket_batch_new();
    assert_non_null(batch);
    story(batch);
    socket_batch_free(batch);
    test_case("without");
    batch = batch_without_ring();
    story(batch);
    socket_batch_free(batch);
}

static void everybody(struct socket_batch *batch) {
    static const size_t counts[] = {0, 1, 2, 3, PAIRS};
    open_pairs(PAIRS);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct socket_transfer transfers[PAIRS];
        for (size_t i = 0; i < counts[c]; i++) {
            char text[16];
            const int length = snprintf(text, sizeof text, "%zu of %zu", i, counts[c]);
            assert_int_equal(write(pairs[i].theirs, text, (size_t)length), length);
        }
        fill(transfers, counts[c]);
        socket_batch_receive(batch, transfers, counts[c]);
        for (size_t i = 0; i < counts[c]; i++) {
            char text[16];
            const int length = snprintf(text, sizeof text, "%zu of %zu", i, counts[c]);
            assert_int_equal(transfers[i].result, length);
            assert_memory_equal(pairs[i].bytes, text, (size_t)length);
            transfers[i].length = (size_t)length;
        }
        socket_batch_send(batch, transfers, counts[c]);
        for (size_t i = 0; i < counts[c]; i++) {
            char back[64];
            assert_int_equal(transfers[i].result, transfers[i].length);
            assert_int_equal(read(pairs[i].theirs, back, sizeof back), transfers[i].length);
            assert_memory_equal(back, pairs[i].bytes, transfers[i].length);
        }
    }
    close_pairs(PAIRS);
}

TEST(each_socket_gets_its_own_bytes) {
    both_ways(everybody);
}

static void mixed_receive(struct socket_batch *batch) {
    struct socket_transfer transfers[5];
    open_pairs(5);
    assert_int_equal(write(pairs[1].theirs, "x", 1), 1);
    assert_int_equal(shutdown(pairs[2].theirs, SHUT_WR), 0);
    fill(transfers, 5);
    transfers[3].fd = -1;
    socket_batch_receive(batch, transfers, 5);
    assert_int_equal(transfers[0].result, -EAGAIN);
    assert_int_equal(transfers[1].result, 1);
    assert_int_equal(transfers[2].result, 0);
    assert_int_equal(transfers[3].result, -EBADF);
    assert_int_equal(transfers[4].result, -EAGAIN);
    close_pairs(5);
}

TEST(nothing_there_is_not_waited_for_and_an_end_or_an_error_is_its_sockets_alone) {
    both_ways(mixed_receive);
}

static void mixed_send(struct socket_batch *batch) {
    static char much[1 << 20];
    struct socket_transfer transfers[3];
    open_pairs(3);
    assert_int_equal(shutdown(pairs[0].theirs, SHUT_RD), 0);
    fill(transfers, 3);
    transfers[1].bytes = much;
    transfers[1].length = sizeof much;
    socket_batch_send(batch, transfers, 3);
    assert_int_equal(transfers[0].result, -EPIPE); /* and no SIGPIPE */
    assert_in_range(transfers[1].result, 1, sizeof much - 1);
    assert_int_equal(transfers[2].result, sizeof pairs[2].bytes);
    socket_batch_send(batch, transfers, 3);
    assert_int_equal(transfers[1].result, -EAGAIN);
    assert_int_equal(transfers[2].result, sizeof pairs[2].bytes);
    close_pairs(3);
}

TEST(a_peer_that_is_gone_or_does_not_read_keeps_nobody_up) {
    both_ways(mixed_send);
}

static int find_ring(void) {
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;
    int found = -1;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        char target[64] = "";
        const ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        if (length > 0 && strstr(target, "io_uring") != NULL) {
            found = atoi(entry->d_name);
        }
    }
    (void)closedir(folder);
    return found;
}

TEST(a_ring_that_fails_is_given_up_and_no_transfer_is_lost) {
    struct socket_batch *batch = socket_batch_new();
    assert_non_null(batch);
    if (socket_batch_refusal(batch) != 0) {
        socket_batch_free(batch);
        skip();
    }
    const int ring = find_ring();
    assert_true(ring >= 0);
    const int other = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(dup2(other, ring), ring);
    everybody(batch);
    assert_int_not_equal(socket_batch_refusal(batch), 0);
    assert_int_equal(find_ring(), -1);
    everybody(batch);
    socket_batch_free(batch);
    (void)close(other);
}
