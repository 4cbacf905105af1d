/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_words.h"

#include "testing/test.h"

/* What a search for words finds in a file that has no full text table yet. */

static bool in(const char *phrase, const char *text) {
    return history_words_phrase_in(str_from(phrase), str_from(text));
}

TEST(a_word_is_found_whole_and_in_any_case) {
    assert_true(in("host7", "mail1.host7.example"));
    assert_true(in("HOST7", "mail1.host7.example"));
    assert_true(in("mail1", "mail1.host7.example"));
    assert_true(in("example", "mail1.HOST7.Example"));
    assert_false(in("host", "mail1.host7.example"));
    assert_false(in("ost7", "mail1.host7.example"));
    assert_false(in("host77", "mail1.host7"));
    assert_false(in("host7", ""));
    assert_false(in("host7", "host"));
}

TEST(a_word_that_begins_again_inside_itself_is_found) {
    assert_true(in("aab", "aaab aab"));
    assert_false(in("aab", "aaab"));
    assert_true(in("7", "77 7"));
}

TEST(the_words_of_a_phrase_follow_each_other) {
    assert_true(in("bob@example.org", "carol@example.com bob@example.org"));
    assert_true(in("host7.example", "mail1.host7.EXAMPLE"));
    assert_true(in("host7-example", "mail1.host7.example")); /* what parts them does not count */
    assert_false(in("host7.example", "host7.host7.org example"));
    assert_false(in("example.host7", "mail1.host7.example"));
    assert_false(in("host7.example.org", "mail1.host7.example"));
    assert_true(in("a.a.b", "a a a b"));
}

TEST(bytes_above_ascii_are_letters_and_have_no_case) {
    assert_true(in("bücher", "mail.BüCHER.example"));
    assert_false(in("bücher", "bÜcher"));
    assert_false(in("cher", "bücher"));
    assert_true(in("ü", "ü"));
    assert_false(in("\xc3", "\xe3")); /* alike but for the bit that is the case of letters */
}

TEST(a_byte_that_only_looks_like_the_first_one_is_no_match) {
    assert_false(in("0x", "\x10x"));
    assert_true(in("0x", "\x10 0x"));
    assert_true(in(".", "anything")); /* no word: nothing is asked for */
}
