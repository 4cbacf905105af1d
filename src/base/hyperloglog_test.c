/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hyperloglog.h"

#include <string.h>

#include "base/sip_hash.h"
#include "testing/test.h"

static uint64_t hash_of(uint64_t trial, uint64_t value) {
    const struct sip_key key = {{1}};
    const uint64_t words[2] = {trial, value};
    return sip_hash(&key, words, sizeof words).high;
}

static double error_of(uint64_t estimate, uint64_t truth) {
    const double difference = (double)estimate - (double)truth;
    return (difference < 0 ? -difference : difference) / (double)truth;
}

TEST(hyperloglog_of_nothing_is_zero_and_of_a_few_is_exact) {
    static struct hyperloglog sketch;
    memset(&sketch, 0, sizeof sketch);
    assert_int_equal(hyperloglog_count(&sketch), 0);
    for (uint64_t i = 0; i < 20; i++) {
        for (int again = 0; again < 5; again++) {
            hyperloglog_add(&sketch, hash_of(1, i));
        }
        assert_int_equal(hyperloglog_count(&sketch), i + 1);
    }
}

/* The promise of the header: a standard error of 0.81 percent. The mean square of the errors of 40
 * sketches must be near it (1.1 percent: more than two deviations of that mean beyond it), and no
 * single one beyond five standard errors. */
TEST(hyperloglog_errs_by_no_more_than_it_says_at_any_count) {
    static const uint64_t counts[] = {100, 3000, 20000, 60000, 300000};
    static struct hyperloglog sketches[40];
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        double squares = 0.0;
        const size_t trials = counts[c] > 100000 ? 10 : 40;
        for (size_t trial = 0; trial < trials; trial++) {
            memset(&sketches[trial], 0, sizeof sketches[trial]);
            for (uint64_t i = 0; i < counts[c]; i++) {
                hyperloglog_add(&sketches[trial], hash_of(trial, i));
            }
            const double error = error_of(hyperloglog_count(&sketches[trial]), counts[c]);
            assert_true(error < 0.0405);
            squares += error * error;
        }
        assert_true(squares / (double)trials < 0.011 * 0.011);
    }
}

TEST(merged_sketches_count_what_both_have_seen_once) {
    static struct hyperloglog one, two, both;
    memset(&one, 0, sizeof one);
    memset(&two, 0, sizeof two);
    memset(&both, 0, sizeof both);
    for (uint64_t i = 0; i < 30000; i++) {
        hyperloglog_add(i < 20000 ? &one : &two, hash_of(7, i));
        hyperloglog_add(&both, hash_of(7, i));
        if (i >= 10000 && i < 20000) {
            hyperloglog_add(&two, hash_of(7, i));
        }
    }
    hyperloglog_merge(&one, &two);
    assert_memory_equal(&one, &both, sizeof one);
    assert_true(error_of(hyperloglog_count(&one), 30000) < 0.03);
}

TEST(a_sketch_comes_back_from_its_bytes_in_both_forms) {
    static const uint64_t counts[] = {0, 1, 500, 5000, 7000, 100000};
    static unsigned char bytes[HYPERLOGLOG_ENCODED_MAX];
    static struct hyperloglog sketch, again;
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        memset(&sketch, 0, sizeof sketch);
        memset(&again, 0, sizeof again);
        for (uint64_t i = 0; i < counts[c]; i++) {
            hyperloglog_add(&sketch, hash_of(3, i));
        }
        const size_t length = hyperloglog_encode(&sketch, bytes);
        assert_true(length <= sizeof bytes);
        assert_true(length <= 1 + 3 * counts[c]);
        assert_true(hyperloglog_merge_encoded(&again, bytes, length));
        assert_memory_equal(&again, &sketch, sizeof sketch);
    }
}

TEST(bytes_that_are_no_sketch_change_nothing) {
    static unsigned char bytes[HYPERLOGLOG_ENCODED_MAX];
    static struct hyperloglog sketch, zero;
    static const unsigned char sparse[] = {1, 0, 0, 3, 0xff, 0x3f, 50};
    memset(&sketch, 0, sizeof sketch);
    assert_false(hyperloglog_merge_encoded(&sketch, bytes, 0));
    for (size_t length = 0; length < sizeof sparse; length++) {
        if (length % 3 != 1) {
            assert_false(hyperloglog_merge_encoded(&sketch, sparse, length));
        }
    }
    static const unsigned char beyond[] = {1, 0x00, 0x40, 3};
    static const unsigned char too_high[] = {1, 0, 0, 51};
    static const unsigned char foreign[] = {3, 0, 0, 3};
    assert_false(hyperloglog_merge_encoded(&sketch, beyond, sizeof beyond));
    assert_false(hyperloglog_merge_encoded(&sketch, too_high, sizeof too_high));
    assert_false(hyperloglog_merge_encoded(&sketch, foreign, sizeof foreign));
    bytes[0] = 2;
    bytes[17] = 51;
    assert_false(hyperloglog_merge_encoded(&sketch, bytes, sizeof bytes));
    assert_false(hyperloglog_merge_encoded(&sketch, bytes, sizeof bytes - 1));
    assert_memory_equal(&sketch, &zero, sizeof sketch);
    assert_true(hyperloglog_merge_encoded(&sketch, sparse, sizeof sparse));
    assert_int_equal(sketch.registers[0x3fff], 50);
}
