/* SPDX-License-Identifier: Apache-2.0 */

/* How many decisions a second the history takes, and how long searches last afterwards.
 *
 *   bench_recorder FOLDER [MILLIONS (10)] [ROWS_PER_FILE (500000)]
 *   bench_recorder --journal FOLDER [MILLIONS (1)]
 *
 * The second form measures the whole recorder: decisions are put into a journal first, then the
 * recorder thread reads, decodes, logs (level INFO, to FOLDER/log) and records them. Its history
 * stands in FOLDER/history: give a folder that the first form has filled as FOLDER/history to
 * measure with rows present.
 *
 * Fills FOLDER (made when missing; use a disk, not tmpfs) through history_writer alone, as the
 * recorder does: 20,000 rows a transaction. Prints a line per million and then the searches. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/journal.h"
#include "store/recorder.h"

enum { ROWS_PER_TRANSACTION = 20000, BODY_BYTES = 480, PER_SECOND = 100, MILLION = 1000000 };

struct mail {
    char client[32];
    char client_name[64];
    char helo[64];
    char sender[64];
    char recipient[64];
    char instance[32];
    unsigned char body[BODY_BYTES];
    struct decision_record decision;
};

static uint64_t next_number(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void set_text(struct str *ret_text, char *bytes, int length) {
    *ret_text = (struct str){bytes, (size_t)length};
}

static void make_mail(struct mail *mail, uint64_t *seed, int64_t wall_ns) {
    struct policy_request *request = &mail->decision.request;
    struct decision *decision = &mail->decision.decision;
    const unsigned client = (unsigned)(next_number(seed) % 50000);
    const unsigned sender = (unsigned)(next_number(seed) % 200000);
    const unsigned recipient = (unsigned)(next_number(seed) % 20000);
    set_text(&request->client_address_text, mail->client,
             snprintf(mail->client, sizeof mail->client, "10.%u.%u.%u", client >> 16,
                      client >> 8 & 255, client & 255));
    (void)ip_address_parse(request->client_address_text, &request->client_address);
    set_text(&request->client_name, mail->client_name,
             snprintf(mail->client_name, sizeof mail->client_name, "mail%u.host%u.example", client,
                      client % 997));
    set_text(
        &request->helo_name, mail->helo,
        snprintf(mail->helo, sizeof mail->helo, "mail%u.host%u.example", client, client % 997));
    set_text(&request->sender, mail->sender,
             snprintf(mail->sender, sizeof mail->sender, "user%u@domain%u.example", sender,
                      sender % 5003));
    set_text(
        &request->recipient, mail->recipient,
        snprintf(mail->recipient, sizeof mail->recipient, "person%u@company.example", recipient));
    set_text(&request->instance, mail->instance,
             snprintf(mail->instance, sizeof mail->instance, "%x.%x.%x.0",
                      (unsigned)next_number(seed), client, sender));
    request->size = 1000 + sender;
    mail->decision.wall_ns = wall_ns;
    mail->decision.generation = 7;
    mail->decision.duration_us = 30;
    const char *reply = "DUNNO";
    decision->verdict = VERDICT_NONE;
    decision->policy = POLICY_NONE;
    decision->reason = REASON_NONE;
    if (next_number(seed) % 3 == 0) {
        decision->verdict = VERDICT_DEFER;
        decision->policy = POLICY_GREYLISTING;
        decision->reason = REASON_GREYLIST_FIRST_CONTACT;
        reply = "DEFER_IF_PERMIT 4.7.1 Greylisted, please try again in 300 seconds";
    }
    decision->reply_length = (uint16_t)strlen(reply);
    memcpy(decision->reply, reply, strlen(reply));
}

static void stop_on(int result, const char *what) {
    if (result < 0) {
        (void)fprintf(stderr, "bench_recorder: %s: %s\n", what, strerror(-result));
        exit(1);
    }
}

static double cpu_s(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_THREAD, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void fill(struct history_writer *writer, uint64_t millions) {
    static struct mail mail;
    uint64_t seed = 42;
    uint64_t sequence = history_writer_position(writer);
    const int64_t first_ns = clock_wall_ns();
    for (uint64_t million = 0; million < millions; million++) {
        const int64_t start_ns = clock_boot_ns();
        const double start_cpu_s = cpu_s();
        int64_t longest_ns = 0;
        for (unsigned i = 0; i < MILLION; i++) {
            sequence++;
            const int64_t time_ns =
                first_ns + (int64_t)(million * MILLION + i) * (NS_PER_S / PER_SECOND);
            make_mail(&mail, &seed, time_ns);
            const struct history_record record = {
                .sequence = sequence,
                .time_ns = first_ns, /* one day: files change by rows */
                .version = 1,
                .body = {(const char *)mail.body, sizeof mail.body},
                .decision = &mail.decision,
            };
            const int64_t before_ns = clock_boot_ns();
            stop_on(history_writer_add(writer, &record), "add");
            if ((i + 1) % ROWS_PER_TRANSACTION == 0) {
                stop_on(history_writer_commit(writer, sequence), "commit");
            }
            const int64_t took_ns = clock_boot_ns() - before_ns;
            longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
        }
        const double seconds = (double)(clock_boot_ns() - start_ns) / NS_PER_S;
        (void)printf("million %3" PRIu64 ": %8.0f rows/s, %5.2f us of processor a row, "
                     "longest stall %5.0f ms\n",
                     million + 1, MILLION / seconds, (cpu_s() - start_cpu_s) * 1e6 / MILLION,
                     (double)longest_ns / NS_PER_MS);
        (void)fflush(stdout);
    }
}

static bool count_row(void *context, const struct history_row *row) {
    (void)row;
    (*(size_t *)context)++;
    return true;
}

static void search(const char *folder, const char *label, const struct history_query *query) {
    struct history_reader *reader = NULL;
    size_t found = 0;
    stop_on(history_reader_open(folder, &reader), "open reader");
    const int64_t start_ns = clock_boot_ns();
    stop_on(history_reader_find(reader, query, count_row, &found), label);
    (void)printf("%-36s %4zu rows in %8.1f ms\n", label, found,
                 (double)(clock_boot_ns() - start_ns) / NS_PER_MS);
    history_reader_close(reader);
}

static void search_all(const char *folder) {
    const struct history_query any = {.verdict = -1, .direction = -1, .limit = 50};
    struct history_query query = any;
    search(folder, "the newest 50", &query);
    query.sender = STR("user4711@domain4711.example");
    search(folder, "one sender", &query);
    query.sender = STR("nobody@domain1.example");
    search(folder, "a sender that never wrote", &query);
    query = any;
    query.client = STR("10.0.17.0/24");
    search(folder, "a client network", &query);
    query = any;
    query.client = STR("172.16.0.0/12");
    search(folder, "a client network never seen", &query);
    query = any;
    query.text = STR("person77 domain17.example");
    search(folder, "full text, two words", &query);
    query = any;
    query.sender = STR("*@domain4999.example");
    query.limit = 500;
    search(folder, "a sender's domain (suffix), 500", &query);
    query = any;
    query.verdict = VERDICT_REJECT;
    search(folder, "a verdict that never came", &query);
}

/* --- the whole recorder -------------------------------------------------------------------------
 */

static uint64_t fill_journal(struct journal *journal, uint64_t count) {
    static struct mail mail;
    uint64_t seed = 42;
    uint64_t last = 0;
    const int64_t now_ns = clock_wall_ns();
    for (uint64_t i = 0; i < count; i++) {
        unsigned char *body = journal_reserve(journal);
        while (body == NULL) {
            journal_wake(journal);
            (void)usleep(1000);
            body = journal_reserve(journal);
        }
        make_mail(&mail, &seed, now_ns + (int64_t)i * (NS_PER_S / PER_SECOND));
        const struct decision_record *record = &mail.decision;
        const size_t length = decision_record_encode(
            &record->request, record->identity, &record->facts, record->generation, record->wall_ns,
            record->duration_us, &record->decision, body);
        last = journal_next_sequence(journal);
        journal_commit(journal, RECORD_DECISION, DECISION_RECORD_VERSION, now_ns, length);
    }
    stop_on(journal_sync(journal, INT64_C(600) * NS_PER_S), "journal_sync");
    return last;
}

static int measure_recorder(const char *folder, uint64_t millions) {
    char paths[3][512];
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    struct journal *journal = NULL;
    struct recorder *recorder = NULL;
    struct recorder_stats stats;
    const char *ring = "/dev/shm/seczim-bench-ring";
    (void)snprintf(paths[0], sizeof paths[0], "%s/journal", folder);
    (void)snprintf(paths[1], sizeof paths[1], "%s/history", folder);
    (void)snprintf(paths[2], sizeof paths[2], "%s/log", folder);
    const struct journal_options journal_options = {.folder = paths[0],
                                                    .ring_path = ring,
                                                    .ring_bytes = 64 << 20,
                                                    .segment_bytes = 16 << 20,
                                                    .sync_interval_ns = NS_PER_S};
    const struct recorder_options options = {
        .history = {.folder = paths[1], .rows_per_file_max = 500000, .keep_s = 90 * 86400},
        .history_enabled = true,
        .journal_folder = paths[0],
    };
    (void)mkdir(folder, 0700);
    stop_on(log_open(paths[2], LOG_INFO, LOG_TEXT), "log");
    if (journal_open(&journal_options, &journal, &problem) < 0 ||
        journal_start(journal, clock_wall_ns(), clock_wall_ns()) < 0) {
        (void)fprintf(stderr, "bench_recorder: journal: %s\n", text_zero(&problem));
        return 1;
    }
    const uint64_t last = fill_journal(journal, millions * MILLION);
    const int64_t start_ns = clock_boot_ns();
    if (recorder_new(&options, journal, &recorder, &problem) < 0) {
        (void)fprintf(stderr, "bench_recorder: %s\n", text_zero(&problem));
        return 1;
    }
    while (recorder_wait(recorder, last - 1, NS_PER_S) < last) {
    }
    const double seconds = (double)(clock_boot_ns() - start_ns) / NS_PER_S;
    recorder_stats(recorder, &stats);
    (void)printf("recorder: %" PRIu64 " rows in %.1f s: %.0f a second, %" PRIu64 " errors\n",
                 stats.rows, seconds, (double)stats.rows / seconds, stats.errors);
    recorder_free(recorder);
    journal_close(journal);
    (void)unlink(ring);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2 || (strcmp(argv[1], "--journal") == 0 && argc < 3)) {
        (void)fprintf(stderr, "usage: bench_recorder FOLDER [MILLIONS] [ROWS_PER_FILE]\n"
                              "       bench_recorder --journal FOLDER [MILLIONS]\n");
        return 2;
    }
    if (strcmp(argv[1], "--journal") == 0) {
        return measure_recorder(argv[2], argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
    }
    const uint64_t millions = argc > 2 ? strtoull(argv[2], NULL, 10) : 10;
    const struct history_options options = {
        .folder = argv[1],
        .rows_per_file_max = argc > 3 ? strtoull(argv[3], NULL, 10) : 500000,
    };
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    struct history_writer *writer = NULL;
    if (history_writer_open(&options, &writer, &problem) < 0) {
        (void)fprintf(stderr, "bench_recorder: %s\n", text_zero(&problem));
        return 1;
    }
    fill(writer, millions);
    const int64_t start_ns = clock_boot_ns();
    history_writer_settle(writer);
    (void)printf("indexes of what was left took %.1f s\n",
                 (double)(clock_boot_ns() - start_ns) / NS_PER_S);
    search_all(options.folder);
    history_writer_close(writer);
    return 0;
}
