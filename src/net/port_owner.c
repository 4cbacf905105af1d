/* SPDX-License-Identifier: Apache-2.0 */
#include "net/port_owner.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TCP_STATE_LISTEN = 0x0a, COMMAND_MAX = 64 };

/* The socket's inode out of /proc/net/tcp or tcp6; 0 when nobody listens there. */
static unsigned long listening_inode(const char *table, uint16_t port) {
    FILE *file = fopen(table, "re");
    if (file == NULL) {
        return 0;
    }
    char line[512];
    unsigned long found = 0;
    while (found == 0 && fgets(line, sizeof line, file) != NULL) {
        unsigned local_port;
        unsigned state;
        unsigned long inode;
        if (sscanf(line, "%*d: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*u %*u %lu", &local_port,
                   &state, &inode) == 3 &&
            local_port == port && state == TCP_STATE_LISTEN) {
            found = inode;
        }
    }
    (void)fclose(file);
    return found;
}

static bool process_holds(const char *pid, unsigned long inode) {
    char path[300];
    (void)snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return false;
    }
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    bool holds = false;
    const struct dirent *entry;
    while (!holds && (entry = readdir(folder)) != NULL) {
        char target[64];
        const ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        if (length > 0) {
            target[length] = '\0';
            holds = strcmp(target, wanted) == 0;
        }
    }
    (void)closedir(folder);
    return holds;
}

static void add_process(const char *pid, struct text *out) {
    char path[300];
    char command[COMMAND_MAX] = "";
    (void)snprintf(path, sizeof path, "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        (void)!fgets(command, sizeof command, file);
        (void)fclose(file);
    }
    text_add_escaped(out, str_trim(str_from(command)));
    text_add(out, STR(" (pid "));
    text_add(out, str_from(pid));
    text_add(out, STR(")"));
}

bool port_owner_find(uint16_t port, struct text *out) {
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    if (inode == 0) {
        inode = listening_inode("/proc/net/tcp6", port);
    }
    DIR *processes = inode != 0 ? opendir("/proc") : NULL;
    if (processes == NULL) {
        return false;
    }
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(processes)) != NULL) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            process_holds(entry->d_name, inode)) {
            add_process(entry->d_name, out);
            found = true;
        }
    }
    (void)closedir(processes);
    return found;
}
