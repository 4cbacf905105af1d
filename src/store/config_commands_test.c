/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/config_db.h"
#include "testing/test.h"

static char folder[] = "/tmp/seczim-commands-XXXXXX";
static char path[64];

static struct config_db *new_db(void) {
    char room[256];
    struct text problem = TEXT_OVER(room);
    struct config_db *db = NULL;
    (void)strcpy(folder + sizeof folder - 7, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/config.db", folder);
    assert_int_equal(config_db_open(path, &db, &problem), 0);
    return db;
}

static void end_db(struct config_db *db) {
    static const char *const ends[] = {"", "-wal", "-shm"};
    config_db_close(db);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char name[80];
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        (void)unlink(name);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void note(struct config_db *db, const char *subject, const char *what, const char *comment) {
    const struct config_command command = {.wall_ns = 7,
                                           .author = STR("jane"),
                                           .subject = str_from(subject),
                                           .what = str_from(what),
                                           .comment = str_from(comment)};
    assert_int_equal(config_db_note_command(db, &command), 0);
}

static void tell(void *context, const struct config_command *command) {
    struct text *out = context;
    text_add_u64(out, (uint64_t)command->wall_ns);
    const struct str parts[] = {command->author, command->what, command->comment};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        text_add_byte(out, ' ');
        text_add(out, parts[i]);
    }
    text_add_byte(out, ';');
}

static const char *told(struct config_db *db, const char *subject, size_t limit) {
    static char room[512];
    struct text out = TEXT_OVER(room);
    assert_int_equal(config_db_commands(db, str_from(subject), limit, tell, &out), 0);
    return text_zero(&out);
}

TEST(the_newest_command_of_a_subject_comes_first) {
    struct config_db *db = new_db();
    const uint64_t version = config_db_version(db);
    note(db, "blacklist 192.0.2.1", "add", "password guessing");
    note(db, "blacklist 192.0.2.2", "add", "");
    note(db, "blacklist 192.0.2.1", "release", "talked to them");
    assert_string_equal(told(db, "blacklist 192.0.2.1", 9),
                        "7 jane release talked to them;7 jane add password guessing;");
    assert_string_equal(told(db, "blacklist 192.0.2.1", 1), "7 jane release talked to them;");
    assert_string_equal(told(db, "blacklist 192.0.2.3", 9), "");
    assert_int_equal(config_db_version(db), version); /* no setting changed */
    end_db(db);
}

TEST(as_many_are_kept_as_the_limit_says) {
    struct config_db *db = new_db();
    note(db, "a", "first", "");
    note(db, "a", "second", "");
    for (int i = 2; i < CONFIG_COMMANDS_MAX; i++) {
        note(db, "b", "more", "");
    }
    assert_string_equal(told(db, "a", 9), "7 jane second ;7 jane first ;");
    note(db, "b", "one too many", "");
    assert_string_equal(told(db, "a", 9), "7 jane second ;");
    end_db(db);
}
