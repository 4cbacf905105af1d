/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Named points at which a crash test ends the process as `kill -9` would. Built only with
 * -Dfailpoints=true (never in a release); otherwise nothing is left of a call.
 *
 * The environment variable SECZIM_FAILPOINT="name:count" arms one of them: at the count-th passing
 * (1 is the first) the process sends itself SIGKILL. Any thread may pass. */
#ifdef SECZIM_FAILPOINTS
void failpoint(const char *name);
#else
static inline void failpoint(const char *name) {
    (void)name;
}
#endif
