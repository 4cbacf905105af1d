/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist.h"

#include "policy/greylist_fixture.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* People the local users wrote to are let in. */

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
