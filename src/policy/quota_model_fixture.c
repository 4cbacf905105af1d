/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quota_model_fixture.h"

#include <stdlib.h>
#include <time.h>

#include "testing/test.h"

static int64_t local_of(int64_t time_s) {
    return time_s + 19800 + (time_s >= SUMMER_S && time_s < WINTER_S ? 3600 : 0);
}

static int64_t number_of(enum quota_window window, int64_t time_s) {
    const time_t local = (time_t)local_of(time_s);
    struct tm parts;
    assert_non_null(gmtime_r(&local, &parts));
    if (window == QUOTA_MONTH) {
        return (int64_t)parts.tm_year * 12 + parts.tm_mon;
    }
    const int64_t day = (int64_t)local / 86400;
    return window == QUOTA_DAY ? day : day - (parts.tm_wday + 6) % 7; /* its Monday */
}

static bool in_window(enum quota_window window, int64_t time_s, int64_t now_s) {
    if (window == QUOTA_MINUTE) {
        return time_s > now_s - 60;
    }
    if (window == QUOTA_HOUR) {
        return time_s / 60 > now_s / 60 - 60;
    }
    return number_of(window, time_s) >= number_of(window, now_s);
}

static void ledger_add(struct ledger *ledger, int64_t now_s, uint64_t amount) {
    if (amount == 0) {
        return;
    }
    if (ledger->count == ledger->capacity) {
        ledger->capacity = ledger->capacity * 2 + 64;
        ledger->times_s = realloc(ledger->times_s, ledger->capacity * sizeof *ledger->times_s);
        ledger->amounts = realloc(ledger->amounts, ledger->capacity * sizeof *ledger->amounts);
        assert_true(ledger->times_s != NULL && ledger->amounts != NULL);
    }
    ledger->times_s[ledger->count] = now_s;
    ledger->amounts[ledger->count++] = amount;
    for (unsigned i = 0; i < QUOTA_WINDOWS; i++) {
        ledger->sum[i] += amount;
    }
}

uint64_t ledger_sum(struct ledger *ledger, enum quota_window window, int64_t now_s) {
    size_t *begin = &ledger->begin[window];
    while (*begin < ledger->count && !in_window(window, ledger->times_s[*begin], now_s)) {
        ledger->sum[window] -= ledger->amounts[(*begin)++];
    }
    return ledger->sum[window];
}

void ledger_forget(struct ledger *ledger) {
    for (unsigned i = 0; i < QUOTA_WINDOWS; i++) {
        ledger->begin[i] = ledger->count;
        ledger->sum[i] = 0;
    }
}

unsigned model_subject(enum quota_scope scope, unsigned user, unsigned address) {
    const unsigned subjects[QUOTA_SCOPES] = {user, FIRST_DOMAIN + user % DOMAINS,
                                             FIRST_ADDRESS + address, EVERYBODY};
    return subjects[scope];
}

bool model_limit(const struct model *model, enum quota_scope scope, unsigned subject, unsigned unit,
                 unsigned window, uint64_t *ret_limit) {
    unsigned places[3] = {subject, subject, subject};
    if (scope == QUOTA_USER) {
        places[1] = USERS_OF_DOMAIN + subject % DOMAINS;
        places[2] = ALL_USERS;
    } else if (scope == QUOTA_IP) {
        places[1] = ALL_ADDRESSES;
    }
    for (size_t i = 0; i < 3; i++) {
        if (model->limited[places[i]][unit][window]) {
            *ret_limit = model->limits[places[i]][unit][window];
            return true;
        }
    }
    return false;
}

unsigned model_limited_pairs(const struct model *model, const struct message *message) {
    unsigned pairs = 0;
    for (unsigned i = 0; i < QUOTA_SCOPES * QUOTA_UNITS * QUOTA_WINDOWS; i++) {
        const unsigned pair = i / QUOTA_WINDOWS;
        const enum quota_scope scope = (enum quota_scope)(pair / QUOTA_UNITS);
        uint64_t limit;
        if (model_limit(model, scope, model_subject(scope, message->user, message->address),
                        pair % QUOTA_UNITS, i % QUOTA_WINDOWS, &limit)) {
            pairs |= 1u << pair;
        }
    }
    return pairs;
}

static uint64_t amount_of(unsigned unit, uint64_t recipients, uint64_t bytes) {
    if (recipients == 0) {
        return 0;
    }
    return unit == QUOTA_RECIPIENTS ? recipients : unit == QUOTA_MESSAGES ? 1 : bytes;
}

bool message_is_live(const struct message *message, int64_t now_s) {
    return message->minute + RESERVATION_MINUTES > (uint64_t)now_s / 60;
}

static uint64_t reserved_by(const struct model *model, const struct message *message, unsigned pair,
                            unsigned subject) {
    const enum quota_scope scope = (enum quota_scope)(pair / QUOTA_UNITS);
    if (model->at_once || !message->open || (message->pairs & 1u << pair) == 0 ||
        model_subject(scope, message->user, message->address) != subject ||
        !message_is_live(message, model->world->now_s)) {
        return 0;
    }
    return amount_of(pair % QUOTA_UNITS, message->recipients, message->bytes);
}

uint64_t model_reserved(const struct model *model, unsigned pair, unsigned subject) {
    uint64_t sum = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        sum += reserved_by(model, &model->messages[i], pair, subject);
    }
    for (size_t i = 0; i < LOST; i++) {
        sum += reserved_by(model, &model->lost[i], pair, subject);
    }
    return sum;
}

bool model_would_fit(struct model *model, const struct message *message, unsigned pair) {
    const enum quota_scope scope = (enum quota_scope)(pair / QUOTA_UNITS);
    const unsigned unit = pair % QUOTA_UNITS;
    const unsigned subject = model_subject(scope, message->user, message->address);
    const bool has = (message->pairs & 1u << pair) != 0 &&
                     (model->at_once || message_is_live(message, model->world->now_s));
    const uint64_t before = has ? amount_of(unit, message->recipients, message->bytes) : 0;
    const bool alone = model->at_once && (message->pairs & 1u << pair) == 0;
    const uint64_t bytes = message->recipients > 0 ? message->bytes : message->size;
    const uint64_t change = amount_of(unit, alone ? 1 : message->recipients + 1, bytes) - before;
    const uint64_t reserved = model_reserved(model, pair, subject);
    for (unsigned window = 0; change > 0 && window < QUOTA_WINDOWS; window++) {
        uint64_t limit;
        if (model_limit(model, scope, subject, unit, window, &limit) &&
            ledger_sum(&model->ledgers[subject][unit], (enum quota_window)window,
                       model->world->now_s) +
                    reserved + change >
                limit) {
            return false;
        }
    }
    return true;
}

void model_commit(struct model *model, const struct message *message, unsigned pairs,
                  uint64_t recipients, uint64_t bytes) {
    for (unsigned pair = 0; pair < QUOTA_SCOPES * QUOTA_UNITS; pair++) {
        const enum quota_scope scope = (enum quota_scope)(pair / QUOTA_UNITS);
        if ((pairs & 1u << pair) != 0) {
            const unsigned subject = model_subject(scope, message->user, message->address);
            ledger_add(&model->ledgers[subject][pair % QUOTA_UNITS], model->world->now_s,
                       amount_of(pair % QUOTA_UNITS, recipients, bytes));
        }
    }
}

void model_charge(struct model *model, struct message *message, unsigned pairs) {
    if (model->at_once) {
        model_commit(model, message, pairs & RECIPIENT_PAIRS, 1, 0); /* recipients each, */
        model_commit(model, message, pairs & ~message->pairs & ~(unsigned)RECIPIENT_PAIRS, 1,
                     message->size);
        /* ... messages and bytes once */
    }
    message->bytes = message->recipients > 0 ? message->bytes : message->size;
    message->recipients++;
    message->pairs |= pairs;
    message->minute = (uint64_t)model->world->now_s / 60;
}
