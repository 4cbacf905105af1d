/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hook/hook_plan.h"
#include "hook/hook_store.h"
#include "hook/program.h"

/* `seczim postfix check | enable | disable`, without its printing. */

struct hook_run {
    struct postfix_programs programs;
    char folder[512]; /* of the configuration */
    struct hook_identity identity;
    bool dry_run;
    bool reload;
};

struct hook_outcome {
    struct hook_report report;
    bool changed;
    bool reloaded;
    char recovered[512]; /* what was done about an interrupted change; "" */
    char *diff;          /* what changes, as a unified diff; NULL or heap */
};
void hook_outcome_done(struct hook_outcome *outcome);

/* Each returns NULL, or a sentence in `room` (POSTFIX_PROBLEM_MAX bytes): for check why nothing can
 * be told, for the others why the configuration is as it was before. */
const char *hook_run_check(const struct hook_run *run, struct hook_outcome *ret_outcome,
                           char *room);
const char *hook_run_enable(const struct hook_run *run, struct hook_outcome *ret_outcome,
                            char *room);
const char *hook_run_disable(const struct hook_run *run, struct hook_outcome *ret_outcome,
                             char *room);

/* For these three: one configuration with its lists. */
struct hook_scene {
    struct postfix_config config;
    struct hook_sites sites;
};
const char *hook_scene_load(const struct hook_run *run, const char *folder,
                            struct hook_scene *ret_scene, char *room);
/* Writes `files` into a folder of its own under /tmp and loads it; with `check`, `postfix check`
 * has to accept it too. */
const char *hook_scene_try(const struct hook_run *run, const struct hook_files *files, bool check,
                           struct hook_scene *ret_scene, char *room);
/* Runs `postfix -c FOLDER VERB`. */
bool hook_run_postfix(const struct hook_run *run, const char *folder, const char *verb,
                      struct program_result *ret_result);
