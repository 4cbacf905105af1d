/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/control.h"
#include "daemon/handover.h"
#include "daemon/service_manager.h"
#include "store/recorder_pace.h"

/* seczim-daemon: options, signals, watchdog, restart in place. Everything else is the engine and
 * the policy server. */

#define DEFAULT_CONFIG "/etc/seczim/seczim.yaml"

static const char usage[] =
    "Usage: seczim-daemon [--config FILE] [--check] [--foreground] [--version] [--help]\n"
    "\n"
    "The Postfix policy service of SecZim. Stays in the foreground; the service manager\n"
    "puts it into the background.\n"
    "\n"
    "  --config FILE   settings (default " DEFAULT_CONFIG "; '' for defaults alone)\n"
    "  --check         read and check the settings, say what is wrong, and end\n"
    "  --foreground    accepted and without effect: it always is\n"
    "  --version       say the version and end\n"
    "  --help          say this and end\n"
    "\n"
    "SIGTERM ends it, SIGHUP reads the settings again and reopens the logs, SIGUSR2\n"
    "restarts it in place: connections and listening sockets stay open.\n";

enum { SIGNALS = 4, EXIT_USAGE = 2 };

struct program {
    const char *config;
    bool check;
    int handover_fd; /* -1: an ordinary start */

    char self[PATH_MAX]; /* this program's file, also after an upgrade put a new one there */
    char *arguments[32]; /* without --handover */

    struct event_base *base;
    struct event *signals[SIGNALS];
    struct event *restart_event;
    struct event *watchdog_event;
    int restart_fd; /* eventfd: somebody asks for a restart in place */

    struct engine *engine;
    struct server *server;
    struct control *control;

    /* While a new process loads. */
    int successor_fd;
    pid_t successor;
    struct event *successor_event;
};

/* --- options ------------------------------------------------------------------------------------
 */

static void say_usage_and_exit(FILE *where, int code) {
    (void)fputs(usage, where);
    exit(code);
}

static void keep_arguments(struct program *program, int argc, char **argv) {
    size_t kept = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--handover") == 0) {
            i++;
        } else if (kept + 1 < sizeof program->arguments / sizeof program->arguments[0]) {
            program->arguments[kept++] = argv[i];
        }
    }
    const ssize_t length = readlink("/proc/self/exe", program->self, sizeof program->self - 1);
    program->self[length > 0 ? length : 0] = '\0';
}

static void parse_options(struct program *program, int argc, char **argv) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"foreground", no_argument, NULL, 'f'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"handover", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t number;
        switch (option) {
        case 'c':
            program->config = optarg;
            break;
        case 'k':
            program->check = true;
            break;
        case 'f':
            break;
        case 'v':
            (void)puts("seczim-daemon " SECZIM_VERSION);
            exit(0);
        case 'h':
            say_usage_and_exit(stdout, 0);
            break;
        case 'o':
            if (!str_parse_u64(str_from(optarg), INT_MAX, &number)) {
                say_usage_and_exit(stderr, EXIT_USAGE);
            }
            program->handover_fd = (int)number;
            break;
        default:
            say_usage_and_exit(stderr, EXIT_USAGE);
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "seczim-daemon: \"%s\" is not expected here\n", argv[optind]);
        say_usage_and_exit(stderr, EXIT_USAGE);
    }
}

static int check_config(const struct program *program) {
    char bytes[4096];
    struct text problem = TEXT_OVER(bytes);
    if (engine_check_config(program->config, &problem) != 0) {
        (void)fprintf(stderr, "%s\n", text_zero(&problem));
        return EXIT_FAILURE;
    }
    (void)fprintf(stderr, "%.*s", STR_ARGS(text_str(&problem)));
    (void)printf("%s: good\n", program->config[0] != '\0' ? program->config : "defaults");
    return EXIT_SUCCESS;
}

/* --- restart in place ---------------------------------------------------------------------------
 */

static void ask_restart(void *context) {
    struct program *program = context;
    const uint64_t one = 1;
    (void)!write(program->restart_fd, &one, sizeof one);
}

static int start_control(struct program *program, int listen_fd, struct text *problem) {
    const struct control_actions actions = {.context = program, .restart = ask_restart};
    return control_start(program->engine, program->server, &actions, listen_fd, &program->control,
                         problem);
}

static void end_successor(struct program *program) {
    if (program->successor_event != NULL) {
        event_free(program->successor_event);
        program->successor_event = NULL;
    }
    if (program->successor_fd >= 0) {
        (void)close(program->successor_fd);
        program->successor_fd = -1;
    }
    if (program->successor > 0) {
        (void)kill(program->successor, SIGKILL);
        (void)waitpid(program->successor, NULL, 0);
        program->successor = 0;
    }
    engine_keep_journal(program->engine, false);
}

_Noreturn static void die(const char *what, const struct text *problem) {
    log_write(LOG_ERROR, "Daemon", "%s: %.*s", what, STR_ARGS(text_str(problem)));
    if (engine_logs_to_file()) {
        (void)fprintf(stderr, "seczim-daemon: %s: %.*s\n", what, STR_ARGS(text_str(problem)));
    }
    _exit(EXIT_FAILURE);
}

/* Takes everything back; what cannot be taken back ends the process, and the service manager
 * starts the next one, which finds the state in ring and journal. */
static void go_on(struct program *program, bool yielded, int control_fd) {
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    end_successor(program);
    if (engine_resume(program->engine, yielded, &problem) != 0) {
        die("Cannot go on after a failed restart", &problem);
    }
    server_resume(program->server);
    if (start_control(program, control_fd, &problem) != 0) {
        die("Cannot go on after a failed restart", &problem);
    }
    service_notify("READY=1");
    log_write(LOG_ERROR, "Daemon", "The new process failed; this one goes on");
}

/* The new process has loaded the state. From here on it is a matter of milliseconds. */
static void pass_on(struct program *program) {
    const int control_fd = control_stop(program->control, true);
    program->control = NULL;
    engine_prepare_yield(program->engine);
    server_park(program->server);
    int lock_fd = -1;
    struct decision_clock clock;
    if (engine_yield(program->engine, &lock_fd, &clock) != 0) {
        go_on(program, false, control_fd);
        return;
    }
    server_release_held(program->server);
    if (handover_send(program->successor_fd, program->server, lock_fd, control_fd, &clock) != 0) {
        go_on(program, true, control_fd);
        return;
    }
    switch (handover_wait(program->successor_fd)) {
    case HANDOVER_FAILED:
        go_on(program, true, control_fd);
        return;
    case HANDOVER_DONE:
        log_write(LOG_INFO, "Daemon", "Handed over to process %d", (int)program->successor);
        service_notify("MAINPID=%d", (int)program->successor);
        _exit(EXIT_SUCCESS);
    case HANDOVER_LOST:
        log_write(LOG_ERROR, "Daemon", "The new process died while it took over");
        _exit(EXIT_FAILURE);
    }
}

static void on_successor(evutil_socket_t fd, short what, void *context) {
    struct program *program = context;
    if ((what & EV_TIMEOUT) != 0 || !handover_is_ready((int)fd)) {
        log_write(LOG_ERROR, "Daemon",
                  (what & EV_TIMEOUT) != 0
                      ? "Restart in place given up: the new process was not ready in time"
                      : "Restart in place given up: the new process ended before it was ready");
        end_successor(program);
        service_notify("READY=1");
        return;
    }
    pass_on(program);
}

static void restart_in_place(struct program *program) {
    if (program->successor > 0) {
        return; /* One is on its way. */
    }
    int pair[2];
    engine_keep_journal(program->engine, true); /* end_successor() takes it back. */
    int error = handover_pair(pair);
    if (error == 0) {
        program->successor_fd = pair[0];
        const int pid = handover_spawn(program->self, program->arguments, pair[1]);
        (void)close(pair[1]);
        program->successor = pid > 0 ? pid : 0;
        error = pid > 0 ? 0 : pid;
    }
    if (error != 0) {
        log_write(LOG_ERROR, "Daemon", "Restart in place not possible: cannot start %s: %s",
                  program->self, strerror(-error));
        end_successor(program);
        return;
    }
    const struct timeval patience = {.tv_sec = HANDOVER_READY_NS / NS_PER_S};
    program->successor_event =
        event_new(program->base, program->successor_fd, EV_READ, on_successor, program);
    CHECK(program->successor_event != NULL);
    (void)event_add(program->successor_event, &patience);
    service_notify("STATUS=Restarting in place");
}

static void on_restart(evutil_socket_t fd, short what, void *context) {
    (void)what;
    uint64_t count;
    (void)!read((int)fd, &count, sizeof count);
    restart_in_place(context);
}

/* --- signals and watchdog -----------------------------------------------------------------------
 */

static void reload(struct program *program) {
    service_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_boot_ns() / NS_PER_US));
    struct engine_problem problem = {0};
    if (engine_reload(program->engine, &problem) != 0) {
        char bytes[1024];
        struct text text = TEXT_OVER(bytes);
        setting_problem_format(&problem.setting, str_from(program->config), &text);
        log_write(LOG_ERROR, "Settings", "Not reloaded, the old settings go on: %.*s",
                  STR_ARGS(text_str(&text)));
    } else {
        log_write(LOG_INFO, "Settings", "Reloaded");
    }
    service_notify("READY=1");
}

static void on_signal(evutil_socket_t number, short what, void *context) {
    (void)what;
    struct program *program = context;
    switch (number) {
    case SIGHUP:
        reload(program);
        break;
    case SIGUSR2:
        restart_in_place(program);
        break;
    default:
        (void)event_base_loopbreak(program->base);
        break;
    }
}

static void on_watchdog(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    struct program *program = context;
    if (server_alive(program->server)) {
        service_notify(
            "WATCHDOG=1\nSTATUS=%llu connections, %llu decisions",
            (unsigned long long)server_connections(program->server),
            (unsigned long long)counter_read(&engine_counters(program->engine)->requests));
    }
}

static void watch_signals(struct program *program) {
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2};
    for (size_t i = 0; i < SIGNALS; i++) {
        program->signals[i] = evsignal_new(program->base, numbers[i], on_signal, program);
        CHECK(program->signals[i] != NULL && event_add(program->signals[i], NULL) == 0);
    }
    program->restart_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    program->restart_event =
        event_new(program->base, program->restart_fd, EV_READ | EV_PERSIST, on_restart, program);
    CHECK(program->restart_event != NULL && event_add(program->restart_event, NULL) == 0);
}

static void watch_watchdog(struct program *program) {
    const int64_t interval_ns = service_watchdog_ns(program->handover_fd >= 0);
    if (interval_ns == 0) {
        return;
    }
    const int64_t period_us = interval_ns / 3 / NS_PER_US;
    const struct timeval period = {.tv_sec = period_us / 1000000, .tv_usec = period_us % 1000000};
    program->watchdog_event = event_new(program->base, -1, EV_PERSIST, on_watchdog, program);
    CHECK(program->watchdog_event != NULL && event_add(program->watchdog_event, &period) == 0);
}

/* --- start --------------------------------------------------------------------------------------
 */

static void prepare_process(void) {
    (void)signal(SIGPIPE, SIG_IGN);
    (void)umask(077);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    /* So that the recorder can leave the idle class again (recorder_pace.h). Where neither this nor
     * a capability allows it, it does not enter it. */
    struct rlimit nice;
    if (getrlimit(RLIMIT_NICE, &nice) == 0 && nice.rlim_cur < RECORDER_NICE_LIMIT) {
        nice.rlim_cur = RECORDER_NICE_LIMIT;
        nice.rlim_max = nice.rlim_max < nice.rlim_cur ? nice.rlim_cur : nice.rlim_max;
        (void)setrlimit(RLIMIT_NICE, &nice);
    }
}

static void start_fresh(struct program *program, struct text *problem) {
    int inherited[INHERITED_SOCKETS_MAX];
    const struct server_sockets sockets = {.fds = inherited,
                                           .count = service_inherited_sockets(inherited)};
    const struct engine_options options = {.config_path = program->config};
    if (engine_open(&options, &program->engine, problem) != 0 ||
        server_start(program->engine, program->base, &sockets, &program->server, problem) != 0 ||
        start_control(program, -1, problem) != 0 || server_run(program->server, problem) != 0) {
        die("Cannot start", problem);
    }
}

static void adopt_sessions(struct server *server, const struct handover *handover) {
    for (size_t i = 0; i < handover->session_count; i++) {
        if (server_adopt_session(server, &handover->sessions[i]) != 0) {
            (void)close(handover->sessions[i].fd);
        }
    }
}

static void start_by_handover(struct program *program, struct text *problem) {
    (void)fcntl(program->handover_fd, F_SETFD, FD_CLOEXEC);
    const struct engine_options options = {.config_path = program->config, .follow = true};
    struct handover handover;
    if (engine_open(&options, &program->engine, problem) != 0 ||
        handover_receive(program->handover_fd, program->engine, &handover, problem) != 0 ||
        engine_catch_up(program->engine, problem) != 0) {
        die("Cannot take over", problem);
    }
    handover_say_taking(program->handover_fd);
    const struct server_sockets sockets = {
        .fds = handover.listen_fds, .count = handover.listen_count, .own = handover.listen_own};
    if (engine_take_over(program->engine, handover.lock_fd, &handover.clock, problem) != 0 ||
        server_start(program->engine, program->base, &sockets, &program->server, problem) != 0) {
        die("Cannot take over", problem);
    }
    adopt_sessions(program->server, &handover);
    if (start_control(program, handover.control_fd, problem) != 0 ||
        server_run(program->server, problem) != 0) {
        die("Cannot take over", problem);
    }
    handover_say_done(program->handover_fd);
    (void)close(program->handover_fd);
    log_write(LOG_INFO, "Daemon", "Took over %zu connections", handover.session_count);
    handover_done(&handover);
}

static void stop(struct program *program) {
    service_notify("STOPPING=1");
    log_write(LOG_INFO, "Daemon", "Stopping");
    if (program->successor > 0) {
        end_successor(program);
    }
    (void)control_stop(program->control, false);
    server_stop(program->server);
    engine_close(program->engine);
    for (size_t i = 0; i < SIGNALS; i++) {
        event_free(program->signals[i]);
    }
    event_free(program->restart_event);
    if (program->watchdog_event != NULL) {
        event_free(program->watchdog_event);
    }
    event_base_free(program->base);
    (void)close(program->restart_fd);
    log_write(LOG_INFO, "Daemon", "Stopped");
}

int main(int argc, char **argv) {
    static struct program program = {
        .config = DEFAULT_CONFIG, .handover_fd = -1, .successor_fd = -1};
    char bytes[1024];
    struct text problem = TEXT_OVER(bytes);
    parse_options(&program, argc, argv);
    if (program.check) {
        return check_config(&program);
    }
    keep_arguments(&program, argc, argv);
    prepare_process();
    program.base = event_base_new();
    CHECK(program.base != NULL);
    watch_signals(&program);
    if (program.handover_fd >= 0) {
        start_by_handover(&program, &problem);
    } else {
        start_fresh(&program, &problem);
    }
    watch_watchdog(&program);
    service_notify("READY=1");
    log_write(LOG_INFO, "Daemon", "Ready: seczim-daemon " SECZIM_VERSION ", process %d",
              (int)getpid());
    (void)event_base_dispatch(program.base);
    stop(&program);
    return 0;
}
