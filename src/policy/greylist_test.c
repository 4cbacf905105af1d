/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist.h"

#include <stdio.h>
#include <string.h>

#include "policy/greylist_fixture.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

TEST(a_stranger_comes_back_and_is_known) {
    struct world *world = world_new(100);
    (void)send_after(world, 0);
    assert_deferred(world, REASON_GREYLIST_FIRST_CONTACT, 300);
    assert_string_equal(world_reply(world), "DEFER_IF_PERMIT 4.7.1 Greylisted, please try again in "
                                            "300 seconds");
    (void)send_after(world, 100);
    assert_deferred(world, REASON_GREYLIST_TOO_EARLY, 200);
    (void)send_after(world, 200);
    assert_let_in(world, REASON_GREYLIST_RETRIED);
    assert_int_equal(world->decision.policy, POLICY_GREYLISTING);
    (void)send_after(world, 0);
    assert_let_in(world, REASON_GREYLIST_KNOWN);
    assert_int_equal(entry_of(world)->attempts, 4);
    assert_int_equal(entry_of(world)->first_s, world->now_s - 300);
    assert_int_equal(entry_of(world)->passed_s, world->now_s);
    world_free(world);
}

/* One retry, so many seconds after the first contact. */
TEST(a_retry_counts_from_defer_time_to_the_end_of_the_window) {
    static const struct {
        int64_t wait_s;
        enum reason reason;
        uint32_t retry_in_s;
    } rows[] = {
        {0, REASON_GREYLIST_TOO_EARLY, 300},
        {1, REASON_GREYLIST_TOO_EARLY, 299},
        {299, REASON_GREYLIST_TOO_EARLY, 1},
        {300, REASON_GREYLIST_RETRIED, 0},
        {301, REASON_GREYLIST_RETRIED, 0},
        {48 * HOUR_S - 1, REASON_GREYLIST_RETRIED, 0},
        {48 * HOUR_S, REASON_GREYLIST_RETRIED, 0},
        {48 * HOUR_S + 1, REASON_GREYLIST_TOO_LATE, 300},
        {100 * DAY_S, REASON_GREYLIST_TOO_LATE, 300},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = world_new(100);
        (void)send_after(world, 0);
        assert_int_equal(send_after(world, rows[i].wait_s), rows[i].reason);
        assert_int_equal(world->decision.retry_in_s, rows[i].retry_in_s);
        world_free(world);
    }
}

TEST(an_early_retry_changes_nothing) {
    struct world *world = world_new(100);
    (void)send_after(world, 0);
    for (int i = 0; i < 299; i++) {
        assert_int_equal(send_after(world, 1), REASON_GREYLIST_TOO_EARLY);
    }
    assert_int_equal(entry_of(world)->head.expires_s, entry_of(world)->first_s + 48 * HOUR_S + 1);
    assert_int_equal(send_after(world, 1), REASON_GREYLIST_RETRIED);
    world_free(world);
}

TEST(a_late_retry_starts_anew) {
    struct world *world = world_new(100);
    (void)send_after(world, 0);
    assert_int_equal(send_after(world, 48 * HOUR_S + 1), REASON_GREYLIST_TOO_LATE);
    assert_int_equal(entry_of(world)->attempts, 1);
    assert_int_equal(entry_of(world)->first_s, world->now_s);
    assert_int_equal(send_after(world, 299), REASON_GREYLIST_TOO_EARLY);
    assert_int_equal(send_after(world, 1), REASON_GREYLIST_RETRIED);
    world_free(world);
}

TEST(a_known_key_is_known_for_its_ttl_since_the_last_use) {
    static const struct {
        int64_t wait_s;
        enum reason reason;
    } rows[] = {
        {35 * DAY_S - 1, REASON_GREYLIST_KNOWN},
        {35 * DAY_S, REASON_GREYLIST_KNOWN},
        {35 * DAY_S + 1, REASON_GREYLIST_FIRST_CONTACT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = world_new(100);
        (void)send_after(world, 0);
        assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED);
        assert_int_equal(send_after(world, 30 * DAY_S), REASON_GREYLIST_KNOWN);
        assert_int_equal(send_after(world, rows[i].wait_s), rows[i].reason);
        world_free(world);
    }
}

TEST(a_shorter_window_counts_at_once) {
    struct world *world = world_new(100);
    (void)send_after(world, 0);
    world->settings.greylisting.retry_window_s = HOUR_S;
    assert_int_equal(send_after(world, HOUR_S + 1), REASON_GREYLIST_TOO_LATE);
    assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED);
    world_free(world);
}

/* Whatever happens before: who obeys retry_in gets in at the next attempt. */
TEST(greylisting_keeps_its_promise) {
    struct dice dice = {11};
    struct world *world = world_new(1000);
    static const char *const senders[] = {"a@example.org", "b@example.org", ""};
    static const char *const clients[] = {"192.0.2.1", "192.0.2.77", "198.51.100.1", "2001:db8::1"};
    world->settings.greylisting.retry_window_s = 2000;
    world->settings.greylisting.known_ttl_s = 5000;
    world->settings.greylisting.client_ttl_s = 7000;
    for (int i = 0; i < 6000; i++) {
        world->now_s += dice_below(&dice, 3) == 0 ? dice_below(&dice, 4000) : dice_below(&dice, 99);
        world->settings.greylisting.defer_time_s = 1 + dice_below(&dice, 400);
        world_set_client(world, clients[dice_below(&dice, 4)], "mail.example.org");
        world_set_mail(world, senders[dice_below(&dice, 3)],
                       dice_below(&dice, 2) == 0 ? "x@example.net" : "y@example.net");
        if (world_send(world)->verdict == VERDICT_DEFER) {
            assert_in_range(world->decision.retry_in_s, 1,
                            world->settings.greylisting.defer_time_s);
            world->now_s += world->decision.retry_in_s;
            assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_RETRIED);
        }
    }
    world_free(world);
}

/* --- exemptions and modes ----------------------------------------------------------------------
 */

TEST(exemptions_let_in_without_a_trace) {
    static const struct {
        enum pattern_type type;
        const char *pattern;
    } rows[] = {
        {PATTERN_DOMAIN, "example.org"},      {PATTERN_EMAIL, "a@example.org"},
        {PATTERN_IP, "192.0.2.0/24"},         {PATTERN_RECIPIENT, "b@example.net"},
        {PATTERN_CLIENT, "mail.example.org"}, {PATTERN_CLIENT, "*.example.org"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].pattern);
        struct world *world = world_new(100);
        (void)world_add(world, LIST_GREYLIST_EXEMPT, rows[i].type, rows[i].pattern);
        (void)send_after(world, 0);
        assert_let_in(world, REASON_GREYLIST_EXEMPT);
        assert_int_equal(world->decision.effect_count, 0);
        char rule[64];
        (void)snprintf(rule, sizeof rule, "greylist_exempt:1 %s", rows[i].pattern);
        assert_int_equal(world->decision.rule_length, strlen(rule));
        assert_memory_equal(world->decision.rule, rule, strlen(rule));
        world_free(world);
    }
}

TEST(an_address_allowed_by_reputation_does_not_wait) {
    struct world *world = world_new(100);
    (void)world_add(world, LIST_REPUTATION_ALLOW, PATTERN_IP, "192.0.2.0/24");
    (void)send_after(world, 0);
    assert_let_in(world, REASON_GREYLIST_ADDRESS_ALLOWED);
    assert_int_equal(world->decision.effect_count, 0);
    const char rule[] = "reputation_allow:1 192.0.2.0/24";
    assert_int_equal(world->decision.rule_length, strlen(rule));
    assert_memory_equal(world->decision.rule, rule, strlen(rule));
    world_set_client(world, "198.51.100.1", "");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    world_free(world);
}

TEST(a_client_name_that_is_not_confirmed_exempts_nobody) {
    struct world *world = world_new(100);
    (void)world_add(world, LIST_GREYLIST_EXEMPT, PATTERN_CLIENT, "unknown");
    (void)world_add(world, LIST_GREYLIST_EXEMPT, PATTERN_CLIENT, "mail.example.org");
    world->request.client_name = STR("unknown");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    world->request.client_name = STR("Unknown");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_TOO_EARLY);
    world_free(world);
}

TEST(only_the_suspicious_when_set_so) {
    struct world *world = world_new(100);
    world->settings.greylisting.only_suspicious = true;
    (void)send_after(world, 0);
    assert_let_in(world, REASON_GREYLIST_NOT_SUSPICIOUS);
    assert_int_equal(world->decision.effect_count, 0);
    world->request.client_name = STR("unknown");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    world_free(world);
}

TEST(learning_records_and_lets_all_pass) {
    struct world *world = world_new(100);
    world->settings.greylisting.learning = true;
    (void)send_after(world, 0);
    assert_let_in(world, REASON_GREYLIST_LEARNING);
    (void)send_after(world, 299);
    assert_let_in(world, REASON_GREYLIST_LEARNING);
    (void)send_after(world, 1);
    assert_let_in(world, REASON_GREYLIST_RETRIED);
    world->settings.greylisting.learning = false;
    (void)send_after(world, 1);
    assert_let_in(world, REASON_GREYLIST_KNOWN);
    world_free(world);
}

TEST(outbound_mail_is_not_greylisted) {
    struct world *world = world_new(100);
    world->request.sasl_username = STR("alice");
    assert_int_equal(send_after(world, 0), REASON_NONE);
    assert_int_equal(world->decision.direction, DIRECTION_OUTBOUND);
    assert_int_equal(world->decision.effect_count, 0);
    world_free(world);
}

/* --- standing ----------------------------------------------------------------------------------
 */

TEST(an_entry_is_judged_by_its_times) {
    const struct greylisting_settings settings = {.retry_window_s = 1000};
    static const struct {
        const char *label;
        uint32_t first_s, passed_s, expires_s;
        uint32_t now_s;
        enum greylist_standing standing;
    } rows[] = {
        {"forgotten", 0, 0, 5000, 100, GREYLIST_ABSENT},
        {"waiting", 500, 0, 5000, 501, GREYLIST_WAITING},
        {"the last second of the window", 500, 0, 5000, 1500, GREYLIST_WAITING},
        {"a second later", 500, 0, 5000, 1501, GREYLIST_LATE},
        {"dead before the window ends", 500, 0, 800, 800, GREYLIST_LATE},
        {"from a node whose clock is ahead", 500, 0, 5000, 499, GREYLIST_WAITING},
        {"known", 500, 900, 5000, 4999, GREYLIST_PASSED},
        {"known no more", 500, 900, 5000, 5000, GREYLIST_EXPIRED},
    };
    assert_int_equal(greylist_standing(&settings, NULL, 5), GREYLIST_ABSENT);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        const struct greylist_entry entry = {.head.expires_s = rows[i].expires_s,
                                             .first_s = rows[i].first_s,
                                             .passed_s = rows[i].passed_s};
        assert_int_equal(greylist_standing(&settings, &entry, rows[i].now_s), rows[i].standing);
    }
    assert_string_equal(greylist_standing_name(GREYLIST_ABSENT), "absent");
    assert_string_equal(greylist_standing_name(GREYLIST_WAITING), "waiting");
    assert_string_equal(greylist_standing_name(GREYLIST_PASSED), "passed");
    assert_string_equal(greylist_standing_name(GREYLIST_LATE), "late");
    assert_string_equal(greylist_standing_name(GREYLIST_EXPIRED), "expired");
}

TEST(passes_are_counted_to_the_end_of_the_entry) {
    const struct {
        struct greylist_client_entry entry;
        uint32_t after;
    } full = {.entry = {.head.expires_s = 100, .fingerprints = {1, 2, 3, 4, 5, 6, 7}}, .after = 8};
    assert_int_equal(greylist_client_passes(&full.entry, 99), 7);
    assert_int_equal(greylist_client_passes(&full.entry, 100), 0);
    assert_int_equal(greylist_client_passes(NULL, 99), 0);
    assert_int_equal(full.after, 8);
}

TEST(times_end_with_the_century_after_this_one_begins) {
    struct world *world = world_new(100);
    world->now_s = UINT32_MAX - 10;
    (void)send_after(world, 0);
    assert_int_equal(entry_of(world)->head.expires_s, UINT32_MAX);
    world_free(world);
}

/* --- who is let in besides ---------------------------------------------------------------------
 */

/* "unknown" would be one network of all who have no address. */
TEST(a_client_without_an_address_is_not_greylisted) {
    struct world *world = world_new(100);
    world->request.client_address = (struct ip_address){{0}};
    world->request.client_address_text = STR("unknown");
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->verdict, VERDICT_NONE);
    assert_int_equal(decision->reason, REASON_NONE);
    assert_int_equal(decision->effect_count, 0);
    world_free(world);
}
