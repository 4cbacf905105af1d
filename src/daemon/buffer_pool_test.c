/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/buffer_pool.h"

#include "testing/test.h"

TEST(a_buffer_given_back_is_the_next_one_given_out) {
    struct buffer_pool pool = {0};
    struct buffer *first = buffer_get(&pool, 100);
    struct buffer *second = buffer_get(&pool, BUFFER_SMALL_BYTES);
    assert_ptr_not_equal(first, second);
    assert_int_equal(first->size, BUFFER_SMALL_BYTES);
    assert_int_equal(pool.in_use, 2);
    buffer_put(&pool, first);
    assert_ptr_equal(buffer_get(&pool, 1), first);
    buffer_put(&pool, first);
    buffer_put(&pool, second);
    buffer_put(&pool, NULL);
    assert_int_equal(pool.in_use, 0);
    buffer_pool_done(&pool);
}

TEST(large_buffers_are_kept_up_to_a_number_and_never_too_small) {
    struct buffer_pool pool = {0};
    struct buffer *many[BUFFER_LARGE_KEPT + 3];
    const size_t count = sizeof many / sizeof many[0];
    for (size_t i = 0; i < count; i++) {
        many[i] = buffer_get(&pool, 10000);
        assert_true(many[i]->size >= 10000);
    }
    for (size_t i = 0; i < count; i++) {
        buffer_put(&pool, many[i]);
    }
    assert_int_equal(pool.large_kept, BUFFER_LARGE_KEPT);
    struct buffer *larger = buffer_get(&pool, 20000); /* The setting was raised. */
    assert_true(larger->size >= 20000);
    assert_int_equal(pool.large_kept, 0);
    buffer_put(&pool, larger);
    buffer_pool_done(&pool);
}

TEST(a_filled_pool_gives_out_what_it_has) {
    struct buffer_pool pool = {0};
    assert_true(buffer_pool_fill(&pool, 2));
    struct buffer *expected = pool.small;
    assert_ptr_equal(buffer_get(&pool, 1), expected);
    assert_non_null(pool.small);
    buffer_put(&pool, expected);
    buffer_pool_done(&pool);
}
