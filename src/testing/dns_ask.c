/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the DNS through net/dns.h what it reads from standard input, for tests/dns. Never installed.
 *
 *   dns_ask [-t TIMEOUT_MS] [-n TRIES] [-c CACHE_BYTES] [-q QUESTIONS_MAX] [SERVER...]
 *
 * A line each: `TYPE NAME` asks; `again TYPE NAME` asks, and once more from within the answer;
 * `cancel TYPE NAME` asks and cancels; `peek TYPE NAME` looks into the cache; `wait` goes on when
 * nothing is open; `pass SECONDS` moves the clock that is told to net/dns.h; `stats`, `server I`.
 * Answers as they come: `NAME TYPE STATUS TTL MILLISECONDS [ITEM...]`; bytes are in hexadecimal. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "net/dns.h"

enum { LINE_BYTES_MAX = 4096, WORDS_MAX = 4 };

struct tool {
    struct event_base *base;
    struct event *input;
    struct dns *dns;
    struct dns_options options;
    int64_t moved_ns;
    char pending[1 << 16];
    size_t length;
    bool waiting;
};

struct asked {
    struct tool *tool;
    int64_t began_ns;
    bool again;
};

static const struct {
    const char *name;
    enum dns_type type;
} types[] = {
    {"A", DNS_A}, {"AAAA", DNS_AAAA}, {"MX", DNS_MX}, {"PTR", DNS_PTR}, {"TXT", DNS_TXT},
};

static const char *const statuses[] = {
    [DNS_FOUND] = "found",   [DNS_NO_DATA] = "no-data",     [DNS_NO_NAME] = "no-name",
    [DNS_FAILED] = "failed", [DNS_TIMED_OUT] = "timed-out", [DNS_UNAVAILABLE] = "unavailable",
};

static const char *type_name(enum dns_type type) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].type == type) {
            return types[i].name;
        }
    }
    return "?";
}

static int64_t tool_now(const struct tool *tool) {
    return clock_boot_ns() + tool->moved_ns;
}

static void ask(struct tool *tool, const char *how, enum dns_type type, const char *name);

static void print_answer(void *context, const struct dns_question *question,
                         const struct dns_answer *answer) {
    struct asked *asked = context;
    printf("%.*s %s %s %u %lld", STR_ARGS(question->name), type_name(question->type),
           statuses[answer->status], answer->ttl_s,
           (long long)(clock_boot_ns() - asked->began_ns) / NS_PER_MS);
    for (size_t i = 0; i < answer->count; i++) {
        printf(" ");
        for (size_t j = 0; j < answer->items[i].length; j++) {
            printf("%02x", (unsigned)(uint8_t)answer->items[i].data[j]);
        }
    }
    printf("\n");
    if (asked->again) {
        char name[DNS_NAME_MAX + 1];
        (void)snprintf(name, sizeof name, "%.*s", STR_ARGS(question->name));
        ask(asked->tool, "", question->type, name);
    }
    free(asked);
}

static void ask(struct tool *tool, const char *how, enum dns_type type, const char *name) {
    struct asked *asked = malloc(sizeof *asked);
    CHECK(asked != NULL);
    *asked = (struct asked){tool, clock_boot_ns(), strcmp(how, "again") == 0};
    const struct dns_question question = {type, str_from(name)};
    if (strcmp(how, "peek") == 0) {
        if (!dns_peek(tool->dns, &question, tool_now(tool), print_answer, asked)) {
            printf("%s %s unknown\n", name, type_name(type));
            free(asked);
        }
        return;
    }
    struct dns_ask *handle = dns_ask(tool->dns, &question, tool_now(tool), print_answer, asked);
    if (strcmp(how, "cancel") == 0 && handle != NULL) {
        dns_cancel(handle);
        free(asked);
    }
}

static void print_stats(const struct tool *tool) {
    struct dns_stats s;
    dns_stats(tool->dns, &s);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"questions", s.questions},
        {"cache_hits", s.cache_hits},
        {"coalesced", s.coalesced},
        {"sent", s.sent},
        {"found", s.found},
        {"no_data", s.no_data},
        {"no_name", s.no_name},
        {"failed", s.failed},
        {"timed_out", s.timed_out},
        {"refused", s.refused},
        {"broken", s.broken},
        {"breaker_opens", s.breaker_opens},
        {"cache_bytes", s.cache_bytes},
        {"cache_entries", s.cache_entries},
        {"cache_evicted", s.cache_evicted},
        {"zones_evicted", s.zones_evicted},
        {"ports_shared", s.ports_shared},
        {"open", s.open},
    };
    printf("stats");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        printf(" %s=%llu", rows[i].name, (unsigned long long)rows[i].value);
    }
    printf("\n");
}

static void print_server(const struct tool *tool, const char *number) {
    struct dns_server_status s;
    if (!dns_server_status(tool->dns, (size_t)atoi(number), &s)) {
        printf("server none\n");
        return;
    }
    printf("server address=%s open=%d public=%d sent=%llu failed=%llu timed_out=%llu "
           "latency_us=%lld\n",
           s.address, s.breaker_open, s.is_public, (unsigned long long)s.sent,
           (unsigned long long)s.failed, (unsigned long long)s.timed_out, (long long)s.latency_us);
}

static void run_line(struct tool *tool, char *line) {
    char *words[WORDS_MAX] = {"", "", "", ""};
    char *rest = line;
    for (size_t i = 0; i < WORDS_MAX && rest != NULL; i++) {
        words[i] = strsep(&rest, " ");
    }
    if (strcmp(words[0], "wait") == 0) {
        tool->waiting = true;
    } else if (strcmp(words[0], "pass") == 0) {
        tool->moved_ns += atoll(words[1]) * NS_PER_S;
    } else if (strcmp(words[0], "stats") == 0) {
        print_stats(tool);
    } else if (strcmp(words[0], "server") == 0) {
        print_server(tool, words[1]);
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(words[0], types[i].name) == 0) {
            ask(tool, "", types[i].type, words[1]);
        } else if (strcmp(words[1], types[i].name) == 0) {
            ask(tool, words[0], types[i].type, words[2]);
        }
    }
}

static bool is_idle(const struct tool *tool) {
    struct dns_stats stats;
    dns_stats(tool->dns, &stats);
    return stats.open == 0;
}

/* Whole lines, until one says to wait. */
static void run_lines(struct tool *tool) {
    char *end = memchr(tool->pending, '\n', tool->length);
    while (!tool->waiting && end != NULL) {
        *end = '\0';
        run_line(tool, tool->pending);
        tool->length -= (size_t)(end + 1 - tool->pending);
        memmove(tool->pending, end + 1, tool->length);
        tool->waiting = tool->waiting && !is_idle(tool);
        end = memchr(tool->pending, '\n', tool->length);
    }
    (void)fflush(stdout);
    /* No more is read meanwhile: it would not fit. */
    if (tool->waiting) {
        (void)event_del(tool->input);
    } else {
        (void)event_add(tool->input, NULL);
    }
}

static void on_input(evutil_socket_t socket, short what, void *context) {
    struct tool *tool = context;
    (void)what;
    const ssize_t length =
        read(socket, tool->pending + tool->length, sizeof tool->pending - tool->length);
    if (length <= 0) {
        (void)event_base_loopbreak(tool->base);
        return;
    }
    tool->length += (size_t)length;
    run_lines(tool);
}

/* So that lines after `wait` are run. */
static void on_tick(evutil_socket_t socket, short what, void *context) {
    (void)socket;
    (void)what;
    struct tool *tool = context;
    if (tool->waiting && is_idle(tool)) {
        tool->waiting = false;
        run_lines(tool);
    }
    (void)fflush(stdout);
}

static void read_options(int argc, char **argv, struct tool *tool) {
    tool->options = (struct dns_options){.timeout_ns = 300 * (int64_t)NS_PER_MS,
                                         .tries = 2,
                                         .cache_bytes_max = 1 << 20,
                                         .questions_max = 5000,
                                         .seed = random_u64()};
    for (int option = getopt(argc, argv, "t:n:c:q:"); option != -1;
         option = getopt(argc, argv, "t:n:c:q:")) {
        const int64_t value = atoll(optarg);
        switch (option) {
        case 't':
            tool->options.timeout_ns = value * NS_PER_MS;
            break;
        case 'n':
            tool->options.tries = value;
            break;
        case 'c':
            tool->options.cache_bytes_max = value;
            break;
        case 'q':
            tool->options.questions_max = value;
            break;
        default:
            exit(2);
        }
    }
}

int main(int argc, char **argv) {
    static struct tool tool;
    random_init();
    read_options(argc, argv, &tool);
    struct str servers[DNS_SERVERS_MAX + 1];
    for (int i = optind; i < argc && tool.options.server_count <= DNS_SERVERS_MAX; i++) {
        servers[tool.options.server_count++] = str_from(argv[i]);
    }
    tool.options.servers = servers;
    tool.base = event_base_new();
    char room[512];
    struct text problem = TEXT_OVER(room);
    if (dns_new(tool.base, &tool.options, &tool.dns, &problem) != 0) {
        printf("problem %s\n", text_zero(&problem));
        event_base_free(tool.base);
        return 1;
    }
    tool.input = event_new(tool.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, &tool);
    struct event *tick = event_new(tool.base, -1, EV_PERSIST, on_tick, &tool);
    const struct timeval pause = {.tv_usec = 2000};
    CHECK(event_add(tool.input, NULL) == 0 && event_add(tick, &pause) == 0);
    (void)event_base_dispatch(tool.base);
    dns_free(tool.dns);
    event_free(tool.input);
    event_free(tick);
    event_base_free(tool.base);
    return 0;
}
