/* SPDX-License-Identifier: Apache-2.0 */
#include "store/config_rules.h"

#include <errno.h>

#include "base/rfc3339.h"
#include "store/config_connection.h"

#define RULE_COLUMNS                                                                               \
    "id, kind, subject, value, text, expires_s, comment, author, created_wall_ns, added_version"

/* What the change log shows of a rule; of longer ones the rest is counted. */
enum { DESCRIBED_MAX = 2560, SHOWN_VALUE_MAX = 1024 };

static const int64_t ns_per_s = INT64_C(1000000000);

/* --- reading -------------------------------------------------------------------------------- */

static bool read_rule(sqlite3_stmt *statement, struct config_rule *ret_rule) {
    const int64_t id = sqlite3_column_int64(statement, 0);
    const int kind = sqlite3_column_int(statement, 1);
    const int64_t expires_s = sqlite3_column_int64(statement, 5);
    if (id < 1 || id > UINT32_MAX || kind <= RULE_NONE || kind >= RULE_KINDS || expires_s < 0 ||
        expires_s > UINT32_MAX) {
        return false;
    }
    *ret_rule = (struct config_rule){
        .row = {.id = (uint64_t)id,
                .kind = (enum rule_kind)kind,
                .subject = config_column_text(statement, 2),
                .value = config_column_text(statement, 3),
                .text = config_column_text(statement, 4),
                .expires_s = (uint32_t)expires_s},
        .comment = config_column_text(statement, 6),
        .author = config_column_text(statement, 7),
        .created_wall_ns = sqlite3_column_int64(statement, 8),
        .version = (uint64_t)sqlite3_column_int64(statement, 9),
    };
    return true;
}

/* Finalizes the statement. Returns how many were visited, or a negative errno. */
static int visit_rules(sqlite3_stmt *statement, config_rule_visit *visit, void *context) {
    int count = 0;
    int result = 0;
    for (bool more = true; more && result == 0;) {
        const int code = sqlite3_step(statement);
        struct config_rule rule;
        if (code != SQLITE_ROW) {
            result = config_errno(code);
            break;
        }
        if (!read_rule(statement, &rule)) {
            result = -EUCLEAN;
            break;
        }
        count++;
        more = visit(context, &rule);
    }
    (void)sqlite3_finalize(statement);
    return result < 0 ? result : count;
}

int config_db_each_rule(struct config_db *db, config_rule_visit *visit, void *context) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db,
                                "SELECT " RULE_COLUMNS " FROM rules WHERE removed_version IS NULL"
                                " ORDER BY id",
                                &statement);
    result = result < 0 ? result : visit_rules(statement, visit, context);
    return result < 0 ? result : 0;
}

int config_db_rules(struct config_db *db, enum rule_kind kind, struct str contains,
                    uint64_t before_id, size_t limit, config_rule_visit *visit, void *context) {
    sqlite3_stmt *statement = NULL;
    const bool from_the_top = before_id == 0 || before_id > INT64_MAX;
    int result = config_prepare(db,
                                "SELECT " RULE_COLUMNS " FROM rules"
                                " WHERE kind = ?1 AND removed_version IS NULL AND id < ?2"
                                " AND (?3 = '' OR instr(subject, lower(?3)) > 0"
                                "      OR instr(value, lower(?3)) > 0"
                                "      OR instr(lower(comment), lower(?3)) > 0)"
                                " ORDER BY id DESC LIMIT ?4",
                                &statement);
    if (result < 0) {
        return result;
    }
    (void)sqlite3_bind_int(statement, 1, (int)kind);
    (void)sqlite3_bind_int64(statement, 2, from_the_top ? INT64_MAX : (int64_t)before_id);
    config_bind_text(statement, 3, contains);
    (void)sqlite3_bind_int64(statement, 4, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
    result = visit_rules(statement, visit, context);
    return result < 0 ? result : 0;
}

int config_db_rule(struct config_db *db, enum rule_kind kind, uint64_t id, config_rule_visit *visit,
                   void *context) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db,
                                "SELECT " RULE_COLUMNS " FROM rules"
                                " WHERE id = ?1 AND kind = ?2 AND removed_version IS NULL",
                                &statement);
    if (result < 0) {
        return result;
    }
    (void)sqlite3_bind_int64(statement, 1, id > INT64_MAX ? 0 : (int64_t)id);
    (void)sqlite3_bind_int(statement, 2, (int)kind);
    result = visit_rules(statement, visit, context);
    return result < 0 ? result : result == 0 ? -ENOENT : 0;
}

/* --- the change log ------------------------------------------------------------------------- */

/* Lines with a comma between them, as many as have room. */
static void add_value(struct text *out, struct str value) {
    size_t left = 0;
    const size_t from = out->length;
    while (value.length > 0) {
        const size_t end = str_find(value, '\n');
        const struct str line = str_slice(value, 0, end);
        value = end == SIZE_MAX ? STR("") : str_slice(value, end + 1, value.length);
        if (left > 0 || out->length - from + line.length > SHOWN_VALUE_MAX) {
            left++;
            continue;
        }
        text_add(out, out->length > from ? STR(", ") : STR(""));
        text_add(out, line);
    }
    if (left > 0) {
        text_add(out, STR(" and "));
        text_add_u64(out, left);
        text_add(out, STR(" more"));
    }
}

/* "user bob@example.com: 500 recipients/day (until 2026-01-01T00:00:00.000Z): comment" */
static void describe(const struct config_rule *rule, struct text *out) {
    text_add(out, rule->row.subject);
    text_add(out, STR(": "));
    if (rule->row.value.length == 0) {
        text_add(out, STR("nothing"));
    }
    add_value(out, rule->row.value);
    if (rule->row.expires_s != 0) {
        text_add(out, STR(" (until "));
        rfc3339_format(rule->row.expires_s * ns_per_s, out);
        text_add_byte(out, ')');
    }
    if (rule->row.text.length > 0) {
        text_add(out, STR(" \""));
        text_add(out, rule->row.text);
        text_add_byte(out, '"');
    }
    if (rule->comment.length > 0) {
        text_add(out, STR(": "));
        text_add(out, rule->comment);
    }
}

static int log_rule(struct config_db *db, uint64_t version, enum rule_kind kind, uint64_t id,
                    struct str before, const struct config_rule *after) {
    char subject_bytes[64];
    char after_bytes[DESCRIBED_MAX];
    struct text subject = TEXT_OVER(subject_bytes);
    struct text now = TEXT_OVER(after_bytes);
    text_add(&subject, str_from(rule_kind_name(kind)));
    text_add_byte(&subject, ' ');
    text_add_u64(&subject, id);
    if (after != NULL) {
        describe(after, &now);
    }
    return config_log_change(db, version, text_str(&subject), before, text_str(&now));
}

/* --- changing ------------------------------------------------------------------------------- */

/* What of a limit is unique beside its subject: "recipients/day" of "500 recipients/day". */
static struct str slot_of(const struct rule_row *row) {
    const size_t blank = row->kind == RULE_QUOTA ? str_find(row->value, ' ') : SIZE_MAX;
    return blank == SIZE_MAX ? STR("") : str_slice(row->value, blank + 1, row->value.length);
}

/* The id of the rule that stands for the subject; 0: none. */
static int find_subject(struct config_db *db, const struct rule_row *row, uint64_t *ret_id) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db,
                                "SELECT id FROM rules WHERE kind = ?1 AND subject = ?2"
                                " AND slot = ?3 AND removed_version IS NULL",
                                &statement);
    (void)sqlite3_bind_int(statement, 1, (int)row->kind);
    config_bind_text(statement, 2, row->subject);
    config_bind_text(statement, 3, slot_of(row));
    if (result == 0) {
        const int code = sqlite3_step(statement);
        result = config_errno(code);
        *ret_id = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    }
    (void)sqlite3_finalize(statement);
    return result;
}

struct comparison {
    const struct config_rule *wanted;
    bool same;
    struct text described;
};

static bool compare_rule(void *context, const struct config_rule *rule) {
    struct comparison *comparison = context;
    const struct config_rule *wanted = comparison->wanted;
    comparison->same = wanted != NULL && str_equal(wanted->row.subject, rule->row.subject) &&
                       str_equal(wanted->row.value, rule->row.value) &&
                       str_equal(wanted->row.text, rule->row.text) &&
                       str_equal(wanted->comment, rule->comment) &&
                       wanted->row.expires_s == rule->row.expires_s;
    describe(rule, &comparison->described);
    return false;
}

static int end_row(struct config_db *db, uint64_t version, uint64_t id) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db,
                                "UPDATE rules SET removed_version = ?1"
                                " WHERE id = ?2 AND removed_version IS NULL",
                                &statement);
    (void)sqlite3_bind_int64(statement, 1, (int64_t)version);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)id);
    result = result == 0 ? config_step(statement) : result;
    (void)sqlite3_finalize(statement);
    return result;
}

static int add_row(struct config_db *db, uint64_t version, uint64_t id,
                   const struct config_rule *rule, const char *author, int64_t wall_ns) {
    sqlite3_stmt *statement = NULL;
    int result = config_prepare(db,
                                "INSERT INTO rules (id, kind, subject, slot, value, text, comment,"
                                " author, created_wall_ns, expires_s, added_version)"
                                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                                &statement);
    (void)sqlite3_bind_int64(statement, 1, (int64_t)id);
    (void)sqlite3_bind_int(statement, 2, (int)rule->row.kind);
    config_bind_text(statement, 3, rule->row.subject);
    config_bind_text(statement, 4, slot_of(&rule->row));
    config_bind_text(statement, 5, rule->row.value);
    config_bind_text(statement, 6, rule->row.text);
    config_bind_text(statement, 7, rule->comment);
    config_bind_text(statement, 8, str_from(author));
    (void)sqlite3_bind_int64(statement, 9, wall_ns);
    (void)sqlite3_bind_int64(statement, 10, rule->row.expires_s);
    (void)sqlite3_bind_int64(statement, 11, (int64_t)version);
    result = result == 0 ? config_step(statement) : result;
    (void)sqlite3_finalize(statement);
    return result;
}

static int new_id(struct config_db *db, uint64_t *ret_id) {
    int64_t alive = 0;
    int64_t newest = 0;
    int result =
        config_number(db, "SELECT count(*) FROM rules WHERE removed_version IS NULL", 0, &alive);
    if (result == 0) {
        result = config_number(db, "SELECT max(id) FROM rules", 0, &newest);
    }
    if (result == 0 && (alive >= RULES_MAX || newest >= UINT32_MAX)) {
        result = -ENOSPC;
    }
    *ret_id = (uint64_t)newest + 1;
    return result;
}

/* Inside of the transaction. */
static int put_rule(struct config_db *db, uint64_t version, const struct config_rule *rule,
                    const char *author, int64_t wall_ns, struct config_rule_result *ret) {
    char described[DESCRIBED_MAX];
    struct comparison before = {.wanted = rule, .described = TEXT_OVER(described)};
    uint64_t id = rule->row.id;
    uint64_t standing = 0;
    int result = find_subject(db, &rule->row, &standing);
    if (result == 0 && id != 0) {
        result = config_db_rule(db, rule->row.kind, id, compare_rule, &before);
        ret->id = standing;
        if (result == 0 && standing != 0 && standing != id) {
            return -EEXIST;
        }
    } else if (result == 0 && standing != 0) {
        id = standing;
        result = config_db_rule(db, rule->row.kind, id, compare_rule, &before);
    } else if (result == 0) {
        ret->added = true;
        result = new_id(db, &id);
    }
    ret->id = id;
    ret->changed = !ret->added && !before.same;
    if (result < 0 || before.same) {
        return result;
    }
    result = ret->changed ? end_row(db, version, id) : 0;
    result = result == 0 ? add_row(db, version, id, rule, author, wall_ns) : result;
    return result == 0
               ? log_rule(db, version, rule->row.kind, id, text_str(&before.described), rule)
               : result;
}

int config_db_put_rule(struct config_db *db, const struct config_rule *rule, const char *author,
                       int64_t wall_ns, config_rule_build *build, void *context,
                       struct config_rule_result *ret) {
    struct config_rule_result found = {0};
    uint64_t version = 0;
    int result = config_change_begin(db, author, wall_ns, &version);
    if (result < 0) {
        return result;
    }
    result = put_rule(db, version, rule, author, wall_ns, &found);
    const bool moved = found.added || found.changed;
    if (result == 0 && moved) {
        result = build(context, db);
    }
    result = config_change_end(db, result, moved);
    if (result == 0 || result == -EEXIST) {
        found.version = result == 0 && moved ? version : config_db_version(db);
        *ret = found;
    }
    return result;
}

int config_db_remove_rule(struct config_db *db, enum rule_kind kind, uint64_t id,
                          const char *author, int64_t wall_ns, config_rule_build *build,
                          void *context, uint64_t *ret_version) {
    char described[DESCRIBED_MAX];
    struct comparison before = {.described = TEXT_OVER(described)};
    uint64_t version = 0;
    int result = config_change_begin(db, author, wall_ns, &version);
    if (result < 0) {
        return result;
    }
    result = config_db_rule(db, kind, id, compare_rule, &before);
    result = result == 0 ? end_row(db, version, id) : result;
    result =
        result == 0 ? log_rule(db, version, kind, id, text_str(&before.described), NULL) : result;
    result = result == 0 ? build(context, db) : result;
    result = config_change_end(db, result, true);
    if (result == 0) {
        *ret_version = version;
    }
    return result;
}
