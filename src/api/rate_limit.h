/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>

#include "base/check.h"
#include "base/counter.h"
#include "base/sip_hash.h"
#include "base/str.h"

/* How many requests one caller may make: a bucket for each caller that gets so many a second back
 * and holds those of two seconds. A caller is a user, a token, or an address without either. The
 * table is small: with more callers than it has room for, those that collide share a bucket's
 * place, and the newcomer begins with a full one. Thread safe; time is passed in. */

enum { RATE_LIMIT_PLACES = 4096, RATE_LIMIT_BURST_S = 2 };

struct rate_limit;

/* NULL when memory is out. `key`: 16 random bytes. `per_second`: 1 to 1,000,000. */
struct rate_limit *rate_limit_new(const struct sip_key *key, int64_t per_second);
void rate_limit_free(struct rate_limit *limit);
/* 0: the request may go on. Else the seconds to wait, rounded up. */
MUST_USE uint32_t rate_limit_take(struct rate_limit *limit, struct str caller, int64_t now_ns);
uint64_t rate_limit_refused(const struct rate_limit *limit);
