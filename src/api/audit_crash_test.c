/* SPDX-License-Identifier: Apache-2.0 */

/* The audit log over `kill -9`: a child makes changes, each told before and completed after, and is
 * killed at every point in turn. A change that was made must have its begin in the log. Built with
 * the failpoints whatever the build says. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/audit.h"
#include "base/failpoint.h"
#include "testing/test.h"

enum { CHANGES = 5, TRIES_MAX = 100 };

static char db_path[160];
static char made_path[160];

/* The change itself: a byte at the end of a file. */
static void make_change(void) {
    const int fd = open(made_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    (void)close(fd);
}

static size_t changes_made(void) {
    const int fd = open(made_path, O_RDONLY | O_CLOEXEC);
    const off_t length = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    if (fd >= 0) {
        (void)close(fd);
    }
    return (size_t)length;
}

static void change_some(void) {
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    struct api_db *db = NULL;
    if (api_db_open(db_path, &db, &problem) < 0) {
        _exit(2);
    }
    for (int64_t i = 0; i < CHANGES; i++) {
        const struct audit_entry entry = {.user = STR("anna"), .action = STR("change")};
        int64_t id;
        if (audit_begin(db, &entry, i, &id) < 0) {
            _exit(3);
        }
        make_change();
        if (audit_end(db, id, 200, STR("done"), i) < 0) {
            _exit(4);
        }
    }
    _exit(0);
}

/* True when the child was killed. */
static bool run_child(const char *failpoint_text) {
    (void)fflush(stdout);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setenv("SECZIM_FAILPOINT", failpoint_text, 1);
        change_some();
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

struct totals {
    size_t rows;
    size_t ended;
    size_t cut_off;
};

static bool add_up(void *context, const struct audit_row *row) {
    struct totals *totals = context;
    totals->rows++;
    totals->ended += row->state == AUDIT_ENDED;
    totals->cut_off += row->state == AUDIT_CUT_OFF;
    return true;
}

/* What the next start finds; `result` is the first error. */
struct found {
    int result;
    size_t cut_off;
    struct totals totals;
    struct audit_verdict verdict;
};

static void look(struct found *found) {
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    struct api_db *db = NULL;
    const struct audit_query everything = {.since_ns = INT64_MIN};
    found->result = api_db_open(db_path, &db, &problem);
    if (found->result == 0) {
        found->result = audit_mark_cut_off(db, 1000, &found->cut_off);
    }
    if (found->result == 0) {
        found->result = audit_each(db, &everything, add_up, &found->totals);
    }
    if (found->result == 0) {
        found->result = audit_verify(db, &found->verdict);
    }
    api_db_close(db);
}

/* In a process of its own too: this one must not pass a failpoint, which arms them for good. */
static struct found look_in_child(void) {
    struct found found = {0};
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)fflush(stdout);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        look(&found);
        _exit(write(ends[1], &found, sizeof found) == (ssize_t)sizeof found ? 0 : 1);
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &found, sizeof found), sizeof found);
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return found;
}

static void check_after_kill(void) {
    const struct found found = look_in_child();
    assert_int_equal(found.result, 0);
    assert_int_equal(found.verdict.broken_id, 0);
    assert_true(found.cut_off <= 1);
    assert_int_equal(found.totals.cut_off, found.cut_off);
    assert_int_equal(found.totals.ended + found.totals.cut_off, found.totals.rows);
    /* Nothing was changed that is not in the log; what is told as done was done. */
    const size_t made = changes_made();
    assert_true(made <= found.totals.rows && made >= found.totals.ended);
}

static unsigned kill_at_each(const char *failpoint_name) {
    unsigned killed = 0;
    for (unsigned count = 1; count < TRIES_MAX; count++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s:%u", failpoint_name, count);
        (void)snprintf(db_path, sizeof db_path, "%s/%s-%u.db", test_folder(), failpoint_name,
                       count);
        (void)snprintf(made_path, sizeof made_path, "%s/%s-%u.made", test_folder(), failpoint_name,
                       count);
        const bool was_killed = run_child(text);
        check_after_kill();
        if (!was_killed) {
            assert_int_equal(changes_made(), CHANGES);
            return killed;
        }
        killed++;
    }
    fail_msg("%s never came to its end", failpoint_name);
    return 0;
}

TEST(no_change_is_missing_when_killed_before_any_commit) {
    assert_int_equal(kill_at_each("api.commit"), 2 * CHANGES);
}

TEST(no_change_is_missing_when_killed_after_any_commit) {
    assert_int_equal(kill_at_each("api.committed"), 2 * CHANGES);
}

TEST(no_change_is_missing_when_killed_between_change_and_end) {
    assert_int_equal(kill_at_each("api.audit-end"), CHANGES);
}
