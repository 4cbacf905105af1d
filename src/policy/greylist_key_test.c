/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist.h"

#include <string.h>

#include "policy/greylist_fixture.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* What counts as the same mail again: network, sender and recipient, or the domain of SPF. */

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

TEST(while_spf_cannot_be_had_the_network_counts) {
    struct world *world = world_new(100);
    world_enable(world, POLICY_SPF);
    assert_int_equal(world_ask(world)->facts_wanted, UINT32_C(1) << FACT_SPF);
    set_spf(world, FACT_UNAVAILABLE, 0, "");
    assert_int_equal(send_after(world, 0), REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(send_after(world, 300), REASON_GREYLIST_RETRIED);
    world_free(world);
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
