/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "daemon/engine.h"

/* The inside of the engine, for the engine's own files alone:
 *   engine.c           start and stop
 *   engine_state.c     tables, recovery from snapshot and journal
 *   engine_turn.c      the answering path
 *   engine_generation.c  pins, references, publishing
 *   engine_lists.c     base, delta, rebuilding in the background
 *   engine_rules.c     rules: loading and changing
 *   engine_change.c    settings and lists change, reload
 *   engine_explain.c   asking without effects
 *   engine_command.c   administrators' effects, clock, snapshot, backup
 *   engine_status.c    figures
 *   engine_yield.c     hand-over
 *   housekeeping.c     what is due when no worker turns */

enum { ENGINE_WORKERS_MAX = 64 };

/* Settings, a base of lists or rules, shared by generations; the count is guarded by
 * generation_lock. */
struct shared_settings {
    struct settings *settings;
    unsigned references;
};
struct shared_base {
    struct list_index *index; /* NULL: empty */
    unsigned references;
};
struct shared_rules {
    struct rules *rules;
    unsigned references;
};

struct generation_node {
    struct generation generation; /* First: what callers see. */
    struct shared_settings *settings;
    struct shared_base *base;
    struct shared_rules *rules;
    struct list_index *delta;
    unsigned references;          /* engine_generation_acquire; guarded by generation_lock */
    struct generation_node *next; /* among the retired */
};

/* What was changed in the lists since the base was built, under the config lock; the delta is built
 * of it. A removal is an item that has expired: it hides the base's of the same pattern. `mark`
 * counts changes: a base that was begun at mark M holds all changes up to M. */
struct list_change {
    struct list_item item;
    uint64_t mark;
};
struct list_changes {
    struct list_change *items;
    size_t count;
    size_t size;
    uint64_t mark;
};

/* Parts of imports that are in config.db and not in the delta; counted. */
struct list_imports {
    uint64_t stored;
    uint64_t in_base;
    int64_t due_boot_ns; /* when the oldest of those not in the base has waited long enough */
    uint64_t bases;      /* published so far: whoever builds one sees that another was faster */
};

/* Each on its own cache line: a worker writes its own at every pass. */
struct pin_slot {
    _Alignas(64) _Atomic(struct generation_node *) node;
};

/* Building the state out of snapshot and journal. */
struct recovery {
    struct state *state;
    struct snapshot_coverage *coverage;
    struct journal_reader *reader;
    uint64_t last_sequence; /* of the last record applied */
    int64_t last_time_ns;
    uint64_t records;
    uint64_t unknown_effects;
    uint64_t damaged_chunks;
};

struct engine_worker {
    struct decision decision;
    struct decision_memo memo;
};

struct engine {
    /* Answering path. */
    pthread_mutex_t state_lock;
    struct state state;
    struct decision_clock clock; /* state lock */
    struct journal *journal;     /* NULL while following */
    struct snapshot *snapshot;   /* NULL while handing over: guarded by the state lock */
    _Atomic bool strict;
    _Atomic unsigned keep_journal;   /* how many read beside us */
    struct engine_counters counters; /* written under the state lock */
    _Atomic uint64_t chunk_copies;
    struct engine_worker *workers[ENGINE_WORKERS_MAX];

    /* Generations. */
    _Atomic(struct generation_node *) current;
    struct pin_slot pins[ENGINE_WORKERS_MAX];
    pthread_mutex_t generation_lock;
    struct generation_node *retired;

    /* Changes: the config lock, recursive. */
    pthread_mutex_t config_lock;
    struct config_db *config_db;
    struct settings_builder *builder; /* as the current generation was built */
    struct shared_settings *in_force; /* of the start: for what needs a restart */
    struct list_changes changes;
    uint64_t list_counts[LISTS];
    struct list_imports imports;
    bool changes_closed; /* handing over */

    /* Housekeeping and the rebuilding of the base. */
    pthread_t housekeeper;
    pthread_t rebuilder;
    int housekeeping_fd; /* readable: stop */
    bool housekeeping;
    bool rebuilding; /* housekeeper's own: the rebuilder is to be joined */
    _Atomic bool rebuild_done;

    struct recorder *recorder;
    struct recovery recovery; /* while following */

    int64_t started_wall_ns;
    int64_t started_boot_ns;
    uint64_t damaged_at_start;
    uint64_t lowest_stamp;
    char config_path[PATH_MAX];
    char data_folder[PATH_MAX];
    char journal_folder[PATH_MAX];
    char history_folder[PATH_MAX];
    char config_db_path[PATH_MAX];
    char ring_path[PATH_MAX];
    size_t table_bytes[STATE_TABLES];
};

/* Appends "what: strerror" to `problem` and returns -error. */
int engine_fail(struct text *problem, const char *what, const char *path, int error);

/* engine_state.c */
MUST_USE int engine_state_new(struct state *state, const struct settings *settings,
                              const struct sip_key *key, size_t *ret_bytes, struct text *problem);
void engine_state_free(struct state *state, const size_t *bytes);
/* Loads the snapshot and opens a reader after it; `ring_path` NULL: segments alone. */
MUST_USE int recovery_begin(struct recovery *recovery, struct state *state,
                            const struct engine *engine, const char *ring_path,
                            struct text *problem);
/* Applies all records up to `limit` that are there now. */
MUST_USE int recovery_run(struct recovery *recovery, uint64_t limit);
void recovery_end(struct recovery *recovery);

/* engine_generation.c */
struct shared_settings *shared_settings_new(struct settings *settings);
void shared_settings_release(struct engine *engine, struct shared_settings *shared);
/* What the next generation is made of. NULL: as in the current one. */
struct generation_parts {
    struct shared_settings *settings;
    struct shared_base *base;
    struct shared_rules *rules;
    struct list_index *delta; /* NULL: none */
};
/* Makes it current; frees retired ones that nobody holds. Takes over `delta`, and one reference
 * each of the other parts. Config lock held (or not yet started). */
void generation_publish(struct engine *engine, const struct generation_parts *parts,
                        uint64_t version);
struct generation_node *generation_current(struct engine *engine);
void generation_collect(struct engine *engine);
void generation_free_all(struct engine *engine);

/* engine_lists.c; config lock held unless it says otherwise */

extern const struct list_memory engine_heap; /* malloc and free; no lock needed */

/* Loads the base and publishes the first generation (or, with `settings` or `rules` NULL, the next
 * one with those of the current). Takes over the references when it succeeds. */
MUST_USE int lists_load(struct engine *engine, struct shared_settings *settings,
                        struct shared_rules *rules, uint64_t version);
/* Publishes a generation with a delta of all noted changes. `settings` and `rules` as above. */
MUST_USE int lists_publish(struct engine *engine, struct shared_settings *settings,
                           struct shared_rules *rules, uint64_t version);
MUST_USE int lists_note(struct engine *engine, const struct list_item *item);
/* Whether so many changes more go into a delta; if not, lists_load(). */
bool lists_have_room(const struct engine *engine, size_t more);
/* Entries went into config.db alone; a base made from now on holds them. */
void lists_note_import(struct engine *engine);
/* Without the lock: returns when the base holds every import noted before. */
MUST_USE int lists_catch_up(struct engine *engine);
/* Without the lock, housekeeping: rebuilds the base in the background when the delta is large or an
 * import has waited long enough. */
void lists_maintain(struct engine *engine);
void lists_join_rebuilder(struct engine *engine);

/* engine_rules.c; config lock held */

/* All rules in force; the caller has the one reference. */
MUST_USE int rules_load(struct config_db *db, struct shared_rules **ret_rules);
void shared_rules_release(struct engine *engine, struct shared_rules *shared);

/* engine_change.c */
/* The sentence for a change that cannot be made now: -EAGAIN; or that config.db refused: -EIO. */
int change_say_busy(struct engine_problem *problem);
int change_say_database(struct engine_problem *problem, int error);
MUST_USE int settings_build(struct engine *engine, const struct config_setting_change *changes,
                            size_t count, uint64_t version, struct settings_builder **ret_builder,
                            struct settings **ret_settings, struct engine_problem *problem);
/* Puts in force what settings say of log, journal and recorder. */
void settings_apply_live(struct engine *engine, const struct settings *settings);
MUST_USE int config_read_yaml(struct settings_builder *builder, const char *path,
                              struct engine_problem *problem);
/* Makes what seczim.yaml says part of config.db's history. */
MUST_USE int config_note_file(struct engine *engine, struct engine_problem *problem);

/* engine.c */
/* Snapshot, recorder and housekeeping, once the journal is ours. */
MUST_USE int engine_start_background(struct engine *engine, struct text *problem);
/* Entries of a table, as the settings say. */
uint64_t engine_capacity(const struct settings *settings, enum state_table_id table);
/* Options as the settings in force have them. */
struct journal_options engine_journal_options(const struct engine *engine);
/* After the journal is open: decision time, sequence of the last record. */
void engine_note_recovery(struct engine *engine, const struct recovery *recovery);
/* housekeeping.c */
MUST_USE int housekeeping_start(struct engine *engine);
void housekeeping_stop(struct engine *engine);
