/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision_record.h"
#include "store/history.h"

/* What a proposed change would have made of recorded decisions (SPEC 3, replay).
 *
 *   record ──► decide with what counts today ────► today's verdict     ┐
 *         └──► decide with what is proposed ─────► the proposed verdict ┴─► the same, or a change
 *
 * Each decision is judged again at its own time, with its own request, facts, and the state it met:
 * entries that the record read are those of the record. An entry that it did not read (of a policy
 * that was off, of a key that other settings make) comes from a simulated state, which begins empty
 * and holds what the runs themselves have done since. Both sides are judged alike: by today's
 * settings, lists and rules, and by the same with the proposal. So what has changed since the
 * record was made changes neither or both, and whatever differs is due to the proposal alone; a
 * proposal that changes nothing changes no decision. (docs/decisions says what else was thought
 * of.)
 *
 * What it cannot know: mail that would have come or stayed away after another answer. A sender that
 * is deferred only by the proposal does not come back, because it never had to.
 *
 * The two sides share nothing that changes, so they may run on two threads, each row first on
 * today's. Allocates at the beginning, and samples as changes are found. */

enum { REPLAY_SAMPLES_MAX = 50, REPLAY_SAMPLE_TEXT = 256 };

/* One side. All of it is borrowed. */
struct replay_side {
    const struct policy_settings *settings;
    const struct list_view *lists;
    const struct rules *rules;
};

struct replay_judge_options {
    struct sip_key key;  /* of the installation */
    uint64_t generation; /* today's: a record of it must come out as it was */
    struct replay_side today;
    struct replay_side proposed;
    uint64_t capacities[STATE_TABLES]; /* of the simulated tables, each side its own */
    size_t samples_max;                /* of each kind of change; at most REPLAY_SAMPLES_MAX */
};

struct replay_outcome {
    enum verdict verdict; /* VERDICT_ACCEPT, DEFER or REJECT */
    enum policy_id policy;
    enum reason reason;
};

/* Texts are cut, not ended by a zero byte, and hold any bytes. */
struct replay_sample {
    uint64_t sequence;
    int64_t time_ns; /* wall clock */
    struct replay_outcome today;
    struct replay_outcome proposed;
    uint16_t client_length;
    uint16_t sender_length;
    uint16_t recipient_length;
    uint16_t reply_length;
    char client[64];
    char sender[REPLAY_SAMPLE_TEXT];
    char recipient[REPLAY_SAMPLE_TEXT];
    char reply[REPLY_MAX]; /* that the proposal would have given */
};

/* Changes of one kind. Samples are an even choice among all of them, in the order of time. */
struct replay_change {
    enum policy_id policy; /* that refuses or defers: of the proposal, else (let in) of today */
    enum verdict from;
    enum verdict to;
    uint64_t count; /* decisions; 0: none of this kind */
    uint64_t rows;
    size_t sample_count;
    struct replay_sample *samples;
};

/* All count decisions: of a row of several folded refusals, as many as it stands for. */
struct replay_totals {
    uint64_t decisions;      /* judged: RCPT requests, readable or not */
    uint64_t changed;        /* another verdict */
    uint64_t reasons;        /* the same verdict for another reason */
    uint64_t since_changed;  /* today's settings, lists or rules give another verdict than was
                                recorded; compared all the same, with what today's give */
    uint64_t not_comparable; /* of today's generation, and yet not as recorded */
    uint64_t unreadable;     /* of another release, or damaged */
    uint64_t facts_unknown;  /* a policy wanted a fact that was never fetched */
    uint64_t evicted;        /* entries that a simulated table had no room for */
};

enum { REPLAY_VERDICTS = 3, REPLAY_CHANGES_MAX = POLICY_LIMIT * REPLAY_VERDICTS * REPLAY_VERDICTS };

struct replay_report {
    struct replay_totals totals;
    struct replay_change changes[REPLAY_CHANGES_MAX]; /* most of them empty */
};

struct replay_judge;

MUST_USE int replay_judge_new(const struct replay_judge_options *options,
                              struct replay_judge **ret_judge);
/* What today's side says of a row, for the other. */
struct replay_today {
    struct replay_outcome outcome;
    bool readable;
    bool facts_unknown;
    uint64_t evicted; /* until now */
};
/* Rows in the order of their sequence; each of the two has its own thread, or both have one. */
void replay_judge_today(struct replay_judge *judge, const struct history_scan_row *row,
                        struct replay_today *ret_today);
void replay_judge_proposed(struct replay_judge *judge, const struct history_scan_row *row,
                           const struct replay_today *today);
/* For the thread of the proposal. */
const struct replay_totals *replay_judge_totals(const struct replay_judge *judge);
/* Frees the judge; the report is the caller's. */
struct replay_report *replay_judge_finish(struct replay_judge *judge);
void replay_report_free(struct replay_report *report);

/* Bytes that simulated tables of these capacities take when they are full, both sides together. */
uint64_t replay_bytes(const uint64_t capacities[STATE_TABLES]);
