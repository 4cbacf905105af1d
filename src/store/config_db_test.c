/* SPDX-License-Identifier: Apache-2.0 */
#include "store/config_db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/config_connection.h"
#include "testing/test.h"

static char said[512];
static struct text problem;

static const char *path_of(const char *name) {
    static char paths[4][256];
    static size_t next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
    return path;
}

static int open_db(const char *path, struct config_db **ret_db) {
    problem = TEXT_OVER(said);
    const int result = config_db_open(path, ret_db, &problem);
    (void)text_zero(&problem);
    return result;
}

static struct config_db *new_db(void) {
    struct config_db *db = NULL;
    assert_int_equal(open_db(path_of("config.db"), &db), 0);
    return db;
}

/* Another program's hand in the file. */
static void meddle(const char *path, const char *sql) {
    sqlite3 *connection = NULL;
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

/* --- settings ------------------------------------------------------------------------------- */

static void collect_setting(void *context, struct str key, struct str value) {
    struct text *out = context;
    text_add(out, key);
    text_add_byte(out, '=');
    text_add(out, value);
    text_add_byte(out, ';');
}

static const char *settings_now(struct config_db *db) {
    static char shown[1024];
    struct text out = TEXT_OVER(shown);
    assert_int_equal(config_db_each_setting(db, collect_setting, &out), 0);
    return text_zero(&out);
}

static const char *settings_at(struct config_db *db, uint64_t version) {
    static char shown[1024];
    struct text out = TEXT_OVER(shown);
    assert_int_equal(config_db_settings_at(db, version, collect_setting, &out), 0);
    return text_zero(&out);
}

static uint64_t set(struct config_db *db, const char *key, const char *value) {
    const struct config_setting_change change = {str_from(key), str_from(value)};
    uint64_t version = 0;
    assert_int_equal(config_db_change_settings(db, &change, 1, "anna", 1000, &version), 0);
    assert_int_equal(version, config_db_version(db));
    return version;
}

static bool collect_change(void *context, const struct config_change *change) {
    struct text *out = context;
    text_add_u64(out, change->version);
    text_add_byte(out, ' ');
    text_add(out, change->author);
    text_add_byte(out, ' ');
    text_add(out, change->subject);
    text_add(out, STR(": "));
    text_add(out, change->before);
    text_add(out, STR(" -> "));
    text_add(out, change->after);
    text_add_byte(out, '\n');
    return true;
}

static const char *changes(struct config_db *db, uint64_t before_version, size_t limit) {
    static char shown[8192];
    struct text out = TEXT_OVER(shown);
    assert_int_equal(config_db_changes(db, before_version, limit, collect_change, &out), 0);
    return text_zero(&out);
}

TEST(config_db_is_made_for_its_owner_alone_and_found_again) {
    struct config_db *db = new_db();
    struct stat status;
    assert_int_equal(config_db_version(db), 1);
    assert_int_equal(set(db, "greylisting.defer_time", "2m"), 2);
    assert_int_equal(stat(path_of("config.db"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(stat(path_of("config.db-wal"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    int64_t synchronous = 0;
    assert_int_equal(config_number(db, "PRAGMA synchronous", 0, &synchronous), 0);
    assert_int_equal(synchronous, 2); /* FULL: a change that was answered survives power loss */
    config_db_close(db);
    db = new_db();
    assert_int_equal(config_db_version(db), 2);
    assert_string_equal(settings_now(db), "greylisting.defer_time=2m;");
    config_db_close(db);
    config_db_close(NULL);
}

TEST(config_db_tells_the_settings_of_every_past_version) {
    struct config_db *db = new_db();
    assert_int_equal(set(db, "greylisting.defer_time", "2m"), 2);
    assert_int_equal(set(db, "greylisting.defer_time", "3m"), 3);
    const struct config_setting_change two[] = {
        {STR("log.level"), STR("debug")},
        {STR("greylisting.defer_time"), {NULL, 0}},
    };
    uint64_t version = 0;
    assert_int_equal(config_db_change_settings(db, two, 2, "root", 2000, &version), 0);
    assert_int_equal(version, 4);
    assert_int_equal(set(db, "greylisting.text", ""), 5);
    assert_string_equal(settings_now(db), "greylisting.text=;log.level=debug;");
    assert_string_equal(settings_at(db, 1), "");
    assert_string_equal(settings_at(db, 2), "greylisting.defer_time=2m;");
    assert_string_equal(settings_at(db, 3), "greylisting.defer_time=3m;");
    assert_string_equal(settings_at(db, 4), "log.level=debug;");
    struct text out = TEXT_OVER(said);
    assert_int_equal(config_db_settings_at(db, 6, collect_setting, &out), -ENOENT);
    assert_int_equal(config_db_settings_at(db, UINT64_MAX, collect_setting, &out), -ENOENT);
    assert_string_equal(changes(db, 0, 100), "5 anna setting greylisting.text:  -> \n"
                                             "4 root setting log.level:  -> debug\n"
                                             "4 root setting greylisting.defer_time: 3m -> \n"
                                             "3 anna setting greylisting.defer_time: 2m -> 3m\n"
                                             "2 anna setting greylisting.defer_time:  -> 2m\n");
    /* Pages: a version is told whole, its number is the cursor. */
    assert_string_equal(changes(db, 5, 1), "4 root setting log.level:  -> debug\n"
                                           "4 root setting greylisting.defer_time: 3m -> \n");
    config_db_close(db);
}

TEST(config_db_change_of_settings_is_always_a_version_and_logs_what_differs) {
    struct config_db *db = new_db();
    assert_int_equal(set(db, "log.level", "debug"), 2);
    assert_int_equal(set(db, "log.level", "debug"), 3); /* the generation has that number */
    const struct config_setting_change absent = {STR("log.format"), {NULL, 0}};
    uint64_t version = 0;
    assert_int_equal(config_db_change_settings(db, &absent, 1, "anna", 0, &version), 0);
    assert_int_equal(version, 4);
    const struct config_setting_change twice[] = {{STR("log.level"), STR("warn")},
                                                  {STR("log.level"), STR("error")}};
    assert_int_equal(config_db_change_settings(db, twice, 2, "anna", 0, &version), 0);
    assert_int_equal(version, 5);
    assert_string_equal(settings_now(db), "log.level=error;");
    assert_string_equal(settings_at(db, 4), "log.level=debug;");
    assert_string_equal(changes(db, 5, 10), "2 anna setting log.level:  -> debug\n");
    config_db_close(db);
}

TEST(config_db_notes_the_file_and_lets_it_win_in_the_past) {
    struct config_db *db = new_db();
    assert_int_equal(set(db, "log.level", "debug"), 2);
    const struct config_setting_change file[] = {{STR("log.level"), STR("warn")},
                                                 {STR("paths.data"), STR("/srv")}};
    assert_int_equal(config_db_note_file(db, file, 2, 5000), 0);
    assert_int_equal(config_db_version(db), 3);
    assert_int_equal(config_db_note_file(db, file, 2, 6000), 0); /* as before */
    assert_int_equal(config_db_version(db), 3);
    assert_string_equal(settings_at(db, 2), "log.level=debug;");
    assert_string_equal(settings_at(db, 3), "log.level=warn;paths.data=/srv;");
    assert_string_equal(settings_now(db), "log.level=debug;"); /* the database's own */
    assert_int_equal(config_db_note_file(db, file + 1, 1, 7000), 0);
    assert_string_equal(settings_at(db, 4), "log.level=debug;paths.data=/srv;");
    assert_string_equal(settings_at(db, 3), "log.level=warn;paths.data=/srv;");
    assert_string_equal(changes(db, 0, 1), "4 seczim.yaml file log.level: warn -> \n");
    config_db_close(db);
}

/* --- lists ---------------------------------------------------------------------------------- */

static struct config_list_entry entry_of(enum list_id list, enum pattern_type type,
                                         const char *pattern, const char *comment) {
    struct config_list_entry entry;
    char words[256];
    struct text sentence = TEXT_OVER(words);
    memset(&entry, 0, sizeof entry);
    entry.item.list = list;
    test_case(pattern);
    assert_null(address_pattern_parse(type, str_from(pattern), &entry.item.pattern, &sentence));
    (void)snprintf(entry.comment, sizeof entry.comment, "%s", comment);
    return entry;
}

static struct config_add_result add(struct config_db *db, struct config_list_entry *entries,
                                    size_t count) {
    struct config_add_result result = {0};
    assert_int_equal(config_db_add_entries(db, entries, count, "anna", 777, &result), 0);
    assert_int_equal(result.version, config_db_version(db));
    return result;
}

static bool collect_entry(void *context, const struct config_list_entry *entry) {
    struct text *out = context;
    text_add_u64(out, entry->item.id);
    text_add_byte(out, ' ');
    address_pattern_format(&entry->item.pattern, out);
    text_add_byte(out, ' ');
    text_add(out, str_from(entry->comment));
    text_add_byte(out, ';');
    return true;
}

static const char *listed(struct config_db *db, enum list_id list, const char *contains,
                          uint64_t before_id, size_t limit) {
    static char shown[4096];
    struct text out = TEXT_OVER(shown);
    assert_int_equal(
        config_db_list(db, list, str_from(contains), before_id, limit, collect_entry, &out), 0);
    return text_zero(&out);
}

TEST(config_db_entry_of_every_kind_comes_back_as_it_went_in) {
    struct config_db *db = new_db();
    struct config_list_entry entries[] = {
        entry_of(LIST_ALLOW, PATTERN_EMAIL, "a@example.com", "an address"),
        entry_of(LIST_BLOCK, PATTERN_EMAIL, "*@example.com", ""),
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "example.com", "the domain"),
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "*.example.com", ""),
        entry_of(LIST_ALLOW, PATTERN_IP, "192.0.2.0/24", "v4"),
        entry_of(LIST_ALLOW, PATTERN_IP, "2001:db8::1", "v6"),
    };
    enum { COUNT = sizeof entries / sizeof entries[0] };
    entries[1].item.direction = LIST_BOTH_DIRECTIONS;
    entries[2].item.require = LIST_PROOF_SPF;
    entries[3].item.expires_s = UINT32_MAX;
    const struct config_add_result result = add(db, entries, COUNT);
    assert_int_equal(result.added, COUNT);
    assert_int_equal(result.changed + result.unchanged, 0);
    for (size_t i = 0; i < COUNT; i++) {
        struct config_list_entry found;
        test_case(entries[i].comment);
        assert_int_equal(entries[i].item.id, i + 1);
        assert_int_equal(config_db_entry(db, i + 1, &found), 0);
        assert_int_equal(found.item.id, i + 1);
        assert_int_equal(found.item.list, entries[i].item.list);
        assert_int_equal(found.item.direction, entries[i].item.direction);
        assert_int_equal(found.item.require, entries[i].item.require);
        assert_int_equal(found.item.expires_s, entries[i].item.expires_s);
        assert_int_equal(found.created_wall_ns, 777);
        assert_string_equal(found.author, "anna");
        assert_string_equal(found.comment, entries[i].comment);
        const struct address_pattern *in = &entries[i].item.pattern;
        const struct address_pattern *out = &found.item.pattern;
        assert_int_equal(out->type, in->type);
        assert_int_equal(out->kind, in->kind);
        assert_int_equal(out->text_length, in->text_length);
        assert_memory_equal(out->text, in->text, in->text_length);
        if (in->kind == PATTERN_KIND_PREFIX) {
            assert_memory_equal(&out->prefix, &in->prefix, sizeof in->prefix);
        }
    }
    assert_int_equal(config_db_entry(db, COUNT + 1, &entries[0]), -ENOENT);
    assert_int_equal(config_db_entry(db, 0, &entries[0]), -ENOENT);
    config_db_close(db);
}

TEST(config_db_same_pattern_again_changes_the_entry_or_nothing) {
    struct config_db *db = new_db();
    struct config_list_entry one = entry_of(LIST_BLOCK, PATTERN_DOMAIN, "spam.example", "first");
    assert_int_equal(add(db, &one, 1).added, 1);
    struct config_list_entry again = one;
    again.item.id = 0;
    struct config_add_result result = add(db, &again, 1);
    assert_int_equal(result.unchanged, 1);
    assert_int_equal(result.version, 2); /* no new one */
    assert_int_equal(again.item.id, one.item.id);

    again.item.expires_s = 1700000000;
    again.item.id = 0;
    result = add(db, &again, 1);
    assert_int_equal(result.changed, 1);
    assert_int_equal(result.added, 0);
    assert_int_equal(result.version, 3);
    assert_true(again.item.id > one.item.id); /* rows are never edited */
    struct config_list_entry found;
    assert_int_equal(config_db_entry(db, one.item.id, &found), -ENOENT);
    assert_int_equal(config_db_entry(db, again.item.id, &found), 0);
    assert_int_equal(found.item.expires_s, 1700000000);

    /* The same pattern in another list, and of another type, is another entry. */
    struct config_list_entry others[] = {
        entry_of(LIST_ALLOW, PATTERN_DOMAIN, "spam.example", ""),
        entry_of(LIST_GREYLIST_EXEMPT, PATTERN_CLIENT, "spam.example", ""),
        entry_of(LIST_GREYLIST_EXEMPT, PATTERN_DOMAIN, "spam.example", ""),
    };
    assert_int_equal(add(db, others, 3).added, 3);
    assert_string_equal(
        changes(db, 4, 10),
        "3 anna list block 2: spam.example (domain, inbound): first -> spam.example (domain, "
        "inbound, until 2023-11-14T22:13:20.000Z): first\n"
        "2 anna list block 1:  -> spam.example (domain, inbound): first\n");
    config_db_close(db);
}

TEST(config_db_pattern_twice_in_one_import_counts_once) {
    struct config_db *db = new_db();
    struct config_list_entry entries[] = {
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "spam.example", "one"),
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "SPAM.example.", "one"),
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "spam.example", "two"),
    };
    const struct config_add_result result = add(db, entries, 3);
    assert_int_equal(result.added, 1);
    assert_int_equal(result.unchanged, 1);
    assert_int_equal(result.changed, 1);
    assert_string_equal(listed(db, LIST_BLOCK, "", 0, 10), "2 spam.example two;");
    config_db_close(db);
}

TEST(config_db_removed_entries_are_gone_and_their_ids_too) {
    struct config_db *db = new_db();
    struct config_list_entry entries[] = {
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "a.example", ""),
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "b.example", "why not"),
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "c.example", ""),
    };
    (void)add(db, entries, 3);
    uint64_t version = 0;
    const uint64_t gone[] = {3, 2, 99};
    assert_int_equal(config_db_remove_entries(db, gone, 3, "root", 9, &version), 0);
    assert_int_equal(version, 3);
    assert_string_equal(listed(db, LIST_BLOCK, "", 0, 10), "1 a.example ;");
    assert_int_equal(config_db_remove_entries(db, gone, 3, "root", 9, &version), -ENOENT);
    assert_int_equal(config_db_version(db), 3);
    assert_string_equal(changes(db, 0, 1), "3 root list block 3: c.example (domain, inbound) -> \n"
                                           "3 root list block 2: b.example (domain, inbound): why "
                                           "not -> \n");
    config_db_close(db);
    db = new_db();
    assert_int_equal(add(db, &entries[2], 1).added, 1);
    assert_int_equal(entries[2].item.id, 4);
    config_db_close(db);
}

TEST(config_db_lists_newest_first_in_pages_and_by_text) {
    struct config_db *db = new_db();
    struct config_list_entry entries[] = {
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "a.example", "Ticket 17"),
        entry_of(LIST_ALLOW, PATTERN_DOMAIN, "b.example", ""),
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "c.example", ""),
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "d.test", "see ticket 18"),
    };
    (void)add(db, entries, 4);
    assert_string_equal(listed(db, LIST_BLOCK, "", 0, 2), "4 d.test see ticket 18;3 c.example ;");
    assert_string_equal(listed(db, LIST_BLOCK, "", 3, 2), "1 a.example Ticket 17;");
    assert_string_equal(listed(db, LIST_BLOCK, "EXAMPLE", 0, 9),
                        "3 c.example ;1 a.example Ticket 17;");
    assert_string_equal(listed(db, LIST_BLOCK, "ticket", 0, 9),
                        "4 d.test see ticket 18;1 a.example Ticket 17;");
    assert_string_equal(listed(db, LIST_BLOCK, "%", 0, 9), "");
    assert_string_equal(listed(db, LIST_GREYLIST_EXEMPT, "", 0, 9), "");
    config_db_close(db);
}

struct sum {
    uint64_t ids;
    size_t count;
    size_t stop_after;
};

static bool add_up(void *context, const struct config_list_entry *entry) {
    struct sum *sum = context;
    assert_true(entry->item.id > sum->ids || sum->count == 0); /* ascending */
    sum->ids = entry->item.id;
    sum->count++;
    return sum->count != sum->stop_after;
}

TEST(config_db_import_of_many_is_one_version_and_one_line_of_the_log) {
    enum { MANY = 2500 };
    static struct config_list_entry entries[MANY];
    struct config_db *db = new_db();
    for (size_t i = 0; i < MANY; i++) {
        char pattern[64];
        (void)snprintf(pattern, sizeof pattern, "host%zu.example", i);
        entries[i] = entry_of(i % 5 == 0 ? LIST_ALLOW : LIST_BLOCK, PATTERN_DOMAIN, pattern, "");
    }
    assert_int_equal(add(db, entries, MANY).added, MANY);
    assert_int_equal(config_db_version(db), 2);
    assert_string_equal(changes(db, 0, 10), "2 anna list allow:  -> 500 added\n"
                                            "2 anna list block:  -> 2000 added\n");
    struct sum sum = {0};
    assert_int_equal(config_db_each_entry(db, 0, true, add_up, &sum), 0);
    assert_int_equal(sum.count, MANY);
    sum = (struct sum){.stop_after = 10};
    assert_int_equal(config_db_each_entry(db, 100, false, add_up, &sum), 0);
    assert_int_equal(sum.count, 10);
    assert_int_equal(sum.ids, 110);
    sum = (struct sum){0};
    assert_int_equal(config_db_each_entry(db, UINT64_MAX, true, add_up, &sum), 0);
    assert_int_equal(sum.count, 0);
    config_db_close(db);
}

TEST(config_db_failed_import_leaves_nothing_behind) {
    struct config_db *db = new_db();
    meddle(path_of("config.db"), "CREATE TRIGGER trap BEFORE INSERT ON list_entries"
                                 " WHEN new.pattern = 'bad.example'"
                                 " BEGIN SELECT raise(ABORT, 'trap'); END");
    struct config_list_entry entries[] = {
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "good.example", ""),
        entry_of(LIST_BLOCK, PATTERN_DOMAIN, "bad.example", ""),
    };
    struct config_add_result result;
    assert_true(config_db_add_entries(db, entries, 2, "anna", 0, &result) < 0);
    assert_int_equal(config_db_version(db), 1);
    assert_string_equal(listed(db, LIST_BLOCK, "", 0, 9), "");
    assert_string_equal(changes(db, 0, 9), "");
    assert_int_equal(add(db, entries, 1).version, 2); /* and it goes on */
    config_db_close(db);
}

/* --- files that cannot be used -------------------------------------------------------------- */

static void write_file(const char *path, const char *bytes, size_t length) {
    const int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    (void)close(fd);
}

TEST(config_db_refuses_a_newer_schema_and_leaves_it_as_it_is) {
    struct config_db *db = new_db();
    config_db_close(db);
    meddle(path_of("config.db"), "PRAGMA user_version = 99");
    assert_int_equal(open_db(path_of("config.db"), &db), -EPROTONOSUPPORT);
    assert_non_null(strstr(said,
                           "was written by a newer release (schema 99, this one knows up to 3)"
                           ": install that release"));
    meddle(path_of("config.db"), "PRAGMA user_version = 1");
    assert_int_equal(open_db(path_of("config.db"), &db), 0);
    config_db_close(db);
}

TEST(config_db_refuses_what_is_not_its_own) {
    struct config_db *db = NULL;
    meddle(path_of("foreign.db"), "CREATE TABLE songs (title TEXT)");
    assert_int_equal(open_db(path_of("foreign.db"), &db), -EMEDIUMTYPE);
    assert_non_null(strstr(said, "is the database of another program"));
    assert_int_equal(open_db(path_of("missing/config.db"), &db), -ENOENT);
    assert_non_null(strstr(said, "its folder does not exist: create the folder"));
    assert_int_equal(open_db(test_folder(), &db), -EISDIR);
    assert_non_null(strstr(said, "is not a file"));
    if (geteuid() != 0) {
        write_file(path_of("closed.db"), "", 0);
        assert_int_equal(chmod(path_of("closed.db"), 0400), 0);
        assert_int_equal(open_db(path_of("closed.db"), &db), -EACCES);
        assert_non_null(strstr(said, "chown seczim"));
        config_db_close(new_db());
        assert_int_equal(chmod(test_folder(), 0500), 0);
        assert_true(open_db(path_of("config.db"), &db) < 0);
        assert_non_null(strstr(said, "its folder must be writable"));
        assert_int_equal(chmod(test_folder(), 0700), 0);
    }
}

TEST(config_db_damage_is_told_with_what_to_do) {
    static char garbage[8192];
    struct config_db *db = NULL;
    memset(garbage, 'x', sizeof garbage);
    write_file(path_of("garbage.db"), garbage, sizeof garbage);
    assert_int_equal(open_db(path_of("garbage.db"), &db), -EUCLEAN);
    assert_non_null(strstr(said, "is damaged: move it away and restore it from a backup"));

    db = new_db();
    struct config_list_entry one = entry_of(LIST_BLOCK, PATTERN_DOMAIN, "spam.example", "");
    (void)add(db, &one, 1);
    config_db_close(db);
    /* Every page but the first lost: a torn copy. */
    struct stat status;
    assert_int_equal(stat(path_of("config.db"), &status), 0);
    assert_int_equal(truncate(path_of("config.db"), 4096), 0);
    assert_int_equal(truncate(path_of("config.db"), status.st_size), 0);
    assert_int_equal(open_db(path_of("config.db"), &db), -EUCLEAN);
}

TEST(config_db_row_that_no_release_wrote_is_damage_too) {
    struct config_db *db = new_db();
    struct config_list_entry one = entry_of(LIST_BLOCK, PATTERN_IP, "192.0.2.0/24", "");
    (void)add(db, &one, 1);
    static const char *const meddling[] = {
        "UPDATE list_entries SET type = 99",      "UPDATE list_entries SET kind = -1",
        "UPDATE list_entries SET list = 4",       "UPDATE list_entries SET prefix = x'00'",
        "UPDATE list_entries SET direction = 3",  "UPDATE list_entries SET require = 3",
        "UPDATE list_entries SET expires_s = -1", "UPDATE list_entries SET prefix_bits = 129",
    };
    for (size_t i = 0; i < sizeof meddling / sizeof meddling[0]; i++) {
        struct sum sum = {0};
        char all[512];
        test_case(meddling[i]);
        (void)snprintf(all, sizeof all, "CREATE TABLE kept AS SELECT * FROM list_entries; %s",
                       meddling[i]);
        meddle(path_of("config.db"), all);
        assert_int_equal(config_db_each_entry(db, 0, true, add_up, &sum), -EUCLEAN);
        assert_int_equal(sum.count, 0);
        meddle(path_of("config.db"), "DELETE FROM list_entries; INSERT INTO list_entries SELECT *"
                                     " FROM kept; DROP TABLE kept");
    }
    config_db_close(db);
}

TEST(config_db_backup_is_whole_and_never_overwrites) {
    struct config_db *db = new_db();
    struct config_list_entry one = entry_of(LIST_BLOCK, PATTERN_DOMAIN, "spam.example", "kept");
    (void)add(db, &one, 1);
    (void)set(db, "log.level", "debug");
    const char *path = path_of("backup.db");
    assert_int_equal(config_db_backup(db, path), 0);
    assert_int_equal(config_db_backup(db, path), -EEXIST);
    assert_int_equal(config_db_backup(db, path_of("missing/backup.db")), -ENOENT);
    config_db_close(db);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(open_db(path, &db), 0);
    assert_int_equal(config_db_version(db), 3);
    assert_string_equal(listed(db, LIST_BLOCK, "", 0, 9), "1 spam.example kept;");
    assert_string_equal(settings_now(db), "log.level=debug;");
    config_db_close(db);
}
