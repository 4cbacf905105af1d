/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/hook_site.h"

/* What `enable` writes, one step at a time: after each step postconf is asked again what the lists
 * are now, so that references, and lists that hold other lists, cannot get the hook twice. */

enum hook_step {
    HOOK_STEP_DONE = 0, /* nothing is left to do */
    HOOK_STEP_EDITED,   /* `files` changed by one place */
    HOOK_STEP_REFUSED,  /* main.cf itself offers no place: `room` says why */
};

/* True when some hook is there that is not as it should be: all are taken out first then. */
bool hook_plan_starts_anew(const struct hook_sites *sites);
/* `skipped`, HOOK_SITES_MAX flags, false at first: services without a place, each said once. */
enum hook_step hook_plan_step(const struct hook_sites *sites, const struct hook_identity *identity,
                              bool *skipped, struct hook_files *files, struct hook_report *report,
                              char *room);

/* NULL when `after` is `before` but for our elements (and for what they needed: parameters that
 * hold nothing else, `-o smtpd_end_of_data_restrictions=` on the way back from a filter), and when
 * no service lets more through than before. Else a sentence. */
const char *hook_plan_verify(const struct postfix_config *before,
                             const struct hook_sites *before_sites,
                             const struct postfix_config *after,
                             const struct hook_sites *after_sites,
                             const struct hook_identity *identity, char *room);
