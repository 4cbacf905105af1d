/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/history_file.h"
#include "store/history_summary.h"

/* The file that is written, and the one before it until its summaries are built. */
enum { LIVE_FILES_MAX = 4, KEYS_MAX = 65536, KEEP = 256 };

struct live_file {
    uint64_t first_sequence; /* 0: an empty place */
    uint64_t position;       /* the last sequence that was read */
    struct history_part *open;
    struct history_part_bytes *parts; /* that came to an end */
    size_t part_count;
    struct history_filter *filter; /* NULL: nobody has searched */
    uint64_t used;                 /* by a count of calls: the least goes for a new one */
};

struct history_live {
    pthread_mutex_t mutex;
    struct live_file files[LIVE_FILES_MAX];
    uint64_t calls;
};

struct history_live *history_live_new(void) {
    struct history_live *live = calloc(1, sizeof *live);
    if (live != NULL) {
        (void)pthread_mutex_init(&live->mutex, NULL);
    }
    return live;
}

static void drop(struct live_file *file) {
    history_part_free(file->open);
    for (size_t i = 0; i < file->part_count; i++) {
        history_part_bytes_free(&file->parts[i]);
    }
    free(file->parts);
    history_filter_free(file->filter);
    *file = (struct live_file){0};
}

void history_live_free(struct history_live *live) {
    if (live == NULL) {
        return;
    }
    for (size_t i = 0; i < LIVE_FILES_MAX; i++) {
        drop(&live->files[i]);
    }
    (void)pthread_mutex_destroy(&live->mutex);
    free(live);
}

void history_live_forget(struct history_live *live, uint64_t before_sequence) {
    (void)pthread_mutex_lock(&live->mutex);
    for (size_t i = 0; i < LIVE_FILES_MAX; i++) {
        if (live->files[i].first_sequence < before_sequence) {
            drop(&live->files[i]);
        }
    }
    (void)pthread_mutex_unlock(&live->mutex);
}

static int end_part(struct live_file *file) {
    struct history_part_bytes *parts =
        realloc(file->parts, (file->part_count + 1) * sizeof *file->parts);
    if (parts == NULL) {
        return -ENOMEM;
    }
    file->parts = parts;
    const int result = history_part_encode(file->open, KEEP, &parts[file->part_count]);
    if (result < 0) {
        history_part_bytes_free(&parts[file->part_count]);
        return result;
    }
    file->part_count++;
    history_part_clear(file->open);
    return 0;
}

static int take_row(void *context, const struct history_part_row *row) {
    struct live_file *file = context;
    int result = 0;
    if (history_part_ends_before(file->open, row->time_ns)) {
        result = end_part(file);
    }
    if (result == 0) {
        result = history_part_add(file->open, row);
    }
    file->position = row->sequence;
    return result;
}

/* The place of a file: its own, an empty one, or that of the file asked about longest ago. */
static struct live_file *find_file(struct history_live *live, uint64_t first_sequence) {
    struct live_file *oldest = &live->files[0];
    for (size_t i = 0; i < LIVE_FILES_MAX; i++) {
        struct live_file *file = &live->files[i];
        if (file->first_sequence == first_sequence) {
            return file;
        }
        oldest = file->used < oldest->used ? file : oldest;
    }
    drop(oldest);
    oldest->first_sequence = first_sequence;
    return oldest;
}

/* Reads what was added. A file of this name whose position is lower was set aside and begun anew.
 */
static int catch_up(struct live_file *file, sqlite3 *db) {
    const struct history_wanted all = history_wanted_all();
    struct history_meta meta;
    int result = history_file_meta(db, &meta);
    if (result == 0 && meta.position < file->position) {
        const uint64_t first_sequence = file->first_sequence;
        drop(file);
        file->first_sequence = first_sequence;
    }
    if (result == 0 && file->open == NULL) {
        file->open = history_part_new(&all, KEYS_MAX);
        result = file->open == NULL ? -ENOMEM : 0;
    }
    return result == 0 ? history_part_rows(db, &all, file->position, INT64_MAX, take_row, file)
                       : result;
}

static int merge_ended(const struct history_part_bytes *ended, sqlite3 *db, int64_t since_ns,
                       int64_t until_ns, struct history_part *part) {
    if (ended->time_min_ns >= since_ns && ended->time_max_ns < until_ns) {
        return history_part_merge_bytes(part, ended);
    }
    if (ended->time_max_ns < since_ns || ended->time_min_ns >= until_ns) {
        return 0;
    }
    return history_summary_scan(db, ended->first - 1, ended->last + 1, since_ns, until_ns, part);
}

static int merge_open(const struct history_part *open, sqlite3 *db, int64_t since_ns,
                      int64_t until_ns, struct history_part *part) {
    if (open->rows == 0 || open->time_max_ns < since_ns || open->time_min_ns >= until_ns) {
        return 0;
    }
    if (open->time_min_ns >= since_ns && open->time_max_ns < until_ns) {
        return history_part_merge(part, open);
    }
    return history_summary_scan(db, open->first - 1, open->last + 1, since_ns, until_ns, part);
}

static int merge(struct live_file *file, sqlite3 *db, int64_t since_ns, int64_t until_ns,
                 struct history_part *part) {
    int result = catch_up(file, db);
    for (size_t i = 0; i < file->part_count && result == 0; i++) {
        result = merge_ended(&file->parts[i], db, since_ns, until_ns, part);
    }
    return result == 0 ? merge_open(file->open, db, since_ns, until_ns, part) : result;
}

int history_live_merge(struct history_live *live, sqlite3 *db, uint64_t first_sequence,
                       int64_t since_ns, int64_t until_ns, struct history_part *part) {
    (void)pthread_mutex_lock(&live->mutex);
    struct live_file *file = find_file(live, first_sequence);
    file->used = ++live->calls;
    const int result = merge(file, db, since_ns, until_ns, part);
    if (result < 0) {
        drop(file); /* It may have been half read: next time from its start. */
    }
    (void)pthread_mutex_unlock(&live->mutex);
    return result;
}

static int find(struct live_file *file, sqlite3 *db, const struct history_query *query,
                struct history_range **ret_ranges, size_t *ret_count) {
    struct history_meta meta;
    int result = history_file_meta(db, &meta);
    if (result == 0 && file->filter != NULL &&
        meta.position < history_filter_position(file->filter)) {
        history_filter_free(file->filter); /* Set aside and begun anew. */
        file->filter = NULL;
    }
    if (result == 0 && file->filter == NULL) {
        file->filter = history_filter_new();
        result = file->filter == NULL ? -ENOMEM : 0;
    }
    if (result == 0) {
        result = history_filter_catch_up(file->filter, db);
    }
    return result == 0 ? history_filter_find(file->filter, query, ret_ranges, ret_count) : result;
}

int history_live_find(struct history_live *live, sqlite3 *db, uint64_t first_sequence,
                      const struct history_query *query, struct history_range **ret_ranges,
                      size_t *ret_count) {
    (void)pthread_mutex_lock(&live->mutex);
    struct live_file *file = find_file(live, first_sequence);
    file->used = ++live->calls;
    const int result = find(file, db, query, ret_ranges, ret_count);
    (void)pthread_mutex_unlock(&live->mutex);
    return result;
}
