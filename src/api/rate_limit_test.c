/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rate_limit.h"

#include "base/clock.h"
#include "testing/test.h"

TEST(rate_limit_lets_a_burst_through_then_so_many_a_second) {
    const struct sip_key key = {{1, 2}};
    struct rate_limit *limit = rate_limit_new(&key, 50);
    assert_non_null(limit);
    int64_t now_ns = INT64_C(1000) * NS_PER_S;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(rate_limit_take(limit, STR("admin"), now_ns), 0);
    }
    assert_int_equal(rate_limit_take(limit, STR("admin"), now_ns), 1);
    assert_int_equal(rate_limit_take(limit, STR("another"), now_ns), 0);
    assert_int_equal(rate_limit_refused(limit), 1);

    now_ns += NS_PER_S;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(rate_limit_take(limit, STR("admin"), now_ns), 0);
    }
    assert_int_equal(rate_limit_take(limit, STR("admin"), now_ns), 1);

    now_ns += INT64_C(3600) * NS_PER_S; /* Rest fills the bucket and no more. */
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(rate_limit_take(limit, STR("admin"), now_ns), 0);
    }
    assert_int_equal(rate_limit_take(limit, STR("admin"), now_ns), 1);
    rate_limit_free(limit);
}
