/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_run.h"

struct policy_answer auto_blacklist_run(struct policy_run *run) {
    (void)run;
    return (struct policy_answer){.verdict = VERDICT_NONE};
}

void auto_blacklist_learn(struct policy_run *run) {
    (void)run;
}
