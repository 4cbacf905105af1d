/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Runs a program of Postfix's: no shell, a clean environment, nothing on standard input, both
 * outputs kept whole, and never longer than told. For a process with one thread. */

enum { PROGRAM_OUTPUT_MAX = 4194304 /* bytes kept of each output */ };

struct program_result {
    int error;         /* errno: it could not be started; ETIMEDOUT: killed with all it started */
    int status;        /* what it ended with; 128 + the signal when one ended it */
    struct str output; /* heap, a zero byte follows */
    struct str errors;
};

/* arguments[0] is an absolute path; the last is NULL. True when it ended by itself with 0. */
bool program_run(const char *const *arguments, unsigned seconds_max,
                 struct program_result *ret_result);
void program_result_done(struct program_result *result);

/* NULL when the file at `path` can be trusted to be run: absolute, a regular executable file that
 * belongs to root or to us, and nobody else can write it or its folder. Else a sentence. */
const char *program_problem(const char *path, char *room, size_t size);
