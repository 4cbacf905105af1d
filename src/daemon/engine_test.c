/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/daemon_fixture.h"
#include "testing/test.h"

static const char deferred[] = "DEFER_IF_PERMIT";
static const char blocked[] = "REJECT";

static void assert_reply(struct engine *engine, unsigned number, const char *start) {
    const char *reply = fixture_ask(engine, number);
    if (strncmp(reply, start, strlen(start)) != 0) {
        fail_msg("expected %s, got %s", start, reply);
    }
}

static uint64_t greylist_entries(struct engine *engine) {
    struct engine_status status;
    engine_status(engine, &status);
    return status.tables[STATE_GREYLIST].used;
}

static uint64_t add(struct engine *engine, enum list_id list, const char *pattern) {
    struct config_list_entry entry = {.item = {.list = list, .direction = LIST_BOTH_DIRECTIONS}};
    char bytes[256];
    struct text text = TEXT_OVER(bytes);
    assert_null(
        address_pattern_parse(PATTERN_EMAIL, str_from(pattern), &entry.item.pattern, &text));
    struct config_add_result result;
    struct engine_problem problem = {0};
    assert_int_equal(engine_add_entries(engine, &entry, 1, "test", &result, &problem), 0);
    return entry.item.id;
}

static int set(struct engine *engine, const char *key, const char *value,
               struct engine_problem *problem) {
    const struct config_setting_change change = {str_from(key), str_from(value)};
    uint64_t version;
    *problem = (struct engine_problem){0};
    return engine_change_settings(engine, &change, 1, "test", &version, problem);
}

TEST(what_was_answered_is_known_after_a_restart) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    for (unsigned i = 0; i < 100; i++) {
        assert_reply(engine, i, deferred);
    }
    assert_int_equal(greylist_entries(engine), 100);
    engine_close(engine);
    engine = fixture_engine(false);
    assert_int_equal(greylist_entries(engine), 100);
    assert_int_equal(counter_read(&engine_counters(engine)->requests), 0);
    engine_close(engine);
}

TEST(other_states_are_answered_and_leave_nothing) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    struct turn_item item = {.request = fixture_request(1)};
    item.request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    (void)engine_pin(engine, 0);
    engine_turn(engine, 0, &item, 1);
    engine_unpin(engine, 0);
    assert_int_equal(item.reply_length, 5);
    assert_memory_equal(item.reply, "DUNNO", 5);
    assert_int_equal(counter_read(&engine_counters(engine)->other_states), 1);
    assert_int_equal(counter_read(&engine_counters(engine)->requests), 0);
    assert_int_equal(greylist_entries(engine), 0);
    engine_close(engine);
}

TEST(strict_answers_name_the_sequence_to_wait_for) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    struct turn_item items[2] = {{.request = fixture_request(1)}, {.request = fixture_request(1)}};
    (void)engine_pin(engine, 0);
    engine_turn(engine, 0, items, 2);
    assert_int_equal(items[0].sequence, 0);
    struct engine_problem problem;
    assert_int_equal(set(engine, "journal.durability", "strict", &problem), 0);
    engine_turn(engine, 0, items, 2);
    assert_true(items[0].sequence > 0);
    assert_int_equal(items[1].sequence, items[0].sequence + 1);
    engine_unpin(engine, 0);
    engine_close(engine);
}

TEST(a_setting_changed_counts_with_the_next_request) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    struct engine_problem problem;
    assert_reply(engine, 1, deferred);
    assert_int_equal(set(engine, "policies.greylisting.enabled", "false", &problem), 0);
    assert_reply(engine, 2, "DUNNO");
    assert_int_equal(greylist_entries(engine), 1);
    engine_close(engine);
    engine = fixture_engine(false);
    assert_reply(engine, 3, "DUNNO");
    engine_close(engine);
}

TEST(a_wrong_change_changes_nothing_and_says_why) {
    (void)fixture_config("greylisting:\n  text: from the file\n");
    static const struct {
        const char *key;
        const char *value;
        int error;
    } rows[] = {
        {"greylisting.defer_time", "5 minutse", -EINVAL},
        {"greylisting.text", "another", -EEXIST},
        {"paths.control_socket", "/elsewhere", -EINVAL},
        {"no.such_key", "1", -EINVAL},
    };
    struct engine *engine = fixture_engine(false);
    const uint64_t version = config_db_version(engine_config_lock(engine));
    engine_config_unlock(engine);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].key);
        struct engine_problem problem;
        assert_int_equal(set(engine, rows[i].key, rows[i].value, &problem), rows[i].error);
        assert_true(strlen(problem.setting.text) > 10);
        assert_string_equal(problem.key, rows[i].key);
    }
    assert_int_equal(config_db_version(engine_config_lock(engine)), version);
    engine_config_unlock(engine);
    engine_close(engine);
}

TEST(what_needs_a_restart_is_pending_until_then) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    const struct setting_info *info = setting_find(STR("policy_server.workers"));
    struct engine_problem problem;
    assert_false(engine_setting_pending(engine, info));
    assert_int_equal(set(engine, "policy_server.workers", "3", &problem), 0);
    assert_true(engine_setting_pending(engine, info));
    assert_int_equal(engine_setting_origin(engine, info), SETTING_FROM_DATABASE);
    engine_close(engine);
    engine = fixture_engine(false);
    assert_false(engine_setting_pending(engine, info));
    engine_close(engine);
}

TEST(an_entry_counts_at_once_and_goes_at_once) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    const uint64_t id = add(engine, LIST_BLOCK, "aab@example.org");
    assert_reply(engine, 1, blocked);
    assert_reply(engine, 2, deferred);
    uint64_t version;
    assert_int_equal(engine_remove_entries(engine, &id, 1, "test", &version), 0);
    assert_reply(engine, 1, deferred);
    engine_close(engine);
}

/* The base holds the first entry of that pattern, the delta the one that took its place: when that
 * is removed, the first must not come back. */
TEST(a_replaced_and_removed_entry_does_not_come_back) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    (void)add(engine, LIST_BLOCK, "aab@example.org");
    engine_close(engine);
    engine = fixture_engine(false);
    assert_reply(engine, 1, blocked);
    struct config_list_entry entry = {.item = {.list = LIST_BLOCK, .direction = LIST_INBOUND},
                                      .comment = "again"};
    char bytes[256];
    struct text text = TEXT_OVER(bytes);
    assert_null(
        address_pattern_parse(PATTERN_EMAIL, STR("aab@example.org"), &entry.item.pattern, &text));
    struct config_add_result result;
    struct engine_problem problem = {0};
    assert_int_equal(engine_add_entries(engine, &entry, 1, "test", &result, &problem), 0);
    assert_int_equal(result.changed, 1);
    assert_reply(engine, 1, blocked);
    uint64_t version;
    assert_int_equal(engine_remove_entries(engine, &entry.item.id, 1, "test", &version), 0);
    assert_reply(engine, 1, deferred);
    struct engine_status status;
    engine_status(engine, &status);
    assert_int_equal(status.list_counts[LIST_BLOCK], 0);
    engine_close(engine);
}

/* More than the delta takes: an import is in force when it has ended. What was changed before and
 * meanwhile is neither lost nor does it hide what the import says. */
TEST(an_import_is_in_force_when_it_has_ended) {
    enum { IMPORTED = 70000 };
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    const uint64_t early = add(engine, LIST_BLOCK, "aac@example.org");
    uint64_t version;
    assert_int_equal(engine_remove_entries(engine, &early, 1, "test", &version), 0);
    struct config_list_entry *entries = calloc(IMPORTED, sizeof *entries);
    assert_non_null(entries);
    for (unsigned i = 0; i < IMPORTED; i++) {
        char pattern[64];
        char bytes[256];
        struct text text = TEXT_OVER(bytes);
        (void)snprintf(pattern, sizeof pattern, "u%u@import.example", i);
        entries[i] =
            (struct config_list_entry){.item = {.list = LIST_BLOCK, .direction = LIST_INBOUND}};
        const char *address = i == 0   ? "aab@example.org"
                              : i == 1 ? "aac@example.org"
                              : i == 2 ? "aae@example.org"
                                       : pattern;
        assert_null(address_pattern_parse(PATTERN_EMAIL, str_from(address),
                                          &entries[i].item.pattern, &text));
    }
    struct config_add_result result;
    struct engine_problem problem = {0};
    assert_int_equal(engine_import_entries(engine, entries, IMPORTED, "test", &result, &problem),
                     0);
    assert_int_equal(result.added, IMPORTED);
    assert_reply(engine, 1, deferred);
    (void)add(engine, LIST_BLOCK, "aad@example.org");
    assert_reply(engine, 3, blocked);
    assert_int_equal(engine_remove_entries(engine, &entries[0].item.id, 1, "test", &version), 0);
    assert_int_equal(engine_finish_import(engine), 0);
    for (int again = 0; again < 2; again++) {
        assert_reply(engine, 1, deferred);
        assert_reply(engine, 2, blocked);
        assert_reply(engine, 3, blocked);
        assert_reply(engine, 4, blocked);
        struct engine_status status;
        engine_status(engine, &status);
        assert_int_equal(status.list_counts[LIST_BLOCK], IMPORTED);
        engine_close(engine);
        engine = again == 0 ? fixture_engine(false) : NULL;
    }
    free(entries);
}

TEST(a_pinned_generation_lives_until_it_is_let_go) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    const struct generation *pinned = engine_pin(engine, 0);
    const struct generation *held = engine_generation_acquire(engine);
    assert_ptr_equal(pinned, held);
    struct engine_problem problem;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(set(engine, "greylisting.defer_time", i % 2 == 0 ? "7s" : "8s", &problem),
                         0);
    }
    assert_int_equal(pinned->settings->policy.greylisting.defer_time_s, 300);
    engine_unpin(engine, 0);
    assert_int_equal(held->settings->policy.greylisting.defer_time_s, 300);
    engine_generation_release(engine, held);
    assert_int_equal(engine_pin(engine, 0)->settings->policy.greylisting.defer_time_s, 7);
    engine_unpin(engine, 0);
    engine_close(engine);
}

TEST(explaining_changes_nothing) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    const struct policy_request request = fixture_request(1);
    struct facts facts = {0};
    static struct decision decision;
    engine_explain(engine, &request, &facts, 0, &decision);
    assert_int_equal(decision.verdict, VERDICT_DEFER);
    assert_int_equal(decision.reason, REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(greylist_entries(engine), 0);
    engine_close(engine);
}

TEST(a_backup_is_a_data_folder_with_the_same_state) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    (void)add(engine, LIST_BLOCK, "aab@example.org");
    for (unsigned i = 2; i < 40; i++) {
        assert_reply(engine, i, deferred);
    }
    char folder[128];
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    (void)snprintf(folder, sizeof folder, "%s/backup", test_folder());
    if (engine_backup(engine, folder, NULL, &problem) != 0) {
        fail_msg("%s", text_zero(&problem));
    }
    assert_int_equal(engine_backup(engine, folder, NULL, &problem), -EEXIST);
    engine_close(engine);

    char data[128];
    (void)snprintf(data, sizeof data, "%s/data", test_folder());
    char aside[128];
    (void)snprintf(aside, sizeof aside, "%s/before", test_folder());
    assert_int_equal(rename(data, aside), 0);
    assert_int_equal(rename(folder, data), 0);
    char ring[128];
    (void)snprintf(ring, sizeof ring, "%s/run/ring", test_folder());
    (void)unlink(ring);
    engine = fixture_engine(false);
    assert_int_equal(greylist_entries(engine), 38);
    assert_reply(engine, 1, blocked);
    engine_close(engine);
}

static bool count_down(void *context) {
    unsigned *left = context;
    return (*left)-- == 0;
}

TEST(a_backup_and_a_snapshot_give_up_when_the_service_is_to_stop) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    assert_reply(engine, 1, deferred);
    char folder[128];
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    unsigned left = 0;
    const struct engine_stop stop = {count_down, &left};
    (void)snprintf(folder, sizeof folder, "%s/backup", test_folder());
    struct engine_status status;
    engine_status(engine, &status);
    const uint64_t last = status.journal.next_sequence - 1;
    assert_int_equal(journal_sync(engine_journal(engine), INT64_C(60) * NS_PER_S), 0);
    assert_true(recorder_wait(engine_recorder(engine), last - 1, INT64_C(60) * NS_PER_S) >= last);
    assert_int_equal(engine_backup(engine, folder, &stop, &problem), -ECANCELED);
    assert_non_null(strstr(text_zero(&problem), "make the backup anew; remove the unfinished "));
    assert_int_equal(access(folder, F_OK), -1);
    left = 0;
    assert_int_equal(engine_snapshot(engine, INT64_C(60) * NS_PER_S, &stop), -ECANCELED);
    engine_close(engine);
}

TEST(a_snapshot_that_failed_says_why) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/data/state.snapshot.tmp", test_folder());
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(engine_snapshot(engine, INT64_C(60) * NS_PER_S, NULL), -EISDIR);
    engine_close(engine);
}

TEST(a_backup_that_failed_never_bears_its_name) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/data/history/damaged.db", test_folder());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("This is no database, though its name says so.\n", file) >= 0);
    (void)fclose(file);
    char folder[64];
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    (void)snprintf(folder, sizeof folder, "%s/backup", test_folder());
    assert_int_equal(engine_backup(engine, folder, NULL, &problem), -EIO);
    assert_non_null(strstr(text_zero(&problem), "damaged.db: "));
    assert_non_null(strstr(bytes, "; remove the unfinished "));
    assert_int_equal(access(folder, F_OK), -1);
    (void)snprintf(path, sizeof path, "%s.partial/config.db", folder);
    assert_int_equal(access(path, F_OK), 0);
    engine_close(engine);
}

TEST(a_new_engine_takes_over_from_the_one_before_it) {
    (void)fixture_config("");
    struct engine *before = fixture_engine(false);
    for (unsigned i = 0; i < 10; i++) {
        assert_reply(before, i, deferred);
    }
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    engine_keep_journal(before, true);
    struct engine *after = fixture_engine(true);
    for (unsigned i = 10; i < 20; i++) {
        assert_reply(before, i, deferred);
    }
    assert_int_equal(engine_follow(after, &problem), 0);
    (void)add(before, LIST_BLOCK, "aab@example.org"); /* After the new one had read the lists. */
    assert_reply(before, 20, deferred);

    engine_prepare_yield(before);
    int lock_fd;
    struct decision_clock clock;
    assert_int_equal(engine_yield(before, &lock_fd, &clock), 0);
    assert_int_equal(engine_catch_up(after, &problem), 0);
    const int passed_fd = dup(lock_fd);
    if (engine_take_over(after, passed_fd, &clock, &problem) != 0) {
        fail_msg("%s", text_zero(&problem));
    }
    assert_int_equal(greylist_entries(after), 21);
    assert_reply(after, 1, blocked);
    assert_reply(after, 30, deferred);
    engine_close(before);
    assert_reply(after, 31, deferred);
    engine_close(after);
}

TEST(an_engine_that_was_not_relieved_goes_on) {
    (void)fixture_config("");
    struct engine *engine = fixture_engine(false);
    assert_reply(engine, 1, deferred);
    engine_prepare_yield(engine);
    struct engine_problem problem;
    assert_int_equal(set(engine, "greylisting.defer_time", "7s", &problem), -EAGAIN);
    int lock_fd;
    struct decision_clock clock;
    assert_int_equal(engine_yield(engine, &lock_fd, &clock), 0);
    char bytes[512];
    struct text text = TEXT_OVER(bytes);
    assert_int_equal(engine_resume(engine, true, &text), 0);
    assert_reply(engine, 2, deferred);
    assert_int_equal(set(engine, "greylisting.defer_time", "7s", &problem), 0);
    engine_close(engine);
    engine = fixture_engine(false);
    assert_int_equal(greylist_entries(engine), 2);
    engine_close(engine);
}
