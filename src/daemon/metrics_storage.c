/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/statvfs.h>

#include "base/clock.h"
#include "daemon/metrics.h"

/* Journal, snapshots, history, tables and lists. */

static void tell_journal(const struct journal_stats *journal, uint64_t damaged,
                         struct metrics_text *text) {
    const uint64_t run_mask = (UINT64_C(1) << JOURNAL_RUN_SHIFT) - 1;
    const uint64_t last = journal->next_sequence - 1;
    const uint64_t synced = journal->synced_sequence;
    metrics_count(text, METRIC_JOURNAL_RING_USED, journal->ring_used_bytes, NULL);
    metrics_count(text, METRIC_JOURNAL_RING, journal->ring_bytes, NULL);
    metrics_count(text, METRIC_JOURNAL_SEGMENTS, journal->segments, NULL);
    metrics_count(text, METRIC_JOURNAL_BYTES, journal->segment_bytes_total, NULL);
    metrics_count(text, METRIC_JOURNAL_RECORDS, last & run_mask, NULL);
    /* Before the first sync of a run the synced sequence is of the run before. */
    metrics_count(text, METRIC_JOURNAL_UNSYNCED,
                  synced >> JOURNAL_RUN_SHIFT == last >> JOURNAL_RUN_SHIFT && last > synced
                      ? last - synced
                      : 0,
                  NULL);
    metrics_count(text, METRIC_JOURNAL_SKIPPED, journal->records_skipped, NULL);
    metrics_count(text, METRIC_JOURNAL_DAMAGED, damaged, NULL);
    metrics_count(text, METRIC_JOURNAL_ERRORS, journal->write_errors, NULL);
    metrics_count(text, METRIC_JOURNAL_GAPS, journal->gaps, NULL);
}

static void tell_snapshots(const struct snapshot_stats *snapshot, struct metrics_text *text) {
    metrics_count(text, METRIC_SNAPSHOTS, snapshot->taken, "outcome", "taken", NULL);
    metrics_count(text, METRIC_SNAPSHOTS, snapshot->failed, "outcome", "failed", NULL);
    metrics_seconds(text, METRIC_SNAPSHOT_LAST, snapshot->last_wall_ns, NULL);
    metrics_seconds(text, METRIC_SNAPSHOT_DURATION, snapshot->last_duration_ns, NULL);
    metrics_count(text, METRIC_SNAPSHOT_BYTES, snapshot->last_bytes, NULL);
}

/* The age of the newest decision in history while there are newer ones; before the first since the
 * start, the time since then. */
static int64_t recorder_lag_ns(const struct engine_status *status) {
    if (status->recorder.position >= status->journal.synced_sequence) {
        return 0;
    }
    const int64_t lag_ns = status->recorder.newest_time_ns == 0
                               ? status->uptime_ns
                               : status->clock.now_ns - status->recorder.newest_time_ns;
    return lag_ns > 0 ? lag_ns : 0;
}

static void tell_recorder(const struct engine_status *status, struct metrics_text *text) {
    metrics_seconds(text, METRIC_RECORDER_LAG, recorder_lag_ns(status), NULL);
    metrics_count(text, METRIC_RECORDER_ROWS, status->recorder.rows, NULL);
    metrics_count(text, METRIC_RECORDER_FOLDED, status->recorder.folded, NULL);
    metrics_count(text, METRIC_RECORDER_DROPPED, status->recorder.dropped, NULL);
    metrics_count(text, METRIC_RECORDER_ERRORS, status->recorder.errors, NULL);
}

static void tell_disk(const char *folder, struct metrics_text *text) {
    struct statvfs space;
    if (statvfs(folder, &space) == 0) {
        metrics_count(text, METRIC_DISK_FREE, (uint64_t)space.f_bavail * space.f_frsize, NULL);
        metrics_count(text, METRIC_DISK_SIZE, (uint64_t)space.f_blocks * space.f_frsize, NULL);
    }
}

static void tell_tables(const struct engine_status *status, struct metrics_text *text) {
    for (unsigned metric = METRIC_TABLE_ENTRIES; metric <= METRIC_TABLE_BYTES; metric++) {
        for (unsigned t = 0; t < STATE_TABLES; t++) {
            const uint64_t values[] = {status->tables[t].used, status->tables[t].capacity,
                                       status->tables[t].evicted, status->tables[t].bytes};
            metrics_count(text, (enum metric)metric, values[metric - METRIC_TABLE_ENTRIES], "table",
                          state_table_name((enum state_table_id)t), NULL);
        }
    }
    for (unsigned l = 0; l < LISTS; l++) {
        metrics_count(text, METRIC_LIST_ENTRIES, status->list_counts[l], "list",
                      list_name((enum list_id)l), NULL);
    }
}

void metrics_tell_storage(struct control *control, const struct engine_status *status,
                          struct metrics_text *text) {
    tell_journal(&status->journal, status->damaged_at_start, text);
    tell_snapshots(&status->snapshot, text);
    tell_recorder(status, text);
    tell_disk(engine_history_folder(control->engine), text);
    tell_tables(status, text);
}
