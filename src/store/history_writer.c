/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "store/history_closer.h"
#include "store/history_file.h"
#include "store/history_rows.h"

/* A checkpoint moves what the WAL holds into the file and syncs both; it is due by either. */
enum { CHECKPOINT_BYTES = 64 * 1024 * 1024, CHECKPOINT_S = 10, PAGE_BYTES = 8192 };

struct history_writer {
    char *folder;
    uint64_t rows_per_file_max;
    struct history_closer *closer;
    bool has_file; /* `file` is open as `db`; otherwise it is made by the next row or commit */
    struct history_file file;
    int64_t day_until_ns;
    sqlite3 *db;
    struct history_rows *rows;
    bool in_transaction;
    struct history_meta meta;      /* with what the transaction adds */
    struct history_meta committed; /* as it stands in the file */
    uint64_t last_sequence;        /* added or counted */
    uint64_t durable;
    int wal_pages;
    int64_t checkpoint_due_boot_ns;
};

static const struct history_meta no_meta = {.time_min_ns = INT64_MAX};

static int note_wal_pages(void *context, sqlite3 *db, const char *schema, int pages) {
    (void)db;
    (void)schema;
    ((struct history_writer *)context)->wal_pages = pages;
    return SQLITE_OK;
}

static int open_file(struct history_writer *writer, const struct history_file *file) {
    sqlite3 *db = NULL;
    struct history_rows *rows = NULL;
    struct history_meta meta;
    int result = history_file_open(writer->folder, file, HISTORY_WRITE, &db);
    if (result == 0) {
        result = history_file_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                                       "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16384;"
                                       "PRAGMA journal_size_limit = 67108864;");
    }
    if (result == 0) {
        result = history_file_meta(db, &meta);
    }
    if (result == 0) {
        result = history_rows_new(db, &rows);
    }
    if (result < 0) {
        (void)sqlite3_close(db);
        return result;
    }
    (void)sqlite3_wal_hook(db, note_wal_pages, writer);
    writer->has_file = true;
    writer->file = *file;
    writer->day_until_ns = history_day_end(file->date);
    writer->db = db;
    writer->rows = rows;
    writer->meta = meta;
    writer->committed = meta;
    writer->wal_pages = 0;
    writer->checkpoint_due_boot_ns = clock_boot_ns() + (int64_t)CHECKPOINT_S * NS_PER_S;
    return 0;
}

static void close_file(struct history_writer *writer, bool checkpoint) {
    if (!writer->has_file) {
        return;
    }
    history_rows_free(writer->rows);
    if (!checkpoint) {
        (void)sqlite3_db_config(writer->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    CHECK(sqlite3_close(writer->db) == SQLITE_OK);
    writer->rows = NULL;
    writer->db = NULL;
    writer->has_file = false;
    writer->in_transaction = false;
}

/* The newest file that can be read is gone on with; damaged ones are set aside. A newer one that is
 * finished already (its successor was set aside) only gives its position. */
static int open_newest(struct history_writer *writer, struct text *problem) {
    for (;;) {
        struct history_file *files = NULL;
        size_t count = 0;
        int result = history_file_list(writer->folder, &files, &count);
        if (result < 0 || count == 0) {
            free(files);
            return result;
        }
        const struct history_file newest = files[count - 1];
        free(files);
        result = open_file(writer, &newest);
        if (result == -EUCLEAN) {
            result = history_file_set_aside(writer->folder, &newest);
            if (result == 0) {
                continue;
            }
            text_add(problem, STR("cannot set the damaged file aside as .damaged: "));
        }
        if (result < 0) {
            text_add(problem, STR("cannot open the history file "));
            text_add(problem, str_from(newest.name));
            text_add(problem, result == -EPROTONOSUPPORT
                                  ? STR(": it was written by a newer release; install that release")
                                  : STR(": "));
            text_add(problem, result == -EPROTONOSUPPORT ? STR("") : str_from(strerror(-result)));
            return result;
        }
        return 0;
    }
}

int history_writer_open(const struct history_options *options, struct history_writer **ret_writer,
                        struct text *problem) {
    struct history_writer *writer = calloc(1, sizeof *writer);
    int result = writer == NULL ? -ENOMEM : 0;
    if (result == 0) {
        writer->rows_per_file_max = options->rows_per_file_max > 0 ? options->rows_per_file_max : 1;
        writer->meta = no_meta;
        writer->committed = no_meta;
        writer->folder = strdup(options->folder);
        result = writer->folder == NULL ? -ENOMEM : 0;
    }
    if (result == 0 && (result = durable_folder_make(options->folder, 0700)) < 0) {
        text_add(problem, STR("cannot make the folder "));
        text_add(problem, str_from(options->folder));
        text_add(problem, STR(": "));
        text_add(problem, str_from(strerror(-result)));
    }
    if (result == 0) {
        history_file_share(options->folder, NULL, options->readers);
        history_file_remove_temporary(options->folder);
        result = open_newest(writer, problem);
    }
    if (result == 0) {
        result = history_closer_new(options->folder, options->readers, &writer->closer);
    }
    if (result < 0) {
        if (problem->length == 0) {
            text_add(problem, STR("cannot open the history: "));
            text_add(problem, str_from(strerror(-result)));
        }
        history_writer_close(writer);
        return result;
    }
    *ret_writer = writer;
    return 0;
}

uint64_t history_writer_position(const struct history_writer *writer) {
    return writer->committed.position;
}

uint64_t history_writer_durable(const struct history_writer *writer) {
    return writer->durable;
}

/* --- transactions --- */

static int roll_back(struct history_writer *writer, int error) {
    if (writer->has_file) {
        history_file_roll_back(writer->db);
        history_rows_discard(writer->rows);
    }
    writer->in_transaction = false;
    writer->meta = writer->committed;
    writer->last_sequence = 0;
    if (error == -EUCLEAN && writer->has_file) {
        close_file(writer, false);
        (void)history_file_set_aside(writer->folder, &writer->file); /* Tried again at opening. */
    }
    return error;
}

static int begin(struct history_writer *writer) {
    if (writer->in_transaction) {
        return 0;
    }
    const int result = history_file_exec(writer->db, "BEGIN IMMEDIATE");
    writer->in_transaction = result == 0;
    return result;
}

static int write_meta(struct history_writer *writer) {
    char sql[256];
    const struct history_meta *meta = &writer->meta;
    (void)snprintf(sql, sizeof sql,
                   "UPDATE meta SET position = %" PRIu64 ", rows = %" PRIu64 ", time_min = %" PRId64
                   ", time_max = %" PRId64,
                   meta->position, meta->rows, meta->time_min_ns, meta->time_max_ns);
    return history_file_exec(writer->db, sql);
}

static int commit(struct history_writer *writer, uint64_t position) {
    int result = begin(writer);
    writer->meta.position = position;
    if (result == 0) {
        result = history_rows_flush(writer->rows);
    }
    if (result == 0) {
        result = write_meta(writer);
    }
    failpoint("recorder.commit");
    if (result == 0) {
        result = history_file_exec(writer->db, "COMMIT");
    }
    if (result < 0) {
        return roll_back(writer, result);
    }
    failpoint("recorder.commit");
    writer->in_transaction = false;
    writer->committed = writer->meta;
    return 0;
}

static int checkpoint(struct history_writer *writer) {
    int frames = 0;
    int moved = 0;
    const int result = history_file_error(
        sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved));
    writer->checkpoint_due_boot_ns = clock_boot_ns() + (int64_t)CHECKPOINT_S * NS_PER_S;
    writer->wal_pages = 0;
    if (result == 0 && frames == moved) {
        writer->durable = writer->committed.position;
    }
    /* Readers that are still looking at older pages hold back a part; the next one moves it. */
    return result < 0 && result != -EBUSY ? roll_back(writer, result) : 0;
}

int history_writer_checkpoint(struct history_writer *writer, bool now) {
    if (!writer->has_file || writer->in_transaction ||
        (!now && writer->wal_pages < CHECKPOINT_BYTES / PAGE_BYTES &&
         (writer->durable == writer->committed.position ||
          clock_boot_ns() < writer->checkpoint_due_boot_ns))) {
        return 0;
    }
    return checkpoint(writer);
}

/* --- change of file --- */

/* Asked of SQLite's own file, which also knows whether the folder is to be synced. */
static int sync_wal(sqlite3 *db) {
    sqlite3_file *wal = NULL;
    int result = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (result == SQLITE_OK && wal != NULL && wal->pMethods != NULL) {
        result = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
    }
    return history_file_error(result);
}

/* The next file says that everything before it is done, so what it relies on is synced first. A
 * commit under synchronous=FULL would not do: it syncs nothing when it changes no page, and what
 * was committed before it would be lost with the power. */
static int leave_file(struct history_writer *writer, uint64_t position) {
    const int result = commit(writer, position);
    if (result < 0) {
        return result;
    }
    const int synced = sync_wal(writer->db);
    return synced < 0 ? roll_back(writer, synced) : 0;
}

static int change_file(struct history_writer *writer, uint64_t sequence, int64_t time_ns) {
    const uint64_t position =
        writer->committed.position > sequence - 1 ? writer->committed.position : sequence - 1;
    const struct history_day day = history_day_of(time_ns);
    struct history_file next;
    int result = writer->has_file ? leave_file(writer, position) : 0;
    failpoint("recorder.file-change");
    if (result == 0) {
        result = history_file_create(writer->folder, sequence, day.date, position, &next);
    }
    if (result < 0) {
        return result;
    }
    failpoint("recorder.file-change");
    close_file(writer, false); /* What its WAL holds is moved by the closer. */
    writer->durable = position;
    result = open_file(writer, &next);
    history_closer_wake(writer->closer);
    return result;
}

/* The file that `sequence` belongs in is open and in a transaction. */
static int prepare_for(struct history_writer *writer, uint64_t sequence, int64_t time_ns) {
    CHECK(sequence > writer->last_sequence && sequence > writer->committed.position);
    CHECK(sequence <= INT64_MAX);
    int result = 0;
    if (!writer->has_file || writer->meta.closed ||
        writer->meta.rows >= writer->rows_per_file_max || time_ns >= writer->day_until_ns) {
        result = change_file(writer, sequence, time_ns);
    }
    return result == 0 ? begin(writer) : result;
}

static void note_row(struct history_writer *writer, int64_t time_ns) {
    struct history_meta *meta = &writer->meta;
    meta->time_min_ns = time_ns < meta->time_min_ns ? time_ns : meta->time_min_ns;
    meta->time_max_ns = time_ns > meta->time_max_ns ? time_ns : meta->time_max_ns;
}

int history_writer_add(struct history_writer *writer, const struct history_record *record) {
    int result = prepare_for(writer, record->sequence, record->time_ns);
    if (result == 0) {
        result = history_rows_add(writer->rows, record);
    }
    if (result < 0) {
        return roll_back(writer, result);
    }
    writer->meta.rows++;
    writer->last_sequence = record->sequence;
    note_row(writer, record->decision->wall_ns);
    return 0;
}

int history_writer_fold(struct history_writer *writer, const struct history_record *record,
                        bool *ret_folded) {
    bool folded = false;
    int result = prepare_for(writer, record->sequence, record->time_ns);
    if (result == 0) {
        result = history_rows_fold(writer->rows, record, &folded);
    }
    if (result < 0) {
        return roll_back(writer, result);
    }
    writer->meta.rows += folded ? 0 : 1;
    writer->last_sequence = record->sequence;
    note_row(writer, record->decision->wall_ns);
    *ret_folded = folded;
    return 0;
}

int history_writer_count(struct history_writer *writer, const struct history_record *record) {
    int result = prepare_for(writer, record->sequence, record->time_ns);
    if (result == 0) {
        result = history_rows_count(writer->rows, record);
    }
    if (result < 0) {
        return roll_back(writer, result);
    }
    writer->last_sequence = record->sequence;
    note_row(writer, record->decision->wall_ns);
    return 0;
}

int history_writer_commit(struct history_writer *writer, uint64_t position) {
    CHECK(position >= writer->last_sequence && position >= writer->committed.position);
    CHECK(position <= INT64_MAX);
    if (!writer->in_transaction && position == writer->committed.position) {
        return 0;
    }
    if (!writer->has_file) {
        /* Nothing but records without a row so far: the position waits for the first file. */
        writer->meta.position = position;
        writer->committed.position = position;
        return 0;
    }
    const int result = commit(writer, position);
    return result == 0 ? history_writer_checkpoint(writer, false) : result;
}

/* --- retention --- */

size_t history_writer_expire(struct history_writer *writer, int64_t now_ns, int64_t keep_s) {
    struct history_file *files = NULL;
    size_t count = 0;
    size_t removed = 0;
    if (keep_s < 0 || keep_s > now_ns / NS_PER_S ||
        history_file_list(writer->folder, &files, &count) < 0) {
        return 0;
    }
    const int64_t oldest_ns = now_ns - keep_s * NS_PER_S;
    history_file_remove_damaged(writer->folder, oldest_ns);
    for (size_t i = 0; i + 1 < count; i++) {
        if (history_day_end(files[i].date) <= oldest_ns &&
            history_closer_remove(writer->closer, &files[i])) {
            removed++;
        }
    }
    free(files);
    return removed;
}

void history_writer_rest(struct history_writer *writer, bool rest) {
    history_closer_rest(writer->closer, rest);
}

void history_writer_settle(struct history_writer *writer) {
    history_closer_settle(writer->closer);
}

void history_writer_close(struct history_writer *writer) {
    if (writer == NULL) {
        return;
    }
    (void)roll_back(writer, 0);
    close_file(writer, true);
    history_closer_free(writer->closer);
    free(writer->folder);
    free(writer);
}
