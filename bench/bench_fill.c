/* SPDX-License-Identifier: Apache-2.0 */
/* bench_fill DATA-FOLDER TRIPLETS GREYLIST-CAPACITY CLIENT-CAPACITY
 * Writes a snapshot in which the triplets have all passed greylisting, into the data folder of a
 * stopped daemon (which has made its installation file). */
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

static void pass(struct state *state, const struct settings *settings, uint64_t triplet,
                 int64_t now_ns) {
    static struct decision decision;
    const struct list_view lists = {0};
    const struct decision_source source = {.state = state, .lists = &lists};
    struct bench_request request;
    bench_request_make(triplet, triplet, &request);
    for (int attempt = 0; attempt < 2; attempt++) {
        struct facts facts = {0};
        const int64_t age_s = attempt == 0 ? 2000 : 1000;
        decide(&settings->policy, &source, &request.request, &facts, now_ns - age_s * NS_PER_S,
               &decision);
        decision_apply(state, &decision, 1);
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        (void)fprintf(stderr, "usage: bench_fill DATA-FOLDER TRIPLETS CAPACITY CLIENT-CAPACITY\n");
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
    bench_state_init(&state, installation.key, strtoull(argv[3], NULL, 10),
                     strtoull(argv[4], NULL, 10));
    struct settings *settings = bench_settings();
    const int64_t now_ns = clock_wall_ns();
    const uint64_t triplets = strtoull(argv[2], NULL, 10);
    for (uint64_t triplet = 0; triplet < triplets; triplet++) {
        pass(&state, settings, triplet, now_ns);
    }
    const int error = snapshot_save_sharp(argv[1], &state, 1);
    printf("%llu greylist entries, %llu clients, %d\n",
           (unsigned long long)state.tables[STATE_GREYLIST].used,
           (unsigned long long)state.tables[STATE_GREYLIST_CLIENT].used, error);
    settings_free(settings);
    return error != 0;
}
