/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook_run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/failpoint.h"
#include "hook/hook_diff.h"
#include "hook/hook_probe.h"

enum { PROBE_SECONDS = 10, STEPS_MAX = 2 * HOOK_SITES_MAX };

void hook_outcome_done(struct hook_outcome *outcome) {
    hook_report_done(&outcome->report);
    free(outcome->diff);
    outcome->diff = NULL;
}

/* Probing ------------------------------------------------------------------------------------- */

static const char *probe_policy(struct str endpoint, const struct postfix_config *config,
                                char *room) {
    struct str queue = {0};
    (void)postfix_value(config->main_used, STR("queue_directory"), &queue);
    return hook_probe_policy(endpoint, queue, PROBE_SECONDS, room, POSTFIX_PROBLEM_MAX);
}

static size_t first_blank_or_comma(struct str list) {
    size_t at = 0;
    while (at < list.length && list.data[at] != ',' && list.data[at] != ' ') {
        at++;
    }
    return at;
}

static bool find_host(const struct postfix_config *config, struct str name, char *host,
                      char *port) {
    struct str interfaces = {0};
    const size_t colon = str_find_last(name, ':');
    struct str where = str_slice(name, 0, colon == SIZE_MAX ? 0 : colon);
    const struct str number = str_slice(name, colon == SIZE_MAX ? 0 : colon + 1, name.length);
    (void)postfix_value(config->main_used, STR("inet_interfaces"), &interfaces);
    if (where.length == 0) {
        where = str_equal(interfaces, STR("all")) || str_equal(interfaces, STR("loopback-only")) ||
                        str_find(interfaces, '$') != SIZE_MAX
                    ? STR("127.0.0.1")
                    : str_slice(interfaces, 0, first_blank_or_comma(interfaces));
    }
    if (str_starts(where, STR("[")) && str_ends(where, STR("]"))) {
        where = str_slice(where, 1, where.length - 1);
    }
    (void)snprintf(host, 256, "%.*s", STR_ARGS(where));
    (void)snprintf(port, 64, "%.*s", STR_ARGS(number));
    return where.length > 0 && number.length > 0;
}

/* Asks the first mail server of master.cf that greets in the clear. */
static const char *probe_smtp(const struct postfix_config *config, char *room) {
    size_t at = 0;
    struct master_service service;
    struct master_option option;
    char host[256];
    char port[64];
    while (master_cf_next(config->master_cf, &at, &service)) {
        const bool smtp = str_equal(service.command, STR("smtpd")) ||
                          str_equal(service.command, STR("postscreen"));
        if (smtp && str_equal(service.type, STR("inet")) &&
            !master_option_find(config->master_cf, &service, STR("smtpd_tls_wrappermode"),
                                &option) &&
            find_host(config, service.name, host, port)) {
            return hook_probe_smtp(host, port, PROBE_SECONDS, room, POSTFIX_PROBLEM_MAX);
        }
    }
    (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                   "master.cf has no mail server that greets in the clear");
    return room;
}

static bool is_running(const struct hook_run *run) {
    struct program_result result;
    if (run->programs.postfix[0] == '\0') {
        return false;
    }
    const bool running = hook_run_postfix(run, run->folder, "status", &result);
    program_result_done(&result);
    return running;
}

static const char *reload(const struct hook_run *run, struct hook_outcome *outcome, char *room) {
    struct program_result result;
    const char *problem = NULL;
    if (!run->reload || !is_running(run)) {
        return NULL;
    }
    if (!hook_run_postfix(run, run->folder, "reload", &result)) {
        const struct str said = str_trim(result.errors);
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "`postfix reload` failed: %.*s", STR_ARGS(said));
        problem = room;
    } else {
        outcome->reloaded = true;
    }
    program_result_done(&result);
    failpoint("hook.reloaded");
    return problem;
}

/* Check --------------------------------------------------------------------------------------- */

static bool hook_is_somewhere(const struct hook_sites *sites) {
    for (size_t i = 0; i < sites->count; i++) {
        if (sites->sites[i].state != HOOK_ABSENT) {
            return true;
        }
    }
    return false;
}

const char *hook_run_check(const struct hook_run *run, struct hook_outcome *ret_outcome,
                           char *room) {
    struct hook_scene *scene = calloc(1, sizeof *scene);
    CHECK(scene != NULL);
    *ret_outcome = (struct hook_outcome){0};
    struct hook_report *report = &ret_outcome->report;
    const char *problem = hook_scene_load(run, run->folder, scene, room);
    if (problem != NULL) {
        free(scene);
        return problem;
    }
    if (hook_store_is_pending(run->folder)) {
        hook_report_add(report, HOOK_WARNING, "seczim-hook/pending",
                        "run `seczim postfix enable` or `seczim postfix disable`",
                        "a change was interrupted: main.cf and master.cf are each whole, but one "
                        "may be from before it");
    }
    hook_sites_check(&scene->config, &scene->sites, report);
    const char *silent = probe_policy(run->identity.endpoint, &scene->config, room);
    if (silent != NULL) {
        hook_report_add(report, hook_is_somewhere(&scene->sites) ? HOOK_WARNING : HOOK_NOTE,
                        "endpoint", "start it: systemctl start seczim-daemon", "%s", silent);
    }
    postfix_config_done(&scene->config);
    free(scene);
    return NULL;
}

/* Changing ------------------------------------------------------------------------------------ */

static bool same_files(const struct hook_files *a, const struct hook_files *b) {
    return str_equal(a->main_cf, b->main_cf) && str_equal(a->master_cf, b->master_cf);
}

/* The files without the hook: the saved ones where they are as `enable` left them, else the present
 * ones with our elements taken out. */
static struct hook_files make_base(const struct hook_run *run, const struct hook_store *store,
                                   const struct hook_files *now) {
    struct hook_files before = {0};
    struct hook_files work = {0};
    const bool known = hook_store_load(store, "before", &before);
    struct hook_files base = *now;
    if (known && hook_store_load(store, "work", &work)) {
        base.main_cf = str_equal(now->main_cf, work.main_cf) ? before.main_cf : base.main_cf;
        base.master_cf =
            str_equal(now->master_cf, work.master_cf) ? before.master_cf : base.master_cf;
    }
    base = hook_files_copy(base.main_cf, base.master_cf);
    (void)hook_edit_strip(&base, known ? &before : NULL, &run->identity);
    hook_files_done(&before);
    hook_files_done(&work);
    return base;
}

static char *make_diff(const struct hook_files *from, const struct hook_files *to) {
    struct text out = {.size = hook_diff_size(from->main_cf, to->main_cf) +
                               hook_diff_size(from->master_cf, to->master_cf)};
    out.data = malloc(out.size);
    CHECK(out.data != NULL);
    hook_diff(from->main_cf, to->main_cf, "main.cf", &out);
    hook_diff(from->master_cf, to->master_cf, "master.cf", &out);
    (void)text_zero(&out);
    return out.data;
}

/* All that one change needs. */
struct change {
    const struct hook_run *run;
    struct hook_outcome *outcome;
    struct hook_store store;
    struct hook_scene scene; /* before the change */
    struct hook_files now, base, next;
    enum hook_operation operation;
};

/* Between the files' change and the verdict on it nobody's ^C ends us: signals wait until the mark
 * of a change under way is gone. */
static void hold_signals(sigset_t *ret_before) {
    sigset_t held;
    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigaddset(&held, SIGHUP);
    CHECK(sigprocmask(SIG_BLOCK, &held, ret_before) == 0);
}

static bool is_greeting(const struct change *change) {
    char ignored[POSTFIX_PROBLEM_MAX];
    return change->run->reload && is_running(change->run) &&
           probe_smtp(&change->scene.config, ignored) == NULL;
}

/* Of an "enable" that was completed just now: what the interrupted command would have asked. */
static const char *judge_recovered(struct change *change, bool greeted, char *room) {
    char endpoint[512];
    struct str where = change->run->identity.endpoint;
    if (hook_store_load_endpoint(change->run->folder, endpoint, sizeof endpoint)) {
        where = str_from(endpoint);
    }
    const char *problem = probe_policy(where, &change->scene.config, room);
    if (problem == NULL && greeted) {
        problem = probe_smtp(&change->scene.config, room);
    }
    return problem;
}

/* Ends what was interrupted. An "enable" that turns out not to work is undone. */
static const char *recover(struct change *change, char *room) {
    char *said = change->outcome->recovered;
    const size_t said_size = sizeof change->outcome->recovered;
    bool changed = false;
    bool unjudged = false;
    sigset_t signals;
    const bool greeted = hook_store_is_pending(change->run->folder) && is_greeting(change);
    hold_signals(&signals);
    const char *problem =
        hook_store_recover(&change->store, &changed, &unjudged, said, said_size, room);
    if (problem == NULL && changed) {
        problem = reload(change->run, change->outcome, room);
    }
    if (unjudged) {
        const char *wrong = problem != NULL ? problem : judge_recovered(change, greeted, room);
        if (wrong == NULL) {
            problem = hook_store_finish(&change->store, room);
        } else {
            (void)snprintf(said, said_size, "An interrupted `enable` was found and undone: %s",
                           wrong);
            problem = hook_store_undo(&change->store, room);
            problem = problem == NULL ? reload(change->run, change->outcome, room) : problem;
        }
    }
    CHECK(sigprocmask(SIG_SETMASK, &signals, NULL) == 0);
    return problem;
}

/* Zimbra keeps its templates two folders up and writes main.cf and master.cf anew from them: a hook
 * put into these would be gone with its next restart. */
static const char *refuse_zimbra(const struct hook_run *run, char *room) {
    char path[sizeof run->folder + 32];
    (void)snprintf(path, sizeof path, "%s/../../conf/zmconfigd.cf", run->folder);
    if (access(path, F_OK) != 0) {
        return NULL;
    }
    (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                   "%s belongs to Zimbra, which writes main.cf and master.cf there anew from its "
                   "templates; nothing was changed: use `seczim zimbra enable`, or `seczim zimbra "
                   "disable`, which work on the templates",
                   run->folder);
    return room;
}

static const char *start(struct change *change, char *room) {
    const struct hook_run *run = change->run;
    change->store = (struct hook_store){.fd = -1, .lock = -1};
    const char *problem = refuse_zimbra(run, room);
    if (problem != NULL) {
        return problem;
    }
    if (run->dry_run) {
        hook_store_look(run->folder, &change->store);
    } else {
        /* A configuration that is not one gets no folder of ours. */
        problem = hook_scene_load(run, run->folder, &change->scene, room);
        if (problem == NULL) {
            problem = hook_store_open(run->folder, &change->store, room);
        }
        if (problem == NULL) {
            problem = recover(change, room);
        }
        postfix_config_done(&change->scene.config);
    }
    problem = problem == NULL ? hook_scene_load(run, run->folder, &change->scene, room) : problem;
    if (problem == NULL) {
        const struct postfix_config *config = &change->scene.config;
        change->now = hook_files_copy(config->main_cf, config->master_cf);
        change->base = make_base(run, &change->store, &change->now);
    }
    return problem;
}

static void end(struct change *change) {
    struct hook_files before = {0};
    if (change->store.lock >= 0 && !hook_store_load(&change->store, "before", &before)) {
        hook_store_remove(&change->store); /* Nothing was begun: nothing of ours stays. */
    }
    hook_files_done(&before);
    hook_files_done(&change->now);
    hook_files_done(&change->base);
    hook_files_done(&change->next);
    postfix_config_done(&change->scene.config);
    hook_store_close(&change->store);
    free(change);
}

/* Judges `next` against what is there now. */
static const char *verify(struct change *change, char *room) {
    struct hook_scene *tried = calloc(1, sizeof *tried);
    CHECK(tried != NULL);
    const char *problem = hook_scene_try(change->run, &change->next, true, tried, room);
    if (problem == NULL) {
        problem = hook_plan_verify(&change->scene.config, &change->scene.sites, &tried->config,
                                   &tried->sites, &change->run->identity, room);
        postfix_config_done(&tried->config);
    }
    free(tried);
    return problem;
}

static const char *after_change(struct change *change, bool greeted, char *room) {
    const char *problem = reload(change->run, change->outcome, room);
    if (problem == NULL && change->operation == HOOK_ENABLE) {
        problem = probe_policy(change->run->identity.endpoint, &change->scene.config, room);
    }
    if (problem == NULL && greeted) {
        problem = probe_smtp(&change->scene.config, room);
    }
    return problem;
}

/* Puts everything back after `problem`, which stands in `room`, and adds there how that went. */
static const char *undo(struct change *change, bool hook_was_there, char *room) {
    char undone[POSTFIX_PROBLEM_MAX];
    char silent[POSTFIX_PROBLEM_MAX];
    const char *failed = hook_store_undo(&change->store, undone);
    const char *reloaded = reload(change->run, change->outcome, silent);
    failed = failed != NULL ? failed : reloaded;
    if (failed == NULL && !hook_was_there) {
        hook_store_remove(&change->store); /* There is nothing to keep for it. */
    }
    const size_t length = strlen(room);
    (void)snprintf(room + length, POSTFIX_PROBLEM_MAX - length, "; %s",
                   failed != NULL ? failed : "everything was put back as it was");
    return room;
}

static const char *put_files(struct change *change, char *room) {
    struct hook_store *store = &change->store;
    const char *problem = hook_store_save(store, "before", &change->base, room);
    problem = problem == NULL ? hook_store_save(store, "work", &change->next, room) : problem;
    problem = problem == NULL
                  ? hook_store_save_endpoint(store, change->run->identity.endpoint, room)
                  : problem;
    return problem == NULL ? hook_store_put(store, change->operation, &change->now, room) : problem;
}

static const char *put(struct change *change, char *room) {
    const struct hook_run *run = change->run;
    const bool greeted = is_greeting(change);
    if (!greeted && run->reload) {
        hook_report_add(&change->outcome->report, HOOK_NOTE, "mail server",
                        "send a message through it",
                        "it was not asked whether it still greets: not running, or no service of "
                        "master.cf greeted before the change");
    }
    sigset_t signals;
    hold_signals(&signals);
    const char *problem = put_files(change, room);
    if (problem == NULL) {
        problem = after_change(change, greeted, room);
    }
    if (problem == NULL) {
        change->outcome->changed = true;
        problem = hook_store_finish(&change->store, room);
    } else if (hook_store_is_pending(run->folder)) {
        problem = undo(change, !same_files(&change->base, &change->now), room);
    }
    CHECK(sigprocmask(SIG_SETMASK, &signals, NULL) == 0);
    return problem;
}

static const char *apply(struct change *change, char *room) {
    if (same_files(&change->now, &change->next)) {
        return NULL;
    }
    const char *problem = verify(change, room);
    if (problem != NULL) {
        return problem;
    }
    change->outcome->diff = make_diff(&change->now, &change->next);
    return change->run->dry_run ? NULL : put(change, room);
}

/* Enable -------------------------------------------------------------------------------------- */

/* Adds one hook after the other to `next`. */
static const char *plan(struct change *change, char *room) {
    bool skipped[HOOK_SITES_MAX] = {false};
    const bool anew = hook_plan_starts_anew(&change->scene.sites);
    const struct hook_files *from = anew ? &change->base : &change->now;
    change->next = hook_files_copy(from->main_cf, from->master_cf);
    struct hook_scene *tried = calloc(1, sizeof *tried);
    CHECK(tried != NULL);
    const char *problem = NULL;
    enum hook_step step = HOOK_STEP_EDITED;
    for (size_t i = 0; problem == NULL && step == HOOK_STEP_EDITED && i < STEPS_MAX; i++) {
        problem = hook_scene_try(change->run, &change->next, false, tried, room);
        if (problem == NULL) {
            step = hook_plan_step(&tried->sites, &change->run->identity, skipped, &change->next,
                                  &change->outcome->report, room);
            problem = step == HOOK_STEP_REFUSED ? room : NULL;
            postfix_config_done(&tried->config);
        }
    }
    free(tried);
    return problem;
}

static struct change *new_change(const struct hook_run *run, enum hook_operation operation,
                                 struct hook_outcome *outcome) {
    struct change *change = calloc(1, sizeof *change);
    CHECK(change != NULL);
    *outcome = (struct hook_outcome){0};
    change->run = run;
    change->outcome = outcome;
    change->operation = operation;
    return change;
}

const char *hook_run_enable(const struct hook_run *run, struct hook_outcome *ret_outcome,
                            char *room) {
    struct change *change = new_change(run, HOOK_ENABLE, ret_outcome);
    const char *problem = start(change, room);
    if (problem == NULL && hook_postfix_is_too_old(&change->scene.config)) {
        problem = HOOK_TOO_OLD;
    }
    if (problem == NULL && !run->dry_run) {
        problem = probe_policy(run->identity.endpoint, &change->scene.config, room);
    }
    problem = problem == NULL ? plan(change, room) : problem;
    problem = problem == NULL ? apply(change, room) : problem;
    end(change);
    return problem;
}

/* Disable ------------------------------------------------------------------------------------- */

const char *hook_run_disable(const struct hook_run *run, struct hook_outcome *ret_outcome,
                             char *room) {
    struct change *change = new_change(run, HOOK_DISABLE, ret_outcome);
    const char *problem = start(change, room);
    if (problem == NULL) {
        change->next = hook_files_copy(change->base.main_cf, change->base.master_cf);
        problem = apply(change, room);
    }
    if (problem == NULL && !run->dry_run) {
        hook_store_remove(&change->store);
    }
    end(change);
    return problem;
}
