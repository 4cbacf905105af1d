/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal/little_endian.h"
#include "testing/test.h"

enum { SHORTEST = 8, LONGEST = 700 };

void fixture_init(struct fixture *fixture, const char *name) {
    *fixture = (struct fixture){
        .options = {.ring_bytes = 1 << 20,
                    .segment_bytes = 64 << 10,
                    .durability = JOURNAL_RELAXED,
                    .sync_interval_ns = 0},
    };
    (void)snprintf(fixture->folder, sizeof fixture->folder, "%s/%s", test_folder(), name);
    (void)snprintf(fixture->ring, sizeof fixture->ring, "%s/%s.ring", test_folder(), name);
}

void fixture_open(struct fixture *fixture) {
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    fixture->options.folder = fixture->folder;
    fixture->options.ring_path = fixture->ring;
    const int result = journal_open(&fixture->options, &fixture->journal, &problem);
    if (result != 0) {
        fail_msg("journal_open: %d %s", result, text_zero(&problem));
    }
}

void fixture_start(struct fixture *fixture) {
    fixture_open(fixture);
    assert_int_equal(journal_start(fixture->journal, 1000, 2000), 0);
}

void fixture_close(struct fixture *fixture) {
    journal_close(fixture->journal);
    fixture->journal = NULL;
}

/* Same number, same bytes: xorshift from the number. */
static size_t body_for(uint64_t sequence, unsigned char body[LONGEST]) {
    uint64_t x = sequence * UINT64_C(0x9e3779b97f4a7c15) | 1;
    const size_t length = SHORTEST + (size_t)(x >> 20) % (LONGEST - SHORTEST);
    for (size_t i = 0; i < length; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        body[i] = (unsigned char)x;
    }
    put_u64(body, sequence);
    return length;
}

uint64_t fixture_append(struct fixture *fixture) {
    const uint64_t sequence = journal_next_sequence(fixture->journal);
    unsigned char *body = journal_reserve(fixture->journal);
    if (body == NULL) {
        journal_skip(fixture->journal);
        return 0;
    }
    unsigned char bytes[LONGEST];
    const size_t length = body_for(sequence, bytes);
    memcpy(body, bytes, length);
    journal_commit(fixture->journal, RECORD_EFFECTS, 1, (int64_t)(sequence & 0xffffff), length);
    return sequence;
}

uint64_t fixture_append_many(struct fixture *fixture, size_t count) {
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        last = fixture_append(fixture);
        assert_true(last != 0);
    }
    return last;
}

bool fixture_record_right(const struct journal_record *record) {
    unsigned char bytes[LONGEST];
    const size_t length = body_for(record->sequence, bytes);
    return record->type == RECORD_EFFECTS && record->version == 1 && record->length == length &&
           record->time_ns == (int64_t)(record->sequence & 0xffffff) &&
           memcmp(record->body, bytes, length) == 0;
}

void fixture_killed(struct fixture *fixture, void (*live)(struct fixture *fixture)) {
    int status = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        live(fixture);
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

struct fixture_reading fixture_read(const char *folder, const char *ring, uint64_t after,
                                    uint64_t limit) {
    struct fixture_reading reading = {0};
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    uint64_t last = after;
    int result = journal_reader_open(folder, ring, after, &reader, &problem);
    assert_int_equal(result, 0);
    while ((result = journal_reader_next(reader, limit, &record)) == 1) {
        assert_true(record.sequence > last && record.sequence <= limit);
        last = record.sequence;
        reading.time_ns = record.time_ns;
        if (record.type == RECORD_GAP) {
            reading.gaps++;
            reading.missed += get_u64(record.body);
        } else if (record.type == RECORD_RUN) {
            reading.runs++;
        } else {
            assert_true(fixture_record_right(&record));
            reading.first = reading.records == 0 ? record.sequence : reading.first;
            reading.last = record.sequence;
            reading.records++;
        }
    }
    assert_int_equal(result, 0);
    reading.damaged = journal_reader_damaged(reader);
    journal_reader_close(reader);
    return reading;
}
