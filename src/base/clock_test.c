/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include "testing/test.h"

TEST(clock_boot_never_goes_back) {
    int64_t last_ns = clock_boot_ns();
    assert_true(last_ns > 0);
    for (unsigned i = 0; i < 10000; i++) {
        const int64_t now_ns = clock_boot_ns();
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
}

TEST(clock_wall_counts_nanoseconds_since_1970) {
    /* 2020 to 2200: the machine's clock is set by whoever runs this, so no tighter bound. */
    const int64_t now_ns = clock_wall_ns();
    assert_true(now_ns / NS_PER_S > INT64_C(1577836800));
    assert_true(now_ns / NS_PER_S < INT64_C(7258118400));
}
