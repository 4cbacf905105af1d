/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/http_server.h"

/* A full backlog refuses at once: a burst of connections is to wait instead. */
enum { LISTEN_BACKLOG = 1024 };

static int fail(struct text *problem, const char *path, const char *what, int error) {
    text_add(problem, STR("The socket "));
    text_add_escaped(problem, str_from(path));
    text_add_byte(problem, ' ');
    text_add(problem, str_from(what));
    if (error != 0) {
        text_add(problem, STR(": "));
        text_add(problem, str_from(strerror(error)));
    }
    text_add_byte(problem, '.');
    return -error;
}

gid_t http_group_find(const char *name) {
    struct group group;
    struct group *found = NULL;
    char buffer[16384];
    if (name[0] == '\0' || getgrnam_r(name, &group, buffer, sizeof buffer, &found) != 0 ||
        found == NULL) {
        return (gid_t)-1;
    }
    return found->gr_gid;
}

uid_t http_user_find(const char *name) {
    struct passwd user;
    struct passwd *found = NULL;
    char buffer[16384];
    if (name[0] == '\0' || getpwnam_r(name, &user, buffer, sizeof buffer, &found) != 0 ||
        found == NULL) {
        return 0;
    }
    return found->pw_uid;
}

/* Whether a process listens on it. */
static bool somebody_answers(const struct sockaddr_un *address) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true; /* Not known: leave the file alone. */
    }
    const bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                         errno == ECONNREFUSED;
    (void)close(fd);
    return !refused;
}

static int remove_stale(const char *path, const struct sockaddr_un *address, struct text *problem) {
    struct stat status;
    if (lstat(path, &status) != 0) {
        return errno == ENOENT ? 0 : fail(problem, path, "cannot be looked at", errno);
    }
    if (!S_ISSOCK(status.st_mode)) {
        (void)fail(problem, path, "cannot be made, because a file that is no socket is there", 0);
        return -EEXIST;
    }
    if (somebody_answers(address)) {
        (void)fail(problem, path, "is in use by another process", 0);
        return -EADDRINUSE;
    }
    return unlink(path) == 0 || errno == ENOENT ? 0
                                                : fail(problem, path, "cannot be replaced", errno);
}

/* Nobody can connect before listen(), so the permissions are right from the first moment on. */
static int bind_and_listen(int fd, const char *path, const struct sockaddr_un *address, gid_t group,
                           struct text *problem) {
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        return fail(problem, path, "cannot be made", errno);
    }
    if (chmod(path, 0600) != 0) {
        return fail(problem, path, "cannot get its permissions", errno);
    }
    if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) == 0) {
        /* When we may not hand it to the group, root and our own user can still use it. */
        if (chmod(path, 0660) != 0) {
            return fail(problem, path, "cannot get its permissions", errno);
        }
    }
    return listen(fd, LISTEN_BACKLOG) == 0 ? 0 : fail(problem, path, "cannot listen", errno);
}

int http_listen(const char *path, gid_t group, struct text *problem) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof address.sun_path) {
        (void)fail(problem, path, "needs a path of 1 to 107 bytes", 0);
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, length);
    int result = remove_stale(path, &address, problem);
    if (result != 0) {
        return result;
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail(problem, path, "cannot be made", errno);
    }
    result = bind_and_listen(fd, path, &address, group, problem);
    if (result != 0) {
        (void)close(fd);
        return result;
    }
    return fd;
}
