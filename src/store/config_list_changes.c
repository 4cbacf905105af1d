/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/rfc3339.h"
#include "store/config_connection.h"

/* Adding and removing list entries. A row is never edited: an entry that changes is removed and
 * added anew in the same version, so that every past version can be told. */

/* A change of more entries is one line of the change log for each list: the entries themselves
 * know their versions. */
enum { LOGGED_ENTRIES_MAX = 100, PATTERN_SHOWN_MAX = PATTERN_TEXT_MAX + 64, DESCRIBED_MAX = 2048 };

static const int64_t ns_per_s = INT64_C(1000000000);

struct list_change {
    struct config_db *db;
    const char *author;
    int64_t wall_ns;
    uint64_t version;
    bool logged; /* each entry */
    sqlite3_stmt *find;
    sqlite3_stmt *remove;
    sqlite3_stmt *add;
    size_t added[LISTS];
    size_t changed[LISTS];
    size_t removed[LISTS];
};

static int change_prepare(struct list_change *change) {
    int result = config_prepare(change->db,
                                "SELECT id, direction, require, expires_s, comment"
                                " FROM list_entries WHERE pattern = ?1 AND list = ?2 AND type = ?3"
                                " AND coalesce(domain, '') = '' AND removed_version IS NULL",
                                &change->find);
    if (result == 0) {
        result = config_prepare(change->db,
                                "UPDATE list_entries SET removed_version = ?1"
                                " WHERE id = ?2 AND removed_version IS NULL",
                                &change->remove);
    }
    if (result == 0) {
        result = config_prepare(change->db,
                                "INSERT INTO list_entries (list, type, kind, direction, require,"
                                " expires_s, prefix_bits, text, prefix, pattern, created_version,"
                                " created_wall_ns, author, comment)"
                                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
                                " ?14)",
                                &change->add);
    }
    return result;
}

static void change_done(struct list_change *change) {
    (void)sqlite3_finalize(change->find);
    (void)sqlite3_finalize(change->remove);
    (void)sqlite3_finalize(change->add);
}

/* --- change log ----------------------------------------------------------------------------- */

/* "*@spam.example (email, inbound, requires spf, until 2026-01-01T00:00:00.000Z): comment" */
static void describe(const struct config_list_entry *entry, struct text *out) {
    address_pattern_format(&entry->item.pattern, out);
    text_add(out, STR(" ("));
    text_add(out, str_from(pattern_type_name(entry->item.pattern.type)));
    text_add(out, STR(", "));
    text_add(out, str_from(list_direction_name(entry->item.direction)));
    if (entry->item.require != LIST_PROOF_NONE) {
        text_add(out, STR(", requires "));
        text_add(out, str_from(list_proof_name(entry->item.require)));
    }
    if (entry->item.expires_s != 0) {
        text_add(out, STR(", until "));
        rfc3339_format(entry->item.expires_s * ns_per_s, out);
    }
    text_add_byte(out, ')');
    if (entry->comment[0] != '\0') {
        text_add(out, STR(": "));
        text_add(out, str_from(entry->comment));
    }
}

/* `before` or `after` may be NULL. The line bears the id of the entry that is in force after it. */
static int log_entry(struct list_change *change, const struct config_list_entry *before,
                     const struct config_list_entry *after) {
    if (!change->logged) {
        return 0;
    }
    const struct list_item *item = after != NULL ? &after->item : &before->item;
    char subject[64];
    char was[DESCRIBED_MAX];
    char is[DESCRIBED_MAX];
    struct text subject_text = TEXT_OVER(subject);
    struct text was_text = TEXT_OVER(was);
    struct text is_text = TEXT_OVER(is);
    text_add(&subject_text, STR("list "));
    text_add(&subject_text, str_from(list_name(item->list)));
    text_add_byte(&subject_text, ' ');
    text_add_u64(&subject_text, item->id);
    if (before != NULL) {
        describe(before, &was_text);
    }
    if (after != NULL) {
        describe(after, &is_text);
    }
    return config_log_change(change->db, change->version, text_str(&subject_text),
                             text_str(&was_text), text_str(&is_text));
}

static void add_count(struct text *out, size_t count, const char *word) {
    if (count > 0) {
        text_add(out, out->length > 0 ? STR(", ") : STR(""));
        text_add_u64(out, count);
        text_add_byte(out, ' ');
        text_add(out, str_from(word));
    }
}

/* "1000000 added, 3 changed" for each list, when single entries were too many. */
static int log_totals(struct list_change *change) {
    int result = 0;
    for (int list = 0; result == 0 && !change->logged && list < LISTS; list++) {
        char subject[64];
        char total[128];
        struct text subject_text = TEXT_OVER(subject);
        struct text total_text = TEXT_OVER(total);
        text_add(&subject_text, STR("list "));
        text_add(&subject_text, str_from(list_name((enum list_id)list)));
        add_count(&total_text, change->added[list], "added");
        add_count(&total_text, change->changed[list], "changed");
        add_count(&total_text, change->removed[list], "removed");
        if (total_text.length > 0) {
            result = config_log_change(change->db, change->version, text_str(&subject_text),
                                       STR(""), text_str(&total_text));
        }
    }
    return result;
}

/* --- adding --------------------------------------------------------------------------------- */

static int insert_entry(struct list_change *change, struct config_list_entry *entry,
                        struct str pattern_text) {
    const struct list_item *item = &entry->item;
    const struct address_pattern *pattern = &item->pattern;
    const struct str normalised = {pattern->text, pattern->text_length};
    sqlite3_stmt *add = change->add;
    (void)sqlite3_bind_int(add, 1, (int)item->list);
    (void)sqlite3_bind_int(add, 2, (int)pattern->type);
    (void)sqlite3_bind_int(add, 3, (int)pattern->kind);
    (void)sqlite3_bind_int(add, 4, (int)item->direction);
    (void)sqlite3_bind_int(add, 5, (int)item->require);
    (void)sqlite3_bind_int64(add, 6, item->expires_s);
    (void)sqlite3_bind_int(add, 7, pattern->prefix.bits);
    config_bind_text(add, 8, normalised);
    if (pattern->kind == PATTERN_KIND_PREFIX) {
        (void)sqlite3_bind_blob(add, 9, pattern->prefix.address.bytes,
                                sizeof pattern->prefix.address.bytes, SQLITE_STATIC);
    } else {
        (void)sqlite3_bind_null(add, 9);
    }
    config_bind_text(add, 10, pattern_text);
    (void)sqlite3_bind_int64(add, 11, (int64_t)change->version);
    (void)sqlite3_bind_int64(add, 12, entry->created_wall_ns);
    config_bind_text(add, 13, str_from(entry->author));
    config_bind_text(add, 14, str_from(entry->comment));
    const int result = config_step(add);
    if (result == 0) {
        entry->item.id = (uint64_t)sqlite3_last_insert_rowid(change->db->connection);
    }
    return result;
}

static int remove_row(struct list_change *change, uint64_t id) {
    (void)sqlite3_bind_int64(change->remove, 1, (int64_t)change->version);
    (void)sqlite3_bind_int64(change->remove, 2, (int64_t)id);
    return config_step(change->remove);
}

/* The id of the entry with this pattern that is in force, or 0. *ret_same when nothing but its
 * author and age would change. */
static int find_alive(struct list_change *change, const struct config_list_entry *entry,
                      struct str pattern_text, uint64_t *ret_id, bool *ret_same) {
    const struct list_item *item = &entry->item;
    config_bind_text(change->find, 1, pattern_text);
    (void)sqlite3_bind_int(change->find, 2, (int)item->list);
    (void)sqlite3_bind_int(change->find, 3, (int)item->pattern.type);
    const int code = sqlite3_step(change->find);
    *ret_id = 0;
    if (code == SQLITE_ROW) {
        *ret_id = (uint64_t)sqlite3_column_int64(change->find, 0);
        *ret_same = sqlite3_column_int(change->find, 1) == (int)item->direction &&
                    sqlite3_column_int(change->find, 2) == (int)item->require &&
                    sqlite3_column_int64(change->find, 3) == (int64_t)item->expires_s &&
                    str_equal(config_column_text(change->find, 4), str_from(entry->comment));
    }
    (void)sqlite3_reset(change->find);
    return config_errno(code);
}

static int add_new(struct list_change *change, struct config_list_entry *entry,
                   struct str pattern_text, const struct config_list_entry *before) {
    struct text author = TEXT_OVER(entry->author);
    text_add(&author, str_from(change->author));
    (void)text_zero(&author);
    entry->created_wall_ns = change->wall_ns;
    const int result = insert_entry(change, entry, pattern_text);
    return result < 0 ? result : log_entry(change, before, entry);
}

static int change_existing(struct list_change *change, struct config_list_entry *entry,
                           struct str pattern_text, uint64_t id) {
    struct config_list_entry before;
    int result = config_db_entry(change->db, id, &before);
    if (result == 0) {
        result = remove_row(change, id);
    }
    return result < 0 ? result : add_new(change, entry, pattern_text, &before);
}

static int add_one(struct list_change *change, struct config_list_entry *entry,
                   struct config_add_result *totals) {
    char shown[PATTERN_SHOWN_MAX];
    struct text pattern = TEXT_OVER(shown);
    address_pattern_format(&entry->item.pattern, &pattern);
    CHECK(!pattern.truncated);
    uint64_t id = 0;
    bool same = false;
    int result = find_alive(change, entry, text_str(&pattern), &id, &same);
    if (result < 0) {
        return result;
    }
    if (id == 0) {
        totals->added++;
        change->added[entry->item.list]++;
        return add_new(change, entry, text_str(&pattern), NULL);
    }
    if (same) {
        totals->unchanged++;
        entry->item.id = id;
        return 0;
    }
    totals->changed++;
    change->changed[entry->item.list]++;
    return change_existing(change, entry, text_str(&pattern), id);
}

int config_db_add_entries(struct config_db *db, struct config_list_entry *entries, size_t count,
                          const char *author, int64_t wall_ns, struct config_add_result *ret) {
    struct list_change change = {
        .db = db, .author = author, .wall_ns = wall_ns, .logged = count <= LOGGED_ENTRIES_MAX};
    struct config_add_result totals = {0};
    int result = config_change_begin(db, author, wall_ns, &change.version);
    if (result < 0) {
        return result;
    }
    result = change_prepare(&change);
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = add_one(&change, &entries[i], &totals);
    }
    if (result == 0) {
        result = log_totals(&change);
    }
    change_done(&change);
    const bool changed = totals.added + totals.changed > 0;
    result = config_change_end(db, result, changed);
    if (result == 0) {
        totals.version = changed ? change.version : config_db_version(db);
        *ret = totals;
    }
    return result;
}

/* --- removing ------------------------------------------------------------------------------- */

/* An id that is not in force is passed over: somebody else was faster. */
static int remove_one(struct list_change *change, uint64_t id, size_t *removed) {
    struct config_list_entry before;
    int result = config_db_entry(change->db, id, &before);
    if (result == -ENOENT) {
        return 0;
    }
    if (result == 0) {
        result = remove_row(change, id);
    }
    if (result == 0) {
        (*removed)++;
        change->removed[before.item.list]++;
        result = log_entry(change, &before, NULL);
    }
    return result;
}

int config_db_remove_entries(struct config_db *db, const uint64_t *ids, size_t count,
                             const char *author, int64_t wall_ns, uint64_t *ret_version) {
    struct list_change change = {
        .db = db, .author = author, .wall_ns = wall_ns, .logged = count <= LOGGED_ENTRIES_MAX};
    size_t removed = 0;
    int result = config_change_begin(db, author, wall_ns, &change.version);
    if (result < 0) {
        return result;
    }
    result = change_prepare(&change);
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = remove_one(&change, ids[i], &removed);
    }
    if (result == 0) {
        result = removed > 0 ? log_totals(&change) : -ENOENT;
    }
    change_done(&change);
    result = config_change_end(db, result, removed > 0);
    if (result == 0) {
        *ret_version = change.version;
    }
    return result;
}
