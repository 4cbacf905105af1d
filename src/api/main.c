/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "api/api_start.h"
#include "base/log.h"

/* seczim-api: options and signals. Everything else is behind api_start.h. */

#define DEFAULT_CONFIG "/etc/seczim/seczim.yaml"

static const char usage[] =
    "Usage: seczim-api [--config FILE] [--check] [--backup FILE] [--version] [--help]\n"
    "\n"
    "The dashboard, the REST API and the metrics of SecZim. Stays in the foreground; the\n"
    "service manager puts it into the background.\n"
    "\n"
    "  --config FILE   settings (default " DEFAULT_CONFIG "; '' for defaults alone)\n"
    "  --check         read and check the settings, say what is wrong, and end\n"
    "  --backup FILE   write a copy of api.db (users, tokens, audit log) into a new file, and "
    "end;\n"
    "                  also while the service runs, as its user\n"
    "  --version       say the version and end\n"
    "  --help          say this and end\n"
    "\n"
    "SIGTERM ends it, SIGHUP reopens its log and reads its certificate again. The first\n"
    "start prints the one-time password of the user admin, once.\n";

enum { EXIT_USAGE = 2, NICENESS = 5, DAY_MS = 24 * 3600 * 1000 };

static void say_usage_and_exit(FILE *where, int code) {
    (void)fputs(usage, where);
    exit(code);
}

struct options {
    const char *config;
    const char *backup; /* NULL: none */
    bool check;
};

static struct options parse_options(int argc, char **argv) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"backup", required_argument, NULL, 'b'}, {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    struct options given = {.config = DEFAULT_CONFIG};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            given.config = optarg;
            break;
        case 'k':
            given.check = true;
            break;
        case 'b':
            given.backup = optarg;
            break;
        case 'v':
            (void)puts("seczim-api " SECZIM_VERSION);
            exit(EXIT_SUCCESS);
        case 'h':
            say_usage_and_exit(stdout, EXIT_SUCCESS);
            break;
        default:
            say_usage_and_exit(stderr, EXIT_USAGE);
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "seczim-api: \"%s\" is not expected here\n", argv[optind]);
        say_usage_and_exit(stderr, EXIT_USAGE);
    }
    return given;
}

/* On a busy host the daemon answers first: nobody waits as impatiently for a page as an SMTP server
 * for its answer. Who has given us less keeps us there. Before any thread runs: each inherits it.
 */
static void make_way(void) {
    errno = 0;
    const int given = getpriority(PRIO_PROCESS, 0);
    if (errno == 0 && given >= 0 && given < NICENESS) {
        (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    }
}

/* Before any thread runs, so that all inherit the mask. */
static int catch_signals(void) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void serve_until_ended(struct api *api, int signals) {
    struct pollfd signal = {.fd = signals, .events = POLLIN};
    api_keep_house(api);
    for (;;) {
        if (poll(&signal, 1, DAY_MS) == 0) {
            api_keep_house(api);
            continue;
        }
        struct signalfd_siginfo info;
        const ssize_t length = read(signals, &info, sizeof info);
        if (length != (ssize_t)sizeof info) {
            continue;
        }
        if (info.ssi_signo != SIGHUP) {
            return;
        }
        api_reload(api);
    }
}

int main(int argc, char **argv) {
    const struct options given = parse_options(argc, argv);
    const char *config = given.config;
    const int signals = catch_signals();
    make_way();
    char bytes[1024];
    struct text problem = TEXT_OVER(bytes);
    struct api *api = NULL;
    if (api_open(config, &api, &problem) != 0) {
        (void)fprintf(stderr, "seczim-api: %s\n", text_zero(&problem));
        return EXIT_FAILURE;
    }
    if (given.check) {
        (void)printf("%s: good\n", config[0] != '\0' ? config : "defaults");
        api_close(api);
        return EXIT_SUCCESS;
    }
    if (given.backup != NULL) {
        const int error = api_backup(api, given.backup, &problem);
        if (error != 0) {
            (void)fprintf(stderr, "seczim-api: %s\n", text_zero(&problem));
        } else {
            (void)printf("%s holds users, tokens and the audit log: keep it as safe as they are\n",
                         given.backup);
        }
        api_close(api);
        return error != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    if (signals < 0 || api_serve(api, &problem) != 0) {
        log_write(LOG_ERROR, "API", "Not started: %.*s", STR_ARGS(text_str(&problem)));
        (void)fprintf(stderr, "seczim-api: %s\n", text_zero(&problem));
        api_close(api);
        return EXIT_FAILURE;
    }
    serve_until_ended(api, signals);
    api_close(api);
    return EXIT_SUCCESS;
}
