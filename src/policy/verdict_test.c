/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/verdict.h"

#include <string.h>

#include "testing/test.h"

TEST(every_policy_is_found_by_its_name) {
    for (unsigned i = POLICY_NONE + 1; i < POLICY_LIMIT; i++) {
        assert_int_equal(policy_find(str_from(policy_info(i)->name)), i);
        assert_true(policy_info(i)->priority > 0);
        assert_true(policy_info(i)->runs_on != RUNS_ON_NEITHER);
    }
    assert_string_equal(policy_info(POLICY_ACL_ALLOW)->name, "acl_allow");
    assert_int_equal(policy_info(POLICY_ACL_BLOCK)->priority, 950);
    assert_int_equal(policy_info(POLICY_GREYLISTING)->runs_on, RUNS_ON_INBOUND);
    assert_int_equal(policy_find(STR("no such policy")), POLICY_NONE);
    assert_int_equal(policy_find(STR("none")), POLICY_NONE);
}

TEST(every_reason_is_found_by_its_word_and_explains_itself) {
    for (unsigned i = 0; i < REASON_LIMIT; i++) {
        const struct reason_info *info = reason_info(i);
        enum reason found = REASON_LIMIT;
        assert_true(reason_find(str_from(info->word), &found));
        assert_int_equal(found, i);
        assert_true(strlen(info->sentence) > 10);
        assert_non_null(info->advice);
    }
    assert_int_equal(reason_info(REASON_GREYLIST_TOO_EARLY)->policy, POLICY_GREYLISTING);
    enum reason untouched = REASON_ACL_BLOCKED;
    assert_false(reason_find(STR("greylist"), &untouched));
    assert_int_equal(untouched, REASON_ACL_BLOCKED);
}

TEST(numbers_of_a_newer_release_are_named_unknown) {
    assert_string_equal(policy_info(POLICY_LIMIT)->name, "unknown");
    assert_string_equal(policy_info(60000)->name, "unknown");
    assert_string_equal(reason_info(REASON_LIMIT)->word, "unknown");
    assert_int_equal(reason_info(60000)->policy, POLICY_NONE);
}

TEST(verdicts_and_directions_have_names) {
    assert_string_equal(verdict_name(VERDICT_NONE), "none");
    assert_string_equal(verdict_name(VERDICT_ACCEPT), "accept");
    assert_string_equal(verdict_name(VERDICT_DEFER), "defer");
    assert_string_equal(verdict_name(VERDICT_REJECT), "reject");
    assert_string_equal(verdict_name(VERDICTS), "unknown");
    assert_string_equal(decision_verdict_name(VERDICT_NONE), "accept");
    assert_string_equal(decision_verdict_name(VERDICT_ACCEPT), "accept");
    assert_string_equal(decision_verdict_name(VERDICT_REJECT), "reject");
    assert_string_equal(direction_name(DIRECTION_INBOUND), "inbound");
    assert_string_equal(direction_name(DIRECTION_OUTBOUND), "outbound");
}
