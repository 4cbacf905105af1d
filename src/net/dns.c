/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/dns_core.h"

enum { BUCKETS_MAX = 1 << 16 };

static int find_servers(const struct dns_options *options, struct dns_file *ret_file,
                        struct dns_address *ret_servers, size_t *ret_count, struct text *problem) {
    if (options->server_count == 0) {
        *ret_count = dns_follow_read(ret_file, ret_servers);
        return 0;
    }
    if (options->server_count > DNS_SERVERS_MAX) {
        text_add(problem, STR("More than 8 DNS servers are given; leave some out."));
        return -E2BIG;
    }
    for (size_t i = 0; i < options->server_count; i++) {
        if (!dns_address_parse(options->servers[i], &ret_servers[i])) {
            text_add(problem, STR("The DNS server \""));
            text_add_escaped(problem, options->servers[i]);
            text_add(problem, STR("\" is not an address; write 192.0.2.53, 2001:db8::53, or with a "
                                  "port [2001:db8::53]:5353."));
            return -EINVAL;
        }
    }
    *ret_count = options->server_count;
    return 0;
}

static bool start(struct dns *dns, const struct dns_options *options,
                  const struct dns_address *servers, size_t count) {
    dns->settle = event_new(dns->base, -1, 0, dns_query_settle, dns);
    dns->cache = dns_cache_new(options->cache_bytes_max, options->seed);
    dns->zones = dns_zones_new(options->seed);
    dns->bucket_count = 64;
    while (dns->bucket_count < dns->questions_max && dns->bucket_count < BUCKETS_MAX) {
        dns->bucket_count *= 2;
    }
    dns->buckets = calloc(dns->bucket_count, sizeof(struct dns_query *));
    if (dns->settle == NULL || dns->cache == NULL || dns->zones == NULL || dns->buckets == NULL) {
        return false;
    }
    for (; dns->server_count < count; dns->server_count++) {
        if (!dns_server_init(&dns->servers[dns->server_count], dns->base,
                             servers[dns->server_count], options->timeout_ns)) {
            return false;
        }
    }
    return true;
}

int dns_new(struct event_base *base, const struct dns_options *options, struct dns **ret_dns,
            struct text *problem) {
    struct dns_address servers[DNS_SERVERS_MAX];
    struct dns_file file = {0};
    size_t count = 0;
    const int result = find_servers(options, &file, servers, &count, problem);
    if (result != 0) {
        return result;
    }
    struct dns *dns = calloc(1, sizeof *dns);
    if (dns != NULL) {
        dns->base = base;
        dns->tries = options->tries;
        dns->timeout_ns = options->timeout_ns;
        dns->follows = options->server_count == 0;
        dns->file = file;
        dns->questions_max = (uint64_t)options->questions_max;
        dns->last_due = &dns->first_due;
        if (start(dns, options, servers, count)) {
            *ret_dns = dns;
            return 0;
        }
    }
    dns_free(dns);
    text_add(problem, STR("There is no memory for asking the DNS."));
    return -ENOMEM;
}

/* Tells everybody that nothing comes any more. */
static void end_queries(struct dns *dns) {
    for (size_t i = 0; dns->buckets != NULL && i < dns->bucket_count; i++) {
        while (dns->buckets[i] != NULL) {
            dns_query_end(dns->buckets[i], NULL);
        }
    }
}

void dns_free(struct dns *dns) {
    if (dns == NULL) {
        return;
    }
    dns->closing = true;
    for (size_t i = 0; i < dns->server_count; i++) {
        dns_server_done(&dns->servers[i]);
    }
    end_queries(dns);
    dns_query_free_kept(dns);
    free(dns->buckets);
    dns_zones_free(dns->zones);
    dns_cache_free(dns->cache);
    if (dns->settle != NULL) {
        event_free(dns->settle);
    }
    free(dns);
}

static void tell(dns_done *done, void *context, const struct dns_question *question,
                 enum dns_status status) {
    const struct dns_answer answer = {.status = status};
    done(context, question, &answer);
}

/* The reply is held meanwhile: who is told may ask for more, and push it out of the cache. */
static bool tell_from_cache(struct dns *dns, const struct dns_wire_name *name, uint64_t hash,
                            const struct dns_question *question, int64_t now_ns, dns_done *done,
                            void *context) {
    uint32_t ttl_s = 0;
    struct dns_reply *reply =
        dns_cache_find(dns->cache, name, question->type, hash, now_ns, &ttl_s);
    if (reply == NULL) {
        return false;
    }
    (void)dns_reply_hold(reply);
    struct dns_answer answer = reply->answer;
    answer.ttl_s = ttl_s;
    dns->stats.cache_hits++;
    done(context, question, &answer);
    dns_reply_release(reply);
    return true;
}

static struct dns_ask *take_ask(struct dns_query *query) {
    if (query->dns->asks_open >= query->dns->questions_max) {
        return NULL;
    }
    if (query->own_ask_used) {
        return malloc(sizeof(struct dns_ask));
    }
    query->own_ask_used = true;
    return &query->own_ask;
}

static struct dns_ask *add_ask(struct dns_query *query, dns_done *done, void *context) {
    struct dns *dns = query->dns;
    struct dns_ask *ask = take_ask(query);
    if (ask == NULL) {
        dns->stats.refused++;
        return NULL;
    }
    *ask = (struct dns_ask){NULL, query->last_ask, query, done, context, false};
    *(query->last_ask != NULL ? &query->last_ask->next : &query->first_ask) = ask;
    query->last_ask = ask;
    dns->asks_open++;
    return ask;
}

static struct dns_ask *ask_network(struct dns *dns, const struct dns_wire_name *name, uint64_t hash,
                                   const struct dns_question *question, int64_t now_ns,
                                   dns_done *done, void *context) {
    if (dns->closing) {
        return NULL;
    }
    struct dns_query *query = dns_query_find(dns, name, question->type, hash);
    const bool joined = query != NULL;
    if (joined) {
        dns->stats.coalesced++;
    } else {
        query = dns_query_start(dns, name, question, hash, now_ns);
    }
    struct dns_ask *ask = query != NULL ? add_ask(query, done, context) : NULL;
    if (ask != NULL) {
        ask->joined = joined;
    }
    return ask;
}

bool dns_joined(const struct dns_ask *ask) {
    return ask->joined;
}

struct dns_ask *dns_ask(struct dns *dns, const struct dns_question *question, int64_t now_ns,
                        dns_done *done, void *context) {
    dns->now_ns = now_ns;
    dns->told_ns = clock_boot_ns();
    dns->stats.questions++;
    dns_follow_look(dns);
    struct dns_wire_name name;
    if (!dns_name_parse(question->name, &name)) {
        tell(done, context, question, DNS_NO_NAME);
        return NULL;
    }
    const uint64_t hash = dns_cache_hash(dns->cache, &name, question->type);
    if (tell_from_cache(dns, &name, hash, question, now_ns, done, context)) {
        return NULL;
    }
    struct dns_ask *ask = ask_network(dns, &name, hash, question, now_ns, done, context);
    if (ask == NULL) {
        tell(done, context, question, DNS_UNAVAILABLE);
    }
    return ask;
}

void dns_cancel(struct dns_ask *ask) {
    struct dns_query *query = ask->query;
    *(ask->previous != NULL ? &ask->previous->next : &query->first_ask) = ask->next;
    *(ask->next != NULL ? &ask->next->previous : &query->last_ask) = ask->previous;
    query->dns->asks_open--;
    if (ask == &query->own_ask) {
        query->own_ask_used = false;
    } else {
        free(ask);
    }
}

bool dns_peek(struct dns *dns, const struct dns_question *question, int64_t now_ns, dns_done *done,
              void *context) {
    struct dns_wire_name name;
    if (!dns_name_parse(question->name, &name)) {
        tell(done, context, question, DNS_NO_NAME);
        return true;
    }
    return tell_from_cache(dns, &name, dns_cache_hash(dns->cache, &name, question->type), question,
                           now_ns, done, context);
}

void dns_stats(const struct dns *dns, struct dns_stats *ret_stats) {
    const struct dns_cache_counts cache = dns_cache_counts(dns->cache);
    *ret_stats = dns->stats;
    ret_stats->cache_bytes = cache.bytes;
    ret_stats->cache_entries = cache.entries;
    ret_stats->cache_evicted = cache.evicted;
    ret_stats->zones_evicted = dns_zones_evicted(dns->zones);
    for (size_t i = 0; i < dns->server_count; i++) {
        ret_stats->ports_shared += dns->servers[i].ports_shared;
        ret_stats->breaker_opens += dns->servers[i].opens;
    }
    ret_stats->breaker_opens -= dns->server_opens; /* these are counted already */
}

bool dns_server_status(const struct dns *dns, size_t i, struct dns_server_status *ret_status) {
    if (i >= dns->server_count) {
        return false;
    }
    *ret_status = dns->servers[i].status;
    return true;
}
