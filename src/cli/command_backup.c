/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/copy_folder.h"

enum { PATH_BYTES = 4096 };

int command_backup(struct cli *cli) {
    const char *folder = cli_take_word(cli);
    int status = folder == NULL ? cli_usage(cli, "into which folder? (it must not exist yet)")
                                : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    if (folder[0] != '/') {
        return cli_usage(cli, "the folder must be an absolute path: the daemon writes it");
    }
    json_t *body = json_pack("{s:s}", "folder", folder);
    json_t *answer = cli_ask(cli, "POST", "/v1/backup", body, &status);
    if (answer != NULL && !cli_print_json(cli, answer)) {
        printf("The backup is complete in ");
        cli_print_text(folder);
        puts(". It holds addresses of people: keep it as safe as the mail itself.");
    }
    json_decref(answer);
    return status;
}

static int fail(const char *what, const char *path, int error) {
    (void)fprintf(stderr, "seczim restore: %s %s: %s\n", what, path, strerror(error));
    return EXIT_NO;
}

/* The daemon holds this lock as long as it runs. 0, or EWOULDBLOCK when it does. */
static int lock_data(const char *data, int *ret_fd) {
    char path[PATH_BYTES + 64];
    (void)snprintf(path, sizeof path, "%s/journal/lock", data);
    *ret_fd = open(path, O_RDWR | O_CLOEXEC);
    if (*ret_fd < 0) {
        return errno == ENOENT ? 0 : errno;
    }
    return flock(*ret_fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

/* The journal of the backup is its snapshot; only the number of the last run comes along, the
 * larger of both, so that no sequence number is ever used twice. */
static int keep_run(const char *data, const char *fresh) {
    char from[PATH_BYTES + 64];
    char to[PATH_BYTES + 64];
    (void)snprintf(to, sizeof to, "%s/journal", fresh);
    if (mkdir(to, 0700) != 0 && errno != EEXIST) {
        return errno;
    }
    (void)snprintf(from, sizeof from, "%s/journal/run", data);
    (void)snprintf(to, sizeof to, "%s/journal/run", fresh);
    struct stat present;
    if (stat(from, &present) != 0) {
        return errno == ENOENT ? 0 : errno;
    }
    return copy_file_if_greater(from, to);
}

static int replace(const char *backup, const char *data) {
    char fresh[PATH_BYTES + 32];
    char before[PATH_BYTES + 64];
    (void)snprintf(fresh, sizeof fresh, "%s.restoring", data);
    (void)snprintf(before, sizeof before, "%s.before-restore-%lld", data,
                   (long long)(clock_wall_ns() / NS_PER_S));
    struct stat owner;
    const bool present = stat(data, &owner) == 0;
    int error = copy_folder(backup, fresh, present ? &owner : NULL);
    if (error == EEXIST) {
        (void)fprintf(stderr, "seczim restore: %s is left of a restore that failed; remove it\n",
                      fresh);
        return EXIT_NO;
    }
    if (error != 0) {
        return fail("cannot copy into", fresh, error);
    }
    if (present) {
        error = keep_run(data, fresh);
        if (error != 0) {
            return fail("cannot take over the run number into", fresh, error);
        }
    }
    switch (swap_folder(fresh, data, present ? before : NULL, &error)) {
    case FOLDER_NOT_SET_ASIDE:
        return fail("cannot set aside", data, error);
    case FOLDER_PUT_BACK:
        (void)fail("cannot put the restored folder in the place of", data, error);
        (void)fprintf(stderr, "Nothing has changed; the copy is in %s: remove it.\n", fresh);
        return EXIT_NO;
    case FOLDER_LEFT_ASIDE:
        (void)fail("cannot put the restored folder in the place of", data, error);
        (void)fprintf(stderr,
                      "What stood there is in %s and could not be put back; the copy of the backup "
                      "is in %s. Rename one of them to %s before the daemon starts.\n",
                      before, fresh, data);
        return EXIT_NO;
    case FOLDER_SWAPPED:
        break;
    }
    printf("%s is restored from %s.\n", data, backup);
    if (present) {
        printf("What stood there before is in %s; remove it when all is well.\n", before);
    }
    return EXIT_DONE;
}

/* "/var/lib/seczim/" would put its neighbours into it. */
static const char *without_slashes(const char *path) {
    static char plain[PATH_BYTES];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    if (length >= sizeof plain) {
        return path;
    }
    memcpy(plain, path, length);
    plain[length] = '\0';
    return plain;
}

int command_restore(struct cli *cli) {
    static const char *const needed[] = {"installation", "config.db"};
    const char *data = cli_take_value(cli, "data");
    const char *backup = cli_take_word(cli);
    int status = backup == NULL || data == NULL
                     ? cli_usage(cli, "from which backup, into which data folder (--data)?")
                     : cli_no_more(cli);
    if (status != EXIT_DONE) {
        return status;
    }
    data = without_slashes(data);
    if (strlen(data) >= PATH_BYTES || strlen(backup) >= PATH_BYTES) {
        return fail("cannot use", data, ENAMETOOLONG);
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        char path[PATH_BYTES + 64];
        (void)snprintf(path, sizeof path, "%s/%s", backup, needed[i]);
        if (access(path, R_OK) != 0) {
            return fail("this is not a whole backup:", path, errno);
        }
    }
    int lock = -1;
    const int error = lock_data(data, &lock);
    if (error == EWOULDBLOCK) {
        (void)fprintf(stderr, "seczim restore: the daemon is running on %s; stop it first\n", data);
        return EXIT_NO;
    }
    status = error != 0 ? fail("cannot lock", data, error) : replace(backup, data);
    if (lock >= 0) {
        (void)close(lock);
    }
    return status;
}
