/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist.h"

#include <stdio.h>
#include <string.h>

#include "policy/greylist_fixture.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* Clients that have passed so often that they are trusted. */

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
