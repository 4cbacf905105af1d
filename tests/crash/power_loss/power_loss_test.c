/* SPDX-License-Identifier: Apache-2.0 */
/* The power goes out at any moment: what was told to be synced is there, nothing wrong is read, and
 * the daemon starts. One history is recorded, then cut at random places with random losses.
 * SECZIM_SEED=n repeats a run, SECZIM_CUTS=n takes more cuts. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "disk.h"
#include "journal/segment.h"
#include "journal/snapshot_fixture.h"
#include "testing/test.h"

enum { CAPACITY = 3000, STEPS = 1500, BODY_MAX = 128 };

struct history {
    struct world world;
    struct disk disk;
    uint64_t first; /* sequence of the first record */
    size_t count;   /* all records */
    unsigned char bodies[STEPS + 1][BODY_MAX];
    size_t lengths[STEPS + 1];
};

static uint64_t seed_given(void) {
    const char *given = getenv("SECZIM_SEED");
    return given != NULL ? strtoull(given, NULL, 10) : 4711;
}

static unsigned cuts_given(unsigned usual) {
    const char *given = getenv("SECZIM_CUTS");
    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : usual;
}

static void remember(struct history *history, uint64_t after) {
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    const struct fixture *files = &history->world.files;
    assert_int_equal(journal_reader_open(files->folder, NULL, after, &reader, &problem), 0);
    while (journal_reader_next(reader, UINT64_MAX, &record) == 1) {
        if (history->count == 0) {
            history->first = record.sequence;
        }
        assert_true(history->count <= STEPS && record.length <= BODY_MAX);
        assert_int_equal(record.sequence, history->first + history->count);
        memcpy(history->bodies[history->count], record.body, record.length);
        history->lengths[history->count++] = record.length;
    }
    journal_reader_close(reader);
}

static void finish_one(struct snapshot *snapshot) {
    struct snapshot_stats stats;
    snapshot_stats(snapshot, &stats);
    const uint64_t taken = stats.taken + 1;
    snapshot_request(snapshot);
    while (stats.taken < taken) {
        if (snapshot_wants_chunk(snapshot)) {
            snapshot_copy_chunk(snapshot);
        }
        (void)sched_yield();
        snapshot_stats(snapshot, &stats);
    }
}

/* A worker's life: effects, marks of what it was told to be synced, snapshot chunks. */
static void live(struct history *history, struct snapshot *snapshot, bool strict) {
    struct world *world = &history->world;
    struct journal *journal = world->files.journal;
    for (int i = 0; i < STEPS; i++) {
        world_step(world);
        if (strict && world_random(world, 8) == 0) {
            /* The answers of a turn wait for the disk. */
            const uint64_t mine = journal_next_sequence(journal) - 1;
            journal_wake(journal);
            while (journal_synced(journal) < mine) {
                (void)sched_yield();
            }
        } else if (world_random(world, 60) == 0) {
            assert_int_equal(journal_sync(journal, INT64_C(20) * NS_PER_S), 0);
        }
        disk_mark(&history->disk, journal_synced(journal));
        if (snapshot != NULL && i % 150 == 100) {
            snapshot_request(snapshot);
        }
        while (snapshot != NULL && world_random(world, 40) == 0 && snapshot_running(snapshot) &&
               !snapshot_wants_chunk(snapshot)) {
            (void)sched_yield();
        }
        if (snapshot != NULL && i % 150 == 149) {
            finish_one(snapshot);
        }
        if (snapshot != NULL && snapshot_wants_chunk(snapshot)) {
            snapshot_copy_chunk(snapshot);
        }
    }
}

static void history_record(struct history *history, const char *name, bool strict, bool snapshots) {
    struct world *world = &history->world;
    struct snapshot *snapshot = NULL;
    world_init(world, name, CAPACITY, seed_given());
    disk_init(&history->disk);
    world->files.options.files = &history->disk.operations;
    world->files.options.durability = strict ? JOURNAL_STRICT : JOURNAL_RELAXED;
    /* With snapshots nothing syncs by itself: they must see to it. */
    world->files.options.sync_interval_ns = snapshots ? INT64_C(3600) * NS_PER_S : 2 * NS_PER_MS;
    fixture_start(&world->files);
    if (snapshots) {
        const struct snapshot_options options = {
            .folder = world->files.folder,
            .interval_ns = INT64_MAX,
            .records_max = UINT64_MAX,
            .journal_bytes_max = UINT64_MAX,
            .files = &history->disk.operations,
        };
        assert_int_equal(snapshot_new(&options, world->state, world->files.journal, 0, &snapshot),
                         0);
    }
    live(history, snapshot, strict);
    if (snapshots) {
        finish_one(snapshot);
        snapshot_free(snapshot);
    }
    fixture_close(&world->files);
    remember(history, 0);
    assert_int_equal(history->count, STEPS + 1);
}

static void history_done(struct history *history) {
    world_done(&history->world);
    disk_done(&history->disk);
}

/* Images are made by the thousand: in memory, where there is such a place. */
static void image_folder_make(char *folder, size_t size) {
    (void)snprintf(folder, size, "%s",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm/seczim-image-XXXXXX"
                                                 : "/tmp/seczim-image-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static void empty_folder(const char *folder) {
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    assert_non_null(entries);
    while ((entry = readdir(entries)) != NULL) {
        if (entry->d_name[0] != '.') {
            assert_int_equal(unlinkat(dirfd(entries), entry->d_name, 0), 0);
        }
    }
    (void)closedir(entries);
}

/* Reads all that an image has and checks each record; folds the effects into `state`. Returns the
 * number of the last record that is there without a hole before it. */
static uint64_t read_image(const struct history *history, const char *folder, struct state *state) {
    struct journal_reader *reader = NULL;
    struct journal_record record;
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    uint64_t unbroken = history->first - 1;
    uint64_t unknown = 0;
    int result;
    assert_int_equal(journal_reader_open(folder, NULL, 0, &reader, &problem), 0);
    while ((result = journal_reader_next(reader, UINT64_MAX, &record)) == 1) {
        const uint64_t index = record.sequence - history->first;
        assert_true(record.sequence >= history->first && index < history->count);
        assert_int_equal(record.length, history->lengths[index]);
        assert_memory_equal(record.body, history->bodies[index], record.length);
        unbroken += record.sequence == unbroken + 1;
        if (state != NULL && record.type == RECORD_EFFECTS) {
            (void)record_apply_effects(state, record.type, record.version, record.body,
                                       record.length, record.sequence, NULL, &unknown);
        }
    }
    assert_int_equal(result, 0);
    journal_reader_close(reader);
    return unbroken;
}

/* A start on the image: a new run, and the same records as before. */
static void start_on_image(const struct history *history, const char *folder, uint64_t unbroken) {
    struct fixture files;
    fixture_init(&files, "image");
    assert_true(strlen(folder) < sizeof files.folder);
    memcpy(files.folder, folder, strlen(folder) + 1);
    (void)unlink(files.ring);
    fixture_open(&files);
    const uint64_t next = journal_next_sequence(files.journal);
    assert_true(unbroken < history->first ||
                next >> JOURNAL_RUN_SHIFT > unbroken >> JOURNAL_RUN_SHIFT);
    assert_int_equal(read_image(history, folder, NULL), unbroken);
    fixture_close(&files);
}

struct tally {
    unsigned cuts;
    unsigned torn;   /* images with fewer records than were written */
    unsigned marked; /* cuts after which something had been promised */
};

static void cut_once(const struct history *history, uint64_t *random, const char *folder,
                     struct tally *tally) {
    const size_t cut = 1 + (size_t)((*random >> 7) % history->disk.count);
    const enum disk_loss loss = (enum disk_loss)(tally->cuts % DISK_LOSSES);
    const uint64_t promised = disk_marked(&history->disk, cut);
    char label[80];
    (void)snprintf(label, sizeof label, "cut %u after event %zu, loss %d", tally->cuts, cut,
                   (int)loss);
    test_case(label);
    empty_folder(folder);
    disk_image(&history->disk, cut, loss, random, folder);
    const uint64_t unbroken = read_image(history, folder, NULL);
    if (unbroken < promised) {
        fail_msg("%s: promised up to %llu, found up to %llu", label, (unsigned long long)promised,
                 (unsigned long long)unbroken);
    }
    if (tally->cuts % 8 == 0) {
        start_on_image(history, folder, unbroken);
    }
    tally->cuts++;
    tally->marked += promised >= history->first;
    tally->torn += unbroken < history->first + history->count - 1;
}

static void cut_often(const char *name, bool strict, unsigned cuts) {
    static struct history history;
    memset(&history, 0, sizeof history);
    struct tally tally = {0};
    char folder[80];
    uint64_t random = seed_given() * UINT64_C(0x9e3779b97f4a7c15) | 1;
    history_record(&history, name, strict, false);
    image_folder_make(folder, sizeof folder);
    while (tally.cuts < cuts) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        cut_once(&history, &random, folder, &tally);
    }
    print_message("# %s: seed %llu, %zu events, %u cuts, %u after a promise, %u lost something "
                  "unsynced\n",
                  name, (unsigned long long)seed_given(), history.disk.count, tally.cuts,
                  tally.marked, tally.torn);
    assert_true(tally.marked > cuts / 2 && tally.torn > cuts / 2);
    empty_folder(folder);
    assert_int_equal(rmdir(folder), 0);
    history_done(&history);
}

TEST(relaxed_loses_at_most_what_followed_the_last_completed_sync) {
    cut_often("relaxed", false, cuts_given(800));
}

TEST(strict_loses_nothing_that_was_told_to_be_synced) {
    cut_often("strict", true, cuts_given(800));
}

/* Snapshot and journal together give the state that the surviving records alone give. */
static void compare_states(const struct history *history, const char *folder) {
    struct world image = history->world;
    struct state *from_snapshot = world_state_new(CAPACITY);
    struct state *from_records = world_state_new(CAPACITY);
    assert_true(strlen(folder) < sizeof image.files.folder);
    memcpy(image.files.folder, folder, strlen(folder) + 1);
    memcpy(image.files.ring, "/no-ring", sizeof "/no-ring");
    const struct world_recovery recovery = world_recover(&image, from_snapshot);
    assert_int_equal(recovery.damaged, 0);
    (void)read_image(history, folder, from_records);
    world_assert_equal(from_records, from_snapshot);
    world_state_free(from_snapshot);
    world_state_free(from_records);
}

TEST(a_snapshot_never_holds_what_the_journal_lost) {
    static struct history history;
    memset(&history, 0, sizeof history);
    char folder[80];
    char snapshot_path[128];
    uint64_t random = seed_given() * UINT64_C(0x9e3779b97f4a7c15) | 1;
    unsigned with_snapshot = 0;
    const unsigned cuts = cuts_given(800) / 4;
    history_record(&history, "snapshots", false, true);
    image_folder_make(folder, sizeof folder);
    (void)snprintf(snapshot_path, sizeof snapshot_path, "%s/state.snapshot", folder);
    for (unsigned i = 0; i < cuts; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        const size_t cut = 1 + (size_t)((random >> 7) % history.disk.count);
        empty_folder(folder);
        disk_image(&history.disk, cut, (enum disk_loss)(i % DISK_LOSSES), &random, folder);
        with_snapshot += access(snapshot_path, F_OK) == 0;
        compare_states(&history, folder);
    }
    print_message("# seed %llu: %u cuts, %u with a snapshot\n", (unsigned long long)seed_given(),
                  cuts, with_snapshot);
    assert_true(with_snapshot > 0);
    empty_folder(folder);
    assert_int_equal(rmdir(folder), 0);
    history_done(&history);
}
