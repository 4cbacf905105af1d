/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_run.h"

struct policy_answer spf_run(struct policy_run *run) {
    (void)run;
    return (struct policy_answer){.verdict = VERDICT_NONE};
}
