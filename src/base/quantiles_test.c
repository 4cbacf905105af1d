/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quantiles.h"

#include "testing/test.h"

TEST(quantiles_of_nothing_are_zero_and_small_numbers_exact) {
    struct quantiles quantiles = {0};
    assert_int_equal(quantiles_find(&quantiles, 500), 0);
    for (uint32_t value = 1; value <= 15; value++) {
        quantiles_add(&quantiles, value, 1);
    }
    assert_int_equal(quantiles_find(&quantiles, 500), 8);
    assert_int_equal(quantiles_find(&quantiles, 1000), 15);
    assert_int_equal(quantiles_find(&quantiles, 0), 1);
}

/* Every number up to some, then every power of two and its neighbours, alone in a table. */
TEST(quantiles_tell_a_number_to_a_sixteenth) {
    for (uint64_t value = 1; value <= UINT32_MAX;
         value = value < 70000 ? value + 1 : value * 2 + 1) {
        struct quantiles quantiles = {0};
        quantiles_add(&quantiles, (uint32_t)value, 3);
        const double told = quantiles_find(&quantiles, 500);
        assert_true(told >= (double)value * 0.9374 && told <= (double)value * 1.0626);
    }
    struct quantiles last = {0};
    quantiles_add(&last, UINT32_MAX, 1);
    assert_true(quantiles_find(&last, 990) > UINT32_C(4000000000));
}

TEST(quantiles_of_merged_tables_are_those_of_all_numbers) {
    struct quantiles one = {0};
    struct quantiles two = {0};
    for (uint32_t value = 1; value <= 1000; value++) {
        quantiles_add(value % 2 == 0 ? &one : &two, value * 100, value % 2 == 0 ? 2 : 2);
    }
    quantiles_merge(&one, &two);
    static const unsigned shares[] = {100, 500, 950, 990};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        const double told = quantiles_find(&one, shares[i]);
        const double truth = shares[i] * 100.0;
        assert_true(told >= truth * 0.93 && told <= truth * 1.07);
    }
}
