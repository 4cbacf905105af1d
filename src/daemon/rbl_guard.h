/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/engine.h"
#include "daemon/rbl_health.h"

/* The guard of block lists: a list that fails, answers with error codes, lists the world or times
 * out is taken out, with a line in the log and an alert, until it recovers.
 *
 * A thread of its own, with its own event base and DNS, probes each list that is on: at start,
 * hourly, and sooner after a failure (rbl_health.h has the times and the rules). Those who ask
 * lists for mail tell each answer, so that a list that dies between two probes is out after a few
 * of them. */

struct rbl_guard;

/* Starts the thread; lists are in until a probe or answers say otherwise. Follows the settings in
 * force. The engine outlives it. Negative errno and a sentence. */
MUST_USE int rbl_guard_start(struct engine *engine, struct rbl_guard **ret_guard,
                             struct text *problem);
/* After the last rbl_guard_note(). NULL is fine. */
void rbl_guard_stop(struct rbl_guard *guard);

/* The functions below: any thread, never blocking for long, `guard` NULL: nothing is out, nothing
 * is noted. */

/* Bit rbl_guard_bit(number) for each list that is not to be asked now (DNSBL_OUT). */
uint32_t rbl_guard_out(const struct rbl_guard *guard);
static inline uint32_t rbl_guard_bit(uint8_t number) {
    return number >= DNSBL_OWN_FIRST ? UINT32_C(1) << (DNSBL_KNOWN + number - DNSBL_OWN_FIRST)
                                     : UINT32_C(1) << (number - 1);
}
/* What a list answered about a client, and after how long; not for DNSBL_OUT, nor for answers that
 * came from the cache of net/dns.h (latency below 0: unknown, such an answer counts but for the
 * latency). `code`: of dnsbl_judge(). */
void rbl_guard_note(struct rbl_guard *guard, uint8_t number, enum dnsbl_status status,
                    const unsigned char code[4], int64_t latency_us);

/* Of one list that is on, for status. */
struct rbl_guard_list {
    uint8_t number;
    struct rbl_health health;
};
/* By number, ascending. Returns how many. */
size_t rbl_guard_lists(struct rbl_guard *guard, struct rbl_guard_list ret_lists[DNSBL_LISTS_MAX]);
/* There is no DNS server to ask: lists are on and cannot be probed. */
bool rbl_guard_no_server(const struct rbl_guard *guard);
/* The first DNS server in use that is a known public resolver, which block lists refuse; empty:
 * none, or not known yet. */
bool rbl_guard_public_resolver(struct rbl_guard *guard, struct text *out);
