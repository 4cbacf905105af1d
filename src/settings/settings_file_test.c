/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <string.h>

#include "settings/settings_fixture.h"
#include "testing/test.h"

/* seczim.yaml: what a person writes, and every mistake answered. */

TEST(settings_are_read_from_a_file_that_a_person_would_write) {
    static const char yaml[] = "# our gateway\n"
                               "trusted_networks: [127.0.0.0/8, \"::1\", 10.1.0.0/16]\n"
                               "local_domains:\n"
                               "  - Example.COM\n"
                               "  - another.example\n"
                               "greylisting:\n"
                               "  defer_time: 2m\n"
                               "  retry_window: 86400\n"
                               "  text: \"Greylisted: back in {retry_in} s # please\"\n"
                               "policies:\n"
                               "  greylisting: {enabled: yes, priority: 310, mode: shadow}\n"
                               "  acl_block:\n"
                               "    enabled: off\n"
                               "policy_server:\n"
                               "  listen: [\"[::1]:10035\", unix:/run/seczim/policy.sock]\n"
                               "  request_deadline: 500ms\n"
                               "  unix_socket_mode: 0660\n"
                               "journal: {durability: strict, ring_bytes: 1.5MiB}\n"
                               "history:\n"
                               "log:\n"
                               "  path: \"\"\n";
    struct setting_problem problem;
    struct settings *settings = build(yaml, &problem);
    assert_non_null(settings);
    assert_int_equal(settings->policy.trusted_network_count, 3);
    assert_int_equal(settings->policy.trusted_networks[2].bits, 96 + 16);
    assert_int_equal(settings->policy.local_domain_count, 2);
    assert_text(settings->policy.local_domains[0], "another.example"); /* ascending */
    assert_text(settings->policy.local_domains[1], "example.com");
    assert_int_equal(settings->policy.greylisting.defer_time_s, 120);
    assert_int_equal(settings->policy.greylisting.retry_window_s, 86400);
    assert_text(settings->policy.greylisting.text, "Greylisted: back in {retry_in} s # please");
    assert_int_equal(settings->policy.policies[POLICY_GREYLISTING].priority, 310);
    assert_int_equal(settings->policy.policies[POLICY_GREYLISTING].mode, POLICY_MODE_SHADOW);
    assert_false(settings->policy.policies[POLICY_ACL_BLOCK].enabled);
    assert_true(settings->policy.policies[POLICY_ACL_ALLOW].enabled);
    assert_int_equal(settings->policy_server.listen_count, 2);
    assert_text(settings->policy_server.listen[1], "unix:/run/seczim/policy.sock");
    assert_int_equal(settings->policy_server.request_deadline_ns, 500000000);
    assert_int_equal(settings->policy_server.unix_socket_mode, 0660);
    assert_int_equal(settings->journal.durability, 1);
    assert_int_equal(settings->journal.ring_bytes, 3 << 19);
    assert_int_equal(settings->log.path.length, 0);
    settings_free(settings);
}

TEST(settings_mistakes_are_answered_with_place_and_advice) {
    static const struct {
        const char *yaml;
        const char *said; /* with setting_problem_format() */
    } rows[] = {
        /* clang-format off */
        {"greylisting:\n  defer_time: 5 minutse\n",
         "seczim.yaml:2:15: greylisting.defer_time must be 1 s to 1 day, not \"5 minutse\": write a number and s, m, h, d or w, such as 5m"},
        {"greylisting:\n  defer_time: 2d\n",
         "seczim.yaml:2:15: greylisting.defer_time must be 1 s to 1 day, not \"2d\""},
        {"greylisting:\n  defer_time: 0\n",
         "seczim.yaml:2:15: greylisting.defer_time must be 1 s to 1 day, not \"0\""},
        {"greylisting:\n  defer_time: 1500ms\n",
         "seczim.yaml:2:15: greylisting.defer_time must be 1 s to 1 day, not \"1500ms\": only whole seconds count here"},
        {"greylisting:\n  defer_time: 99999999999999999999\n",
         "seczim.yaml:2:15: greylisting.defer_time must be 1 s to 1 day, not \"99999999999999999999\""},
        {"greylisting:\n  defer_tiem: 5m\n",
         "seczim.yaml:2:3: \"greylisting.defer_tiem\" is not a setting; did you mean greylisting.defer_time?"},
        {"defer_time: 5m\n",
         "seczim.yaml:1:1: \"defer_time\" is not a setting; did you mean greylisting.defer_time?"},
        {"colour: red\n",
         "seczim.yaml:1:1: \"colour\" is not a setting; `seczim setting list` shows all"},
        {"greylist:\n  defer_time: 5m\n",
         "seczim.yaml:1:1: \"greylist\" is not a section; there are policies, access_list, greylisting, sender_restrictions, sender_identity, quotas, ip_reputation, auto_blacklist, rbl, geo, dns, spf, policy_server, state, journal, history, replay, paths, api, log"},
        {"greylisting:\n  defer_time: 5m\n  learning: no\n  defer_time: 6m\n",
         "seczim.yaml:4:15: \"greylisting.defer_time\" is set twice, first on line 2; take one out"},
        {"log:\n  level: info\nhistory:\nlog:\n  format: json\n",
         "seczim.yaml:4:1: \"log\" stands there twice, first on line 1; join the two"},
        {"log:\n  level: loud\n",
         "seczim.yaml:2:10: log.level must be debug, info, warn or error, not \"loud\""},
        {"policies:\n  greylisting: {mode: shadows}\n",
         "seczim.yaml:2:23: policies.greylisting.mode must be enforce or shadow, not \"shadows\""},
        {"geo: {inbound: {countries: [DE, UK]}}\n",
         "seczim.yaml:1:28: geo.inbound.countries: \"UK\" is not a country code of ISO 3166-1. Did you mean GB (United Kingdom)?"},
        {"geo: {outbound: {countries: [ZZ]}}\n",
         "seczim.yaml:1:29: geo.outbound.countries: \"ZZ\" is not a country code of ISO 3166-1; write two letters such as DE or US"},
        {"geo: {inbound: {countries: [de, DE]}}\n",
         "seczim.yaml:1:28: geo.inbound.countries: \"DE\" stands there twice; take one out"},
        {"geo: {inbound: {block_asns: [AS0]}}\n",
         "seczim.yaml:1:29: geo.inbound.block_asns: \"AS0\" is not the number of an autonomous system; write AS and 1 to 4294967295, such as AS64496"},
        {"geo: {exempt_senders: [192.0.2.1]}\n",
         "seczim.yaml:1:23: geo.exempt_senders: \"192.0.2.1\" is an address; those stand in geo.exempt_networks"},
        {"geo: {exempt_senders: [\"*@example.com\"]}\n",
         "seczim.yaml:1:23: geo.exempt_senders: \"*@example.com\" is a pattern; write an address or a domain, such as a@example.com or example.com"},
        {"geo: {update: {account: 12x}}\n",
         "seczim.yaml:1:25: geo.update.account: \"12x\" is not the number of a MaxMind account; it has digits alone"},
        {"geo: {update: {account: 12}}\n",
         "seczim.yaml:1:25: geo.update.account: wants geo.update.key_file: the file with the account's key"},
        {"geo: {update: {url: ftp://example.com}}\n",
         "seczim.yaml:1:21: geo.update.url: \"ftp://example.com\" is not a web address; begin it with https://"},
        {"geo: {database: country.mmdb}\n",
         "seczim.yaml:1:17: geo.database: \"country.mmdb\" is not a whole path; begin it with a slash"},
        {"policies:\n  acl_allow: {on_error: defer}\n",
         "seczim.yaml:2:15: \"policies.acl_allow.on_error\" is not a setting; `seczim setting list` shows all"},
        {"journal:\n  ring_bytes: 64MB\n",
         "seczim.yaml:2:15: journal.ring_bytes must be 1 MiB to 1 GiB, not \"64MB\": write bytes, or a number and KiB, MiB or GiB, such as 32KiB"},
        {"policy_server:\n  workers: 010\n",
         "seczim.yaml:2:12: policy_server.workers must be 1 to 64, not \"010\": write it without the leading zero"},
        {"policy_server:\n  unix_socket_mode: 888\n",
         "seczim.yaml:2:21: policy_server.unix_socket_mode must be octal permission bits, 0000 to 0777, not \"888\""},
        {"greylisting:\n  learning: perhaps\n",
         "seczim.yaml:2:13: greylisting.learning must be true or false, not \"perhaps\""},
        {"greylisting:\n  text: \"\"\n",
         "seczim.yaml:2:9: greylisting.text must be text of 1 to 240 bytes, not \"\""},
        {"greylisting:\n  text: \"one\\ntwo\"\n",
         "seczim.yaml:2:9: greylisting.text must be text of 1 to 240 bytes, not \"one\\x0atwo\": newlines and other control characters are not allowed"},
        {"greylisting:\n  text:\n",
         "seczim.yaml:2:8: \"greylisting.text\" has no value; write one, \"\" or [] for an empty one, or take the line out for the default"},
        {"greylisting: 5m\n",
         "seczim.yaml:1:14: \"greylisting\" is a section; write its settings below it, indented"},
        {"greylisting:\n  defer_time: [5m]\n",
         "seczim.yaml:2:15: \"greylisting.defer_time\" has one value, not a list; write it without brackets and dashes"},
        {"greylisting:\n  defer_time: {a: b}\n",
         "seczim.yaml:2:15: \"greylisting.defer_time\" has one value, not a map; write it behind the colon"},
        {"local_domains: {a: b}\n",
         "seczim.yaml:1:16: \"local_domains\" is a list of plain values, not a map"},
        {"local_domains: [[a]]\n",
         "seczim.yaml:1:17: \"local_domains\" is a list of plain values; an item cannot be a list or map"},
        {"trusted_networks:\n  - 10.0.0.0/8\n  - 192.0.2.1/24\n",
         "seczim.yaml:3:5: trusted_networks: \"192.0.2.1/24\" has bits set after the prefix length; write 192.0.2.0/24"},
        {"trusted_networks:\n  - 2001:db8::1/32\n",
         "seczim.yaml:2:5: trusted_networks: \"2001:db8::1/32\" has bits set after the prefix length; write 2001:db8::/32"},
        {"trusted_networks: 10.0.0.0/8, 192.0.2.1\n",
         "seczim.yaml:1:19: trusted_networks: \"10.0.0.0/8, 192.0.2.1\" is not an address or network; write one such as 192.0.2.0/24 or 2001:db8::/32, and several as a list"},
        {"trusted_networks: [0.0.0.0/0]\n",
         "seczim.yaml:1:19: trusted_networks: \"0.0.0.0/0\" would trust the whole Internet; name your own servers' networks"},
        {"trusted_networks: [\"::/0\"]\n",
         "seczim.yaml:1:19: trusted_networks: \"::/0\" would trust the whole Internet; name your own servers' networks"},
        {"trusted_networks: [10.0.0.0/8, \"::1\", 10.0.0.0/8]\n",
         "seczim.yaml:1:19: trusted_networks: \"10.0.0.0/8\" stands there twice; take one out"},
        {"local_domains: [a.example, A.EXAMPLE]\n",
         "seczim.yaml:1:16: local_domains: \"a.example\" stands there twice; take one out"},
        {"local_domains: [user@a.example]\n",
         "seczim.yaml:1:16: local_domains: \"user@a.example\" is not a domain; write one such as example.com"},
        {"greylisting:\n  text: wait {retry} seconds\n",
         "seczim.yaml:2:9: greylisting.text: \"{retry}\" is no placeholder; allowed are {retry_in} {client_address} {sender} {recipient} {policy} {reason} {rule}; write {{ or }} for a brace"},
        {"greylisting:\n  retry_window: 300s\n",
         "seczim.yaml:2:17: greylisting.defer_time must be shorter than greylisting.retry_window, or no retry can pass"},
        {"ip_reputation:\n  min_score: 51\n",
         "seczim.yaml:2:14: ip_reputation.min_score must not be above ip_reputation.initial_score"},
        {"ip_reputation:\n  max_score: 49\n",
         "seczim.yaml:2:14: ip_reputation.max_score must not be below ip_reputation.initial_score"},
        {"ip_reputation:\n  block_threshold: 50\n",
         "seczim.yaml:2:20: ip_reputation.block_threshold must be below ip_reputation.initial_score, or every address never seen before is refused"},
        {"policy_server:\n  request_deadline: 8001ms\n",
         "seczim.yaml:2:21: policy_server.request_deadline must be at least 2 s below policy_server.hook_timeout, or Postfix gives up before the answer"},
        {"policy_server:\n  value_bytes_max: 32KiB\n",
         "seczim.yaml:2:20: policy_server.value_bytes_max must be less than policy_server.request_bytes_max, which holds the value"},
        {"policy_server:\n  listen: []\n",
         "seczim.yaml:2:11: policy_server.listen must name at least one address, or Postfix cannot reach us"},
        {"policy_server:\n  listen: [localhost:10035]\n",
         "seczim.yaml:2:11: policy_server.listen: \"localhost:10035\" is not an address to listen on; write 127.0.0.1:10035, [::1]:10035 or unix:/path"},
        {"policy_server:\n  listen: ::1:10035\n",
         "seczim.yaml:2:11: policy_server.listen: \"::1:10035\" is not an address to listen on; write 127.0.0.1:10035, [::1]:10035 or unix:/path"},
        {"policy_server:\n  listen: 127.0.0.1:65536\n",
         "seczim.yaml:2:11: policy_server.listen: \"127.0.0.1:65536\" is not an address to listen on; write 127.0.0.1:10035, [::1]:10035 or unix:/path"},
        {"policy_server:\n  listen: unix:policy.sock\n",
         "seczim.yaml:2:11: policy_server.listen: \"unix:policy.sock\" must name the socket by its whole path, such as unix:/run/seczim/policy.sock"},
        {"policy_server:\n  listen: [unix:/a, unix:/a]\n",
         "seczim.yaml:2:11: policy_server.listen: \"unix:/a\" stands there twice; take one out"},
        {"dns:\n  servers: [dns.example]\n",
         "seczim.yaml:2:12: dns.servers: \"dns.example\" is not an address of a DNS server; write 192.0.2.53, 2001:db8::53, or with a port 192.0.2.53:5353 or [2001:db8::53]:5353"},
        {"dns:\n  servers: [\"::1\", 192.0.2.53, \"[::1]:53\"]\n",
         "seczim.yaml:2:12: dns.servers: \"[::1]:53\" stands there twice; take one out"},
        {"dns:\n  tries: 0\n",
         "seczim.yaml:2:10: dns.tries must be 1 to 5, not \"0\""},
        {"paths:\n  data: var/lib\n",
         "seczim.yaml:2:9: paths.data: \"var/lib\" is not a whole path; begin it with a slash"},
        {"time_zone: ../../../etc/passwd\n",
         "seczim.yaml:1:12: time_zone: \"../../../etc/passwd\" is not a known time zone; write a name such as Europe/Berlin (`timedatectl list-timezones` shows all)"},
        {"- a\n", "seczim.yaml:1:1: settings must stand here, such as \"greylisting:\", not a value or list"},
        {"log:\n  level: &a info\n",
         "seczim.yaml:2:10: anchors (&) and aliases (*) are not allowed here; write the value itself, in quotes if it begins with such a sign"},
        {"log:\n  level: *a\n",
         "seczim.yaml:2:10: anchors (&) and aliases (*) are not allowed here; write the value itself, in quotes if it begins with such a sign"},
        {"log: !!map {}\n", "seczim.yaml:1:6: tags (!) are not allowed here; write the value alone"},
        {"log:\n\tlevel: info\n", "seczim.yaml:2:1: this line is indented with a tab; use spaces"},
        {"log:\n---\nlog:\n", "seczim.yaml:2:1: a second document begins here (---); the file holds one alone"},
        {"? [a]\n: b\n", "seczim.yaml:1:3: a name of a setting must stand here, not a list or map"},
        {"log:\n  level: \"info\n", "seczim.yaml:3:1: this is not YAML: found unexpected end of stream (while scanning a quoted scalar); quote a value that holds : # { [ or begins with a sign"},
        {"log:\n  level: \xff\n", "seczim.yaml:2: the file is not text in UTF-8; save it as UTF-8 without control characters"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].yaml);
        struct setting_problem problem;
        struct settings *settings = build(rows[i].yaml, &problem);
        if (settings != NULL) {
            print_message("# accepted: %s\n", rows[i].yaml);
        }
        assert_null(settings);
        char said[1024];
        struct text out = TEXT_OVER(said);
        setting_problem_format(&problem, STR("seczim.yaml"), &out);
        assert_string_equal(text_zero(&out), rows[i].said);
    }
}

TEST(settings_file_that_is_wrong_leaves_the_builder_as_it_was) {
    struct setting_problem problem;
    struct settings_builder *builder = settings_builder_new();
    assert_true(
        settings_builder_read_yaml(builder, STR("greylisting: {defer_time: 60}"), &problem));
    assert_false(settings_builder_read_yaml(
        builder, STR("greylisting: {defer_time: 90, learning: yes, text: []}"), &problem));
    struct settings *settings = settings_builder_finish(builder, 2, &problem);
    assert_non_null(settings);
    assert_int_equal(settings->policy.greylisting.defer_time_s, 60);
    assert_false(settings->policy.greylisting.learning);
    settings_free(settings);
    settings_builder_free(builder);
}

TEST(settings_file_above_the_limit_is_refused) {
    static char yaml[SETTINGS_FILE_MAX + 1];
    memset(yaml, '\n', sizeof yaml);
    struct setting_problem problem;
    struct settings_builder *builder = settings_builder_new();
    assert_true(
        settings_builder_read_yaml(builder, (struct str){yaml, SETTINGS_FILE_MAX}, &problem));
    assert_false(settings_builder_read_yaml(builder, (struct str){yaml, sizeof yaml}, &problem));
    assert_non_null(strstr(problem.text, "larger than 1 MiB"));
    settings_builder_free(builder);
}
