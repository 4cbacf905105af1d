/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

/* Rules in memory: built anew from config.db with each change, inside of its transaction, so that
 * what is stored and what is in force are the same or neither. That costs about 4 us of processor
 * time a rule: 40 to 50 ms with 10,000, 0.4 s with the 100,000 that there may be (release build,
 * utime and stime of the process over a POST /v1/quotas). Answers go on meanwhile. */

/* --- loading ------------------------------------------------------------------------------------
 */

enum { ROWS_FIRST = 256 };

struct loading {
    struct rule_row *rows;
    size_t count;
    size_t size;
    bool failed;
};

/* A copy of subject, value and text in one piece, which begins with the subject. */
static bool copy_texts(struct rule_row *row) {
    const size_t length = row->subject.length + row->value.length + row->text.length;
    char *bytes = malloc(length + 1);
    if (bytes == NULL) {
        return false;
    }
    struct text copy = {.data = bytes, .size = length + 1};
    text_add(&copy, row->subject);
    text_add(&copy, row->value);
    text_add(&copy, row->text);
    row->subject.data = bytes;
    row->value.data = bytes + row->subject.length;
    row->text.data = row->value.data + row->value.length;
    return true;
}

static bool load_rule(void *context, const struct config_rule *rule) {
    struct loading *loading = context;
    if (loading->count == loading->size) {
        const size_t size = loading->size > 0 ? 2 * loading->size : ROWS_FIRST;
        struct rule_row *rows = realloc(loading->rows, size * sizeof *rows);
        if (rows == NULL) {
            loading->failed = true;
            return false;
        }
        loading->rows = rows;
        loading->size = size;
    }
    struct rule_row *row = &loading->rows[loading->count];
    *row = rule->row;
    loading->failed = !copy_texts(row);
    loading->count += loading->failed ? 0 : 1;
    return !loading->failed;
}

static void loading_free(struct loading *loading) {
    for (size_t i = 0; i < loading->count; i++) {
        free((char *)(uintptr_t)loading->rows[i].subject.data);
    }
    free(loading->rows);
}

int rules_load(struct config_db *db, struct shared_rules **ret_rules) {
    struct loading loading = {0};
    struct shared_rules *shared = calloc(1, sizeof *shared);
    int error = shared != NULL ? config_db_each_rule(db, load_rule, &loading) : -ENOMEM;
    if (error == 0 && !loading.failed) {
        shared->references = 1;
        shared->rules = rules_build(&engine_heap, loading.rows, loading.count);
    }
    loading_free(&loading);
    if (error == 0 && (shared == NULL || shared->rules == NULL)) {
        error = -ENOMEM;
    }
    if (error != 0) {
        free(shared);
        return error;
    }
    *ret_rules = shared;
    return 0;
}

/* --- changing -----------------------------------------------------------------------------------
 */

static int build_next(void *context, struct config_db *db) {
    struct shared_rules **next = context;
    return rules_load(db, next);
}

/* Config lock held; takes over `next`. What is committed is stored: from here on nothing is taken
 * back. */
static int go_live(struct engine *engine, struct shared_rules *next, uint64_t version,
                   struct engine_problem *problem) {
    const int error = lists_publish(engine, NULL, next, version);
    if (error != 0) {
        shared_rules_release(engine, next);
        (void)snprintf(problem->setting.text, sizeof problem->setting.text,
                       "out of memory; the rule is stored and counts from the next change or a "
                       "restart");
    }
    return error;
}

static int say_refused(struct engine_problem *problem, const struct config_rule *rule, int error,
                       const struct config_rule_result *result) {
    const char *kind = rule_kind_name(rule->row.kind);
    char *text = problem->setting.text;
    const size_t size = sizeof problem->setting.text;
    switch (error) {
    case -EEXIST:
        (void)snprintf(text, size,
                       "%s %llu stands for that subject already; change that one, or remove it "
                       "first",
                       kind, (unsigned long long)result->id);
        return error;
    case -ENOENT:
        (void)snprintf(text, size, "There is no %s of that id", kind);
        return error;
    case -ENOSPC:
        (void)snprintf(text, size,
                       "There are %d rules already, as many as there may be: use patterns, or "
                       "remove some",
                       RULES_MAX);
        return -EINVAL;
    default:
        return change_say_database(problem, error);
    }
}

static int put_checked(struct engine *engine, const struct config_rule *rule, const char *author,
                       struct config_rule_result *ret, struct engine_problem *problem) {
    struct shared_rules *next = NULL;
    if (engine->changes_closed) {
        return change_say_busy(problem);
    }
    const int error = config_db_put_rule(engine->config_db, rule, author, clock_wall_ns(),
                                         build_next, &next, ret);
    if (error != 0) {
        shared_rules_release(engine, next);
        return say_refused(problem, rule, error, ret);
    }
    return next != NULL ? go_live(engine, next, ret->version, problem) : 0;
}

/* Which part rule_check() did not pass: "subject", "value" or "text". The texts are scratch. */
static const char *part_at_fault(const struct rule_row *row, struct text *subject,
                                 struct text *value) {
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    struct rule_row other = *row;
    other.text = STR("");
    other.value = row->kind == RULE_QUOTA ? STR("1/day") : STR("*@example.com");
    subject->length = value->length = 0;
    if (rule_check(&other, subject, value, &problem) != NULL) {
        return "subject";
    }
    other.value = row->value;
    subject->length = value->length = problem.length = 0;
    return rule_check(&other, subject, value, &problem) != NULL ? "value" : "text";
}

int engine_put_rule(struct engine *engine, const struct config_rule *rule, const char *author,
                    struct config_rule_result *ret, struct engine_problem *problem) {
    char subject_bytes[RULE_SUBJECT_MAX];
    char sentence_bytes[256];
    char *value_bytes = malloc(RULE_VALUE_MAX);
    if (value_bytes == NULL) {
        return change_say_database(problem, -ENOMEM);
    }
    struct text subject = TEXT_OVER(subject_bytes);
    struct text sentence = TEXT_OVER(sentence_bytes);
    struct text value = {.data = value_bytes, .size = RULE_VALUE_MAX};
    struct rule_row checked = rule->row;
    checked.id = checked.id != 0 ? checked.id : 1; /* A new rule gets its number later. */
    const char *wrong = rule_check(&checked, &subject, &value, &sentence);
    int error = -EINVAL;
    if (wrong != NULL) {
        (void)snprintf(problem->setting.text, sizeof problem->setting.text, "%s", wrong);
        (void)snprintf(problem->key, sizeof problem->key, "%s",
                       part_at_fault(&checked, &subject, &value));
    } else {
        struct config_rule canonical = *rule;
        canonical.row.subject = text_str(&subject);
        canonical.row.value = text_str(&value);
        (void)pthread_mutex_lock(&engine->config_lock);
        error = put_checked(engine, &canonical, author, ret, problem);
        (void)pthread_mutex_unlock(&engine->config_lock);
    }
    free(value_bytes);
    return error;
}

static int remove_rule(struct engine *engine, enum rule_kind kind, uint64_t id, const char *author,
                       uint64_t *ret_version, struct engine_problem *problem) {
    struct shared_rules *next = NULL;
    if (engine->changes_closed) {
        return change_say_busy(problem);
    }
    const int error = config_db_remove_rule(engine->config_db, kind, id, author, clock_wall_ns(),
                                            build_next, &next, ret_version);
    if (error != 0) {
        const struct config_rule rule = {.row = {.kind = kind}};
        shared_rules_release(engine, next);
        return say_refused(problem, &rule, error, &(struct config_rule_result){0});
    }
    return go_live(engine, next, *ret_version, problem);
}

int engine_remove_rule(struct engine *engine, enum rule_kind kind, uint64_t id, const char *author,
                       uint64_t *ret_version, struct engine_problem *problem) {
    (void)pthread_mutex_lock(&engine->config_lock);
    const int error = remove_rule(engine, kind, id, author, ret_version, problem);
    (void)pthread_mutex_unlock(&engine->config_lock);
    return error;
}
