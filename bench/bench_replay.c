/* SPDX-License-Identifier: Apache-2.0 */

/* How many recorded decisions a second a proposed change is tried on (`seczim replay`).
 *
 *   bench_replay FOLDER [DECISIONS (1000000)] [KEY=VALUE (greylisting.defer_time=60s)]
 *
 * Fills FOLDER (made when missing) with a history of that many decisions over seven days, unless it
 * holds one: 300,000 different mails at random, so that strangers, early retries, retries and known
 * senders all occur. Then reads and judges it three times, in the way of the daemon but at ordinary
 * priority, and prints what changed and how long it took. The last time only reads. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "bench_request.h"
#include "bench_state.h"
#include "daemon/replay_run.h"
#include "policy/decision_record.h"

enum { MAILS = 300000, DAYS = 7, ROWS_PER_TRANSACTION = 20000, ROUNDS = 3, GENERATION = 1 };

static const struct sip_key key = {{1, 2, 3, 4}};
static const struct list_view lists = {0};

static void stop_on(int result, const char *what) {
    if (result < 0) {
        (void)fprintf(stderr, "bench_replay: %s: %s\n", what, strerror(-result));
        exit(1);
    }
}

static uint64_t next_number(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static size_t encode(const struct policy_settings *settings, struct state *state, uint64_t number,
                     int64_t now_ns, struct decision_record *record, unsigned char *body) {
    static struct bench_request mail;
    static uint64_t seed = 42;
    const struct decision_source source = {.state = state, .lists = &lists};
    bench_request_make(next_number(&seed) % MAILS, number, &mail);
    *record = (struct decision_record){.request = mail.request, .generation = GENERATION};
    record->wall_ns = now_ns;
    record->duration_us = 30;
    decide(settings, &source, &record->request, &record->facts, now_ns, &record->decision);
    decision_apply(state, &record->decision, number);
    return decision_record_encode(&record->request, record->identity, &record->facts, GENERATION,
                                  now_ns, record->duration_us, &record->decision, body);
}

static void fill(const char *folder, uint64_t decisions, int64_t to_ns) {
    static unsigned char body[DECISION_RECORD_MAX];
    static struct decision_record record;
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    const struct history_options options = {.folder = folder, .rows_per_file_max = 500000};
    struct history_writer *writer = NULL;
    struct settings *settings = bench_settings();
    struct state state;
    bench_state_init(&state, key, settings, 1000000, 500000);
    stop_on(history_writer_open(&options, &writer, &problem), text_zero(&problem));
    const int64_t step_ns = DAYS * INT64_C(86400) * NS_PER_S / (int64_t)decisions;
    for (uint64_t i = 1; i <= decisions; i++) {
        const int64_t now_ns = to_ns - (int64_t)(decisions - i) * step_ns;
        const size_t length = encode(&settings->policy, &state, i, now_ns, &record, body);
        const struct history_record row = {
            .sequence = i,
            .time_ns = now_ns,
            .version = DECISION_RECORD_VERSION,
            .body = {(const char *)body, length},
            .decision = &record,
        };
        stop_on(history_writer_add(writer, &row), "add");
        if (i % ROWS_PER_TRANSACTION == 0 || i == decisions) {
            stop_on(history_writer_commit(writer, i), "commit");
        }
    }
    history_writer_settle(writer);
    history_writer_close(writer);
    settings_free(settings);
}

static struct settings *proposed_settings(const char *change) {
    struct settings_builder *builder = settings_builder_new();
    struct setting_problem problem = {0};
    const struct str text = str_from(change);
    const size_t equals = str_find(text, '=');
    struct settings *settings = NULL;
    if (equals != SIZE_MAX && settings_builder_set(builder, str_slice(text, 0, equals),
                                                   str_slice(text, equals + 1, text.length),
                                                   SETTING_FROM_DATABASE, 0, &problem)) {
        settings = settings_builder_finish(builder, GENERATION + 1, &problem);
    }
    settings_builder_free(builder);
    if (settings == NULL) {
        (void)fprintf(stderr, "bench_replay: %s: %s\n", change, problem.text);
        exit(2);
    }
    return settings;
}

static double cpu_s(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void replay(const char *folder, const struct settings *today,
                   const struct settings *proposed) {
    const atomic_bool stop = false;
    struct replay_run_options options = {
        .history_folder = folder,
        .decisions_max = REPLAY_DECISIONS_MAX,
        .judge = {.key = key,
                  .generation = GENERATION,
                  .today = {&today->policy, &lists, NULL},
                  .proposed = {&proposed->policy, &lists, NULL},
                  .samples_max = 5},
        .stop = &stop,
    };
    for (unsigned table = 0; table < STATE_TABLES; table++) {
        options.judge.capacities[table] = table == STATE_GREYLIST ? 200000 : 10000;
    }
    struct replay_progress progress;
    struct replay_report *report = NULL;
    const double start_cpu_s = cpu_s();
    const int64_t start_ns = clock_boot_ns();
    stop_on(replay_run(&options, &progress, &report), "replay");
    const double seconds = (double)(clock_boot_ns() - start_ns) / NS_PER_S;
    (void)printf("%" PRIu64 " decisions, %" PRIu64 " changed, %" PRIu64
                 " not comparable: %.2f s, %.0f decisions a second, %.2f us of processor each\n",
                 progress.totals.decisions, progress.totals.changed, progress.totals.not_comparable,
                 seconds, (double)progress.totals.decisions / seconds,
                 (cpu_s() - start_cpu_s) * 1e6 / (double)progress.totals.decisions);
    replay_report_free(report);
}

static bool count_row(void *context, const struct history_scan_row *row) {
    *(uint64_t *)context += row->record.length;
    return true;
}

static void read_alone(const char *folder) {
    struct history_reader *reader = NULL;
    uint64_t bytes = 0;
    const struct history_scan all = {.limit = SIZE_MAX};
    stop_on(history_reader_open(folder, &reader), "open");
    const int64_t start_ns = clock_boot_ns();
    stop_on(history_reader_scan(reader, &all, count_row, &bytes), "scan");
    (void)printf("reading alone: %.2f s, %" PRIu64 " bytes of records\n",
                 (double)(clock_boot_ns() - start_ns) / NS_PER_S, bytes);
    history_reader_close(reader);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        (void)fprintf(stderr, "usage: bench_replay FOLDER [DECISIONS] [KEY=VALUE]\n");
        return 2;
    }
    const uint64_t decisions = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    if (mkdir(argv[1], 0700) == 0) {
        fill(argv[1], decisions, clock_wall_ns());
    }
    struct settings *today = bench_settings();
    struct settings *proposed =
        proposed_settings(argc > 3 ? argv[3] : "greylisting.defer_time=60s");
    for (int round = 0; round < ROUNDS; round++) {
        replay(argv[1], today, proposed);
    }
    read_alone(argv[1]);
    settings_free(today);
    settings_free(proposed);
    return 0;
}
