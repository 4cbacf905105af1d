/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sip_hash.h"
#include "net/dns.h"

enum {
    BUCKETS_MIN = 64,
    BUCKETS_MAX = 1 << 17,
    BYTES_PER_BUCKET = 512,
    ALLOCATOR_BYTES = 32, /* two blocks an entry, by malloc's own book-keeping */
};

struct entry {
    struct entry *next; /* in the bucket */
    struct entry *newer;
    struct entry *older;
    struct dns_reply *reply;
    int64_t expires_ns;     /* from then on it is not given out */
    int64_t ttl_expires_ns; /* by its own time to live, which may be less */
    size_t bucket;
    uint16_t type;
    uint8_t name_length;
    uint8_t name[];
};

struct dns_cache {
    struct sip_key key;
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    struct entry *newest;
    struct entry *oldest;
    uint64_t bytes_max;
    struct dns_cache_counts counts;
};

struct dns_cache *dns_cache_new(int64_t bytes_max, uint64_t seed) {
    struct dns_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        return NULL;
    }
    cache->bytes_max = bytes_max > 0 ? (uint64_t)bytes_max : 0;
    cache->bucket_count = BUCKETS_MIN;
    while (cache->bucket_count < BUCKETS_MAX &&
           cache->bucket_count < cache->bytes_max / BYTES_PER_BUCKET) {
        cache->bucket_count *= 2;
    }
    memcpy(cache->key.bytes, &seed, sizeof seed);
    cache->buckets = calloc(cache->bucket_count, sizeof(struct entry *));
    if (cache->buckets == NULL) {
        free(cache);
        return NULL;
    }
    return cache;
}

static uint64_t entry_bytes(const struct entry *entry) {
    return sizeof *entry + entry->name_length + entry->reply->bytes + ALLOCATOR_BYTES;
}

uint64_t dns_cache_hash(const struct dns_cache *cache, const struct dns_wire_name *name,
                        enum dns_type type) {
    uint8_t bytes[DNS_WIRE_NAME_MAX + 1];
    memcpy(bytes, name->bytes, name->length);
    bytes[name->length] = (uint8_t)type;
    return sip_hash(&cache->key, bytes, name->length + (size_t)1).low;
}

static size_t bucket_of(const struct dns_cache *cache, uint64_t hash) {
    return (size_t)hash & (cache->bucket_count - 1);
}

static void link_newest(struct dns_cache *cache, struct entry *entry) {
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void unlink_from_order(struct dns_cache *cache, struct entry *entry) {
    *(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void remove_entry(struct dns_cache *cache, struct entry *entry) {
    struct entry **link = &cache->buckets[entry->bucket];
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    unlink_from_order(cache, entry);
    cache->counts.bytes -= entry_bytes(entry);
    cache->counts.entries--;
    dns_reply_release(entry->reply);
    free(entry);
}

void dns_cache_free(struct dns_cache *cache) {
    if (cache == NULL) {
        return;
    }
    while (cache->oldest != NULL) {
        remove_entry(cache, cache->oldest);
    }
    free(cache->buckets);
    free(cache);
}

static struct entry *find_entry(const struct dns_cache *cache, const struct dns_wire_name *name,
                                enum dns_type type, size_t bucket) {
    struct entry *entry = cache->buckets[bucket];
    while (entry != NULL && (entry->type != type || entry->name_length != name->length ||
                             memcmp(entry->name, name->bytes, name->length) != 0)) {
        entry = entry->next;
    }
    return entry;
}

/* Seconds for which an answer is given out again; 0: not at all. */
static uint32_t kept_s(const struct dns_answer *answer) {
    switch (answer->status) {
    case DNS_FOUND:
    case DNS_NO_DATA:
    case DNS_NO_NAME:
        return answer->ttl_s == 0              ? 1
               : answer->ttl_s < DNS_TTL_MAX_S ? answer->ttl_s
                                               : DNS_TTL_MAX_S;
    case DNS_FAILED:
    case DNS_TIMED_OUT:
        return DNS_FAILED_TTL_S;
    case DNS_UNAVAILABLE:
        break;
    }
    return 0;
}

static void make_room(struct dns_cache *cache, uint64_t bytes, int64_t now_ns) {
    while (cache->oldest != NULL && cache->counts.bytes + bytes > cache->bytes_max) {
        cache->counts.evicted += cache->oldest->expires_ns > now_ns;
        remove_entry(cache, cache->oldest);
    }
}

void dns_cache_add(struct dns_cache *cache, const struct dns_wire_name *name, enum dns_type type,
                   uint64_t hash, struct dns_reply *reply, int64_t now_ns) {
    const uint32_t seconds = kept_s(&reply->answer);
    const size_t bucket = bucket_of(cache, hash);
    struct entry *entry = find_entry(cache, name, type, bucket);
    if (entry != NULL) {
        remove_entry(cache, entry);
    }
    entry = seconds > 0 ? malloc(sizeof *entry + name->length) : NULL;
    if (entry == NULL) {
        return;
    }
    const uint32_t ttl_s = reply->answer.ttl_s < seconds ? reply->answer.ttl_s : seconds;
    *entry = (struct entry){.reply = reply,
                            .expires_ns = now_ns + seconds * (int64_t)NS_PER_S,
                            .ttl_expires_ns = now_ns + ttl_s * (int64_t)NS_PER_S,
                            .bucket = bucket,
                            .type = (uint16_t)type,
                            .name_length = name->length};
    memcpy(entry->name, name->bytes, name->length);
    const uint64_t bytes = entry_bytes(entry);
    if (bytes > cache->bytes_max) {
        free(entry);
        return;
    }
    make_room(cache, bytes, now_ns);
    (void)dns_reply_hold(reply);
    entry->next = cache->buckets[bucket];
    cache->buckets[bucket] = entry;
    link_newest(cache, entry);
    cache->counts.bytes += bytes;
    cache->counts.entries++;
}

struct dns_reply *dns_cache_find(struct dns_cache *cache, const struct dns_wire_name *name,
                                 enum dns_type type, uint64_t hash, int64_t now_ns,
                                 uint32_t *ret_ttl_s) {
    struct entry *entry = find_entry(cache, name, type, bucket_of(cache, hash));
    if (entry == NULL) {
        return NULL;
    }
    if (entry->expires_ns <= now_ns) {
        remove_entry(cache, entry);
        return NULL;
    }
    unlink_from_order(cache, entry);
    link_newest(cache, entry);
    const int64_t left_ns = entry->ttl_expires_ns - now_ns;
    /* Rounded up: what was just added has the whole of its time left. */
    *ret_ttl_s = left_ns > 0 ? (uint32_t)((left_ns + NS_PER_S - 1) / NS_PER_S) : 0;
    return entry->reply;
}

struct dns_cache_counts dns_cache_counts(const struct dns_cache *cache) {
    return cache->counts;
}
