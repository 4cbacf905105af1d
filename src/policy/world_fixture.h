/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision_record.h"
#include "policy/policy_settings.h"

/* A small world to decide in: settings as out of the box, tables, lists, a clock. Every decision is
 * also encoded, decoded and made again from its record, and must come out the same. */

enum { WORLD_RULES_MAX = 32 };

struct world {
    struct policy_settings settings;
    struct state state;
    struct list_view lists;
    struct list_builder *builder; /* entries added since the last decision */
    struct rule_row rule_rows[WORLD_RULES_MAX];
    size_t rule_count;
    struct rules *rules; /* of the rows */
    struct facts facts;
    struct facts asked_facts; /* as they were before the decision */
    struct decision_memo memo;
    int64_t now_s;
    uint64_t sequence;
    uint64_t next_id;
    struct decision decision;
    struct policy_request request; /* the next one; a stranger's to begin with */
    size_t record_length;          /* of the last decision */
};

struct world *world_new(uint64_t capacity);
void world_free(struct world *world);

/* Out of the box here: acl_allow, acl_block and greylisting. */
void world_enable(struct world *world, enum policy_id policy);
/* The texts must live as long as the world. */
void world_add_rule(struct world *world, enum rule_kind kind, const char *subject,
                    const char *value);
/* Builds the rules anew after rule_rows was changed. */
void world_set_rules(struct world *world);

/* Adds an entry, inbound, without proof, for ever, and returns its id. */
uint64_t world_add(struct world *world, enum list_id list, enum pattern_type type,
                   const char *pattern);
void world_add_item(struct world *world, struct list_item item);
struct list_item world_item(struct world *world, enum list_id list, enum pattern_type type,
                            const char *pattern);
struct ip_address world_address(const char *text);
void world_set_client(struct world *world, const char *address, const char *name);
void world_set_mail(struct world *world, const char *sender, const char *recipient);
/* Where the client is, as a fact that is known; "": not in the database. */
void world_set_place(struct world *world, const char *country, uint32_t asn);

/* Decides on world->request at world->now_s and applies the effects. */
const struct decision *world_send(struct world *world);
/* Decides without applying. */
const struct decision *world_ask(struct world *world);
/* The reply of the last decision. */
const char *world_reply(const struct world *world);

/* Heap memory for lists; `budget` allocations are granted, then none. */
struct list_memory world_memory(size_t *budget);

/* Repeatable numbers. */
struct dice {
    uint64_t state;
};
uint64_t dice_u64(struct dice *dice);
uint32_t dice_below(struct dice *dice, uint32_t limit);

void assert_same_decision(const struct decision *a, const struct decision *b);
