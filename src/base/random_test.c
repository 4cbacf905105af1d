/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <string.h>

#include "testing/test.h"

TEST(random_bytes_fills_all_and_no_more) {
    unsigned char seen[64] = {0};
    random_init();
    for (unsigned round = 0; round < 64; round++) {
        unsigned char bytes[66];
        memset(bytes, 0, sizeof bytes);
        random_bytes(bytes + 1, 64);
        assert_int_equal(bytes[0], 0);
        assert_int_equal(bytes[65], 0);
        for (size_t i = 0; i < 64; i++) {
            seen[i] |= bytes[i + 1];
        }
    }
    for (size_t i = 0; i < sizeof seen; i++) {
        assert_int_equal(seen[i], 0xff);
    }
}

TEST(random_numbers_differ) {
    random_init();
    assert_true(random_u64() != random_u64());
}
