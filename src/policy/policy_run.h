/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/mail_address.h"
#include "policy/decision.h"

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
    bool lists_asked;   /* list_hits is known */
    unsigned list_hits; /* list_view_hits() of the live lists */
    /* Normalised once, by the functions below; data NULL: not yet. */
    struct str sender;
    struct str recipient;
    struct str client_name;
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
    bool fact_missing; /* A fact is unavailable: on_error decides. */
};

/* The policies. */
struct policy_answer acl_allow_run(struct policy_run *run);
struct policy_answer acl_block_run(struct policy_run *run);
struct policy_answer greylist_run(struct policy_run *run);

/* The first DECISION_VALUE_MAX bytes. */
struct str decision_value(struct str value);
/* For lists; never NULL data. The client name is empty unless it is confirmed. */
struct str policy_run_sender(struct policy_run *run);
struct str policy_run_recipient(struct policy_run *run);
struct str policy_run_client_name(struct policy_run *run);

/* Reads, noted in the decision. NULL: absent. What they point to lives as long as the decision is
 * not decided anew. */
const void *decision_read_entry(struct policy_run *run, enum state_table_id table,
                                struct hash128 key);
enum list_part { LIST_PART_ALL = 0, LIST_PART_ADDRESS };
const struct list_match *decision_read_list(struct policy_run *run, enum list_id list,
                                            enum list_part part, bool spf_pass);
/* True when SPF says pass for the domain of the sender. */
bool policy_run_spf_pass(struct policy_run *run);

void decision_add_effect(struct policy_run *run, struct effect effect);
/* The answer, or what on_error makes of it when a fact is missing. */
struct policy_answer decision_settle(struct policy_answer answer, enum policy_on_error on_error);
