/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/mail_address.h"
#include "policy/decision.h"
#include "policy/ip_reputation.h"

/* What a policy sees while it runs, and what it answers. Adding a policy: a family of files here, a
 * row in policies.def, its reasons in reasons.def, and a line in the table of decision.c. */

enum { ADDRESS_ROOM = MAIL_ADDRESS_MAX };

struct policy_run {
    const struct policy_settings *settings;
    const struct decision_source *source;
    const struct policy_request *request;
    struct facts *facts;
    struct decision *decision;
    enum policy_id policy; /* that runs now */
    uint32_t now_s;
    uint64_t fingerprints; /* a bit for each of 64 kinds of fingerprints that were read */
    bool lists_asked;      /* list_hits is known */
    unsigned list_hits;    /* list_view_hits() of the live lists */
    bool client_allowed_known;
    const struct list_match *client_allowed; /* trust_allowed() */
    bool network_key_known;
    struct hash128 network_key;
    bool reputation_known;
    struct reputation_standing reputation; /* trust_reputation() */
    bool outcome_key_known;
    struct hash128 outcome_key; /* of quotas: what was said of this recipient */
    /* Of the rule that the last decision_read_rule() found: for the answer. Empty: none. */
    struct str rule_name; /* "restriction:17 bob@example.com" */
    struct str rule_text;
    char rule_name_room[RULE_MAX];
    char rule_text_room[RULE_TEXT_MAX];
    /* Normalised once, by the functions below; data NULL: not yet. */
    struct str sender;
    struct str recipient;
    struct str client_name;
    struct str identity;
    char identity_room[ADDRESS_ROOM];
    char sender_room[ADDRESS_ROOM];
    char recipient_room[ADDRESS_ROOM];
    char client_name_room[ADDRESS_ROOM];
};

struct policy_answer {
    enum verdict verdict;
    enum reason reason;
    uint32_t retry_in_s;            /* with VERDICT_DEFER */
    const struct list_match *match; /* the entry that decided, or NULL; inside the decision */
    enum list_id match_list;
    struct str rule;   /* unless `match` is given: names what decided; "" */
    struct str text;   /* the rule's own refusal text, or "" */
    bool fact_missing; /* A fact is unavailable: on_error decides. */
};

/* The policies. */
struct policy_answer acl_allow_run(struct policy_run *run);
struct policy_answer acl_block_run(struct policy_run *run);
struct policy_answer auto_blacklist_run(struct policy_run *run);
struct policy_answer ip_reputation_run(struct policy_run *run);
struct policy_answer sender_restrictions_run(struct policy_run *run);
struct policy_answer sender_identity_run(struct policy_run *run);
struct policy_answer quotas_run(struct policy_run *run);
struct policy_answer geo_run(struct policy_run *run);
struct policy_answer rbl_run(struct policy_run *run);
struct policy_answer spf_run(struct policy_run *run);
struct policy_answer greylist_run(struct policy_run *run);

/* After the verdict of a RCPT request stands in run->decision; effects alone. Asked of every
 * enabled policy, of either direction. */
void auto_blacklist_learn(struct policy_run *run);
void ip_reputation_learn(struct policy_run *run);
void greylist_learn(struct policy_run *run);
/* At END-OF-MESSAGE and PROTOCOL_STATE_ENDED; effects and events alone. The direction is not yet
 * looked at. */
void quotas_settle(struct policy_run *run);
void ip_reputation_settle(struct policy_run *run);

/* The first DECISION_VALUE_MAX bytes. */
struct str decision_value(struct str value);
/* Adds the confirmed client name, normalised; nothing when there is none. */
void decision_client_name(const struct policy_request *request, struct text *out);
/* For lists; never NULL data. The client name is empty unless it is confirmed. */
struct str policy_run_sender(struct policy_run *run);
struct str policy_run_recipient(struct policy_run *run);
struct str policy_run_client_name(struct policy_run *run);
/* The sender identity (decision_identity()), normalised, +extension dropped: whom quotas are
 * charged to. Empty: none. */
struct str policy_run_identity(struct policy_run *run);
/* The key of the client's network (state_network_key()). */
struct hash128 policy_run_network_key(struct policy_run *run);
/* The key of something that happens once to this request's message (Postfix host, instance), told
 * apart by `what` and `which`. */
struct hash128 policy_run_once_key(const struct policy_run *run, struct str what, struct str which);
struct hash128 decision_once_key(const struct sip_key *key, const struct policy_request *request,
                                 struct str what, struct str which);
/* True when this request's Postfix service sends END-OF-MESSAGE requests too: as
 * quotas.end_of_data_hook says, or as was seen. */
bool policy_run_sees_end_of_data(struct policy_run *run);
/* Notes that it does, at END-OF-MESSAGE. */
void policy_run_note_end_of_data(struct policy_run *run);

/* Reads, noted in the decision (once: the second read of the same is free). NULL: absent. What they
 * point to lives as long as the decision is not decided anew. */
const void *decision_read_entry(struct policy_run *run, enum state_table_id table,
                                struct hash128 key);
/* The digest of an entry of a table that has one; made by `digest`, of an entry that is there: it
 * fills all state_recorded_bytes(). */
typedef void decision_digest(const void *entry, uint32_t now_s, void *ret_digest);
const void *decision_read_digest(struct policy_run *run, enum state_table_id table,
                                 struct hash128 key, decision_digest *digest);
/* True when the rules that count are the live ones, false when a record's. */
bool policy_run_rules_live(const struct policy_run *run);
/* What the rules say. `find` asks the live ones (source->rules, not NULL), fills up to
 * STATE_ENTRY_MAX zeroed bytes, may set run->rule_name and rule_text through
 * policy_run_name_rule(), and returns false when no rule speaks. NULL then. `fingerprint` tells
 * several questions of one kind apart. */
typedef bool decision_find_rule(struct policy_run *run, const void *query, void *ret_answer);
const void *decision_read_rule(struct policy_run *run, enum rule_kind kind, uint64_t fingerprint,
                               decision_find_rule *find, const void *query);
void policy_run_name_rule(struct policy_run *run, enum rule_kind kind, uint32_t id,
                          struct str subject, struct str text);
enum list_part { LIST_PART_ALL = 0, LIST_PART_ADDRESS };
const struct list_match *decision_read_list(struct policy_run *run, enum list_id list,
                                            enum list_part part, bool spf_pass);
/* The same of LIST_REPUTATION_ALLOW, where only a match is noted: an empty list costs a look at two
 * counts and not a byte of a record. */
const struct list_match *decision_read_reputation_allow(struct policy_run *run);
/* True when the fact is known. Else false, and when nobody has asked for it yet it is wanted now:
 * the policy returns whatever it likes and is run again. Where it then still is not known, it is
 * unavailable: answer with fact_missing. */
bool policy_run_fact(struct policy_run *run, enum fact_id fact);
/* True when SPF says pass for the domain of the sender. */
bool policy_run_spf_pass(struct policy_run *run);

void decision_add_effect(struct policy_run *run, struct effect effect);
/* Beyond EVENTS_MAX it is dropped. */
void decision_add_event(struct policy_run *run, struct decision_event event);
/* The answer, or what on_error makes of it when a fact is missing. */
struct policy_answer decision_settle(struct policy_answer answer, enum policy_on_error on_error);
