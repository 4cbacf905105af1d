/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

enum { OUTPUTS = 2, READ_SIZE = 16384 };

struct output {
    int ends[2];
    char *bytes;
    size_t length;
};

static void keep(struct output *output, const char *bytes, size_t length) {
    const size_t room = PROGRAM_OUTPUT_MAX - output->length;
    const size_t take = length < room ? length : room;
    char *grown = realloc(output->bytes, output->length + take + 1);
    CHECK(grown != NULL);
    memcpy(grown + output->length, bytes, take);
    output->length += take;
    grown[output->length] = '\0';
    output->bytes = grown;
}

static int spawn(const char *const *arguments, struct output outputs[OUTPUTS], pid_t *ret_child) {
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    static char language[] = "LC_ALL=C";
    char *environment[] = {path, language, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)sigemptyset(&none);
    CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
    CHECK(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&actions, outputs[0].ends[1], 1) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&actions, outputs[1].ends[1], 2) == 0);
    CHECK(posix_spawnattr_setpgroup(&attributes, 0) == 0);
    CHECK(posix_spawnattr_setsigmask(&attributes, &none) == 0);
    CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK) ==
          0);
    /* posix_spawn() leaves the strings alone; its prototype is older than const. */
    const int error = posix_spawn(ret_child, arguments[0], &actions, &attributes,
                                  (char *const *)(uintptr_t)arguments, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return error;
}

/* Reads both outputs until they end; false when the time is over. */
static bool read_outputs(struct output outputs[OUTPUTS], int64_t until_ns) {
    struct pollfd watched[OUTPUTS];
    for (size_t i = 0; i < OUTPUTS; i++) {
        watched[i] = (struct pollfd){.fd = outputs[i].ends[0], .events = POLLIN};
    }
    while (watched[0].fd >= 0 || watched[1].fd >= 0) {
        const int64_t left_ms = (until_ns - clock_boot_ns()) / NS_PER_MS;
        if (left_ms <= 0 || poll(watched, OUTPUTS, (int)left_ms) == 0) {
            return false;
        }
        for (size_t i = 0; i < OUTPUTS; i++) {
            char bytes[READ_SIZE];
            if (watched[i].fd < 0 || watched[i].revents == 0) {
                continue;
            }
            const ssize_t got = read(watched[i].fd, bytes, sizeof bytes);
            if (got > 0) {
                keep(&outputs[i], bytes, (size_t)got);
            } else if (got == 0 || errno != EINTR) {
                watched[i].fd = -1;
            }
        }
    }
    return true;
}

static int wait_for(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void close_end(struct output *output, int end) {
    if (output->ends[end] >= 0) {
        (void)close(output->ends[end]);
        output->ends[end] = -1;
    }
}

bool program_run(const char *const *arguments, unsigned seconds_max,
                 struct program_result *ret_result) {
    struct output outputs[OUTPUTS] = {{.ends = {-1, -1}}, {.ends = {-1, -1}}};
    struct program_result result = {0};
    pid_t child = -1;
    keep(&outputs[0], "", 0);
    keep(&outputs[1], "", 0);
    if (pipe2(outputs[0].ends, O_CLOEXEC) != 0 || pipe2(outputs[1].ends, O_CLOEXEC) != 0) {
        result.error = errno;
    } else {
        result.error = spawn(arguments, outputs, &child);
    }
    close_end(&outputs[0], 1);
    close_end(&outputs[1], 1);
    if (result.error == 0) {
        if (!read_outputs(outputs, clock_boot_ns() + (int64_t)seconds_max * NS_PER_S)) {
            result.error = ETIMEDOUT;
            (void)kill(-child, SIGKILL);
        }
        result.status = wait_for(child);
    }
    close_end(&outputs[0], 0);
    close_end(&outputs[1], 0);
    result.output = (struct str){outputs[0].bytes, outputs[0].length};
    result.errors = (struct str){outputs[1].bytes, outputs[1].length};
    *ret_result = result;
    return result.error == 0 && result.status == 0;
}

void program_result_done(struct program_result *result) {
    free((char *)(uintptr_t)result->output.data);
    free((char *)(uintptr_t)result->errors.data);
    *result = (struct program_result){0};
}

static bool only_we_can_write(const struct stat *file) {
    return (file->st_uid == 0 || file->st_uid == geteuid()) &&
           (file->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

const char *program_problem(const char *path, char *room, size_t size) {
    char folder[4096];
    struct stat file;
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    const char *wrong = NULL;
    if (path[0] != '/' || slash == NULL) {
        wrong = "is not an absolute path";
    } else if (stat(path, &file) != 0) {
        wrong = strerror(errno);
    } else if (!S_ISREG(file.st_mode) || access(path, X_OK) != 0) {
        wrong = "is not a program";
    } else if (!only_we_can_write(&file)) {
        wrong = "can be written by somebody other than root";
    } else {
        *(slash == folder ? slash + 1 : slash) = '\0';
        if (stat(folder, &file) != 0 || !only_we_can_write(&file)) {
            wrong = "lies in a folder that somebody other than root can write";
        }
    }
    if (wrong == NULL) {
        return NULL;
    }
    (void)snprintf(room, size, "%s: %s", path, wrong);
    return room;
}
