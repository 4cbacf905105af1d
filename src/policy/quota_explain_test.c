/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_explain.h"

#include <string.h>

#include "policy/quota_parts.h"
#include "policy/quotas_fixture.h"
#include "testing/test.h"

static const char *nth_text(const struct world *world, const char *name, unsigned nth) {
    static char shown[512];
    struct text out = TEXT_OVER(shown);
    for (size_t i = 0; i < world->decision.read_count; i++) {
        const struct read *read = &world->decision.reads[i];
        if (read->kind != READ_ENTRY_ABSENT && strcmp(decision_read_name(read), name) == 0 &&
            nth-- == 0) {
            decision_explain_read(&world->decision, read, (uint32_t)world->now_s, &out);
            return text_zero(&out);
        }
    }
    return "not read";
}

static const char *read_text(const struct world *world, const char *name) {
    return nth_text(world, name, 0);
}

static const char *effect_text(const struct world *world, enum effect_kind kind, unsigned nth) {
    static char shown[512];
    struct text out = TEXT_OVER(shown);
    for (size_t i = 0; i < world->decision.effect_count; i++) {
        if (world->decision.effects[i].kind == kind && nth-- == 0) {
            decision_explain_effect(&world->decision.effects[i], (uint32_t)world->now_s, &out);
            return text_zero(&out);
        }
    }
    return "none";
}

TEST(explain_tells_limits_usage_and_what_is_done) {
    struct world *world = bobs_world();
    add_limit(world, "user *", "2KiB bytes/minute");
    add_limit(world, "user bob@example.com", "1500 bytes/day");
    add_limit(world, "global", "9 messages/hour");
    world->request.size = 600;
    assert_int_equal(offer_many(world, "1", 1), 1);
    assert_string_equal(read_text(world, "quota"),
                        "user: 2KiB bytes/minute (default quota:1), 1500 bytes/day (quota:2)");
    assert_string_equal(nth_text(world, "quota", 1), "global: 9 messages/hour (quota:3)");
    assert_string_equal(read_text(world, "usage"), "not read");
    assert_string_equal(effect_text(world, EFFECT_QUOTA_RESERVED, 0),
                        "600 reserved, expires in 16 min");
    assert_string_equal(effect_text(world, EFFECT_MESSAGE_CHARGED, 0),
                        "one recipient more, charged, expires in 6 h");
    world->now_s += 60;
    settle(world, PROTOCOL_STATE_END_OF_MESSAGE, "1", 1, 700);
    assert_string_equal(read_text(world, "usage"),
                        "0 in the minute, 0 in the hour, 0 in the day, 0 in the week, 0 in the "
                        "month of the last mail; 600 reserved");
    assert_string_equal(read_text(world, "message under way"),
                        "open, 1 recipients charged, 0 not, last 60 s ago");
    assert_string_equal(effect_text(world, EFFECT_QUOTA_RESERVED, 0),
                        "600 given back, expires in 15 min");
    assert_string_equal(effect_text(world, EFFECT_QUOTA_COMMITTED, 0),
                        "700 counted, expires in 2 days");
    assert_string_equal(effect_text(world, EFFECT_MESSAGE_ENDED, 0), "settled, expires in 1 h");
    assert_int_equal(offer_many(world, "2", 1), 1);
    assert_string_equal(read_text(world, "usage"),
                        "700 in the minute, 700 in the hour, 700 in the day, 700 in the week, 700 "
                        "in the month of the last mail; 0 reserved");
    sent(world, "1", 1);
    assert_string_equal(read_text(world, "message under way"),
                        "settled, 1 recipients charged, 0 not, last now");
    const struct effect forgotten = {
        .kind = EFFECT_QUOTA_FORGOTTEN, .time_s = 5, .expires_s = (uint32_t)world->now_s + 60};
    char shown[128];
    struct text out = TEXT_OVER(shown);
    decision_explain_effect(&forgotten, (uint32_t)world->now_s, &out);
    assert_string_equal(text_zero(&out), "reset, expires in 60 s");
    world_free(world);
}

TEST(a_limit_is_written_as_it_was_given) {
    static const struct {
        uint64_t limit;
        enum quota_unit unit;
        const char *text;
    } rows[] = {
        {0, QUOTA_BYTES, "0 bytes/hour"},
        {1023, QUOTA_BYTES, "1023 bytes/hour"},
        {1024, QUOTA_BYTES, "1KiB bytes/hour"},
        {1536, QUOTA_BYTES, "1536 bytes/hour"},
        {UINT64_C(3) << 30, QUOTA_BYTES, "3GiB bytes/hour"},
        {UINT64_C(1) << 50, QUOTA_BYTES, "1PiB bytes/hour"},
        {UINT64_C(1) << 62, QUOTA_BYTES, "4096PiB bytes/hour"},
        {1024, QUOTA_RECIPIENTS, "1024 recipients/hour"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char shown[64];
        struct text out = TEXT_OVER(shown);
        quota_add_limit(&out, rows[i].limit, rows[i].unit, QUOTA_HOUR);
        assert_string_equal(text_zero(&out), rows[i].text);
    }
}

TEST(limits_of_a_newer_release_are_told_as_such) {
    static const struct {
        uint64_t fingerprint;
        bool known;
    } rows[] = {{(QUOTA_SCOPES - 1) * 8 + QUOTA_UNITS - 1, true},
                {QUOTA_SCOPES * 8, false},
                {QUOTA_UNITS, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct read read = {
            .kind = READ_RULE, .source = RULE_QUOTA, .fingerprint = rows[i].fingerprint};
        char shown[80];
        struct text out = TEXT_OVER(shown);
        decision_explain_read(NULL, &read, 0, &out);
        assert_string_equal(text_zero(&out),
                            rows[i].known ? "global"
                                          : "limits of a kind that this release does not know");
    }
}
