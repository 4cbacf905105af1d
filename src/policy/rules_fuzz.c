/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the kind; the first line is the subject, the rest the value. What is a
 * rule is canonical, stays as it is when it is checked again, is a limit that can be taken apart,
 * and finds its place in an index; what is none gets a sentence. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "policy/rules.h"

enum { INPUT_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void *allocate(void *context, size_t size) {
    (void)context;
    return calloc(1, size);
}

static void release(void *context, void *memory) {
    (void)context;
    free(memory);
}

static void check_index(const struct rule_row *row) {
    const struct list_memory memory = {.allocate = allocate, .release = release};
    const struct str name = row->subject;
    struct rules *rules = rules_build(&memory, row, 1);
    CHECK(rules != NULL && rules_count(rules, row->kind) == 1);
    if (row->kind == RULE_IDENTITY) {
        const struct rule_answer answer = rules_identity(rules, name, row->value, 0);
        CHECK(answer.outcome == RULE_ALLOWS || answer.outcome == RULE_REFUSES);
        CHECK(answer.id == 1 && str_equal(answer.subject, name));
    } else if (row->kind == RULE_RESTRICTION && str_find(name, '*') == SIZE_MAX) {
        const struct str sender = str_equal(name, STR("<>")) ? STR("") : name;
        const struct rule_answer answer = rules_restriction(rules, sender, sender, row->value, 0);
        CHECK(answer.outcome != RULE_SILENT && answer.id == 1);
        CHECK((answer.outcome == RULE_REFUSES_ALL) == (row->value.length == 0));
    }
    rules_free(rules);
}

static void check_limit(const struct rule_row *row) {
    struct quota_rule rule;
    CHECK(quota_rule_parse(row->subject, row->value, &rule));
    CHECK(rule.limit <= QUOTA_LIMIT_MAX && rule.unit < QUOTA_UNITS && rule.window < QUOTA_WINDOWS);
    CHECK((rule.scope == QUOTA_GLOBAL) == (rule.name.length == 0));
    const struct list_memory memory = {.allocate = allocate, .release = release};
    struct rules *rules = rules_build(&memory, row, 1);
    struct quota_subject subject = {.user = STR("u@x.example"), .domain = STR("x.example")};
    struct quota_limits limits;
    if (rule.scope == QUOTA_USER && str_find(rule.name, '*') == SIZE_MAX) {
        subject.user = rule.name;
    } else if (rule.name.length > 2 && rule.scope == QUOTA_USER) {
        subject.domain = str_slice(rule.name, 2, rule.name.length);
    } else if (rule.scope == QUOTA_DOMAIN) {
        subject.domain = rule.name;
    } else if (rule.scope == QUOTA_IP) {
        struct ip_prefix prefix = {.bits = 0};
        subject.address.bytes[0] = 1;
        if (ip_prefix_parse(rule.name, &prefix, NULL)) {
            subject.address = prefix.address;
            subject.address.bytes[15] |= prefix.bits == 64; /* any of the /64 */
        }
    }
    CHECK(rules_quota_limits(rules, rule.scope, rule.unit, &subject, 0, &limits));
    CHECK(limits.ids[rule.window] == 1 && limits.limits[rule.window] == rule.limit);
    rules_free(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static char subjects[2][RULE_SUBJECT_MAX];
    static char values[2][RULE_VALUE_MAX];
    if (length == 0) {
        return 0;
    }
    const struct str input = {(const char *)bytes + 1, length < INPUT_MAX ? length - 1 : INPUT_MAX};
    const size_t end = str_find(input, '\n');
    struct rule_row row = {.id = 1, .kind = (enum rule_kind)(bytes[0] % RULE_KINDS)};
    row.subject = str_slice(input, 0, end);
    row.value = end == SIZE_MAX ? STR("") : str_slice(input, end + 1, SIZE_MAX);
    for (int round = 0; round < 2; round++) {
        char sentence[256];
        struct text problem = TEXT_OVER(sentence);
        struct text subject = TEXT_OVER(subjects[round]);
        struct text value = TEXT_OVER(values[round]);
        const char *said = rule_check(&row, &subject, &value, &problem);
        if (said != NULL) {
            CHECK(round == 0);
            CHECK(said == sentence && strlen(said) > 10 && !problem.truncated);
            return 0;
        }
        CHECK(!subject.truncated && !value.truncated && subject.length > 0);
        CHECK(round == 0 || str_equal(row.subject, text_str(&subject)));
        CHECK(round == 0 || str_equal(row.value, text_str(&value)));
        row.subject = text_str(&subject);
        row.value = text_str(&value);
    }
    if (row.kind == RULE_QUOTA) {
        check_limit(&row);
    } else {
        check_index(&row);
    }
    return 0;
}
