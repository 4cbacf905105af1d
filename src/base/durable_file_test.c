/* SPDX-License-Identifier: Apache-2.0 */
#include "base/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing/test.h"

static int open_folder(void) {
    const int fd = open(test_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void expect_content(int folder, const char *name, const char *content) {
    char *bytes = NULL;
    size_t length = 0;
    assert_int_equal(durable_file_load(folder, name, 1000, &bytes, &length), 0);
    assert_int_equal(length, strlen(content));
    assert_string_equal(bytes, content);
    free(bytes);
}

static bool exists(int folder, const char *name) {
    return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

TEST(durable_file_saves_and_loads) {
    const int folder = open_folder();
    struct stat status;
    const mode_t mask = umask(077);
    assert_int_equal(durable_file_save(folder, "a", "one", 3, 0640), 0);
    (void)umask(mask);
    expect_content(folder, "a", "one");
    assert_int_equal(fstatat(folder, "a", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_equal(durable_file_save(folder, "a", "longer", 6, 0600), 0);
    expect_content(folder, "a", "longer");
    assert_int_equal(durable_file_save(folder, "a", NULL, 0, 0600), 0);
    expect_content(folder, "a", "");
    assert_false(exists(folder, "a.tmp"));
    (void)close(folder);
}

TEST(durable_folder_is_made_once_and_kept) {
    const int folder = open_folder();
    struct stat status;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/made", test_folder());
    assert_int_equal(durable_folder_make(path, 0700), 0);
    assert_int_equal(fstatat(folder, "made", &status, 0), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(durable_folder_make(path, 0755), 0);
    assert_int_equal(fstatat(folder, "made", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0700);

    (void)snprintf(path, sizeof path, "%s/none/made", test_folder());
    assert_int_equal(durable_folder_make(path, 0700), -ENOENT);
    assert_int_equal(durable_file_save(folder, "file", "x", 1, 0600), 0);
    (void)snprintf(path, sizeof path, "%s/file", test_folder());
    assert_int_equal(durable_folder_make(path, 0700), -ENOTDIR);
    (void)close(folder);
}

TEST(durable_file_carries_every_byte_of_a_large_file) {
    const int folder = open_folder();
    enum { LARGE = 300001 };
    char *written = malloc(LARGE);
    char *bytes = NULL;
    size_t length = 0;
    assert_non_null(written);
    for (size_t i = 0; i < LARGE; i++) {
        written[i] = (char)(i * 31 >> 3);
    }
    assert_int_equal(durable_file_save(folder, "large", written, LARGE, 0600), 0);
    assert_int_equal(durable_file_load(folder, "large", LARGE, &bytes, &length), 0);
    assert_int_equal(length, LARGE);
    assert_memory_equal(bytes, written, LARGE);
    assert_int_equal(bytes[LARGE], 0);
    free(bytes);
    free(written);
    (void)close(folder);
}

TEST(durable_file_load_obeys_its_limit) {
    const int folder = open_folder();
    char *bytes = NULL;
    size_t length = 99;
    assert_int_equal(durable_file_save(folder, "a", "12345", 5, 0600), 0);
    assert_int_equal(durable_file_load(folder, "a", 4, &bytes, &length), -EFBIG);
    assert_null(bytes);
    assert_int_equal(length, 99);
    assert_int_equal(durable_file_load(folder, "a", 5, &bytes, &length), 0);
    free(bytes);
    (void)close(folder);
}

/* The kernel gives files under /proc the size 0: the limit holds for what is read. */
TEST(durable_file_load_counts_what_it_reads) {
    const int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *bytes = NULL;
    size_t length = 0;
    if (proc < 0) {
        skip();
    }
    assert_int_equal(durable_file_load(proc, "status", 20, &bytes, &length), -EFBIG);
    assert_int_equal(durable_file_load(proc, "status", 100000, &bytes, &length), 0);
    assert_int_equal(strlen(bytes), length);
    assert_true(length > 20);
    free(bytes);
    (void)close(proc);
}

TEST(durable_file_load_refuses_what_is_no_file) {
    const int folder = open_folder();
    char *bytes = NULL;
    size_t length = 0;
    assert_int_equal(durable_file_load(folder, "absent", 9, &bytes, &length), -ENOENT);
    assert_int_equal(mkfifoat(folder, "fifo", 0600), 0);
    assert_int_equal(durable_file_load(folder, "fifo", 9, &bytes, &length), -EINVAL);
    assert_int_equal(mkdirat(folder, "folder", 0700), 0);
    assert_int_equal(durable_file_load(folder, "folder", 9, &bytes, &length), -EISDIR);
    assert_null(bytes);
    (void)close(folder);
}

TEST(durable_file_replaces_a_temporary_file_left_by_a_crash_or_a_stranger) {
    const int folder = open_folder();
    assert_int_equal(durable_file_save(folder, "victim", "safe", 4, 0600), 0);
    assert_int_equal(symlinkat("victim", folder, "a.tmp"), 0);
    assert_int_equal(durable_file_save(folder, "a", "new", 3, 0600), 0);
    expect_content(folder, "victim", "safe");
    expect_content(folder, "a", "new");
    assert_false(exists(folder, "a.tmp"));
    (void)close(folder);
}

TEST(durable_file_failing_leaves_the_old_file_and_no_temporary_one) {
    const int folder = open_folder();
    /* A folder in the way of the rename. */
    assert_int_equal(mkdirat(folder, "b", 0700), 0);
    assert_int_equal(durable_file_save(folder, "b", "x", 1, 0600), -EISDIR);
    assert_false(exists(folder, "b.tmp"));
    /* A folder in the way of the temporary file. */
    assert_int_equal(mkdirat(folder, "c.tmp", 0700), 0);
    assert_int_equal(durable_file_save(folder, "c", "x", 1, 0600), -EISDIR);
    assert_false(exists(folder, "c"));
    assert_int_equal(durable_file_save(-1, "d", "x", 1, 0600), -EBADF);
    (void)close(folder);
}

TEST(durable_file_refuses_a_name_without_room_for_its_suffix) {
    const int folder = open_folder();
    char name[260];
    memset(name, 'n', sizeof name);
    name[252] = '\0';
    assert_int_equal(durable_file_save(folder, name, "x", 1, 0600), -ENAMETOOLONG);
    name[251] = '\0';
    assert_int_equal(durable_file_save(folder, name, "x", 1, 0600), 0);
    (void)close(folder);
}

TEST(durable_file_commit_publishes_or_removes) {
    const int folder = open_folder();
    int fd = openat(folder, "a.tmp", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "done", 4), 4);
    assert_int_equal(durable_file_commit(folder, fd, "a.tmp", "a"), 0);
    (void)close(fd);
    expect_content(folder, "a", "done");
    assert_false(exists(folder, "a.tmp"));

    fd = openat(folder, "b.tmp", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    (void)close(fd);
    assert_int_equal(durable_file_commit(folder, fd, "b.tmp", "b"), -EBADF);
    assert_false(exists(folder, "b.tmp"));
    assert_false(exists(folder, "b"));
    (void)close(folder);
}

/* The disk is full in the midst of the file: a size limit of the process stands in for it. */
TEST(durable_file_on_a_full_disk) {
    const int folder = open_folder();
    const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) {
        skip();
    }
    assert_int_equal(durable_file_save(folder, "a", "old", 3, 0600), 0);
    assert_int_equal(durable_file_commit(folder, full, "absent.tmp", "a"), -EINVAL);
    expect_content(folder, "a", "old");
    (void)close(full);
    (void)close(folder);
}
