/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "base/check.h"
#include "base/str.h"

/* The newest recorded decisions, for any number of live readers: one follower of the daemon's
 * history fills a ring with the bytes that readers send, made once for all of them; each reader
 * goes through it at its own pace. Who falls behind the ring has lost what it no longer holds, and
 * is told how much; nobody waits for anybody. The follower runs while there are readers; while the
 * daemon is away it asks each second whether it is back, and then goes on where it was. Any thread.
 */

enum { EVENT_RING = 4096 };

struct event_hub;
struct event {
    uint64_t place;     /* 1, 2, ... since the hub began */
    uint64_t sequence;  /* of the decision */
    struct str message; /* "id: ...", "event: session", "data: " with the item, an empty line */
    bool is_end;        /* of a message */
    const json_t *item; /* of /v1/sessions */
};

/* The message of an item; for the caller to free, NULL when memory is out. */
char *event_message(uint64_t sequence, struct str line, size_t *ret_length);

struct event_hub *event_hub_new(const char *control_socket); /* NULL when memory is out */
void event_hub_free(struct event_hub *hub);                  /* when all readers have left */

/* Waits up to two seconds for the daemon to say where it is, so that who hears at once that it is
 * placed misses nothing from then on. event_hub_leave() is due afterwards. */
void event_hub_join(struct event_hub *hub);
void event_hub_leave(struct event_hub *hub);

struct event_state {
    bool away;   /* the daemon could not be asked the last time */
    bool placed; /* what follows is known: the daemon has been there since the first reader came */
    uint64_t from;        /* everything decided after this sequence comes through the ring, */
    uint64_t place;       /* after this place */
    uint64_t began_from;  /* the same of the moment in which it was placed, */
    uint64_t began_place; /* for those who have waited for that */
};
struct event_state event_hub_state(struct event_hub *hub);

/* Visits the events after *place, and moves it; false from the visitor leaves that one for the next
 * time. Returns how many were lost before the first. Does not wait. */
typedef bool event_visit(void *context, const struct event *event);
uint64_t event_hub_read(struct event_hub *hub, uint64_t *place, event_visit *visit, void *context);
