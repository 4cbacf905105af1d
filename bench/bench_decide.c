/* SPDX-License-Identifier: Apache-2.0 */
/* bench_decide [REQUESTS [default|all|read [KNOWN]]]: the work of a decision without sockets:
 * frame, parse, decide, encode the record, apply. Half of the keys are among KNOWN (10,000). With
 * `all` every policy is on, there are limits, a restriction and a block list, and every second
 * request is a user's. With `read` each record is decoded again as well, as recorder and replay do
 * it. Prints nanoseconds of processor time each; what memory costs shows with a million KNOWN.
 * Under callgrind, `bench/instructions` counts the instructions of bench_decisions() alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "bench_request.h"
#include "bench_state.h"
#include "policy/decision_ahead.h"
#include "policy/decision_record.h"

enum { REQUEST_BYTES = 1024, START_S = 1800000000, TURN = 128, CLOSER = 16 };

static struct state state;
static struct settings *settings;
static struct rules *rules; /* NULL: none */
static struct list_view lists;
static struct decision_memo memo;
static bool reads;

/* As an answering thread does it: the requests of a turn are read and looked ahead for, then
 * decided one after the other. */
struct turn {
    struct policy_request requests[TURN];
    struct facts facts[TURN];
    struct decision_ahead ahead[TURN];
};

static void parse(struct turn *turn, size_t at, struct str input) {
    static const struct policy_request_limits limits = {32768, 256, 8192};
    struct policy_request *request = &turn->requests[at];
    size_t scanned = 0;
    const struct policy_request_frame frame = policy_request_frame(input, &scanned, &limits);
    CHECK(frame.result == POLICY_REQUEST_OK);
    struct str line;
    CHECK(policy_request_parse(str_slice(input, 0, frame.length), &limits, request, &line) ==
          POLICY_REQUEST_OK);
    memset(turn->facts[at].status, 0, sizeof turn->facts[at].status);
    const struct decision_source source = {
        .state = &state, .lists = &lists, .rules = rules, .memo = &memo};
    decision_look_ahead(&settings->policy, &source, request, &turn->facts[at], &turn->ahead[at]);
}

static void decide_one(struct turn *turn, size_t at, uint64_t number, int64_t now_ns) {
    static struct decision decision;
    static unsigned char record[DECISION_RECORD_MAX];
    const struct policy_request *request = &turn->requests[at];
    const struct decision_source source = {
        .state = &state, .lists = &lists, .rules = rules, .ahead = &turn->ahead[at], .memo = &memo};
    decide(&settings->policy, &source, request, &turn->facts[at], now_ns, &decision);
    CHECK(decision.facts_wanted == 0);
    decision_apply_soon(&state, &decision);
    const size_t length =
        decision_record_encode(request, decision_identity(&settings->policy, request),
                               &turn->facts[at], 1, now_ns, 10, &decision, record);
    CHECK(length > 0);
    if (reads) {
        static struct decision_record read;
        CHECK(decision_record_decode(record, length, DECISION_RECORD_VERSION, &read));
    }
    decision_apply(&state, &decision, number);
}

static void look_closer(const struct turn *turn, size_t at, size_t count) {
    if (at < count) {
        decision_look_closer(&state, &turn->ahead[at]);
    }
}

/* `inputs` are REQUEST_BYTES apart. */
static void decide_turn(const char *inputs, const uint32_t *lengths, size_t count, uint64_t number,
                        int64_t now_ns) {
    static struct turn turn;
    for (size_t i = 0; i < count; i++) {
        parse(&turn, i, (struct str){inputs + i * REQUEST_BYTES, lengths[i]});
    }
    for (size_t i = 0; i < CLOSER; i++) {
        look_closer(&turn, i, count);
    }
    for (size_t i = 0; i < count; i++) {
        look_closer(&turn, i + CLOSER, count);
        decide_one(&turn, i, number + i, now_ns);
    }
}

/* Not inlined: callgrind collects inside it. */
__attribute__((noinline)) void bench_decisions(const char *requests, const uint32_t *lengths,
                                               uint64_t count, int64_t now_ns);
void bench_decisions(const char *requests, const uint32_t *lengths, uint64_t count,
                     int64_t now_ns) {
    for (uint64_t i = 0; i < count; i += TURN) {
        decide_turn(requests + i * REQUEST_BYTES, lengths + i, count - i < TURN ? count - i : TURN,
                    i + 1, now_ns);
    }
}

static int64_t processor_ns(void) {
    struct timespec spent;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent) == 0);
    return (int64_t)spent.tv_sec * NS_PER_S + spent.tv_nsec;
}

int main(int argc, char **argv) {
    const uint64_t known = argc > 3 ? strtoull(argv[3], NULL, 10) : 10000;
    const uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    char *requests = malloc(count * REQUEST_BYTES);
    uint32_t *lengths = calloc(count, sizeof *lengths);
    const bool all = argc > 2 && strcmp(argv[2], "all") == 0;
    reads = argc > 2 && strcmp(argv[2], "read") == 0;
    CHECK(requests != NULL && lengths != NULL);
    for (uint64_t i = 0; i < count; i++) {
        struct bench_request request;
        /* Odd numbers ask for known keys, even ones for new keys. */
        bench_request_make(i % 2 == 1 ? i / 2 % known : known + i, i, &request);
        if (all && i % 4 >= 2) {
            bench_request_log_in(i % known, &request);
        }
        lengths[i] =
            (uint32_t)bench_request_format(&request, requests + i * REQUEST_BYTES, REQUEST_BYTES);
    }
    const struct sip_key key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    settings = all ? bench_settings_all() : bench_settings();
    rules = all ? bench_rules() : NULL;
    lists.base = all ? bench_list() : NULL;
    bench_state_init(&state, key, settings, known < 50000 ? 200000 : 4 * known,
                     known < 50000 ? 200000 : 2 * known);
    for (uint64_t i = 0; i < known; i++) {
        struct bench_request request;
        char bytes[REQUEST_BYTES];
        bench_request_make(i, i, &request);
        const uint32_t length = (uint32_t)bench_request_format(&request, bytes, sizeof bytes);
        decide_turn(bytes, &length, 1, i, (int64_t)(START_S - 2000) * NS_PER_S);
        decide_turn(bytes, &length, 1, i, (int64_t)(START_S - 1000) * NS_PER_S);
    }
    const int64_t began = processor_ns();
    bench_decisions(requests, lengths, count, (int64_t)START_S * NS_PER_S);
    printf("%.0f ns a decision (%llu decisions)\n",
           (double)(processor_ns() - began) / (double)count, (unsigned long long)count);
    settings_free(settings);
    rules_free(rules);
    list_index_free((struct list_index *)(uintptr_t)lists.base);
    free(requests);
    free(lengths);
    return 0;
}
