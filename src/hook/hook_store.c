/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/durable_file.h"
#include "base/failpoint.h"
#include "hook/file_attributes.h"

#define FOLDER  "seczim-hook"
#define PENDING "pending"

enum { PENDING_MAX = 64, FOLDER_MODE = 0700, SECRET_MODE = 0600 };

static const char *const file_names[] = {"main.cf", "master.cf"};
static const char *const parts[] = {"before", "old", "work"};
static const char *const operations[] = {"enable", "disable", "undo"};
enum { FILES = 2, PARTS = 3, OPERATIONS = 3 };

static struct str *file_of(struct hook_files *files, size_t i) {
    return i == 0 ? &files->main_cf : &files->master_cf;
}

static struct str text_of(const struct hook_files *files, size_t i) {
    return i == 0 ? files->main_cf : files->master_cf;
}

static const char *complain(char *room, const char *what, const char *name, int error) {
    (void)snprintf(room, POSTFIX_PROBLEM_MAX, "%s %s: %s", what, name, strerror(error));
    return room;
}

/* Opening ------------------------------------------------------------------------------------- */

const char *hook_store_open(const char *config, struct hook_store *ret_store, char *room) {
    struct hook_store store = {.fd = -1, .lock = -1};
    (void)snprintf(store.config, sizeof store.config, "%s", config);
    (void)snprintf(store.folder, sizeof store.folder, "%s/" FOLDER, config);
    const int made = durable_folder_make(store.folder, FOLDER_MODE);
    if (made != 0) {
        return complain(room, "nothing was changed, because there is no writing to", store.folder,
                        -made);
    }
    store.fd = open(store.folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (store.fd >= 0) {
        store.lock = openat(store.fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    if (store.lock < 0) {
        const int error = errno;
        hook_store_close(&store);
        return complain(room, "nothing was changed, because there is no writing to", store.folder,
                        error);
    }
    if (flock(store.lock, LOCK_EX | LOCK_NB) != 0) {
        hook_store_close(&store);
        (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                       "another `seczim postfix` is at work on %s; try again when it is done",
                       config);
        return room;
    }
    *ret_store = store;
    return NULL;
}

void hook_store_look(const char *config, struct hook_store *ret_store) {
    struct hook_store store = {.fd = -1, .lock = -1};
    (void)snprintf(store.config, sizeof store.config, "%s", config);
    (void)snprintf(store.folder, sizeof store.folder, "%s/" FOLDER, config);
    store.fd = open(store.folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    *ret_store = store;
}

void hook_store_close(struct hook_store *store) {
    if (store->lock >= 0) {
        (void)close(store->lock);
    }
    if (store->fd >= 0) {
        (void)close(store->fd);
    }
    store->fd = store->lock = -1;
}

bool hook_store_is_pending(const char *config) {
    char path[600];
    (void)snprintf(path, sizeof path, "%s/" FOLDER "/" PENDING, config);
    return access(path, F_OK) == 0;
}

/* Parts --------------------------------------------------------------------------------------- */

const char *hook_store_save(struct hook_store *store, const char *part,
                            const struct hook_files *files, char *room) {
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s", store->folder, part);
    int error = durable_folder_make(path, FOLDER_MODE);
    const int fd = error == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    error = error == 0 && fd < 0 ? -errno : error;
    for (size_t i = 0; error == 0 && i < FILES; i++) {
        const struct str text = text_of(files, i);
        failpoint("hook.save");
        error = durable_file_save(fd, file_names[i], text.data, text.length, 0644);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return error == 0 ? NULL
                      : complain(room, "nothing was changed, because there is no writing to", path,
                                 -error);
}

const char *hook_store_save_endpoint(struct hook_store *store, struct str endpoint, char *room) {
    const int error =
        durable_file_save(store->fd, "endpoint", endpoint.data, endpoint.length, SECRET_MODE);
    return error == 0 ? NULL : complain(room, "cannot write", "endpoint", -error);
}

bool hook_store_load_endpoint(const char *config, char *ret_endpoint, size_t size) {
    char path[600];
    (void)snprintf(path, sizeof path, "%s/" FOLDER, config);
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char *bytes = NULL;
    size_t length = 0;
    if (fd < 0) {
        return false;
    }
    const bool loaded = durable_file_load(fd, "endpoint", size - 1, &bytes, &length) == 0;
    (void)close(fd);
    if (loaded) {
        (void)snprintf(ret_endpoint, size, "%s", bytes);
    }
    free(bytes);
    return loaded && length > 0;
}

bool hook_store_load(const struct hook_store *store, const char *part,
                     struct hook_files *ret_files) {
    struct hook_files files = {0};
    const int fd = openat(store->fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = fd < 0 ? -errno : 0;
    for (size_t i = 0; error == 0 && i < FILES; i++) {
        char *bytes = NULL;
        size_t length = 0;
        error = durable_file_load(fd, file_names[i], POSTFIX_FILE_MAX, &bytes, &length);
        if (error == 0) {
            *file_of(&files, i) = (struct str){bytes, length};
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (error != 0) {
        hook_files_done(&files);
        return false;
    }
    *ret_files = files;
    return true;
}

/* Replacing the real files -------------------------------------------------------------------- */

/* A symbolic link stays: what it leads to is replaced. */
struct target {
    char folder[PATH_MAX];
    const char *name; /* in `folder`'s bytes */
    int fd;
};

static int open_target(const struct hook_store *store, const char *name, struct target *target) {
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s", store->config, name);
    if (realpath(path, target->folder) == NULL) {
        return -errno;
    }
    char *slash = strrchr(target->folder, '/');
    *slash = '\0';
    target->name = slash + 1;
    target->fd =
        open(slash == target->folder ? "/" : target->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return target->fd < 0 ? -errno : 0;
}

static int write_all(int fd, struct str text) {
    for (size_t at = 0; at < text.length;) {
        const ssize_t written = write(fd, text.data + at, text.length - at);
        if (written < 0 && errno != EINTR) {
            return -errno;
        }
        at += written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* The new file gets owner, mode and attributes of the old one and appears whole. */
static int replace_target(const struct target *target, struct str text) {
    char temporary[NAME_MAX + 16];
    struct stat like;
    (void)snprintf(temporary, sizeof temporary, "%s.seczim", target->name);
    if (fstatat(target->fd, target->name, &like, AT_SYMLINK_NOFOLLOW) != 0) {
        return -errno;
    }
    (void)unlinkat(target->fd, temporary, 0);
    const int fd = openat(target->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    int error = fchown(fd, like.st_uid, like.st_gid) == 0 ? 0 : -errno;
    if (error == 0 && fchmod(fd, like.st_mode & 07777) != 0) {
        error = -errno;
    }
    if (error == 0) {
        file_attributes_copy(target->fd, target->name, fd);
    }
    error = error == 0 ? write_all(fd, text) : error;
    failpoint("hook.rename");
    if (error == 0) {
        error = durable_file_commit(target->fd, fd, temporary, target->name);
    } else {
        (void)unlinkat(target->fd, temporary, 0);
    }
    failpoint("hook.renamed");
    (void)close(fd);
    return error;
}

static int replace_file(const struct hook_store *store, size_t i, struct str text) {
    struct target target = {.fd = -1};
    int error = open_target(store, file_names[i], &target);
    if (error == 0) {
        error = replace_target(&target, text);
    }
    if (target.fd >= 0) {
        (void)close(target.fd);
    }
    return error;
}

static bool is_now(const struct hook_store *store, size_t i, struct str text) {
    struct target target = {.fd = -1};
    char *bytes = NULL;
    size_t length = 0;
    bool same = false;
    if (open_target(store, file_names[i], &target) == 0 &&
        durable_file_load(target.fd, target.name, POSTFIX_FILE_MAX, &bytes, &length) == 0) {
        same = str_equal((struct str){bytes, length}, text);
        free(bytes);
    }
    if (target.fd >= 0) {
        (void)close(target.fd);
    }
    return same;
}

static const char *replace_all(struct hook_store *store, const struct hook_files *files,
                               char *room) {
    for (size_t i = 0; i < FILES; i++) {
        const struct str text = text_of(files, i);
        if (is_now(store, i, text)) {
            continue;
        }
        const int error = replace_file(store, i, text);
        if (error != 0) {
            return complain(room, "cannot replace", file_names[i], -error);
        }
    }
    return NULL;
}

static const char *mark(struct hook_store *store, enum hook_operation operation, char *room) {
    const char *word = operations[operation];
    const int error = durable_file_save(store->fd, PENDING, word, strlen(word), SECRET_MODE);
    failpoint("hook.marked");
    return error == 0 ? NULL : complain(room, "cannot write", PENDING, -error);
}

const char *hook_store_put(struct hook_store *store, enum hook_operation operation,
                           const struct hook_files *old, char *room) {
    struct hook_files work = {0};
    const char *problem = hook_store_save(store, "old", old, room);
    if (problem != NULL) {
        return problem;
    }
    for (size_t i = 0; i < FILES; i++) {
        if (!is_now(store, i, text_of(old, i))) {
            (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                           "%s was changed by somebody else just now; nothing was changed, try "
                           "again",
                           file_names[i]);
            return room;
        }
    }
    if (!hook_store_load(store, "work", &work)) {
        return complain(room, "cannot read", "work", errno);
    }
    problem = mark(store, operation, room);
    problem = problem != NULL ? problem : replace_all(store, &work, room);
    hook_files_done(&work);
    return problem;
}

/* Puts old/ back where the file is what we wrote; a file that somebody edited since stays, with the
 * hook in it, and its name is returned in *ret_foreign. */
static const char *put_back(struct hook_store *store, const struct hook_files *old,
                            const struct hook_files *work, const char **ret_foreign, char *room) {
    for (size_t i = 0; i < FILES; i++) {
        if (is_now(store, i, text_of(old, i))) {
            continue;
        }
        if (!is_now(store, i, text_of(work, i))) {
            *ret_foreign = file_names[i];
            continue;
        }
        const int error = replace_file(store, i, text_of(old, i));
        if (error != 0) {
            return complain(room, "cannot replace", file_names[i], -error);
        }
    }
    return NULL;
}

const char *hook_store_undo(struct hook_store *store, char *room) {
    struct hook_files old = {0};
    struct hook_files work = {0};
    const char *foreign = NULL;
    const char *problem = NULL;
    if (!hook_store_load(store, "old", &old) || !hook_store_load(store, "work", &work)) {
        problem = complain(room, "cannot read", "old or work", errno);
    }
    problem = problem != NULL ? problem : mark(store, HOOK_UNDO, room);
    problem = problem != NULL ? problem : put_back(store, &old, &work, &foreign, room);
    hook_files_done(&old);
    hook_files_done(&work);
    problem = problem != NULL ? problem : hook_store_finish(store, room);
    if (problem == NULL && foreign != NULL) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                       "%s was changed by somebody else meanwhile and stays as it is, with the "
                       "change under way in it; look at it, then run `seczim postfix check`",
                       foreign);
        problem = room;
    }
    return problem;
}

const char *hook_store_finish(struct hook_store *store, char *room) {
    failpoint("hook.finish");
    if (unlinkat(store->fd, PENDING, 0) != 0 && errno != ENOENT) {
        return complain(room, "cannot remove", PENDING, errno);
    }
    return fsync(store->fd) == 0 ? NULL : complain(room, "cannot sync", store->folder, errno);
}

void hook_store_remove(struct hook_store *store) {
    for (size_t i = 0; i < PARTS; i++) {
        for (size_t j = 0; j < FILES; j++) {
            char path[64];
            (void)snprintf(path, sizeof path, "%s/%s", parts[i], file_names[j]);
            (void)unlinkat(store->fd, path, 0);
            (void)snprintf(path, sizeof path, "%s/%s.tmp", parts[i], file_names[j]);
            (void)unlinkat(store->fd, path, 0);
        }
        (void)unlinkat(store->fd, parts[i], AT_REMOVEDIR);
        failpoint("hook.remove");
    }
    (void)unlinkat(store->fd, PENDING ".tmp", 0);
    (void)unlinkat(store->fd, "endpoint.tmp", 0);
    (void)unlinkat(store->fd, "endpoint", 0);
    (void)unlinkat(store->fd, "lock", 0);
    (void)rmdir(store->folder);
}

/* Recovering ---------------------------------------------------------------------------------- */

static bool read_pending(const struct hook_store *store, enum hook_operation *ret_operation) {
    char *bytes = NULL;
    size_t length = 0;
    if (durable_file_load(store->fd, PENDING, PENDING_MAX, &bytes, &length) != 0) {
        return false;
    }
    *ret_operation = HOOK_UNDO; /* A word of another version: the old files are safe. */
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (str_equal((struct str){bytes, length}, str_from(operations[i]))) {
            *ret_operation = (enum hook_operation)i;
        }
    }
    free(bytes);
    return true;
}

/* Where each file is either old or new, the rest is put in place; else somebody else has worked on
 * them, and theirs stay. */
static const char *recover(struct hook_store *store, enum hook_operation operation,
                           const struct hook_files *old, const struct hook_files *work,
                           bool *ret_changed, char *said, size_t said_size, char *room) {
    for (size_t i = 0; i < FILES; i++) {
        if (!is_now(store, i, text_of(old, i)) && !is_now(store, i, text_of(work, i))) {
            (void)snprintf(said, said_size,
                           "An interrupted `%s` was found, but %s was changed by somebody else "
                           "since: both files stay as they are.",
                           operations[operation], file_names[i]);
            return NULL;
        }
    }
    *ret_changed = true;
    (void)snprintf(said, said_size,
                   operation == HOOK_UNDO ? "An interrupted change was found and undone."
                                          : "An interrupted `%s` was found and completed.",
                   operations[operation]);
    return replace_all(store, operation == HOOK_UNDO ? old : work, room);
}

const char *hook_store_recover(struct hook_store *store, bool *ret_changed, bool *ret_unjudged,
                               char *said, size_t said_size, char *room) {
    enum hook_operation operation = HOOK_UNDO;
    struct hook_files old = {0};
    struct hook_files work = {0};
    *ret_changed = *ret_unjudged = false;
    said[0] = '\0';
    if (!read_pending(store, &operation)) {
        return NULL;
    }
    const char *problem = NULL;
    if (hook_store_load(store, "old", &old) && hook_store_load(store, "work", &work)) {
        problem = recover(store, operation, &old, &work, ret_changed, said, said_size, room);
    } else {
        (void)snprintf(said, said_size,
                       "A mark of an interrupted `%s` was found, but not its files: main.cf and "
                       "master.cf stay as they are.",
                       operations[operation]);
    }
    hook_files_done(&old);
    hook_files_done(&work);
    *ret_unjudged = problem == NULL && *ret_changed && operation == HOOK_ENABLE;
    return problem != NULL || *ret_unjudged ? problem : hook_store_finish(store, room);
}
