/* SPDX-License-Identifier: Apache-2.0 */
#include "base/decision_clock.h"

#include "testing/test.h"

#define S   INT64_C(1000000000)
#define DAY (86400 * S)

static const int64_t noon_ns = INT64_C(1733310000) * S;

TEST(decision_clock_starts_at_the_later_of_wall_clock_and_journal) {
    static const struct {
        const char *label;
        int64_t wall_ns; /* from noon */
        int64_t last_ns; /* from noon */
        int64_t now_ns;  /* from noon */
        bool stepped;
        bool gap;
    } rows[] = {
        {"an hour down", 3600 * S, 0, 3600 * S, false, false},
        {"the same moment", 0, 0, 0, false, false},
        {"wall a little behind", -2 * S, 0, 0, false, false},
        {"wall behind by more", -2 * S - 1, 0, 0, true, false},
        {"wall ten years behind", -3650 * DAY, 0, 0, true, false},
        {"thirty days down", 30 * DAY, 0, 30 * DAY, false, false},
        {"a nanosecond more", 30 * DAY + 1, 0, DAY, true, true},
        {"ten years ahead", 3650 * DAY, 0, DAY, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        const struct decision_clock clock =
            decision_clock_start(noon_ns + rows[i].wall_ns, 5 * S, noon_ns + rows[i].last_ns);
        assert_int_equal(clock.now_ns - noon_ns, rows[i].now_ns);
        assert_int_equal(clock.offset_ns, rows[i].wall_ns - rows[i].now_ns);
        assert_int_equal(clock.stepped, rows[i].stepped);
        assert_int_equal(clock.gap, rows[i].gap);
        assert_int_equal(clock.last_boot_ns, 5 * S);
        assert_false(clock.waiting);
    }
}

TEST(decision_clock_without_a_journal_is_the_wall_clock) {
    const struct decision_clock clock = decision_clock_start(noon_ns, 0, 0);
    assert_int_equal(clock.now_ns, noon_ns);
    assert_false(clock.gap);
    assert_false(clock.stepped);
}

TEST(decision_clock_advances_with_the_boot_clock) {
    struct decision_clock clock = decision_clock_start(noon_ns, 100 * S, 0);
    assert_int_equal(decision_clock_step(&clock, noon_ns + S, 101 * S), noon_ns + S);
    assert_int_equal(clock.offset_ns, 0);
    /* A boot clock that seems to go back stands still. */
    assert_int_equal(decision_clock_step(&clock, noon_ns + S, 100 * S), noon_ns + S);
    assert_int_equal(clock.last_boot_ns, 101 * S);
}

TEST(decision_clock_slews_a_small_difference_away) {
    struct decision_clock clock = decision_clock_start(noon_ns, 0, 0);
    /* The wall clock is set 2 s ahead: ten seconds of decision time gain a tenth. */
    assert_int_equal(decision_clock_step(&clock, noon_ns + 12 * S, 10 * S),
                     noon_ns + 10 * S + S / 10);
    assert_false(clock.stepped);
    assert_int_equal(clock.offset_ns, 19 * S / 10);
    /* After 190 s it is gone, and the clock does not run past it. */
    assert_int_equal(decision_clock_step(&clock, noon_ns + 202 * S, 200 * S), noon_ns + 202 * S);
    assert_int_equal(decision_clock_step(&clock, noon_ns + 302 * S, 300 * S), noon_ns + 302 * S);
    /* And the same behind. */
    assert_int_equal(decision_clock_step(&clock, noon_ns + 400 * S, 400 * S),
                     noon_ns + 402 * S - S);
    assert_int_equal(decision_clock_step(&clock, noon_ns + 600 * S, 600 * S), noon_ns + 600 * S);
    assert_int_equal(clock.offset_ns, 0);
}

TEST(decision_clock_does_not_follow_a_step_while_running) {
    static const int64_t steps_ns[] = {2 * S + 1, -2 * S - 1, 3600 * S,   -3600 * S,
                                       86400 * S, -DAY,       3650 * DAY, -3650 * DAY};
    for (size_t i = 0; i < sizeof steps_ns / sizeof steps_ns[0]; i++) {
        struct decision_clock clock = decision_clock_start(noon_ns, 0, 0);
        assert_int_equal(decision_clock_step(&clock, noon_ns + 10 * S + steps_ns[i], 10 * S),
                         noon_ns + 10 * S);
        assert_true(clock.stepped);
        assert_int_equal(clock.offset_ns, steps_ns[i]);
        /* Set right again: the alert ends by itself. */
        assert_int_equal(decision_clock_step(&clock, noon_ns + 20 * S, 20 * S), noon_ns + 20 * S);
        assert_false(clock.stepped);
    }
}

TEST(decision_clock_gap_ends_when_the_wall_clock_is_mended) {
    struct decision_clock clock = decision_clock_start(noon_ns + 3650 * DAY, 0, noon_ns);
    assert_true(clock.gap);
    assert_int_equal(decision_clock_step(&clock, noon_ns + 3650 * DAY + S, S), noon_ns + DAY + S);
    assert_true(clock.gap);
    assert_true(clock.stepped);
    (void)decision_clock_step(&clock, noon_ns + DAY + 2 * S, 2 * S);
    assert_false(clock.gap);
    assert_false(clock.stepped);
}

TEST(decision_clock_accept_jumps_forward) {
    struct decision_clock clock = decision_clock_start(noon_ns + 3650 * DAY, 0, noon_ns);
    assert_int_equal(decision_clock_accept(&clock, noon_ns + 3650 * DAY + S, S), 0);
    assert_int_equal(clock.now_ns, noon_ns + 3650 * DAY + S);
    assert_int_equal(clock.offset_ns, 0);
    assert_false(clock.gap);
    assert_false(clock.stepped);
    assert_false(clock.waiting);
}

TEST(decision_clock_accept_waits_for_a_clock_that_is_behind) {
    struct decision_clock clock = decision_clock_start(noon_ns, 0, noon_ns + 3600 * S);
    assert_true(clock.stepped);
    assert_int_equal(decision_clock_accept(&clock, noon_ns, 0), 3600 * S);
    assert_false(clock.stepped);
    const int64_t stood_ns = clock.now_ns;
    for (int64_t i = 1; i <= 3; i++) {
        assert_int_equal(decision_clock_step(&clock, noon_ns + i * 1000 * S, i * 1000 * S),
                         stood_ns + i);
        assert_false(clock.stepped);
        assert_true(clock.waiting);
    }
    /* 400 s later the wall clock has passed it: they go together from there. */
    assert_int_equal(decision_clock_step(&clock, noon_ns + 3700 * S, 3700 * S), noon_ns + 3700 * S);
    assert_false(clock.waiting);
    assert_int_equal(decision_clock_step(&clock, noon_ns + 3800 * S, 3800 * S), noon_ns + 3800 * S);
}

TEST(decision_clock_waiting_does_not_follow_a_jump_forward) {
    struct decision_clock clock = decision_clock_start(noon_ns, 0, noon_ns + 60 * S);
    assert_int_equal(decision_clock_accept(&clock, noon_ns, 0), 60 * S);
    assert_int_equal(decision_clock_step(&clock, noon_ns + DAY, 10 * S), noon_ns + 70 * S);
    assert_true(clock.stepped);
    assert_false(clock.waiting);
}

/* Whatever the two clocks do, decision time never goes back and never runs more than 1 % fast. */
TEST(decision_clock_never_goes_back) {
    uint64_t seed = 42;
    struct decision_clock clock = decision_clock_start(noon_ns, 0, 0);
    int64_t boot_ns = 0;
    int64_t wall_ns = noon_ns;
    for (unsigned i = 0; i < 100000; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const int64_t elapsed_ns = (int64_t)(seed >> 34) % (20 * S);
        const int64_t before_ns = clock.now_ns;
        boot_ns += elapsed_ns;
        wall_ns += elapsed_ns;
        if (seed >> 58 == 0) {
            wall_ns += ((int64_t)(seed >> 20) % (4 * S)) - 2 * S;
        }
        if (seed >> 56 == 255) {
            wall_ns += (int64_t)(seed >> 30) % (7200 * S) - 3600 * S;
        }
        if (seed >> 54 == 5) {
            assert_true(decision_clock_accept(&clock, wall_ns, boot_ns) >= 0);
            assert_true(clock.now_ns >= before_ns);
            continue;
        }
        assert_true(decision_clock_step(&clock, wall_ns, boot_ns) >= before_ns);
        assert_true(clock.now_ns - before_ns <= elapsed_ns + elapsed_ns / 100 + 1);
        assert_int_equal(clock.offset_ns, wall_ns - clock.now_ns);
    }
}
