/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/check.h"

/* Runs a program of Zimbra's: no shell, a clean environment, nothing on standard input, as another
 * user where one is given, and never longer than told. For a process with one thread.
 *
 * Beside program.h: that one runs as this process and reads until the outputs end; what Zimbra's
 * control scripts start stays in the background and keeps them open. */

enum {
    ZIMBRA_GROUPS_MAX = 64,
    ZIMBRA_OUTPUT_MAX = 1048576, /* bytes kept of standard output */
    ZIMBRA_COMPLAINT_MAX = 400,  /* bytes kept of standard error: the last ones */
};

struct zimbra_user {
    char name[64];
    char home[256];
    uid_t uid;
    gid_t gid;
    gid_t groups[ZIMBRA_GROUPS_MAX];
    size_t group_count;
};

/* False when the system has no such user. */
bool zimbra_user_find(const char *name, struct zimbra_user *ret_user);

enum zimbra_ending {
    ZIMBRA_ENDED = 0,   /* by itself, with `status` */
    ZIMBRA_NOT_STARTED, /* `status` is the errno */
    ZIMBRA_TOO_SLOW,    /* killed with all it started when its time was over */
    ZIMBRA_KILLED,      /* `status` is the signal */
};

struct zimbra_output {
    enum zimbra_ending ending;
    int status;
    char *text; /* standard output, a zero byte follows; owned by the caller, never NULL */
    size_t length;
    bool cut;                             /* there was more of it */
    char complaint[ZIMBRA_COMPLAINT_MAX]; /* standard error, one line, "" without one */
};

/* arguments[0] is an absolute path; the last is NULL. user NULL: as this process. `folder` is where
 * it starts and whose bin/ is first in its PATH. */
void zimbra_program_run(const char *const *arguments, const struct zimbra_user *user,
                        const char *folder, unsigned seconds_max, struct zimbra_output *ret_output);
/* True when it ended by itself with 0. */
bool zimbra_output_good(const struct zimbra_output *output);
/* "zmprov took longer than 60 s", "zmprov ended with 1: ERROR: ...": what was wrong, into `room`.
 */
void zimbra_output_problem(const struct zimbra_output *output, const char *program,
                           unsigned seconds_max, char *room, size_t size);
void zimbra_output_done(struct zimbra_output *output);
