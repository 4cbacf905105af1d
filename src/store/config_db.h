/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "policy/list_index.h"
#include "settings/settings.h"

/* config.db: run-time settings, lists and the log of every change, in SQLite (WAL,
 * synchronous=FULL), owned by the daemon; read by hand with sqlite3. A change is one transaction
 * that raises `version` by one; rows are never edited: a list entry has the version that added it
 * and the one that removed it, so any past generation can be told. Migrations are additive and
 * idempotent; a database of a newer schema is refused with a clear text.
 * One connection, one thread at a time (the caller's lock). */

struct config_db;

enum { CONFIG_AUTHOR_MAX = 64, CONFIG_COMMENT_MAX = 512 };

/* Opens or creates. Negative errno with a sentence in `problem`. -EUCLEAN: damaged. */
MUST_USE int config_db_open(const char *path, struct config_db **ret_db, struct text *problem);
void config_db_close(struct config_db *db);
uint64_t config_db_version(struct config_db *db);

/* Settings ---------------------------------------------------------------------------------- */
typedef void config_setting_visit(void *context, struct str key, struct str value);
MUST_USE int config_db_each_setting(struct config_db *db, config_setting_visit *visit,
                                    void *context);
/* One change of several settings: all or nothing. value.data NULL removes the key (default again).
 * The caller has already built a generation numbered version + 1 from it, so this is always a
 * version; the change log tells, with before and after, what differs. */
struct config_setting_change {
    struct str key;
    struct str value;
};
MUST_USE int config_db_change_settings(struct config_db *db,
                                       const struct config_setting_change *changes, size_t count,
                                       const char *author, int64_t wall_ns, uint64_t *ret_version);

/* Lists --------------------------------------------------------------------------------------- */
struct config_list_entry {
    struct list_item item; /* id 0 when adding */
    int64_t created_wall_ns;
    char author[CONFIG_AUTHOR_MAX];
    char comment[CONFIG_COMMENT_MAX];
};
typedef bool config_list_visit(void *context,
                               const struct config_list_entry *entry); /* false: stop */
/* In order of id, from `after_id` (exclusive). Sets only item, not comment and author, when
 * `items_only` (a million rows in about a second). */
MUST_USE int config_db_each_entry(struct config_db *db, uint64_t after_id, bool items_only,
                                  config_list_visit *visit, void *context);
/* Entries of one list whose pattern or comment contains `contains` (may be empty), newest first,
 * id < before_id (0: from the top), at most `limit`. */
MUST_USE int config_db_list(struct config_db *db, enum list_id list, struct str contains,
                            uint64_t before_id, size_t limit, config_list_visit *visit,
                            void *context);
MUST_USE int config_db_entry(struct config_db *db, uint64_t id,
                             struct config_list_entry *ret_entry); /* -ENOENT */
/* Adds up to any number in one transaction and one version. Where an entry with the same (list,
 * type, pattern) is in force, it is left when no other field differs, else replaced: the old row
 * ends and a new one, with a new id, begins. entries[i].item.id is set either way, of added and
 * replaced entries created_wall_ns and author too. When nothing changed `version` is the one in
 * force. */
struct config_add_result {
    uint64_t version;
    size_t added;
    size_t changed;
    size_t unchanged;
};
MUST_USE int config_db_add_entries(struct config_db *db, struct config_list_entry *entries,
                                   size_t count, const char *author, int64_t wall_ns,
                                   struct config_add_result *ret);
/* -ENOENT when none of the ids is alive. */
MUST_USE int config_db_remove_entries(struct config_db *db, const uint64_t *ids, size_t count,
                                      const char *author, int64_t wall_ns, uint64_t *ret_version);

/* Change log ---------------------------------------------------------------------------------- */
struct config_change {
    uint64_t version;
    int64_t wall_ns;
    struct str author;
    struct str subject; /* "setting greylisting.defer_time", "list block 17" */
    struct str before;  /* "" when there was nothing */
    struct str after;
};
typedef bool config_change_visit(void *context, const struct config_change *change);
/* Newest version first, below before_version (0: from the top). Stops after `limit` rows, but never
 * within a version, so that its number can be the cursor. A change of more than 100 entries is one
 * row for each list. */
MUST_USE int config_db_changes(struct config_db *db, uint64_t before_version, size_t limit,
                               config_change_visit *visit, void *context);
/* The settings as they were at `version`, the file's among them, for explaining a past decision.
 * -ENOENT when there was no such version. */
MUST_USE int config_db_settings_at(struct config_db *db, uint64_t version,
                                   config_setting_visit *visit, void *context);
/* Notes the file's values (keys set in seczim.yaml) as part of the history, when they differ from
 * those noted last. */
MUST_USE int config_db_note_file(struct config_db *db, const struct config_setting_change *values,
                                 size_t count, int64_t wall_ns);
/* Commands on the state --------------------------------------------------------------------------
 */

/* What an administrator did to the state by hand: the newest CONFIG_COMMANDS_MAX are kept. */
enum { CONFIG_COMMANDS_MAX = 2000 };
struct config_command {
    int64_t wall_ns;
    struct str author;
    struct str subject; /* "blacklist 192.0.2.1" */
    struct str what;    /* "add" */
    struct str comment;
};
MUST_USE int config_db_note_command(struct config_db *db, const struct config_command *command);
typedef void config_command_visit(void *context, const struct config_command *command);
/* Those of one subject, newest first. */
MUST_USE int config_db_commands(struct config_db *db, struct str subject, size_t limit,
                                config_command_visit *visit, void *context);

/* VACUUM INTO `path` (must not exist). */
MUST_USE int config_db_backup(struct config_db *db, const char *path);
