/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/dns_core.h"

int64_t dns_now(const struct dns *dns) {
    const int64_t passed_ns = clock_boot_ns() - dns->told_ns;
    return dns->now_ns + (passed_ns > 0 ? passed_ns : 0);
}

static struct dns_query **bucket_of(const struct dns *dns, uint64_t hash) {
    return &dns->buckets[(size_t)hash & (dns->bucket_count - 1)];
}

struct dns_query *dns_query_find(const struct dns *dns, const struct dns_wire_name *name,
                                 enum dns_type type, uint64_t hash) {
    struct dns_query *query = *bucket_of(dns, hash);
    while (query != NULL && (query->type != type || !dns_name_equal(&query->name, name))) {
        query = query->next;
    }
    return query;
}

/* The server to ask next; DNS_SERVERS_MAX: none. In the order of the settings, but first those that
 * this query has not asked and that nothing speaks against. */
static size_t choose_server(const struct dns *dns, unsigned asked) {
    size_t best = DNS_SERVERS_MAX;
    int least = INT32_MAX;
    for (size_t i = 0; i < dns->server_count; i++) {
        const struct dns_server *server = &dns->servers[i];
        const int against = ((asked >> i & 1) != 0 ? 2 : 0) + (server->suspect ? 1 : 0);
        if (!server->breaker.open && against < least) {
            best = i;
            least = against;
        }
    }
    return best;
}

static void add_due(struct dns_query *query) {
    struct dns *dns = query->dns;
    query->next_due = NULL;
    *dns->last_due = query;
    dns->last_due = &query->next_due;
    event_active(dns->settle, 0, 0);
}

/* Inside of c-ares: only notes. */
static void on_try(void *context, enum dns_try result, struct str message) {
    struct dns_query *query = context;
    query->result = result;
    if (result == DNS_TRY_ANSWERED) {
        query->reply = dns_reply_parse(message, &query->name, query->type);
    }
    add_due(query);
}

static void send_try(struct dns_query *query, size_t server) {
    query->server = server;
    query->asked |= 1U << server;
    query->tries_left--;
    query->sent_ns = clock_boot_ns();
    query->dns->stats.sent++;
    dns_reply_release(query->reply);
    query->reply = NULL;
    query->try = (struct dns_channel_try){.done = on_try, .context = query};
    dns_server_send(&query->dns->servers[server], &query->name, query->type, &query->try);
}

void dns_count_opens(struct dns *dns) {
    uint64_t opens = 0;
    for (size_t i = 0; i < dns->server_count; i++) {
        opens += dns->servers[i].opens;
    }
    if (opens != dns->server_opens) {
        dns->stats.breaker_opens += opens - dns->server_opens;
        dns->server_opens = opens;
        dns_zones_clear(dns->zones);
    }
}

static struct dns_query *take_memory(struct dns *dns) {
    struct dns_query *query = dns->free_queries;
    if (query == NULL) {
        return malloc(sizeof *query);
    }
    dns->free_queries = query->next;
    dns->free_query_count--;
    return query;
}

static void give_memory_back(struct dns *dns, struct dns_query *query) {
    if (dns->free_query_count == DNS_QUERIES_KEPT) {
        free(query);
        return;
    }
    query->next = dns->free_queries;
    dns->free_queries = query;
    dns->free_query_count++;
}

void dns_query_free_kept(struct dns *dns) {
    while (dns->free_queries != NULL) {
        free(take_memory(dns));
    }
}

static struct dns_query *new_query(struct dns *dns, const struct dns_wire_name *name,
                                   const struct dns_question *question, uint64_t hash) {
    struct dns_query *query = take_memory(dns);
    if (query == NULL) {
        return NULL;
    }
    struct dns_query **bucket = bucket_of(dns, hash);
    *query = (struct dns_query){.dns = dns,
                                .next = *bucket,
                                .name = *name,
                                .type = question->type,
                                .hash = hash,
                                .tries_left = dns->tries};
    memcpy(query->text, question->name.data, question->name.length);
    query->text_length = question->name.length;
    *bucket = query;
    dns->stats.open++;
    return query;
}

struct dns_query *dns_query_start(struct dns *dns, const struct dns_wire_name *name,
                                  const struct dns_question *question, uint64_t hash,
                                  int64_t now_ns) {
    if (dns->stats.open >= dns->questions_max) {
        dns->stats.refused++;
        return NULL;
    }
    dns_count_opens(dns);
    const size_t server = choose_server(dns, 0);
    if (server == DNS_SERVERS_MAX || !dns_zones_may_ask(dns->zones, name, now_ns)) {
        dns->stats.broken += dns->server_count > 0;
        return NULL;
    }
    struct dns_query *query = new_query(dns, name, question, hash);
    if (query != NULL) {
        send_try(query, server);
    }
    return query;
}

static void count_end(struct dns_stats *stats, enum dns_status status) {
    switch (status) {
    case DNS_FOUND:
        stats->found++;
        break;
    case DNS_NO_DATA:
        stats->no_data++;
        break;
    case DNS_NO_NAME:
        stats->no_name++;
        break;
    case DNS_FAILED:
        stats->failed++;
        break;
    case DNS_TIMED_OUT:
        stats->timed_out++;
        break;
    case DNS_UNAVAILABLE:
        break;
    }
}

static void unlink_query(struct dns_query *query) {
    struct dns *dns = query->dns;
    struct dns_query **link = bucket_of(dns, query->hash);
    while (*link != query) {
        link = &(*link)->next;
    }
    *link = query->next;
    dns->stats.open--;
}

void dns_query_end(struct dns_query *query, struct dns_reply *reply) {
    struct dns *dns = query->dns;
    const struct dns_answer unavailable = {.status = DNS_UNAVAILABLE};
    const struct dns_answer *answer = reply != NULL ? &reply->answer : &unavailable;
    const struct dns_question question = {query->type, {query->text, query->text_length}};
    unlink_query(query);
    count_end(&dns->stats, answer->status);
    /* Whoever is told may cancel others of the list, or ask the same again. */
    while (query->first_ask != NULL) {
        struct dns_ask *ask = query->first_ask;
        dns_done *done = ask->done;
        void *context = ask->context;
        dns_cancel(ask);
        done(context, &question, answer);
    }
    dns_reply_release(query->reply);
    give_memory_back(dns, query);
}

/* What the last try says of its server. */
static void judge_server(struct dns_query *query) {
    struct dns_server *server = &query->dns->servers[query->server];
    if (query->result == DNS_TRY_ANSWERED) {
        dns_server_answered(server, clock_boot_ns() - query->sent_ns);
        server->status.failed += query->reply != NULL && query->reply->declined;
    } else {
        dns_server_failed(server, query->result);
    }
}

/* What the end of a query says of its zone: not what is wrong with this name alone, nor that no
 * server could be reached. */
static void judge_zone(struct dns_query *query) {
    struct dns *dns = query->dns;
    const struct dns_reply *reply = query->reply;
    if (query->result == DNS_TRY_TIMED_OUT && dns->servers[query->server].breaker.open) {
        return;
    }
    if (query->result == DNS_TRY_TIMED_OUT || (reply != NULL && reply->declined)) {
        dns->stats.breaker_opens += dns_zones_failed(dns->zones, &query->name, dns_now(dns));
    } else if (reply != NULL) {
        dns_zones_answered(dns->zones, &query->name);
    }
}

/* An answer ends a query, unless the server declined and there is another to ask. */
static bool try_again(struct dns_query *query) {
    const size_t server = choose_server(query->dns, query->asked);
    if (query->tries_left == 0 || server == DNS_SERVERS_MAX) {
        return false;
    }
    if (query->result == DNS_TRY_ANSWERED) {
        const bool is_new = (query->asked >> server & 1) == 0;
        if (query->reply == NULL || !query->reply->declined || !is_new) {
            return false;
        }
    }
    send_try(query, server);
    return true;
}

static void go_on(struct dns_query *query) {
    struct dns *dns = query->dns;
    judge_server(query);
    if (try_again(query)) {
        return;
    }
    judge_zone(query);
    if (query->result != DNS_TRY_ANSWERED) {
        query->reply =
            dns_reply_of(query->result == DNS_TRY_TIMED_OUT ? DNS_TIMED_OUT : DNS_FAILED);
    }
    if (query->reply != NULL) {
        dns_cache_add(dns->cache, &query->name, query->type, query->hash, query->reply,
                      dns_now(dns));
    }
    dns_query_end(query, query->reply);
}

/* In two steps: whoever is told that nobody can be asked may ask anew himself. */
void dns_query_ask_anew(struct dns *dns) {
    struct dns_query *first = NULL;
    CHECK(dns->first_due == NULL);
    for (size_t i = 0; i < dns->bucket_count; i++) {
        for (struct dns_query *query = dns->buckets[i]; query != NULL; query = query->next) {
            query->next_due = first;
            first = query;
        }
    }
    while (first != NULL) {
        struct dns_query *query = first;
        first = query->next_due;
        const size_t server = choose_server(dns, 0);
        query->asked = 0;
        query->tries_left = dns->tries;
        if (server == DNS_SERVERS_MAX) {
            dns_query_end(query, NULL);
        } else {
            send_try(query, server);
        }
    }
}

void dns_query_settle(evutil_socket_t socket, short what, void *context) {
    (void)socket;
    (void)what;
    struct dns *dns = context;
    dns_count_opens(dns);
    while (dns->first_due != NULL) {
        struct dns_query *query = dns->first_due;
        dns->first_due = query->next_due;
        if (dns->first_due == NULL) {
            dns->last_due = &dns->first_due;
        }
        go_on(query);
    }
    dns_follow_settle(dns);
}
