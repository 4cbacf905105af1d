/* SPDX-License-Identifier: Apache-2.0 */
/* bench_decide [REQUESTS [all]]: the work of a decision without sockets: frame, parse, decide,
 * encode the record, apply. Half of the keys are known. With `all` every policy is on, there are
 * limits and a restriction, and every second request is a user's. Prints nanoseconds each; under
 * callgrind, `bench/instructions` counts the instructions of bench_decisions() alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench_request.h"
#include "bench_state.h"
#include "policy/decision_record.h"

enum { KNOWN = 10000, REQUEST_BYTES = 1024, START_S = 1800000000 };

static struct state state;
static struct settings *settings;
static struct rules *rules; /* NULL: none */

static void decide_on(struct str input, uint64_t number, int64_t now_ns) {
    static struct decision decision;
    static unsigned char record[DECISION_RECORD_MAX];
    static const struct policy_request_limits limits = {32768, 256, 8192};
    static const struct list_view lists;
    const struct decision_source source = {.state = &state, .lists = &lists, .rules = rules};
    size_t scanned = 0;
    const struct policy_request_frame frame = policy_request_frame(input, &scanned, &limits);
    CHECK(frame.result == POLICY_REQUEST_OK);
    struct policy_request request;
    struct str at;
    CHECK(policy_request_parse(str_slice(input, 0, frame.length), &limits, &request, &at) ==
          POLICY_REQUEST_OK);
    static struct facts facts;
    memset(facts.status, 0, sizeof facts.status);
    decide(&settings->policy, &source, &request, &facts, now_ns, &decision);
    CHECK(decision.facts_wanted == 0);
    CHECK(decision_record_encode(&request, decision_identity(&settings->policy, &request), &facts,
                                 1, now_ns, 10, &decision, record) > 0);
    decision_apply(&state, &decision, number);
}

/* Not inlined: callgrind collects inside it. */
__attribute__((noinline)) void bench_decisions(const char *requests, const uint32_t *lengths,
                                               uint64_t count, int64_t now_ns);
void bench_decisions(const char *requests, const uint32_t *lengths, uint64_t count,
                     int64_t now_ns) {
    for (uint64_t i = 0; i < count; i++) {
        decide_on((struct str){requests + i * REQUEST_BYTES, lengths[i]}, i + 1, now_ns);
    }
}

int main(int argc, char **argv) {
    const uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    char *requests = malloc(count * REQUEST_BYTES);
    uint32_t *lengths = calloc(count, sizeof *lengths);
    const bool all = argc > 2 && strcmp(argv[2], "all") == 0;
    CHECK(requests != NULL && lengths != NULL);
    for (uint64_t i = 0; i < count; i++) {
        struct bench_request request;
        /* Odd numbers ask for known keys, even ones for new keys. */
        bench_request_make(i % 2 == 1 ? i / 2 % KNOWN : KNOWN + i, i, &request);
        if (all && i % 4 >= 2) {
            bench_request_log_in(i % KNOWN, &request);
        }
        lengths[i] =
            (uint32_t)bench_request_format(&request, requests + i * REQUEST_BYTES, REQUEST_BYTES);
    }
    const struct sip_key key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    settings = all ? bench_settings_all() : bench_settings();
    rules = all ? bench_rules() : NULL;
    bench_state_init(&state, key, settings, 200000, 200000);
    for (uint64_t i = 0; i < KNOWN; i++) {
        struct bench_request request;
        char bytes[REQUEST_BYTES];
        bench_request_make(i, i, &request);
        const struct str input = {bytes, bench_request_format(&request, bytes, sizeof bytes)};
        decide_on(input, i, (int64_t)(START_S - 2000) * NS_PER_S);
        decide_on(input, i, (int64_t)(START_S - 1000) * NS_PER_S);
    }
    const int64_t began = clock_boot_ns();
    bench_decisions(requests, lengths, count, (int64_t)START_S * NS_PER_S);
    printf("%.0f ns a decision (%llu decisions)\n",
           (double)(clock_boot_ns() - began) / (double)count, (unsigned long long)count);
    settings_free(settings);
    rules_free(rules);
    free(requests);
    free(lengths);
    return 0;
}
