/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/auto_blacklist.h"

#include <string.h>

#include "policy/auto_blacklist_effects.h"
#include "policy/auto_blacklist_fixture.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* What administrators do: blocking, releasing. */

static size_t release(struct world *world) {
    struct effect effects[BLACKLIST_RELEASE_EFFECTS_MAX];
    const size_t count =
        blacklist_release_effects(&world->state, &world->settings.auto_blacklist,
                                  world->request.client_address, now_of(world), effects);
    for (size_t i = 0; i < count; i++) {
        assert_true(effects[i].expires_s > effects[i].time_s);
        apply(world, effects[i]);
    }
    return count;
}

TEST(a_released_address_starts_at_zero) {
    struct world *world = world_of_rules();
    world->settings.auto_blacklist.double_duration = true;
    (void)offend(world);
    reject_times(world, 5);
    assert_int_equal(standing_of(world).offences, 2);
    assert_int_equal(release(world), 1);
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_true(standing_of(world).known && standing_of(world).released);
    assert_false(standing_of(world).blocked);
    assert_int_equal(standing_of(world).since_s, world->now_s);
    assert_int_equal(standing_of(world).trigger, BLACKLIST_REJECTIONS); /* why it was */
    assert_int_equal(standing_of(world).offences, 0);
    assert_int_equal(release(world), 0); /* nothing left */
    reject_times(world, 4);
    assert_false(standing_of(world).blocked);
    assert_int_equal(release(world), 1);
    assert_int_equal(count_of(world), 0);
    reject_times(world, 4);
    assert_false(standing_of(world).blocked);
    reject_times(world, 1);
    assert_int_equal(standing_of(world).until_s, world->now_s + DAY_S); /* the first again */
    world_free(world);
}

TEST(releasing_clears_the_counters_of_all_triggers) {
    struct world *world = world_of_rules();
    struct effect effects[BLACKLIST_COUNT_EFFECTS_MAX];
    bool blocked = true;
    for (unsigned i = BLACKLIST_REJECTIONS; i < BLACKLIST_TRIGGERS; i++) {
        const size_t count = blacklist_count_effects(
            &world->state, &world->settings.auto_blacklist, world->request.client_address,
            (enum blacklist_trigger)i, now_of(world), effects, &blocked);
        assert_int_equal(count, 1);
        assert_false(blocked);
        apply(world, effects[0]);
    }
    apply(world, blacklist_block_effect(&world->state, world->request.client_address,
                                        now_of(world) + 60, now_of(world)));
    assert_int_equal(release(world), BLACKLIST_RELEASE_EFFECTS_MAX);
    for (unsigned i = BLACKLIST_REJECTIONS; i < BLACKLIST_TRIGGERS; i++) {
        const struct offence_entry *offences = offences_of(world, (enum blacklist_trigger)i);
        assert_int_equal(blacklist_offence_count(offences, now_of(world)), 0);
    }
    assert_int_equal(release(world), 0);
    world_set_client(world, "192.0.2.2", "");
    assert_int_equal(release(world), 0);
    world_free(world);
}

TEST(a_release_outlives_an_older_block_that_arrives_late) {
    struct world *world = world_of_rules();
    reject_times(world, 5);
    const struct effect old_block = world->decision.effects[0];
    assert_int_equal(old_block.kind, EFFECT_BLACKLIST_CHANGED);
    (void)release(world);
    apply(world, old_block);
    assert_false(standing_of(world).blocked);
    assert_int_equal(entry_of(world)->head.expires_s, world->now_s + BLACKLIST_REMEMBER_S);
    world_free(world);
}

TEST(an_address_is_blocked_by_hand_for_a_time_or_for_good) {
    struct world *world = world_of_rules();
    const struct ip_address client = world->request.client_address;
    apply(world, blacklist_block_effect(&world->state, client, now_of(world) + 60, now_of(world)));
    assert_int_equal(standing_of(world).trigger, BLACKLIST_BY_HAND);
    assert_int_equal(standing_of(world).offences, 0);
    assert_int_equal(world_ask(world)->verdict, VERDICT_REJECT);
    assert_memory_equal(world->decision.rule, "by_hand until 2023-11-14T22:14:20Z",
                        world->decision.rule_length);
    world->now_s += 60;
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    apply(world, blacklist_block_effect(&world->state, client, BLACKLIST_FOR_GOOD, now_of(world)));
    world->now_s += 50 * (int64_t)YEAR_S;
    assert_int_equal(world_ask(world)->verdict, VERDICT_REJECT);
    assert_memory_equal(world->decision.rule, "by_hand for good", world->decision.rule_length);
    assert_int_equal(world->decision.rule_length, strlen("by_hand for good"));
    assert_int_equal(standing_of(world).until_s, BLACKLIST_FOR_GOOD);
    world_free(world);
}

TEST(a_block_can_be_made_permanent_and_keeps_its_cause) {
    struct world *world = world_of_rules();
    const struct ip_address client = world->request.client_address;
    struct effect effect;
    assert_false(blacklist_permanent_effect(&world->state, client, now_of(world), &effect));
    reject_times(world, 5);
    assert_true(blacklist_permanent_effect(&world->state, client, now_of(world), &effect));
    apply(world, effect);
    assert_int_equal(standing_of(world).until_s, BLACKLIST_FOR_GOOD);
    assert_int_equal(standing_of(world).trigger, BLACKLIST_REJECTIONS);
    assert_int_equal(standing_of(world).offences, 1);
    apply(world, blacklist_block_effect(&world->state, client, now_of(world) + 1, now_of(world)));
    assert_int_equal(standing_of(world).offences, 1); /* by hand counts no offence */
    world->now_s += 1;
    assert_false(blacklist_permanent_effect(&world->state, client, now_of(world), &effect));
    world_free(world);
}

TEST(a_network_that_is_exempt_now_is_not_refused_any_more) {
    struct world *world = world_of_rules();
    reject_times(world, 5);
    world->request.server_address = STR("192.0.2.1");
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    world->request.server_address = STR("not an address");
    assert_int_equal(world_ask(world)->verdict, VERDICT_REJECT);
    world->request.sasl_username = STR("alice");
    assert_int_equal(world_ask(world)->verdict, VERDICT_NONE);
    world_free(world);
}

TEST(each_change_is_the_next_revision) {
    struct world *world = world_of_rules();
    const struct ip_address client = world_address("2001:db8::1");
    const struct hash128 key = blacklist_key(&world->state.key, client);
    struct effect effect = blacklist_block_effect(&world->state, client, BLACKLIST_FOR_GOOD, 5);
    assert_int_equal(effect.epoch_s, 1);
    assert_int_equal(effect.flags, EFFECT_PERMANENT);
    apply(world, effect);
    effect = blacklist_block_effect(&world->state, client, 90, 5);
    assert_int_equal(effect.epoch_s, 2);
    assert_int_equal(effect.flags, 0);
    struct blacklist_entry *entry = state_place(&world->state, STATE_BLACKLIST, key, 5);
    entry->revision = UINT32_MAX;
    assert_int_equal(blacklist_block_effect(&world->state, client, 90, 5).epoch_s, UINT32_MAX);
    world_free(world);
}

TEST(a_clearing_is_the_next_epoch_and_is_kept_for_the_window) {
    struct world *world = world_of_rules();
    struct effect effects[BLACKLIST_RELEASE_EFFECTS_MAX];
    const struct auto_blacklist_settings *settings = &world->settings.auto_blacklist;
    const struct ip_address client = world->request.client_address;
    (void)reject(world);
    const uint32_t epoch_s = offences_of(world, BLACKLIST_REJECTIONS)->epoch_s;
    const uint32_t now_s = now_of(world);
    assert_int_equal(blacklist_release_effects(&world->state, settings, client, now_s, effects), 1);
    assert_int_equal(effects[0].epoch_s, epoch_s + 1);
    assert_int_equal(effects[0].expires_s, now_s + HOUR_S + 1);
    struct offence_entry *entry = state_place(&world->state, STATE_OFFENCE, effects[0].key, now_s);
    entry->epoch_s = UINT32_MAX;
    (void)blacklist_release_effects(&world->state, settings, client, now_s, effects);
    assert_int_equal(effects[0].epoch_s, UINT32_MAX);
    struct offence_digest digest;
    blacklist_digest_offences(entry, now_s, &digest);
    assert_int_equal(digest.present, 1);
    assert_int_equal(digest.count, 1);
    world_free(world);
}
