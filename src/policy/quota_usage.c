/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "mail/mail_address.h"
#include "policy/quota_parts.h"
#include "policy/zone.h"

/* Keys, what is used of a window, and usage for people. */

enum { MINUTE_S = 60, HOUR_S = 3600, FORGOTTEN_TTL_S = 40 * 86400 };

/* --- subjects and keys --------------------------------------------------------------------------
 */

static struct str domain_of(struct str user) {
    const size_t at = str_find_last(user, '@');
    return at != SIZE_MAX ? str_slice(user, at + 1, user.length) : (struct str){NULL, 0};
}

struct quota_subject quota_subject_of_user(struct str user, struct ip_address address) {
    return (struct quota_subject){.user = user, .domain = domain_of(user), .address = address};
}

struct quota_subject quota_subject_of(struct str sender, struct ip_address address,
                                      struct text *room) {
    const size_t start = room->length;
    mail_recipient_normalise_for_greylisting(decision_value(sender), room);
    return quota_subject_of_user(str_slice(text_str(room), start, room->length), address);
}

bool quota_subject_has(const struct quota_subject *subject, enum quota_scope scope) {
    switch (scope) {
    case QUOTA_USER:
        return subject->user.length > 0;
    case QUOTA_DOMAIN:
        return subject->domain.length > 0;
    case QUOTA_IP:
        return !ip_address_is_none(subject->address);
    case QUOTA_GLOBAL:
    case QUOTA_SCOPES:
        break;
    }
    return true;
}

/* The address itself, or the first of its /64. */
static struct ip_address network_address(struct ip_address address) {
    const struct state_network network = state_network_of(address);
    return state_network_address(network.bits, network.is_v4);
}

struct hash128 quota_key(const struct sip_key *key, enum quota_scope scope, enum quota_unit unit,
                         const struct quota_subject *subject) {
    CHECK(quota_subject_has(subject, scope));
    struct ip_address address;
    const char pair[2] = {(char)scope, (char)unit};
    struct str name = {NULL, 0};
    switch (scope) {
    case QUOTA_USER:
        name = subject->user;
        break;
    case QUOTA_DOMAIN:
        name = subject->domain;
        break;
    case QUOTA_IP:
        address = network_address(subject->address);
        name = (struct str){(const char *)address.bytes, sizeof address.bytes};
        break;
    case QUOTA_GLOBAL:
    case QUOTA_SCOPES:
        break;
    }
    const struct str parts[] = {{pair, sizeof pair}, name};
    return state_key(key, STATE_QUOTA, parts, sizeof parts / sizeof parts[0]);
}

/* --- windows ------------------------------------------------------------------------------------
 */

/* A sum in two halves, which cannot overflow. */
struct wide_sum {
    uint64_t high; /* of the slots' upper 32 bits */
    uint64_t low;
};

/* QUOTA_RING slots that are all below this have a sum of 64 bits, and so have nearly all. */
enum { SLOT_BITS_SAFE = 58 };
_Static_assert(QUOTA_RING <= 1 << (64 - SLOT_BITS_SAFE), "their sum has 64 bits");

static void add_slots(struct wide_sum *sum, const uint64_t *slots, size_t count) {
    uint64_t all = 0;
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        all += slots[i];
        bits |= slots[i];
    }
    if (bits >> SLOT_BITS_SAFE == 0) {
        sum->high += all >> 32;
        sum->low += all & UINT32_MAX;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        sum->high += slots[i] >> 32;
        sum->low += slots[i] & UINT32_MAX;
    }
}

static uint64_t saturated(const struct wide_sum *sum) {
    const uint64_t high = sum->high + (sum->low >> 32);
    return high > UINT32_MAX ? UINT64_MAX : high << 32 | (sum->low & UINT32_MAX);
}

/* The buckets of a ring that lie in the `size` that end now; those of a node whose clock is ahead
 * count too. */
static uint64_t ring_sum(const uint64_t *slots, uint32_t size, uint32_t newest, uint32_t now) {
    const uint32_t last = now > newest ? now : newest;
    const uint32_t gone = last - newest; /* buckets after the newest: nothing happened in them */
    const uint32_t left = gone < size ? size - gone : 0;
    const uint32_t count = left <= newest ? left : newest + 1;
    const uint32_t end = newest % size + 1;
    struct wide_sum sum = {0, 0};
    if (count <= end) {
        add_slots(&sum, slots + (end - count), count);
    } else {
        add_slots(&sum, slots, end);
        add_slots(&sum, slots + (size - (count - end)), count - end);
    }
    return saturated(&sum);
}

static uint64_t reserved_sum(const struct quota_entry *entry, uint32_t now_s) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < QUOTA_RESERVED_RING && i <= entry->reserved_minute; i++) {
        const uint32_t minute = entry->reserved_minute - i;
        if (minute + QUOTA_RESERVED_RING <= now_s / MINUTE_S) {
            break; /* and so are all before it */
        }
        sum += (uint64_t)entry->reserved[minute % QUOTA_RESERVED_RING];
    }
    return (int64_t)sum > 0 ? sum : 0;
}

void quota_make_digest(const void *entry, uint32_t now_s, void *ret_digest) {
    const struct quota_entry *quota = entry;
    struct quota_digest digest = {
        .epoch_s = quota->epoch_s,
        .present = 1,
        .reserved = reserved_sum(quota, now_s),
    };
    digest.committed[QUOTA_MINUTE] =
        ring_sum(quota->seconds, QUOTA_RING, quota->newest_second, now_s);
    digest.committed[QUOTA_HOUR] =
        ring_sum(quota->minutes, QUOTA_RING, quota->newest_minute, now_s / MINUTE_S);
    for (size_t i = 0; i < QUOTA_CALENDARS; i++) {
        digest.committed[QUOTA_DAY + i] = quota->calendar[i].count;
        digest.numbers[i] = (uint16_t)quota->calendar[i].number;
    }
    memcpy(ret_digest, &digest, sizeof digest);
}

uint64_t quota_committed(const struct quota_digest *usage, const uint16_t numbers[QUOTA_CALENDARS],
                         enum quota_window window) {
    if (usage == NULL ||
        (window >= QUOTA_DAY && usage->numbers[window - QUOTA_DAY] < numbers[window - QUOTA_DAY])) {
        return 0;
    }
    return usage->committed[window];
}

void quota_local_numbers(const struct zone *zone, uint32_t now_s,
                         uint16_t ret_numbers[QUOTA_CALENDARS]) {
    const int64_t local_s = (int64_t)now_s + zone_offset_s(zone, now_s);
    for (size_t i = 0; i < QUOTA_CALENDARS; i++) {
        ret_numbers[i] = (uint16_t)zone_local_number((enum zone_period)i, local_s);
    }
}

uint32_t quota_window_end(const struct zone *zone, enum quota_window window, uint32_t now_s) {
    switch (window) {
    case QUOTA_MINUTE:
        return quota_later(now_s, MINUTE_S);
    case QUOTA_HOUR:
        return quota_later(now_s, HOUR_S);
    case QUOTA_DAY:
        return zone_next(zone, ZONE_DAY, now_s);
    case QUOTA_WEEK:
        return zone_next(zone, ZONE_WEEK, now_s);
    case QUOTA_MONTH:
        return zone_next(zone, ZONE_MONTH, now_s);
    case QUOTA_WINDOWS:
        break;
    }
    CHECK(false);
}

/* --- usage --------------------------------------------------------------------------------------
 */

static void add_rows(const struct quota_limits *limits, const struct quota_digest *digest,
                     const struct zone *zone, struct quota_usage_row row, uint32_t now_s,
                     struct quota_usage *usage) {
    uint16_t numbers[QUOTA_CALENDARS];
    quota_local_numbers(zone, now_s, numbers);
    for (unsigned window = 0; window < QUOTA_WINDOWS; window++) {
        if (limits->ids[window] != 0) {
            CHECK(usage->count < QUOTA_USAGE_MAX);
            row.window = (enum quota_window)window;
            row.rule_id = limits->ids[window];
            row.is_default = (limits->defaults & 1u << window) != 0;
            row.limit = limits->limits[window];
            row.used = quota_committed(digest, numbers, row.window);
            row.reserved = digest->reserved;
            row.resets_s = quota_window_end(zone, row.window, now_s);
            usage->rows[usage->count++] = row;
        }
    }
}

void quota_usage_read(const struct state *state, const struct rules *rules, const struct zone *zone,
                      const struct quota_subject *subject, uint32_t now_s,
                      struct quota_usage *ret) {
    ret->count = 0;
    for (unsigned i = 0; i < QUOTA_PAIRS; i++) {
        const enum quota_scope scope = (enum quota_scope)(i / QUOTA_UNITS);
        const enum quota_unit unit = (enum quota_unit)(i % QUOTA_UNITS);
        struct quota_limits limits;
        struct quota_digest digest = {.present = 0};
        if (!quota_subject_has(subject, scope) ||
            !rules_quota_limits(rules, scope, unit, subject, now_s, &limits)) {
            continue;
        }
        const void *entry =
            state_find(state, STATE_QUOTA, quota_key(&state->key, scope, unit, subject));
        if (entry != NULL) {
            quota_make_digest(entry, now_s, &digest);
        }
        add_rows(&limits, &digest, zone, (struct quota_usage_row){.scope = scope, .unit = unit},
                 now_s, ret);
    }
}

size_t quota_forget_effects(const struct state *state, enum quota_scope scope,
                            const struct quota_subject *subject, uint32_t now_s,
                            struct effect ret_effects[QUOTA_UNITS]) {
    size_t count = 0;
    for (unsigned unit = 0; unit < QUOTA_UNITS && quota_subject_has(subject, scope); unit++) {
        const struct hash128 key = quota_key(&state->key, scope, (enum quota_unit)unit, subject);
        const struct quota_entry *entry = state_find(state, STATE_QUOTA, key);
        if (entry != NULL) {
            ret_effects[count++] = (struct effect){
                .kind = EFFECT_QUOTA_FORGOTTEN,
                .key = key,
                .time_s = now_s,
                .expires_s = quota_later(now_s, FORGOTTEN_TTL_S),
                .epoch_s = entry->epoch_s + 1,
            };
        }
    }
    return count;
}
