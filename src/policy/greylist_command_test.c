/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist.h"

#include "policy/greylist_fixture.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* What administrators do: forgetting, letting in. */

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
