/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_summary.h"

#include <stdio.h>

#include "store/history_file.h"
#include "store/history_test_rows.h"

/* Statistics of a history against the same asked of its rows in SQL. */

enum { ROWS = 3000, ROWS_PER_FILE = 700, FIELDS = 8 };

static uint64_t next_number(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* Few come often, many seldom. */
static unsigned skewed(uint64_t *seed, unsigned limit) {
    const uint64_t any = next_number(seed) % limit;
    return (unsigned)(any * any / limit * any / limit);
}

static void set_text(struct str *ret, char *bytes, int length) {
    *ret = (struct str){bytes, (size_t)length};
}

static void set_verdict(struct sample *sample, uint64_t dice) {
    static const char *const countries[] = {"DE", "US", "FR", "--"};
    struct decision *decision = &sample->decision.decision;
    struct facts *facts = &sample->decision.facts;
    decision->direction = dice % 5 == 0 ? DIRECTION_OUTBOUND : DIRECTION_INBOUND;
    decision->verdict = dice % 7 == 0   ? VERDICT_REJECT
                        : dice % 3 == 0 ? VERDICT_DEFER
                        : dice % 2 == 0 ? VERDICT_ACCEPT
                                        : VERDICT_NONE;
    decision->policy = decision->verdict == VERDICT_REJECT ? POLICY_ACL_BLOCK : POLICY_GREYLISTING;
    decision->reason =
        decision->verdict == VERDICT_REJECT ? REASON_ACL_BLOCKED : REASON_GREYLIST_FIRST_CONTACT;
    if (decision->verdict == VERDICT_REJECT) {
        decision->rule_length = (uint16_t)snprintf(decision->rule, sizeof decision->rule,
                                                   "block:%u *@X.example", (unsigned)(dice % 11));
    }
    facts->status[FACT_GEO] = dice % 4 == 0 ? FACT_UNASKED : FACT_KNOWN;
    memcpy(facts->geo_country, countries[dice % 4], 2);
    facts->geo_asn = (uint32_t)(dice % 6) * 100;
}

struct names {
    char client[32];
    char name[64];
    char sender[64];
    char recipient[64];
    char helo[64];
    char identity[64];
};

static void fill_sample(struct sample *sample, struct names *names, uint64_t sequence,
                        int64_t time_ns, uint64_t *seed) {
    struct policy_request *request = &sample->decision.request;
    const unsigned client = skewed(seed, 400);
    const unsigned sender = skewed(seed, 900);
    sample_init(sample, sequence, time_ns);
    set_text(
        &request->client_address_text, names->client,
        snprintf(names->client, sizeof names->client, "192.0.%u.%u", client / 200, client % 200));
    assert_true(ip_address_parse(request->client_address_text, &request->client_address));
    set_text(&request->client_name, names->name,
             snprintf(names->name, sizeof names->name, "host%u.example", client));
    set_text(&request->helo_name, names->helo,
             snprintf(names->helo, sizeof names->helo, "helo%u.example", client % 7));
    set_text(&request->sender, names->sender,
             sender == 1 ? 0
                         : snprintf(names->sender, sizeof names->sender, "User%u@Example.%s",
                                    sender, next_number(seed) % 2 == 0 ? "org" : "ORG"));
    set_text(
        &request->recipient, names->recipient,
        snprintf(names->recipient, sizeof names->recipient, "to%u@example.net", skewed(seed, 300)));
    set_text(&sample->decision.identity, names->identity,
             next_number(seed) % 3 != 0
                 ? 0
                 : snprintf(names->identity, sizeof names->identity, "account%u", client % 13));
    sample->decision.duration_us = (uint32_t)(next_number(seed) % 5000);
    set_verdict(sample, next_number(seed));
    if (next_number(seed) % 10 == 0) {
        request->state = PROTOCOL_STATE_END_OF_MESSAGE;
        request->recipient_count = 1;
    }
}

/* ROWS rows over some eight hours, one every ten seconds or so, the last of them uncommitted to no
 * file but the open one. */
static struct history_writer *fill(const char *folder, uint64_t *ret_seed) {
    struct history_writer *writer = open_writer(folder, ROWS_PER_FILE);
    uint64_t seed = 20261122;
    int64_t time_ns = MARCH_1_NS + INT64_C(1234) * NS_PER_S;
    for (uint64_t sequence = 1; sequence <= ROWS; sequence++) {
        static struct sample sample;
        static struct names names;
        time_ns += (int64_t)(next_number(&seed) % 20) * NS_PER_S;
        fill_sample(&sample, &names, sequence, time_ns, &seed);
        if (sequence % 97 == 0) {
            sample.decision.wall_ns -= INT64_C(90) * NS_PER_S; /* came late */
        }
        assert_int_equal(history_writer_add(writer, &sample.record), 0);
        if (sequence % 250 == 0) {
            assert_int_equal(history_writer_commit(writer, sequence), 0);
        }
    }
    assert_int_equal(history_writer_commit(writer, ROWS), 0);
    *ret_seed = seed;
    return writer;
}

/* --- what SQL says ------------------------------------------------------------------------------
 */

/* All rows of all files in one table in memory. */
static sqlite3 *gather(const char *folder) {
    struct history_file *files = NULL;
    size_t count = 0;
    sqlite3 *db = NULL;
    assert_int_equal(history_file_list(folder, &files, &count), 0);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (size_t i = 0; i < count; i++) {
        char sql[1024];
        (void)snprintf(sql, sizeof sql, "ATTACH '%s/%s' AS h; %s; DETACH h;", folder, files[i].name,
                       i == 0 ? "CREATE TABLE session AS SELECT * FROM h.session"
                              : "INSERT INTO session SELECT * FROM h.session");
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
            fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        }
    }
    free(files);
    return db;
}

struct range {
    int64_t since_s;
    int64_t until_s;
};

static sqlite3_stmt *ask(sqlite3 *db, const char *sql, const struct range *range) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    (void)sqlite3_bind_int64(statement, 1, range->since_s * NS_PER_S);
    (void)sqlite3_bind_int64(statement, 2, range->until_s * NS_PER_S);
    return statement;
}

static const struct {
    enum history_dimension dimension;
    const char *key;
    const char *where;
} fields[FIELDS] = {
    {HISTORY_BY_SENDER, "lower(sender)", "1"},
    {HISTORY_BY_RECIPIENT, "lower(recipient)", "1"},
    {HISTORY_BY_CLIENT, "client_address", "1"},
    {HISTORY_BY_COUNTRY, "lower(country)", "country <> ''"},
    {HISTORY_BY_ASN, "'as' || asn", "asn <> 0"},
    {HISTORY_BY_HELO, "helo", "1"},
    {HISTORY_BY_IDENTITY, "identity", "identity <> ''"},
    {HISTORY_BY_RULE, "lower(rule)", "rule <> ''"},
};

/* In this history no list is longer than what is kept, so that the answer must be exact. */
static void compare_top(sqlite3 *db, const struct history_part *part, size_t field,
                        const struct range *range, unsigned lists, const char *condition) {
    char sql[1024];
    static struct history_top_item items[2000];
    (void)snprintf(sql, sizeof sql,
                   "SELECT %s AS k, sum(count) AS n, sum(count * (verdict < 2)),"
                   " sum(count * (verdict = 2)), sum(count * (verdict = 3)), min(client_name)"
                   " FROM session WHERE time >= ? AND time < ? AND state <> 6 AND %s AND %s"
                   " GROUP BY k ORDER BY n DESC, k",
                   fields[field].key, fields[field].where, condition);
    sqlite3_stmt *statement = ask(db, sql, range);
    const size_t count =
        history_top_highest(part->tops[fields[field].dimension], lists, items, 2000);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        const struct str key = str_from((const char *)sqlite3_column_text(statement, 0));
        if (!str_equal(items[i].key, key)) {
            fail_msg("field %zu, place %zu: %.*s, expected %.*s", field, i, STR_ARGS(items[i].key),
                     STR_ARGS(key));
        }
        assert_int_equal(items[i].count, sqlite3_column_int64(statement, 1));
        assert_int_equal(items[i].counts[HISTORY_ACCEPTED], sqlite3_column_int64(statement, 2));
        assert_int_equal(items[i].counts[HISTORY_DEFERRED], sqlite3_column_int64(statement, 3));
        assert_int_equal(items[i].counts[HISTORY_REJECTED], sqlite3_column_int64(statement, 4));
        assert_int_equal(items[i].missing, 0);
        if (fields[field].dimension == HISTORY_BY_CLIENT) {
            assert_true(str_equal(items[i].label,
                                  str_from((const char *)sqlite3_column_text(statement, 5))));
        }
    }
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    (void)sqlite3_finalize(statement);
}

static void compare_uniques(sqlite3 *db, const struct history_part *part,
                            const struct range *range) {
    sqlite3_stmt *statement =
        ask(db,
            "SELECT count(DISTINCT client_address), count(DISTINCT lower(sender)),"
            " count(DISTINCT lower(recipient)), count(*), coalesce(sum(duration_us <= 2500), 0)"
            " FROM session WHERE time >= ? AND time < ? AND state <> 6",
            range);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    for (int s = 0; s < HISTORY_SKETCHES; s++) {
        const double truth = (double)sqlite3_column_int64(statement, s);
        const double told = (double)hyperloglog_count(&part->sketches[s]);
        assert_true(told >= truth * 0.98 && told <= truth * 1.02);
    }
    uint64_t rows = 0;
    uint64_t below = 0;
    for (size_t i = 0; i < QUANTILE_BUCKETS; i++) {
        rows += part->durations.counts[i];
        below += i < 74 ? part->durations.counts[i] : 0; /* up to 2560 us */
    }
    assert_int_equal(rows, sqlite3_column_int64(statement, 3));
    const double difference = (double)below - (double)sqlite3_column_int64(statement, 4);
    assert_true(difference >= 0 && difference <= 0.03 * (double)rows + 5);
    (void)sqlite3_finalize(statement);
}

static void compare(const char *folder, sqlite3 *db, struct history_live *live,
                    const struct range *range) {
    const struct history_wanted all = history_wanted_all();
    struct history_reader *reader = NULL;
    struct history_part *part = history_part_new(&all, 0);
    assert_int_equal(history_reader_open(folder, &reader), 0);
    assert_int_equal(history_reader_summarize(reader, live, range->since_s, range->until_s, part),
                     0);
    assert_int_equal(history_reader_damaged(reader), 0);
    compare_uniques(db, part, range);
    for (size_t field = 0; field < FIELDS; field++) {
        compare_top(db, part, field, range, (1u << HISTORY_TOP_LISTS) - 1, "1");
    }
    history_part_free(part);
    /* One direction and outcome alone. */
    struct history_wanted some = {.dimensions = 1u << HISTORY_BY_SENDER,
                                  .lists = 1u << history_top_list(1, HISTORY_DEFERRED)};
    part = history_part_new(&some, 0);
    assert_int_equal(history_reader_summarize(reader, live, range->since_s, range->until_s, part),
                     0);
    compare_top(db, part, 0, range, some.lists, "verdict = 2 AND direction = 1");
    history_part_free(part);
    history_reader_close(reader);
}

static void compare_some(const char *folder, sqlite3 *db, struct history_live *live) {
    const int64_t start_s = MARCH_1_NS / NS_PER_S;
    const struct range ranges[] = {
        {0, INT64_C(4000000000)},           /* everything */
        {start_s + 3600, start_s + 7200},   /* an hour */
        {start_s + 4020, start_s + 20040},  /* ends within parts and files */
        {start_s + 20040, start_s + 86400}, /* the end, still written */
        {start_s + 86400, start_s + 90000}, /* nothing */
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        compare(folder, db, live, &ranges[i]);
    }
}

TEST(statistics_are_those_of_the_rows_from_closed_and_open_files) {
    const char *folder = test_folder();
    uint64_t seed = 0;
    struct history_writer *writer = fill(folder, &seed);
    history_writer_settle(writer);
    sqlite3 *db = gather(folder);
    struct history_live *live = history_live_new();
    compare_some(folder, db, NULL);
    compare_some(folder, db, live);
    compare_some(folder, db, live); /* from what it has kept */
    (void)sqlite3_close(db);
    history_live_free(live);
    history_writer_close(writer);
}

TEST(what_is_added_while_files_are_written_is_seen_by_the_next_question) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 300);
    struct history_live *live = history_live_new();
    uint64_t seed = 3;
    for (uint64_t sequence = 1; sequence <= 1000; sequence++) {
        static struct sample sample;
        static struct names names;
        fill_sample(&sample, &names, sequence,
                    MARCH_1_NS + (int64_t)sequence * INT64_C(15) * NS_PER_S, &seed);
        assert_int_equal(history_writer_add(writer, &sample.record), 0);
        if (sequence % 170 == 0) {
            const struct range everything = {0, INT64_C(4000000000)};
            assert_int_equal(history_writer_commit(writer, sequence), 0);
            if (sequence % 340 == 0) {
                history_writer_settle(writer);
            }
            sqlite3 *db = gather(folder);
            compare(folder, db, live, &everything);
            (void)sqlite3_close(db);
        }
    }
    history_live_free(live);
    history_writer_close(writer);
}

/* --- counts -------------------------------------------------------------------------------------
 */

struct sums {
    uint64_t all;
    uint64_t rejected_inbound;
    uint64_t calls;
};

static void sum_up(void *context, const struct history_minute *minute) {
    struct sums *sums = context;
    sums->calls++;
    sums->all += minute->count;
    sums->rejected_inbound +=
        minute->verdict == VERDICT_REJECT && minute->direction == DIRECTION_INBOUND ? minute->count
                                                                                    : 0;
}

TEST(hours_are_the_sums_of_their_minutes_in_any_range) {
    const char *folder = test_folder();
    uint64_t seed = 0;
    struct history_writer *writer = fill(folder, &seed);
    struct history_reader *reader = NULL;
    history_writer_settle(writer);
    assert_int_equal(history_reader_open(folder, &reader), 0);
    const int64_t start_s = MARCH_1_NS / NS_PER_S;
    for (int64_t since_s = start_s; since_s < start_s + 30000; since_s += 4380) {
        for (int64_t length_s = 60; length_s < 40000; length_s += 3540) {
            struct sums minutes = {0};
            struct sums hours = {0};
            assert_int_equal(
                history_reader_minutes(reader, since_s, since_s + length_s, sum_up, &minutes), 0);
            assert_int_equal(
                history_reader_hours(reader, since_s, since_s + length_s, sum_up, &hours), 0);
            assert_int_equal(hours.all, minutes.all);
            assert_int_equal(hours.rejected_inbound, minutes.rejected_inbound);
            assert_true(minutes.calls < 1000 || hours.calls * 2 < minutes.calls);
        }
    }
    history_reader_close(reader);
    history_writer_close(writer);
}

/* --- files of a release before ------------------------------------------------------------------
 */

static void each_file(const char *folder, const char *sql) {
    struct history_file *files = NULL;
    size_t count = 0;
    assert_int_equal(history_file_list(folder, &files, &count), 0);
    for (size_t i = 0; i < count; i++) {
        char path[512];
        sqlite3 *db = NULL;
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
            fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        }
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
    }
    free(files);
}

TEST(files_without_summaries_are_read_and_get_them_in_the_background) {
    const char *folder = test_folder();
    uint64_t seed = 0;
    struct history_writer *writer = fill(folder, &seed);
    history_writer_settle(writer);
    history_writer_close(writer);
    each_file(folder, "DROP TABLE IF EXISTS part; DROP TABLE IF EXISTS top;"
                      "DROP TABLE IF EXISTS hour; DROP INDEX IF EXISTS session_country;"
                      "DROP INDEX IF EXISTS session_asn; PRAGMA user_version = 1;");
    sqlite3 *db = gather(folder);
    struct history_live *live = history_live_new();
    compare_some(folder, db, live);
    writer = open_writer(folder, ROWS_PER_FILE);
    history_writer_settle(writer);
    compare_some(folder, db, live);
    struct history_file *files = NULL;
    size_t count = 0;
    assert_int_equal(history_file_list(folder, &files, &count), 0);
    for (size_t i = 0; i < count; i++) {
        sqlite3 *file = NULL;
        assert_int_equal(history_file_open(folder, &files[i], HISTORY_READ, &file), 0);
        assert_int_equal(history_file_has_summary(file), i + 1 < count);
        (void)sqlite3_close(file);
    }
    free(files);
    (void)sqlite3_close(db);
    history_live_free(live);
    history_writer_close(writer);
}

/* --- searches of files that are still written ---------------------------------------------------
 */

static struct found find_with(const char *folder, struct history_live *live,
                              const struct history_query *query) {
    struct history_reader *reader = NULL;
    struct found found = {0};
    assert_int_equal(history_reader_open(folder, &reader), 0);
    history_reader_use(reader, live);
    assert_int_equal(history_reader_find(reader, query, collect, &found), 0);
    history_reader_close(reader);
    return found;
}

static void compare_search(const char *folder, struct history_live *live,
                           const struct history_query *asked) {
    for (unsigned way = 0; way < 4; way++) {
        struct history_query query = *asked;
        query.verdict = -1;
        query.direction = -1;
        query.states = HISTORY_ALL;
        query.limit = way < 2 ? 500 : 7;
        query.oldest_first = way % 2 == 1;
        const struct found plain = find_with(folder, NULL, &query);
        const struct found filtered = find_with(folder, live, &query);
        assert_int_equal(filtered.count, plain.count);
        assert_memory_equal(filtered.sequences, plain.sequences,
                            plain.count * sizeof plain.sequences[0]);
    }
}

/* How many of the sequences from 1 to 3900 the filter leaves to be read. */
static uint64_t rows_looked_at(const char *folder, struct history_live *live,
                               const struct history_query *query) {
    struct history_file *files = NULL;
    struct history_range *ranges = NULL;
    size_t count = 0;
    uint64_t rows = 0;
    sqlite3 *db = NULL;
    assert_int_equal(history_file_list(folder, &files, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(history_file_open(folder, &files[0], HISTORY_READ, &db), 0);
    assert_int_equal(history_live_find(live, db, files[0].first_sequence, query, &ranges, &count),
                     0);
    for (size_t i = 0; i < count; i++) {
        const uint64_t last = ranges[i].last < 3900 ? ranges[i].last : 3900;
        assert_true(i == 0 || ranges[i].first > ranges[i - 1].last);
        rows += last >= ranges[i].first ? last - ranges[i].first + 1 : 0;
    }
    (void)sqlite3_close(db);
    free(ranges);
    free(files);
    return rows;
}

TEST(a_filter_hides_no_row_of_an_open_file) {
    const char *folder = test_folder();
    struct history_writer *writer = open_writer(folder, 1000000);
    struct history_live *live = history_live_new();
    uint64_t seed = 77;
    static const struct history_query queries[] = {
        {.sender = {"USER400@example.org", 19}},
        {.sender = {"user2@example.*", 15}},
        {.sender = {"*@example.org", 13}},
        {.recipient = {"to250@example.net", 17}},
        {.client = {"192.0.2.77", 10}},
        {.client = {"192.0.1.5", 9}},
        {.client = {"192.0.1.0/24", 12}},
        {.client = {"192.0.*", 7}},
        {.helo = {"helo3.example", 13}},
        {.identity = {"account7", 8}},
        {.instance = {"1a2b.3c4d.0", 11}},
        {.queue_id = {"8045F2AB23", 10}},
        {.rule = {"block:5 *", 9}},
        {.country = {"us", 2}},
        {.asn = 300},
        {.asn = 7},
        {.asn = 100, .country = {"FR", 2}},
        {.text = {"user400", 7}},
        {.text = {"user400@example.org to9", 23}},
        {.text = {"nobody", 6}},
        {.text = {"DUNNO", 5}},
        {.sender = {"*", 1}},
        {.client_name = {"host399.example", 15}, .recipient = {"to1@example.net", 15}},
        {.text = {"", 0}},
    };
    for (uint64_t sequence = 1; sequence <= 4000; sequence++) {
        static struct sample sample;
        static struct names names;
        fill_sample(&sample, &names, sequence, MARCH_1_NS + (int64_t)sequence * NS_PER_MS, &seed);
        if (sequence == 3500) {
            sample.decision.request.queue_id = STR("8045F2AB23");
        }
        assert_int_equal(history_writer_add(writer, &sample.record), 0);
        if (sequence % 1300 == 0) {
            assert_int_equal(history_writer_commit(writer, sequence), 0);
            for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
                compare_search(folder, live, &queries[i]);
            }
        }
    }
    struct history_query one = everything();
    one.states = HISTORY_ALL;
    one.queue_id = STR("8045F2AB23");
    assert_int_equal(find_with(folder, live, &one).sequences[0], 3500);
    assert_true(rows_looked_at(folder, live, &one) <= 1024);
    one.queue_id = STR("NEVERSEEN");
    assert_true(rows_looked_at(folder, live, &one) <= 1024);
    one.queue_id = STR("");
    assert_int_equal(rows_looked_at(folder, live, &one), 3900);
    history_live_free(live);
    history_writer_close(writer);
}
