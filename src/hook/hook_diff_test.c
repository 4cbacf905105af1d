/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook_diff.h"

#include "testing/test.h"

static void assert_diff(const char *before, const char *after, const char *expected) {
    char room[4096];
    struct text out = TEXT_OVER(room);
    hook_diff(str_from(before), str_from(after), "f", &out);
    assert_string_equal(text_zero(&out), expected);
    assert_true(out.length <= hook_diff_size(str_from(before), str_from(after)));
}

TEST(the_same_text_has_no_diff) {
    assert_diff("a\nb\n", "a\nb\n", "");
}

TEST(a_line_added_removed_or_changed_stands_in_its_context) {
    assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nX\n5\n6\n7\n8\n",
                "--- f\n+++ f\n@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+X\n 5\n 6\n 7\n");
    assert_diff("1\n2\n3\n", "1\n3\n", "--- f\n+++ f\n@@ -1,3 +1,2 @@\n 1\n-2\n 3\n");
    assert_diff("a\n", "b\n", "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a\n+b\n");
    assert_diff("", "b\n", "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+b\n");
}

TEST(near_changes_share_a_hunk_and_far_ones_do_not) {
    assert_diff("1\n2\n3\n4\n", "X\n1\n2\n3\n4\nY\n",
                "--- f\n+++ f\n@@ -1,4 +1,6 @@\n+X\n 1\n 2\n 3\n 4\n+Y\n");
    assert_diff("1\n2\n3\n4\n5\n6\n7\n", "X\n1\n2\n3\n4\n5\n6\n7\nY\n",
                "--- f\n+++ f\n@@ -1,3 +1,4 @@\n+X\n 1\n 2\n 3\n@@ -5,3 +6,4 @@\n 5\n 6\n 7\n+Y\n");
}

TEST(a_last_line_without_newline_is_told) {
    assert_diff("a\nb", "a\nb\nc\n",
                "--- f\n+++ f\n@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+c\n");
}
