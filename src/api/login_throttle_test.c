/* SPDX-License-Identifier: Apache-2.0 */
#include "api/login_throttle.h"

#include <stdio.h>
#include <stdlib.h>

#include "testing/test.h"

#define S     INT64_C(1000000000)
#define START (1000 * S)

static const struct sip_key key = {{1, 2, 3}};

static struct ip_address address(const char *text) {
    struct ip_address result;
    assert_true(ip_address_parse(str_from(text), &result));
    return result;
}

static struct login_throttle *throttle_new(void) {
    struct login_throttle *throttle = malloc(sizeof *throttle);
    assert_non_null(throttle);
    login_throttle_init(throttle, &key);
    return throttle;
}

static uint32_t try_at(struct login_throttle *throttle, const char *from, const char *name,
                       int64_t now_ns) {
    return login_throttle_try(throttle, address(from), str_from(name), now_ns);
}

TEST(five_failures_are_free_then_each_doubles_the_wait_up_to_fifteen_minutes) {
    struct login_throttle *throttle = throttle_new();
    static const uint32_t waits[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900};
    int64_t now = START;
    char name[16];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "user%d", i);
        assert_int_equal(try_at(throttle, "198.51.100.7", name, now), 0);
    }
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        (void)snprintf(name, sizeof name, "more%zu", i);
        assert_int_equal(try_at(throttle, "198.51.100.7", name, now), waits[i]);
        assert_int_equal(try_at(throttle, "198.51.100.7", name, now + waits[i] * S - 1), 1);
        now += waits[i] * S;
        assert_int_equal(try_at(throttle, "198.51.100.7", name, now), 0);
    }
    assert_int_equal(counter_read(&throttle->throttled), 24);
    /* Another address does not wait for this one. */
    assert_int_equal(try_at(throttle, "198.51.100.8", "other", now), 0);
    free(throttle);
}

TEST(a_name_guessed_from_many_addresses_waits_five_minutes_at_most) {
    struct login_throttle *throttle = throttle_new();
    static const uint32_t waits[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    int64_t now = START;
    char from[32];
    int made = 0;
    for (int i = 0; i < 5; i++) {
        (void)snprintf(from, sizeof from, "203.0.113.%d", ++made);
        assert_int_equal(try_at(throttle, from, "admin", now), 0);
    }
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        (void)snprintf(from, sizeof from, "203.0.113.%d", ++made);
        assert_int_equal(try_at(throttle, from, "admin", now), waits[i]);
        now += waits[i] * S;
        assert_int_equal(try_at(throttle, from, "admin", now), 0);
    }
    assert_int_equal(try_at(throttle, "203.0.113.200", "another", now), 0);
    free(throttle);
}

static void attack_name(struct login_throttle *throttle, const char *name, int64_t now) {
    for (int i = 1; i <= 6; i++) {
        char from[32];
        (void)snprintf(from, sizeof from, "203.0.113.%d", i);
        (void)try_at(throttle, from, name, now);
    }
}

TEST(an_owner_gets_in_from_a_known_address_while_strangers_try_the_name) {
    struct login_throttle *throttle = throttle_new();
    int64_t now = START;
    assert_int_equal(try_at(throttle, "192.0.2.1", "admin", now), 0);
    login_throttle_success(throttle, address("192.0.2.1"), STR("admin"), now);
    attack_name(throttle, "admin", now);
    assert_true(try_at(throttle, "203.0.113.99", "admin", now) > 0);
    assert_int_equal(try_at(throttle, "192.0.2.1", "admin", now), 0);
    /* Knowing one name's address helps with no other name. */
    attack_name(throttle, "root", now);
    assert_true(try_at(throttle, "192.0.2.1", "root", now) > 0);
    /* And guessing from there is still counted: five in all. */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(try_at(throttle, "192.0.2.1", "admin", now), 0);
    }
    assert_true(try_at(throttle, "192.0.2.1", "admin", now) > 0);
    /* What is known lasts thirty days without a try. */
    now += 30 * INT64_C(86400) * S;
    attack_name(throttle, "admin", now);
    assert_true(try_at(throttle, "192.0.2.1", "admin", now) > 0);
    free(throttle);
}

TEST(many_tries_at_once_are_counted_before_any_has_failed) {
    struct login_throttle *throttle = throttle_new();
    unsigned let_through = 0;
    for (int i = 0; i < 100; i++) {
        let_through += try_at(throttle, "198.51.100.7", "admin", START) == 0;
    }
    assert_int_equal(let_through, LOGIN_THROTTLE_FREE);
    free(throttle);
}

TEST(success_and_undo_take_their_own_try_back_and_no_other) {
    struct login_throttle *throttle = throttle_new();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(try_at(throttle, "198.51.100.7", "anna", START), 0);
        login_throttle_undo(throttle, address("198.51.100.7"), STR("anna"), START);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(try_at(throttle, "198.51.100.7", "victim", START), 0);
    }
    /* Owning one account does not help to guess at another. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(try_at(throttle, "198.51.100.7", "anna", START), 0);
        login_throttle_success(throttle, address("198.51.100.7"), STR("anna"), START);
    }
    assert_int_equal(try_at(throttle, "198.51.100.7", "victim", START), 0);
    assert_true(try_at(throttle, "198.51.100.7", "victim", START) > 0);
    assert_true(try_at(throttle, "198.51.100.7", "anna", START) > 0);
    free(throttle);
}

TEST(a_login_from_a_known_address_forgets_what_was_mistyped_there) {
    struct login_throttle *throttle = throttle_new();
    assert_int_equal(try_at(throttle, "192.0.2.1", "anna", START), 0);
    login_throttle_success(throttle, address("192.0.2.1"), STR("anna"), START);
    int64_t now = START;
    for (int round = 0; round < 3; round++) {
        now += LOGIN_THROTTLE_FORGET_S * S; /* for the address, which has a count of its own */
        for (int i = 0; i < 4; i++) {
            assert_int_equal(try_at(throttle, "192.0.2.1", "anna", now), 0);
        }
        assert_int_equal(try_at(throttle, "192.0.2.1", "anna", now), 0);
        login_throttle_success(throttle, address("192.0.2.1"), STR("anna"), now);
    }
    free(throttle);
}

TEST(an_hour_without_a_try_forgets) {
    struct login_throttle *throttle = throttle_new();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(try_at(throttle, "198.51.100.7", "admin", START), 0);
    }
    assert_int_equal(try_at(throttle, "198.51.100.7", "admin", START), 1);
    const int64_t later = START + LOGIN_THROTTLE_FORGET_S * S;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(try_at(throttle, "198.51.100.7", "admin", later), 0);
    }
    assert_int_equal(try_at(throttle, "198.51.100.7", "admin", later), 1);
    free(throttle);
}

TEST(a_network_of_ipv6_is_one_stranger_and_an_ipv4_address_one) {
    struct login_throttle *throttle = throttle_new();
    char from[48];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(from, sizeof from, "2001:db8:1:2::%x", i + 1);
        assert_int_equal(try_at(throttle, from, from, START), 0);
    }
    assert_int_equal(try_at(throttle, "2001:db8:1:2:ffff::1", "x", START), 1);
    assert_int_equal(try_at(throttle, "2001:db8:1:3::1", "x", START), 0);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(from, sizeof from, "192.0.2.%d", i + 1);
        assert_int_equal(try_at(throttle, from, from, START), 0);
    }
    assert_int_equal(try_at(throttle, "192.0.2.9", "y", START), 0);
    free(throttle);
}

TEST(a_full_table_forgets_the_one_tried_longest_ago_and_counts_that) {
    struct login_throttle *throttle = throttle_new();
    char from[48];
    for (int i = 0; i < 5; i++) {
        assert_int_equal(try_at(throttle, "198.51.100.7", "a", START), 0);
    }
    for (int i = 0; i < LOGIN_THROTTLE_ADDRESSES_MAX - 1; i++) {
        (void)snprintf(from, sizeof from, "10.0.%d.%d", i / 250, i % 250);
        assert_int_equal(try_at(throttle, from, from, START + 1), 0);
    }
    const uint64_t before = counter_read(&throttle->evicted); /* of names alone so far */
    assert_int_equal(before, LOGIN_THROTTLE_ADDRESSES_MAX - LOGIN_THROTTLE_NAMES_MAX);
    assert_int_equal(try_at(throttle, "198.51.100.7", "b", START + 2), 1);
    assert_int_equal(try_at(throttle, "10.9.9.9", "c", START + 3), 0);
    assert_int_equal(counter_read(&throttle->evicted), before + 2); /* an address and a name */
    assert_int_equal(try_at(throttle, "198.51.100.7", "d", START + 4), 0);
    free(throttle);
}

TEST(the_empty_name_is_a_name) {
    struct login_throttle *throttle = throttle_new();
    for (int i = 0; i < 5; i++) {
        assert_int_equal(login_throttle_try(throttle, address("192.0.2.1"), (struct str){0}, START),
                         0);
    }
    assert_int_equal(try_at(throttle, "192.0.2.2", "", START), 1);
    free(throttle);
}
