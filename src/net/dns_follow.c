/* SPDX-License-Identifier: Apache-2.0 */
/* The servers of /etc/resolv.conf. A machine may write that file long after we have started, and
 * again whenever it moves to another network: it is looked at again now and then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "net/dns_core.h"
#include "net/dns_resolv_conf.h"

enum { RESOLV_CONF_BYTES_MAX = 64 * 1024 };

static const char path[] = "/etc/resolv.conf";

static struct dns_file identify(void) {
    struct stat status;
    if (stat(path, &status) != 0) {
        return (struct dns_file){0};
    }
    return (struct dns_file){
        .inode = (uint64_t)status.st_ino,
        .bytes = (int64_t)status.st_size,
        .changed_s = status.st_ctim.tv_sec,
        .changed_ns = status.st_ctim.tv_nsec,
    };
}

/* Empty when it cannot be read: then there is no server. */
size_t dns_follow_read(struct dns_file *ret_file, struct dns_address *ret_servers) {
    *ret_file = identify(); /* Before it is read: a later change is seen at the next look. */
    FILE *file = fopen(path, "re");
    char *content = file != NULL ? malloc(RESOLV_CONF_BYTES_MAX) : NULL;
    size_t count = 0;
    if (content != NULL) {
        const size_t length = fread(content, 1, RESOLV_CONF_BYTES_MAX, file);
        count = dns_resolv_conf_parse((struct str){content, length}, ret_servers, DNS_SERVERS_MAX);
        free(content);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return count;
}

static bool same_file(const struct dns_file *a, const struct dns_file *b) {
    return a->inode == b->inode && a->bytes == b->bytes && a->changed_s == b->changed_s &&
           a->changed_ns == b->changed_ns;
}

static bool same_address(struct dns_address a, struct dns_address b) {
    return a.port == b.port && memcmp(a.ip.bytes, b.ip.bytes, sizeof a.ip.bytes) == 0;
}

static bool same_servers(const struct dns *dns, const struct dns_address *servers, size_t count) {
    bool same = count == dns->server_count;
    for (size_t i = 0; same && i < count; i++) {
        same = same_address(dns->servers[i].address, servers[i]);
    }
    return same;
}

static void replace_servers(struct dns *dns, const struct dns_address *servers, size_t count) {
    dns_count_opens(dns);
    for (size_t i = 0; i < dns->server_count; i++) {
        dns->stats.ports_shared += dns->servers[i].ports_shared;
        dns_server_done(&dns->servers[i]);
    }
    dns->server_opens = 0;
    for (dns->server_count = 0; dns->server_count < count; dns->server_count++) {
        if (!dns_server_init(&dns->servers[dns->server_count], dns->base,
                             servers[dns->server_count], dns->timeout_ns)) {
            return; /* No memory: those that there are. */
        }
    }
    dns_zones_clear(dns->zones);
}

/* A file that names nobody, in the middle of being written or while the network is away, changes
 * nothing. */
static void take_servers(struct dns *dns) {
    struct dns_address servers[DNS_SERVERS_MAX];
    const size_t count = dns_follow_read(&dns->file, servers);
    dns->follow_due = false;
    if (count > 0 && !same_servers(dns, servers, count)) {
        replace_servers(dns, servers, count);
        dns_query_ask_anew(dns);
    }
}

void dns_follow_look(struct dns *dns) {
    if (!dns->follows || dns->follow_due || dns->now_ns - dns->looked_ns < DNS_FOLLOW_NS) {
        return;
    }
    dns->looked_ns = dns->now_ns;
    const struct dns_file file = identify();
    if (same_file(&file, &dns->file)) {
        return;
    }
    if (dns->server_count == 0) {
        take_servers(dns); /* Nothing is under way. */
    } else {
        dns->follow_due = true;
        event_active(dns->settle, 0, 0);
    }
}

void dns_follow_settle(struct dns *dns) {
    if (dns->follow_due) {
        take_servers(dns);
    }
}
