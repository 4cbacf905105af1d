/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "store/history_test_rows.h"
#include "store/history_words.h"

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
    add_sample(writer, &sample);
    add_plain(writer, 2, MARCH_1_NS + 1);
    sample_init(&sample, 3, MARCH_1_NS + 2);
    sample.decision.request.helo_name = STR("spamXhelo");
    sample.decision.request.sender = STR("bob%o'x@example.org");
    sample.decision.decision.verdict = VERDICT_DEFER;
    sample.decision.decision.policy = POLICY_GREYLISTING;
    sample.decision.decision.reason = REASON_GREYLIST_FIRST_CONTACT;
    add_sample(writer, &sample);
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
    add_sample(writer, &sample);
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

TEST(phrases_are_whole_words_in_order) {
    assert_true(history_words_phrase_in(STR("a.b"), STR("x a@B y")));
    assert_false(history_words_phrase_in(STR("a.b"), STR("a x b")));
    assert_false(history_words_phrase_in(STR("ab"), STR("abc")));
    assert_true(history_words_phrase_in(STR(""), STR("")));
    assert_false(history_words_phrase_in(STR("a"), STR("")));
    assert_true(history_words_phrase_in(STR("a b"), STR("a a b")));
}
