/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/policy_request.h"
#include "policy/effect.h"
#include "policy/facts.h"
#include "policy/list_index.h"
#include "policy/policy_settings.h"
#include "policy/rules.h"
#include "policy/state.h"

/* One decision: a pure function of (settings, lists, state, facts, time).
 *
 *   prepare ─► decide ─► needs facts? ── yes ─► caller fetches all of them ─► decide (from the
 * start) │ no └─► verdict, reason, reply, effects, what was read, what each policy said
 *
 * Policies run by priority, highest first, and stop at the first final verdict. A policy in shadow
 * is run like the others: its effects count, its verdict is only noted. A final refusal or deferral
 * keeps only the effects of policies up to and including the one that decided, and of these not
 * what counts on acceptance alone (quota reservations).
 * Once the verdict stands, policies that learn from it add their effects (reputation, automatic
 * blacklist, correspondents).
 *
 * At END-OF-MESSAGE, and when a message ends without one (PROTOCOL_STATE_ENDED), nothing is
 * refused: policies settle what they have reserved and counted.
 * Everything a policy reads from state or lists goes through decision_read_*(), which notes the
 * value: so a recorded decision can be run again exactly (decision_record.h). */

enum { DECISION_VALUE_MAX = 512 };
enum {
    REPLY_MAX = 480,
    HEADER_MAX = 440,
    READS_MAX = 48,
    STEPS_MAX = POLICY_LIMIT,
    RULE_MAX = 360,
    EVENTS_MAX = 8
};

/* A value that was read. `fingerprint` is the low half of the key, to find it again in a re-run; 0
 * for lists; of rules what the policy asked about. READ_ENTRY of a table with a digest holds the
 * digest. A rule that does not speak is not noted. */
enum read_kind {
    READ_ENTRY_ABSENT = 1,
    READ_ENTRY = 2,
    READ_LIST_ABSENT = 3,
    READ_LIST = 4,
    READ_RULE = 5,
};
struct read {
    enum read_kind kind;
    uint8_t policy; /* enum policy_id: who read it */
    uint8_t source; /* state_table_id, or list_id with or without LIST_READ_ADDRESS_ONLY, or
                       rule_kind */
    uint64_t fingerprint;
    _Alignas(8) unsigned char entry[STATE_ENTRY_MAX]; /* READ_ENTRY: state_recorded_bytes();
                                                         READ_RULE: all */
};

/* The block list is read a second time for the client address alone, when the allow list matched
 * an address: of addresses the longest prefix over both lists decides (SPEC 4.1). */
enum { LIST_READ_ADDRESS_ONLY = 0x80, LIST_MATCHES_MAX = LISTS + 1 };
/* Index into decision.list_matches for a READ_LIST's source. */
size_t list_match_slot(uint8_t source);

/* What one policy said, for explain and for shadow counts. */
struct decision_step {
    enum policy_id policy;
    enum policy_mode mode;
    enum verdict verdict; /* of this policy alone; VERDICT_NONE: abstained */
    enum reason reason;
    bool skipped; /* disabled, wrong direction, or after the final verdict */
};

/* Something to be told beside the answer, once: a limit that is nearly or wholly used. */
struct decision_event {
    enum reason reason;
    bool on_acceptance; /* as of effects; not part of the record */
    uint32_t rule_id;
    uint8_t scope;  /* enum quota_scope */
    uint8_t unit;   /* enum quota_unit */
    uint8_t window; /* enum quota_window */
    uint64_t used;
    uint64_t limit;
};

/* About 12 KiB; one per worker, reused. decide() writes the single fields and the counted elements
 * of the arrays; what lies beyond a count is left as it was. */
struct decision {
    enum verdict verdict;
    enum policy_id policy; /* that decided; of an acceptance by nobody's objection the last policy
                              that gave a reason (greylist.known ...), else POLICY_NONE */
    enum reason reason;    /* its reason, or REASON_NONE */
    enum direction direction;
    uint32_t facts_wanted; /* bit per fact_id; not 0: the rest is not final */
    uint32_t facts_asked;  /* bit per fact_id: a policy needed it, wherever it came from */
    uint32_t retry_in_s;   /* deferrals: when a retry will be let in */
    uint16_t rule_length;  /* the rule that decided: "block:17 *@spam.example", or "" */
    char rule[RULE_MAX];
    uint16_t
        header_length; /* to be added to mail that is not refused: "Received-SPF: pass ..."; "" */
    char header[HEADER_MAX];
    uint16_t reply_length; /* the action: "DUNNO", "REJECT 5.7.1 ...", without newline */
    char reply[REPLY_MAX];
    uint16_t text_length; /* the refusal text of the rule that decided, when it has its own */
    char text[RULE_TEXT_MAX];
    size_t event_count;
    struct decision_event events[EVENTS_MAX];
    size_t step_count;
    struct decision_step steps[STEPS_MAX];
    size_t effect_count;
    struct effect effects[EFFECTS_MAX];
    size_t read_count;
    struct read reads[READS_MAX];
    struct list_match list_matches[LIST_MATCHES_MAX]; /* of READ_LIST, at list_match_slot() */
};

/* Keys that many requests share, kept from one decision to the next. Zeroed at first; one for each
 * thread, for one struct state. */
struct decision_memo {
    unsigned global_known;              /* bit per quota_unit: of those in `global` */
    struct hash128 global[QUOTA_UNITS]; /* quota_key() of QUOTA_GLOBAL */
    /* Of one service of Postfix: */
    struct hash128 end_of_data;
    bool known;
    uint8_t policy_client_length;
    uint16_t server_port;
    char policy_client[POLICY_CLIENT_MAX];
};

struct decision_ahead;
/* Where reads come from: the live state, or a record. */
struct decision_source {
    const struct state *state;          /* live; its key is needed in both cases */
    const struct list_view *lists;      /* live */
    const struct rules *rules;          /* live; NULL: none */
    const struct decision_ahead *ahead; /* keys of this request (decision_ahead.h); NULL: none */
    struct decision_memo *memo;         /* NULL: none */
    const struct decision *recorded; /* not NULL: reads come from here; one it does not have counts
                                        as absent and sets *ret_unknown */
    bool *ret_unknown;
    /* For replay (SPEC 3), with `recorded`: what a proposed change is about comes from the live
     * ones; entries that were not read then come from `state` when it has tables. */
    bool live_lists;
    bool live_rules;
    bool live_absent_entries;
    /* Bit (1 << state_table_id) for each table of which what `state` has comes before the record:
     * what a replay has made of a message itself. */
    unsigned live_first;
};

/* SPEC 2, Direction: outbound when sasl_username is set or the client is in trusted_networks. */
enum direction decision_direction(const struct policy_settings *settings,
                                  const struct policy_request *request);
/* The sender identity chain: SASL user, else the envelope sender when the client is trusted, else
 * empty. */
struct str decision_identity(const struct policy_settings *settings,
                             const struct policy_request *request);

/* All policies by priority, highest first; ties in the order of policies.def. Returns how many. */
size_t decision_policies_in_order(const struct policy_settings *settings,
                                  enum policy_id ret_order[STEPS_MAX]);

/* Decides on a RCPT request; settles END-OF-MESSAGE and PROTOCOL_STATE_ENDED, whose answer is DUNNO
 * (other states: DUNNO, no effects). `now_ns` is decision time. Reads
 * nothing but its arguments, and of a value of the request only the first
 * DECISION_VALUE_MAX bytes, as much as a record keeps. When ret->facts_wanted is not 0, set those
 * in facts->status to KNOWN or UNAVAILABLE and call again. Facts that are at hand spare that second
 * call; when one of them turns out not to be needed they count as UNASKED, all of them, so that
 * what a cache happens to know changes no decision. */
void decide(const struct policy_settings *settings, const struct decision_source *source,
            const struct policy_request *request, struct facts *facts, int64_t now_ns,
            struct decision *ret);
/* Applies the effects of a final decision, once. decision_apply_soon() changes nothing; some work
 * before, it has what decision_apply() waits for fetched from memory. */
void decision_apply_soon(const struct state *state, const struct decision *decision);
void decision_apply(struct state *state, const struct decision *decision, uint64_t sequence);
