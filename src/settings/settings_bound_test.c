/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <stdio.h>
#include <string.h>

#include "settings/settings_fixture.h"
#include "testing/test.h"

/* Bounds of every row of the table. */

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
