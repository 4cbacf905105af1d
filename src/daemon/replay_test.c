/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/replay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "daemon/daemon_fixture.h"
#include "store/history.h"
#include "testing/test.h"

/* Enough rows that a replay is still under way when the next line of the test runs. */
enum { MANY = 60000, PER_SECOND = 100 };

static struct engine *engine;
static struct replay *replay;

/* What the engine of this installation would record of a stranger. */
struct stranger {
    struct decision_record record;
    unsigned char body[DECISION_RECORD_MAX];
    size_t length;
};

static void make_stranger(struct stranger *stranger) {
    struct decision_record *record = &stranger->record;
    const struct generation *generation = engine_generation_acquire(engine);
    memset(stranger, 0, sizeof *stranger);
    record->request = fixture_request(1);
    engine_explain(engine, &record->request, &record->facts, 0, &record->decision);
    stranger->length =
        decision_record_encode(&record->request, record->identity, &record->facts,
                               generation->version, 1, 1, &record->decision, stranger->body);
    engine_generation_release(engine, generation);
}

static void fill(const char *folder, struct stranger *stranger, size_t rows) {
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    const struct history_options options = {.folder = folder, .rows_per_file_max = 1000000};
    struct history_writer *writer = NULL;
    assert_int_equal(history_writer_open(&options, &writer, &problem), 0);
    const uint64_t first = history_writer_position(writer) + 1;
    const int64_t first_ns = clock_wall_ns() - INT64_C(3600) * NS_PER_S;
    for (size_t i = 0; i < rows; i++) {
        stranger->record.wall_ns = first_ns + (int64_t)i * (NS_PER_S / PER_SECOND);
        const struct history_record row = {.sequence = first + i,
                                           .time_ns = stranger->record.wall_ns,
                                           .version = DECISION_RECORD_VERSION,
                                           .body = {(const char *)stranger->body, stranger->length},
                                           .decision = &stranger->record};
        assert_int_equal(history_writer_add(writer, &row), 0);
    }
    assert_int_equal(history_writer_commit(writer, first + rows - 1), 0);
    history_writer_close(writer);
}

/* History has one writer: the engine's recorder has to be away meanwhile. */
static void begin(size_t rows) {
    static struct stranger stranger;
    char folder[256];
    (void)fixture_config("");
    engine = fixture_engine(false);
    make_stranger(&stranger);
    (void)snprintf(folder, sizeof folder, "%s", engine_history_folder(engine));
    engine_close(engine);
    fill(folder, &stranger, rows);
    engine = fixture_engine(false);
    replay = replay_new(engine);
    assert_non_null(replay);
}

static void end(void) {
    replay_free(replay);
    engine_close(engine);
}

static struct replay_proposal *propose(const char *key, const char *value) {
    const struct config_setting_change change = {str_from(key), str_from(value)};
    const struct replay_wish wish = {.settings = &change, .setting_count = 1};
    struct replay_proposal *proposal = NULL;
    struct engine_problem problem = {0};
    if (replay_proposal_new(engine, &wish, &proposal, &problem) != 0) {
        fail_msg("%s", problem.setting.text);
    }
    return proposal;
}

static uint64_t decisions_max = REPLAY_DECISIONS_MAX;

static int start(uint64_t *ret_id) {
    const struct replay_request request = {
        .from_ns = 0,
        .to_ns = clock_wall_ns(),
        .decisions_max = decisions_max,
        .samples_max = 2,
        .memory_bytes = 1 << 20,
        .proposal = propose("policies.greylisting.enabled", "false"),
        .asked = json_pack("{s:i}", "number", 17),
    };
    return replay_start(replay, &request, ret_id);
}

/* What replay_read() shows. */
struct seen {
    struct replay_status status;
    bool has_report;
    size_t samples;
    int asked;
};

static void look(void *context, const struct replay_status *status,
                 const struct replay_report *report, json_t *asked) {
    struct seen *seen = context;
    *seen = (struct seen){.status = *status, .has_report = report != NULL};
    seen->asked = (int)json_integer_value(json_object_get(asked, "number"));
    for (size_t i = 0; report != NULL && i < REPLAY_CHANGES_MAX; i++) {
        seen->samples += report->changes[i].sample_count;
    }
}

static struct seen see(void) {
    struct seen seen;
    replay_read(replay, look, &seen);
    return seen;
}

static struct seen wait_for_end(void) {
    replay_wait(replay);
    return see();
}

TEST(a_replay_ends_with_a_report_and_the_next_one_forgets_it) {
    uint64_t first = 0;
    uint64_t second = 0;
    begin(3000);
    assert_int_equal(see().status.state, REPLAY_NEVER);
    assert_int_equal(start(&first), 0);
    struct seen seen = wait_for_end();
    assert_int_equal(seen.status.state, REPLAY_DONE);
    assert_int_equal(seen.status.id, first);
    assert_int_equal(seen.status.progress.totals.decisions, 3000);
    assert_int_equal(seen.status.progress.totals.changed, 3000);
    assert_int_equal(seen.status.progress.totals.not_comparable, 0);
    assert_true(seen.status.progress.complete && seen.status.part == 1);
    assert_true(seen.has_report);
    assert_int_equal(seen.samples, 2);
    assert_int_equal(seen.asked, 17);
    assert_int_equal(start(&second), 0);
    assert_true(second > first);
    seen = wait_for_end();
    assert_int_equal(seen.status.id, second);
    assert_int_equal(seen.status.progress.totals.changed, 3000);
    end();
}

TEST(a_limit_that_is_just_reached_leaves_nothing_out) {
    uint64_t id = 0;
    begin(30);
    for (decisions_max = 29; decisions_max <= 30; decisions_max++) {
        assert_int_equal(start(&id), 0);
        const struct seen seen = wait_for_end();
        assert_int_equal(seen.status.state, REPLAY_DONE);
        assert_int_equal(seen.status.progress.totals.decisions, decisions_max);
        assert_int_equal(seen.status.progress.complete, decisions_max == 30);
    }
    decisions_max = REPLAY_DECISIONS_MAX;
    end();
}

TEST(one_replay_at_a_time_and_it_can_be_cancelled) {
    uint64_t id = 0;
    uint64_t other = 0;
    begin(MANY);
    assert_false(replay_cancel(replay));
    assert_int_equal(start(&id), 0);
    assert_int_equal(start(&other), -EBUSY);
    assert_false(see().has_report);
    assert_true(replay_cancel(replay));
    const struct seen seen = see();
    assert_int_equal(seen.status.state, REPLAY_CANCELLED);
    assert_int_equal(seen.status.id, id);
    assert_true(seen.has_report);
    assert_true(seen.status.progress.totals.decisions < MANY);
    assert_false(seen.status.progress.complete);
    assert_false(replay_cancel(replay));
    assert_int_equal(start(&id), 0); /* Its place is free again; end() cancels. */
    end();
}

TEST(settings_may_change_while_a_replay_runs) {
    uint64_t id = 0;
    uint64_t version = 0;
    struct engine_problem problem = {0};
    const struct config_setting_change change = {STR("greylisting.learning"), STR("true")};
    begin(MANY);
    assert_int_equal(start(&id), 0);
    assert_int_equal(engine_change_settings(engine, &change, 1, "test", &version, &problem), 0);
    const struct seen seen = wait_for_end();
    assert_int_equal(seen.status.state, REPLAY_DONE);
    assert_int_equal(seen.status.progress.totals.changed, MANY);
    end();
}

TEST(a_proposal_that_cannot_be_is_refused_as_the_change_is) {
    begin(1);
    static const struct {
        const char *key;
        const char *value;
    } rows[] = {{"greylisting.defer_time", "72h"},
                {"greylisting.defer_time", "soon"},
                {"greylisting.defer_tme", "60s"},
                {"paths.data", "/tmp"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct config_setting_change change = {str_from(rows[i].key),
                                                     str_from(rows[i].value)};
        const struct replay_wish wish = {.settings = &change, .setting_count = 1};
        struct replay_proposal *proposal = NULL;
        struct engine_problem proposing = {0};
        struct engine_problem changing = {0};
        uint64_t version;
        test_case(rows[i].value);
        const int refused = engine_change_settings(engine, &change, 1, "test", &version, &changing);
        assert_true(refused < 0);
        assert_int_equal(replay_proposal_new(engine, &wish, &proposal, &proposing), refused);
        assert_string_equal(proposing.setting.text, changing.setting.text);
        assert_null(proposal);
    }
    end();
}

TEST(simulated_tables_share_the_memory_that_is_set) {
    uint64_t capacities[STATE_TABLES];
    begin(1);
    replay_capacities(engine, UINT64_C(1) << 40, capacities);
    assert_true(capacities[STATE_GREYLIST] >= 1000 && capacities[STATE_GREYLIST] < 1200);
    const uint64_t whole = replay_bytes(capacities);
    replay_capacities(engine, whole / 4, capacities);
    assert_true(replay_bytes(capacities) < whole / 3);
    replay_capacities(engine, 1, capacities);
    for (unsigned table = 0; table < STATE_TABLES; table++) {
        assert_int_equal(capacities[table], 1);
    }
    end();
}
