/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "store/config_connection.h"

/* Reading list entries. The columns hold a pattern as the policies compare it, so that a million
 * rows become items without a parser. */

#define ITEM_COLUMNS                                                                               \
    "id, list, type, kind, direction, require, expires_s, prefix_bits, text, prefix"
#define ENTRY_COLUMNS ITEM_COLUMNS ", created_wall_ns, author, comment"

enum { ITEM_COLUMN_COUNT = 10 };

/* A number of the file as an enum: a value that this release does not know is damage. */
static bool column_enum(sqlite3_stmt *statement, int index, int limit, int *ret_value) {
    *ret_value = sqlite3_column_int(statement, index);
    return *ret_value >= 0 && *ret_value < limit;
}

static bool read_pattern(sqlite3_stmt *statement, struct address_pattern *ret_pattern) {
    int type = 0;
    int kind = 0;
    const int bits = sqlite3_column_int(statement, 7);
    const struct str text = config_column_text(statement, 8);
    if (!column_enum(statement, 2, PATTERN_TYPES, &type) ||
        !column_enum(statement, 3, PATTERN_KIND_PREFIX + 1, &kind) || bits < 0 || bits > 128 ||
        text.length > PATTERN_TEXT_MAX) {
        return false;
    }
    ret_pattern->type = (enum pattern_type)type;
    ret_pattern->kind = (enum pattern_kind)kind;
    ret_pattern->prefix.bits = (uint8_t)bits;
    ret_pattern->text_length = (uint16_t)text.length;
    if (text.length > 0) {
        memcpy(ret_pattern->text, text.data, text.length);
    }
    struct ip_address *address = &ret_pattern->prefix.address;
    memset(address, 0, sizeof *address);
    if (kind == PATTERN_KIND_PREFIX) {
        const void *bytes = sqlite3_column_blob(statement, 9);
        if (sqlite3_column_bytes(statement, 9) != (int)sizeof address->bytes) {
            return false;
        }
        memcpy(address->bytes, bytes, sizeof address->bytes);
    }
    return true;
}

static bool read_item(sqlite3_stmt *statement, struct list_item *ret_item) {
    int list = 0;
    int direction = 0;
    int require = 0;
    const int64_t expires_s = sqlite3_column_int64(statement, 6);
    if (!column_enum(statement, 1, LISTS, &list) ||
        !column_enum(statement, 4, LIST_BOTH_DIRECTIONS + 1, &direction) ||
        !column_enum(statement, 5, LIST_PROOF_SPF + 1, &require) || expires_s < 0 ||
        expires_s > UINT32_MAX || !read_pattern(statement, &ret_item->pattern)) {
        return false;
    }
    ret_item->id = (uint64_t)sqlite3_column_int64(statement, 0);
    ret_item->list = (enum list_id)list;
    ret_item->direction = (enum list_direction)direction;
    ret_item->require = (enum list_proof)require;
    ret_item->expires_s = (uint32_t)expires_s;
    return true;
}

static void read_text(sqlite3_stmt *statement, int index, char *data, size_t size) {
    struct text out = {.data = data, .size = size};
    text_add(&out, config_column_text(statement, index));
    (void)text_zero(&out);
}

static bool read_entry(sqlite3_stmt *statement, struct config_list_entry *ret_entry) {
    if (!read_item(statement, &ret_entry->item)) {
        return false;
    }
    ret_entry->created_wall_ns = sqlite3_column_int64(statement, ITEM_COLUMN_COUNT);
    read_text(statement, ITEM_COLUMN_COUNT + 1, ret_entry->author, sizeof ret_entry->author);
    read_text(statement, ITEM_COLUMN_COUNT + 2, ret_entry->comment, sizeof ret_entry->comment);
    return true;
}

static int visit_entries(sqlite3_stmt *statement, bool items_only, config_list_visit *visit,
                         void *context) {
    struct config_list_entry entry;
    memset(&entry, 0, sizeof entry);
    for (;;) {
        const int code = sqlite3_step(statement);
        if (code != SQLITE_ROW) {
            return config_errno(code);
        }
        if (!(items_only ? read_item(statement, &entry.item) : read_entry(statement, &entry))) {
            return -EUCLEAN;
        }
        if (!visit(context, &entry)) {
            return 0;
        }
    }
}

int config_db_each_entry(struct config_db *db, uint64_t after_id, bool items_only,
                         config_list_visit *visit, void *context) {
    if (after_id > INT64_MAX) {
        return 0;
    }
    sqlite3_stmt *statement = NULL;
    int result =
        config_prepare(db,
                       items_only ? "SELECT " ITEM_COLUMNS " FROM list_entries NOT INDEXED"
                                    " WHERE id > ?1 AND removed_version IS NULL ORDER BY id"
                                  : "SELECT " ENTRY_COLUMNS " FROM list_entries NOT INDEXED"
                                    " WHERE id > ?1 AND removed_version IS NULL ORDER BY id",
                       &statement);
    (void)sqlite3_bind_int64(statement, 1, (int64_t)after_id);
    if (result == 0) {
        result = visit_entries(statement, items_only, visit, context);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int config_db_list(struct config_db *db, enum list_id list, struct str contains, uint64_t before_id,
                   size_t limit, config_list_visit *visit, void *context) {
    sqlite3_stmt *statement = NULL;
    const bool from_the_top = before_id == 0 || before_id > INT64_MAX;
    /* Patterns are lower case; comments are as somebody wrote them. */
    int result = config_prepare(db,
                                "SELECT " ENTRY_COLUMNS " FROM list_entries"
                                " WHERE list = ?1 AND removed_version IS NULL AND id < ?2"
                                " AND (?3 = '' OR instr(pattern, lower(?3)) > 0"
                                "      OR instr(lower(comment), lower(?3)) > 0)"
                                " ORDER BY id DESC LIMIT ?4",
                                &statement);
    (void)sqlite3_bind_int(statement, 1, (int)list);
    (void)sqlite3_bind_int64(statement, 2, from_the_top ? INT64_MAX : (int64_t)before_id);
    config_bind_text(statement, 3, contains);
    (void)sqlite3_bind_int64(statement, 4, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
    if (result == 0) {
        result = visit_entries(statement, false, visit, context);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

int config_db_entry(struct config_db *db, uint64_t id, struct config_list_entry *ret_entry) {
    if (id > INT64_MAX) {
        return -ENOENT;
    }
    sqlite3_stmt *statement = NULL;
    struct config_list_entry entry;
    memset(&entry, 0, sizeof entry);
    int result = config_prepare(db,
                                "SELECT " ENTRY_COLUMNS " FROM list_entries"
                                " WHERE id = ?1 AND removed_version IS NULL",
                                &statement);
    (void)sqlite3_bind_int64(statement, 1, (int64_t)id);
    if (result == 0) {
        const int code = sqlite3_step(statement);
        result = code == SQLITE_ROW ? (read_entry(statement, &entry) ? 0 : -EUCLEAN)
                                    : config_errno(code);
        if (code == SQLITE_DONE) {
            result = -ENOENT;
        }
    }
    (void)sqlite3_finalize(statement);
    if (result == 0) {
        *ret_entry = entry;
    }
    return result;
}
