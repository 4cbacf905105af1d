/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_run.h"

struct policy_answer ip_reputation_run(struct policy_run *run) {
    (void)run;
    return (struct policy_answer){.verdict = VERDICT_NONE};
}

void ip_reputation_learn(struct policy_run *run) {
    (void)run;
}

void ip_reputation_settle(struct policy_run *run) {
    (void)run;
}
