/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/list_index.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/list_index_fixture.h"
#include "policy/list_rows.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* Memory: how much it takes, and what happens when there is none. */

TEST(every_failing_allocation_is_survived) {
    size_t needed = 0;
    for (size_t granted = 0;; granted++) {
        size_t budget = granted;
        const struct list_memory memory = world_memory(&budget);
        struct list_builder *builder = list_builder_new(&memory, 3);
        bool whole = builder != NULL;
        for (uint64_t i = 0; builder != NULL && i < 60; i++) {
            char pattern[64];
            (void)snprintf(pattern, sizeof pattern, "a-rather-long-name-%d@example.com", (int)i);
            const struct list_item item = item_of(i + 1, LIST_BLOCK, PATTERN_EMAIL, pattern);
            whole = list_builder_add(builder, &item) && whole;
        }
        struct list_index *index = builder != NULL ? list_builder_finish(builder) : NULL;
        assert_int_equal(index != NULL, whole);
        if (index != NULL) {
            const struct list_query query =
                query_of("a-rather-long-name-59@example.com", "192.0.2.1");
            assert_int_equal(list_index_count(index), 60);
            assert_int_equal(find_one(index, LIST_BLOCK, &query), 60);
            assert_true(list_index_bytes(index) >= 60 * 50);
            list_index_free(index);
            needed = granted;
            break;
        }
        list_index_free(index);
    }
    assert_true(needed >= 7); /* builder, 3 × rows, 3 × slots, pool growing */
}

struct ledger {
    size_t attempts;
    size_t bytes;
};

static void *allocate_noting(void *context, size_t bytes) {
    struct ledger *ledger = context;
    ledger->attempts++;
    ledger->bytes += bytes;
    return bytes < 1 << 20 ? calloc(1, bytes) : NULL;
}

static void release_noting(void *context, void *memory) {
    (void)context;
    free(memory);
}

TEST(an_index_tells_how_much_memory_it_takes) {
    struct ledger ledger = {0, 0};
    const struct list_memory memory = {&ledger, allocate_noting, release_noting};
    struct list_builder *builder = list_builder_new(&memory, 100);
    const struct list_item item = item_of(1, LIST_ALLOW, PATTERN_DOMAIN, "example.com");
    assert_true(list_builder_add(builder, &item));
    struct list_index *index = list_builder_finish(builder);
    assert_int_equal(ledger.attempts, 5); /* enough from the start */
    assert_in_range(ledger.bytes - list_index_bytes(index), 0, 16);
    list_index_free(index);
}

/* The text of all entries together is addressed by 32 bits; 20 bytes an entry are reserved. */
TEST(more_than_the_limits_is_refused_before_memory_is_asked_for) {
    static const struct {
        size_t items;
        size_t attempts;
    } rows[] = {
        {214748364, 2}, /* the builder, then rows that there is no memory for */
        {214748365, 1},
        {LIST_ITEMS_MAX, 1},
        {(size_t)LIST_ITEMS_MAX + 1, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ledger ledger = {0, 0};
        const struct list_memory memory = {&ledger, allocate_noting, release_noting};
        assert_null(list_builder_new(&memory, rows[i].items));
        assert_int_equal(ledger.attempts, rows[i].attempts);
    }
}

/* Memory of which one request is refused, and only that one. */
struct refusing {
    size_t attempts;
    size_t refused; /* this one, counted from 1 */
    size_t held;
};

static void *allocate_refusing(void *context, size_t bytes) {
    struct refusing *refusing = context;
    if (++refusing->attempts == refusing->refused) {
        return NULL;
    }
    refusing->held++;
    return calloc(1, bytes);
}

static void release_refusing(void *context, void *memory) {
    struct refusing *refusing = context;
    assert_non_null(memory);
    refusing->held--;
    free(memory);
}

TEST(whichever_request_for_memory_is_refused_all_of_it_is_given_back) {
    size_t refused = 0;
    for (bool whole = false; !whole;) {
        struct refusing refusing = {.refused = ++refused};
        const struct list_memory memory = {&refusing, allocate_refusing, release_refusing};
        struct list_builder *builder = list_builder_new(&memory, 3);
        whole = builder != NULL;
        for (uint64_t i = 0; builder != NULL && i < 200; i++) {
            char pattern[64];
            (void)snprintf(pattern, sizeof pattern, "a-rather-long-name-%d@example.com", (int)i);
            const struct list_item item = item_of(i + 1, LIST_BLOCK, PATTERN_EMAIL, pattern);
            whole = list_builder_add(builder, &item) && whole;
        }
        struct list_index *index = builder != NULL ? list_builder_finish(builder) : NULL;
        assert_int_equal(index != NULL, whole);
        assert_int_equal(whole, refused > refusing.attempts);
        assert_int_equal(refusing.held, whole ? 5 : 0);
        list_index_free(index);
        assert_int_equal(refusing.held, 0);
    }
    assert_true(refused > 12); /* also while it grows */
}
