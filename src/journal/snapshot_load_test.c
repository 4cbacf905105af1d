/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/little_endian.h"
#include "journal/snapshot_fixture.h"
#include "testing/test.h"

enum { CAPACITY = 12000, STEPS = 3000 };

/* A state with some thousand entries, and a sharp snapshot of it. */
static uint64_t saved_world(struct world *world, const char *name) {
    world_init(world, name, CAPACITY, 77);
    fixture_open(&world->files);
    for (int i = 0; i < STEPS; i++) {
        world_step(world);
    }
    const uint64_t sequence = journal_next_sequence(world->files.journal) - 1;
    assert_int_equal(snapshot_save_sharp(world->files.folder, world->state, sequence), 0);
    fixture_close(&world->files);
    return sequence;
}

static int load(const struct world *world, struct state *into, struct snapshot_coverage **coverage,
                uint64_t *damaged, struct str *sentence) {
    static char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    const int result = snapshot_load(world->files.folder, into, coverage, damaged, &problem);
    *sentence = text_str(&problem);
    return result;
}

static int open_snapshot(const struct world *world) {
    char path[200];
    (void)snprintf(path, sizeof path, "%s/state.snapshot", world->files.folder);
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

TEST(without_a_snapshot_everything_is_to_be_replayed) {
    struct world world;
    struct snapshot_coverage *coverage = NULL;
    uint64_t damaged = 1;
    struct str sentence;
    world_init(&world, "none", CAPACITY, 1);
    fixture_open(&world.files);
    assert_int_equal(load(&world, world.state, &coverage, &damaged, &sentence), 0);
    assert_null(coverage);
    assert_int_equal(damaged, 0);
    assert_int_equal(snapshot_coverage_lowest(NULL), 0);
    const struct record_filter filter = snapshot_coverage_filter(NULL);
    assert_true(filter.wanted(filter.context, STATE_GREYLIST, 0, 0));
    fixture_close(&world.files);
    world_done(&world);
}

TEST(a_sharp_snapshot_gives_the_state_back_alone) {
    struct world world;
    struct snapshot_coverage *coverage = NULL;
    uint64_t damaged = 0;
    struct str sentence;
    const uint64_t sequence = saved_world(&world, "sharp");
    struct state *loaded = world_state_new(CAPACITY);
    assert_int_equal(load(&world, loaded, &coverage, &damaged, &sentence), 0);
    assert_int_equal(damaged, 0);
    assert_int_equal(snapshot_coverage_lowest(coverage), sequence);
    const struct record_filter filter = snapshot_coverage_filter(coverage);
    assert_false(filter.wanted(filter.context, STATE_GREYLIST, 3, sequence));
    assert_true(filter.wanted(filter.context, STATE_GREYLIST, 3, sequence + 1));
    world_assert_equal(world.state, loaded);
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        assert_int_equal(loaded->tables[i].used, world.state->tables[i].used);
    }
    snapshot_coverage_free(coverage);
    world_state_free(loaded);
    world_done(&world);
}

TEST(a_table_of_another_capacity_is_filled_entry_by_entry) {
    static const uint64_t capacities[] = {11000, 13001, 50000};
    struct world world;
    const uint64_t sequence = saved_world(&world, "capacity");
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        struct snapshot_coverage *coverage = NULL;
        uint64_t damaged = 0;
        struct str sentence;
        struct state *loaded = world_state_new(capacities[i]);
        assert_int_equal(load(&world, loaded, &coverage, &damaged, &sentence), 0);
        world_assert_same_entries(world.state, loaded);
        const struct record_filter filter = snapshot_coverage_filter(coverage);
        for (size_t group = 0; group < loaded->tables[0].group_count; group++) {
            assert_false(filter.wanted(filter.context, STATE_GREYLIST, group, sequence));
            assert_true(filter.wanted(filter.context, STATE_GREYLIST, group, sequence + 1));
        }
        snapshot_coverage_free(coverage);
        world_state_free(loaded);
    }
    world_done(&world);
}

TEST(another_hash_key_or_a_newer_release_is_refused_with_a_reason) {
    struct world world;
    struct snapshot_coverage *coverage = NULL;
    uint64_t damaged = 0;
    struct str sentence;
    (void)saved_world(&world, "refused");
    struct state *loaded = world_state_new(CAPACITY);
    loaded->key.bytes[5] ^= 1;
    assert_int_equal(load(&world, loaded, &coverage, &damaged, &sentence), -EKEYREJECTED);
    assert_true(str_ends(
        sentence,
        STR("it was written under another hash key; put the key back or move the file away")));
    assert_null(coverage);
    world_state_free(loaded);

    /* Both copies of the header garbled: nothing of it can be trusted. */
    const int fd = open_snapshot(&world);
    assert_int_equal(pwrite(fd, "x", 1, 20), 1);
    loaded = world_state_new(CAPACITY);
    assert_int_equal(load(&world, loaded, &coverage, &damaged, &sentence), 0);
    snapshot_coverage_free(coverage);
    world_state_free(loaded);
    assert_int_equal(pwrite(fd, "x", 1, 2048 + 20), 1);
    loaded = world_state_new(CAPACITY);
    assert_int_equal(load(&world, loaded, &coverage, &damaged, &sentence), -EBADMSG);
    (void)close(fd);
    world_state_free(loaded);
    world_done(&world);
}

/* Zeroes or flips in the middle of the file: that chunk's groups are empty and wanted from the
 * beginning, all others are there. */
TEST(a_damaged_chunk_is_left_empty_and_replayed_from_the_very_beginning) {
    struct world world;
    struct stat status;
    (void)saved_world(&world, "damaged");
    const int fd = open_snapshot(&world);
    assert_int_equal(fstat(fd, &status), 0);
    for (off_t at = 4096; at < status.st_size; at += 60000) {
        struct snapshot_coverage *coverage = NULL;
        uint64_t damaged = 0;
        unsigned char byte;
        struct str sentence;
        struct state *loaded = world_state_new(CAPACITY);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 16;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(load(&world, loaded, &coverage, &damaged, &sentence), 0);
        assert_int_equal(damaged, 1);
        assert_int_equal(snapshot_coverage_lowest(coverage), 0);
        size_t absent = 0;
        for (unsigned i = 0; i < STATE_TABLES; i++) {
            const struct state_table *table = &loaded->tables[i];
            const struct record_filter filter = snapshot_coverage_filter(coverage);
            for (size_t group = 0; group < table->group_count; group++) {
                absent += filter.wanted(filter.context, (enum state_table_id)i, group, 1);
            }
        }
        assert_true(absent > 0 && absent <= 64);
        snapshot_coverage_free(coverage);
        world_state_free(loaded);

        /* And the journal still has it all. */
        loaded = world_state_new(CAPACITY);
        const struct world_recovery recovery = world_recover(&world, loaded);
        assert_int_equal(recovery.damaged, 1);
        world_assert_equal(world.state, loaded);
        world_state_free(loaded);
        byte ^= 16;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    (void)close(fd);
    world_done(&world);
}

TEST(a_cut_file_is_damaged_but_gives_what_it_has) {
    struct world world;
    struct stat status;
    (void)saved_world(&world, "cut");
    const int fd = open_snapshot(&world);
    assert_int_equal(fstat(fd, &status), 0);
    for (off_t size = status.st_size - 1; size > 4096; size -= 33333) {
        struct state *loaded = world_state_new(CAPACITY);
        assert_int_equal(ftruncate(fd, size), 0);
        const struct world_recovery recovery = world_recover(&world, loaded);
        assert_true(recovery.damaged >= 1);
        world_assert_equal(world.state, loaded);
        world_state_free(loaded);
    }
    (void)close(fd);
    world_done(&world);
}
