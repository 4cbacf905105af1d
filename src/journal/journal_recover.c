/* SPDX-License-Identifier: Apache-2.0 */
/* What journal_open() finds: the segments of the past and what the ring of a killed process still
 * holds. Old segments are read, trimmed of zeroes and synced, never written to. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "journal/journal_core.h"
#include "journal/segment_reader.h"

/* Highest number and time of one segment, read to its end. */
struct segment_finding {
    uint64_t records;
    uint64_t highest;
    int64_t time_ns;
    uint64_t content_end;
    uint64_t damaged;
};

static int examine(int folder_fd, struct segment_name name, struct segment_finding *ret_finding) {
    struct segment_reader reader = {.fd = -1};
    struct segment_finding finding = {0};
    int result = segment_reader_open(&reader, folder_fd, name);
    if (result == -EBADMSG) {
        finding.damaged = 1;
        *ret_finding = finding;
        segment_reader_done(&reader);
        return 0;
    }
    while (result >= 0) {
        struct journal_record record;
        result = segment_reader_next(&reader, true, &record);
        if (result != 1) {
            break;
        }
        finding.records++;
        finding.highest = record.sequence;
        finding.time_ns = record.time_ns > finding.time_ns ? record.time_ns : finding.time_ns;
    }
    finding.content_end = reader.content_end;
    finding.damaged = reader.damaged;
    segment_reader_done(&reader);
    if (result == 0) {
        *ret_finding = finding;
    }
    return result;
}

/* The process before us may have been killed before its last sync: what it wrote is in the page
 * cache, and must be on disk before we say so. */
static int settle(struct journal *journal, struct segment_name name, uint64_t content_end) {
    const struct file_operations *files = journal->files;
    char text[SEGMENT_NAME_BYTES];
    segment_name_format(name, text);
    const int fd = files->open(files->context, journal->folder_fd, text, O_RDWR | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return fd;
    }
    if (content_end > 0) {
        (void)files->truncate(files->context, fd, content_end);
    }
    int result = files->sync_data(files->context, fd);
    if (result == 0) {
        result = files->sync(files->context, journal->folder_fd);
    }
    files->close(files->context, fd);
    return result;
}

/* Begun and never used, perhaps at many starts: each would hold on to its space. */
static void remove_unused(struct journal *journal, size_t index) {
    struct segment_list *list = &journal->segments;
    char text[SEGMENT_NAME_BYTES];
    segment_name_format(list->names[index], text);
    if (journal->files->unlink(journal->files->context, journal->folder_fd, text) == 0) {
        list->count--;
        memmove(list->names + index, list->names + index + 1,
                (list->count - index) * sizeof *list->names);
    }
}

/* Takes over what the last segment with records tells; true when that was it. */
static bool adopt(struct journal *journal, struct segment_name name,
                  const struct segment_finding *finding) {
    if (finding->records > 0) {
        journal->recovered_time_ns = finding->time_ns;
        atomic_store(&journal->moved_sequence, finding->highest);
        atomic_store(&journal->synced_sequence, finding->highest);
    }
    const int result = settle(journal, name, finding->content_end);
    if (result != 0) {
        log_write(LOG_ERROR, "Journal",
                  "cannot sync the last segment of the previous run: %s; what the ring still has "
                  "of it is written again",
                  strerror(-result));
        journal->unsettled = true;
    }
    return finding->records > 0;
}

int journal_recover_segments(struct journal *journal, uint64_t *ret_highest, struct text *problem) {
    struct segment_list *list = &journal->segments;
    int result = segment_list_load(journal->folder_fd, list);
    bool done = false;
    *ret_highest = result == 0 && list->count > 0 ? list->names[list->count - 1].first : 0;
    for (size_t i = list->count; result == 0 && !done && i > 0; i--) {
        struct segment_finding finding;
        const struct segment_name name = list->names[i - 1];
        result = examine(journal->folder_fd, name, &finding);
        if (result != 0) {
            break;
        }
        counter_add(&journal->damaged_records, finding.damaged);
        *ret_highest = finding.highest > *ret_highest ? finding.highest : *ret_highest;
        if (finding.records == 0 && finding.damaged == 0) {
            remove_unused(journal, i - 1);
        } else {
            done = adopt(journal, name, &finding);
        }
    }
    if (result != 0) {
        journal_explain(problem, "cannot read the segments in %s: %s", journal->options.folder,
                        strerror(-result));
    }
    return result;
}

/* Counts what is left in the ring and cuts off what is no record. */
static uint64_t examine_ring(struct journal *journal, uint64_t *highest) {
    struct ring *ring = &journal->ring;
    struct journal_record record;
    const uint64_t head = ring_head(ring);
    uint64_t at = ring_moved(ring);
    uint64_t left = 0;
    int result;
    while ((result = ring_next(ring, &at, head, &record)) == 1) {
        left++;
        *highest = record.sequence > *highest ? record.sequence : *highest;
        if (record.time_ns > journal->recovered_time_ns) {
            journal->recovered_time_ns = record.time_ns;
        }
    }
    if (result != 0) {
        log_write(LOG_ERROR, "Journal",
                  "the ring is damaged after %" PRIu64 " records; the rest of it is lost", left);
        counter_add(&journal->damaged_records, 1);
        ring_truncate(ring, at);
    }
    return left;
}

void journal_recover_ring(struct journal *journal, uint64_t *ret_highest) {
    struct ring *ring = &journal->ring;
    if (journal->unsettled) {
        ring_set_moved(ring, ring_synced(ring));
    } else {
        ring_set_synced(ring, ring_moved(ring));
    }
    const uint64_t left = examine_ring(journal, ret_highest);
    if (left == 0) {
        ring_set_moved(ring, ring_head(ring));
        ring_set_synced(ring, ring_head(ring));
        return;
    }
    log_write(LOG_INFO, "Journal",
              "the ring holds %" PRIu64 " records of a process that was killed", left);
    const int result = journal_flush(journal);
    if (result != 0) {
        log_write(LOG_ERROR, "Journal", "cannot write them to a segment: %s; they stay in the ring",
                  strerror(-result));
    }
}
