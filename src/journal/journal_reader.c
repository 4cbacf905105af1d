/* SPDX-License-Identifier: Apache-2.0 */
/* Readers: through the segments in order, then what the ring has beyond them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "journal/ring.h"
#include "journal/segment_reader.h"

struct journal_reader {
    int folder_fd;
    char *ring_path; /* NULL: segments only */
    struct ring ring;
    uint64_t ring_at; /* position from which the ring is looked through */
    unsigned char ring_body[RECORD_BODY_MAX];
    struct segment_list list;
    struct segment_reader segment;
    struct segment_name name; /* of the open segment */
    bool opened;              /* a segment was opened, or passed, at `name` */
    uint64_t end;             /* of the open segment: numbers from here on are another's */
    uint64_t last;            /* sequence of the last record returned */
    uint64_t damaged;
    bool has_pending; /* found, but above the caller's limit */
    struct journal_record pending;
};

static void free_reader(struct journal_reader *reader) {
    segment_reader_done(&reader->segment);
    segment_list_done(&reader->list);
    ring_close(&reader->ring);
    if (reader->folder_fd >= 0) {
        (void)close(reader->folder_fd);
    }
    free(reader->ring_path);
    free(reader);
}

int journal_reader_open(const char *folder, const char *ring_path, uint64_t after,
                        struct journal_reader **ret_reader, struct text *problem) {
    struct journal_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        text_add(problem, STR("not enough memory to read the journal"));
        return -ENOMEM;
    }
    int result = 0;
    reader->last = after;
    reader->segment.fd = -1;
    reader->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (reader->folder_fd < 0) {
        result = -errno;
    } else if (ring_path != NULL && (reader->ring_path = strdup(ring_path)) == NULL) {
        result = -ENOMEM;
    }
    if (result != 0) {
        text_add(problem, STR("cannot open the journal's folder "));
        text_add_escaped(problem, str_from(folder));
        text_add(problem, STR(": "));
        text_add(problem, str_from(strerror(-result)));
        free_reader(reader);
        return result;
    }
    *ret_reader = reader;
    return 0;
}

void journal_reader_close(struct journal_reader *reader) {
    if (reader != NULL) {
        free_reader(reader);
    }
}

uint64_t journal_reader_damaged(const struct journal_reader *reader) {
    return reader->damaged + reader->segment.damaged;
}

/* Index in the list of the first segment after the one that was opened. */
static size_t index_after(const struct journal_reader *reader) {
    size_t i = 0;
    while (reader->opened && i < reader->list.count &&
           segment_name_compare(reader->list.names[i], reader->name) <= 0) {
        i++;
    }
    return i;
}

static void leave_segment(struct journal_reader *reader) {
    reader->damaged += reader->segment.damaged;
    reader->segment.damaged = 0;
    segment_reader_close(&reader->segment);
}

/* The number at which another segment takes over, UINT64_MAX when there is none. One whose header
 * cannot be read takes nothing over. */
static uint64_t taken_over_at(const struct journal_reader *reader, size_t next) {
    uint64_t end = UINT64_MAX;
    struct segment_reader probe = {.fd = -1};
    for (size_t i = next; end == UINT64_MAX && i < reader->list.count; i++) {
        const int result = segment_reader_open(&probe, reader->folder_fd, reader->list.names[i]);
        if (result != -EBADMSG) {
            end = reader->list.names[i].first;
        }
        segment_reader_close(&probe);
    }
    segment_reader_done(&probe);
    return end;
}

/* Opens the next segment that can hold a number above `last`. 1, 0 when there is none, -errno. */
static int enter_next(struct journal_reader *reader) {
    int result = segment_list_load(reader->folder_fd, &reader->list);
    size_t i = index_after(reader);
    while (result == 0 && i < reader->list.count) {
        const struct segment_name name = reader->list.names[i];
        if (taken_over_at(reader, i + 1) <= reader->last + 1) {
            i++;
            continue;
        }
        result = segment_reader_open(&reader->segment, reader->folder_fd, name);
        if (result == -ENOENT) {
            /* Released since the folder was read: what it held is not needed. */
            result = segment_list_load(reader->folder_fd, &reader->list);
            i = index_after(reader);
            continue;
        }
        if (result != 0 && result != -EBADMSG) {
            return result;
        }
        reader->name = name;
        reader->opened = true;
        if (result == 0) {
            reader->end = taken_over_at(reader, index_after(reader));
            return 1;
        }
        reader->damaged++;
        result = 0;
        i++;
    }
    return result;
}

static int reload_list(struct journal_reader *reader) {
    const int result = segment_list_load(reader->folder_fd, &reader->list);
    reader->end = result == 0 ? taken_over_at(reader, index_after(reader)) : reader->end;
    return result;
}

/* The next record of the segments with a number above `last`. */
static int next_in_segments(struct journal_reader *reader, struct journal_record *ret_record) {
    bool looked_again = false;
    for (;;) {
        if (reader->segment.fd < 0) {
            const int entered = enter_next(reader);
            if (entered != 1) {
                return entered;
            }
            looked_again = false;
        }
        const uint64_t end = reader->end;
        int result = segment_reader_next(&reader->segment, end != UINT64_MAX, ret_record);
        if (result < 0) {
            return result;
        }
        if (result == 1 && ret_record->sequence < end) {
            if (ret_record->sequence > reader->last) {
                return 1;
            }
            continue;
        }
        if (end != UINT64_MAX) {
            leave_segment(reader);
            continue;
        }
        /* The end of the last segment, unless another was begun meanwhile: then this one is closed,
         * and what it got in between is read first. */
        if (looked_again) {
            return 0;
        }
        result = reload_list(reader);
        if (result != 0) {
            return result;
        }
        looked_again = true;
        if (reader->end == UINT64_MAX) {
            return 0;
        }
    }
}

/* What was read before is older than what is read after. The thread sanitizer knows no fences, and
 * does not need one here: it takes the reader's mapping for other memory than the writer's. */
static void read_barrier(void) {
#ifndef __SANITIZE_THREAD__
    atomic_thread_fence(memory_order_acquire);
#endif
}

/* The first record of the ring with a number above `last`, copied out. The writer may overwrite
 * it meanwhile: it does so only after it has moved `synced` past it. */
static int next_in_ring(struct journal_reader *reader, struct journal_record *ret_record) {
    const struct ring *ring = &reader->ring;
    const uint64_t head = ring_head(ring);
    const uint64_t kept = ring_synced(ring);
    uint64_t at = reader->ring_at > kept && reader->ring_at <= head ? reader->ring_at : kept;
    for (;;) {
        struct journal_record record;
        const uint64_t from = at;
        const int result = ring_next(ring, &at, head, &record);
        reader->ring_at = from;
        if (result == 1 && record.sequence > reader->last) {
            memcpy(reader->ring_body, record.body, record.length);
            record.body = reader->ring_body;
            *ret_record = record;
        }
        read_barrier();
        if (ring_synced(ring) > from) {
            /* Overtaken: it is in a segment by now. */
            return -EAGAIN;
        }
        if (result != 1 || record.sequence > reader->last) {
            return result;
        }
    }
}

/* Maps the ring at the first need. True when there is one to look at. */
static bool has_ring(struct journal_reader *reader, int *ret_result) {
    *ret_result = 0;
    if (reader->ring_path == NULL || reader->ring.file != NULL) {
        return reader->ring_path != NULL;
    }
    const int result = ring_map(reader->ring_path, &reader->ring);
    *ret_result = result == -ENOENT ? 0 : result;
    return result == 0;
}

static int find_record(struct journal_reader *reader, struct journal_record *ret_record) {
    int result;
    if (!has_ring(reader, &result)) {
        return result != 0 ? result : next_in_segments(reader, ret_record);
    }
    for (;;) {
        const uint64_t synced = ring_synced(&reader->ring);
        struct journal_record in_ring;
        result = next_in_segments(reader, ret_record);
        if (result != 0) {
            return result;
        }
        const int found = next_in_ring(reader, &in_ring);
        if (found < 0 && found != -EAGAIN) {
            return found;
        }
        if (found != 1) {
            /* What left the ring since we looked into the segments is in them now. */
            if (found == 0 && ring_synced(&reader->ring) == synced) {
                return 0;
            }
            continue;
        }
        /* The same for older ones than the one that is still there. */
        if (in_ring.sequence > reader->last + 1) {
            result = next_in_segments(reader, ret_record);
            if (result != 0) {
                return result;
            }
        }
        *ret_record = in_ring;
        return 1;
    }
}

int journal_reader_next(struct journal_reader *reader, uint64_t limit,
                        struct journal_record *ret_record) {
    if (!reader->has_pending) {
        const int result = find_record(reader, &reader->pending);
        if (result != 1) {
            return result;
        }
        reader->has_pending = true;
    }
    if (reader->pending.sequence > limit) {
        return 0;
    }
    reader->has_pending = false;
    reader->last = reader->pending.sequence;
    *ret_record = reader->pending;
    return 1;
}
