/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/counter.h"
#include "base/decision_clock.h"
#include "journal/journal.h"
#include "journal/snapshot.h"
#include "policy/decision_ahead.h"
#include "settings/settings.h"
#include "store/config_db.h"
#include "store/config_rules.h"
#include "store/history.h"
#include "store/recorder.h"

/* The engine: everything of the daemon but its sockets. It owns the state and its one lock, the
 * journal, the snapshots, the recorder, config.db, and the current generation of settings and
 * lists. Workers (worker.h) bring requests; the control API (control.h) asks and changes.
 *
 * Locks, in this order: config lock (changes of settings and lists, config.db), then state lock
 * (decide, apply, journal commit: about a microsecond a decision). Nothing blocks under the state
 * lock. The answering path never takes the config lock. */

struct engine;

struct engine_options {
    const char *config_path; /* seczim.yaml; "" for defaults alone */
    bool follow; /* Restart in place: read beside the process before us; engine_take_over() ends it
                  */
};

/* One generation: settings, lists, rules, version. Immutable. */
struct generation {
    uint64_t version; /* config.db's */
    struct settings *settings;
    struct list_view lists;
    const struct rules *rules;
};

/* Reads seczim.yaml, opens the log and config.db, builds the generation, loads snapshot and
 * journal, starts journal, snapshot and recorder threads (not with `follow`). Negative errno and a
 * sentence on failure. */
MUST_USE int engine_open(const struct engine_options *options, struct engine **ret_engine,
                         struct text *problem);
/* Syncs, takes no snapshot, stops all threads, frees. */
void engine_close(struct engine *engine);
/* True once the log is a file: what people should see must go to standard error too. */
bool engine_logs_to_file(void);
/* What `--check` does: reads and checks seczim.yaml alone. On success `problem` has the warnings, a
 * line each. */
MUST_USE int engine_check_config(const char *config_path, struct text *problem);

/* --- hand-over (handover.h); main thread ---------------------------------------------------------
 */

/* New process: applies what the live process has journaled meanwhile. */
MUST_USE int engine_follow(struct engine *engine, struct text *problem);
/* New process, once the old one writes no more: the last records, settings and lists. */
MUST_USE int engine_catch_up(struct engine *engine, struct text *problem);
/* New process: from here on the journal is ours. Owns `lock_fd` in every case. */
MUST_USE int engine_take_over(struct engine *engine, int lock_fd,
                              const struct decision_clock *clock, struct text *problem);
/* While somebody reads beside us, a new process or a backup: no journal segment goes. Each `true`
 * is taken back by one `false`. Any thread. */
void engine_keep_journal(struct engine *engine, bool keep);
/* Old process, while workers still answer and the control API is stopped: no setting changes any
 * more, the recorder stops. */
void engine_prepare_yield(struct engine *engine);
/* Old process, workers parked: syncs and gives the journal up. */
MUST_USE int engine_yield(struct engine *engine, int *ret_lock_fd,
                          struct decision_clock *ret_clock);
/* Old process, workers parked: takes back what the two above gave up; the new one has failed.
 * `yielded`: engine_yield() had succeeded. */
MUST_USE int engine_resume(struct engine *engine, bool yielded, struct text *problem);

/* --- workers -----------------------------------------------------------------------------------
 */

enum { TURN_MAX = 128 };

/* What a turn means for the message under way on the connection (session.h). */
enum turn_message {
    TURN_MESSAGE_SAME = 0,
    TURN_MESSAGE_OPEN, /* Something is reserved for it: tell when it ends (PROTOCOL_STATE_ENDED). */
    TURN_MESSAGE_SETTLED
};

/* One request of a turn. The worker fills the first part, the engine the second. */
struct turn_item {
    struct policy_request request;
    struct facts facts;
    struct decision_ahead ahead; /* engine_look_ahead() */
    int64_t arrived_boot_ns;     /* when the request was complete */
    bool fetchable;              /* facts that are wanted can still be fetched */
    /* Answer: */
    uint32_t facts_wanted; /* bit per fact_id; not 0: not decided, fetch them and turn again */
    enum turn_message message;
    uint64_t sequence; /* strict: hold the reply until journal_synced() reaches it; 0: none */
    uint16_t reply_length;
    char reply[REPLY_MAX]; /* the action, without "action=" and newlines */
};

/* Fills item->ahead once request and facts are there, so that the memory which the decision will
 * read is on its way when its turn comes. Takes no lock; the caller holds a pin. */
void engine_look_ahead(const struct engine *engine, unsigned worker, struct turn_item *item);
/* Decides up to TURN_MAX requests under one hold of the state lock, applies and journals them.
 * No system call but the lock's, no allocation. `worker` is the caller's number, 0 to 63; it holds
 * a pin (engine_pin). */
void engine_turn(struct engine *engine, unsigned worker, struct turn_item *items, size_t count);
/* Between turns, on every pass of a worker's loop: copies a snapshot chunk when one is due. When no
 * worker turns, the engine's own housekeeping copies. */
void engine_between_turns(struct engine *engine);
struct journal *engine_journal(struct engine *engine);

/* Settings pinned for a worker during a pass of its loop (limits, deadline), also those that
 * engine_turn() decides by. Never NULL. */
const struct generation *engine_pin(struct engine *engine, unsigned worker);
void engine_unpin(struct engine *engine, unsigned worker);

/* --- control (any other thread) -----------------------------------------------------------------
 */

/* The current generation, kept alive until released. */
const struct generation *engine_generation_acquire(struct engine *engine);
void engine_generation_release(struct engine *engine, const struct generation *generation);

/* Runs decide without effects, on the live state. at_ns 0: decision time now. When the decision
 * wants facts (facts_wanted), fetch them (fetch_wait.h) and call again. */
void engine_explain(struct engine *engine, const struct policy_request *request,
                    struct facts *facts, int64_t at_ns, struct decision *ret_decision);
/* Runs a recorded decision again under its own generation's settings. -ENOENT when that generation
 * is no longer known. */
MUST_USE int engine_explain_record(struct engine *engine, const struct decision_record *record,
                                   int64_t time_ns, struct decision *ret_decision);

/* Copies one entry of a table (absent: false) and tells decision time. */
bool engine_find_entry(struct engine *engine, enum state_table_id table, struct hash128 key,
                       void *ret_entry, int64_t *ret_now_ns);
/* Copies group `group` of a table (state_group_bytes) for listings: short lock per group. False
 * beyond the last group. */
bool engine_copy_group(struct engine *engine, enum state_table_id table, size_t group,
                       void *ret_group);
struct sip_key engine_state_key(const struct engine *engine);
int64_t engine_now_ns(struct engine *engine); /* decision time */
/* Applies an administrator's effects as a journaled event. The effects' time_s is set to decision
 * time. Returns the sequence, 0 when it could not be journaled (applied all the same). */
uint64_t engine_command(struct engine *engine, struct effect *effects, size_t count,
                        struct str why);
/* The same of effects that depend on the state as it is then: `make` fills them, with the state
 * lock held, and returns how many, at most EFFECTS_MAX; 0: nothing happens. */
typedef size_t engine_make_effects(void *context, const struct state *state, uint32_t now_s,
                                   struct effect ret_effects[EFFECTS_MAX]);
uint64_t engine_command_made(struct engine *engine, engine_make_effects *make, void *context,
                             struct str why);
/* Calls `read` with the state lock held: it must be short. */
typedef void engine_state_read(void *context, const struct state *state, uint32_t now_s);
void engine_read_state(struct engine *engine, engine_state_read *read, void *context);

/* Changes: validated by building the next generation first; committed to config.db; live within
 * 100 ms. On failure nothing changes: -EINVAL with *problem (and the key in problem_key),
 * -EEXIST for a key fixed in the file, -ENOENT, -EIO with a sentence. */
struct engine_problem {
    struct setting_problem setting;
    char key[64];
};
MUST_USE int engine_change_settings(struct engine *engine,
                                    const struct config_setting_change *changes, size_t count,
                                    const char *author, uint64_t *ret_version,
                                    struct engine_problem *problem);
/* The entries of one call are all of the same list. */
MUST_USE int engine_add_entries(struct engine *engine, struct config_list_entry *entries,
                                size_t count, const char *author, struct config_add_result *ret,
                                struct engine_problem *problem);
/* As engine_add_entries(), for a part of an import. More than fits beside the lists in memory is
 * stored and in force a few seconds later; engine_finish_import() waits for that. */
MUST_USE int engine_import_entries(struct engine *engine, struct config_list_entry *entries,
                                   size_t count, const char *author, struct config_add_result *ret,
                                   struct engine_problem *problem);
/* What was imported is in force when it returns 0. Holds up no other change. */
MUST_USE int engine_finish_import(struct engine *engine);
MUST_USE int engine_remove_entries(struct engine *engine, const uint64_t *ids, size_t count,
                                   const char *author, uint64_t *ret_version);
/* Checks the rule, makes it canonical, stores it and puts it in force. row.id 0: a new one, or the
 * one of the same subject; else that one is changed. -EINVAL: what is wrong with it; -EEXIST:
 * ret->id stands for the subject already; both with a sentence. With -EINVAL problem->key is
 * "subject", "value" or "text", which is at fault, or "". */
MUST_USE int engine_put_rule(struct engine *engine, const struct config_rule *rule,
                             const char *author, struct config_rule_result *ret,
                             struct engine_problem *problem);
MUST_USE int engine_remove_rule(struct engine *engine, enum rule_kind kind, uint64_t id,
                                const char *author, uint64_t *ret_version,
                                struct engine_problem *problem);
/* Reads seczim.yaml again and reopens the log. */
MUST_USE int engine_reload(struct engine *engine, struct engine_problem *problem);
enum setting_origin engine_setting_origin(struct engine *engine, const struct setting_info *info);
/* True: the stored value differs from the one in force and needs a restart. */
bool engine_setting_pending(struct engine *engine, const struct setting_info *info);
/* config.db under the config lock, for queries (listings, change log). */
struct config_db *engine_config_lock(struct engine *engine);
void engine_config_unlock(struct engine *engine);

struct recorder *engine_recorder(struct engine *engine);
const char *engine_history_folder(const struct engine *engine);
MUST_USE int engine_clock(struct engine *engine, struct decision_clock *ret_clock,
                          int64_t *ret_wall_ns);
/* decision_clock_accept(); the event is journaled. Returns nanoseconds that time stands still. */
int64_t engine_clock_accept(struct engine *engine);
/* What takes long asks now and then whether it shall give up: -ECANCELED. NULL: it does not. */
struct engine_stop {
    bool (*is_asked)(void *context);
    void *context;
};
/* Takes a snapshot now and waits for it. */
MUST_USE int engine_snapshot(struct engine *engine, int64_t timeout_ns,
                             const struct engine_stop *stop);
/* Backup into `folder`, which must not exist; it is `folder`.partial until it is complete. */
MUST_USE int engine_backup(struct engine *engine, const char *folder,
                           const struct engine_stop *stop, struct text *problem);

/* Counters, all since start; policy_verdicts[policy][verdict], shadow likewise. */
struct engine_counters {
    struct counter requests; /* RCPT decisions */
    struct counter accepted;
    struct counter deferred;
    struct counter rejected;
    struct counter other_states;
    struct counter unjournaled; /* decided while the journal had no space */
    struct counter facts_unavailable;
    struct counter policy_verdicts[POLICY_LIMIT][VERDICTS];
    struct counter shadow_verdicts[POLICY_LIMIT][VERDICTS];
    struct counter reasons[REASON_LIMIT];
    /* Decisions by mode, policy, reason and verdict; those of policies in shadow beside them. */
    struct counter decisions[POLICY_MODE_SHADOW + 1][POLICY_LIMIT][REASON_LIMIT][VERDICTS];
};
const struct engine_counters *engine_counters(const struct engine *engine);

struct engine_status {
    int64_t started_wall_ns;
    int64_t uptime_ns;
    struct journal_stats journal;
    struct snapshot_stats snapshot;
    struct recorder_stats recorder;
    struct decision_clock clock;
    int64_t wall_ns;
    struct {
        uint64_t used;
        uint64_t capacity;
        uint64_t evicted;
        uint64_t bytes;
    } tables[STATE_TABLES];
    uint64_t list_counts[LISTS];
    uint64_t damaged_at_start; /* journal records and snapshot chunks */
};
void engine_status(struct engine *engine, struct engine_status *ret_status);
