/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk can do to the last segment: cut it anywhere, flip any bit, lose any sector. The quick
 * run samples; SECZIM_EVERY=1 tries every byte of the last 64 KiB and every bit of the last 4 KiB.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/journal_fixture.h"
#include "journal/segment.h"
#include "testing/test.h"

enum { RECORDS = 250, CUT_REGION = 64 << 10, FLIP_REGION = 4 << 10, SECTOR = 512 };

struct victim {
    struct fixture files;
    int fd; /* of the only segment with records */
    uint64_t size;
    uint64_t ends[RECORDS]; /* file offset after each record's body */
};

static unsigned stride(unsigned quick) {
    return getenv("SECZIM_EVERY") != NULL ? 1 : quick;
}

static int open_segment(const char *folder, size_t index) {
    struct segment_list list = {0};
    char name[SEGMENT_NAME_BYTES];
    const int folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    assert_true(folder_fd >= 0);
    assert_int_equal(segment_list_load(folder_fd, &list), 0);
    assert_true(index < list.count);
    segment_name_format(list.names[index], name);
    const int fd = openat(folder_fd, name, O_RDWR);
    assert_true(fd >= 0);
    (void)close(folder_fd);
    segment_list_done(&list);
    return fd;
}

static void note_ends(struct victim *victim) {
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    uint64_t offset = SEGMENT_HEADER_BYTES;
    assert_int_equal(journal_reader_open(victim->files.folder, NULL, 0, &reader, &problem), 0);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_int_equal(journal_reader_next(reader, UINT64_MAX, &record), 1);
        victim->ends[i] = offset + JOURNAL_RECORD_HEADER + record.length;
        offset += record_bytes(record.length);
    }
    journal_reader_close(reader);
    assert_int_equal(offset, victim->size);
}

/* A journal of one segment with RECORDS records; `followed` by an empty one, so that readers know
 * that nobody writes it any more. */
static void victim_init(struct victim *victim, const char *name, bool followed) {
    struct stat status;
    fixture_init(&victim->files, name);
    victim->files.options.segment_bytes = 256 << 10;
    fixture_open(&victim->files);
    (void)fixture_append_many(&victim->files, RECORDS);
    fixture_close(&victim->files);
    victim->fd = open_segment(victim->files.folder, 0);
    assert_int_equal(fstat(victim->fd, &status), 0);
    victim->size = (uint64_t)status.st_size;
    assert_true(victim->size > CUT_REGION + SEGMENT_HEADER_BYTES);
    note_ends(victim);
    if (followed) {
        fixture_open(&victim->files);
    }
}

static void victim_done(struct victim *victim) {
    (void)close(victim->fd);
    if (victim->files.journal != NULL) {
        fixture_close(&victim->files);
    }
}

static void flip(const struct victim *victim, uint64_t byte, unsigned bit) {
    unsigned char value;
    assert_int_equal(pread(victim->fd, &value, 1, (off_t)byte), 1);
    value = (unsigned char)(value ^ 1u << bit);
    assert_int_equal(pwrite(victim->fd, &value, 1, (off_t)byte), 1);
}

static struct fixture_reading read_victim(const struct victim *victim) {
    return fixture_read(victim->files.folder, NULL, 0, UINT64_MAX);
}

static void cut_everywhere(const char *name, bool followed) {
    struct victim victim;
    victim_init(&victim, name, followed);
    size_t whole = RECORDS;
    const unsigned step = stride(followed ? 397 : 431);
    for (uint64_t size = victim.size; size > victim.size - CUT_REGION; size -= step) {
        char label[64];
        (void)snprintf(label, sizeof label, "cut to %llu bytes", (unsigned long long)size);
        test_case(label);
        assert_int_equal(ftruncate(victim.fd, (off_t)size), 0);
        while (whole > 0 && victim.ends[whole - 1] > size) {
            whole--;
        }
        const struct fixture_reading reading = read_victim(&victim);
        assert_int_equal(reading.records, whole);
        assert_true(reading.damaged <= 1);
    }
    victim_done(&victim);
}

TEST(a_cut_at_any_byte_of_the_last_segment_leaves_all_whole_records) {
    cut_everywhere("cut", false);
}

TEST(a_cut_at_any_byte_of_a_closed_segment_leaves_all_whole_records) {
    cut_everywhere("cut-closed", true);
}

static void flip_everywhere(const char *name, bool followed) {
    struct victim victim;
    victim_init(&victim, name, followed);
    const uint64_t first_bit = (victim.size - FLIP_REGION) * 8;
    const unsigned step = stride(followed ? 137 : 143);
    for (uint64_t at = first_bit; at < victim.size * 8; at += step) {
        char label[64];
        (void)snprintf(label, sizeof label, "bit %u of byte %llu", (unsigned)(at % 8),
                       (unsigned long long)(at / 8));
        test_case(label);
        flip(&victim, at / 8, at % 8);
        const struct fixture_reading reading = read_victim(&victim);
        /* Padding is not covered, so a flip there costs nothing. The very last record cannot be
         * told from one that is being written unless another segment follows. */
        assert_true(reading.records >= RECORDS - 1);
        const bool lost = reading.records == RECORDS - 1;
        const bool last = at / 8 >= victim.ends[RECORDS - 2];
        assert_int_equal(reading.damaged, lost && (followed || !last) ? 1 : 0);
        flip(&victim, at / 8, at % 8);
    }
    assert_int_equal(read_victim(&victim).records, RECORDS);
    victim_done(&victim);
}

TEST(a_flipped_bit_in_the_last_segment_costs_one_record_at_most) {
    flip_everywhere("flip", false);
}

TEST(a_flipped_bit_in_a_closed_segment_costs_one_record_at_most_and_is_counted) {
    flip_everywhere("flip-closed", true);
}

TEST(a_flipped_bit_in_a_header_costs_nothing) {
    struct victim victim;
    victim_init(&victim, "header", true);
    for (uint64_t bit = 0; bit < SEGMENT_HEADER_BYTES * 8; bit += stride(113)) {
        flip(&victim, bit / 8, bit % 8);
        const struct fixture_reading reading = read_victim(&victim);
        assert_int_equal(reading.records, RECORDS);
        assert_int_equal(reading.damaged, 0);
        flip(&victim, bit / 8, bit % 8);
    }
    victim_done(&victim);
}

TEST(a_lost_sector_costs_the_records_in_it_and_their_number_is_known) {
    struct victim victim;
    unsigned char kept[SECTOR];
    static const unsigned char zeroes[SECTOR];
    victim_init(&victim, "sector", true);
    for (uint64_t at = SEGMENT_HEADER_BYTES; at + SECTOR <= victim.size; at += SECTOR * stride(7)) {
        uint64_t touched = 0;
        uint64_t begin = SEGMENT_HEADER_BYTES;
        for (size_t i = 0; i < RECORDS; i++) {
            touched += begin < at + SECTOR && victim.ends[i] > at;
            begin = (victim.ends[i] + 7) / 8 * 8;
        }
        assert_int_equal(pread(victim.fd, kept, SECTOR, (off_t)at), SECTOR);
        assert_int_equal(pwrite(victim.fd, zeroes, SECTOR, (off_t)at), SECTOR);
        const struct fixture_reading reading = read_victim(&victim);
        assert_int_equal(reading.records, RECORDS - touched);
        /* At the very end nobody can know that there was more. */
        assert_true(reading.damaged == touched || at + 2 * SECTOR > victim.size);
        assert_int_equal(pwrite(victim.fd, kept, SECTOR, (off_t)at), SECTOR);
    }
    victim_done(&victim);
}

TEST(foreign_and_unreadable_files_in_the_folder_harm_nothing) {
    static const char *const names[] = {"README", "0000010000000001-0000.journal.bak",
                                        "00000100000000AB-0000.journal",
                                        "0000010000000001-0001.journal", "ffffffffffffffff"};
    struct victim victim;
    victim_init(&victim, "foreign", true);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", victim.files.folder, names[i]);
        const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "not a segment", 13), 13);
        (void)close(fd);
    }
    /* One of the names is that of a segment: it is counted, and takes nothing over. */
    const struct fixture_reading reading = read_victim(&victim);
    assert_int_equal(reading.damaged, 1);
    assert_int_equal(reading.records, RECORDS);
    victim_done(&victim);
}
