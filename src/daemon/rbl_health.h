/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/dnsbl.h"

/* Whether one block list can be trusted now: a state machine of answers and probes. Pure, but for
 * the caller's lock. Times are the boot clock's.
 *
 *          probe good                       probe bad, or a run of bad answers
 *   NEW ───────────────► IN ◄─────────────────────────────────────────────► OUT
 *    └────────────────── probe bad, run of bad answers ──────────────────────┘
 *
 * A list that is out comes in again with the first good probe alone. A long run of clients that are
 * all named makes the next probe come at once: the list may have begun to list the world. */

#define RBL_PROBE_EVERY_NS    (INT64_C(3600) * 1000000000)
#define RBL_PROBE_SOON_NS     (INT64_C(30) * 1000000000)  /* after a failure; doubling ... */
#define RBL_PROBE_SOON_MAX_NS (INT64_C(900) * 1000000000) /* ... up to this */
enum { RBL_BAD_RUN = 5 }; /* so many bad answers one after another take a list out */

enum rbl_health_state {
    RBL_HEALTH_NEW = 0, /* asked; not probed yet */
    RBL_HEALTH_IN,
    RBL_HEALTH_OUT,
};
enum rbl_health_why {
    RBL_WHY_NONE = 0,
    RBL_WHY_ERROR_CODE, /* 127.255.255.x, or outside 127/8: health.code */
    RBL_WHY_FAILED,     /* SERVFAIL, REFUSED, malformed */
    RBL_WHY_TIMED_OUT,
    RBL_WHY_LISTS_WORLD, /* 127.0.0.1 is listed, which must not be */
    RBL_WHY_EMPTY,       /* 127.0.0.2 is not listed, which must be: closed, or the wrong zone */
};

struct rbl_health {
    enum rbl_health_state state;
    enum rbl_health_why why; /* of OUT; of the last bad answer otherwise */
    unsigned char code[4];   /* of RBL_WHY_ERROR_CODE */
    int64_t since_boot_ns;   /* of the state */
    int64_t probed_boot_ns;  /* the last probe; 0: none yet */
    int64_t next_probe_ns;
    unsigned bad_run;                                      /* bad answers since the last good one */
    unsigned listed_run;                                   /* clients named one after another */
    unsigned bad_probes;                                   /* one after another */
    uint64_t times_out;                                    /* how often it was taken out */
    uint64_t asked, listed, not_listed, failed, timed_out; /* about clients, since start */
    int64_t latency_us;      /* of the last answer that told it; 0: none */
    int64_t latency_mean_us; /* smoothed: each counts an eighth */
};

/* New, and due for a probe at once. */
void rbl_health_init(struct rbl_health *health, int64_t now_ns);

/* An answer about a client; latency below 0: unknown. True: the list is out by this. */
bool rbl_health_answer(struct rbl_health *health, enum dnsbl_status status,
                       const unsigned char code[4], int64_t latency_us, int64_t now_ns);

/* What the test points said, one pair for each family that is probed (RFC 5782 5): `listed` of
 * 127.0.0.2, `not_listed` of 127.0.0.1. Good: at least one family lists its first point, none its
 * second, and no question failed. */
enum { RBL_FAMILIES = 2 };
struct rbl_probe_answer {
    enum dnsbl_status status;
    unsigned char code[4];
};
struct rbl_probe {
    size_t family_count; /* 1: IPv4; 2: and IPv6 */
    struct rbl_probe_answer must_list[RBL_FAMILIES];
    struct rbl_probe_answer must_not_list[RBL_FAMILIES];
};
/* True: the state is another than before. */
bool rbl_health_probed(struct rbl_health *health, const struct rbl_probe *probe, int64_t now_ns);

/* "new" "in" "out" */
const char *rbl_health_state_name(enum rbl_health_state state);
/* "error-code" "failed" "timed-out" "lists-world" "empty"; "" for none: for scripts. */
const char *rbl_health_why_name(enum rbl_health_why why);
/* A sentence for people: what is wrong and what to do. */
void rbl_health_explain(const struct rbl_health *health, struct text *out);
