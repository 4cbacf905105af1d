/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "hook/hook_run.h"

/* The text with every `from` replaced by `to`; heap memory, the old one is freed. */
static struct str replace_folder(struct str text, struct str from, struct str to) {
    struct text out = {.size = text.length + 1};
    for (size_t at = 0; at + from.length <= text.length; at++) {
        out.size += str_starts(str_slice(text, at, text.length), from) ? to.length : 0;
    }
    out.data = malloc(out.size);
    CHECK(out.data != NULL);
    for (size_t at = 0; at < text.length;) {
        if (str_starts(str_slice(text, at, text.length), from)) {
            text_add(&out, to);
            at += from.length;
        } else {
            text_add_byte(&out, text.data[at++]);
        }
    }
    free((char *)(uintptr_t)text.data);
    return text_str(&out);
}

/* Of a copy: $config_directory in a value leads to the copy's folder; what is compared is what it
 * will be once the files are in place. */
static void name_real_folder(struct postfix_config *config, const char *folder) {
    struct str *const resolved[] = {&config->main_used, &config->master_used};
    for (size_t i = 0; i < sizeof resolved / sizeof resolved[0]; i++) {
        *resolved[i] = replace_folder(*resolved[i], str_from(config->folder), str_from(folder));
    }
}

const char *hook_scene_load(const struct hook_run *run, const char *folder,
                            struct hook_scene *ret_scene, char *room) {
    const char *problem = postfix_config_load(&run->programs, folder, &ret_scene->config, room);
    if (problem != NULL) {
        return problem;
    }
    if (strcmp(folder, run->folder) != 0) {
        name_real_folder(&ret_scene->config, run->folder);
    }
    problem = hook_sites_find(&ret_scene->config, &run->identity, &ret_scene->sites, room);
    if (problem != NULL) {
        postfix_config_done(&ret_scene->config);
    }
    return problem;
}

bool hook_run_postfix(const struct hook_run *run, const char *folder, const char *verb,
                      struct program_result *ret_result) {
    const char *arguments[] = {run->programs.postfix, "-c", folder, verb, NULL};
    return program_run(arguments, POSTFIX_SECONDS_MAX, ret_result);
}

static const char *check_postfix(const struct hook_run *run, const char *folder, char *room) {
    struct program_result result;
    const char *problem = NULL;
    if (run->programs.postfix[0] == '\0' || geteuid() != 0) {
        return NULL; /* It works for root only; postconf has judged already. */
    }
    if (!hook_run_postfix(run, folder, "check", &result)) {
        const struct str said = str_trim(result.errors);
        struct program_result as_it_is;
        const bool before = hook_run_postfix(run, run->folder, "check", &as_it_is);
        program_result_done(&as_it_is);
        (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                       "`postfix check` does not accept %s: %.*s; nothing was changed",
                       before ? "what would come of it" : "the configuration as it is",
                       STR_ARGS(said.length > 0 ? said : STR("the mail log says why")));
        problem = room;
    }
    program_result_done(&result);
    return problem;
}

static int write_file(const char *folder, const char *name, struct str text) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wxe");
    if (file == NULL) {
        return -errno;
    }
    /* Not synced: it is there for the time of two questions. */
    const bool written = fwrite(text.data, 1, text.length, file) == text.length;
    if (fclose(file) != 0 || !written) {
        return -EIO;
    }
    /* Postfix reads a file of this second again and again until it is older: somebody could still
     * be writing. Here nobody is. */
    static const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    return utimensat(AT_FDCWD, path, long_ago, 0) == 0 ? 0 : -errno;
}

static int write_files(const char *folder, const struct hook_files *files) {
    const int error = write_file(folder, "main.cf", files->main_cf);
    return error != 0 ? error : write_file(folder, "master.cf", files->master_cf);
}

static void remove_folder(const char *folder) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/main.cf", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/master.cf", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

const char *hook_scene_try(const struct hook_run *run, const struct hook_files *files, bool check,
                           struct hook_scene *ret_scene, char *room) {
    char folder[] = "/tmp/seczim-hook-XXXXXX";
    const char *made = mkdtemp(folder);
    const int error = made == NULL ? -errno : write_files(folder, files);
    const char *problem = NULL;
    if (error != 0) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "cannot write a copy into /tmp: %s",
                       strerror(-error));
        problem = room;
    }
    problem = problem == NULL && check ? check_postfix(run, folder, room) : problem;
    problem = problem == NULL ? hook_scene_load(run, folder, ret_scene, room) : problem;
    if (made != NULL) {
        remove_folder(folder);
    }
    return problem;
}
