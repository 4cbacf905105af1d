/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_run.h"

void greylist_learn(struct policy_run *run) {
    (void)run;
}
