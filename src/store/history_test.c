/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "store/history_file.h"
#include "store/history_test_rows.h"

static bool check_row(void *context, const struct history_row *row) {
    struct sample *sample = context;
    assert_int_equal(row->sequence, sample->record.sequence);
    assert_int_equal(row->time_ns, sample->decision.wall_ns);
    assert_int_equal(row->decision_ns, sample->record.time_ns);
    assert_int_equal(row->direction, DIRECTION_OUTBOUND);
    assert_int_equal(row->verdict, VERDICT_REJECT);
    assert_int_equal(row->policy, POLICY_ACL_BLOCK);
    assert_int_equal(row->reason, REASON_ACL_BLOCKED);
    assert_true(str_equal(row->client_address, STR("2001:db8::17")));
    assert_true(str_equal(row->client_name, STR("mail.example.org")));
    assert_true(str_equal(row->helo, STR("helo.example.org")));
    assert_true(str_equal(row->sender, STR("")));
    assert_true(str_equal(row->recipient, STR("bob@example.net")));
    assert_true(str_equal(row->identity, STR("alice")));
    assert_true(str_equal(row->instance, STR("1a2b.3c4d.0")));
    assert_true(str_equal(row->queue_id, STR("8045F2AB23")));
    assert_true(str_equal(row->rule, STR("block:17 *@spam.example")));
    assert_true(str_equal(row->reply, STR("REJECT 5.7.1 Access denied")));
    assert_true(str_equal(row->shadow, STR("greylisting:defer:greylist.first-contact")));
    assert_true(str_equal(row->record, STR("body of the record")));
    assert_int_equal(row->record_version, 1);
    assert_int_equal(row->size, 1234);
    assert_int_equal(row->generation, 7);
    assert_int_equal(row->duration_us, 38);
    assert_int_equal(row->count, 1);
    sample->record.sequence = 0; /* seen */
    return true;
}

TEST(a_row_comes_back_as_it_went_in_from_the_open_and_the_closed_file) {
    const char *folder = test_folder();
    struct sample sample;
    struct history_reader *reader = NULL;
    const uint64_t sequence = (UINT64_C(3) << 40) + 17;
    sample_init(&sample, sequence, MARCH_1_NS + 5);
    sample_client(&sample, "2001:db8::17");
    sample_refuse(&sample, "block:17 *@spam.example", "REJECT 5.7.1 Access denied");
    sample.decision.request.sender = STR("");
    sample.decision.request.queue_id = STR("8045F2AB23");
    sample.decision.identity = STR("alice");
    sample.decision.wall_ns = MARCH_1_NS + 99;
    sample.decision.decision.direction = DIRECTION_OUTBOUND;
    sample.decision.decision.step_count = 3;
    sample.decision.decision.steps[0] =
        (struct decision_step){POLICY_GREYLISTING, POLICY_MODE_SHADOW, VERDICT_DEFER,
                               REASON_GREYLIST_FIRST_CONTACT, false};
    sample.decision.decision.steps[1] = (struct decision_step){POLICY_ACL_ALLOW, POLICY_MODE_SHADOW,
                                                               VERDICT_NONE, REASON_NONE, false};
    sample.decision.decision.steps[2] = (struct decision_step){
        POLICY_ACL_BLOCK, POLICY_MODE_ENFORCE, VERDICT_REJECT, REASON_ACL_BLOCKED, false};
    struct history_writer *writer = open_writer(folder, 1);
    add_sample(writer, &sample);
    assert_int_equal(history_writer_commit(writer, sequence), 0);
    assert_int_equal(history_reader_open(folder, &reader), 0);
    assert_int_equal(history_reader_get(reader, sequence, check_row, &sample), 0);
    assert_int_equal(sample.record.sequence, 0);
    sample.record.sequence = sequence;
    add_plain(writer, sequence + 1, MARCH_1_NS + 6);
    assert_int_equal(history_writer_commit(writer, sequence + 1), 0);
    history_writer_settle(writer);
    assert_int_equal(history_reader_get(reader, sequence, check_row, &sample), 0);
    assert_int_equal(sample.record.sequence, 0);
    assert_int_equal(history_reader_get(reader, sequence + 2, check_row, &sample), -ENOENT);
    assert_int_equal(history_reader_get(reader, 0, check_row, &sample), -ENOENT);
    history_reader_close(reader);
    history_writer_close(writer);
}

TEST(rows_are_seen_only_once_committed_and_the_position_with_them) {
    const char *folder = test_folder();
    struct history_query query = everything();
    struct history_writer *writer = open_writer(folder, 100);
    assert_int_equal(history_writer_position(writer), 0);
    add_plain(writer, 10, MARCH_1_NS);
    add_plain(writer, 12, MARCH_1_NS);
    assert_int_equal(history_writer_position(writer), 9);
    assert_int_equal(find(folder, &query).count, 0);
    assert_int_equal(history_writer_commit(writer, 15), 0);
    assert_int_equal(history_writer_position(writer), 15);
    add_plain(writer, 16, MARCH_1_NS);
    history_writer_close(writer);
    assert_int_equal(find(folder, &query).count, 2);
    writer = open_writer(folder, 100);
    assert_int_equal(history_writer_position(writer), 15);
    history_writer_close(writer);
}

TEST(only_a_completed_checkpoint_makes_the_position_durable) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 100);
    add_plain(writer, 1, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 1), 0);
    const uint64_t before = history_writer_durable(writer);
    assert_int_equal(before, 0);
    assert_int_equal(history_writer_checkpoint(writer, true), 0);
    assert_int_equal(history_writer_durable(writer), 1);
    add_plain(writer, 2, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 5), 0);
    assert_int_equal(history_writer_durable(writer), 1);
    history_writer_close(writer);
}

TEST(a_new_file_begins_with_the_first_event_of_a_day_or_when_the_rows_are_full) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_writer *writer = open_writer(folder, 3);
    add_plain(writer, 1, MARCH_1_NS + DAY_NS - 1);
    add_plain(writer, 2, MARCH_1_NS + DAY_NS);
    add_plain(writer, 3, MARCH_1_NS + DAY_NS);
    add_plain(writer, 4, MARCH_1_NS + DAY_NS + 1);
    add_plain(writer, 5, MARCH_1_NS + DAY_NS + 2);
    assert_int_equal(history_writer_commit(writer, 5), 0);
    assert_int_equal(files_in(folder, files, 8), 3);
    assert_string_equal(files[0].name, "0000000000000001-2026-03-01.db");
    assert_string_equal(files[1].name, "0000000000000002-2026-03-02.db");
    assert_string_equal(files[2].name, "0000000000000005-2026-03-02.db");
    history_writer_settle(writer);
    assert_false(exists(folder, files[0].name, "-wal"));
    assert_false(exists(folder, files[1].name, "-wal"));
    assert_true(exists(folder, files[2].name, "-wal"));
    struct stat status;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s-wal", folder, files[2].name);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    const struct history_query query = everything();
    const struct found found = find(folder, &query);
    assert_int_equal(found.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(found.sequences[i], 5 - i);
    }
    history_writer_close(writer);
}

struct sums {
    uint64_t whole;
    uint64_t rejected;
    uint64_t shadow;
    int64_t first_minute_s;
};

static void sum(void *context, const struct history_minute *minute) {
    struct sums *sums = context;
    if (sums->whole + sums->shadow == 0) {
        sums->first_minute_s = minute->minute_s;
    }
    if (minute->shadow) {
        assert_int_equal(minute->policy, POLICY_GREYLISTING);
        sums->shadow += minute->count;
        return;
    }
    sums->whole += minute->count;
    sums->rejected += minute->verdict == VERDICT_REJECT ? minute->count : 0;
}

static struct sums sum_minutes(const char *folder, int64_t since_s, int64_t until_s) {
    struct history_reader *reader = NULL;
    struct sums sums = {0};
    assert_int_equal(history_reader_open(folder, &reader), 0);
    assert_int_equal(history_reader_minutes(reader, since_s, until_s, sum, &sums), 0);
    history_reader_close(reader);
    return sums;
}

TEST(statistics_count_every_decision_once_per_minute_across_files) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 4);
    struct sample sample;
    for (uint64_t i = 0; i < 10; i++) {
        sample_init(&sample, i + 1, MARCH_1_NS + (int64_t)i * 20 * NS_PER_S);
        if (i % 2 == 1) {
            sample_refuse(&sample, "block:1 x", "REJECT no");
        }
        sample.decision.decision.step_count = 1;
        sample.decision.decision.steps[0] =
            (struct decision_step){POLICY_GREYLISTING, POLICY_MODE_SHADOW, VERDICT_DEFER,
                                   REASON_GREYLIST_FIRST_CONTACT, false};
        add_sample(writer, &sample);
        assert_int_equal(history_writer_commit(writer, i + 1), 0);
    }
    sample_init(&sample, 11, MARCH_1_NS + INT64_C(200) * NS_PER_S);
    assert_int_equal(history_writer_count(writer, &sample.record), 0);
    assert_int_equal(history_writer_commit(writer, 11), 0);
    const int64_t start_s = MARCH_1_NS / NS_PER_S;
    struct sums sums = sum_minutes(folder, start_s, start_s + 3600);
    assert_int_equal(sums.whole, 11);
    assert_int_equal(sums.rejected, 5);
    assert_int_equal(sums.shadow, 10);
    assert_int_equal(sums.first_minute_s, start_s);
    sums = sum_minutes(folder, start_s + 60, start_s + 120);
    assert_int_equal(sums.whole, 3);
    assert_int_equal(sums.first_minute_s, start_s + 60);
    const struct history_query query = everything();
    assert_int_equal(find(folder, &query).count, 10);
    history_writer_close(writer);
}

TEST(folded_refusals_are_one_row_with_their_number) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 100);
    struct sample sample;
    size_t folded_count = 0;
    for (uint64_t i = 0; i < 30; i++) {
        bool folded = false;
        /* Ten from one client, ten from another, ten accepted; the last two of each a minute on. */
        sample_init(&sample, i + 1, MARCH_1_NS + (i % 10 >= 8 ? INT64_C(60) * NS_PER_S : 0));
        if (i < 20) {
            sample_refuse(&sample, "block:1 x", "REJECT no");
        }
        sample_client(&sample, i < 10 ? "192.0.2.1" : "192.0.2.2");
        assert_int_equal(history_writer_fold(writer, &sample.record, &folded), 0);
        folded_count += folded ? 1 : 0;
        if (i % 4 == 3) {
            assert_int_equal(history_writer_commit(writer, i + 1), 0);
        }
    }
    assert_int_equal(history_writer_commit(writer, 30), 0);
    assert_int_equal(folded_count, 16);
    const struct history_query query = everything();
    const struct found found = find(folder, &query);
    assert_int_equal(found.count, 14);
    assert_int_equal(found.decisions, 30);
    const struct sums sums = sum_minutes(folder, 0, INT64_MAX);
    assert_int_equal(sums.whole, 30);
    history_writer_close(writer);
}

TEST(retention_removes_whole_days_and_never_the_newest_file) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_writer *writer = open_writer(folder, 100);
    for (uint64_t day = 0; day < 5; day++) {
        add_plain(writer, day + 1, MARCH_1_NS + (int64_t)day * DAY_NS);
    }
    assert_int_equal(history_writer_commit(writer, 5), 0);
    history_writer_settle(writer);
    const int64_t keep_s = 2 * 86400;
    /* Day 1 ended two days ago just now; one nanosecond earlier it had not. */
    assert_int_equal(history_writer_expire(writer, MARCH_1_NS + 3 * DAY_NS - 1, keep_s), 0);
    assert_int_equal(history_writer_expire(writer, MARCH_1_NS + 3 * DAY_NS, keep_s), 1);
    assert_int_equal(files_in(folder, files, 8), 4);
    assert_int_equal(files[0].first_sequence, 2);
    assert_int_equal(history_writer_expire(writer, MARCH_1_NS + 400 * DAY_NS, keep_s), 3);
    assert_int_equal(files_in(folder, files, 8), 1);
    const struct history_query query = everything();
    const struct found found = find(folder, &query);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.sequences[0], 5);
    history_writer_close(writer);
}
