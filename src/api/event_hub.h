/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "base/check.h"
#include "base/str.h"

/* The newest recorded decisions, for any number of live readers: one follower of the daemon's
 * history fills a ring, each reader goes through it at its own pace. Who falls behind the ring has
 * lost what it no longer holds, and is told how much; nobody waits for anybody. The follower runs
 * while there are readers. Any thread. */

enum { EVENT_RING = 4096 };

struct event_hub;
struct event {
    uint64_t place;    /* 1, 2, ... since the hub began */
    uint64_t sequence; /* of the decision */
    const char *line;  /* the item of /v1/sessions as JSON, without a newline */
    const json_t *item;
};

struct event_hub *event_hub_new(const char *control_socket); /* NULL when memory is out */
void event_hub_free(struct event_hub *hub);                  /* when all readers have left */

/* Everything decided after *ret_from comes through the ring, after *ret_place. Waits up to two
 * seconds for the daemon to say where it is; false: it did not, and event_hub_leave() is due all
 * the same. */
MUST_USE bool event_hub_join(struct event_hub *hub, uint64_t *ret_from, uint64_t *ret_place);
void event_hub_leave(struct event_hub *hub);

/* Visits the events after *place, and moves it; false from the visitor leaves that one for the next
 * time. Returns how many were lost before the first. Does not wait. */
typedef bool event_visit(void *context, const struct event *event);
uint64_t event_hub_read(struct event_hub *hub, uint64_t *place, event_visit *visit, void *context);
