/* SPDX-License-Identifier: Apache-2.0 */
#include "api/event_hub.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/event_filter.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/http_client.h"

/* After EVENT_PACE events in a row readers get the time to take them: what comes at once, when a
 * daemon is back, would else go round the ring before they look. */
enum { EVENT_PACE = EVENT_RING / 4, PACE_MS = 20 };
enum { LOOK_MS = 100, AGAIN_MS = 1000, JOIN_MS = 2000, REPLY_MAX = 1024 * 1024 };
static const int64_t GLANCE_NS = INT64_C(2) * 1000000000;

struct kept {
    uint64_t sequence;
    char *message;
    size_t length;
    bool is_end;
    json_t *item;
};

struct event_hub {
    const char *socket;
    pthread_mutex_t lock;
    unsigned readers;
    bool running;    /* the follower */
    bool placed;     /* it knows where history ends */
    bool away;       /* the daemon did not answer it */
    uint64_t newest; /* sequence */
    uint64_t places; /* events so far */
    uint64_t began;  /* newest and places when it was placed */
    uint64_t began_place;
    struct kept ring[EVENT_RING];
};

struct event_hub *event_hub_new(const char *control_socket) {
    struct event_hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL) {
        return NULL;
    }
    hub->socket = control_socket;
    pthread_mutex_init(&hub->lock, NULL);
    return hub;
}

static void forget(struct kept *kept) {
    free(kept->message);
    json_decref(kept->item);
    *kept = (struct kept){0};
}

/* A look every tenth of a second is as live as a person can read, and costs nothing. */
static void pause_ms(int ms) {
    (void)poll(NULL, 0, ms);
}

static bool is_running(struct event_hub *hub) {
    pthread_mutex_lock(&hub->lock);
    const bool running = hub->running;
    pthread_mutex_unlock(&hub->lock);
    return running;
}

void event_hub_free(struct event_hub *hub) {
    while (is_running(hub)) {
        pause_ms(LOOK_MS);
    }
    for (size_t i = 0; i < EVENT_RING; i++) {
        forget(&hub->ring[i]);
    }
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

/* --- the follower --- */

static bool has_readers(struct event_hub *hub) {
    pthread_mutex_lock(&hub->lock);
    const bool has = hub->readers > 0;
    pthread_mutex_unlock(&hub->lock);
    return has;
}

char *event_message(uint64_t sequence, struct str line, size_t *ret_length) {
    static const char form[] = "id: %llu\nevent: session\ndata: %.*s\n\n";
    const size_t size = sizeof form + 20 + line.length;
    char *message = malloc(size);
    const int length = message == NULL ? 0
                                       : snprintf(message, size, form, (unsigned long long)sequence,
                                                  STR_ARGS(line));
    *ret_length = (size_t)length;
    return message;
}

static bool make_event(struct str line, struct kept *ret_kept) {
    struct kept kept = {.item = json_loadb(line.data, line.length, 0, NULL)};
    if (str_parse_u64(str_from(json_string_value(json_object_get(kept.item, "sequence"))),
                      UINT64_MAX, &kept.sequence)) {
        kept.is_end = event_is_end(kept.item);
        kept.message = event_message(kept.sequence, line, &kept.length);
    }
    if (kept.message == NULL) {
        json_decref(kept.item);
        return false;
    }
    *ret_kept = kept;
    return true;
}

static bool take_line(void *context, struct str line) {
    struct event_hub *hub = context;
    struct kept event;
    const bool good = make_event(line, &event);
    struct kept old = {0};
    pthread_mutex_lock(&hub->lock);
    if (good) {
        struct kept *place = &hub->ring[hub->places % EVENT_RING];
        old = *place;
        *place = event;
        hub->places++;
        hub->newest = event.sequence;
    }
    const bool go_on = hub->readers > 0;
    const bool rest = good && hub->places % EVENT_PACE == 0;
    pthread_mutex_unlock(&hub->lock);
    forget(&old);
    if (rest) {
        pause_ms(PACE_MS);
    }
    return go_on;
}

static bool still_wanted(void *context) {
    return has_readers(context);
}

/* Where history ends now: what comes after goes through the ring. False: nobody answers. */
static bool find_end(const struct event_hub *hub, uint64_t *ret_sequence) {
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    const struct http_call call = {.socket_path = hub->socket,
                                   .method = "GET",
                                   .target = "/v1/sessions?state=all&limit=1",
                                   .timeout_ns = GLANCE_NS,
                                   .reply_max = REPLY_MAX};
    struct http_reply reply;
    if (http_client_call(&call, &reply, &problem) != 0) {
        return false;
    }
    json_t *list = reply.status == 200 ? json_loadb(reply.body, reply.length, 0, NULL) : NULL;
    const json_t *newest = json_array_get(json_object_get(list, "items"), 0);
    *ret_sequence = 0;
    (void)str_parse_u64(str_from(json_string_value(json_object_get(newest, "sequence"))),
                        UINT64_MAX, ret_sequence);
    json_decref(list);
    http_reply_free(&reply);
    return list != NULL;
}

static void follow_once(struct event_hub *hub, uint64_t after) {
    char target[96];
    (void)snprintf(target, sizeof target, "/v1/sessions/follow?state=all&cursor=%llu",
                   (unsigned long long)after);
    char sentence[256];
    struct text problem = TEXT_OVER(sentence);
    const struct http_call call = {.socket_path = hub->socket,
                                   .method = "GET",
                                   .target = target,
                                   .reply_max = REPLY_MAX,
                                   .go_on = still_wanted,
                                   .go_on_context = hub};
    struct http_reply reply;
    const int error = http_client_follow(&call, take_line, hub, &reply, &problem);
    if (error != 0) {
        log_write(LOG_DEBUG, "API", "Live events stopped: %.*s", STR_ARGS(text_str(&problem)));
    }
    http_reply_free(&reply);
}

/* Whether the daemon is there, and where to go on. The first time from the end of history. */
static bool find_place(struct event_hub *hub, uint64_t *ret_after) {
    uint64_t end = 0;
    const bool there = find_end(hub, &end);
    pthread_mutex_lock(&hub->lock);
    hub->away = !there;
    if (there && !hub->placed) {
        hub->placed = true;
        hub->newest = end;
        hub->began = end;
        hub->began_place = hub->places;
    }
    *ret_after = hub->newest;
    pthread_mutex_unlock(&hub->lock);
    return there;
}

/* Marks the end in the same moment as it looks, so that a reader who comes later starts another. */
static bool go_on(struct event_hub *hub) {
    pthread_mutex_lock(&hub->lock);
    const bool wanted = hub->readers > 0;
    if (!wanted) {
        hub->running = false;
        hub->placed = false;
        hub->away = false;
    }
    pthread_mutex_unlock(&hub->lock);
    return wanted;
}

/* Until the last reader has left. A daemon that is away is asked again each second; what it decided
 * meanwhile comes then. A stream that ended is first asked about at once: a daemon that restarts in
 * place is not away. */
static void *follow(void *context) {
    struct event_hub *hub = context;
    while (go_on(hub)) {
        uint64_t after;
        const bool there = find_place(hub, &after);
        if (there) {
            follow_once(hub, after);
        }
        const int pause = there ? LOOK_MS : AGAIN_MS;
        for (int waited = 0; waited < pause && has_readers(hub); waited += LOOK_MS) {
            pause_ms(LOOK_MS);
        }
    }
    return NULL;
}

/* --- readers --- */

static void start(struct event_hub *hub) {
    pthread_t thread;
    hub->running = pthread_create(&thread, NULL, follow, hub) == 0;
    if (hub->running) {
        (void)pthread_detach(thread);
    }
}

void event_hub_join(struct event_hub *hub) {
    pthread_mutex_lock(&hub->lock);
    hub->readers++;
    if (!hub->running) {
        start(hub);
    }
    pthread_mutex_unlock(&hub->lock);
    for (int waited = 0; waited < JOIN_MS; waited += LOOK_MS / 10) {
        const struct event_state state = event_hub_state(hub);
        if (state.placed || state.away) {
            return;
        }
        pause_ms(LOOK_MS / 10);
    }
}

struct event_state event_hub_state(struct event_hub *hub) {
    pthread_mutex_lock(&hub->lock);
    const struct event_state state = {
        .away = hub->away,
        .placed = hub->placed,
        .from = hub->newest,
        .place = hub->places,
        .began_from = hub->began,
        .began_place = hub->began_place,
    };
    pthread_mutex_unlock(&hub->lock);
    return state;
}

void event_hub_leave(struct event_hub *hub) {
    pthread_mutex_lock(&hub->lock);
    hub->readers--;
    pthread_mutex_unlock(&hub->lock);
}

uint64_t event_hub_read(struct event_hub *hub, uint64_t *place, event_visit *visit, void *context) {
    pthread_mutex_lock(&hub->lock);
    uint64_t lost = 0;
    if (hub->places - *place > EVENT_RING) {
        lost = hub->places - EVENT_RING - *place;
        *place = hub->places - EVENT_RING;
    }
    while (*place < hub->places) {
        const struct kept *kept = &hub->ring[*place % EVENT_RING];
        const struct event event = {
            *place + 1, kept->sequence, {kept->message, kept->length}, kept->is_end, kept->item};
        if (!visit(context, &event)) {
            break;
        }
        ++*place;
    }
    pthread_mutex_unlock(&hub->lock);
    return lost;
}
