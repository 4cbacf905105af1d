/* SPDX-License-Identifier: Apache-2.0 */
#include "api/csv.h"

#include "testing/test.h"

static void assert_cell(json_t *value, const char *wanted) {
    char bytes[256];
    struct text out = TEXT_OVER(bytes);
    csv_cell(value, &out);
    assert_string_equal(text_zero(&out), wanted);
    json_decref(value);
}

TEST(csv_cells_are_quoted_and_never_run) {
    assert_cell(json_string("a@example.org"), "\"a@example.org\"");
    assert_cell(json_string("say \"hello\", twice"), "\"say \"\"hello\"\", twice\"");
    assert_cell(json_string(""), "\"\"");
    assert_cell(json_string("two\nlines"), "\"two\nlines\"");
    static const char *const harmful[] = {
        "=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"};
    for (size_t i = 0; i < sizeof harmful / sizeof harmful[0]; i++) {
        char bytes[256];
        struct text out = TEXT_OVER(bytes);
        json_t *value = json_string(harmful[i]);
        csv_cell(value, &out);
        assert_memory_equal(bytes, "\"'", 2);
        json_decref(value);
    }
    assert_cell(json_integer(-5), "-5");
    assert_cell(json_true(), "true");
    assert_cell(json_null(), "");
    assert_cell(json_pack("[s]", "="), "\"[\"\"=\"\"]\"");
    csv_cell(NULL, &(struct text){0});
}
