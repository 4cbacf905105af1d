/* SPDX-License-Identifier: Apache-2.0 */
#include "net/json_text.h"

#include <string.h>

#include "testing/test.h"

TEST(json_text_keeps_valid_utf8_and_replaces_the_rest) {
    static const struct {
        const char *bytes;
        const char *expected;
    } rows[] = {
        {"plain@example.com", "plain@example.com"},
        {"j\xc3\xb6rg@b\xc3\xbc"
         "cher.example",
         "j\xc3\xb6rg@b\xc3\xbc"
         "cher.example"},
        {"\xf0\x9f\x93\xa7", "\xf0\x9f\x93\xa7"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc3", "\xef\xbf\xbd"},                                 /* cut short */
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
        {"\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* overlong */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].bytes);
        json_t *text = json_text(str_from(rows[i].bytes));
        assert_non_null(text);
        assert_string_equal(json_string_value(text), rows[i].expected);
        /* What was made can be written and read again: it is valid in jansson's eyes too. */
        char *dumped = json_dumps(text, JSON_ENCODE_ANY);
        assert_non_null(dumped);
        json_t *again = json_loads(dumped, JSON_DECODE_ANY, NULL);
        assert_true(json_equal(text, again));
        json_decref(again);
        free(dumped);
        json_decref(text);
    }
}

TEST(json_sequences_are_strings_and_times_rfc3339) {
    json_t *sequence = json_sequence(UINT64_MAX);
    assert_string_equal(json_string_value(sequence), "18446744073709551615");
    json_decref(sequence);
    json_t *time = json_time(INT64_C(1733307825123000000));
    assert_string_equal(json_string_value(time), "2024-12-04T10:23:45.123Z");
    json_decref(time);
}

TEST(json_object_parse_says_where_a_mistake_is) {
    char nested[256] = "{\"a\":";
    memset(nested + 5, '[', 40);
    const struct {
        const char *input;
        const char *problem;
    } rows[] = {
        {"{\"a\": 1,\n \"b\": }", "line 2, column"},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"[1]", "not an object"},
        {"3", "not an object"},
        {" \n", "empty"},
        {"{} x", "end of file expected"},
        {"{\"a\":\"\xff\"}", "byte 0xff"},
        {"{\"a\":\"\\u0000\"}", "Not valid JSON"},
        {nested, "nested more than 32"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].input);
        char buffer[512];
        struct text problem = TEXT_OVER(buffer);
        assert_null(json_object_parse(str_from(rows[i].input), &problem));
        assert_non_null(strstr(text_zero(&problem), rows[i].problem));
    }
}

TEST(json_object_parse_does_not_count_brackets_in_strings) {
    char buffer[256];
    struct text problem = TEXT_OVER(buffer);
    json_t *object = json_object_parse(
        STR("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\",\"b\":[{}]}"), &problem);
    assert_non_null(object);
    assert_int_equal(json_str(json_object_get(object, "a")).length, 42);
    json_decref(object);
}
