/* SPDX-License-Identifier: Apache-2.0 */
#include "store/installation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing/test.h"

static char said[512];

static int load(struct installation *ret_installation) {
    struct text problem = TEXT_OVER(said);
    const int result = installation_open(test_folder(), ret_installation, &problem);
    (void)text_zero(&problem);
    return result;
}

static const char *path(void) {
    static char text[128];
    (void)snprintf(text, sizeof text, "%s/installation", test_folder());
    return text;
}

static void write_file(const char *bytes, size_t length) {
    const int fd = open(path(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    (void)close(fd);
}

static size_t read_file(char *bytes, size_t size) {
    const int fd = open(path(), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    const ssize_t length = read(fd, bytes, size);
    (void)close(fd);
    assert_true(length > 0);
    return (size_t)length;
}

TEST(installation_is_made_once_and_stays) {
    struct installation first;
    struct installation second;
    struct sip_key key;
    struct stat status;
    struct text problem = TEXT_OVER(said);
    assert_int_equal(load(&first), 0);
    assert_int_equal(stat(path(), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(load(&second), 0);
    assert_memory_equal(&first, &second, sizeof first);
    assert_int_equal(installation_load(test_folder(), &key, &problem), 0);
    assert_memory_equal(&key, &first.key, sizeof key);
    assert_memory_not_equal(first.id, first.key.bytes, sizeof first.id);
    /* Another installation is another. */
    assert_int_equal(unlink(path()), 0);
    assert_int_equal(load(&second), 0);
    assert_memory_not_equal(first.id, second.id, sizeof first.id);
    assert_memory_not_equal(&first.key, &second.key, sizeof first.key);
}

TEST(installation_missing_beside_state_is_refused) {
    static const char *const rows[] = {"state.snapshot", "journal/run"};
    struct installation installation;
    char beside[128];
    (void)snprintf(beside, sizeof beside, "%s/journal", test_folder());
    assert_int_equal(mkdir(beside, 0700), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i]);
        (void)snprintf(beside, sizeof beside, "%s/%s", test_folder(), rows[i]);
        const int fd = open(beside, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
        assert_int_equal(load(&installation), -EUCLEAN);
        assert_non_null(strstr(said, "/installation is missing beside a snapshot or journal"));
        assert_int_equal(access(path(), F_OK), -1);
        assert_int_equal(unlink(beside), 0);
    }
    assert_int_equal(load(&installation), 0);
}

TEST(installation_that_others_can_read_is_refused) {
    struct installation installation;
    assert_int_equal(load(&installation), 0);
    assert_int_equal(chmod(path(), 0640), 0);
    assert_int_equal(load(&installation), -EPERM);
    assert_non_null(strstr(said, "/installation can be read by others and holds a secret key: run "
                                 "`chmod 600` on it"));
    assert_int_equal(chmod(path(), 0600), 0);
    assert_int_equal(load(&installation), 0);
}

TEST(installation_of_another_user_is_refused) {
    struct installation installation;
    assert_int_equal(load(&installation), 0);
    if (chown(path(), 12345, (gid_t)-1) != 0) {
        skip(); /* only root can give a file away */
    }
    assert_int_equal(load(&installation), -EPERM);
    assert_non_null(strstr(said, "is not owned by the user that runs this service: chown it"));
}

TEST(installation_cut_short_or_changed_anywhere_is_refused_and_kept) {
    struct installation installation;
    struct installation untouched;
    char good[512];
    char bad[512];
    assert_int_equal(load(&installation), 0);
    const size_t length = read_file(good, sizeof good);
    memset(&untouched, 0x55, sizeof untouched);
    installation = untouched;
    for (size_t cut = 0; cut < length; cut++) {
        write_file(good, cut);
        assert_int_equal(load(&installation), -EUCLEAN);
    }
    assert_non_null(strstr(said, "is damaged or cut short: restore it from a backup"));
    for (size_t at = 0; at < length; at++) {
        memcpy(bad, good, length);
        bad[at] ^= 1;
        write_file(bad, length);
        assert_int_equal(load(&installation), -EUCLEAN);
        assert_int_equal(read_file(bad, sizeof bad), length); /* not made anew */
    }
    memcpy(bad, good, length);
    bad[length] = '\n';
    write_file(bad, length + 1);
    assert_int_equal(load(&installation), -EUCLEAN);
    assert_memory_equal(&installation, &untouched, sizeof untouched);
    write_file(good, length);
    assert_int_equal(load(&installation), 0);
}

TEST(installation_of_a_newer_release_is_left_alone) {
    struct installation installation;
    write_file("seczim-installation 2\nid 0\n", 27);
    assert_int_equal(load(&installation), -EPROTONOSUPPORT);
    assert_non_null(strstr(said, "was written by a newer release: install that release"));
}

TEST(installation_without_its_folder_says_so) {
    struct installation installation;
    struct text problem = TEXT_OVER(said);
    assert_int_equal(installation_open("/nonexistent/seczim", &installation, &problem), -ENOENT);
    assert_non_null(strstr(text_zero(&problem),
                           "the data folder /nonexistent/seczim cannot be opened: No "
                           "such file or directory; create it"));
    problem = TEXT_OVER(said);
    assert_int_equal(mkdir(path(), 0700), 0);
    assert_int_equal(load(&installation), -EUCLEAN);
    assert_non_null(strstr(said, "is not a file"));
}
