/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist.h"

#include <stdio.h>
#include <string.h>

#include "policy/world_fixture.h"
#include "testing/test.h"

enum { HOUR_S = 3600, DAY_S = 86400 };

static enum reason send_after(struct world *world, int64_t wait_s) {
    world->now_s += wait_s;
    return world_send(world)->reason;
}

#define assert_deferred(world, expected_reason, expected_retry_in_s)                               \
    do {                                                                                           \
        assert_int_equal((world)->decision.reason, (expected_reason));                             \
        assert_int_equal((world)->decision.verdict, VERDICT_DEFER);                                \
        assert_int_equal((world)->decision.policy, POLICY_GREYLISTING);                            \
        assert_int_equal((world)->decision.retry_in_s, (expected_retry_in_s));                     \
    } while (0)

#define assert_let_in(world, expected_reason)                                                      \
    do {                                                                                           \
        assert_int_equal((world)->decision.reason, (expected_reason));                             \
        assert_int_equal((world)->decision.verdict, VERDICT_NONE);                                 \
        assert_string_equal(world_reply(world), "DUNNO");                                          \
    } while (0)

static const struct greylist_entry *entry_of(const struct world *world) {
    return state_find(&world->state, STATE_GREYLIST,
                      greylist_key(&world->state.key, &world->settings.greylisting, &world->request,
                                   (struct str){NULL, 0}));
}

static const struct greylist_client_entry *client_of(const struct world *world) {
    return state_find(&world->state, STATE_GREYLIST_CLIENT,
                      greylist_client_key(&world->state.key, &world->settings.greylisting,
                                          world->request.client_address, (struct str){NULL, 0}));
}

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

/* --- keys ------------------------------------------------------------------------------------- */

TEST(a_key_is_network_sender_and_recipient) {
    struct world *world = world_new(100);
    (void)send_after(world, 0);
    world_set_client(world, "192.0.2.254", "other.example.org");
    assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED); /* the same /24 */
    world_set_client(world, "192.0.3.1", "other.example.org");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    world_set_client(world, "192.0.2.1", "mail.example.org");
    world_set_mail(world, "c@example.org", "b@example.net");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    world_set_mail(world, "a@example.org", "c@example.net");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    world_set_mail(world, "A@Example.ORG", "B@example.NET");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_KNOWN);
    world_free(world);
}

TEST(of_ipv6_the_64_is_the_network_unless_set_otherwise) {
    struct world *world = world_new(100);
    world_set_client(world, "2001:db8::1", "mail.example.org");
    (void)send_after(world, 0);
    world_set_client(world, "2001:db8::ffff:1", "mail.example.org");
    assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED);
    world_set_client(world, "2001:db8:0:1::1", "mail.example.org");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    world->settings.greylisting.ipv6_prefix_bits = 32;
    (void)send_after(world, 0);
    world_set_client(world, "2001:db8:ffff:1::1", "mail.example.org");
    assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED);
    const struct ip_prefix network =
        greylist_network(&world->settings.greylisting, world->request.client_address);
    assert_int_equal(network.bits, 32);
    assert_int_equal(
        greylist_network(&world->settings.greylisting, world_address("192.0.2.1")).bits, 120);
    world_free(world);
}

TEST(a_null_sender_is_told_apart_by_its_helo_domain) {
    struct world *world = world_new(100);
    world_set_mail(world, "", "b@example.net");
    (void)send_after(world, 0);
    world->request.helo_name = STR("MAIL.example.org");
    assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED);
    world->request.helo_name = STR("other.example.org");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    world_free(world);
}

static void set_spf(struct world *world, enum fact_status status, uint8_t result,
                    const char *domain) {
    world->facts.status[FACT_SPF] = status;
    world->facts.spf_result = result;
    world->facts.spf_domain_length = (uint16_t)strlen(domain);
    memcpy(world->facts.spf_domain, domain, strlen(domain));
}

TEST(an_spf_domain_lets_in_from_a_large_pool_of_senders) {
    struct world *world = world_new(100);
    set_spf(world, FACT_KNOWN, SPF_PASS, "example.org");
    (void)send_after(world, 0);
    assert_int_equal(world->decision.effect_count, 2);
    world_set_client(world, "198.51.100.9", "mail.example.org");
    assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED);
    world_set_client(world, "203.0.113.9", "mail.example.org");
    set_spf(world, FACT_KNOWN, 0, "example.org");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    set_spf(world, FACT_UNAVAILABLE, SPF_PASS, "example.org");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_TOO_EARLY);
    world_free(world);
}

TEST(a_late_spf_answer_restarts_nothing) {
    struct world *world = world_new(100);
    (void)send_after(world, 0); /* by network alone */
    set_spf(world, FACT_KNOWN, SPF_PASS, "example.org");
    assert_int_equal(send_after(world, 100), REASON_GREYLIST_TOO_EARLY); /* both from now on */
    assert_int_equal(world->decision.retry_in_s, 200);
    world_set_client(world, "198.51.100.9", "mail.example.org");
    assert_int_equal(send_after(world, 200), REASON_GREYLIST_RETRIED); /* by domain alone */
    set_spf(world, FACT_UNAVAILABLE, 0, "");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_KNOWN);
    world_set_client(world, "192.0.2.1", "mail.example.org");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_RETRIED);
    world_free(world);
}

TEST(who_is_known_by_network_is_known_while_the_domain_waits) {
    struct world *world = world_new(100);
    set_spf(world, FACT_KNOWN, SPF_PASS, "example.org");
    world_set_client(world, "198.51.100.9", "mail.example.org");
    (void)send_after(world, 0); /* the domain waits */
    world_set_client(world, "192.0.2.1", "mail.example.org");
    set_spf(world, FACT_UNAVAILABLE, 0, "");
    (void)send_after(world, 0);
    assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED); /* the network passed */
    const int64_t passed_s = world->now_s;
    set_spf(world, FACT_KNOWN, SPF_PASS, "example.org");
    assert_int_equal(send_after(world, 10), REASON_GREYLIST_KNOWN);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(world->decision.effects[i].passed_s, passed_s);
        assert_int_equal(world->decision.effects[i].first_s, passed_s - 300);
    }
    world_set_client(world, "203.0.113.1", "mail.example.org");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_KNOWN); /* by the domain from now on */
    world_free(world);
}

TEST(greylisting_never_asks_for_spf) {
    struct world *world = world_new(100);
    (void)send_after(world, 0);
    assert_int_equal(world->facts.status[FACT_SPF], FACT_UNASKED);
    world_free(world);
}

/* --- trusted clients ---------------------------------------------------------------------------
 */

/* Lets `count` keys of the client pass. */
static void pass_keys(struct world *world, int from, int count) {
    char recipient[32];
    for (int i = from; i < from + count; i++) {
        (void)snprintf(recipient, sizeof recipient, "r%d@example.net", i);
        world_set_mail(world, "a@example.org", recipient);
        (void)send_after(world, 0);
        assert_deferred(world, REASON_GREYLIST_FIRST_CONTACT, 300);
        (void)send_after(world, 300);
        assert_let_in(world, REASON_GREYLIST_RETRIED);
    }
    world_set_mail(world, "a@example.org", "new@example.net");
}

TEST(five_keys_that_passed_make_a_client_trusted) {
    struct world *world = world_new(100);
    pass_keys(world, 0, 4);
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    pass_keys(world, 4, 1);
    (void)send_after(world, 0);
    assert_let_in(world, REASON_GREYLIST_CLIENT_TRUSTED);
    assert_null(entry_of(world)); /* No key is kept for a trusted client. */
    world_set_client(world, "192.0.3.1", "mail.example.org");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    world_free(world);
}

TEST(the_same_key_again_is_no_further_pass) {
    struct world *world = world_new(100);
    pass_keys(world, 0, 1);
    for (int i = 0; i < 10; i++) {
        world_set_mail(world, "a@example.org", "r0@example.net");
        assert_int_equal(send_after(world, 1000), REASON_GREYLIST_KNOWN);
    }
    assert_int_equal(greylist_client_passes(client_of(world), (uint32_t)world->now_s), 1);
    world_free(world);
}

TEST(trust_lasts_its_ttl_since_the_last_use) {
    static const struct {
        int64_t wait_s;
        enum reason reason;
    } rows[] = {
        {35 * DAY_S - 1, REASON_GREYLIST_CLIENT_TRUSTED},
        {35 * DAY_S, REASON_GREYLIST_CLIENT_TRUSTED},
        {35 * DAY_S + 1, REASON_GREYLIST_FIRST_CONTACT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world *world = world_new(100);
        pass_keys(world, 0, 5);
        assert_int_equal(send_after(world, 20 * DAY_S), REASON_GREYLIST_CLIENT_TRUSTED);
        assert_int_equal(send_after(world, rows[i].wait_s), rows[i].reason);
        world_free(world);
    }
}

TEST(trust_that_ended_is_earned_anew) {
    struct world *world = world_new(100);
    pass_keys(world, 0, 5);
    world->now_s += 35 * DAY_S + 1;
    pass_keys(world, 10, 4);
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(greylist_client_passes(client_of(world), (uint32_t)world->now_s), 4);
    pass_keys(world, 14, 1);
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_CLIENT_TRUSTED);
    world_free(world);
}

TEST(a_known_key_of_a_trusted_client_stays_known) {
    struct world *world = world_new(100);
    pass_keys(world, 0, 5);
    world_set_mail(world, "a@example.org", "r0@example.net");
    assert_int_equal(send_after(world, DAY_S), REASON_GREYLIST_CLIENT_TRUSTED);
    assert_int_equal(entry_of(world)->head.last_used_s, world->now_s);
    assert_int_equal(entry_of(world)->head.expires_s, world->now_s + 35 * DAY_S + 1);
    world_free(world);
}

TEST(zero_passes_means_no_client_is_ever_trusted) {
    struct world *world = world_new(100);
    world->settings.greylisting.client_passes = 0;
    pass_keys(world, 0, 8);
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    assert_null(client_of(world));
    world_free(world);
}

TEST(more_passes_than_an_entry_counts_are_as_many_as_it_counts) {
    struct world *world = world_new(100);
    world->settings.greylisting.client_passes = 50;
    pass_keys(world, 0, STATE_FINGERPRINTS_MAX - 1);
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    pass_keys(world, 20, 1);
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_CLIENT_TRUSTED);
    world_free(world);
}

TEST(an_spf_domain_can_be_trusted_too) {
    struct world *world = world_new(100);
    set_spf(world, FACT_KNOWN, SPF_PASS, "example.org");
    pass_keys(world, 0, 5);
    world_set_client(world, "203.0.113.9", "mail.example.org");
    (void)send_after(world, 0);
    assert_let_in(world, REASON_GREYLIST_CLIENT_TRUSTED);
    assert_int_equal(world->decision.effect_count, 1);
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

/* --- commands ----------------------------------------------------------------------------------
 */

static void command(struct world *world, struct effect effect) {
    effect_apply(&world->state, &effect, ++world->sequence);
}

static struct hash128 key_now(const struct world *world) {
    return greylist_key(&world->state.key, &world->settings.greylisting, &world->request,
                        (struct str){NULL, 0});
}

TEST(what_is_forgotten_is_a_stranger_again) {
    for (int seconds_later = 0; seconds_later < 2; seconds_later++) {
        struct world *world = world_new(100);
        (void)send_after(world, 0);
        (void)send_after(world, 300);
        command(world, greylist_forget_effect(&world->settings.greylisting, key_now(world),
                                              entry_of(world), (uint32_t)world->now_s));
        assert_int_equal(greylist_standing(&world->settings.greylisting, entry_of(world),
                                           (uint32_t)world->now_s),
                         GREYLIST_ABSENT);
        assert_int_equal(send_after(world, seconds_later), REASON_GREYLIST_FIRST_CONTACT);
        command(world, greylist_forget_effect(&world->settings.greylisting, key_now(world),
                                              entry_of(world), (uint32_t)world->now_s));
        assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
        assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED);
        world_free(world);
    }
}

TEST(what_was_forgotten_long_ago_can_be_seen_again) {
    struct world *world = world_new(100);
    command(world, greylist_forget_effect(&world->settings.greylisting, key_now(world), NULL,
                                          (uint32_t)world->now_s));
    assert_int_equal(send_after(world, 100 * DAY_S), REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED);
    world_free(world);
}

TEST(a_forgotten_client_is_not_trusted) {
    struct world *world = world_new(100);
    pass_keys(world, 0, 5);
    const struct greylisting_settings *settings = &world->settings.greylisting;
    const struct hash128 key = greylist_client_key(
        &world->state.key, settings, world->request.client_address, (struct str){NULL, 0});
    assert_true(greylist_client_trusted(settings, client_of(world), (uint32_t)world->now_s));
    command(world,
            greylist_forget_client_effect(settings, key, client_of(world), (uint32_t)world->now_s));
    assert_false(greylist_client_trusted(settings, client_of(world), (uint32_t)world->now_s));
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    command(world, greylist_forget_client_effect(settings, key, NULL, (uint32_t)world->now_s + 9));
    assert_int_equal(greylist_client_passes(client_of(world), (uint32_t)world->now_s), 0);
    world_free(world);
}

TEST(an_administrator_lets_a_key_in) {
    struct world *world = world_new(100);
    (void)send_after(world, 0);
    command(world, greylist_pass_effect(&world->settings.greylisting, key_now(world),
                                        entry_of(world), (uint32_t)world->now_s));
    assert_int_equal(entry_of(world)->attempts, 1);
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_KNOWN);
    world_set_mail(world, "never@example.org", "seen@example.net");
    command(world, greylist_pass_effect(&world->settings.greylisting, key_now(world), NULL,
                                        (uint32_t)world->now_s));
    assert_int_equal(send_after(world, 35 * DAY_S), REASON_GREYLIST_KNOWN);
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

TEST(a_domain_that_spells_a_network_is_not_that_network) {
    struct world *world = world_new(10);
    const struct greylisting_settings *settings = &world->settings.greylisting;
    const struct ip_prefix network = greylist_network(settings, world->request.client_address);
    char spelled[17];
    memcpy(spelled, network.address.bytes, 16);
    spelled[16] = (char)network.bits;
    const struct sip_key *key = &world->state.key;
    const struct str none = {NULL, 0};
    const struct str domain = {spelled, 17};
    const struct hash128 by_network = greylist_key(key, settings, &world->request, none);
    const struct hash128 by_domain = greylist_key(key, settings, &world->request, domain);
    assert_memory_not_equal(&by_network, &by_domain, sizeof by_network);
    world_free(world);
}

TEST(times_end_with_the_century_after_this_one_begins) {
    struct world *world = world_new(100);
    world->now_s = UINT32_MAX - 10;
    (void)send_after(world, 0);
    assert_int_equal(entry_of(world)->head.expires_s, UINT32_MAX);
    world_free(world);
}

/* --- what mutants showed missing ---------------------------------------------------------------
 */

TEST(one_pass_is_enough_when_set_so) {
    struct world *world = world_new(100);
    world->settings.greylisting.client_passes = 1;
    pass_keys(world, 0, 1);
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_CLIENT_TRUSTED);
    assert_int_equal(world->decision.effects[0].kind, EFFECT_GREYLIST_CLIENT_SEEN);
    assert_int_equal(world->decision.effects[0].fingerprint, 0); /* A use is no further pass. */
    assert_int_equal(greylist_client_passes(client_of(world), (uint32_t)world->now_s), 1);
    world_free(world);
}

TEST(clients_are_not_looked_up_when_none_is_ever_trusted) {
    struct world *world = world_new(100);
    (void)send_after(world, 0);
    const size_t reads = world->decision.read_count;
    world->settings.greylisting.client_passes = 0;
    (void)send_after(world, 0);
    assert_int_equal(world->decision.read_count, reads - 1);
    world_free(world);
}

/* Keys are stored: another release must make the same ones. */
TEST(keys_stay_the_same_from_release_to_release) {
    const struct sip_key key = {.bytes = {1, 2, 3, 4, 5, 6, 7, 8}};
    struct world *world = world_new(100);
    const struct greylisting_settings *settings = &world->settings.greylisting;
    const struct {
        const char *label, *sender, *domain;
        uint64_t low, client_low;
    } rows[] = {
        {"by network", "a@example.org", "", 0xa60624c9d842fef3, 0x029b5222ee746a7c},
        {"by domain", "a@example.org", "example.org", 0xf6b447ae01d848d3, 0x108bec1fc35a3de1},
        {"by a domain of one letter", "a@example.org", "x", 0x64399ec7c9f41b1c, 0x46b301bb9cf50a4f},
        {"null sender", "", "", 0x611b4c5125a4939b, 0x029b5222ee746a7c},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        world_set_mail(world, rows[i].sender, "b@example.net");
        const struct str domain = {rows[i].domain, strlen(rows[i].domain)};
        assert_int_equal(greylist_key(&key, settings, &world->request, domain).low, rows[i].low);
        assert_int_equal(
            greylist_client_key(&key, settings, world->request.client_address, domain).low,
            rows[i].client_low);
    }
    world_free(world);
}

TEST(an_spf_domain_counts_from_its_first_letter) {
    struct world *world = world_new(100);
    set_spf(world, FACT_KNOWN, SPF_PASS, "");
    (void)world_ask(world);
    assert_int_equal(world->decision.effect_count, 1);
    set_spf(world, FACT_KNOWN, SPF_PASS, "x");
    (void)world_ask(world);
    assert_int_equal(world->decision.effect_count, 2);
    world_free(world);
}

TEST(the_older_first_contact_counts) {
    for (int network_first = 0; network_first < 2; network_first++) {
        struct world *world = world_new(100);
        for (int i = 0; i < 2; i++) {
            if ((i == 0) == (network_first == 1)) {
                world_set_client(world, "192.0.2.1", "mail.example.org");
                set_spf(world, FACT_UNAVAILABLE, 0, "");
            } else {
                world_set_client(world, "198.51.100.9", "mail.example.org");
                set_spf(world, FACT_KNOWN, SPF_PASS, "example.org");
            }
            assert_int_equal(send_after(world, i * 100), REASON_GREYLIST_FIRST_CONTACT);
        }
        world_set_client(world, "192.0.2.1", "mail.example.org");
        set_spf(world, FACT_KNOWN, SPF_PASS, "example.org");
        assert_int_equal(send_after(world, 50), REASON_GREYLIST_TOO_EARLY);
        assert_int_equal(world->decision.retry_in_s, 150);
        world_free(world);
    }
}

TEST(a_history_goes_on_while_it_lives_and_where_it_was_forgotten) {
    struct greylisting_settings settings = {.retry_window_s = 1000, .known_ttl_s = 1000};
    static const struct {
        const char *label;
        uint32_t first_s, passed_s, expires_s, epoch_s;
    } rows[] = {
        {"waiting", 500, 0, 601, 7000},
        {"dead in this second", 500, 0, 600, 7001},
        {"passed", 500, 550, 601, 7000},
        {"expired in this second", 500, 550, 600, 7001},
        {"forgotten", 0, 0, 601, 7000},
        {"forgotten, and that expired in this second", 0, 0, 600, 7001},
        {"first seen in the first second of all", 1, 0, 600, 7001},
        {"the same, late", 1, 2, 600, 7001},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        const struct greylist_entry entry = {.head.expires_s = rows[i].expires_s,
                                             .epoch_s = 7000,
                                             .first_s = rows[i].first_s,
                                             .passed_s = rows[i].passed_s};
        const struct effect effect =
            greylist_pass_effect(&settings, (struct hash128){1, 2}, &entry, 600);
        assert_int_equal(effect.epoch_s, rows[i].epoch_s);
    }
    settings.retry_window_s = 50; /* late, but not forgotten */
    const struct greylist_entry late = {.head.expires_s = 601, .epoch_s = 7000, .first_s = 1};
    assert_int_equal(greylist_pass_effect(&settings, (struct hash128){1, 2}, &late, 600).epoch_s,
                     7001);
    assert_int_equal(greylist_pass_effect(&settings, (struct hash128){1, 2}, NULL, 600).epoch_s, 1);
}

TEST(a_client_begins_anew_in_the_second_its_entry_dies) {
    for (int second = 0; second < 2; second++) {
        struct world *world = world_new(100);
        world->now_s = 1000; /* before the first grain of epochs ends, so that they count up */
        world->settings.greylisting.client_ttl_s = 5000;
        pass_keys(world, 0, 1);
        assert_int_equal(client_of(world)->epoch_s, 1);
        (void)send_after(world, 4000);
        assert_int_equal(send_after(world, 1000 + second), REASON_GREYLIST_RETRIED);
        assert_int_equal(client_of(world)->epoch_s, 1 + second);
        assert_int_equal(greylist_client_passes(client_of(world), (uint32_t)world->now_s),
                         2 - second);
        world_free(world);
    }
}

TEST(a_pass_is_told_by_its_key_and_is_never_zero) {
    struct world *world = world_new(100);
    bool seen[4] = {false};
    for (int i = 0; i < 32; i++) {
        char client[32];
        (void)snprintf(client, sizeof client, "192.0.%d.1", i);
        world_set_client(world, client, "mail.example.org");
        pass_keys(world, i, 1);
        const uint32_t low = (uint32_t)world->decision.effects[0].key.low;
        assert_int_equal(world->decision.effects[1].kind, EFFECT_GREYLIST_CLIENT_SEEN);
        assert_int_equal(world->decision.effects[1].fingerprint, low | 1);
        seen[low % 4] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    world_free(world);
}

TEST(a_forget_comes_after_all_that_the_entry_knows) {
    const struct greylisting_settings settings = {.known_ttl_s = 1000, .client_ttl_s = 2000};
    const struct hash128 key = {1, 2};
    const struct greylist_entry entry = {.epoch_s = 9000};
    const struct greylist_client_entry client = {.epoch_s = 9000};
    assert_int_equal(greylist_forget_effect(&settings, key, &entry, 100).epoch_s, 9001);
    assert_int_equal(greylist_forget_effect(&settings, key, NULL, 100).epoch_s, 1);
    assert_int_equal(greylist_forget_effect(&settings, key, NULL, 100).expires_s, 1101);
    assert_int_equal(greylist_forget_client_effect(&settings, key, &client, 100).epoch_s, 9001);
    assert_int_equal(greylist_forget_client_effect(&settings, key, NULL, 100).epoch_s, 1);
    assert_int_equal(greylist_forget_client_effect(&settings, key, NULL, 100).expires_s, 2101);
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

static struct world *world_of_correspondents(void) {
    static struct str domains[3];
    domains[0] = STR("example.com");
    domains[1] = STR("example.net");
    domains[2] = STR("zzz.example");
    struct world *world = world_new(100);
    world->settings.greylisting.skip_correspondents = true;
    world->settings.greylisting.correspondent_ttl_s = 35 * 86400;
    world->settings.local_domains = domains;
    world->settings.local_domain_count = 3;
    return world;
}

/* Bob writes; how many effects that has. */
static size_t write_to(struct world *world, const char *recipient) {
    world->request.sasl_username = STR("bob@example.net");
    world_set_mail(world, "bob@example.net", recipient);
    const size_t effects = world_send(world)->effect_count;
    world->request.sasl_username = STR("");
    return effects;
}

static enum reason receive_from(struct world *world, const char *sender) {
    world_set_mail(world, sender, "anybody@example.net");
    return world_ask(world)->reason;
}

TEST(people_the_local_users_wrote_to_are_let_in) {
    struct world *world = world_of_correspondents();
    assert_int_equal(receive_from(world, "alice@example.org"), REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(write_to(world, "Alice+news@EXAMPLE.org"), 1);
    assert_int_equal(world->decision.effects[0].kind, EFFECT_CORRESPONDENT_SEEN);
    assert_int_equal(receive_from(world, "alice@example.org"), REASON_GREYLIST_CORRESPONDENT);
    assert_int_equal(world->decision.verdict, VERDICT_NONE);
    assert_int_equal(world->decision.effect_count, 0);
    assert_int_equal(receive_from(world, "ALICE+x@example.org"), REASON_GREYLIST_CORRESPONDENT);
    assert_int_equal(receive_from(world, "bob@example.org"), REASON_GREYLIST_FIRST_CONTACT);
    world->settings.greylisting.skip_correspondents = false;
    assert_int_equal(receive_from(world, "alice@example.org"), REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(write_to(world, "carol@example.org"), 0);
    world_free(world);
}

TEST(a_correspondent_is_known_for_as_long_as_set_and_up_to_a_day_more) {
    struct world *world = world_of_correspondents();
    assert_int_equal(write_to(world, "alice@example.org"), 1);
    world->now_s += 86399;
    assert_int_equal(write_to(world, "alice@example.org"), 0); /* fresh enough */
    world->now_s += 35 * 86400;                                /* since the last mail */
    assert_int_equal(receive_from(world, "alice@example.org"), REASON_GREYLIST_CORRESPONDENT);
    world->now_s += 1;
    assert_int_equal(receive_from(world, "alice@example.org"), REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(write_to(world, "alice@example.org"), 1);
    world->now_s += 86400;
    assert_int_equal(write_to(world, "alice@example.org"), 1);
    world->settings.greylisting.correspondent_ttl_s = 3600;
    assert_int_equal(write_to(world, "dan@example.org"), 1);
    world->now_s += 149;
    assert_int_equal(write_to(world, "dan@example.org"), 0);
    world->now_s += 1;
    assert_int_equal(write_to(world, "dan@example.org"), 1);
    world->now_s += 3600 + 149;
    assert_int_equal(receive_from(world, "dan@example.org"), REASON_GREYLIST_CORRESPONDENT);
    world->now_s += 1;
    assert_int_equal(receive_from(world, "dan@example.org"), REASON_GREYLIST_FIRST_CONTACT);
    world_free(world);
}

TEST(a_correspondent_that_expired_is_written_again_whatever_was_set_since) {
    struct world *world = world_of_correspondents();
    world->settings.greylisting.correspondent_ttl_s = 3600;
    assert_int_equal(write_to(world, "alice@example.org"), 1);
    world->settings.greylisting.correspondent_ttl_s = 35 * 86400;
    world->now_s += 3600 + 149;
    assert_int_equal(write_to(world, "alice@example.org"), 0);
    world->now_s += 1;
    assert_int_equal(write_to(world, "alice@example.org"), 1);
    world_free(world);
}

TEST(no_entry_lives_beyond_the_end_of_time) {
    struct world *world = world_of_correspondents();
    world->now_s = (int64_t)UINT32_MAX - 5;
    assert_int_equal(write_to(world, "alice@example.org"), 1);
    assert_int_equal(world->decision.effects[0].expires_s, UINT32_MAX);
    world_free(world);
}

/* Whom strangers forge: addresses of our own. Whom nobody wrote to: those who get our bounces. */
TEST(bounces_and_mail_among_ourselves_make_no_correspondents) {
    static const char *const own[] = {"carol@example.net", "carol@EXAMPLE.com", "c@zzz.example",
                                      "carol", ""};
    struct world *world = world_of_correspondents();
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(write_to(world, own[i]), 0);
    }
    assert_int_equal(write_to(world, "carol@zz.example"), 1);
    assert_int_equal(write_to(world, "carol@zzzz.example"), 1);
    assert_int_equal(write_to(world, "carol@example.aaa"), 1);
    assert_int_equal(write_to(world, "carol@y"), 1);
    world->settings.local_domain_count = 0;
    assert_int_equal(write_to(world, "carol@example.net"), 0); /* bob's own domain */
    assert_int_equal(write_to(world, "carol@example.com"), 1);
    world->request.sasl_username = STR("bob@example.net");
    world_set_mail(world, "", "dora@example.org");
    assert_int_equal(world_send(world)->effect_count, 0);
    world_free(world);
}

TEST(the_null_sender_is_nobodys_correspondent) {
    struct world *world = world_of_correspondents();
    assert_int_equal(write_to(world, "alice@example.org"), 1);
    assert_int_equal(receive_from(world, ""), REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(world->decision.read_count, 3 + 2); /* lists, client, entry; not asked about */
    world_free(world);
}

TEST(whom_a_user_was_not_let_write_to_is_no_correspondent) {
    struct world *world = world_of_correspondents();
    struct list_item item = world_item(world, LIST_BLOCK, PATTERN_EMAIL, "bob@example.net");
    item.direction = LIST_BOTH_DIRECTIONS;
    world_add_item(world, item);
    assert_int_equal(write_to(world, "alice@example.org"), 0);
    assert_int_equal(world->decision.verdict, VERDICT_REJECT);
    world_free(world);
}

TEST(a_stranger_costs_one_look_up_more_and_a_known_sender_none) {
    struct world *world = world_of_correspondents();
    world_set_mail(world, "alice@example.org", "anybody@example.net");
    (void)world_send(world);
    assert_int_equal(world->decision.read_count, 3 + 3); /* lists, client, entry, correspondent */
    world->now_s += 300;
    assert_int_equal(world_send(world)->reason, REASON_GREYLIST_RETRIED);
    assert_int_equal(world->decision.read_count, 3 + 2);
    assert_int_equal(world_send(world)->reason, REASON_GREYLIST_KNOWN);
    assert_int_equal(world->decision.read_count, 3 + 2);
    world_free(world);
}
