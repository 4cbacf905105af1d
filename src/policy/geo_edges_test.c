/* SPDX-License-Identifier: Apache-2.0 */
/* The policy geo with one rule alone, with long lists, and in words where little is known. */
#include "policy/geo.h"

#include "policy/world_fixture.h"
#include "testing/test.h"

static struct world *world_of_geo(void) {
    struct world *world = world_new(1000);
    world_enable(world, POLICY_GEO);
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    world_set_client(world, "198.41.0.4", "unknown");
    return world;
}

static bool refused(struct world *world, enum reason reason) {
    const struct decision *decision = world_ask(world);
    return decision->policy == POLICY_GEO && decision->verdict == VERDICT_REJECT &&
           decision->reason == reason;
}

TEST(one_autonomous_system_is_a_rule) {
    static const struct str one[] = {{"AS1", 3}};
    static const struct str none[] = {{"AS0", 3}};
    struct world *world = world_of_geo();
    world->settings.geo.inbound =
        (struct geo_rule_settings){.block_asns = one, .block_asn_count = 1};
    assert_true(geo_wants_fact(&world->settings, DIRECTION_INBOUND));
    assert_false(geo_wants_fact(&world->settings, DIRECTION_OUTBOUND));
    world_set_place(world, "DE", 1);
    assert_true(refused(world, REASON_GEO_ASN));
    world_set_place(world, "DE", 0);
    assert_false(refused(world, REASON_GEO_ASN));
    world->settings.geo.inbound.block_asns = none; /* 0 says that none is known */
    assert_false(refused(world, REASON_GEO_ASN));
    world_free(world);
}

TEST(each_of_a_long_list_is_found_and_no_other) {
    static const struct str countries[] = {{"BB", 2}, {"DD", 2}, {"FF", 2}, {"HH", 2}, {"JJ", 2},
                                           {"LL", 2}, {"NN", 2}, {"PP", 2}, {"RR", 2}};
    enum { COUNTRIES = sizeof countries / sizeof countries[0] };
    for (size_t count = 1; count <= COUNTRIES; count++) {
        struct world *world = world_of_geo();
        world->settings.geo.inbound =
            (struct geo_rule_settings){.countries = countries, .country_count = count};
        for (char letter = 'A'; letter <= 'S'; letter++) {
            const char country[] = {letter, letter, '\0'};
            world_set_place(world, country, 0);
            const size_t number = (size_t)(letter - 'A');
            assert_int_equal(refused(world, REASON_GEO_COUNTRY),
                             number % 2 == 1 && number / 2 < count);
        }
        world_free(world);
    }
}

TEST(one_exempt_sender_is_exempt) {
    static const struct str country[] = {{"CN", 2}};
    static const struct str sender[] = {{"example.org", 11}};
    struct world *world = world_of_geo();
    world->settings.geo.inbound =
        (struct geo_rule_settings){.countries = country, .country_count = 1};
    world_set_place(world, "CN", 0);
    assert_true(refused(world, REASON_GEO_COUNTRY));
    world->settings.geo.exempt_senders = sender;
    world->settings.geo.exempt_sender_count = 1;
    assert_false(refused(world, REASON_GEO_COUNTRY));
    world_free(world);
}

TEST(without_a_fact_a_private_address_matters_where_countries_do) {
    static const struct str country[] = {{"CN", 2}};
    static const struct str system[] = {{"AS64500", 7}};
    struct world *world = world_of_geo();
    world->settings.geo.for_private = GEO_UNKNOWN_REJECT;
    world->settings.geo.inbound =
        (struct geo_rule_settings){.countries = country, .country_count = 1};
    world_set_client(world, "10.1.2.3", "unknown");
    world->facts.status[FACT_GEO] = FACT_UNAVAILABLE;
    assert_true(refused(world, REASON_GEO_PRIVATE));
    world->settings.geo.inbound =
        (struct geo_rule_settings){.block_asns = system, .block_asn_count = 1};
    assert_false(refused(world, REASON_GEO_PRIVATE));
    world->settings.policies[POLICY_GEO].on_error = POLICY_ON_ERROR_REJECT;
    assert_true(refused(world, REASON_FACT_UNAVAILABLE));
    world_free(world);
}

static struct {
    const char *what;
    bool found;
    char words[64];
} told;

static bool tell(const struct facts *facts, size_t i) {
    struct text out = TEXT_OVER(told.words);
    told.what = "";
    told.found = true;
    const bool more = geo_explain(facts, i, &told.what, &told.found, &out);
    (void)text_zero(&out);
    return more;
}

TEST(what_is_told_ends_after_country_and_network) {
    struct facts facts = {.geo_country = {'A', 'T'}, .geo_asn = 7};
    facts.status[FACT_GEO] = FACT_KNOWN;
    assert_true(tell(&facts, 0));
    assert_true(told.found);
    assert_string_equal(told.words, "AT (Austria)");
    assert_true(tell(&facts, 1));
    assert_false(tell(&facts, 2));
    facts.status[FACT_GEO] = FACT_UNAVAILABLE;
    assert_true(tell(&facts, 0));
    assert_string_equal(told.what, "country");
    assert_false(told.found);
    assert_string_equal(told.words, "there is no database");
    assert_false(tell(&facts, 1));
}
