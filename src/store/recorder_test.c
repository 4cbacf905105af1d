/* SPDX-License-Identifier: Apache-2.0 */
#include "store/recorder.h"

#include <errno.h>
#include <stdio.h>

#include "store/history_test_rows.h"

/* --- log lines --- */

struct lines {
    size_t count;
    char text[8][1024];
};

static void collect_line(void *context, enum log_level level, const char *module, int64_t time_ns,
                         struct str message) {
    static const char *const levels[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    struct lines *lines = context;
    assert_int_equal(time_ns, 77);
    assert_true(lines->count < 8);
    (void)snprintf(lines->text[lines->count++], sizeof lines->text[0], "%s %s: %.*s", levels[level],
                   module, STR_ARGS(message));
}

static struct lines lines_of(const struct sample *sample) {
    struct lines lines = {0};
    recorder_log_lines(&sample->decision, 77, LOG_DEBUG, collect_line, &lines);
    return lines;
}

static void add_step(struct sample *sample, enum policy_id policy, enum policy_mode mode,
                     enum verdict verdict, enum reason reason, bool skipped) {
    struct decision *decision = &sample->decision.decision;
    decision->steps[decision->step_count++] =
        (struct decision_step){policy, mode, verdict, reason, skipped};
}

TEST(a_refusal_is_one_warning_that_names_policy_reason_and_reply) {
    struct sample sample;
    sample_init(&sample, 1, MARCH_1_NS);
    sample_refuse(&sample, "block:17 *@example.org", "REJECT 5.7.1 Access denied");
    add_step(&sample, POLICY_ACL_ALLOW, POLICY_MODE_ENFORCE, VERDICT_NONE, REASON_NONE, false);
    add_step(&sample, POLICY_ACL_BLOCK, POLICY_MODE_ENFORCE, VERDICT_REJECT, REASON_ACL_BLOCKED,
             false);
    add_step(&sample, POLICY_GREYLISTING, POLICY_MODE_ENFORCE, VERDICT_NONE, REASON_NONE, true);
    const struct lines lines = lines_of(&sample);
    assert_int_equal(lines.count, 1);
    assert_string_equal(lines.text[0],
                        "WARN REJECT: policy=acl_block client=192.0.2.1 from=<alice@example.org> "
                        "to=<bob@example.net> reason=acl.blocked "
                        "reply=\"REJECT 5.7.1 Access denied\"");
}

TEST(greylisting_says_each_of_its_outcomes) {
    static const struct {
        enum reason reason;
        enum verdict verdict;
        const char *line;
    } rows[] = {
        {REASON_GREYLIST_FIRST_CONTACT, VERDICT_DEFER,
         "WARN Greylisting: first attempt from alice@example.org -> bob@example.net (delay: 300s)"},
        {REASON_GREYLIST_TOO_EARLY, VERDICT_DEFER,
         "WARN Greylisting: retry too early from alice@example.org -> bob@example.net "
         "(delay: 300s)"},
        {REASON_GREYLIST_TOO_LATE, VERDICT_DEFER,
         "WARN Greylisting: retry too late, first attempt again from alice@example.org -> "
         "bob@example.net (delay: 300s)"},
        {REASON_GREYLIST_RETRIED, VERDICT_NONE,
         "INFO Greylisting: retried in time: alice@example.org -> bob@example.net"},
        {REASON_GREYLIST_KNOWN, VERDICT_NONE,
         "INFO Greylisting: known: alice@example.org -> bob@example.net"},
        {REASON_GREYLIST_CLIENT_TRUSTED, VERDICT_NONE,
         "INFO Greylisting: client trusted: alice@example.org -> bob@example.net"},
        {REASON_GREYLIST_EXEMPT, VERDICT_NONE,
         "INFO Greylisting: exempt: alice@example.org -> bob@example.net"},
        {REASON_GREYLIST_NOT_SUSPICIOUS, VERDICT_NONE,
         "INFO Greylisting: not suspicious: alice@example.org -> bob@example.net"},
        {REASON_GREYLIST_LEARNING, VERDICT_NONE,
         "INFO Greylisting: learning: alice@example.org -> bob@example.net"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sample sample;
        test_case(rows[i].line);
        sample_init(&sample, 1, MARCH_1_NS);
        sample.decision.decision.verdict = rows[i].verdict;
        sample.decision.decision.policy = POLICY_GREYLISTING;
        sample.decision.decision.reason = rows[i].reason;
        sample.decision.decision.retry_in_s = 300;
        add_step(&sample, POLICY_GREYLISTING, POLICY_MODE_ENFORCE, rows[i].verdict, rows[i].reason,
                 false);
        const struct lines lines = lines_of(&sample);
        assert_int_equal(lines.count, 2);
        assert_string_equal(lines.text[0], rows[i].line);
        assert_int_equal(strncmp(lines.text[1],
                                 rows[i].verdict == VERDICT_DEFER
                                     ? "WARN DEFER: policy=greylisting client=192.0.2.1 "
                                     : "DEBUG Decision: ACCEPT client=192.0.2.1 ",
                                 30),
                         0);
    }
}

TEST(an_acceptance_that_nobody_reads_is_no_line) {
    static struct sample sample;
    struct lines lines = {0};
    sample_init(&sample, 1, MARCH_1_NS);
    sample.decision.decision.verdict = VERDICT_NONE;
    recorder_log_lines(&sample.decision, 77, LOG_INFO, collect_line, &lines);
    assert_int_equal(lines.count, 0);
    assert_int_equal(lines_of(&sample).count, 1);
}

TEST(shadow_and_allow_list_have_lines_of_their_own) {
    struct sample sample;
    sample_init(&sample, 1, MARCH_1_NS);
    sample.decision.request.sender = STR("");
    memcpy(sample.decision.decision.rule, "allow:3 <>", 10);
    sample.decision.decision.rule_length = 10;
    sample.decision.decision.verdict = VERDICT_ACCEPT;
    add_step(&sample, POLICY_GREYLISTING, POLICY_MODE_SHADOW, VERDICT_DEFER,
             REASON_GREYLIST_FIRST_CONTACT, false);
    add_step(&sample, POLICY_ACL_BLOCK, POLICY_MODE_SHADOW, VERDICT_NONE, REASON_NONE, false);
    add_step(&sample, POLICY_ACL_ALLOW, POLICY_MODE_ENFORCE, VERDICT_ACCEPT, REASON_ACL_ALLOWED,
             false);
    const struct lines lines = lines_of(&sample);
    assert_int_equal(lines.count, 3);
    assert_string_equal(lines.text[0],
                        "INFO Shadow: policy=greylisting would=defer client=192.0.2.1 from=<> "
                        "to=<bob@example.net> reason=greylist.first-contact");
    assert_string_equal(lines.text[1], "INFO ACL: allowed client=192.0.2.1 from=<> "
                                       "to=<bob@example.net> rule=\"allow:3 <>\"");
    assert_string_equal(lines.text[2],
                        "DEBUG Decision: ACCEPT client=192.0.2.1 from=<> to=<bob@example.net>");
}

TEST(no_one_can_forge_a_line_or_a_field) {
    struct sample sample;
    sample_init(&sample, 1, MARCH_1_NS);
    sample_refuse(&sample, "", "REJECT said \"no\"\r\nWARN REJECT: forged");
    sample.decision.request.sender = STR("a> to=<x@y\r\n\x1b[31m\xff\\");
    const struct lines lines = lines_of(&sample);
    assert_int_equal(lines.count, 1);
    assert_string_equal(
        lines.text[0],
        "WARN REJECT: policy=acl_block client=192.0.2.1 "
        "from=<a\\x3e\\x20to=\\x3cx@y\\x0d\\x0a\\x1b[31m\\xff\\x5c> to=<bob@example.net> "
        "reason=acl.blocked reply=\"REJECT said \\x22no\\x22\\x0d\\x0aWARN REJECT: forged\"");
}

/* --- the thread, behind a real journal --- */

struct world {
    char journal_folder[128];
    char history_folder[128];
    char ring_path[128];
    char log_path[128];
    struct journal_options journal_options;
    struct recorder_options options;
    struct journal *journal;
    struct recorder *recorder;
};

static void open_journal(struct world *world) {
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    if (journal_open(&world->journal_options, &world->journal, &problem) < 0) {
        fail_msg("%s", text_zero(&problem));
    }
    assert_int_equal(journal_start(world->journal, MARCH_1_NS, MARCH_1_NS), 0);
}

static void open_recorder(struct world *world) {
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    if (recorder_new(&world->options, world->journal, &world->recorder, &problem) < 0) {
        fail_msg("%s", text_zero(&problem));
    }
}

static void world_init(struct world *world) {
    memset(world, 0, sizeof *world);
    (void)snprintf(world->journal_folder, sizeof world->journal_folder, "%s/journal",
                   test_folder());
    (void)snprintf(world->history_folder, sizeof world->history_folder, "%s/history",
                   test_folder());
    (void)snprintf(world->ring_path, sizeof world->ring_path, "%s/ring", test_folder());
    (void)snprintf(world->log_path, sizeof world->log_path, "%s/log", test_folder());
    assert_int_equal(log_open(world->log_path, LOG_DEBUG, LOG_TEXT), 0);
    world->journal_options = (struct journal_options){
        .folder = world->journal_folder,
        .ring_path = world->ring_path,
        .ring_bytes = 1 << 20,
        .segment_bytes = 64 << 10,
        .sync_interval_ns = 0,
    };
    world->options = (struct recorder_options){
        .history = {.folder = world->history_folder, .rows_per_file_max = 100, .keep_s = 86400},
        .history_enabled = true,
        .journal_folder = world->journal_folder,
        .max_backlog_bytes = UINT64_C(1) << 30,
    };
    open_journal(world);
}

/* Commits a decision to the journal. Returns its sequence. */
static uint64_t journal_decision(struct world *world, const struct sample *sample) {
    unsigned char *body = journal_reserve(world->journal);
    assert_non_null(body);
    const struct decision_record *decision = &sample->decision;
    const size_t length = decision_record_encode(
        &decision->request, decision->identity, &decision->facts, decision->generation,
        decision->wall_ns, decision->duration_us, &decision->decision, body);
    const uint64_t sequence = journal_next_sequence(world->journal);
    journal_commit(world->journal, RECORD_DECISION, DECISION_RECORD_VERSION, sample->record.time_ns,
                   length);
    return sequence;
}

static uint64_t journal_many(struct world *world, size_t count, bool refused) {
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        struct sample sample;
        sample_init(&sample, 1, MARCH_1_NS + (int64_t)i);
        if (refused) {
            sample_refuse(&sample, "block:1 x", "REJECT 5.7.1 no");
        }
        last = journal_decision(world, &sample);
    }
    assert_int_equal(journal_sync(world->journal, INT64_C(30) * NS_PER_S), 0);
    return last;
}

static void wait_for(struct world *world, uint64_t sequence) {
    uint64_t position = 0;
    for (int i = 0; i < 100 && position < sequence; i++) {
        position = recorder_wait(world->recorder, sequence - 1, NS_PER_S);
    }
    assert_true(position >= sequence);
}

/* How many lines of the log contain `word`. */
static size_t logged(const struct world *world, const char *word) {
    char line[LOG_LINE_MAX + 1];
    size_t count = 0;
    FILE *log = fopen(world->log_path, "re");
    assert_non_null(log);
    while (fgets(line, sizeof line, log) != NULL) {
        count += strstr(line, word) != NULL ? 1 : 0;
    }
    (void)fclose(log);
    return count;
}

static void close_recorder(struct world *world) {
    recorder_free(world->recorder);
    world->recorder = NULL;
}

static void close_journal(struct world *world) {
    journal_close(world->journal);
    world->journal = NULL;
}

TEST(what_is_journaled_is_recorded_once_over_restarts) {
    struct world world;
    const struct history_query query = everything();
    struct recorder_stats stats;
    world_init(&world);
    open_recorder(&world);
    wait_for(&world, journal_many(&world, 150, false));
    assert_int_equal(find(world.history_folder, &query).count, 150);
    recorder_stats(world.recorder, &stats);
    assert_int_equal(stats.rows, 150);
    assert_int_equal(stats.errors, 0);
    close_recorder(&world);
    /* Journaled while no recorder ran; a command's effects in between make no row. */
    unsigned char *body = journal_reserve(world.journal);
    assert_non_null(body);
    const size_t length = effects_record_encode(NULL, 0, STR("test"), body);
    journal_commit(world.journal, RECORD_EFFECTS, 1, MARCH_1_NS, length);
    (void)journal_many(&world, 100, false);
    close_journal(&world);
    open_journal(&world); /* The next run: its sequences are far above. */
    open_recorder(&world);
    wait_for(&world, journal_many(&world, 50, false));
    const struct found found = find(world.history_folder, &query);
    assert_int_equal(found.count, 300);
    for (size_t i = 1; i < found.count; i++) {
        assert_true(found.sequences[i] < found.sequences[i - 1]);
    }
    assert_int_equal(logged(&world, " DEBUG Decision: ACCEPT client=192.0.2.1 "), 300);
    close_recorder(&world);
    close_journal(&world);
}

TEST(free_handles_everything_that_is_synced) {
    struct world world;
    const struct history_query query = everything();
    world_init(&world);
    open_recorder(&world);
    /* Few: a stop waits a third of a second at most, and the machine may be busy. */
    (void)journal_many(&world, 60, false);
    close_recorder(&world);
    assert_int_equal(find(world.history_folder, &query).count, 60);
    close_journal(&world);
}

TEST(without_history_or_space_positions_and_statistics_go_on_and_rows_come_back) {
    struct world world;
    const struct history_query query = everything();
    struct recorder_stats stats;
    world_init(&world);
    world.options.history_enabled = false;
    open_recorder(&world);
    wait_for(&world, journal_many(&world, 20, false));
    recorder_stats(world.recorder, &stats);
    assert_int_equal(stats.dropped, 0);
    close_recorder(&world);
    world.options.history_enabled = true;
    world.options.history.min_free_bytes = UINT64_MAX;
    open_recorder(&world);
    wait_for(&world, journal_many(&world, 30, false));
    recorder_stats(world.recorder, &stats);
    assert_int_equal(stats.dropped, 30);
    assert_int_equal(stats.rows, 0);
    assert_int_equal(find(world.history_folder, &query).count, 0);
    close_recorder(&world);
    world.options.history.min_free_bytes = 0;
    open_recorder(&world);
    wait_for(&world, journal_many(&world, 40, false));
    recorder_stats(world.recorder, &stats);
    assert_int_equal(stats.rows, 40);
    close_recorder(&world);
    assert_int_equal(find(world.history_folder, &query).count, 40);
    close_journal(&world);
}

TEST(far_behind_it_folds_repeated_refusals_and_loses_no_count) {
    struct world world;
    const struct history_query query = everything();
    struct recorder_stats stats;
    world_init(&world);
    world.options.max_backlog_bytes = 1;
    world.options.history.rows_per_file_max = 1000;
    (void)journal_many(&world, 400, true);
    open_recorder(&world);
    close_recorder(&world);
    const struct found found = find(world.history_folder, &query);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.decisions, 400);
    assert_int_equal(logged(&world, " WARN REJECT: policy=acl_block "), 400);
    assert_int_equal(logged(&world, "repeated refusals become one counted row"), 1);
    open_recorder(&world);
    wait_for(&world, journal_many(&world, 5, false));
    recorder_stats(world.recorder, &stats);
    assert_int_equal(stats.rows, 5);
    close_recorder(&world);
    close_journal(&world);
}

TEST(the_journal_is_released_up_to_what_history_and_snapshot_both_have) {
    struct world world;
    struct journal_stats before;
    struct journal_stats after;
    world_init(&world);
    open_recorder(&world);
    const uint64_t last = journal_many(&world, 1500, false);
    wait_for(&world, last);
    close_recorder(&world);
    journal_stats(world.journal, &before);
    assert_true(before.segments >= 4); /* No snapshot yet: all is kept. */
    open_recorder(&world);
    recorder_set_snapshot_position(world.recorder, last);
    close_recorder(&world); /* Checkpoints, then releases. */
    journal_stats(world.journal, &after);
    assert_true(after.segments <= 2);
    close_journal(&world);
}

TEST(a_follower_waits_for_its_time_and_no_longer) {
    struct world world;
    world_init(&world);
    open_recorder(&world);
    const uint64_t last = journal_many(&world, 1, false);
    wait_for(&world, last);
    assert_int_equal(recorder_wait(world.recorder, last, NS_PER_MS), last);
    assert_int_equal(recorder_wait(world.recorder, last - 1, INT64_C(60) * NS_PER_S), last);
    close_recorder(&world);
    close_journal(&world);
}
