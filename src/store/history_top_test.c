/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing/test.h"

static void add(struct history_top *top, const char *text, unsigned list, uint64_t count) {
    struct history_key key;
    history_key_make(&key, str_from(text));
    assert_int_equal(history_top_add(top, &key, STR(""), list, count), 0);
}

static void add_number(struct history_top *top, unsigned number, uint64_t count) {
    char text[32];
    (void)snprintf(text, sizeof text, "key%u@example.org", number);
    add(top, text, 0, count);
}

static bool is(struct str text, const char *expected) {
    return str_equal(text, str_from(expected));
}

static uint64_t next_number(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* The number in "key17@example.org": a key does not end in a zero byte. */
static size_t number_of(struct str key) {
    uint64_t number = 0;
    assert_true(str_parse_u64(str_slice(key, 3, str_find(key, '@')), UINT32_MAX, &number));
    return (size_t)number;
}

TEST(highest_keys_come_first_by_the_lists_that_are_asked) {
    struct history_top *top = history_top_new(0);
    struct history_top_item items[4];
    struct history_key key;
    add(top, "Alice@Example.org", history_top_list(0, HISTORY_ACCEPTED), 5);
    add(top, "alice@example.ORG", history_top_list(1, HISTORY_REJECTED), 2);
    add(top, "bob", history_top_list(0, HISTORY_REJECTED), 4);
    add(top, "carol", history_top_list(0, HISTORY_DEFERRED), 4);
    history_key_make(&key, STR("bob"));
    assert_int_equal(history_top_add(top, &key, STR("Robert"), 0, 0), 0);
    assert_int_equal(history_top_highest(top, (1u << HISTORY_TOP_LISTS) - 1, items, 4), 3);
    assert_true(is(items[0].key, "alice@example.org"));
    assert_int_equal(items[0].count, 7);
    assert_int_equal(items[0].counts[HISTORY_ACCEPTED], 5);
    assert_int_equal(items[0].counts[HISTORY_REJECTED], 2);
    assert_int_equal(items[0].missing, 0);
    assert_true(is(items[1].key, "bob"));
    assert_true(is(items[2].key, "carol"));
    /* Only what was refused, either way. */
    const unsigned rejected =
        1u << history_top_list(0, HISTORY_REJECTED) | 1u << history_top_list(1, HISTORY_REJECTED);
    assert_int_equal(history_top_highest(top, rejected, items, 4), 2);
    assert_true(is(items[0].key, "bob"));
    assert_int_equal(items[1].count, 2);
    assert_int_equal(history_top_highest(top, rejected, items, 1), 1);
    assert_true(is(items[0].key, "bob"));
    assert_int_equal(history_top_highest(top, rejected, items, 0), 0);
    history_top_clear(top);
    assert_int_equal(history_top_highest(top, rejected, items, 4), 0);
    history_top_free(top);
}

TEST(a_table_grows_and_keeps_every_count) {
    struct history_top *top = history_top_new(0);
    struct history_top_item item;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 20000; i++) {
            add_number(top, i, i == 7777 ? 2 : 1);
        }
    }
    assert_int_equal(history_top_keys(top), 20000);
    assert_int_equal(history_top_highest(top, 1, &item, 1), 1);
    assert_true(is(item.key, "key7777@example.org"));
    assert_int_equal(item.count, 6);
    history_top_free(top);
}

/* A table of a thousand keys, fed with fifty thousand different ones and some that come often. */
TEST(what_is_forgotten_is_no_more_than_what_is_said) {
    static uint64_t truth[60000];
    struct history_top *top = history_top_new(1000);
    struct history_top_item items[200];
    uint64_t seed = 5;
    memset(truth, 0, sizeof truth);
    for (unsigned i = 0; i < 300000; i++) {
        const unsigned number =
            (unsigned)(next_number(&seed) % 2 == 0 ? next_number(&seed) % 20
                                                   : 100 + next_number(&seed) % 50000);
        truth[number]++;
        add_number(top, number, 1);
    }
    assert_true(history_top_keys(top) <= 1000);
    const size_t count = history_top_highest(top, 1, items, 200);
    assert_true(count >= 20);
    for (size_t i = 0; i < count; i++) {
        const size_t number = number_of(items[i].key);
        assert_true(items[i].count <= truth[number]);
        assert_true(items[i].count + items[i].missing >= truth[number]);
        assert_true(items[i].missing > 0 && items[i].missing < 7500);
        assert_true(i >= 20 || number < 20);
    }
    history_top_free(top);
}

struct bytes {
    unsigned char *data;
    size_t length;
};

static struct bytes encode(const struct history_top *top, unsigned list, size_t keep) {
    struct bytes bytes;
    assert_int_equal(history_top_encode(top, list, keep, &bytes.data, &bytes.length), 0);
    return bytes;
}

TEST(a_list_comes_back_with_labels_and_with_what_it_left_out) {
    struct history_top *one = history_top_new(0);
    struct history_top *again = history_top_new(0);
    struct history_top_item items[8];
    struct history_key key;
    history_key_make(&key, STR("192.0.2.1"));
    assert_int_equal(history_top_add(one, &key, STR("mail.example.org"), 2, 9), 0);
    add(one, "192.0.2.2", 2, 8);
    add(one, "192.0.2.3", 2, 7);
    add(one, "192.0.2.4", 2, 3);
    add(one, "192.0.2.4", 1, 50);
    const struct bytes bytes = encode(one, 2, 2);
    assert_int_equal(history_top_merge_encoded(again, 2, bytes.data, bytes.length), 0);
    add(again, "192.0.2.3", 2, 1);
    assert_int_equal(history_top_highest(again, 1u << 2, items, 8), 3);
    assert_true(is(items[0].key, "192.0.2.1"));
    assert_true(is(items[0].label, "mail.example.org"));
    assert_int_equal(items[0].count, 9);
    assert_int_equal(items[0].missing, 0);
    assert_int_equal(items[1].count, 8);
    assert_int_equal(items[1].missing, 0);
    assert_true(is(items[2].key, "192.0.2.3"));
    assert_int_equal(items[2].count, 1);
    assert_int_equal(items[2].missing, 7); /* as many as the list left out of any */
    free(bytes.data);
    const struct bytes none = encode(one, 3, 2);
    assert_null(none.data);
    assert_int_equal(history_top_merge_encoded(again, 3, NULL, 0), 0);
    history_top_free(one);
    history_top_free(again);
}

/* Twenty parts with their thirty highest keys each, merged: every answer keeps its own promise. */
TEST(merged_lists_bound_the_truth_from_both_sides) {
    static uint64_t truth[2000];
    struct history_top *merged = history_top_new(0);
    struct history_top_item items[50];
    uint64_t seed = 11;
    unsigned exact = 0;
    memset(truth, 0, sizeof truth);
    for (unsigned part = 0; part < 20; part++) {
        struct history_top *top = history_top_new(part % 2 == 0 ? 0 : 300);
        for (unsigned i = 0; i < 3000; i++) {
            const uint64_t any = next_number(&seed) % 2000;
            const unsigned number = (unsigned)(any * any / 2000 * any / 2000);
            truth[number]++;
            add_number(top, number, 1);
        }
        const struct bytes bytes = encode(top, 0, 30);
        assert_int_equal(history_top_merge_encoded(merged, 0, bytes.data, bytes.length), 0);
        free(bytes.data);
        history_top_free(top);
    }
    const size_t count = history_top_highest(merged, 1, items, 50);
    assert_int_equal(count, 50);
    for (size_t i = 0; i < count; i++) {
        const size_t number = number_of(items[i].key);
        assert_true(items[i].count <= truth[number]);
        assert_true(items[i].count + items[i].missing >= truth[number]);
        exact += items[i].count == truth[number];
    }
    assert_true(exact >= 3);
    history_top_free(merged);
}

TEST(a_gathered_table_is_merged_whole) {
    struct history_top *one = history_top_new(0);
    struct history_top *two = history_top_new(4);
    struct history_top_item items[8];
    add(one, "a", 0, 3);
    add(two, "a", 4, 2);
    for (unsigned i = 0; i < 5; i++) {
        add_number(two, i, 1); /* the fifth makes it forget the lower half */
    }
    assert_int_equal(history_top_merge(one, two), 0);
    const size_t count = history_top_highest(one, 1u << 0 | 1u << 4, items, 8);
    assert_true(count >= 1);
    assert_true(is(items[0].key, "a"));
    assert_int_equal(items[0].count, 5);
    assert_true(items[0].missing >= 1);
    history_top_free(one);
    history_top_free(two);
}

TEST(bytes_that_are_no_list_are_refused) {
    struct history_top *one = history_top_new(0);
    add(one, "somebody@example.org", 0, 1000);
    add(one, "nobody@example.org", 0, 10);
    const struct bytes bytes = encode(one, 0, 10);
    for (size_t length = 1; length < bytes.length; length++) {
        struct history_top *top = history_top_new(0);
        unsigned char *cut = malloc(length);
        memcpy(cut, bytes.data, length);
        const int result = history_top_merge_encoded(top, 0, cut, length);
        assert_true(result == -EUCLEAN || result == 0);
        assert_true(result == -EUCLEAN || history_top_keys(top) < 2);
        free(cut);
        history_top_free(top);
    }
    struct history_top *top = history_top_new(0);
    static const unsigned char listed_more[] = {1, 2};
    static const unsigned char endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(history_top_merge_encoded(top, 0, listed_more, 2), -EUCLEAN);
    assert_int_equal(history_top_merge_encoded(top, 0, endless, sizeof endless), -EUCLEAN);
    free(bytes.data);
    history_top_free(top);
    history_top_free(one);
}

TEST(a_key_of_any_bytes_is_kept_and_a_long_one_cut) {
    static char longest[2 * HISTORY_TOP_KEY_MAX];
    struct history_top *top = history_top_new(0);
    struct history_top_item items[3];
    struct history_key key;
    memset(longest, 'X', sizeof longest);
    history_key_make(&key, (struct str){longest, sizeof longest});
    assert_int_equal(history_top_add(top, &key, (struct str){longest, sizeof longest}, 0, 2), 0);
    history_key_make(&key, (struct str){"\0\xff\n", 3});
    assert_int_equal(history_top_add(top, &key, STR(""), 0, 1), 0);
    const struct bytes bytes = encode(top, 0, 10);
    history_top_clear(top);
    assert_int_equal(history_top_merge_encoded(top, 0, bytes.data, bytes.length), 0);
    assert_int_equal(history_top_highest(top, 1, items, 3), 2);
    assert_int_equal(items[0].key.length, HISTORY_TOP_KEY_MAX);
    assert_int_equal(items[0].label.length, HISTORY_TOP_KEY_MAX);
    assert_int_equal(items[0].key.data[0], 'x');
    assert_int_equal(items[1].key.length, 3);
    assert_memory_equal(items[1].key.data, "\0\xff\n", 3);
    free(bytes.data);
    history_top_free(top);
}
