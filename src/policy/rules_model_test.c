/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/rules.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* Look-ups of rules against a simple model of them, over random rules and questions. */

enum { NOW_S = 1000 };

static struct rules *rules_of(const struct rule_row *rows, size_t count) {
    const struct list_memory memory = world_memory(NULL);
    struct rules *rules = rules_build(&memory, rows, count);
    assert_non_null(rules);
    return rules;
}

static struct quota_subject subject_of(const char *user, const char *domain, const char *address) {
    struct quota_subject subject = {.user = str_from(user), .domain = str_from(domain)};
    if (address[0] != '\0') {
        subject.address = world_address(address);
    }
    return subject;
}

static struct rule_row row_of(uint64_t id, enum rule_kind kind, const char *subject,
                              const char *value) {
    return (struct rule_row){
        .id = id, .kind = kind, .subject = str_from(subject), .value = str_from(value)};
}

enum { MODEL_RULES = 24, MODEL_ROUNDS = 1000, MODEL_QUERIES = 100, NAME_ROOM = 64 };

static const char *const domains[] = {"example", "a.example", "b.a.example", "c.example"};
static const char *const locals[] = {"u", "v", "u+x", "+y"};

static const char *pick(struct dice *dice, const char *const from[], uint32_t count) {
    return from[dice_below(dice, count)];
}

/* An address, now and then a name without a domain. */
static void roll_name(struct dice *dice, char room[NAME_ROOM]) {
    const char *local = pick(dice, locals, 4);
    if (dice_below(dice, 6) == 0) {
        (void)snprintf(room, NAME_ROOM, "%s", local);
    } else {
        (void)snprintf(room, NAME_ROOM, "%s@%s", local, pick(dice, domains, 4));
    }
}

static void roll_pattern(struct dice *dice, bool subject, char room[NAME_ROOM]) {
    static const char *const forms[] = {"*@", "*@*."};
    const uint32_t form = dice_below(dice, subject ? 5 : 4);
    if (form < 2) {
        (void)snprintf(room, NAME_ROOM, "%s%s", forms[form], pick(dice, domains, 4));
    } else if (form < 4) {
        (void)snprintf(room, NAME_ROOM, "%s@%s", pick(dice, locals, 4), pick(dice, domains, 4));
    } else {
        (void)snprintf(room, NAME_ROOM, "%s@*", pick(dice, locals, 4));
    }
}

/* Without the extension. */
static void plain_of(const char *name, char room[NAME_ROOM]) {
    const char *at = strchr(name, '@');
    const char *plus = strchr(name + (name[0] == '+'), '+');
    if (plus == NULL) {
        (void)snprintf(room, NAME_ROOM, "%s", name);
    } else {
        (void)snprintf(room, NAME_ROOM, "%.*s%s", (int)(plus - name), name, at != NULL ? at : "");
    }
}

static bool matches_exactly(const char *pattern, const char *name) {
    const char *at = strchr(name, '@');
    const char *domain = at != NULL ? at + 1 : "";
    if (strncmp(pattern, "*@*.", 4) == 0) {
        const size_t length = strlen(domain);
        const size_t below = strlen(pattern + 3); /* with its dot */
        return length > below && strcmp(domain + length - below, pattern + 3) == 0;
    }
    if (strncmp(pattern, "*@", 2) == 0) {
        return at != NULL && strcmp(domain, pattern + 2) == 0;
    }
    const size_t length = strlen(pattern);
    const char *pattern_at = strchr(pattern, '@');
    if (pattern_at == pattern + length - 2 && pattern[length - 1] == '*') {
        const size_t local = at != NULL ? (size_t)(at - name) : strlen(name);
        return local == length - 2 && strncmp(pattern, name, local) == 0;
    }
    return strcmp(pattern, name) == 0;
}

static bool restricts(const char *subject, const char *name) {
    char plain[NAME_ROOM];
    plain_of(name, plain);
    if (matches_exactly(subject, name) || matches_exactly(subject, plain)) {
        return true;
    }
    const char *at = strchr(subject, '@');
    const size_t local = (size_t)(at - subject);
    return strchr(name, '@') == NULL && subject[0] != '*' &&
           ((strlen(name) == local && strncmp(subject, name, local) == 0) ||
            (strlen(plain) == local && strncmp(subject, plain, local) == 0));
}

struct model_rule {
    char subject[NAME_ROOM];
    char lines[3][NAME_ROOM];
    size_t line_count;
    char value[3 * NAME_ROOM];
    uint32_t expires_s;
};

static void roll_lines(struct dice *dice, struct model_rule *rule) {
    rule->line_count = dice_below(dice, 4);
    rule->value[0] = '\0';
    for (size_t i = 0; i < rule->line_count; i++) {
        roll_pattern(dice, false, rule->lines[i]);
        (void)strcat(strcat(rule->value, rule->lines[i]), "\n");
    }
}

static enum rule_outcome expected(const struct model_rule *rules, size_t count, const char *user,
                                  const char *sender, const char *recipient) {
    bool speaks = false;
    bool allows = false;
    bool any_line = false;
    bool stops = false;
    for (size_t i = 0; i < count; i++) {
        const struct model_rule *rule = &rules[i];
        if ((rule->expires_s != 0 && rule->expires_s <= NOW_S) ||
            !((user[0] != '\0' && restricts(rule->subject, user)) ||
              restricts(rule->subject, sender))) {
            continue;
        }
        speaks = true;
        any_line = any_line || rule->line_count > 0;
        stops = stops || (rule->line_count == 0 && strchr(rule->subject, '*') == NULL);
        for (size_t line = 0; line < rule->line_count; line++) {
            allows = allows || matches_exactly(rule->lines[line], recipient);
        }
    }
    return !speaks    ? RULE_SILENT
           : stops    ? RULE_REFUSES_ALL
           : allows   ? RULE_ALLOWS
           : any_line ? RULE_REFUSES
                      : RULE_REFUSES_ALL;
}

TEST(restrictions_answer_as_a_simple_model_does) {
    struct dice dice = {5};
    static struct model_rule model[MODEL_RULES];
    struct rule_row rows[MODEL_RULES];
    unsigned seen[4] = {0};
    for (int round = 0; round < MODEL_ROUNDS; round++) {
        const size_t count = dice_below(&dice, round % 8 == 0 ? MODEL_RULES : 4) + 1;
        for (size_t i = 0; i < count; i++) {
            roll_pattern(&dice, true, model[i].subject);
            roll_lines(&dice, &model[i]);
            model[i].expires_s = NOW_S + dice_below(&dice, 2);
            model[i].expires_s *= dice_below(&dice, 2);
            rows[i] = row_of(i + 1, RULE_RESTRICTION, model[i].subject, model[i].value);
            rows[i].expires_s = model[i].expires_s;
        }
        struct rules *rules = rules_of(rows, count);
        assert_int_equal(rules_count(rules, RULE_RESTRICTION), count);
        for (int query = 0; query < MODEL_QUERIES; query++) {
            char user[NAME_ROOM];
            char sender[NAME_ROOM];
            char recipient[NAME_ROOM];
            roll_name(&dice, user);
            roll_name(&dice, sender);
            roll_name(&dice, recipient);
            user[0] = dice_below(&dice, 4) == 0 ? '\0' : user[0];
            if (dice_below(&dice, 4) == 0) {
                memcpy(sender, user, sizeof sender);
            }
            const struct rule_answer answer = rules_restriction(
                rules, str_from(user), str_from(sender), str_from(recipient), NOW_S);
            const enum rule_outcome right = expected(model, count, user, sender, recipient);
            if (answer.outcome != right) {
                fail_msg("round %d: %s as %s to %s", round, user, sender, recipient);
            }
            seen[right]++;
            if (right != RULE_SILENT) {
                /* The rule that is named speaks, and says what is answered. */
                assert_in_range(answer.id, 1, count);
                const struct model_rule *named = &model[answer.id - 1];
                assert_int_equal(expected(named, 1, user, sender, recipient) == right ||
                                     right == RULE_REFUSES,
                                 true);
                assert_true(str_equal(answer.subject, str_from(named->subject)));
            }
        }
        rules_free(rules);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_true(seen[i] > 5000);
    }
}

/* 0: does not concern the user; else how specific it is. */
static int specificity(const char *subject, const char *user) {
    const char *at = strchr(user, '@');
    if (strcmp(subject, "user *") == 0) {
        return 1;
    }
    if (strncmp(subject, "user *@", 7) == 0) {
        return at != NULL && strcmp(subject + 7, at + 1) == 0 ? 2 : 0;
    }
    return strcmp(subject + 5, user) == 0 ? 3 : 0;
}

TEST(limits_answer_as_a_simple_model_does) {
    struct dice dice = {6};
    static const char *const windows[] = {"minute", "hour", "day", "week", "month"};
    static const char *const units[] = {"recipients", "messages", "bytes"};
    static struct {
        char subject[NAME_ROOM + 8];
        char value[NAME_ROOM];
        uint64_t limit;
        uint32_t unit;
        uint32_t window;
    } model[MODEL_RULES];
    struct rule_row rows[MODEL_RULES];
    for (int round = 0; round < MODEL_ROUNDS; round++) {
        const size_t count = dice_below(&dice, MODEL_RULES) + 1;
        for (size_t i = 0; i < count; i++) {
            char name[NAME_ROOM];
            roll_name(&dice, name);
            char *plus = strchr(name, '+');
            if (plus != NULL) {
                *plus = 'w'; /* limits are for names without extension */
            }
            const char *domain = pick(&dice, domains, 4);
            const uint32_t form = dice_below(&dice, 3);
            (void)snprintf(model[i].subject, sizeof model[i].subject, "user %s%s",
                           form == 0   ? name
                           : form == 1 ? "*"
                                       : "*@",
                           form == 2 ? domain : "");
            model[i].limit = dice_below(&dice, 1000);
            model[i].unit = dice_below(&dice, 3);
            model[i].window = dice_below(&dice, 5);
            (void)snprintf(model[i].value, NAME_ROOM, "%u %s/%s", (unsigned)model[i].limit,
                           units[model[i].unit], windows[model[i].window]);
            rows[i] = row_of(i + 1, RULE_QUOTA, model[i].subject, model[i].value);
            rows[i].expires_s = dice_below(&dice, 3) == 0 ? NOW_S + dice_below(&dice, 2) : 0;
        }
        struct rules *rules = rules_of(rows, count);
        assert_int_equal(rules_count(rules, RULE_QUOTA), count);
        for (int query = 0; query < MODEL_QUERIES; query++) {
            char user[NAME_ROOM];
            roll_name(&dice, user);
            const char *at = strchr(user, '@');
            const struct quota_subject subject = subject_of(user, at != NULL ? at + 1 : "", "");
            const uint32_t unit = dice_below(&dice, 3);
            struct quota_limits right = {.defaults = 0};
            int best[QUOTA_WINDOWS] = {0};
            bool any = false;
            for (size_t i = 0; i < count; i++) {
                const int level = specificity(model[i].subject, user);
                const uint32_t window = model[i].window;
                if (level == 0 || level < best[window] || model[i].unit != unit ||
                    (rows[i].expires_s != 0 && rows[i].expires_s <= NOW_S)) {
                    continue;
                }
                any = true;
                best[window] = level;
                right.ids[window] = (uint32_t)i + 1;
                right.limits[window] = model[i].limit;
                right.defaults &= ~(1u << window);
                right.defaults |= level < 3 ? 1u << window : 0;
            }
            struct quota_limits limits;
            assert_int_equal(rules_quota_limits(rules, QUOTA_USER, (enum quota_unit)unit, &subject,
                                                NOW_S, &limits),
                             any);
            assert_memory_equal(&limits, &right, sizeof limits);
        }
        rules_free(rules);
    }
}

TEST(a_hundred_thousand_rules_are_each_found) {
    enum { EACH = RULES_MAX / 2 };
    static char subjects[RULES_MAX][32];
    struct rule_row *rows = calloc(RULES_MAX, sizeof *rows);
    for (size_t i = 0; i < RULES_MAX; i++) {
        const bool quota = i % 2 == 0;
        (void)snprintf(subjects[i], sizeof subjects[i], "%su%zu@d%zu.example", quota ? "user " : "",
                       i, i % 1000);
        rows[i] = row_of(i + 1, quota ? RULE_QUOTA : RULE_RESTRICTION, subjects[i],
                         quota ? "5/day" : "*@x.example\na@y.example");
    }
    struct rules *rules = rules_of(rows, RULES_MAX);
    assert_int_equal(rules_count(rules, RULE_QUOTA), EACH);
    assert_int_equal(rules_count(rules, RULE_RESTRICTION), EACH);
    assert_true(rules_bytes(rules) / RULES_MAX < 200);
    for (size_t i = 0; i < RULES_MAX; i += 7) {
        const char *name = subjects[i] + (i % 2 == 0 ? 5 : 0);
        if (i % 2 == 0) {
            const struct quota_subject subject = subject_of(name, "", "");
            struct quota_limits limits;
            assert_true(
                rules_quota_limits(rules, QUOTA_USER, QUOTA_RECIPIENTS, &subject, NOW_S, &limits));
            assert_int_equal(limits.ids[QUOTA_DAY], i + 1);
        } else {
            const struct rule_answer answer =
                rules_restriction(rules, str_from(name), str_from(name), STR("a@y.example"), 0);
            assert_int_equal(answer.outcome, RULE_ALLOWS);
            assert_int_equal(answer.id, i + 1);
        }
    }
    rules_free(rules);
    free(rows);
}
