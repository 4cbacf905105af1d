/* SPDX-License-Identifier: Apache-2.0 */
#include "store/config_rules.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "testing/test.h"

static const char *path_of(const char *name) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

static struct config_db *open_db(void) {
    char said[512];
    struct text problem = TEXT_OVER(said);
    struct config_db *db = NULL;
    assert_int_equal(config_db_open(path_of("config.db"), &db, &problem), 0);
    return db;
}

/* --- what there is, as text ------------------------------------------------------------------ */

static bool collect_rule(void *context, const struct config_rule *rule) {
    struct text *out = context;
    text_add_u64(out, rule->row.id);
    text_add_byte(out, ' ');
    text_add(out, str_from(rule_kind_name(rule->row.kind)));
    const struct str parts[] = {rule->row.subject, rule->row.value, rule->row.text, rule->comment,
                                rule->author};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        text_add_byte(out, '|');
        text_add(out, parts[i]);
    }
    text_add_byte(out, '|');
    text_add_u64(out, rule->row.expires_s);
    text_add_byte(out, '|');
    text_add_u64(out, (uint64_t)rule->created_wall_ns);
    text_add_byte(out, '|');
    text_add_u64(out, rule->version);
    text_add_byte(out, '\n');
    return true;
}

static const char *all(struct config_db *db) {
    static char shown[4096];
    struct text out = TEXT_OVER(shown);
    assert_int_equal(config_db_each_rule(db, collect_rule, &out), 0);
    return text_zero(&out);
}

static bool collect_id(void *context, const struct config_rule *rule) {
    struct text *out = context;
    text_add_u64(out, rule->row.id);
    text_add_byte(out, ' ');
    return true;
}

static const char *ids(struct config_db *db, enum rule_kind kind, const char *contains,
                       uint64_t before_id, size_t limit) {
    static char shown[256];
    struct text out = TEXT_OVER(shown);
    assert_int_equal(
        config_db_rules(db, kind, str_from(contains), before_id, limit, collect_id, &out), 0);
    return text_zero(&out);
}

static bool collect_change(void *context, const struct config_change *change) {
    struct text *out = context;
    text_add_u64(out, change->version);
    const struct str parts[] = {change->author, change->subject, change->before, change->after};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        text_add_byte(out, '|');
        text_add(out, parts[i]);
    }
    text_add_byte(out, '\n');
    return true;
}

static const char *changes(struct config_db *db) {
    static char shown[8192];
    struct text out = TEXT_OVER(shown);
    assert_int_equal(config_db_changes(db, 0, 100, collect_change, &out), 0);
    return text_zero(&out);
}

/* --- changing -------------------------------------------------------------------------------- */

struct builds {
    unsigned count;
    int answer;
    char seen[4096]; /* what the database said when it was asked */
};

static int build(void *context, struct config_db *db) {
    struct builds *builds = context;
    builds->count++;
    (void)snprintf(builds->seen, sizeof builds->seen, "%s", all(db));
    return builds->answer;
}

static struct builds builds;

static struct config_rule quota(const char *subject, const char *value) {
    return (struct config_rule){.row = {.kind = RULE_QUOTA,
                                        .subject = str_from(subject),
                                        .value = str_from(value),
                                        .text = STR("")},
                                .comment = STR("")};
}

static struct config_rule_result put(struct config_db *db, struct config_rule rule) {
    struct config_rule_result result = {0};
    assert_int_equal(config_db_put_rule(db, &rule, "anna", 1000, build, &builds, &result), 0);
    assert_int_equal(result.version, config_db_version(db));
    return result;
}

TEST(config_rules_are_there_again_after_the_database_was_closed) {
    builds = (struct builds){0};
    struct config_db *db = open_db();
    struct config_rule rule = quota("user bob@example.com", "500 recipients/day");
    rule.row.expires_s = 77;
    rule.comment = STR("newsletter");
    const struct config_rule_result first = put(db, rule);
    assert_int_equal(first.id, 1);
    assert_true(first.added && !first.changed);
    assert_int_equal(first.version, 2);
    const struct config_rule restriction = {.row = {.kind = RULE_RESTRICTION,
                                                    .subject = STR("bob@example.com"),
                                                    .value = STR("*@company.com\nc@d.example"),
                                                    .text = STR("No.")}};
    assert_int_equal(put(db, restriction).id, 2);
    config_db_close(db);
    db = open_db();
    assert_string_equal(
        all(db), "1 quota|user bob@example.com|500 recipients/day||newsletter|anna|77|1000|2\n"
                 "2 restriction|bob@example.com|*@company.com\nc@d.example|No.||anna|0|1000|3\n");
    assert_string_equal(
        changes(db), "3|anna|restriction 2||bob@example.com: *@company.com, c@d.example \"No.\"\n"
                     "2|anna|quota 1||user bob@example.com: 500 recipients/day"
                     " (until 1970-01-01T00:01:17.000Z): newsletter\n");
    config_db_close(db);
}

TEST(config_rules_keep_their_id_when_they_change_and_no_row_is_edited) {
    builds = (struct builds){0};
    struct config_db *db = open_db();
    assert_int_equal(put(db, quota("user *", "500 recipients/day")).id, 1);
    const struct config_rule_result again = put(db, quota("user *", "700 recipients/day"));
    assert_int_equal(again.id, 1);
    assert_true(again.changed && !again.added);
    assert_int_equal(builds.count, 2);
    const struct config_rule_result same = put(db, quota("user *", "700 recipients/day"));
    assert_true(!same.changed && !same.added);
    assert_int_equal(same.id, 1);
    assert_int_equal(same.version, 3);
    assert_int_equal(builds.count, 2);
    assert_string_equal(all(db), "1 quota|user *|700 recipients/day|||anna|0|1000|3\n");
    config_db_close(db);
    sqlite3 *connection = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(path_of("config.db"), &connection), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(connection,
                                        "SELECT group_concat(value || ' ' || added_version || ' '"
                                        " || coalesce(removed_version, 'now'), '; ') FROM rules",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0),
                        "500 recipients/day 2 3; 700 recipients/day 3 now");
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(connection);
}

TEST(config_rules_of_one_subject_stand_beside_each_other_by_unit_and_window) {
    builds = (struct builds){0};
    struct config_db *db = open_db();
    assert_int_equal(put(db, quota("user *", "500 recipients/day")).id, 1);
    assert_int_equal(put(db, quota("user *", "20 recipients/minute")).id, 2);
    assert_int_equal(put(db, quota("user *", "500 messages/day")).id, 3);
    assert_int_equal(put(db, quota("domain example.com", "500 recipients/day")).id, 4);
    /* An id that is named must be there, and may not take another's place. */
    struct config_rule rule = quota("user *", "9 recipients/minute");
    struct config_rule_result result = {0};
    rule.row.id = 1;
    assert_int_equal(config_db_put_rule(db, &rule, "anna", 1, build, &builds, &result), -EEXIST);
    assert_int_equal(result.id, 2);
    rule.row.id = 9;
    assert_int_equal(config_db_put_rule(db, &rule, "anna", 1, build, &builds, &result), -ENOENT);
    rule = quota("user *", "10 recipients/hour");
    rule.row.id = 1;
    assert_int_equal(put(db, rule).id, 1);
    /* A rule of another kind is not touched by its number. */
    rule.row.kind = RULE_IDENTITY;
    assert_int_equal(config_db_put_rule(db, &rule, "anna", 1, build, &builds, &result), -ENOENT);
    assert_string_equal(ids(db, RULE_QUOTA, "", 0, 10), "4 3 2 1 ");
    assert_string_equal(ids(db, RULE_QUOTA, "", 4, 2), "3 2 ");
    assert_string_equal(ids(db, RULE_QUOTA, "HOUR", 0, 10), "1 ");
    assert_string_equal(ids(db, RULE_QUOTA, "example", 0, 10), "4 ");
    assert_string_equal(ids(db, RULE_RESTRICTION, "", 0, 10), "");
    assert_int_equal(config_db_version(db), 6);
    config_db_close(db);
}

TEST(config_rules_that_cannot_be_built_change_nothing) {
    builds = (struct builds){0};
    struct config_db *db = open_db();
    assert_int_equal(put(db, quota("user *", "500 recipients/day")).id, 1);
    builds.answer = -ENOMEM;
    struct config_rule rule = quota("user *", "0 recipients/day");
    struct config_rule_result result = {0};
    uint64_t version = 0;
    assert_int_equal(config_db_put_rule(db, &rule, "anna", 1, build, &builds, &result), -ENOMEM);
    assert_string_equal(builds.seen, "1 quota|user *|0 recipients/day|||anna|0|1|3\n");
    assert_int_equal(config_db_remove_rule(db, RULE_QUOTA, 1, "anna", 1, build, &builds, &version),
                     -ENOMEM);
    assert_string_equal(builds.seen, "");
    assert_int_equal(builds.count, 3);
    assert_int_equal(config_db_version(db), 2);
    assert_string_equal(all(db), "1 quota|user *|500 recipients/day|||anna|0|1000|2\n");
    config_db_close(db);
}

TEST(config_rules_removed_are_gone_and_their_id_is_not_used_again) {
    builds = (struct builds){0};
    struct config_db *db = open_db();
    uint64_t version = 0;
    assert_int_equal(put(db, quota("user *", "500 recipients/day")).id, 1);
    assert_int_equal(
        config_db_remove_rule(db, RULE_RESTRICTION, 1, "bert", 1, build, &builds, &version),
        -ENOENT);
    assert_int_equal(config_db_remove_rule(db, RULE_QUOTA, 1, "bert", 1, build, &builds, &version),
                     0);
    assert_int_equal(version, 3);
    assert_string_equal(all(db), "");
    assert_int_equal(config_db_remove_rule(db, RULE_QUOTA, 1, "bert", 1, build, &builds, &version),
                     -ENOENT);
    assert_int_equal(put(db, quota("user *", "500 recipients/day")).id, 2);
    assert_string_equal(changes(db), "4|anna|quota 2||user *: 500 recipients/day\n"
                                     "3|bert|quota 1|user *: 500 recipients/day|\n"
                                     "2|anna|quota 1||user *: 500 recipients/day\n");
    config_db_close(db);
}

TEST(config_rules_with_many_lines_are_told_in_the_change_log_with_how_many_more) {
    static char value[3000];
    struct text lines = TEXT_OVER(value);
    builds = (struct builds){0};
    struct config_db *db = open_db();
    for (unsigned i = 0; i < 200; i++) {
        text_add(&lines, i > 0 ? STR("\n") : STR(""));
        text_add(&lines, STR("a@b.example"));
    }
    const struct config_rule rule = {
        .row = {.kind = RULE_IDENTITY, .subject = STR("bob"), .value = text_str(&lines)}};
    assert_int_equal(put(db, rule).id, 1);
    const char *said = changes(db);
    assert_non_null(strstr(said, "bob: a@b.example, a@b.example, "));
    assert_non_null(strstr(said, ", a@b.example and 121 more\n"));
    config_db_close(db);
}

TEST(config_rules_come_into_a_database_of_the_release_before) {
    struct config_db *db = open_db();
    config_db_close(db);
    sqlite3 *connection = NULL;
    assert_int_equal(sqlite3_open(path_of("config.db"), &connection), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(connection, "DROP TABLE rules; PRAGMA user_version = 1", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
    db = open_db();
    builds = (struct builds){0};
    assert_int_equal(put(db, quota("user *", "500 recipients/day")).version, 2);
    config_db_close(db);
}
