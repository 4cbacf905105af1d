/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "policy/policy_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* How much one decision reads and does at most: every policy on, everything that it asks about
 * there, every counter one short of a block. READS_MAX and EFFECTS_MAX are CHECKed while mail is
 * decided on, so whoever adds a policy sees here how much room it leaves. */

enum { ROOM_LEFT_MIN = 2, ROUNDS = 2000 };

static const struct rbl_list_settings list = {
    .number = 1, .name = {"list", 4}, .zone = {"list.example", 12}, .weight = 1, .has_ipv6 = true};

static const struct str country = {"XX", 2};

static void add_rules(struct world *world) {
    static const char *const subjects[] = {"user *", "domain example.com", "ip *", "global"};
    static const char *const limits[] = {"2000 recipients/hour", "90 recipients/month",
                                         "1000 messages/hour",   "50 messages/month",
                                         "900000000 bytes/hour", "50000 bytes/month"};
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        for (size_t j = 0; j < sizeof limits / sizeof limits[0]; j++) {
            world_add_rule(world, RULE_QUOTA, subjects[i], limits[j]);
        }
    }
    world_add_rule(world, RULE_RESTRICTION, "bob@example.com", "*@example.net");
    world_add_rule(world, RULE_IDENTITY, "bob@example.com", "*@example.com");
}

static struct world *world_of_everything(void) {
    struct world *world = world_new(2000);
    for (unsigned policy = POLICY_NONE + 1; policy < POLICY_LIMIT; policy++) {
        world_enable(world, (enum policy_id)policy);
    }
    for (unsigned i = BLACKLIST_REJECTIONS; i < BLACKLIST_TRIGGERS; i++) {
        world->settings.auto_blacklist.rules[i] = (struct blacklist_rule_settings){
            .enabled = true, .threshold = 3, .window_s = 3600, .duration_s = 60};
    }
    world->settings.quotas.end_of_data_hook = END_OF_DATA_AUTO;
    world->settings.rbl.lists[0] = list;
    world->settings.rbl.list_count = 1;
    world->settings.rbl.threshold = 2; /* The hit counts, and mail goes on. */
    world->settings.geo.inbound =
        (struct geo_rule_settings){.countries = &country, .country_count = 1};
    add_rules(world);
    (void)world_add(world, LIST_ALLOW, PATTERN_IP, "9.9.8.0/24");
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "9.9.8.64/26");
    (void)world_add(world, LIST_GREYLIST_EXEMPT, PATTERN_IP, "9.9.7.0/24");
    (void)world_add(world, LIST_REPUTATION_ALLOW, PATTERN_IP, "9.9.9.128/25");
    return world;
}

static void set_facts(struct dice *dice, struct facts *facts) {
    for (unsigned i = 0; i < FACTS; i++) {
        facts->status[i] = FACT_KNOWN;
    }
    facts->spf_result = dice_below(dice, 2) == 0 ? SPF_PASS : SPF_FAIL;
    facts->spf_helo_result = SPF_FAIL;
    facts->spf_domain_length = 11;
    memcpy(facts->spf_domain, "example.com", 11);
    facts->rbl_count = 1;
    facts->rbl[0] = (struct rbl_answer){.list = 1, .status = DNSBL_LISTED, .code = {127, 0, 0, 2}};
    memcpy(facts->geo_country, "XX", 2);
}

/* Now and then a new message. */
static struct str instance_of(struct dice *dice) {
    static char room[24];
    static uint64_t number;
    struct text out = TEXT_OVER(room);
    number += dice_below(dice, 6) == 0 ? 1 : 0;
    text_add_u64(&out, number);
    return text_str(&out);
}

static void set_request(struct dice *dice, struct world *world) {
    static const char *const clients[] = {"9.9.9.1", "9.9.8.65", "9.9.7.9", "9.9.9.200",
                                          "2a00:db8::1"};
    static const enum protocol_state states[] = {PROTOCOL_STATE_RCPT, PROTOCOL_STATE_RCPT,
                                                 PROTOCOL_STATE_END_OF_MESSAGE,
                                                 PROTOCOL_STATE_ENDED};
    static const char *const recipients[] = {"x@example.net", "y@example.net"};
    world_set_client(world, clients[dice_below(dice, 5)], "mail.example.com");
    world_set_mail(world, "bob@example.com", recipients[dice_below(dice, 2)]);
    world->request.sasl_username =
        dice_below(dice, 3) == 0 ? STR("bob@example.com") : (struct str){NULL, 0};
    world->request.state = states[dice_below(dice, 4)];
    world->request.instance = instance_of(dice);
    world->request.recipient_count = world->request.state == PROTOCOL_STATE_RCPT ? 0 : 3;
    world->request.size = 1000;
}

static void set_modes(struct dice *dice, struct world *world) {
    for (unsigned policy = POLICY_NONE + 1; policy < POLICY_LIMIT; policy++) {
        world->settings.policies[policy].mode =
            dice_below(dice, 2) == 0 ? POLICY_MODE_ENFORCE : POLICY_MODE_SHADOW;
    }
    world->settings.spf.on[SPF_FAIL] =
        dice_below(dice, 2) == 0 ? SPF_ACTION_ACCEPT : SPF_ACTION_REJECT;
}

TEST(the_largest_decision_has_room) {
    struct dice dice = {7};
    size_t reads = 0;
    size_t effects = 0;
    size_t bytes = 0;
    for (unsigned i = 0; i < 5; i++) {
        struct world *world = world_of_everything();
        for (unsigned round = 0; round < ROUNDS; round++) {
            set_facts(&dice, &world->facts);
            set_request(&dice, world);
            set_modes(&dice, world);
            world->now_s += dice_below(&dice, 200);
            const struct decision *decision = world_send(world);
            reads = decision->read_count > reads ? decision->read_count : reads;
            effects = decision->effect_count > effects ? decision->effect_count : effects;
            bytes = world->record_length > bytes ? world->record_length : bytes;
        }
        world_free(world);
    }
    (void)printf("# %zu of %d reads, %zu of %d effects, %zu of %d bytes of a record\n", reads,
                 READS_MAX, effects, EFFECTS_MAX, bytes, DECISION_RECORD_MAX);
    assert_in_range(reads, 25, READS_MAX - ROOM_LEFT_MIN);
    assert_in_range(effects, 20, EFFECTS_MAX - ROOM_LEFT_MIN);
}
