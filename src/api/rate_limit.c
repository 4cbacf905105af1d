/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rate_limit.h"

#include <stdlib.h>

#include "base/clock.h"

static const int64_t FULL_NS = (int64_t)RATE_LIMIT_BURST_S * NS_PER_S;

/* Kept as the time at which the bucket will be full: one number says all. */
struct bucket {
    uint64_t caller;
    int64_t full_at_ns;
};

struct rate_limit {
    struct sip_key key;
    int64_t each_ns; /* what one request takes of the bucket */
    pthread_mutex_t lock;
    struct counter refused;
    struct bucket places[RATE_LIMIT_PLACES];
};

struct rate_limit *rate_limit_new(const struct sip_key *key, int64_t per_second) {
    struct rate_limit *limit = calloc(1, sizeof *limit);
    if (limit != NULL) {
        limit->key = *key;
        limit->each_ns = NS_PER_S / per_second;
        pthread_mutex_init(&limit->lock, NULL);
    }
    return limit;
}

void rate_limit_free(struct rate_limit *limit) {
    if (limit != NULL) {
        pthread_mutex_destroy(&limit->lock);
        free(limit);
    }
}

uint32_t rate_limit_take(struct rate_limit *limit, struct str caller, int64_t now_ns) {
    const uint64_t hash = sip_hash(&limit->key, caller.data, caller.length).low;
    pthread_mutex_lock(&limit->lock);
    struct bucket *bucket = &limit->places[hash % RATE_LIMIT_PLACES];
    if (bucket->caller != hash) {
        *bucket = (struct bucket){.caller = hash};
    }
    const int64_t from_ns = bucket->full_at_ns > now_ns ? bucket->full_at_ns : now_ns;
    const int64_t over_ns = from_ns + limit->each_ns - now_ns - FULL_NS;
    if (over_ns <= 0) {
        bucket->full_at_ns = from_ns + limit->each_ns;
    }
    pthread_mutex_unlock(&limit->lock);
    if (over_ns <= 0) {
        return 0;
    }
    counter_add(&limit->refused, 1);
    return (uint32_t)((over_ns + NS_PER_S - 1) / NS_PER_S);
}

uint64_t rate_limit_refused(const struct rate_limit *limit) {
    return counter_read(&limit->refused);
}
