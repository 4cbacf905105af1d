/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision_record.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* What the tests of records share: a decision with everything in it, encoded and read again. */

/* What encode() wrote, and room for what is read again. */
extern unsigned char body[DECISION_RECORD_MAX];
extern struct decision_record record;

/* The record of the last decision into `body`; its length. */
size_t encode(const struct world *world);

/* A request in which every attribute is set. */
void fill_request(struct world *world);

void assert_same_str(struct str a, struct str b);
