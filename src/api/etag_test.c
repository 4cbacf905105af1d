/* SPDX-License-Identifier: Apache-2.0 */
#include "api/etag.h"

#include <string.h>

#include "testing/test.h"

static bool same_state(const char *first, const char *second) {
    char etag[ETAG_MAX];
    etag_make(str_from(first), etag);
    return etag_same_state(str_from(etag), str_from(second));
}

static bool same_tag(const char *first, const char *second) {
    char one[ETAG_MAX];
    char other[ETAG_MAX];
    etag_make(str_from(first), one);
    etag_make(str_from(second), other);
    return strcmp(one, other) == 0;
}

TEST(a_tag_is_quoted_and_of_the_bytes) {
    char etag[ETAG_MAX];
    etag_make(STR("{\"a\":1}"), etag);
    assert_int_equal(strlen(etag), 34);
    assert_true(etag[0] == '"' && etag[33] == '"');
    assert_true(same_tag("{\"a\":1}", "{\"a\":1}"));
    assert_false(same_tag("{\"a\":1}", "{\"a\":2}"));
    assert_false(same_state("{\"a\":1}", "{\"a\":2}"));
}

TEST(what_is_counted_changes_the_tag_but_not_the_state) {
    static const char before[] =
        "{\"name\":\"spf\",\"mode\":\"enforce\",\"counts\":{\"reject\":1}}";
    static const char counted[] =
        "{\"name\":\"spf\",\"mode\":\"enforce\",\"counts\":{\"reject\":2}}";
    static const char changed[] =
        "{\"name\":\"spf\",\"mode\":\"shadow\",\"counts\":{\"reject\":1}}";
    assert_false(same_tag(before, counted));
    assert_true(same_state(before, counted));
    assert_false(same_state(before, changed));
    static const char page[] = "{\"items\":[{\"name\":\"a\",\"counts\":{\"x\":1}}],\"next\":null}";
    static const char later[] = "{\"items\":[{\"name\":\"a\",\"counts\":{\"x\":9}}],\"next\":null}";
    static const char other[] = "{\"items\":[{\"name\":\"b\",\"counts\":{\"x\":1}}],\"next\":null}";
    assert_true(same_state(page, later));
    assert_false(same_state(page, other));
}

TEST(what_is_no_tag_names_no_state) {
    static const char *const wrong[] = {"", "\"", "\"0\"", "x",
                                        "\"0123456789abcdef0123456789abcdef\""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        test_case(wrong[i]);
        assert_false(etag_same_state(str_from(wrong[i]), STR("{\"a\":1}")));
    }
    /* Bytes that are no JSON, with the word in them. */
    assert_true(same_tag("\"counts\":", "\"counts\":"));
    assert_true(same_state("", ""));
}
