/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { TICK_MS = 5, READ_SIZE = 4096, NOT_STARTED_STATUS = 127 };

bool zimbra_user_find(const char *name, struct zimbra_user *ret_user) {
    const struct passwd *entry = getpwnam(name);
    if (entry == NULL) {
        return false;
    }
    struct zimbra_user user = {.uid = entry->pw_uid, .gid = entry->pw_gid};
    (void)snprintf(user.name, sizeof user.name, "%s", name);
    (void)snprintf(user.home, sizeof user.home, "%s", entry->pw_dir);
    int count = ZIMBRA_GROUPS_MAX;
    if (getgrouplist(name, user.gid, user.groups, &count) < 0) {
        count = 1; /* More groups than we keep: its own one is enough for Zimbra. */
        user.groups[0] = user.gid;
    }
    user.group_count = (size_t)count;
    *ret_user = user;
    return true;
}

/* The child ---------------------------------------------------------------------------------- */

struct start {
    const char *const *arguments;
    const struct zimbra_user *user;
    const char *folder;
    int output[2], errors[2], failure[2];
};

static int become(const struct zimbra_user *user) {
    if (user == NULL || (geteuid() != 0 && geteuid() == user->uid)) {
        return 0;
    }
    if (setgroups(user->group_count, user->groups) != 0 || setgid(user->gid) != 0 ||
        setuid(user->uid) != 0) {
        return errno;
    }
    return 0;
}

_Noreturn static void run_child(const struct start *start) {
    char path[1024];
    char home[300];
    char login[100];
    char user[100];
    const char *name = start->user != NULL ? start->user->name : "root";
    (void)snprintf(path, sizeof path,
                   "PATH=%s/bin:%s/common/bin:%s/common/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
                   start->folder, start->folder, start->folder);
    (void)snprintf(home, sizeof home, "HOME=%s", start->user != NULL ? start->user->home : "/");
    (void)snprintf(user, sizeof user, "USER=%s", name);
    (void)snprintf(login, sizeof login, "LOGNAME=%s", name);
    char language[] = "LC_ALL=C.UTF-8";
    char *environment[] = {path, home, user, login, language, NULL};
    /* Root's terminal is not for another user's programs: one could type into it. */
    const bool alone = setsid() >= 0;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    const int null = open("/dev/null", O_RDONLY);
    int problem = !alone || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
                          dup2(start->output[1], STDOUT_FILENO) < 0 ||
                          dup2(start->errors[1], STDERR_FILENO) < 0 || chdir(start->folder) != 0
                      ? errno
                      : become(start->user);
    if (problem == 0) {
        /* execve() leaves the strings alone; its prototype is older than const. */
        (void)execve(start->arguments[0], (char *const *)(uintptr_t)start->arguments, environment);
        problem = errno;
    }
    const ssize_t written = write(start->failure[1], &problem, sizeof problem);
    _exit(written < 0 ? NOT_STARTED_STATUS - 1 : NOT_STARTED_STATUS);
}

/* The parent --------------------------------------------------------------------------------- */

static void keep_output(struct zimbra_output *output, const char *bytes, size_t length) {
    const size_t room = ZIMBRA_OUTPUT_MAX - output->length;
    output->cut = output->cut || length > room;
    const size_t take = length < room ? length : room;
    char *grown = realloc(output->text, output->length + take + 1);
    CHECK(grown != NULL);
    memcpy(grown + output->length, bytes, take);
    output->length += take;
    grown[output->length] = '\0';
    output->text = grown;
}

/* The last bytes, printable, blanks for line ends. */
static void keep_complaint(struct zimbra_output *output, const char *bytes, size_t length) {
    size_t used = strlen(output->complaint);
    for (size_t i = 0; i < length; i++) {
        const bool plain = bytes[i] >= ' ' && bytes[i] <= '~';
        if (!plain && (used == 0 || output->complaint[used - 1] == ' ')) {
            continue;
        }
        if (used == sizeof output->complaint - 1) {
            memmove(output->complaint, output->complaint + 1, --used);
        }
        output->complaint[used++] = plain ? bytes[i] : ' ';
        output->complaint[used] = '\0';
    }
}

/* Reads what is there; false at the end of it. */
static bool drain(int fd, struct zimbra_output *output, bool complaint) {
    char bytes[READ_SIZE];
    for (;;) {
        const ssize_t got = read(fd, bytes, sizeof bytes);
        if (got > 0 && complaint) {
            keep_complaint(output, bytes, (size_t)got);
        } else if (got > 0) {
            keep_output(output, bytes, (size_t)got);
        } else if (got == 0) {
            return false;
        } else if (errno != EINTR) {
            return errno == EAGAIN;
        }
    }
}

/* Until the program itself ends: what it left running in the background may keep the pipes. */
static int watch(pid_t child, const struct start *start, int64_t until_ns,
                 struct zimbra_output *output) {
    struct pollfd watched[2] = {{.fd = start->output[0], .events = POLLIN},
                                {.fd = start->errors[0], .events = POLLIN}};
    int status = 0;
    for (;;) {
        const pid_t ended = waitpid(child, &status, WNOHANG);
        for (int i = 0; i < 2; i++) {
            if (watched[i].fd >= 0 && !drain(watched[i].fd, output, i == 1)) {
                watched[i].fd = -1;
            }
        }
        if (ended == child) {
            return status;
        }
        if (clock_boot_ns() >= until_ns) {
            output->ending = ZIMBRA_TOO_SLOW;
            (void)kill(-child, SIGKILL);
            (void)kill(child, SIGKILL);
            (void)waitpid(child, &status, 0);
            return status;
        }
        (void)poll(watched, 2, TICK_MS);
    }
}

static void read_ending(int status, const struct start *start, struct zimbra_output *output) {
    int problem = 0;
    if (read(start->failure[0], &problem, sizeof problem) == (ssize_t)sizeof problem) {
        output->ending = ZIMBRA_NOT_STARTED;
        output->status = problem;
    } else if (output->ending == ZIMBRA_TOO_SLOW) {
        output->status = SIGKILL;
    } else if (WIFSIGNALED(status)) {
        output->ending = ZIMBRA_KILLED;
        output->status = WTERMSIG(status);
    } else {
        output->ending = ZIMBRA_ENDED;
        output->status = WEXITSTATUS(status);
    }
}

static void close_both(const int pipe_ends[2]) {
    for (int i = 0; i < 2; i++) {
        if (pipe_ends[i] >= 0) {
            (void)close(pipe_ends[i]);
        }
    }
}

static bool open_pipes(struct start *start) {
    return pipe2(start->output, O_CLOEXEC) == 0 && pipe2(start->errors, O_CLOEXEC) == 0 &&
           pipe2(start->failure, O_CLOEXEC) == 0 &&
           fcntl(start->output[0], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(start->errors[0], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(start->failure[0], F_SETFL, O_NONBLOCK) == 0;
}

void zimbra_program_run(const char *const *arguments, const struct zimbra_user *user,
                        const char *folder, unsigned seconds_max,
                        struct zimbra_output *ret_output) {
    struct zimbra_output output = {.ending = ZIMBRA_ENDED};
    keep_output(&output, "", 0);
    struct start start = {.arguments = arguments,
                          .user = user,
                          .folder = folder,
                          .output = {-1, -1},
                          .errors = {-1, -1},
                          .failure = {-1, -1}};
    const pid_t child = open_pipes(&start) ? fork() : -1;
    if (child == 0) {
        run_child(&start);
    }
    if (child < 0) {
        output.ending = ZIMBRA_NOT_STARTED;
        output.status = errno;
    } else {
        const int64_t until_ns = clock_boot_ns() + (int64_t)seconds_max * NS_PER_S;
        const int status = watch(child, &start, until_ns, &output);
        read_ending(status, &start, &output);
    }
    close_both(start.output);
    close_both(start.errors);
    close_both(start.failure);
    *ret_output = output;
}

bool zimbra_output_good(const struct zimbra_output *output) {
    return output->ending == ZIMBRA_ENDED && output->status == 0;
}

void zimbra_output_problem(const struct zimbra_output *output, const char *program,
                           unsigned seconds_max, char *room, size_t size) {
    const char *complaint = output->complaint[0] != '\0' ? output->complaint : "it did not say why";
    switch (output->ending) {
    case ZIMBRA_NOT_STARTED:
        (void)snprintf(room, size, "%s could not be started: %s", program,
                       strerror(output->status));
        break;
    case ZIMBRA_TOO_SLOW:
        (void)snprintf(room, size, "%s took longer than %u s and was ended", program, seconds_max);
        break;
    case ZIMBRA_KILLED:
        (void)snprintf(room, size, "%s was killed by signal %d", program, output->status);
        break;
    case ZIMBRA_ENDED:
        (void)snprintf(room, size, "%s ended with %d: %s", program, output->status, complaint);
        break;
    }
}

void zimbra_output_done(struct zimbra_output *output) {
    free(output->text);
    *output = (struct zimbra_output){0};
}
