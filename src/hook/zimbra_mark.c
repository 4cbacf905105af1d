/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/durable_file.h"
#include "hook/zimbra_file.h"
#include "hook/zimbra_lines.h"

static const char *const state_names[] = {
    [ZIMBRA_OFF] = "off",
    [ZIMBRA_ENABLING] = "enabling",
    [ZIMBRA_ON] = "enabled",
    [ZIMBRA_DISABLING] = "disabling",
};

int zimbra_mark_lock(const char *folder, bool wait) {
    char path[PATH_MAX];
    const int made = durable_folder_make(folder, 0755);
    if (made != 0) {
        return made;
    }
    (void)snprintf(path, sizeof path, "%s/zimbra.lock", folder);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    while (flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
        if (errno != EINTR) {
            const int problem = -errno;
            (void)close(fd);
            return problem;
        }
    }
    return fd;
}

static bool read_state(struct str word, enum zimbra_state *ret_state) {
    for (unsigned i = ZIMBRA_ENABLING; i <= ZIMBRA_DISABLING; i++) {
        if (str_equal(word, str_from(state_names[i]))) {
            *ret_state = (enum zimbra_state)i;
            return true;
        }
    }
    return false;
}

static void copy_value(struct str value, char *room, size_t size) {
    (void)snprintf(room, size, "%.*s", STR_ARGS(value));
}

static int read_mark(struct str text, struct zimbra_mark *ret_mark) {
    struct zimbra_mark mark = {0};
    bool known = false;
    size_t offset = 0;
    for (struct str line; zimbra_line_next(text, &offset, &line);) {
        struct str rest = line;
        const struct str word = zimbra_word(&rest);
        if (str_equal(word, STR("state"))) {
            known = read_state(rest, &mark.state);
        } else if (str_equal(word, STR("endpoint"))) {
            copy_value(rest, mark.endpoint, sizeof mark.endpoint);
        } else if (str_equal(word, STR("zimbra"))) {
            copy_value(rest, mark.version, sizeof mark.version);
        } else if (str_equal(word, STR("end-of-data"))) {
            mark.by_ldap = str_equal(rest, STR("ldap"));
        }
    }
    if (!known) {
        return -EBADMSG;
    }
    *ret_mark = mark;
    return 0;
}

int zimbra_mark_load(const char *folder, struct zimbra_mark *ret_mark) {
    struct zimbra_file file;
    const char *name = NULL;
    const int fd = zimbra_folder_open(folder, ZIMBRA_MARK_NAME, &name);
    const int loaded = zimbra_file_load(fd, name, ZIMBRA_MARK_MAX, &file);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (loaded == -ENOENT) {
        *ret_mark = (struct zimbra_mark){0};
        return 0;
    }
    if (loaded != 0) {
        return loaded;
    }
    const int result = read_mark((struct str){file.bytes, file.length}, ret_mark);
    zimbra_file_done(&file);
    return result;
}

static int save_mark(int folder, const struct zimbra_mark *mark) {
    if (mark->state == ZIMBRA_OFF) {
        return zimbra_file_remove(folder, ZIMBRA_MARK_NAME);
    }
    char text[ZIMBRA_MARK_MAX];
    const int length = snprintf(text, sizeof text,
                                "# Written by seczim zimbra; do not edit.\n"
                                "state %s\nendpoint %s\nzimbra %s\nend-of-data %s\n",
                                state_names[mark->state], mark->endpoint, mark->version,
                                mark->by_ldap ? "ldap" : "template");
    CHECK(length > 0 && (size_t)length < sizeof text);
    const struct zimbra_file like = {.mode = 0644, .uid = geteuid(), .gid = getegid()};
    return zimbra_file_save(folder, ZIMBRA_MARK_NAME, (struct str){text, (size_t)length}, &like);
}

int zimbra_mark_save(const char *folder, const struct zimbra_mark *mark) {
    const char *name = NULL;
    const int fd = zimbra_folder_open(folder, ZIMBRA_MARK_NAME, &name);
    if (fd < 0) {
        return fd;
    }
    const int result = save_mark(fd, mark);
    (void)close(fd);
    return result;
}
