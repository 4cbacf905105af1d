/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/log.h"
#include "journal/journal.h"
#include "store/history.h"

/* The recorder thread: follows the journal up to its synced position and makes of each record a
 * history row (exactly once: rows and position in one transaction), its log lines (SPEC 11; at
 * least once after a crash) and the statistics per minute. Runs at low priority (recorder_pace.h),
 * never holds the state lock, and holds back the journal's release until it is done. Behind by more
 * than max_backlog, it folds repeated refusals (same client, policy, reason, minute) into one
 * counted row. */

struct recorder_options {
    struct history_options history;
    bool history_enabled;
    const char *journal_folder;
    uint64_t max_backlog_bytes;
};

struct recorder_stats {
    uint64_t position; /* last journal sequence handled */
    int64_t
        newest_time_ns; /* decision time of the newest record up to there; 0: none since start */
    uint64_t rows;      /* written since start */
    uint64_t folded;    /* decisions folded into counted rows */
    uint64_t dropped;   /* not recorded: history stopped because space is low */
    uint64_t errors;
    int last_error;
    bool behind; /* folding */
};

struct recorder;
MUST_USE int recorder_new(const struct recorder_options *options, struct journal *journal,
                          struct recorder **ret_recorder, struct text *problem);
void recorder_stats(const struct recorder *recorder, struct recorder_stats *ret_stats);
/* To be called some times a second by one thread, never during or after recorder_free(): gives the
 * recorder the priority that its lag wants. Without it, it stays at nice 10. */
void recorder_mind(struct recorder *recorder);
/* At most once per call of snapshot: what the snapshot does not need any more. The recorder calls
 * journal_release(min(this, its own position)). */
void recorder_set_snapshot_position(struct recorder *recorder, uint64_t sequence);
/* Live settings. */
void recorder_set_history(struct recorder *recorder, bool enabled, int64_t keep_s,
                          uint64_t min_free_bytes);
/* For followers (`seczim session --follow`): blocks until the position is above `after` or the
 * time-out; returns the position. */
uint64_t recorder_wait(struct recorder *recorder, uint64_t after, int64_t timeout_ns);
/* Handles what is synced, for 300 ms at most (the rest stays in the journal), commits, stops. */
void recorder_free(struct recorder *recorder);

/* The log lines of one decision, as written to the log (WARN REJECT, WARN DEFER, module lines).
 * Those below `least` may be left out. Pure but for `emit`; used by tests. */
typedef void recorder_emit(void *context, enum log_level level, const char *module, int64_t time_ns,
                           struct str message);
void recorder_log_lines(const struct decision_record *record, int64_t time_ns, enum log_level least,
                        recorder_emit *emit, void *context);

/* What the recorder has to know of the settings to name what a record has numbers of. */
struct recorder_names {
    char own_lists[DNSBL_OWN_MAX][64]; /* by number, from DNSBL_OWN_FIRST on; "": none */
};
void recorder_names_set(struct recorder_names *names, const struct rbl_settings *settings);
/* Names of lists for the lines from now on. Any thread. */
void recorder_set_names(struct recorder *recorder, const struct rbl_settings *settings);
/* The line about the country of a client, at level DEBUG. */
void recorder_log_geo_lines(const struct decision_record *record, int64_t time_ns,
                            recorder_emit *emit, void *context);
/* The lines about block lists; they come before those of recorder_log_lines(). */
void recorder_log_rbl_lines(const struct decision_record *record,
                            const struct recorder_names *names, int64_t time_ns,
                            recorder_emit *emit, void *context);
