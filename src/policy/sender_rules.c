/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_parts.h"
#include "policy/policy_run.h"

struct policy_answer sender_restrictions_run(struct policy_run *run) {
    (void)run;
    return (struct policy_answer){.verdict = VERDICT_NONE};
}

struct policy_answer sender_identity_run(struct policy_run *run) {
    (void)run;
    return (struct policy_answer){.verdict = VERDICT_NONE};
}

void explain_sender_rule(const struct read *read, struct text *out) {
    (void)read;
    text_add(out, STR("found"));
}
