/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <string.h>

#include "settings/settings_fixture.h"
#include "testing/test.h"

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
