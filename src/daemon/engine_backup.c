/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/durable_file.h"
#include "daemon/engine_internal.h"

/* A backup while the daemon runs. The state is not copied out of memory, which would hold up
 * answers or be blurred: it is built a second time from snapshot and journal, up to one sequence.
 */

#define SYNC_PATIENCE_NS INT64_C(10000000000)

enum { INSTALLATION_BYTES_MAX = 4096, COPY_PAGES = 2048 };

static int save_state(struct engine *engine, const char *folder, struct text *problem) {
    int error = journal_sync(engine->journal, SYNC_PATIENCE_NS);
    if (error != 0) {
        return engine_fail(problem, "cannot sync the journal in", engine->journal_folder, -error);
    }
    const uint64_t until = journal_synced(engine->journal);
    struct state state = {0};
    size_t bytes[STATE_TABLES] = {0};
    error =
        engine_state_new(&state, engine->in_force->settings, &engine->state.key, bytes, problem);
    struct recovery recovery = {0};
    error = error != 0 ? error : recovery_begin(&recovery, &state, engine, NULL, problem);
    if (error == 0) {
        error = recovery_run(&recovery, until);
        for (unsigned id = 0; id < STATE_TABLES; id++) {
            state_table_recount(&state.tables[id]);
        }
        error = error != 0 ? error : snapshot_save_sharp(folder, &state, until);
        error = error != 0 ? engine_fail(problem, "cannot save the state in", folder, -error) : 0;
    }
    recovery_end(&recovery);
    engine_state_free(&state, bytes);
    return error;
}

static bool stop_asked(const struct engine_stop *stop) {
    return stop != NULL && stop->is_asked(stop->context);
}

/* Piece by piece, all of one moment: the read transaction stays open, or each commit of the
 * recorder would begin the copy anew. */
static int copy_pages(sqlite3 *source, sqlite3_backup *copy, const struct engine_stop *stop) {
    int code = sqlite3_exec(source, "BEGIN; SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
    while (code == SQLITE_OK) {
        if (stop_asked(stop)) {
            return SQLITE_INTERRUPT;
        }
        code = sqlite3_backup_step(copy, COPY_PAGES);
    }
    return code;
}

static int copy_database(const char *from, const char *to, const struct engine_stop *stop) {
    sqlite3 *source = NULL;
    sqlite3 *target = NULL;
    int code = sqlite3_open_v2(from, &source, SQLITE_OPEN_READONLY, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_open_v2(to, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    }
    if (code == SQLITE_OK) {
        sqlite3_backup *copy = sqlite3_backup_init(target, "main", source, "main");
        code = copy != NULL ? copy_pages(source, copy, stop) : sqlite3_errcode(target);
        (void)sqlite3_backup_finish(copy);
    }
    (void)sqlite3_close(source);
    (void)sqlite3_close(target);
    return code == SQLITE_DONE ? 0 : code == SQLITE_INTERRUPT ? -ECANCELED : -EIO;
}

static int copy_one(const struct engine *engine, const char *folder, const char *name,
                    const struct engine_stop *stop, struct text *problem) {
    char from[2 * PATH_MAX];
    char to[2 * PATH_MAX];
    (void)snprintf(from, sizeof from, "%s/%s", engine->history_folder, name);
    (void)snprintf(to, sizeof to, "%s/history/%s", folder, name);
    const int error = copy_database(from, to, stop);
    if (error == 0 || error == -ECANCELED) {
        return error;
    }
    /* Retention may have taken it away meanwhile. */
    return access(from, F_OK) != 0 ? 0 : engine_fail(problem, "cannot copy", from, EIO);
}

static int copy_history(const struct engine *engine, const char *folder,
                        const struct engine_stop *stop, struct text *problem) {
    DIR *history = opendir(engine->history_folder);
    if (history == NULL) {
        return engine_fail(problem, "cannot read", engine->history_folder, errno);
    }
    int error = 0;
    const struct dirent *entry;
    while (error == 0 && (entry = readdir(history)) != NULL) {
        if (str_ends(str_from(entry->d_name), STR(".db"))) {
            error = copy_one(engine, folder, entry->d_name, stop, problem);
        }
    }
    (void)closedir(history);
    return error;
}

static int copy_installation(const struct engine *engine, int folder_fd, const char *folder,
                             struct text *problem) {
    const int data_fd = open(engine->data_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (data_fd < 0) {
        return engine_fail(problem, "cannot read", engine->data_folder, errno);
    }
    char *bytes;
    size_t length;
    int error = durable_file_load(data_fd, "installation", INSTALLATION_BYTES_MAX, &bytes, &length);
    (void)close(data_fd);
    if (error == 0) {
        error = durable_file_save(folder_fd, "installation", bytes, length, 0600);
        free(bytes);
    }
    return error != 0 ? engine_fail(problem, "cannot copy the file installation to", folder, -error)
                      : 0;
}

/* Restored numbers must not be given again: the run's file goes along. */
static int copy_run(const struct engine *engine, int folder_fd, const char *folder,
                    struct text *problem) {
    const int from_fd = open(engine->journal_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int to_fd = openat(folder_fd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *bytes;
    size_t length;
    int error = from_fd < 0 || to_fd < 0
                    ? -EIO
                    : durable_file_load(from_fd, "run", INSTALLATION_BYTES_MAX, &bytes, &length);
    if (error == 0) {
        error = durable_file_save(to_fd, "run", bytes, length, 0600);
        free(bytes);
    }
    (void)close(from_fd);
    (void)close(to_fd);
    return error != 0 ? engine_fail(problem, "cannot copy the journal's run to", folder, -error)
                      : 0;
}

static int fill_folder(struct engine *engine, const char *folder, int folder_fd,
                       const struct engine_stop *stop, struct text *problem) {
    if (mkdirat(folder_fd, "history", 0700) != 0 || mkdirat(folder_fd, "journal", 0700) != 0) {
        return engine_fail(problem, "cannot create folders in", folder, errno);
    }
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/config.db", folder);
    int error = config_db_backup(engine_config_lock(engine), path);
    engine_config_unlock(engine);
    if (error != 0) {
        return engine_fail(problem, "cannot write", path, -error);
    }
    engine_keep_journal(engine, true);
    error = save_state(engine, folder, problem);
    engine_keep_journal(engine, false);
    error = error != 0 ? error : copy_installation(engine, folder_fd, folder, problem);
    error = error != 0 ? error : copy_run(engine, folder_fd, folder, problem);
    error = error != 0 ? error : copy_history(engine, folder, stop, problem);
    return error;
}

/* Under its own name only complete. Nothing that appeared there meanwhile is replaced. */
static int put_in_place(const char *partial, const char *folder, struct text *problem) {
    if (renameat2(AT_FDCWD, partial, AT_FDCWD, folder, RENAME_NOREPLACE) != 0) {
        return engine_fail(problem, "cannot give the backup its name", folder, errno);
    }
    char above[PATH_MAX];
    (void)snprintf(above, sizeof above, "%s", folder);
    *strrchr(above, '/') = '\0';
    const int above_fd = open(above[0] != '\0' ? above : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above_fd >= 0) {
        (void)fsync(above_fd);
        (void)close(above_fd);
    }
    return 0;
}

static int fill_and_sync(struct engine *engine, const char *partial, const struct engine_stop *stop,
                         struct text *problem) {
    const int folder_fd = open(partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        return engine_fail(problem, "cannot open", partial, errno);
    }
    int error = fill_folder(engine, partial, folder_fd, stop, problem);
    if (error == -ECANCELED) {
        text_add(problem, STR("the service is being stopped or restarted; make the backup anew"));
    }
    if (error == 0 && fsync(folder_fd) != 0) {
        error = engine_fail(problem, "cannot sync", partial, errno);
    }
    (void)close(folder_fd);
    return error;
}

int engine_backup(struct engine *engine, const char *folder, const struct engine_stop *stop,
                  struct text *problem) {
    char partial[PATH_MAX];
    struct stat status;
    const int length = snprintf(partial, sizeof partial, "%s.partial", folder);
    if (folder[0] != '/' || str_ends(str_from(folder), STR("/")) || length >= PATH_MAX) {
        text_add(problem, STR("the folder must be an absolute path that ends in a name"));
        return -EINVAL;
    }
    if (lstat(folder, &status) == 0) {
        return engine_fail(problem, "cannot create the folder", folder, EEXIST);
    }
    if (mkdir(partial, 0700) != 0) {
        return engine_fail(problem, "cannot create the folder", partial, errno);
    }
    int error = fill_and_sync(engine, partial, stop, problem);
    error = error != 0 ? error : put_in_place(partial, folder, problem);
    if (error != 0) {
        text_add(problem, STR("; remove the unfinished "));
        text_add_escaped(problem, str_from(partial));
    }
    return error;
}
