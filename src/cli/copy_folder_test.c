/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/copy_folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "testing/test.h"

static const char *path_of(const char *name) {
    static char paths[8][200];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
    return path;
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static void assert_file(const char *name, const char *text) {
    char bytes[100] = "";
    FILE *file = fopen(path_of(name), "r");
    assert_non_null(file);
    (void)!fread(bytes, 1, sizeof bytes - 1, file);
    (void)fclose(file);
    assert_string_equal(bytes, text);
}

static void make_folder(const char *name, const char *file, const char *text) {
    assert_int_equal(mkdir(path_of(name), 0700), 0);
    write_file(file, text);
}

TEST(a_folder_takes_the_place_of_another_which_is_set_aside) {
    make_folder("data", "data/a", "old");
    make_folder("fresh", "fresh/a", "new");
    int error;
    assert_int_equal(swap_folder(path_of("fresh"), path_of("data"), path_of("before"), &error),
                     FOLDER_SWAPPED);
    assert_int_equal(error, 0);
    assert_file("data/a", "new");
    assert_file("before/a", "old");
    assert_int_equal(access(path_of("fresh"), F_OK), -1);
}

TEST(a_folder_takes_a_place_that_is_free) {
    make_folder("fresh", "fresh/a", "new");
    int error;
    assert_int_equal(swap_folder(path_of("fresh"), path_of("data"), NULL, &error), FOLDER_SWAPPED);
    assert_file("data/a", "new");
}

TEST(what_stood_there_is_put_back_when_the_other_cannot_take_its_place) {
    make_folder("data", "data/a", "old");
    int error;
    assert_int_equal(swap_folder(path_of("missing"), path_of("data"), path_of("before"), &error),
                     FOLDER_PUT_BACK);
    assert_int_equal(error, ENOENT);
    assert_file("data/a", "old");
    assert_int_equal(access(path_of("before"), F_OK), -1);
}

TEST(nothing_changes_when_it_cannot_be_set_aside) {
    make_folder("data", "data/a", "old");
    make_folder("fresh", "fresh/a", "new");
    make_folder("before", "before/a", "older");
    int error;
    assert_int_equal(swap_folder(path_of("fresh"), path_of("data"), path_of("before"), &error),
                     FOLDER_NOT_SET_ASIDE);
    assert_int_equal(error, ENOTEMPTY);
    assert_file("data/a", "old");
    assert_file("fresh/a", "new");
    assert_file("before/a", "older");
}

TEST(a_copy_has_the_files_and_folders_and_follows_no_link) {
    make_folder("from", "from/a", "alpha");
    make_folder("from/deep", "from/deep/b", "beta");
    assert_int_equal(symlink("/etc/passwd", path_of("from/link")), 0);
    assert_int_equal(copy_folder(path_of("from"), path_of("to"), NULL), 0);
    assert_file("to/a", "alpha");
    assert_file("to/deep/b", "beta");
    assert_int_equal(access(path_of("to/link"), F_OK), -1);
    assert_int_equal(copy_folder(path_of("from"), path_of("to"), NULL), EEXIST);
}

TEST(the_greater_number_stays) {
    write_file("small", "0000000007\n");
    write_file("great", "0000000012\n");
    assert_int_equal(copy_file_if_greater(path_of("small"), path_of("great")), 0);
    assert_file("great", "0000000012\n");
    assert_int_equal(copy_file_if_greater(path_of("great"), path_of("small")), 0);
    assert_file("small", "0000000012\n");
    assert_int_equal(copy_file_if_greater(path_of("great"), path_of("none")), 0);
    assert_file("none", "0000000012\n");
}
