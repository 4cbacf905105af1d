/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/history_file.h"

enum { SECONDS_PER_MINUTE = 60, SHADOW_MAX = 1024 };

/* Key and count of one row of table minute. `used` 0: an empty slot. */
struct minute_slot {
    int64_t minute_s;
    uint8_t direction;
    uint8_t verdict;
    uint8_t shadow;
    uint8_t used;
    uint16_t policy;
    uint16_t reason;
    uint64_t count;
};

/* A refusal whose row later ones may be folded into. sequence 0: an empty slot. */
struct fold_slot {
    struct ip_address client;
    int64_t minute_s;
    uint64_t sequence;
    uint32_t pending; /* not yet added to the row's count */
    uint16_t policy;
    uint16_t reason;
};

struct history_rows {
    sqlite3_stmt *insert_session;
    sqlite3_stmt *insert_record;
    sqlite3_stmt *add_minute;
    sqlite3_stmt *add_span;
    sqlite3_stmt *add_count;
    size_t minute_count;
    bool folds_pending;
    struct { /* the minute that rows are being added to */
        int64_t minute_s;
        uint64_t first;
        uint64_t last; /* 0: none */
    } span;
    struct minute_slot minutes[HISTORY_MINUTES_MAX];
    struct fold_slot folds[HISTORY_FOLDS_MAX];
};

int history_rows_new(sqlite3 *db, struct history_rows **ret_rows) {
    struct history_rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL) {
        return -ENOMEM;
    }
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } wanted[] = {
        {&rows->insert_session,
         "INSERT INTO session VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1,?,?,?,?)"},
        {&rows->insert_record, "INSERT INTO record VALUES (?,?,?)"},
        {&rows->add_minute, "INSERT INTO minute VALUES (?,?,?,?,?,?,?) ON CONFLICT DO UPDATE"
                            " SET count = count + excluded.count"},
        {&rows->add_span,
         "INSERT INTO span VALUES (?,?,?) ON CONFLICT DO UPDATE"
         " SET first = min(first, excluded.first), last = max(last, excluded.last)"},
        {&rows->add_count, "UPDATE session SET count = count + ? WHERE sequence = ?"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const int result = history_file_prepare(db, wanted[i].sql, wanted[i].statement);
        if (result < 0) {
            history_rows_free(rows);
            return result;
        }
    }
    *ret_rows = rows;
    return 0;
}

void history_rows_free(struct history_rows *rows) {
    if (rows == NULL) {
        return;
    }
    (void)sqlite3_finalize(rows->insert_session);
    (void)sqlite3_finalize(rows->insert_record);
    (void)sqlite3_finalize(rows->add_minute);
    (void)sqlite3_finalize(rows->add_span);
    (void)sqlite3_finalize(rows->add_count);
    free(rows);
}

/* Runs a statement that returns no rows, with what was bound. */
static int run(sqlite3_stmt *statement) {
    const int step = sqlite3_step(statement);
    const int reset = sqlite3_reset(statement);
    return history_file_error(step == SQLITE_DONE ? reset : step);
}

static void bind_text(sqlite3_stmt *statement, int index, struct str text) {
    (void)sqlite3_bind_text(statement, index, text.length > 0 ? text.data : "", (int)text.length,
                            SQLITE_STATIC);
}

static int64_t minute_of(int64_t time_ns) {
    int64_t minute = time_ns / NS_PER_S / SECONDS_PER_MINUTE;
    return minute * SECONDS_PER_MINUTE;
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

/* --- statistics --- */

static int write_minute(struct history_rows *rows, const struct minute_slot *slot) {
    sqlite3_stmt *statement = rows->add_minute;
    (void)sqlite3_bind_int64(statement, 1, slot->minute_s);
    (void)sqlite3_bind_int(statement, 2, slot->direction);
    (void)sqlite3_bind_int(statement, 3, slot->verdict);
    (void)sqlite3_bind_int(statement, 4, slot->policy);
    (void)sqlite3_bind_int(statement, 5, slot->reason);
    (void)sqlite3_bind_int(statement, 6, slot->shadow);
    (void)sqlite3_bind_int64(statement, 7, (int64_t)slot->count);
    return run(statement);
}

static int flush_minutes(struct history_rows *rows) {
    int result = 0;
    for (size_t i = 0; i < HISTORY_MINUTES_MAX && rows->minute_count > 0 && result == 0; i++) {
        if (rows->minutes[i].used) {
            result = write_minute(rows, &rows->minutes[i]);
            rows->minutes[i] = (struct minute_slot){0};
            rows->minute_count--;
        }
    }
    return result;
}

static int count_one(struct history_rows *rows, const struct minute_slot *key) {
    uint64_t hash = mix(0, (uint64_t)key->minute_s);
    hash = mix(hash, (uint64_t)key->direction << 48 | (uint64_t)key->verdict << 40 |
                         (uint64_t)key->shadow << 32 | (uint64_t)key->policy << 16 | key->reason);
    for (size_t i = (size_t)hash;; i++) {
        struct minute_slot *slot = &rows->minutes[i & (HISTORY_MINUTES_MAX - 1)];
        if (!slot->used) {
            *slot = *key;
            slot->used = 1;
            slot->count = 1;
            rows->minute_count++;
            break;
        }
        if (slot->minute_s == key->minute_s && slot->direction == key->direction &&
            slot->verdict == key->verdict && slot->shadow == key->shadow &&
            slot->policy == key->policy && slot->reason == key->reason) {
            slot->count++;
            break;
        }
    }
    return rows->minute_count > HISTORY_MINUTES_MAX / 2 ? flush_minutes(rows) : 0;
}

/* Nobody's verdict: the message was accepted with its recipients. */
static bool is_end(const struct history_record *record) {
    return record->decision->request.state == PROTOCOL_STATE_END_OF_MESSAGE;
}

/* The decision itself, and what each policy in shadow would have done. */
int history_rows_count(struct history_rows *rows, const struct history_record *record) {
    const struct decision *decision = &record->decision->decision;
    if (is_end(record)) {
        return 0;
    }
    const struct minute_slot whole = {
        .minute_s = minute_of(record->decision->wall_ns),
        .direction = (uint8_t)decision->direction,
        .verdict = (uint8_t)decision->verdict,
        .policy = (uint16_t)decision->policy,
        .reason = (uint16_t)decision->reason,
    };
    int result = count_one(rows, &whole);
    for (size_t i = 0; i < decision->step_count && result == 0; i++) {
        const struct decision_step *step = &decision->steps[i];
        if (step->skipped || step->mode != POLICY_MODE_SHADOW || step->verdict == VERDICT_NONE) {
            continue;
        }
        struct minute_slot shadow = whole;
        shadow.shadow = 1;
        shadow.verdict = (uint8_t)step->verdict;
        shadow.policy = (uint16_t)step->policy;
        shadow.reason = (uint16_t)step->reason;
        result = count_one(rows, &shadow);
    }
    return result;
}

/* --- rows --- */

static int flush_span(struct history_rows *rows) {
    if (rows->span.last == 0) {
        return 0;
    }
    (void)sqlite3_bind_int64(rows->add_span, 1, rows->span.minute_s);
    (void)sqlite3_bind_int64(rows->add_span, 2, (int64_t)rows->span.first);
    (void)sqlite3_bind_int64(rows->add_span, 3, (int64_t)rows->span.last);
    rows->span.last = 0;
    return run(rows->add_span);
}

static int note_span(struct history_rows *rows, int64_t minute_s, uint64_t sequence) {
    if (rows->span.last != 0 && rows->span.minute_s == minute_s) {
        rows->span.last = sequence;
        return 0;
    }
    const int result = flush_span(rows);
    rows->span.minute_s = minute_s;
    rows->span.first = sequence;
    rows->span.last = sequence;
    return result;
}

static void add_shadow(struct text *text, const struct decision *decision) {
    for (size_t i = 0; i < decision->step_count; i++) {
        const struct decision_step *step = &decision->steps[i];
        if (step->skipped || step->mode != POLICY_MODE_SHADOW || step->verdict == VERDICT_NONE) {
            continue;
        }
        if (text->length > 0) {
            text_add_byte(text, ' ');
        }
        text_add(text, str_from(policy_info(step->policy)->name));
        text_add_byte(text, ':');
        text_add(text, str_from(verdict_name(step->verdict)));
        text_add_byte(text, ':');
        text_add(text, str_from(reason_info(step->reason)->word));
    }
}

static int64_t clamp(uint64_t value) {
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* Where the client is, when the decision knew. */
static void bind_place(sqlite3_stmt *statement, const struct facts *facts) {
    const bool known = facts->status[FACT_GEO] == FACT_KNOWN;
    const bool has_country = known && facts->geo_country[0] >= 'A';
    bind_text(statement, 25, (struct str){facts->geo_country, has_country ? 2 : 0});
    (void)sqlite3_bind_int64(statement, 26, known ? facts->geo_asn : 0);
}

static int insert_session(struct history_rows *rows, const struct history_record *record) {
    const struct decision_record *source = record->decision;
    const struct policy_request *request = &source->request;
    const struct decision *decision = &source->decision;
    sqlite3_stmt *statement = rows->insert_session;
    char shadow_bytes[SHADOW_MAX];
    struct text shadow = TEXT_OVER(shadow_bytes);
    add_shadow(&shadow, decision);
    (void)sqlite3_bind_int64(statement, 1, (int64_t)record->sequence);
    (void)sqlite3_bind_int64(statement, 2, source->wall_ns);
    (void)sqlite3_bind_int64(statement, 3, record->time_ns);
    (void)sqlite3_bind_int(statement, 4, (int)decision->direction);
    (void)sqlite3_bind_int(statement, 5, (int)decision->verdict);
    (void)sqlite3_bind_int(statement, 6, (int)decision->policy);
    (void)sqlite3_bind_int(statement, 7, (int)decision->reason);
    (void)sqlite3_bind_blob(statement, 8, request->client_address.bytes,
                            sizeof request->client_address.bytes, SQLITE_STATIC);
    bind_text(statement, 9, request->client_address_text);
    bind_text(statement, 10, request->client_name);
    bind_text(statement, 11, request->helo_name);
    bind_text(statement, 12, request->sender);
    bind_text(statement, 13, request->recipient);
    bind_text(statement, 14, source->identity);
    bind_text(statement, 15, request->instance);
    bind_text(statement, 16, request->queue_id);
    bind_text(statement, 17, (struct str){decision->rule, decision->rule_length});
    bind_text(statement, 18, (struct str){decision->reply, decision->reply_length});
    bind_text(statement, 19, text_str(&shadow));
    (void)sqlite3_bind_int64(statement, 20, clamp(request->size));
    (void)sqlite3_bind_int64(statement, 21, clamp(source->generation));
    (void)sqlite3_bind_int64(statement, 22, source->duration_us);
    (void)sqlite3_bind_int(statement, 23,
                           is_end(record) ? PROTOCOL_STATE_END_OF_MESSAGE : PROTOCOL_STATE_RCPT);
    (void)sqlite3_bind_int64(statement, 24, is_end(record) ? request->recipient_count : 0);
    bind_place(statement, &source->facts);
    return run(statement);
}

int history_rows_add(struct history_rows *rows, const struct history_record *record) {
    int result = insert_session(rows, record);
    if (result == 0) {
        sqlite3_stmt *statement = rows->insert_record;
        (void)sqlite3_bind_int64(statement, 1, (int64_t)record->sequence);
        (void)sqlite3_bind_int64(statement, 2, record->version);
        (void)sqlite3_bind_blob(statement, 3, record->body.length > 0 ? record->body.data : "",
                                (int)record->body.length, SQLITE_STATIC);
        result = run(statement);
    }
    if (result == 0) {
        result = note_span(rows, minute_of(record->decision->wall_ns), record->sequence);
    }
    return result == 0 ? history_rows_count(rows, record) : result;
}

/* --- folding --- */

static int write_fold(struct history_rows *rows, struct fold_slot *slot) {
    if (slot->pending == 0) {
        return 0;
    }
    (void)sqlite3_bind_int64(rows->add_count, 1, slot->pending);
    (void)sqlite3_bind_int64(rows->add_count, 2, (int64_t)slot->sequence);
    slot->pending = 0;
    return run(rows->add_count);
}

static int flush_folds(struct history_rows *rows) {
    int result = 0;
    for (size_t i = 0; i < HISTORY_FOLDS_MAX && rows->folds_pending && result == 0; i++) {
        result = write_fold(rows, &rows->folds[i]);
    }
    rows->folds_pending = false;
    return result;
}

int history_rows_fold(struct history_rows *rows, const struct history_record *record,
                      bool *ret_folded) {
    const struct decision *decision = &record->decision->decision;
    *ret_folded = false;
    if (decision->verdict != VERDICT_REJECT && decision->verdict != VERDICT_DEFER) {
        return history_rows_add(rows, record);
    }
    const struct fold_slot key = {
        .client = record->decision->request.client_address,
        .minute_s = minute_of(record->decision->wall_ns),
        .sequence = record->sequence,
        .policy = (uint16_t)decision->policy,
        .reason = (uint16_t)decision->reason,
    };
    uint64_t words[2];
    memcpy(words, key.client.bytes, sizeof words);
    uint64_t hash = mix(mix(mix(0, words[0]), words[1]), (uint64_t)key.minute_s);
    hash = mix(hash, (uint64_t)key.policy << 16 | key.reason);
    struct fold_slot *slot = &rows->folds[hash & (HISTORY_FOLDS_MAX - 1)];
    if (slot->sequence != 0 && slot->minute_s == key.minute_s && slot->policy == key.policy &&
        slot->reason == key.reason && ip_address_equal(slot->client, key.client)) {
        slot->pending++;
        rows->folds_pending = true;
        *ret_folded = true;
        return history_rows_count(rows, record);
    }
    int result = write_fold(rows, slot);
    if (result == 0) {
        result = history_rows_add(rows, record);
    }
    if (result == 0) {
        *slot = key;
    }
    return result;
}

/* --- end of a transaction --- */

int history_rows_flush(struct history_rows *rows) {
    int result = flush_span(rows);
    if (result == 0) {
        result = flush_minutes(rows);
    }
    return result == 0 ? flush_folds(rows) : result;
}

void history_rows_discard(struct history_rows *rows) {
    memset(rows->minutes, 0, sizeof rows->minutes);
    memset(rows->folds, 0, sizeof rows->folds);
    rows->minute_count = 0;
    rows->folds_pending = false;
    rows->span.last = 0;
}
