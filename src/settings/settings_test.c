/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <stdio.h>
#include <string.h>

#include "testing/test.h"

/* The generation that `yaml` makes alone, or NULL with the problem. */
static struct settings *build(const char *yaml, struct setting_problem *problem) {
    struct settings_builder *builder = settings_builder_new();
    struct settings *settings = NULL;
    if (settings_builder_read_yaml(builder, str_from(yaml), problem)) {
        settings = settings_builder_finish(builder, 1, problem);
    }
    settings_builder_free(builder);
    return settings;
}

static void assert_text(struct str got, const char *expected) {
    char shown[1024];
    struct text out = TEXT_OVER(shown);
    text_add(&out, got);
    assert_string_equal(text_zero(&out), expected);
}

static void assert_formatted(const struct settings *settings, const char *key,
                             const char *expected) {
    char shown[1024];
    struct text out = TEXT_OVER(shown);
    const struct setting_info *info = setting_find(str_from(key));
    assert_non_null(info);
    setting_format(settings, info, &out);
    assert_string_equal(text_zero(&out), expected);
}

TEST(settings_defaults_are_those_of_the_specification) {
    struct setting_problem problem;
    struct settings *settings = build("", &problem);
    assert_non_null(settings);
    const struct policy_settings *policy = &settings->policy;
    assert_int_equal(policy->generation, 1);
    assert_int_equal(policy->greylisting.defer_time_s, 300);
    assert_int_equal(policy->greylisting.retry_window_s, 48 * 3600);
    assert_int_equal(policy->greylisting.known_ttl_s, 35 * 86400);
    assert_int_equal(policy->greylisting.client_passes, 5);
    assert_false(policy->greylisting.learning);
    assert_int_equal(policy->policies[POLICY_ACL_ALLOW].priority, 1000);
    assert_int_equal(policy->policies[POLICY_ACL_BLOCK].priority, 950);
    assert_int_equal(policy->policies[POLICY_GREYLISTING].priority, 300);
    assert_true(policy->policies[POLICY_GREYLISTING].enabled);
    assert_int_equal(policy->policies[POLICY_GREYLISTING].mode, POLICY_MODE_ENFORCE);
    assert_int_equal(policy->policies[POLICY_GREYLISTING].on_error, POLICY_ON_ERROR_ACCEPT);
    assert_int_equal(policy->trusted_network_count, 2);
    assert_int_equal(policy->trusted_networks[0].bits, 96 + 8);
    assert_int_equal(policy->trusted_networks[1].bits, 128);
    assert_int_equal(policy->local_domain_count, 0);
    assert_int_equal(settings->policy_server.listen_count, 1);
    assert_text(settings->policy_server.listen[0], "127.0.0.1:10035");
    assert_int_equal(settings->policy_server.request_deadline_ns, INT64_C(5000000000));
    assert_int_equal(settings->policy_server.idle_close_ns, INT64_C(1020000000000));
    assert_int_equal(settings->policy_server.request_bytes_max, 32768);
    assert_int_equal(settings->policy_server.unix_socket_mode, 0666);
    assert_int_equal(settings->journal.ring_bytes, 64 << 20);
    assert_int_equal(settings->journal.max_backlog, INT64_C(2) << 30);
    assert_int_equal(settings->journal.durability, 0);
    assert_int_equal(settings->log.level, LOG_INFO);
    assert_int_equal(settings->log.format, LOG_TEXT);
    assert_text(settings->log.path, "/var/log/seczim-daemon.log");
    assert_text(settings->paths.data, "/var/lib/seczim");
    settings_free(settings);
}

TEST(settings_every_byte_of_the_structure_has_a_row) {
    /* generation, and what the compiler leaves between fields: behind `enabled` of each policy,
     * rule of auto_blacklist and block list, and elsewhere */
    enum { PADDING_MAX = 7 * (POLICY_LIMIT - 1 + BLACKLIST_TRIGGERS - 1) + 7 * DNSBL_KNOWN + 55 };
    unsigned char covered[sizeof(struct settings)] = {0};
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting_info *info = &settings_table[i];
        for (size_t j = 0; j < info->size; j++) {
            test_case(info->key);
            assert_int_equal(covered[info->offset + j]++, 0); /* no field twice */
        }
        if (info->count_offset != 0) {
            memset(covered + info->count_offset, 1, sizeof(size_t));
        }
    }
    /* policies[] and the rules of auto_blacklist have a slot 0 that is none, policies that need no
     * facts have no on_error, and the zone is made of time_zone. */
    memset(covered + offsetof(struct settings, policy.policies), 1,
           sizeof(struct policy_common_settings));
    for (size_t i = 1; i < POLICY_LIMIT; i++) {
        memset(covered + offsetof(struct settings, policy.policies[i].on_error), 1,
               sizeof(enum policy_on_error));
    }
    memset(covered + offsetof(struct settings, policy.auto_blacklist.rules), 1,
           sizeof(struct blacklist_rule_settings));
    memset(covered + offsetof(struct settings, policy.zone), 1, sizeof(struct zone));
    /* Made of settings of block lists. */
    memset(covered + offsetof(struct settings, policy.rbl.lists), 1,
           sizeof(((struct rbl_settings *)0)->lists) + sizeof(size_t));
    /* A pass is accepted. */
    memset(covered + offsetof(struct settings, policy.spf.on[SPF_PASS]), 1,
           sizeof(enum spf_action));
    size_t bare = 0;
    for (size_t i = 0; i < sizeof covered; i++) {
        bare += covered[i] == 0;
    }
    assert_in_range(bare, 1, PADDING_MAX);
}

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

TEST(settings_file_wins_over_the_database_in_either_order) {
    struct setting_problem problem;
    const struct setting_info *defer = setting_find(STR("greylisting.defer_time"));
    const struct setting_info *window = setting_find(STR("greylisting.retry_window"));
    const struct setting_info *text = setting_find(STR("greylisting.text"));
    struct settings_builder *builder = settings_builder_new();
    assert_true(settings_builder_set(builder, STR("greylisting.defer_time"), STR("10s"),
                                     SETTING_FROM_DATABASE, 0, &problem));
    assert_true(settings_builder_read_yaml(
        builder, STR("greylisting:\n  defer_time: 60\n  retry_window: 1h"), &problem));
    assert_true(settings_builder_set(builder, STR("greylisting.retry_window"), STR("2h"),
                                     SETTING_FROM_DATABASE, 0, &problem));
    assert_int_equal(settings_builder_origin(builder, defer), SETTING_FROM_FILE);
    assert_int_equal(settings_builder_line(builder, defer), 2);
    assert_int_equal(settings_builder_origin(builder, window), SETTING_FROM_FILE);
    assert_int_equal(settings_builder_origin(builder, text), SETTING_FROM_DEFAULT);
    struct settings *settings = settings_builder_finish(builder, 1, &problem);
    assert_non_null(settings);
    assert_int_equal(settings->policy.greylisting.defer_time_s, 60);
    assert_int_equal(settings->policy.greylisting.retry_window_s, 3600);
    settings_free(settings);
    settings_builder_free(builder);
}

TEST(settings_value_set_later_replaces_the_earlier_of_the_same_origin) {
    struct setting_problem problem;
    struct settings_builder *builder = settings_builder_new();
    assert_true(settings_builder_set(builder, STR("greylisting.defer_time"), STR("10s"),
                                     SETTING_FROM_DATABASE, 0, &problem));
    assert_true(settings_builder_set(builder, STR("greylisting.defer_time"), STR("20s"),
                                     SETTING_FROM_DATABASE, 0, &problem));
    struct settings *settings = settings_builder_finish(builder, 1, &problem);
    assert_int_equal(settings->policy.greylisting.defer_time_s, 20);
    settings_free(settings);
    settings_builder_free(builder);
}

/* --- bounds of every row -------------------------------------------------------------------- */

static bool takes(const struct setting_info *info, struct str value) {
    struct setting_problem problem;
    struct settings_builder *builder = settings_builder_new();
    const bool taken =
        settings_builder_set(builder, str_from(info->key), value, SETTING_FROM_FILE, 1, &problem);
    settings_builder_free(builder);
    return taken;
}

/* The setting's own text for a number, which may lie out of bounds. */
static bool takes_number(const struct setting_info *info, int64_t number) {
    struct settings settings;
    char shown[64];
    struct text out = TEXT_OVER(shown);
    memset(&settings, 0, sizeof settings);
    memcpy((char *)&settings + info->offset, &number, sizeof number);
    if (info->type == SETTING_MODE) {
        const int length = snprintf(shown, sizeof shown, "%04llo", (unsigned long long)number);
        return takes(info, (struct str){shown, (size_t)length});
    }
    setting_format(&settings, info, &out);
    return takes(info, text_str(&out));
}

static bool takes_items(const struct setting_info *info, int64_t count) {
    static char items[LOCAL_DOMAINS_MAX * 16];
    struct text out = TEXT_OVER(items);
    for (int64_t i = 0; i < count; i++) {
        text_add(&out, i > 0 ? STR("\n10.") : STR("10."));
        text_add_u64(&out, (uint64_t)i / 256);
        text_add_byte(&out, '.');
        text_add_u64(&out, (uint64_t)i % 256);
        text_add(&out, info->type == SETTING_SECRET_LIST ? STR(".example key") : STR(".1"));
    }
    assert_false(out.truncated);
    return takes(info, text_str(&out));
}

static bool takes_length(const struct setting_info *info, int64_t length) {
    static char letters[4096];
    memset(letters, 'x', sizeof letters);
    return takes(info, (struct str){letters, (size_t)length});
}

TEST(settings_bounds_are_allowed_and_what_lies_beyond_is_not) {
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting_info *info = &settings_table[i];
        const bool has_length = info->type == SETTING_TEXT || info->type == SETTING_SECRET;
        bool (*takes_amount)(const struct setting_info *, int64_t) = has_length ? takes_length
                                                                     : info->count_offset != 0
                                                                         ? takes_items
                                                                         : takes_number;
        if (info->type == SETTING_BOOL || info->type == SETTING_ENUM) {
            continue;
        }
        test_case(info->key);
        assert_true(takes_amount(info, info->min));
        assert_true(takes_amount(info, info->max));
        assert_false(takes_amount(info, info->max + 1));
        assert_true(info->min == 0 || !takes_amount(info, info->min - 1));
    }
}

TEST(settings_of_countries_are_canonical_and_ascending) {
    struct setting_problem problem;
    struct settings *settings = build(
        "geo:\n  inbound: {mode: allow, countries: [se, No, DE, xk], block_asns: [AS64500, 64496, "
        "as7]}\n  exempt_senders: [B@Example.com, a.Example, \"\\u00fc@b\\u00fccher.example\"]\n  "
        "private: reject\n",
        &problem);
    assert_non_null(settings);
    const struct geo_settings *geo = &settings->policy.geo;
    assert_int_equal(geo->inbound.mode, GEO_MODE_ALLOW);
    assert_int_equal(geo->inbound.country_count, 4);
    assert_text(geo->inbound.countries[0], "DE");
    assert_text(geo->inbound.countries[1], "NO"); /* which is no bool here */
    assert_text(geo->inbound.countries[2], "SE");
    assert_text(geo->inbound.countries[3], "XK");
    assert_text(geo->inbound.block_asns[0], "AS64496");
    assert_text(geo->inbound.block_asns[2], "AS7");
    assert_text(geo->exempt_senders[0], "a.example");
    assert_text(geo->exempt_senders[1], "b@example.com");
    assert_text(geo->exempt_senders[2], "\xc3\xbc@xn--bcher-kva.example");
    assert_int_equal(geo->for_private, GEO_UNKNOWN_REJECT);
    assert_int_equal(geo->unknown, GEO_UNKNOWN_ACCEPT);
    assert_int_equal(geo->outbound.country_count, 0);
    settings_free(settings);
}

TEST(settings_of_scores_may_meet) {
    struct setting_problem problem;
    struct settings *settings = build(
        "ip_reputation:\n  min_score: 50\n  max_score: 50\n  block_threshold: 49\n", &problem);
    assert_non_null(settings);
    settings_free(settings);
    settings = build("ip_reputation:\n  initial_score: 0\n  block_threshold: 0\n", &problem);
    assert_non_null(settings);
    settings_free(settings);
}

TEST(settings_list_of_a_file_may_be_as_long_as_the_bound) {
    struct setting_problem problem;
    char yaml[1024];
    for (int count = LISTENERS_MAX; count <= LISTENERS_MAX + 1; count++) {
        struct text out = TEXT_OVER(yaml);
        text_add(&out, STR("policy_server:\n  listen:\n"));
        for (int i = 0; i < count; i++) {
            text_add(&out, STR("    - 127.0.0.1:"));
            text_add_u64(&out, (uint64_t)(20000 + i));
            text_add_byte(&out, '\n');
        }
        struct settings *settings = build(text_zero(&out), &problem);
        assert_int_equal(settings != NULL, count == LISTENERS_MAX);
        settings_free(settings);
    }
    assert_string_equal(problem.text, "\"policy_server.listen\" has too many items; it takes 16");
    assert_int_equal(problem.line, 3 + LISTENERS_MAX);
}

TEST(settings_socket_path_may_be_as_long_as_a_socket_address_holds) {
    struct setting_problem problem;
    for (size_t length = UNIX_PATH_MAX; length <= UNIX_PATH_MAX + 1; length++) {
        char yaml[256];
        struct text out = TEXT_OVER(yaml);
        text_add(&out, STR("policy_server: {listen: \"unix:/"));
        for (size_t i = 1; i < length; i++) {
            text_add_byte(&out, 'x');
        }
        text_add(&out, STR("\"}\n"));
        struct settings *settings = build(text_zero(&out), &problem);
        assert_int_equal(settings != NULL, length == UNIX_PATH_MAX);
        settings_free(settings);
    }
    assert_non_null(strstr(problem.text, "is longer than a socket's path may be (107 bytes)"));
}

TEST(settings_bootstrap_values_are_refused_from_the_database) {
    struct setting_problem problem;
    struct settings_builder *builder = settings_builder_new();
    assert_false(settings_builder_set(builder, STR("paths.data"), STR("/srv/seczim"),
                                      SETTING_FROM_DATABASE, 0, &problem));
    assert_string_equal(problem.text, "paths.data can be set in seczim.yaml alone: it is needed "
                                      "before the database is open");
    assert_int_equal(problem.line, 0);
    assert_false(settings_builder_set(builder, STR("nonsense"), STR("1"), SETTING_FROM_DATABASE, 0,
                                      &problem));
    settings_builder_free(builder);
}

TEST(settings_generation_outlives_its_builder_and_the_text_it_came_from) {
    struct setting_problem problem;
    char yaml[] = "local_domains: [one.example, two.example]\nlog: {path: /tmp/log}\n";
    struct settings *settings = build(yaml, &problem);
    memset(yaml, 'x', sizeof yaml);
    assert_non_null(settings);
    assert_text(settings->policy.local_domains[0], "one.example");
    assert_text(settings->log.path, "/tmp/log");
    settings_free(settings);
    settings_free(NULL);
}

TEST(settings_format_gives_text_that_means_the_same) {
    static const char yaml[] = "greylisting: {defer_time: 90, retry_window: 2w, learning: on}\n"
                               "policy_server: {request_deadline: 1234ms, unix_socket_mode: 600,\n"
                               "  value_bytes_max: 1000, idle_close: 5400s}\n"
                               "journal: {sync_interval: 0.0123456789s, durability: STRICT}\n"
                               "history: {min_free_bytes: 0}\n"
                               "local_domains: [b.example, a.example]\n";
    struct setting_problem problem;
    struct settings *settings = build(yaml, &problem);
    assert_null(settings); /* finer than a nanosecond */
    char fixed[sizeof yaml];
    memcpy(fixed, yaml, sizeof yaml);
    memcpy(strstr(fixed, "0.0123456789s"), "0.012345678s ", 13);
    settings = build(fixed, &problem);
    if (settings == NULL) {
        print_message("# %s\n", problem.text);
    }
    assert_non_null(settings);
    assert_formatted(settings, "greylisting.defer_time", "90s");
    assert_formatted(settings, "greylisting.retry_window", "14d");
    assert_formatted(settings, "greylisting.learning", "true");
    assert_formatted(settings, "policy_server.request_deadline", "1234ms");
    assert_formatted(settings, "policy_server.hook_timeout", "10s");
    assert_formatted(settings, "policy_server.idle_close", "90m");
    assert_formatted(settings, "policy_server.unix_socket_mode", "0600");
    assert_formatted(settings, "policy_server.value_bytes_max", "1000");
    assert_formatted(settings, "policy_server.request_bytes_max", "32KiB");
    assert_formatted(settings, "journal.sync_interval", "0.012345678s");
    assert_formatted(settings, "journal.durability", "strict");
    assert_formatted(settings, "history.min_free_bytes", "0");
    assert_formatted(settings, "trusted_networks", "127.0.0.0/8\n::1");
    assert_formatted(settings, "local_domains", "a.example\nb.example");
    assert_formatted(settings, "time_zone", "");

    /* Every value goes back in as it came out, in both forms. */
    for (int plain = 0; plain < 2; plain++) {
        struct settings_builder *builder = settings_builder_new();
        for (size_t i = 0; i < settings_count; i++) {
            char shown[1024];
            struct text out = TEXT_OVER(shown);
            (plain ? setting_format_plain : setting_format)(settings, &settings_table[i], &out);
            test_case(settings_table[i].key);
            assert_false(out.truncated);
            assert_true(settings_builder_set(builder, str_from(settings_table[i].key),
                                             text_str(&out), SETTING_FROM_FILE, 0, &problem));
        }
        struct settings *again = settings_builder_finish(builder, 1, &problem);
        assert_non_null(again);
        for (size_t i = 0; i < settings_count; i++) {
            test_case(settings_table[i].key);
            assert_false(setting_differs(settings, again, &settings_table[i]));
        }
        settings_free(again);
        settings_builder_free(builder);
    }
    settings_free(settings);
}

TEST(settings_plain_form_counts_in_seconds_and_bytes) {
    static const struct {
        const char *key;
        const char *plain;
    } rows[] = {
        {"greylisting.defer_time", "300"},
        {"policy_server.request_deadline", "5"},
        {"journal.ring_bytes", "67108864"},
        {"history.enabled", "1"},
        {"greylisting.learning", "0"},
        {"log.level", "info"},
        {"policy_server.unix_socket_mode", "0666"},
        {"trusted_networks", "127.0.0.0/8\n::1"},
    };
    struct setting_problem problem;
    struct settings *settings = build("", &problem);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char shown[256];
        struct text out = TEXT_OVER(shown);
        test_case(rows[i].key);
        setting_format_plain(settings, setting_find(str_from(rows[i].key)), &out);
        assert_string_equal(text_zero(&out), rows[i].plain);
    }
    settings_free(settings);
}

TEST(settings_tell_which_changes_wait_for_a_restart) {
    struct setting_problem problem;
    struct settings *old = build("", &problem);
    struct settings *new =
        build("greylisting: {defer_time: 60}\npolicy_server: {workers: 2, listen: "
              "[127.0.0.1:10036]}\n",
              &problem);
    size_t differing = 0;
    size_t waiting = 0;
    for (size_t i = 0; i < settings_count; i++) {
        differing += setting_differs(old, new, &settings_table[i]);
        waiting += settings_needs_restart(old, new, &settings_table[i]);
    }
    assert_int_equal(differing, 3);
    assert_int_equal(waiting, 2);
    assert_true(settings_needs_restart(old, new, setting_find(STR("policy_server.workers"))));
    assert_false(settings_needs_restart(old, new, setting_find(STR("greylisting.defer_time"))));
    settings_free(old);
    settings_free(new);
}

TEST(settings_nearest_key_is_offered_only_when_it_is_near) {
    assert_string_equal(setting_nearest(STR("greylisting.defertime")), "greylisting.defer_time");
    assert_string_equal(setting_nearest(STR("greylisitng.text")), "greylisting.text");
    assert_string_equal(setting_nearest(STR("journal.ring")), "journal.ring_bytes");
    assert_string_equal(setting_nearest(STR("retry_window")), "greylisting.retry_window");
    assert_null(setting_nearest(STR("zzz")));
    assert_null(setting_nearest(STR("")));
    assert_null(setting_nearest(STR("something.else.altogether")));
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

/* --- the sample and the manual page --------------------------------------------------------- */

static char sample[64 * 1024];

/* Takes each "#" away that stands at the start of a line's text with no blank after it. */
static size_t uncomment(char *text, size_t length) {
    size_t kept = 0;
    bool line_starts = true;
    for (size_t i = 0; i < length; i++) {
        if (line_starts && text[i] == '#' && i + 1 < length && text[i + 1] != ' ' &&
            text[i + 1] != '\n') {
            line_starts = false;
            continue;
        }
        line_starts = text[i] == '\n' || (line_starts && text[i] == ' ');
        text[kept++] = text[i];
    }
    return kept;
}

TEST(settings_sample_is_a_file_of_defaults_as_it_is_and_uncommented) {
    struct setting_problem problem;
    struct settings *defaults = build("", &problem);
    struct text out = TEXT_OVER(sample);
    settings_write_sample(&out);
    assert_false(out.truncated);
    for (int uncommented = 0; uncommented < 2; uncommented++) {
        if (uncommented == 1) {
            out.length = uncomment(sample, out.length);
        }
        struct settings_builder *builder = settings_builder_new();
        const bool good = settings_builder_read_yaml(builder, text_str(&out), &problem);
        assert_string_equal(good ? "" : problem.text, "");
        struct settings *settings = settings_builder_finish(builder, 1, &problem);
        assert_non_null(settings);
        for (size_t i = 0; i < settings_count; i++) {
            test_case(settings_table[i].key);
            assert_int_equal(settings_builder_origin(builder, &settings_table[i]),
                             uncommented == 1 ? SETTING_FROM_FILE : SETTING_FROM_DEFAULT);
            assert_false(setting_differs(settings, defaults, &settings_table[i]));
        }
        settings_free(settings);
        settings_builder_free(builder);
    }
    settings_free(defaults);
}

TEST(settings_manual_names_every_setting_once) {
    struct text out = TEXT_OVER(sample);
    settings_write_manual(&out);
    assert_false(out.truncated);
    const char *page = text_zero(&out);
    for (size_t i = 0; i < settings_count; i++) {
        char heading[128];
        struct text text = TEXT_OVER(heading);
        text_add(&text, STR(".TP\n.B "));
        text_add(&text, str_from(settings_table[i].key));
        text_add_byte(&text, '\n');
        test_case(settings_table[i].key);
        const char *found = strstr(page, text_zero(&text));
        assert_non_null(found);
        assert_null(strstr(found + 1, heading));
    }
}

TEST(settings_rows_are_written_for_people) {
    for (size_t i = 0; i < settings_count; i++) {
        const struct str help = str_from(settings_table[i].help);
        test_case(settings_table[i].key);
        assert_true(help.length >= 20 && help.length <= 100);
        assert_true(str_ends(help, STR(".")));
        assert_true(setting_find(str_from(settings_table[i].key)) == &settings_table[i]);
    }
}
