/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/ip_reputation_fixture.h"
#include "testing/test.h"

/* --- standings ---------------------------------------------------------------------------------
 */

static uint8_t score_at(uint8_t score, uint32_t quiet_s) {
    const struct reputation_entry entry = {
        .head = {.last_used_s = 1000000, .expires_s = UINT32_MAX}, .score = score};
    return reputation_standing(&reputation_usual, &entry, 1000000 + quiet_s).score;
}

TEST(a_quiet_address_recovers_five_points_each_six_hours_after_a_week) {
    enum { WEEK_S = 7 * DAY_S, STEP_S = 6 * HOUR_S };
    assert_int_equal(score_at(5, 0), 5);
    assert_int_equal(score_at(5, WEEK_S + STEP_S - 1), 5);
    assert_int_equal(score_at(5, WEEK_S + STEP_S), 10);
    assert_int_equal(score_at(5, WEEK_S + 2 * STEP_S - 1), 10);
    assert_int_equal(score_at(5, WEEK_S + 8 * STEP_S), 45);
    assert_int_equal(score_at(5, WEEK_S + 9 * STEP_S), 50);
    assert_int_equal(score_at(5, WEEK_S + 10 * STEP_S), 50);
    assert_int_equal(score_at(7, WEEK_S + 9 * STEP_S), 50); /* not 52 */
    assert_int_equal(score_at(5, 170 * DAY_S), 50);
    assert_int_equal(score_at(0, 9 * DAY_S + 6 * HOUR_S), 45); /* from nothing in 9.5 days */
    assert_int_equal(score_at(0, 9 * DAY_S + 12 * HOUR_S), 50);
}

TEST(recovery_never_lowers_a_score) {
    assert_int_equal(score_at(50, 170 * DAY_S), 50);
    assert_int_equal(score_at(51, 170 * DAY_S), 51);
    assert_int_equal(score_at(100, 170 * DAY_S), 100);
}

TEST(a_clock_behind_the_last_activity_changes_nothing) {
    const struct reputation_entry entry = {
        .head = {.last_used_s = 1000000, .expires_s = UINT32_MAX}, .score = 5};
    assert_int_equal(reputation_standing(&reputation_usual, &entry, 999990).score, 5);
}

TEST(a_stored_score_outside_of_new_bounds_is_read_inside_of_them) {
    struct ip_reputation_settings narrow = reputation_usual;
    narrow.min_score = 20;
    narrow.max_score = 80;
    struct reputation_entry entry = {.head.expires_s = UINT32_MAX, .head.last_used_s = 1000};
    entry.score = 5;
    assert_int_equal(reputation_standing(&narrow, &entry, 1000).score, 20);
    entry.score = 95;
    assert_int_equal(reputation_standing(&narrow, &entry, 1000).score, 80);
    entry.score = 20;
    assert_int_equal(reputation_standing(&narrow, &entry, 1000).score, 20);
    entry.score = 80;
    assert_int_equal(reputation_standing(&narrow, &entry, 1000).score, 80);
}

static void assert_unknown(const struct reputation_entry *entry, uint32_t now_s) {
    const struct reputation_standing standing =
        reputation_standing(&reputation_usual, entry, now_s);
    assert_false(standing.known);
    assert_int_equal(standing.score, 50);
    assert_int_equal(standing.last_seen_s, 0);
    assert_int_equal(standing.accepted, 0);
    assert_int_equal(standing.rejected, 0);
    assert_int_equal(standing.deferred, 0);
}

TEST(absent_expired_and_reset_addresses_are_not_known) {
    struct reputation_entry entry = {.head = {.last_used_s = 1000, .expires_s = 2000},
                                     .score = 20,
                                     .accepted = 1,
                                     .rejected = 2,
                                     .deferred = 3};
    assert_unknown(NULL, 1999);
    assert_unknown(&entry, 2000);
    const struct reputation_standing standing =
        reputation_standing(&reputation_usual, &entry, 1999);
    assert_true(standing.known);
    assert_int_equal(standing.score, 20);
    assert_int_equal(standing.last_seen_s, 1000);
    assert_int_equal(standing.accepted, 1);
    assert_int_equal(standing.rejected, 2);
    assert_int_equal(standing.deferred, 3);
    entry.forgotten = 1;
    assert_unknown(&entry, 1999);
}

static bool same_key(const char *a, const char *b) {
    const struct sip_key key = {.bytes = "sixteen letters"};
    const struct hash128 hash_a = reputation_key(&key, world_address(a));
    const struct hash128 hash_b = reputation_key(&key, world_address(b));
    return hash_a.high == hash_b.high && hash_a.low == hash_b.low;
}

TEST(ipv6_is_known_by_slash_64_and_ipv4_by_address) {
    assert_true(same_key("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
    assert_false(same_key("2001:db8:0:1::1", "2001:db8:0:2::1"));
    assert_false(same_key("192.0.2.1", "192.0.2.2"));
    assert_false(same_key("192.0.2.1", "0:0:c000:201::"));
}

/* --- the policy --------------------------------------------------------------------------------
 */

TEST(a_score_at_the_threshold_is_refused) {
    struct world *world = world_of_reputation();
    world->settings.ip_reputation.text = STR("Your score is bad");
    set_score(world, 11);
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    set_score(world, 10);
    const struct decision *decision = world_ask(world);
    assert_int_equal(decision->verdict, VERDICT_REJECT);
    assert_int_equal(decision->policy, POLICY_IP_REPUTATION);
    assert_int_equal(decision->reason, REASON_REPUTATION_TOO_LOW);
    assert_memory_equal(decision->rule, "score 10, threshold 10", decision->rule_length);
    assert_int_equal(decision->rule_length, 22);
    assert_non_null(strstr(world_reply(world), "Your score is bad"));
    world->settings.ip_reputation.block_threshold = 9;
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    world->settings.ip_reputation.block_threshold = 0;
    set_score(world, 0);
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE); /* 0 is never */
    world->settings.ip_reputation.block_threshold = 1;
    assert_int_equal(world_ask(world)->verdict, VERDICT_REJECT);
    world_free(world);
}

TEST(authenticated_and_allowed_clients_and_those_without_an_address_are_not_refused) {
    struct world *world = world_of_reputation();
    set_score(world, 0);
    world->request.sasl_username = STR("alice");
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    world->request.sasl_username = STR("");
    assert_int_equal(world_ask(world)->verdict, VERDICT_REJECT);
    world->request.client_address = (struct ip_address){{0}};
    set_score(world, 0);
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(world->decision.effect_count, 0);
    world_set_client(world, "192.0.2.1", "");
    (void)world_add(world, LIST_ALLOW, PATTERN_IP, "192.0.2.1");
    assert_int_equal(world_ask(world)->verdict, VERDICT_ACCEPT);
    world_free(world);
}

TEST(an_address_refused_for_its_score_recovers_and_is_let_in) {
    struct world *world = world_of_reputation();
    set_score(world, 8);
    for (int hour = 0; hour < 7 * 24 + 5; hour++) {
        world->now_s += HOUR_S;
        assert_int_equal(world_send(world)->verdict, VERDICT_REJECT); /* no activity */
        assert_int_equal(world->decision.effect_count, 0);
    }
    world->now_s += HOUR_S;
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(score_of(world), 14); /* 8 + 5, and this mail */
    world_free(world);
}

/* --- an address that is exempt ------------------------------------------------------------------
 */

static struct world *world_that_allows(const char *network) {
    struct world *world = world_of_reputation();
    (void)world_add(world, LIST_REPUTATION_ALLOW, PATTERN_IP, network);
    return world;
}

TEST(an_allowed_address_is_neither_refused_nor_scored) {
    struct world *world = world_that_allows("192.0.2.0/28");
    set_score(world, 5);
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(world->decision.effect_count, 0);
    world->settings.quotas.end_of_data_hook = END_OF_DATA_ON;
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    world->request.instance = STR("1.1.1");
    (void)world_send(world);
    assert_int_equal(score_of(world), 5);
    world_free(world);
}

TEST(its_neighbour_is_refused_and_scored) {
    struct world *world = world_that_allows("192.0.2.0/28");
    world_set_client(world, "192.0.2.16", "");
    (void)world_send(world);
    assert_int_equal(score_of(world), 51);
    set_score(world, 5);
    assert_int_equal(world_ask(world)->reason, REASON_REPUTATION_TOO_LOW);
    world_free(world);
}

TEST(an_allowed_address_is_not_exempt_from_the_block_list) {
    struct world *world = world_that_allows("192.0.2.1");
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    assert_int_equal(world_send(world)->reason, REASON_ACL_BLOCKED);
    world_free(world);
}

TEST(only_a_match_is_recorded) {
    struct world *without = world_of_reputation();
    struct world *other = world_that_allows("198.51.100.1");
    struct world *allows = world_that_allows("192.0.2.1");
    const size_t reads = world_ask(without)->read_count;
    assert_int_equal(world_ask(other)->read_count, reads);
    assert_int_equal(other->record_length, without->record_length);
    (void)world_ask(allows);
    const struct read *last = &allows->decision.reads[allows->decision.read_count - 1];
    assert_int_equal(last->kind, READ_LIST);
    assert_int_equal(last->source, LIST_REPUTATION_ALLOW);
    world_free(without);
    world_free(other);
    world_free(allows);
}

/* --- an administrator's reset ------------------------------------------------------------------
 */

TEST(a_reset_address_is_as_if_never_seen) {
    struct world *world = world_of_reputation();
    set_score(world, 5);
    assert_int_equal(world_send(world)->verdict, VERDICT_REJECT);
    world->settings.ip_reputation.initial_score = 60;
    const struct effect reset = reputation_reset_effect(
        &world->settings.ip_reputation, &world->state.key, world->request.client_address,
        entry_of(world), (uint32_t)world->now_s);
    assert_true(reset.expires_s > reset.time_s);
    effect_apply(&world->state, &reset, ++world->sequence);
    const struct reputation_standing standing = reputation_standing(
        &world->settings.ip_reputation, entry_of(world), (uint32_t)world->now_s);
    assert_false(standing.known);
    assert_int_equal(standing.score, 60);
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(score_of(world), 61);
    assert_int_equal(entry_of(world)->forgotten, 0);
    assert_int_equal(entry_of(world)->network, 0xc0000201);
    assert_int_equal(entry_of(world)->is_v4, 1);
    world_free(world);
}

TEST(an_address_never_seen_can_be_reset_too) {
    struct world *world = world_of_reputation();
    const struct effect reset = reputation_reset_effect(
        &reputation_usual, &world->state.key, world_address("2001:db8::1"), NULL, UINT32_MAX - 5);
    assert_int_equal(reset.epoch_s, 1);
    assert_int_equal(reset.detail, 50);
    assert_int_equal(reset.expires_s, UINT32_MAX);
    assert_int_equal(reset.flags, EFFECT_RESET);
    assert_true(reset.network == 0x20010db800000000);
    struct reputation_entry last = {.revision = UINT32_MAX};
    assert_int_equal(reputation_reset_effect(&reputation_usual, &world->state.key,
                                             world_address("::1"), &last, 5)
                         .epoch_s,
                     UINT32_MAX);
    world_free(world);
}

/* --- greylisting -------------------------------------------------------------------------------
 */

TEST(a_client_of_good_repute_is_not_greylisted) {
    struct world *world = world_of_reputation();
    struct policy_common_settings *reputation = &world->settings.policies[POLICY_IP_REPUTATION];
    world_enable(world, POLICY_GREYLISTING);
    set_score(world, 79);
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    set_score(world, 80);
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_REPUTABLE);
    assert_int_equal(world->decision.verdict, VERDICT_NONE);
    assert_int_equal(world->decision.read_count, 3 + 1); /* lists, reputation */
    world->settings.ip_reputation.skip_greylist_threshold = 0;
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    world->settings.ip_reputation.skip_greylist_threshold = 1;
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_REPUTABLE);
    reputation->mode = POLICY_MODE_SHADOW; /* which answers nothing */
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    reputation->mode = POLICY_MODE_ENFORCE;
    reputation->enabled = false;
    assert_int_equal(world_ask(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    world_free(world);
}

TEST(the_score_is_read_once_in_a_decision) {
    struct world *world = world_of_reputation();
    world_enable(world, POLICY_GREYLISTING);
    (void)world_ask(world);
    size_t reads = 0;
    for (size_t i = 0; i < world->decision.read_count; i++) {
        reads += world->decision.reads[i].kind == READ_ENTRY_ABSENT &&
                 world->decision.reads[i].source == STATE_REPUTATION;
    }
    assert_int_equal(reads, 1);
    world_free(world);
}
