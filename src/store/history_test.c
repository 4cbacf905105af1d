/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/history_file.h"
#include "store/history_test_rows.h"
#include "store/history_words.h"

static void add(struct history_writer *writer, const struct sample *sample) {
    assert_int_equal(history_writer_add(writer, &sample->record), 0);
}

static void add_plain(struct history_writer *writer, uint64_t sequence, int64_t time_ns) {
    struct sample sample;
    sample_init(&sample, sequence, time_ns);
    add(writer, &sample);
}

static size_t files_in(const char *folder, struct history_file *ret_files, size_t max) {
    struct history_file *files = NULL;
    size_t count = 0;
    assert_int_equal(history_file_list(folder, &files, &count), 0);
    assert_true(count <= max);
    if (count > 0) {
        memcpy(ret_files, files, count * sizeof *files);
    }
    free(files);
    return count;
}

static bool exists(const char *folder, const char *name, const char *suffix) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    return access(path, F_OK) == 0;
}

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
    add(writer, &sample);
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

TEST(a_search_goes_across_files_in_both_orders_and_stops_at_its_limit) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 4);
    for (uint64_t sequence = 1; sequence <= 18; sequence++) {
        add_plain(writer, sequence * 10, MARCH_1_NS + (int64_t)sequence * NS_PER_S);
    }
    assert_int_equal(history_writer_commit(writer, 180), 0);
    history_writer_settle(writer);
    struct history_query query = everything();
    query.limit = 6;
    query.before_sequence = 130;
    struct found found = find(folder, &query);
    assert_int_equal(found.count, 6);
    assert_int_equal(found.sequences[0], 120);
    assert_int_equal(found.sequences[5], 70);
    query = everything();
    query.oldest_first = true;
    query.after_sequence = 40;
    query.limit = 3;
    found = find(folder, &query);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.sequences[0], 50);
    assert_int_equal(found.sequences[2], 70);
    query = everything();
    query.since_ns = MARCH_1_NS + INT64_C(5) * NS_PER_S;
    query.until_ns = MARCH_1_NS + INT64_C(9) * NS_PER_S;
    found = find(folder, &query);
    assert_int_equal(found.count, 4);
    assert_int_equal(found.sequences[0], 80);
    assert_int_equal(found.sequences[3], 50);
    query.since_ns = MARCH_1_NS + DAY_NS;
    query.until_ns = 0;
    assert_int_equal(find(folder, &query).count, 0);
    history_writer_close(writer);
}

/* Sequence 1 differs from 2 and 3 in every field; each row of the table must find 1 alone. */
static void write_three(struct history_writer *writer) {
    struct sample sample;
    sample_init(&sample, 1, MARCH_1_NS);
    sample_client(&sample, "198.51.100.7");
    sample_refuse(&sample, "block:17 *@spam.example", "REJECT 5.7.1 Go away, Caf\xc3\xa9 guests");
    sample.decision.request.client_name = STR("Relay.Spam.Example");
    sample.decision.request.helo_name = STR("spam_helo");
    sample.decision.request.sender = STR("Mallory%o'x@spam.example");
    sample.decision.request.recipient = STR("victim@example.com");
    sample.decision.request.instance = STR("ffff.1.0");
    sample.decision.request.queue_id = STR("QUEUE1");
    sample.decision.identity = STR("mallory");
    sample.decision.decision.direction = DIRECTION_OUTBOUND;
    add(writer, &sample);
    add_plain(writer, 2, MARCH_1_NS + 1);
    sample_init(&sample, 3, MARCH_1_NS + 2);
    sample.decision.request.helo_name = STR("spamXhelo");
    sample.decision.request.sender = STR("bob%o'x@example.org");
    sample.decision.decision.verdict = VERDICT_DEFER;
    sample.decision.decision.policy = POLICY_GREYLISTING;
    sample.decision.decision.reason = REASON_GREYLIST_FIRST_CONTACT;
    add(writer, &sample);
    assert_int_equal(history_writer_commit(writer, 3), 0);
}

static void expect_only_first(const char *folder) {
    const struct {
        const char *label;
        struct history_query query;
    } rows[] = {
        /* clang-format off */
        {"client address", {.client = STR("198.51.100.7")}},
        {"client network", {.client = STR("198.51.100.0/24")}},
        {"client prefix as text", {.client = STR("198.51.*")}},
        {"client name, other case", {.client_name = STR("relay.spam.example")}},
        {"client name by suffix", {.client_name = STR("*.spam.example")}},
        {"helo: _ is no wildcard", {.helo = STR("*m_helo")}},
        {"sender", {.sender = STR("MALLORY%o'x@spam.example")}},
        {"sender by prefix", {.sender = STR("mallory*")}},
        {"sender by suffix", {.sender = STR("*@spam.example")}},
        {"sender by a part", {.sender = STR("*lory%o'x@sp*")}},
        {"recipient", {.recipient = STR("victim@example.com")}},
        {"identity", {.identity = STR("Mallory")}},
        {"any identity", {.identity = STR("*")}},
        {"queue id", {.queue_id = STR("QUEUE1")}},
        {"instance", {.instance = STR("ffff.1.0")}},
        {"rule by prefix", {.rule = STR("block:17 *")}},
        {"word of the reply", {.text = STR("away")}},
        {"words from two fields, other case", {.text = STR("GO victim")}},
        {"a phrase across punctuation", {.text = STR("victim@example.com")}},
        {"a word with bytes above 127", {.text = STR("caf\xc3\xa9")}},
        {"verdict", {.verdict = VERDICT_REJECT}},
        {"direction", {.direction = DIRECTION_OUTBOUND}},
        {"policy", {.policy = POLICY_ACL_BLOCK}},
        {"reason", {.reason = REASON_ACL_BLOCKED}},
        {"helo by prefix", {.helo = STR("spam_*")}},
        {"suffix that begins inside a word", {.sender = STR("*am.example")}},
        {"part that ends inside a word", {.sender = STR("*@spam.exam*")}},
        {"address and verdict", {.client = STR("198.51.100.7"), .verdict = VERDICT_REJECT}},
        {"network, reason, verdict", {.client = STR("198.51.0.0/16"), .verdict = VERDICT_REJECT, .reason = REASON_ACL_BLOCKED}},
        {"words and verdict", {.text = STR("spam"), .verdict = VERDICT_REJECT}},
        {"suffix and network", {.recipient = STR("*@example.com"), .client = STR("198.0.0.0/8")}},
        {"two fields", {.sender = STR("*%o'x@*"), .client = STR("198.51.100.7/32")}},
        {"field and words", {.sender = STR("*%o'x@*"), .text = STR("spam")}},
        {"until", {.until_ns = MARCH_1_NS + 1}},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct history_query query = rows[i].query;
        test_case(rows[i].label);
        query.verdict = query.verdict == 0 ? -1 : query.verdict;
        query.direction = query.direction == 0 ? -1 : query.direction;
        query.limit = 10;
        const struct found found = find(folder, &query);
        assert_int_equal(found.count, 1);
        assert_int_equal(found.sequences[0], 1);
    }
}

static void expect_nothing(const char *folder) {
    const struct {
        const char *label;
        struct history_query query;
    } rows[] = {
        /* clang-format off */
        {"quote in a field", {.sender = STR("x' OR '1'='1")}},
        {"statement in a field", {.recipient = STR("'; DROP TABLE session; --")}},
        {"percent is no wildcard", {.recipient = STR("%")}},
        {"percent in a suffix", {.recipient = STR("*%")}},
        {"underscore in a suffix", {.recipient = STR("*bob_example.net")}},
        {"operators of full text are words", {.text = STR("victim OR alice NOT NEAR(a, b)")}},
        {"column filter of full text", {.text = STR("sender:victim")}},
        {"quote in full text", {.text = STR("\"vic\" OR \"1\"=\"1")}},
        {"prefix operator of full text", {.text = STR("vict*")}},
        {"part of a word", {.text = STR("vict")}},
        {"words in another order are no phrase", {.text = STR("example@victim")}},
        {"suffix with a quote", {.sender = STR("*\" OR \"x@spam.example")}},
        {"suffix that is none", {.sender = STR("*@spam.exampl")}},
        {"words of another column", {.recipient = STR("*@spam.example")}},
        {"another network", {.client = STR("198.51.101.0/24")}},
        {"sequences below the first", {.before_sequence = 1}},
        {"sequences above the last", {.after_sequence = 3}},
        {"later", {.since_ns = MARCH_1_NS + 3}},
        {"days later", {.since_ns = MARCH_1_NS + 3 * DAY_NS}},
        {"earlier", {.until_ns = MARCH_1_NS}},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct history_query query = rows[i].query;
        test_case(rows[i].label);
        query.verdict = -1;
        query.direction = -1;
        query.limit = 10;
        assert_int_equal(find(folder, &query).count, 0);
    }
}

TEST(accepted_is_also_what_nobody_objected_to) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 3);
    struct sample sample;
    write_three(writer); /* reject, none, defer */
    sample_init(&sample, 4, MARCH_1_NS + 3);
    sample.decision.decision.verdict = VERDICT_ACCEPT;
    sample.decision.decision.policy = POLICY_ACL_ALLOW;
    add(writer, &sample);
    assert_int_equal(history_writer_commit(writer, 4), 0);
    history_writer_settle(writer);
    struct history_query query = everything();
    query.verdict = VERDICT_ACCEPT;
    query.oldest_first = true;
    const struct found found = find(folder, &query);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.sequences[0], 2);
    assert_int_equal(found.sequences[1], 4);
    query.policy = POLICY_ACL_ALLOW;
    assert_int_equal(find(folder, &query).count, 1);
    history_writer_close(writer);
}

TEST(every_field_finds_its_row_in_the_open_and_in_the_closed_file) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 3);
    struct history_file files[4];
    write_three(writer);
    expect_only_first(folder);
    expect_nothing(folder);
    add_plain(writer, 4, MARCH_1_NS + 3);
    history_writer_settle(writer);
    assert_int_equal(files_in(folder, files, 4), 2);
    assert_false(exists(folder, files[0].name, "-wal"));
    expect_only_first(folder);
    expect_nothing(folder);
    history_writer_close(writer);
}

TEST(a_query_that_cannot_be_answered_is_refused) {
    struct history_reader *reader = NULL;
    struct found found = {0};
    assert_int_equal(history_reader_open(test_folder(), &reader), 0);
    struct history_query query = everything();
    query.client = STR("10.0.0.1/8");
    assert_int_equal(history_reader_find(reader, &query, collect, &found), -EINVAL);
    query = everything();
    query.limit = 0;
    assert_int_equal(history_reader_find(reader, &query, collect, &found), -EINVAL);
    query.limit = 501;
    assert_int_equal(history_reader_find(reader, &query, collect, &found), -EINVAL);
    query.limit = 500;
    assert_int_equal(history_reader_find(reader, &query, collect, &found), 0);
    history_reader_close(reader);
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
        add(writer, &sample);
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

static void overwrite(const char *folder, const char *name, off_t offset, size_t length) {
    char path[512];
    char rubbish[4096];
    memset(rubbish, 0xa5, sizeof rubbish);
    assert_true(length <= sizeof rubbish);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, rubbish, length, offset), length);
    (void)close(fd);
}

TEST(a_damaged_newest_file_is_set_aside_and_recording_goes_on_from_the_one_before) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_writer *writer = open_writer(folder, 2);
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        add_plain(writer, sequence, MARCH_1_NS);
    }
    assert_int_equal(history_writer_commit(writer, 5), 0);
    history_writer_settle(writer);
    history_writer_close(writer);
    assert_int_equal(files_in(folder, files, 8), 3);
    overwrite(folder, files[2].name, 0, 4096);
    writer = open_writer(folder, 2);
    assert_int_equal(history_writer_position(writer), 4);
    assert_true(exists(folder, files[2].name, ".damaged"));
    add_plain(writer, 5, MARCH_1_NS);
    add_plain(writer, 6, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 6), 0);
    const struct history_query query = everything();
    const struct found found = find(folder, &query);
    assert_int_equal(found.count, 6);
    history_writer_close(writer);
}

TEST(a_damaged_file_that_cannot_be_set_aside_is_an_error_and_no_endless_loop) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_writer *writer = open_writer(folder, 100);
    add_plain(writer, 1, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 1), 0);
    history_writer_close(writer);
    assert_int_equal(files_in(folder, files, 8), 1);
    overwrite(folder, files[0].name, 0, 4096);
    char in_the_way[600];
    (void)snprintf(in_the_way, sizeof in_the_way, "%s/%s.damaged", folder, files[0].name);
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    const struct history_options options = {.folder = folder, .rows_per_file_max = 100};
    assert_int_equal(history_writer_open(&options, &writer, &problem), -EISDIR);
    assert_non_null(strstr(text_zero(&problem), files[0].name));
    assert_non_null(strstr(text_zero(&problem), ".damaged"));
    assert_int_equal(rmdir(in_the_way), 0);
    writer = open_writer(folder, 100);
    assert_int_equal(history_writer_position(writer), 0);
    history_writer_close(writer);
}

TEST(a_file_found_damaged_while_its_indexes_are_built_is_set_aside) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_writer *writer = open_writer(folder, 1000);
    for (uint64_t sequence = 1; sequence <= 1000; sequence++) {
        add_plain(writer, sequence, MARCH_1_NS);
    }
    assert_int_equal(history_writer_commit(writer, 1000), 0);
    history_writer_close(writer);
    assert_int_equal(files_in(folder, files, 8), 1);
    overwrite(folder, files[0].name, 8 * 8192, 4096);
    overwrite(folder, files[0].name, 12 * 8192, 4096);
    writer = open_writer(folder, 1000);
    add_plain(writer, 1001, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 1001), 0);
    history_writer_settle(writer);
    assert_true(exists(folder, files[0].name, ".damaged"));
    const struct history_query query = everything();
    assert_int_equal(find(folder, &query).count, 1);
    assert_int_equal(history_writer_position(writer), 1001);
    /* It goes with its day, as if it were whole. */
    assert_int_equal(history_writer_expire(writer, MARCH_1_NS + 3 * DAY_NS - 1, 2 * 86400), 0);
    assert_true(exists(folder, files[0].name, ".damaged"));
    assert_int_equal(history_writer_expire(writer, MARCH_1_NS + 3 * DAY_NS, 2 * 86400), 0);
    assert_false(exists(folder, files[0].name, ".damaged"));
    history_writer_close(writer);
}

TEST(a_reader_passes_over_a_damaged_file_and_says_so) {
    const char *folder = test_folder();
    struct history_file files[8];
    struct history_reader *reader = NULL;
    struct found found = {0};
    struct history_writer *writer = open_writer(folder, 2);
    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        add_plain(writer, sequence, MARCH_1_NS);
    }
    assert_int_equal(history_writer_commit(writer, 5), 0);
    history_writer_settle(writer);
    assert_int_equal(files_in(folder, files, 8), 3);
    overwrite(folder, files[1].name, 0, 4096);
    assert_int_equal(history_reader_open(folder, &reader), 0);
    const struct history_query query = everything();
    assert_int_equal(history_reader_find(reader, &query, collect, &found), 0);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.sequences[2], 1);
    assert_int_equal(history_reader_damaged(reader), 1);
    history_reader_close(reader);
    history_writer_close(writer);
}

TEST(names_that_are_not_history_files_are_left_alone) {
    const char *folder = test_folder();
    static const char *const names[] = {"0000000000000001-2026-03-01.db.damaged", "1-2026-03-01.db",
                                        "000000000000000G-2026-03-01.db", "readme",
                                        "0000000000000001-2026-3-1.db"};
    struct history_file files[8];
    char path[512];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    assert_int_equal(files_in(folder, files, 8), 0);
    struct history_writer *writer = open_writer(folder, 2);
    assert_int_equal(history_writer_position(writer), 0);
    history_writer_close(writer);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(exists(folder, names[i], ""));
    }
}

TEST(a_file_of_a_newer_release_is_refused_and_kept) {
    const char *folder = test_folder();
    struct history_file files[8];
    sqlite3 *db = NULL;
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    struct history_writer *writer = open_writer(folder, 2);
    add_plain(writer, 1, MARCH_1_NS);
    assert_int_equal(history_writer_commit(writer, 1), 0);
    history_writer_close(writer);
    assert_int_equal(files_in(folder, files, 8), 1);
    assert_int_equal(history_file_open(folder, &files[0], HISTORY_WRITE, &db), 0);
    assert_int_equal(history_file_exec(db, "PRAGMA user_version = 3"), 0);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    const struct history_options options = {.folder = folder, .rows_per_file_max = 2};
    assert_int_equal(history_writer_open(&options, &writer, &problem), -EPROTONOSUPPORT);
    assert_non_null(strstr(text_zero(&problem), "newer release"));
    assert_true(exists(folder, files[0].name, ""));
}

TEST(phrases_are_whole_words_in_order) {
    assert_true(history_words_phrase_in(STR("a.b"), STR("x a@B y")));
    assert_false(history_words_phrase_in(STR("a.b"), STR("a x b")));
    assert_false(history_words_phrase_in(STR("ab"), STR("abc")));
    assert_true(history_words_phrase_in(STR(""), STR("")));
    assert_false(history_words_phrase_in(STR("a"), STR("")));
    assert_true(history_words_phrase_in(STR("a b"), STR("a a b")));
}
