/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_name.h"

#include <string.h>

#include "testing/test.h"

static void assert_text_of(const struct dns_wire_name *name, const char *expected) {
    char room[DNS_NAME_MAX + 1];
    struct text text = TEXT_OVER(room);
    assert_true(dns_name_format(name, &text));
    assert_string_equal(text_zero(&text), expected);
}

/* `count` labels of `length` letters. */
static struct str labels(char *room, size_t count, size_t length) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            room[at++] = '.';
        }
        memset(room + at, 'x', length);
        at += length;
    }
    return (struct str){room, at};
}

TEST(a_name_becomes_labels_in_lower_case_and_comes_back_as_text) {
    static const struct {
        const char *text, *wire, *back;
        size_t length;
    } rows[] = {
        {"Example.ORG", "\7example\3org", "example.org", 13},
        {"a", "\1a", "a", 3},
        {"_dmarc.x-1.example", "\6_dmarc\3x-1\7example", "_dmarc.x-1.example", 20},
        {"a\\.b.example", "\3a.b\7example", "a\\046b.example", 13},
        {"a\\032b", "\3a b", "a\\032b", 5},
        {"\\065.\\\\", "\1a\1\\", "a.\\092", 5},
        {"1/2.example", "\0031/2\7example", "1\\0472.example", 13},
        {"\\255", "\1\xff", "\\255", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].text);
        struct dns_wire_name name;
        assert_true(dns_name_parse(str_from(rows[i].text), &name));
        assert_int_equal(name.length, rows[i].length);
        assert_memory_equal(name.bytes, rows[i].wire, rows[i].length);
        assert_text_of(&name, rows[i].back);
    }
}

TEST(what_is_no_name_is_refused) {
    static const char *const rows[] = {"",    ".",   "a.",   ".a",    "a..b",
                                       "a\\", "\\1", "\\25", "\\256", "a.\\9x"};
    struct dns_wire_name name;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i]);
        assert_false(dns_name_parse(str_from(rows[i]), &name));
    }
    char room[300];
    assert_true(dns_name_parse(labels(room, 1, 63), &name));
    assert_false(dns_name_parse(labels(room, 1, 64), &name));
    assert_true(dns_name_parse(labels(room, 127, 1), &name)); /* 253 bytes */
    assert_int_equal(name.length, DNS_WIRE_NAME_MAX);
    assert_false(dns_name_parse(labels(room, 2, 127), &name)); /* 255 */
    assert_false(dns_name_parse(labels(room, 6, 42), &name));  /* 257 */
}

TEST(a_name_in_a_message_is_read_along_its_pointers) {
    /* 0: "b.c", 5: "A" -> 0, 9: -> 5, 11: the root */
    const struct str message = {"\1b\1c\0\1A\xc0\0\xc0\5\0", 12};
    static const struct {
        size_t at, end;
        const char *text;
    } rows[] = {{0, 5, "b.c"}, {2, 5, "c"}, {5, 9, "a.b.c"}, {9, 11, "a.b.c"}, {11, 12, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_wire_name name;
        size_t at = rows[i].at;
        assert_true(dns_name_read(message, &at, &name));
        assert_int_equal(at, rows[i].end);
        assert_text_of(&name, rows[i].text);
    }
}

TEST(a_name_that_loops_or_leaves_the_message_is_refused_and_the_place_stays) {
    static const struct {
        const char *label, *bytes;
        size_t length, at;
    } rows[] = {
        {"a pointer to itself", "\xc0\0", 2, 0},
        {"a pointer forwards", "\xc0\2\1a\0", 5, 0},
        {"a ring of two", "\1a\xc0\4\1b\xc0\0", 8, 4},
        {"into its own labels", "\1a\xc0\0", 4, 0},
        {"a label past the end", "\5abc", 4, 0},
        {"no end", "\1a", 2, 0},
        {"half a pointer", "\1a\xc0", 3, 0},
        {"a kind that is not in use", "\x41\x41\0", 3, 0},
        {"another", "\x80\0", 2, 0},
        {"nothing", "", 0, 0},
        {"behind the end", "\0", 1, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct dns_wire_name name;
        size_t at = rows[i].at;
        assert_false(dns_name_read((struct str){rows[i].bytes, rows[i].length}, &at, &name));
        assert_int_equal(at, rows[i].at);
    }
}

TEST(a_name_of_255_bytes_is_read_and_one_more_is_not) {
    char bytes[300];
    size_t length = 0;
    for (int i = 0; i < 3; i++) {
        bytes[length] = 63;
        memset(bytes + length + 1, 'x', 63);
        length += 64;
    }
    for (char last = 61; last <= 62; last++) {
        bytes[length] = last;
        memset(bytes + length + 1, 'x', (size_t)last);
        bytes[length + 1 + (size_t)last] = 0;
        struct dns_wire_name name;
        size_t at = 0;
        const struct str message = {bytes, length + 2 + (size_t)last};
        assert_int_equal(dns_name_read(message, &at, &name), last == 61);
    }
}

TEST(a_name_whose_text_would_be_too_long_gives_none) {
    /* Four bytes of text for each odd byte: 252; with ".a" 254. */
    char bytes[67];
    memset(bytes, 1, sizeof bytes);
    bytes[0] = 63;
    bytes[64] = 0;
    struct dns_wire_name name;
    char room[1024];
    struct text text = TEXT_OVER(room);
    size_t at = 0;
    assert_true(dns_name_read((struct str){bytes, sizeof bytes}, &at, &name));
    assert_true(dns_name_format(&name, &text));
    assert_int_equal(text.length, 252);
    bytes[64] = 1;
    bytes[65] = 'a';
    bytes[66] = 0;
    at = 0;
    assert_true(dns_name_read((struct str){bytes, sizeof bytes}, &at, &name));
    assert_false(dns_name_format(&name, &text));
    assert_int_equal(text.length, 252);
}

TEST(names_are_equal_when_their_bytes_are) {
    struct dns_wire_name a;
    struct dns_wire_name b;
    assert_true(dns_name_parse(STR("A.example"), &a) && dns_name_parse(STR("a.EXAMPLE"), &b));
    assert_true(dns_name_equal(&a, &b));
    assert_true(dns_name_parse(STR("b.example"), &b));
    assert_false(dns_name_equal(&a, &b));
    assert_true(dns_name_parse(STR("a.example.a"), &b));
    assert_false(dns_name_equal(&a, &b));
}
