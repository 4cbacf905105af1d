/* SPDX-License-Identifier: Apache-2.0 */
/* bench_fill DATA-FOLDER ENTRIES GREYLIST-CAPACITY CLIENT-CAPACITY
 * Writes a snapshot with at least ENTRIES in each table into the data folder of a stopped daemon
 * (which has made its installation file): triplets 0 to ENTRIES - 1 of the load generator have
 * passed greylisting. They share client networks, so that further triplets follow, from networks of
 * their own, until the table of clients is as full. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "bench_request.h"
#include "bench_state.h"
#include "journal/snapshot.h"
#include "settings/settings.h"
#include "store/installation.h"

enum { NETWORKS = 223 * 256 * 256 };

static void pass(struct state *state, const struct settings *settings,
                 const struct policy_request *request, int64_t now_ns) {
    static struct decision decision;
    const struct list_view lists = {0};
    const struct decision_source source = {.state = state, .lists = &lists};
    for (int attempt = 0; attempt < 2; attempt++) {
        struct facts facts = {0};
        const int64_t age_s = attempt == 0 ? 2000 : 1000;
        decide(&settings->policy, &source, request, &facts, now_ns - age_s * NS_PER_S, &decision);
        decision_apply(state, &decision, 1);
    }
}

/* Returns how many further triplets it took. */
static uint64_t fill_clients(struct state *state, const struct settings *settings, uint64_t entries,
                             uint64_t triplet, int64_t now_ns) {
    const struct state_table *clients = &state->tables[STATE_GREYLIST_CLIENT];
    uint64_t network = 0;
    for (; clients->used < entries && network < NETWORKS; network++) {
        struct bench_request request;
        bench_request_make(triplet + network, triplet + network, &request);
        bench_request_from_network(&request, (uint32_t)network);
        pass(state, settings, &request.request, now_ns);
    }
    return network;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        (void)fprintf(stderr, "usage: bench_fill DATA-FOLDER ENTRIES CAPACITY CLIENT-CAPACITY\n");
        return 2;
    }
    random_init();
    char said[256];
    struct text problem = TEXT_OVER(said);
    struct installation installation;
    if (installation_open(argv[1], &installation, &problem) != 0) {
        (void)fprintf(stderr, "bench_fill: %s\n", text_zero(&problem));
        return 1;
    }
    struct state state;
    struct settings *settings = bench_settings();
    bench_state_init(&state, installation.key, settings, strtoull(argv[3], NULL, 10),
                     strtoull(argv[4], NULL, 10));
    const int64_t now_ns = clock_wall_ns();
    const uint64_t entries = strtoull(argv[2], NULL, 10);
    for (uint64_t triplet = 0; triplet < entries; triplet++) {
        struct bench_request request;
        bench_request_make(triplet, triplet, &request);
        pass(&state, settings, &request.request, now_ns);
    }
    const uint64_t further = fill_clients(&state, settings, entries, entries, now_ns);
    const int error = snapshot_save_sharp(argv[1], &state, 1);
    const uint64_t greylist = state.tables[STATE_GREYLIST].used;
    const uint64_t clients = state.tables[STATE_GREYLIST_CLIENT].used;
    printf("%llu greylist entries, %llu clients (%llu triplets more for them), %d\n",
           (unsigned long long)greylist, (unsigned long long)clients, (unsigned long long)further,
           error);
    settings_free(settings);
    return error != 0 || greylist < entries || clients < entries;
}
