/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_alerts.h"

#include <errno.h>
#include <string.h>

#include "testing/test.h"

static struct settings *settings;

/* A service that is well: the disk under paths.data has room, nothing was lost. */
static struct engine_status healthy(void) {
    struct setting_problem problem = {0};
    struct settings_builder *builder = settings_builder_new();
    assert_true(settings_builder_set(builder, STR("paths.data"), str_from(test_folder()),
                                     SETTING_FROM_FILE, 1, &problem));
    assert_true(settings_builder_set(builder, STR("history.min_free_bytes"), STR("0"),
                                     SETTING_FROM_FILE, 2, &problem));
    settings_free(settings);
    settings = settings_builder_finish(builder, 1, &problem);
    settings_builder_free(builder);
    assert_non_null(settings);
    return (struct engine_status){
        .journal = {.ring_bytes = 1000, .ring_used_bytes = 10},
        .clock = {.now_ns = INT64_C(1700000000) * NS_PER_S},
        .wall_ns = INT64_C(1700000000) * NS_PER_S,
    };
}

/* "severity type; severity type"; frees the list. */
static const char *words_of(json_t *alerts) {
    static char words[512];
    struct text out = TEXT_OVER(words);
    for (size_t i = 0; i < json_array_size(alerts); i++) {
        const json_t *alert = json_array_get(alerts, i);
        text_add(&out, i > 0 ? STR("; ") : STR(""));
        text_add(&out, json_str(json_object_get(alert, "severity")));
        text_add_byte(&out, ' ');
        text_add(&out, json_str(json_object_get(alert, "type")));
        assert_true(json_str(json_object_get(alert, "text")).length > 20);
    }
    json_decref(alerts);
    return text_zero(&out);
}

static const char *alerts_of(const struct engine_status *status) {
    return words_of(control_alerts(status, settings));
}

static const char *geo_alerts_of(const struct geo_keeper_status *status) {
    json_t *alerts = json_array();
    control_geo_alerts(alerts, status, settings, INT64_C(1700000000) * NS_PER_S);
    return words_of(alerts);
}

TEST(control_alerts_are_none_when_all_is_well) {
    struct engine_status status = healthy();
    assert_string_equal(alerts_of(&status), "");
    status.journal.ring_used_bytes = 500; /* Half is not yet behind. */
    assert_string_equal(alerts_of(&status), "");
}

TEST(control_alerts_tell_of_country_databases) {
    struct geo_keeper_status status = {.lookups = 0};
    struct str countries[] = {{"CN", 2}};
    (void)healthy();
    assert_string_equal(geo_alerts_of(&status), ""); /* no rules, no need */
    settings->policy.geo.outbound.countries = countries;
    settings->policy.geo.outbound.country_count = 1;
    assert_string_equal(geo_alerts_of(&status), "warning geo.no-database");
    status.country.open = true;
    status.country.info.built_s = 1700000000 - 60 * 86400;
    assert_string_equal(geo_alerts_of(&status), "");
    status.country.info.built_s -= 86400;
    assert_string_equal(geo_alerts_of(&status), "warning geo.database-old");
    memcpy(status.asn.problem, "is no MaxMind DB file", 22);
    assert_string_equal(geo_alerts_of(&status),
                        "warning geo.database-old; warning geo.file-refused");
    settings->policy.geo.outbound.country_count = 0;
    assert_string_equal(geo_alerts_of(&status), "warning geo.file-refused");
    settings_free(settings);
    settings = NULL;
}

TEST(control_alerts_name_each_trouble) {
    struct engine_status status = healthy();
    status.clock.stepped = true;
    assert_string_equal(alerts_of(&status), "warning clock.stepped");
    status = healthy();
    status.clock.gap = true;
    assert_string_equal(alerts_of(&status), "warning clock.gap");
    status = healthy();
    status.journal.last_error = ENOSPC;
    assert_string_equal(alerts_of(&status), "critical journal.error");
    status = healthy();
    status.journal.ring_used_bytes = 501;
    assert_string_equal(alerts_of(&status), "warning journal.behind");
    status.journal.records_skipped = 1;
    assert_string_equal(alerts_of(&status), "critical journal.full");
    status = healthy();
    status.recorder.dropped = 1;
    assert_string_equal(alerts_of(&status), "critical history.stopped");
    status = healthy();
    status.recorder.last_error = EIO;
    status.recorder.behind = true;
    assert_string_equal(alerts_of(&status), "critical history.error; warning history.behind");
    status = healthy();
    status.tables[STATE_GREYLIST_CLIENT].evicted = 1;
    assert_string_equal(alerts_of(&status), "warning state.evicted");
    status = healthy();
    status.damaged_at_start = 1;
    status.snapshot.last_error = EIO;
    assert_string_equal(alerts_of(&status), "critical state.damaged; warning snapshot.failed");
}

TEST(control_alerts_say_which_way_the_clock_is_off) {
    struct engine_status status = healthy();
    status.clock.stepped = true;
    status.wall_ns -= INT64_C(3600) * NS_PER_S;
    json_t *alerts = control_alerts(&status, settings);
    assert_non_null(strstr(json_string_value(json_object_get(json_array_get(alerts, 0), "text")),
                           "3600 s behind decision time"));
    json_decref(alerts);
    status.wall_ns += INT64_C(7200) * NS_PER_S;
    alerts = control_alerts(&status, settings);
    assert_non_null(strstr(json_string_value(json_object_get(json_array_get(alerts, 0), "text")),
                           "3600 s ahead of decision time"));
    json_decref(alerts);
}

TEST(control_alerts_see_a_disk_that_fills) {
    const struct engine_status status = healthy();
    settings->history.min_free_bytes = INT64_C(1) << 60;
    assert_string_equal(alerts_of(&status), "critical disk.low");
    settings_free(settings);
    settings = NULL;
}
