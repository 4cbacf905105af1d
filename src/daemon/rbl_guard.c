/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rbl_guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/dns_settings.h"
#include "net/dns.h"

/* The thread ticks once a second: it follows the settings, starts the probes that are due, and says
 * in the log what has changed since, also what rbl_guard_note() found, whose callers must not wait
 * for a disk. Each round of probes has a struct dns of its own, so that no cache answers. */

enum { LISTED_NAME_MAX = 64, SENTENCE_MAX = 512 };

/* Test points of one list under way. */
struct probing {
    struct rbl_guard *guard;
    struct rbl_probe probe;
    unsigned open; /* questions */
    bool is_open;
};
struct test_point {
    struct probing *probing;
    struct rbl_probe_answer *answer;
};

struct guarded {
    bool on;
    bool told_out; /* in the log */
    bool has_ipv6;
    uint8_t number;
    char name[LISTED_NAME_MAX];
    char zone[DNS_NAME_MAX + 1];
    char key[DNSBL_KEY_MAX + 1];
    struct rbl_health health; /* with the lock */
    struct probing probing;
    struct test_point points[2 * RBL_FAMILIES];
};

struct rbl_guard {
    struct engine *engine;
    pthread_t thread;
    int stop_fd;
    struct event_base *base;
    struct event *stop_event;
    struct event *tick_event;
    struct dns *dns; /* of the round of probes; NULL: none runs */
    unsigned open;   /* lists being probed */
    bool told_public;
    _Atomic bool no_server; /* when lists were to be probed last */
    _Atomic uint32_t out;
    pthread_mutex_t lock; /* lists[].on, number, health; public_resolver */
    struct guarded lists[DNSBL_LISTS_MAX];
    char public_resolver[64];
};

static size_t slot_of(uint8_t number) {
    return number >= DNSBL_OWN_FIRST ? (size_t)DNSBL_KNOWN + number - DNSBL_OWN_FIRST
                                     : (size_t)number - 1;
}

static bool is_number(uint8_t number) {
    return number >= 1 && slot_of(number) < DNSBL_LISTS_MAX &&
           (number <= DNSBL_KNOWN || number >= DNSBL_OWN_FIRST);
}

/* Lock held. */
static void publish(struct rbl_guard *guard, const struct guarded *list) {
    const uint32_t bit = rbl_guard_bit(list->number);
    if (list->on && list->health.state == RBL_HEALTH_OUT) {
        (void)atomic_fetch_or_explicit(&guard->out, bit, memory_order_relaxed);
    } else {
        (void)atomic_fetch_and_explicit(&guard->out, ~bit, memory_order_relaxed);
    }
}

/* --- following the settings ------------------------------------------------------------------- */

static bool holds(const char *text, struct str wanted) {
    return str_equal(str_from(text), wanted);
}

static void keep(char *room, size_t size, struct str value) {
    struct text text = {.data = room, .size = size - 1};
    text_add(&text, value);
    room[text.length] = '\0';
}

/* Lock held. */
static void follow_list(struct rbl_guard *guard, const struct rbl_list_settings *wanted,
                        int64_t now_ns) {
    struct guarded *list = &guard->lists[slot_of(wanted->number)];
    if (list->probing.is_open) {
        return; /* A change waits until its questions are answered. */
    }
    if (list->on && holds(list->zone, wanted->zone) && holds(list->key, wanted->key) &&
        list->has_ipv6 == wanted->has_ipv6) {
        keep(list->name, sizeof list->name, wanted->name);
        return;
    }
    *list = (struct guarded){.on = true, .has_ipv6 = wanted->has_ipv6, .number = wanted->number};
    keep(list->name, sizeof list->name, wanted->name);
    keep(list->zone, sizeof list->zone, wanted->zone);
    keep(list->key, sizeof list->key, wanted->key);
    rbl_health_init(&list->health, now_ns);
    publish(guard, list);
}

static void follow(struct rbl_guard *guard, const struct settings *settings, int64_t now_ns) {
    const struct rbl_settings *rbl = &settings->policy.rbl;
    const bool asked = settings->policy.policies[POLICY_RBL].enabled;
    uint32_t on = 0;
    (void)pthread_mutex_lock(&guard->lock);
    for (size_t i = 0; asked && i < rbl->list_count; i++) {
        on |= rbl_guard_bit(rbl->lists[i].number);
        follow_list(guard, &rbl->lists[i], now_ns);
    }
    for (size_t i = 0; i < DNSBL_LISTS_MAX; i++) {
        struct guarded *list = &guard->lists[i];
        if (list->on && (on & rbl_guard_bit(list->number)) == 0) {
            list->on = false;
            publish(guard, list);
        }
    }
    (void)pthread_mutex_unlock(&guard->lock);
}

/* --- the log ---------------------------------------------------------------------------------- */

static void tell(const struct guarded *list, const struct rbl_health *health) {
    char bytes[SENTENCE_MAX];
    struct text why = TEXT_OVER(bytes);
    if (health->state == RBL_HEALTH_OUT) {
        rbl_health_explain(health, &why);
        log_write(LOG_WARN, "RBL",
                  "%s (%s) is not asked any more: %.*s. It is tried again by itself", list->name,
                  list->zone, STR_ARGS(text_str(&why)));
    } else {
        log_write(LOG_INFO, "RBL", "%s (%s) answers as it should again and is asked", list->name,
                  list->zone);
    }
}

static void tell_changes(struct rbl_guard *guard) {
    for (size_t i = 0; i < DNSBL_LISTS_MAX; i++) {
        struct guarded *list = &guard->lists[i];
        (void)pthread_mutex_lock(&guard->lock);
        const struct rbl_health health = list->health;
        const bool changed = list->on && list->told_out != (health.state == RBL_HEALTH_OUT);
        (void)pthread_mutex_unlock(&guard->lock);
        if (changed) {
            list->told_out = !list->told_out;
            tell(list, &health);
        }
    }
}

/* --- probes ----------------------------------------------------------------------------------- */

static void probe_done(struct guarded *list) {
    struct rbl_guard *guard = list->probing.guard;
    (void)pthread_mutex_lock(&guard->lock);
    (void)rbl_health_probed(&list->health, &list->probing.probe, clock_boot_ns());
    publish(guard, list);
    (void)pthread_mutex_unlock(&guard->lock);
    list->probing.is_open = false;
    guard->open--;
}

static struct guarded *list_of(struct probing *probing) {
    return (struct guarded *)(void *)((char *)probing - offsetof(struct guarded, probing));
}

static void on_answer(void *context, const struct dns_question *question,
                      const struct dns_answer *answer) {
    /* Any code will do: which of them count is a matter of the settings, not of health. */
    static const struct dnsbl_codes all;
    const struct test_point *point = context;
    (void)question;
    point->answer->status = dnsbl_judge(answer, &all, point->answer->code);
    if (--point->probing->open == 0) {
        probe_done(list_of(point->probing));
    }
}

static void ask_point(struct guarded *list, size_t i, bool ipv6, uint8_t last,
                      struct rbl_probe_answer *answer, int64_t now_ns) {
    char bytes[DNS_NAME_MAX];
    struct text name = TEXT_OVER(bytes);
    list->points[i] = (struct test_point){&list->probing, answer};
    const bool fits = dnsbl_test_name(ipv6, last, str_from(list->key), str_from(list->zone), &name);
    const struct dns_question question = {.type = DNS_A, .name = fits ? text_str(&name) : STR("")};
    (void)dns_ask(list->probing.guard->dns, &question, now_ns, on_answer, &list->points[i]);
}

static void probe(struct rbl_guard *guard, struct guarded *list, int64_t now_ns) {
    struct probing *probing = &list->probing;
    const size_t families = list->has_ipv6 ? 2 : 1;
    *probing = (struct probing){.guard = guard,
                                .probe = {.family_count = families},
                                .open = (unsigned)families * 2,
                                .is_open = true};
    guard->open++;
    for (size_t i = 0; i < families; i++) {
        ask_point(list, 2 * i, i == 1, 2, &probing->probe.must_list[i], now_ns);
        ask_point(list, 2 * i + 1, i == 1, 1, &probing->probe.must_not_list[i], now_ns);
    }
}

static void look_for_public_resolver(struct rbl_guard *guard) {
    struct dns_server_status server = {.is_public = false};
    size_t i = 0;
    while (dns_server_status(guard->dns, i++, &server) && !server.is_public) {
    }
    (void)pthread_mutex_lock(&guard->lock);
    keep(guard->public_resolver, sizeof guard->public_resolver,
         server.is_public ? str_from(server.address) : STR(""));
    (void)pthread_mutex_unlock(&guard->lock);
    if (server.is_public && !guard->told_public) {
        log_write(LOG_WARN, "RBL",
                  "The DNS server %s is a public resolver, which block lists refuse. Install a "
                  "resolver of your own, such as unbound, and name it in dns.servers",
                  server.address);
    }
    guard->told_public = server.is_public;
}

/* Without a DNS server nothing is said of the lists: they are not to blame. */
static bool has_server(struct rbl_guard *guard) {
    struct dns_server_status server;
    const bool none = !dns_server_status(guard->dns, 0, &server);
    if (none != atomic_exchange(&guard->no_server, none)) {
        log_write(none ? LOG_WARN : LOG_INFO, "RBL", "%s",
                  none ? "/etc/resolv.conf names no DNS server, so no block list and no SPF record "
                         "can be asked for. Install a resolver, such as unbound, or name one in "
                         "dns.servers"
                       : "There is a DNS server again");
    }
    return !none;
}

static bool begin_round(struct rbl_guard *guard, const struct settings *settings) {
    static struct log_throttle throttle;
    char bytes[SENTENCE_MAX];
    struct text problem = TEXT_OVER(bytes);
    uint64_t suppressed;
    const struct dns_options options = dns_options_of(settings);
    if (dns_new(guard->base, &options, &guard->dns, &problem) != 0) {
        guard->dns = NULL;
        if (log_throttle_pass(&throttle, &suppressed)) {
            log_write(LOG_WARN, "RBL", "Block lists cannot be tried: %.*s",
                      STR_ARGS(text_str(&problem)));
        }
        return false;
    }
    if (!has_server(guard)) {
        dns_free(guard->dns);
        guard->dns = NULL;
        return false;
    }
    look_for_public_resolver(guard);
    return true;
}

/* With the lock held elsewhere only what this thread alone writes is read without it. */
static bool is_due(struct rbl_guard *guard, const struct guarded *list, int64_t now_ns) {
    (void)pthread_mutex_lock(&guard->lock);
    const bool due = list->on && !list->probing.is_open && list->health.next_probe_ns <= now_ns;
    (void)pthread_mutex_unlock(&guard->lock);
    return due;
}

static void probe_what_is_due(struct rbl_guard *guard, const struct settings *settings,
                              int64_t now_ns) {
    if (guard->dns != NULL && guard->open == 0) {
        dns_free(guard->dns);
        guard->dns = NULL;
    }
    if (guard->dns != NULL) {
        return; /* The next round begins when this one is over, within the time of one question. */
    }
    for (size_t i = 0; i < DNSBL_LISTS_MAX; i++) {
        if (!is_due(guard, &guard->lists[i], now_ns)) {
            continue;
        }
        if (guard->dns == NULL && !begin_round(guard, settings)) {
            return;
        }
        probe(guard, &guard->lists[i], now_ns);
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static void on_tick(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    struct rbl_guard *guard = context;
    const int64_t now_ns = clock_boot_ns();
    const struct generation *generation = engine_generation_acquire(guard->engine);
    follow(guard, generation->settings, now_ns);
    probe_what_is_due(guard, generation->settings, now_ns);
    engine_generation_release(guard->engine, generation);
    tell_changes(guard);
}

static void on_stop(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    (void)event_base_loopbreak(((struct rbl_guard *)context)->base);
}

static void *run(void *context) {
    struct rbl_guard *guard = context;
    (void)pthread_setname_np(pthread_self(), "rbl-guard");
    on_tick(-1, 0, guard);
    (void)event_base_dispatch(guard->base);
    dns_free(guard->dns);
    return NULL;
}

static void guard_free(struct rbl_guard *guard) {
    if (guard->tick_event != NULL) {
        event_free(guard->tick_event);
    }
    if (guard->stop_event != NULL) {
        event_free(guard->stop_event);
    }
    if (guard->base != NULL) {
        event_base_free(guard->base);
    }
    if (guard->stop_fd >= 0) {
        (void)close(guard->stop_fd);
    }
    (void)pthread_mutex_destroy(&guard->lock);
    free(guard);
}

static int start_thread(struct rbl_guard *guard) {
    static const struct timeval second = {.tv_sec = 1};
    guard->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    guard->base = event_base_new();
    if (guard->stop_fd < 0 || guard->base == NULL) {
        return guard->stop_fd < 0 ? -errno : -ENOMEM;
    }
    guard->stop_event = event_new(guard->base, guard->stop_fd, EV_READ, on_stop, guard);
    guard->tick_event = event_new(guard->base, -1, EV_PERSIST, on_tick, guard);
    if (guard->stop_event == NULL || guard->tick_event == NULL ||
        event_add(guard->stop_event, NULL) != 0 || event_add(guard->tick_event, &second) != 0) {
        return -ENOMEM;
    }
    return -pthread_create(&guard->thread, NULL, run, guard);
}

int rbl_guard_start(struct engine *engine, struct rbl_guard **ret_guard, struct text *problem) {
    struct rbl_guard *guard = calloc(1, sizeof *guard);
    int error = -ENOMEM;
    if (guard != NULL) {
        guard->engine = engine;
        (void)pthread_mutex_init(&guard->lock, NULL);
        error = start_thread(guard);
        if (error != 0) {
            guard_free(guard);
        }
    }
    if (error != 0) {
        text_add(problem, STR("cannot start the guard of block lists: "));
        text_add(problem, str_from(strerror(-error)));
        return error;
    }
    *ret_guard = guard;
    return 0;
}

void rbl_guard_stop(struct rbl_guard *guard) {
    if (guard == NULL) {
        return;
    }
    const uint64_t one = 1;
    (void)!write(guard->stop_fd, &one, sizeof one);
    (void)pthread_join(guard->thread, NULL);
    guard_free(guard);
}

/* --- any thread ------------------------------------------------------------------------------- */

uint32_t rbl_guard_out(const struct rbl_guard *guard) {
    return guard == NULL ? 0 : atomic_load_explicit(&guard->out, memory_order_relaxed);
}

void rbl_guard_note(struct rbl_guard *guard, uint8_t number, enum dnsbl_status status,
                    const unsigned char code[4], int64_t latency_us) {
    if (guard == NULL || !is_number(number)) {
        return;
    }
    struct guarded *list = &guard->lists[slot_of(number)];
    const int64_t now_ns = clock_boot_ns();
    (void)pthread_mutex_lock(&guard->lock);
    if (list->on && rbl_health_answer(&list->health, status, code, latency_us, now_ns)) {
        publish(guard, list);
    }
    (void)pthread_mutex_unlock(&guard->lock);
}

size_t rbl_guard_lists(struct rbl_guard *guard, struct rbl_guard_list ret_lists[DNSBL_LISTS_MAX]) {
    size_t count = 0;
    if (guard == NULL) {
        return 0;
    }
    (void)pthread_mutex_lock(&guard->lock);
    for (size_t i = 0; i < DNSBL_LISTS_MAX; i++) {
        const struct guarded *list = &guard->lists[i];
        if (list->on) {
            ret_lists[count++] =
                (struct rbl_guard_list){.number = list->number, .health = list->health};
        }
    }
    (void)pthread_mutex_unlock(&guard->lock);
    return count;
}

bool rbl_guard_no_server(const struct rbl_guard *guard) {
    return guard != NULL && atomic_load(&guard->no_server);
}

bool rbl_guard_public_resolver(struct rbl_guard *guard, struct text *out) {
    bool found = false;
    if (guard != NULL) {
        (void)pthread_mutex_lock(&guard->lock);
        found = guard->public_resolver[0] != '\0';
        text_add(out, str_from(guard->public_resolver));
        (void)pthread_mutex_unlock(&guard->lock);
    }
    return found;
}
