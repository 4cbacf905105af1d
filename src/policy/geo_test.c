/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/geo.h"

#include <string.h>

#include "policy/auto_blacklist.h"
#include "policy/decision_explain.h"
#include "policy/ip_reputation.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

static const struct str blocked_countries[] = {{"CN", 2}, {"RU", 2}};
static const struct str home[] = {{"AT", 2}, {"DE", 2}};
static const struct str hosters[] = {{"AS64496", 7}, {"AS64510", 7}};

/* A stranger with a public address; inbound CN and RU are blocked, users may send from AT and DE
 * alone. */
static struct world *world_of_countries(void) {
    struct world *world = world_new(1000);
    struct geo_settings *geo = &world->settings.geo;
    world_enable(world, POLICY_GEO);
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    geo->inbound = (struct geo_rule_settings){.countries = blocked_countries, .country_count = 2};
    geo->outbound =
        (struct geo_rule_settings){.mode = GEO_MODE_ALLOW, .countries = home, .country_count = 2};
    world_set_client(world, "198.41.0.4", "unknown");
    return world;
}

static void set_user(struct world *world, const char *user) {
    world->request.sasl_username = str_from(user);
}

static void assert_refused(struct world *world, const char *reply_start, enum reason reason,
                           const char *rule) {
    const struct decision *decision = world_send(world);
    char found[RULE_MAX + 1] = "";
    memcpy(found, decision->rule, decision->rule_length);
    assert_int_equal(decision->policy, POLICY_GEO);
    assert_int_equal(decision->reason, reason);
    assert_string_equal(found, rule);
    assert_int_equal(strncmp(world_reply(world), reply_start, strlen(reply_start)), 0);
}

static void assert_passes(struct world *world) {
    assert_int_equal(world_send(world)->policy, POLICY_NONE);
    assert_string_equal(world_reply(world), "DUNNO");
}

static void assert_from(struct world *world, const char *country, bool refused) {
    world_set_place(world, country, 64500);
    test_case(country);
    if (refused) {
        assert_refused(world, "REJECT 5.7.1 Mail from your country", REASON_GEO_COUNTRY, country);
    } else {
        assert_passes(world);
    }
}

TEST(geo_blocks_the_countries_of_the_list) {
    struct world *world = world_of_countries();
    assert_from(world, "CN", true);
    assert_from(world, "RU", true);
    assert_from(world, "DE", false);
    assert_from(world, "CO", false);
    world_free(world);
}

TEST(geo_allows_the_countries_of_the_list_alone) {
    struct world *world = world_of_countries();
    world->settings.geo.inbound.mode = GEO_MODE_ALLOW;
    assert_from(world, "CN", false);
    assert_from(world, "DE", true);
    world_free(world);
}

TEST(geo_has_rules_of_its_own_for_users) {
    struct world *world = world_of_countries();
    set_user(world, "alice@example.net");
    assert_from(world, "AT", false);
    assert_from(world, "CN", true);
    assert_from(world, "FR", true);
    set_user(world, "");
    assert_from(world, "FR", false);
    world_free(world);
}

TEST(geo_wants_the_country_only_where_there_are_rules) {
    struct world *world = world_of_countries();
    assert_true(geo_wants_fact(&world->settings, DIRECTION_INBOUND));
    assert_true(geo_wants_fact(&world->settings, DIRECTION_OUTBOUND));
    assert_int_equal(world_ask(world)->facts_wanted, 1u << FACT_GEO);
    world->settings.geo.inbound.country_count = 0;
    world->facts.status[FACT_GEO] = FACT_UNASKED;
    assert_false(geo_wants_fact(&world->settings, DIRECTION_INBOUND));
    assert_passes(world);
    assert_int_equal(world->facts.status[FACT_GEO], FACT_UNASKED);
    world->settings.geo.inbound.block_asns = hosters;
    world->settings.geo.inbound.block_asn_count = 2;
    assert_true(geo_wants_fact(&world->settings, DIRECTION_INBOUND));
    world->settings.policies[POLICY_GEO].enabled = false;
    assert_false(geo_wants_fact(&world->settings, DIRECTION_OUTBOUND));
    world_free(world);
}

TEST(geo_blocks_autonomous_systems) {
    struct world *world = world_of_countries();
    world->settings.geo.inbound.block_asns = hosters;
    world->settings.geo.inbound.block_asn_count = 2;
    world_set_place(world, "DE", 64510);
    assert_refused(world, "REJECT 5.7.1 ", REASON_GEO_ASN, "AS64510");
    world_set_place(world, "", 64496); /* whatever country */
    assert_refused(world, "REJECT 5.7.1 ", REASON_GEO_ASN, "AS64496");
    world_set_place(world, "DE", 6451);
    assert_passes(world);
    world_set_place(world, "DE", 0);
    assert_passes(world);
    /* With an allow-list too: the system counts against the country. */
    world->settings.geo.inbound.mode = GEO_MODE_ALLOW;
    world_set_place(world, "CN", 64496);
    assert_refused(world, "REJECT 5.7.1 ", REASON_GEO_ASN, "AS64496");
    world_free(world);
}

TEST(geo_excepts_networks_and_senders) {
    static const struct ip_prefix networks[] = {
        {{{[10] = 0xff, [11] = 0xff, 198, 41, 0, 0}}, 96 + 24}};
    const struct str senders[] = {STR("boss@elsewhere.example"), STR("partner.example")};
    struct world *world = world_of_countries();
    struct geo_settings *geo = &world->settings.geo;
    world_set_place(world, "CN", 0);
    geo->exempt_networks = networks;
    geo->exempt_network_count = 1;
    assert_passes(world);
    world_set_client(world, "198.41.1.4", "unknown");
    assert_from(world, "CN", true);

    geo->exempt_senders = senders;
    geo->exempt_sender_count = 2;
    world_set_mail(world, "Anybody@Partner.Example", "b@example.net");
    assert_passes(world);
    world_set_mail(world, "boss@elsewhere.example", "b@example.net");
    assert_passes(world);
    world_set_mail(world, "other@elsewhere.example", "b@example.net");
    assert_from(world, "CN", true);
    world_set_mail(world, "x@sub.partner.example", "b@example.net");
    assert_from(world, "CN", true);
    world_set_mail(world, "", "b@example.net");
    assert_from(world, "CN", true);
    world_free(world);
}

TEST(geo_does_not_ask_where_our_own_servers_stand) {
    static const struct ip_prefix ours[] = {{{{[10] = 0xff, [11] = 0xff, 198, 41, 0, 4}}, 128}};
    struct world *world = world_of_countries();
    world->settings.trusted_networks = ours;
    world->settings.trusted_network_count = 1;
    assert_from(world, "CN", false);
    set_user(world, "alice@example.net"); /* through our web mail */
    assert_from(world, "CN", false);
    world_free(world);
}

TEST(geo_unknown_has_a_setting) {
    struct world *world = world_of_countries();
    world_set_place(world, "", 0);
    assert_passes(world);
    world->settings.geo.unknown = GEO_UNKNOWN_DEFER;
    assert_refused(world, "DEFER_IF_PERMIT 4.7.1 ", REASON_GEO_UNKNOWN, "unknown");
    world->settings.geo.unknown = GEO_UNKNOWN_REJECT;
    assert_refused(world, "REJECT 5.7.1 ", REASON_GEO_UNKNOWN, "unknown");
    assert_from(world, "DE", false);
    /* Where countries do not matter their lack does not either. */
    world_set_place(world, "", 64500);
    world->settings.geo.inbound.country_count = 0;
    world->settings.geo.inbound.block_asns = hosters;
    world->settings.geo.inbound.block_asn_count = 2;
    assert_passes(world);
    world_free(world);
}

TEST(geo_private_addresses_have_a_setting) {
    struct world *world = world_of_countries();
    world->settings.geo.unknown = GEO_UNKNOWN_REJECT;
    world_set_client(world, "10.1.2.3", "unknown");
    world_set_place(world, "", 0);
    assert_passes(world);
    world->settings.geo.for_private = GEO_UNKNOWN_DEFER;
    assert_refused(world, "DEFER_IF_PERMIT 4.7.1 ", REASON_GEO_PRIVATE, "private");
    world->settings.geo.for_private = GEO_UNKNOWN_REJECT;
    assert_refused(world, "REJECT 5.7.1 ", REASON_GEO_PRIVATE, "private");
    world->facts.status[FACT_GEO] = FACT_UNAVAILABLE; /* it needs no database */
    assert_refused(world, "REJECT 5.7.1 ", REASON_GEO_PRIVATE, "private");
    world_set_client(world, "fd00::1", "unknown");
    assert_refused(world, "REJECT 5.7.1 ", REASON_GEO_PRIVATE, "private");
    /* A database that knows it is right. */
    world_set_place(world, "RU", 0);
    assert_refused(world, "REJECT 5.7.1 ", REASON_GEO_COUNTRY, "RU");
    world_free(world);
}

TEST(geo_without_a_database_abstains) {
    struct world *world = world_of_countries();
    world->settings.geo.unknown = GEO_UNKNOWN_REJECT;
    world->facts.status[FACT_GEO] = FACT_UNAVAILABLE;
    assert_passes(world);
    world_set_place(world, GEO_NO_DATABASE, 64500); /* one of autonomous systems alone */
    assert_passes(world);
    world->settings.policies[POLICY_GEO].on_error = POLICY_ON_ERROR_DEFER;
    assert_refused(world, "DEFER_IF_PERMIT 4.", REASON_FACT_UNAVAILABLE, "");
    world->facts.status[FACT_GEO] = FACT_UNAVAILABLE;
    assert_refused(world, "DEFER_IF_PERMIT 4.", REASON_FACT_UNAVAILABLE, "");
    world_free(world);
}

TEST(geo_is_explained_in_words) {
    struct world *world = world_of_countries();
    char words[128];
    const char *what = NULL;
    bool found = false;
    static const struct {
        const char *country;
        uint32_t asn;
        const char *said[2];
    } rows[] = {
        {"CN", 64496, {"CN (China)", "AS64496"}},
        {"ZZ", 0, {"ZZ", NULL}},
        {"", 0, {"not in the database", NULL}},
        {GEO_NO_DATABASE, 7, {"there is no database of countries", "AS7"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_set_place(world, rows[i].country, rows[i].asn);
        for (size_t k = 0; k < 2; k++) {
            struct text out = TEXT_OVER(words);
            const bool said = decision_explain_fact(&world->settings, &world->facts, POLICY_GEO, k,
                                                    &what, &found, &out);
            assert_int_equal(said, rows[i].said[k] != NULL);
            assert_string_equal(text_zero(&out), said ? rows[i].said[k] : "");
            assert_true(!said || strcmp(what, k == 0 ? "country" : "network") == 0);
        }
    }
    struct text out = TEXT_OVER(words);
    world->facts.status[FACT_GEO] = FACT_UNASKED;
    assert_false(geo_explain(&world->facts, 0, &what, &found, &out));
    world_free(world);
}

/* --- what it tells the other policies -----------------------------------------------------------
 */

static struct world *world_of_rules(void) {
    struct world *world = world_of_countries();
    world_enable(world, POLICY_AUTO_BLACKLIST);
    world->settings.auto_blacklist.rules[BLACKLIST_GEO_BLOCKED] = (struct blacklist_rule_settings){
        .enabled = true, .threshold = 20, .window_s = 3600, .duration_s = 86400};
    world_set_place(world, "CN", 0);
    return world;
}

static void send_messages(struct world *world, unsigned from, unsigned count) {
    char instance[16];
    for (unsigned i = from; i < from + count; i++) {
        struct text text = TEXT_OVER(instance);
        text_add(&text, STR("i"));
        text_add_u64(&text, i);
        world->request.instance = text_str(&text);
        world_send(world);
        world_send(world); /* a second recipient counts no second time */
    }
    world->request.instance = (struct str){NULL, 0};
}

TEST(geo_blocked_twenty_times_an_hour_is_blacklisted_for_a_day) {
    struct world *world = world_of_rules();
    send_messages(world, 0, 19);
    assert_int_equal(world->decision.policy, POLICY_GEO);
    send_messages(world, 19, 1);
    assert_int_equal(world_send(world)->policy, POLICY_AUTO_BLACKLIST);
    world->now_s += 86399;
    assert_int_equal(world_send(world)->policy, POLICY_AUTO_BLACKLIST);
    world->now_s += 1;
    assert_int_equal(world_send(world)->policy, POLICY_GEO);
    world_free(world);
}

TEST(geo_counts_neither_in_shadow_nor_for_users_nor_the_unknown) {
    struct world *world = world_of_rules();
    world->settings.policies[POLICY_GEO].mode = POLICY_MODE_SHADOW;
    send_messages(world, 0, 25);
    assert_passes(world);
    world->settings.policies[POLICY_GEO].mode = POLICY_MODE_ENFORCE;
    set_user(world, "alice@example.net");
    send_messages(world, 100, 25);
    assert_int_equal(world->decision.policy, POLICY_GEO);
    set_user(world, "");
    world_set_place(world, "", 0);
    world->settings.geo.unknown = GEO_UNKNOWN_REJECT;
    send_messages(world, 200, 25);
    assert_int_equal(world->decision.policy, POLICY_GEO);
    world_set_place(world, "CN", 0);
    assert_from(world, "CN", true);
    world_free(world);
}

TEST(geo_refusals_cost_reputation) {
    struct world *world = world_of_countries();
    world_enable(world, POLICY_IP_REPUTATION);
    world->settings.ip_reputation = (struct ip_reputation_settings){.initial_score = 50,
                                                                    .max_score = 100,
                                                                    .accepted = 1,
                                                                    .rejected = 5,
                                                                    .deferred = 2,
                                                                    .decay_interval_s = 21600,
                                                                    .decay_days = 7,
                                                                    .known_ttl_s = 8640000};
    world->request.instance = STR("one");
    assert_from(world, "CN", true);
    const struct reputation_entry *entry =
        state_find(&world->state, STATE_REPUTATION,
                   reputation_key(&world->state.key, world->request.client_address));
    assert_non_null(entry);
    assert_int_equal(entry->score, 45);
    world_free(world);
}
