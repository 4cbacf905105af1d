/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "testing/test.h"

static const int64_t moment_ns = INT64_C(1733307825) * NS_PER_S; /* 2024-12-04 10:23:45 UTC */
static char path[256];
static char content[16384];

static void set_zone(const char *zone) {
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

static void open_log(enum log_level level, enum log_format format) {
    set_zone("UTC");
    (void)snprintf(path, sizeof path, "%s/daemon.log", test_folder());
    assert_int_equal(log_open(path, level, format), 0);
}

static const char *read_file(const char *name) {
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    const size_t length = fread(content, 1, sizeof content - 1, file);
    content[length] = '\0';
    (void)fclose(file);
    return content;
}

TEST(log_writes_one_line_for_one_event) {
    open_log(LOG_INFO, LOG_TEXT);
    log_line(LOG_INFO, "SPF", moment_ns, STR("PASS for a@b from 192.0.2.1"));
    log_line(LOG_WARN, "RBL", moment_ns + NS_PER_S, STR(""));
    log_line(LOG_DEBUG, "GeoIP", moment_ns, STR("below the level"));
    set_zone("CET-1");
    log_line(LOG_ERROR, "Journal", moment_ns, STR("cannot write"));
    assert_string_equal(read_file(path),
                        "2024-12-04 10:23:45 INFO SPF: PASS for a@b from 192.0.2.1\n"
                        "2024-12-04 10:23:46 WARN RBL: \n"
                        "2024-12-04 11:23:45 ERROR Journal: cannot write\n");
}

TEST(log_levels) {
    open_log(LOG_WARN, LOG_TEXT);
    assert_false(log_enabled(LOG_DEBUG));
    assert_false(log_enabled(LOG_INFO));
    assert_true(log_enabled(LOG_WARN));
    assert_true(log_enabled(LOG_ERROR));
    log_write(LOG_INFO, "X", "%d", 1);
    log_set(LOG_DEBUG, LOG_TEXT);
    assert_true(log_enabled(LOG_DEBUG));
    log_line(LOG_DEBUG, "X", moment_ns, STR("seen"));
    assert_string_equal(read_file(path), "2024-12-04 10:23:45 DEBUG X: seen\n");
}

TEST(log_lets_no_one_forge_a_line) {
    open_log(LOG_INFO, LOG_TEXT);
    log_line(LOG_INFO, "A\nB", moment_ns, STR("x\r\n2024 INFO SPF: PASS\t\x01\0y"));
    assert_string_equal(read_file(path),
                        "2024-12-04 10:23:45 INFO A?B: x??2024 INFO SPF: PASS???y\n");
}

TEST(log_json_is_one_object_a_line) {
    open_log(LOG_INFO, LOG_JSON);
    log_line(LOG_INFO, "SPF", moment_ns, STR("say \"x\" \\ \n\xff \xc3\xa4"));
    set_zone("IST-5:30");
    log_line(LOG_WARN, "A\"B", moment_ns, STR(""));
    assert_string_equal(read_file(path),
                        "{\"time\":\"2024-12-04T10:23:45+00:00\",\"level\":\"INFO\",\"module\":"
                        "\"SPF\",\"message\":\"say \\\"x\\\" \\\\ ?? \xc3\xa4\"}\n"
                        "{\"time\":\"2024-12-04T15:53:45+05:30\",\"level\":\"WARN\",\"module\":"
                        "\"A\\\"B\",\"message\":\"\"}\n");
}

TEST(log_cuts_a_long_line_but_ends_it) {
    static char message[LOG_LINE_MAX + 100];
    static char module[200];
    memset(message, 'm', sizeof message);
    memset(module, 'M', sizeof module - 1);
    open_log(LOG_INFO, LOG_TEXT);
    log_line(LOG_INFO, module, moment_ns, (struct str){message, sizeof message});
    read_file(path);
    assert_int_equal(strlen(content), LOG_LINE_MAX);
    assert_int_equal(content[LOG_LINE_MAX - 1], '\n');
    assert_int_equal(content[LOG_LINE_MAX - 2], 'm');
    assert_int_equal(strspn(strchr(content, 'M'), "M"), 64);

    /* Whatever the character at the cut: the object is whole. */
    for (size_t quotes = 0; quotes < 3; quotes++) {
        assert_int_equal(truncate(path, 0), 0);
        memset(message, '"', sizeof message);
        memset(message, 'm', quotes);
        log_set(LOG_INFO, LOG_JSON);
        log_line(LOG_INFO, "X", moment_ns, (struct str){message, sizeof message});
        read_file(path);
        const size_t length = strlen(content);
        assert_true(length == LOG_LINE_MAX || length == LOG_LINE_MAX - 1);
        assert_string_equal(content + length - 5, "\\\"\"}\n");
    }
}

TEST(log_write_formats) {
    open_log(LOG_INFO, LOG_TEXT);
    log_write(LOG_INFO, "Worker", "%s took %d ms", "decay", 12);
    read_file(path);
    assert_string_equal(content + strlen("2024-12-04 10:23:45 "),
                        "INFO Worker: decay took 12 ms\n");
    static char message[2 * LOG_LINE_MAX];
    memset(message, 'm', sizeof message - 1);
    assert_int_equal(truncate(path, 0), 0);
    log_write(LOG_INFO, "Worker", "%s", message);
    assert_int_equal(strlen(read_file(path)), LOG_LINE_MAX);
}

TEST(log_reopens_after_rotation) {
    char old[300];
    open_log(LOG_INFO, LOG_TEXT);
    (void)snprintf(old, sizeof old, "%s.1", path);
    log_line(LOG_INFO, "X", moment_ns, STR("before"));
    assert_int_equal(rename(path, old), 0);
    log_line(LOG_INFO, "X", moment_ns, STR("between"));
    assert_int_equal(log_reopen(), 0);
    log_line(LOG_INFO, "X", moment_ns, STR("after"));
    assert_string_equal(read_file(old), "2024-12-04 10:23:45 INFO X: before\n"
                                        "2024-12-04 10:23:45 INFO X: between\n");
    assert_string_equal(read_file(path), "2024-12-04 10:23:45 INFO X: after\n");

    /* A folder took the place of the file: the open one goes on. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(log_reopen(), -EISDIR);
    const uint64_t dropped = log_dropped();
    log_line(LOG_INFO, "X", moment_ns, STR("goes on"));
    assert_true(log_dropped() == dropped);
}

TEST(log_counts_what_it_cannot_write) {
    const uint64_t dropped = log_dropped();
    if (access("/dev/full", W_OK) != 0) {
        skip();
    }
    assert_int_equal(log_open("/dev/full", LOG_INFO, LOG_TEXT), 0);
    log_line(LOG_INFO, "X", moment_ns, STR("lost"));
    log_line(LOG_DEBUG, "X", moment_ns, STR("not meant to be written"));
    assert_true(log_dropped() == dropped + 1);
}

/* Standard error becomes `fd` for the time of one call. */
static void with_stderr(int fd, void (*run)(void)) {
    const int kept = dup(STDERR_FILENO);
    assert_true(kept >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    run();
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    (void)close(kept);
}

static void log_two_lines(void) {
    assert_int_equal(log_open("", LOG_INFO, LOG_TEXT), 0);
    log_line(LOG_INFO, "X", moment_ns, STR("one"));
    log_line(LOG_ERROR, "X", moment_ns, STR("two"));
    assert_int_equal(log_reopen(), 0);
}

static void read_fd(int fd) {
    const ssize_t length = read(fd, content, sizeof content - 1);
    assert_true(length >= 0);
    content[length] = '\0';
}

TEST(log_under_systemd_bears_the_priority) {
    int ends[2];
    char stream[64];
    struct stat status;
    set_zone("UTC");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(fstat(ends[1], &status), 0);
    (void)snprintf(stream, sizeof stream, "%lu:%lu", (unsigned long)status.st_dev,
                   (unsigned long)status.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    with_stderr(ends[1], log_two_lines);
    read_fd(ends[0]);
    assert_string_equal(content, "<6>2024-12-04 10:23:45 INFO X: one\n"
                                 "<3>2024-12-04 10:23:45 ERROR X: two\n");
    /* Redirected elsewhere, the variable still set. */
    assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    with_stderr(ends[1], log_two_lines);
    read_fd(ends[0]);
    assert_string_equal(content, "2024-12-04 10:23:45 INFO X: one\n"
                                 "2024-12-04 10:23:45 ERROR X: two\n");
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void log_until_dropped(void) {
    const uint64_t dropped = log_dropped();
    assert_int_equal(log_open(NULL, LOG_INFO, LOG_TEXT), 0);
    for (unsigned i = 0; i < 100000 && log_dropped() == dropped; i++) {
        log_line(LOG_INFO, "X", moment_ns, STR("nobody reads this"));
    }
    assert_true(log_dropped() == dropped + 1);
}

/* Would hang here if a write could wait. */
TEST(log_never_waits_for_a_reader) {
    int ends[2];
    set_zone("UTC");
    assert_int_equal(pipe(ends), 0);
    with_stderr(ends[1], log_until_dropped);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    with_stderr(ends[1], log_until_dropped);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void log_to_a_wrong_path(void) {
    char wrong[300];
    (void)snprintf(wrong, sizeof wrong, "%s/absent/x.log", test_folder());
    assert_int_equal(log_open(wrong, LOG_INFO, LOG_TEXT), -ENOENT);
    log_line(LOG_INFO, "X", moment_ns, STR("said anyway"));
}

static void log_to_a_long_path(void) {
    static char wrong[PATH_MAX + 10];
    memset(wrong, 'p', sizeof wrong - 1);
    assert_int_equal(log_open(wrong, LOG_INFO, LOG_TEXT), -ENAMETOOLONG);
    log_line(LOG_INFO, "X", moment_ns, STR("said anyway"));
}

TEST(log_without_a_file_goes_to_standard_error) {
    int ends[2];
    set_zone("UTC");
    assert_int_equal(pipe(ends), 0);
    with_stderr(ends[1], log_to_a_wrong_path);
    read_fd(ends[0]);
    assert_string_equal(content, "2024-12-04 10:23:45 INFO X: said anyway\n");
    with_stderr(ends[1], log_to_a_long_path);
    read_fd(ends[0]);
    assert_string_equal(content, "2024-12-04 10:23:45 INFO X: said anyway\n");
    (void)close(ends[0]);
    (void)close(ends[1]);
}

TEST(log_throttle_passes_one_a_minute_and_counts_the_rest) {
    struct log_throttle throttle = {0};
    uint64_t suppressed = 99;
    const int64_t before_ns = clock_boot_ns();
    assert_true(log_throttle_pass(&throttle, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_true(throttle.next_boot_ns >= before_ns + INT64_C(60) * NS_PER_S);
    suppressed = 99;
    assert_false(log_throttle_pass(&throttle, &suppressed));
    assert_false(log_throttle_pass(&throttle, &suppressed));
    assert_int_equal(suppressed, 99);
    throttle.next_boot_ns = 0; /* A minute later. */
    assert_true(log_throttle_pass(&throttle, &suppressed));
    assert_int_equal(suppressed, 2);
    throttle.next_boot_ns = 0;
    assert_true(log_throttle_pass(&throttle, &suppressed));
    assert_int_equal(suppressed, 0);
}
