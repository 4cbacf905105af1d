/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/quotas.h"
#include "policy/world_fixture.h"

/* What the tests of quotas share: a user who sends, and what has been counted. */

/* 2023-11-14 22:13:20 UTC, a Tuesday; a minute begins 20 s before. */
enum { START_S = 1700000000, MINUTE_BEGIN_S = START_S - START_S % 60, DAY_S = 86400 };

/* Bob, who has logged in, writes from outside; Postfix tells the end of messages. The world's clock
 * stands at MINUTE_BEGIN_S. */
struct world *bobs_world(void);

/* Adds a quota; the texts must live as long as the world. */
void add_limit(struct world *world, const char *subject, const char *value);
/* Gives the nth quota, from 0, another value. */
void set_value(struct world *world, size_t rule, const char *value);

/* One recipient of a message; what the answer is. */
enum verdict offer(struct world *world, const char *instance, const char *recipient);
/* Recipients a@example.net, b@example.net ..., at most eight; returns how many were let in. */
unsigned offer_many(struct world *world, const char *instance, unsigned count);

/* The end of a message, which must be let pass; `recipients` and `size` as Postfix tells them. */
void settle(struct world *world, enum protocol_state state, const char *instance,
            uint32_t recipients, uint64_t size);
/* It was sent, with 1000 bytes. */
void sent(struct world *world, const char *instance, uint32_t recipients);
/* The connection ended before it was. */
void broken_off(struct world *world, const char *instance);

/* Whose limits the request counts against. */
struct quota_subject subject_of_request(const struct world *world);
/* The row of usage of a limit; fails when there is none. */
struct quota_usage_row usage_of(const struct world *world, enum quota_scope scope,
                                enum quota_unit unit, enum quota_window window);
/* What the user has used and reserved of the recipients of a day. */
void assert_day(const struct world *world, uint64_t used, uint64_t reserved);
/* The rule of the last decision; valid until the next call. */
const char *rule_of(const struct world *world);
