/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/replay_proposal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_internal.h"
#include "daemon/replay_judge.h"

static int say(struct engine_problem *problem, int error, const char *sentence) {
    (void)snprintf(problem->setting.text, sizeof problem->setting.text, "%s", sentence);
    return error;
}

static int say_memory(struct engine_problem *problem) {
    return say(problem, -ENOMEM, "out of memory");
}

/* --- lists --------------------------------------------------------------------------------------
 */

/* The entry, as the delta hides it: expired. */
static int find_entry(struct engine *engine, uint64_t id, struct list_item *ret_item,
                      struct engine_problem *problem) {
    struct config_list_entry entry;
    const int error = config_db_entry(engine->config_db, id, &entry);
    if (error == -ENOENT) {
        (void)snprintf(problem->setting.text, sizeof problem->setting.text,
                       "There is no list entry of the id %llu.", (unsigned long long)id);
        return error;
    }
    if (error != 0) {
        return change_say_database(problem, error);
    }
    *ret_item = entry.item;
    ret_item->expires_s = 1;
    return 0;
}

static int fill_delta(struct engine *engine, const struct replay_wish *wish,
                      struct list_builder *builder, struct engine_problem *problem) {
    for (size_t i = 0; i < engine->changes.count; i++) {
        (void)list_builder_add(builder, &engine->changes.items[i].item);
    }
    for (size_t i = 0; i < wish->removed_entry_count; i++) {
        struct list_item item;
        const int error = find_entry(engine, wish->removed_entries[i], &item, problem);
        if (error != 0) {
            return error;
        }
        (void)list_builder_add(builder, &item); /* finish() tells of a failure. */
    }
    for (size_t i = 0; i < wish->entry_count; i++) {
        struct list_item item = wish->entries[i];
        item.id = INT64_MAX - i; /* none that config.db gave */
        (void)list_builder_add(builder, &item);
    }
    return 0;
}

static int build_lists(struct engine *engine, const struct replay_wish *wish,
                       struct replay_proposal *proposal, struct engine_problem *problem) {
    proposal->lists = proposal->today->lists;
    if (wish->entry_count + wish->removed_entry_count == 0) {
        return 0;
    }
    struct list_builder *builder =
        list_builder_new(&engine_heap, engine->changes.count + wish->entry_count + 1);
    if (builder == NULL) {
        return say_memory(problem);
    }
    const int error = fill_delta(engine, wish, builder, problem);
    proposal->delta = list_builder_finish(builder);
    proposal->lists.delta = proposal->delta;
    return error != 0 ? error : proposal->delta == NULL ? say_memory(problem) : 0;
}

/* --- rules --------------------------------------------------------------------------------------
 */

/* A rule as it would be stored; its texts are one piece of memory, which `subject` begins. */
struct rule_rows {
    struct rule_row *rows;
    size_t count;
    size_t size;
    uint64_t last_id;
    bool failed;
};

static void rule_rows_free(struct rule_rows *rows) {
    for (size_t i = 0; i < rows->count; i++) {
        free((char *)(uintptr_t)rows->rows[i].subject.data);
    }
    free(rows->rows);
}

static bool copy_row(const struct rule_row *row, struct rule_row *ret_row) {
    const size_t size = row->subject.length + row->value.length + row->text.length + 1;
    char *bytes = malloc(size);
    if (bytes == NULL) {
        return false;
    }
    struct text copy = {.data = bytes, .size = size};
    text_add(&copy, row->subject);
    text_add(&copy, row->value);
    text_add(&copy, row->text);
    *ret_row = *row;
    ret_row->subject.data = bytes;
    ret_row->value.data = bytes + row->subject.length;
    ret_row->text.data = ret_row->value.data + row->value.length;
    return true;
}

static bool append_row(struct rule_rows *rows, const struct rule_row *row) {
    if (rows->count == rows->size) {
        const size_t size = rows->size > 0 ? 2 * rows->size : 256;
        struct rule_row *grown = realloc(rows->rows, size * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        rows->rows = grown;
        rows->size = size;
    }
    if (!copy_row(row, &rows->rows[rows->count])) {
        return false;
    }
    rows->count++;
    rows->last_id = row->id > rows->last_id ? row->id : rows->last_id;
    return true;
}

static bool collect_rule(void *context, const struct config_rule *rule) {
    struct rule_rows *rows = context;
    rows->failed = !append_row(rows, &rule->row);
    return !rows->failed;
}

static void drop_row(struct rule_rows *rows, size_t at) {
    free((char *)(uintptr_t)rows->rows[at].subject.data);
    rows->rows[at] = rows->rows[--rows->count];
}

/* Of quotas one subject has a limit for each unit and window. */
static bool same_rule(const struct rule_row *a, const struct rule_row *b) {
    struct quota_rule one;
    struct quota_rule other;
    if (a->kind != b->kind || !str_equal(a->subject, b->subject)) {
        return false;
    }
    return a->kind != RULE_QUOTA || !quota_rule_parse(a->subject, a->value, &one) ||
           !quota_rule_parse(b->subject, b->value, &other) ||
           (one.unit == other.unit && one.window == other.window);
}

static int put_canonical(struct rule_rows *rows, struct rule_row row,
                         struct engine_problem *problem) {
    for (size_t i = 0; i < rows->count; i++) {
        if (same_rule(&rows->rows[i], &row)) {
            row.id = rows->rows[i].id;
            drop_row(rows, i);
            break;
        }
    }
    return append_row(rows, &row) ? 0 : say_memory(problem);
}

static int put_rule(struct rule_rows *rows, const struct rule_row *row,
                    struct engine_problem *problem) {
    char subject_room[RULE_SUBJECT_MAX];
    char sentence_room[256];
    struct text subject = TEXT_OVER(subject_room);
    struct text sentence = TEXT_OVER(sentence_room);
    struct text value = {.data = malloc(RULE_VALUE_MAX), .size = RULE_VALUE_MAX};
    if (value.data == NULL) {
        return say_memory(problem);
    }
    struct rule_row canonical = *row;
    canonical.id = rows->last_id + 1;
    const char *wrong = rule_check(&canonical, &subject, &value, &sentence);
    int error;
    if (wrong != NULL) {
        error = say(problem, -EINVAL, wrong);
    } else {
        canonical.subject = text_str(&subject);
        canonical.value = text_str(&value);
        error = put_canonical(rows, canonical, problem);
    }
    free(value.data);
    return error;
}

static int remove_rule(struct rule_rows *rows, const struct rule_row *wanted,
                       struct engine_problem *problem) {
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->rows[i].id == wanted->id && rows->rows[i].kind == wanted->kind) {
            drop_row(rows, i);
            return 0;
        }
    }
    (void)snprintf(problem->setting.text, sizeof problem->setting.text,
                   "There is no %s of the id %llu.", rule_kind_name(wanted->kind),
                   (unsigned long long)wanted->id);
    return -ENOENT;
}

static int change_rules(const struct replay_wish *wish, struct rule_rows *rows,
                        struct engine_problem *problem) {
    int error = rows->failed ? say_memory(problem) : 0;
    for (size_t i = 0; i < wish->removed_rule_count && error == 0; i++) {
        error = remove_rule(rows, &wish->removed_rules[i], problem);
    }
    for (size_t i = 0; i < wish->rule_count && error == 0; i++) {
        error = put_rule(rows, &wish->rules[i], problem);
    }
    return error;
}

static int build_rules(struct engine *engine, const struct replay_wish *wish,
                       struct replay_proposal *proposal, struct engine_problem *problem) {
    struct rule_rows rows = {.count = 0};
    proposal->rules = proposal->today->rules;
    if (wish->rule_count + wish->removed_rule_count == 0) {
        return 0;
    }
    int error = config_db_each_rule(engine->config_db, collect_rule, &rows);
    error = error != 0 ? change_say_database(problem, error) : change_rules(wish, &rows, problem);
    if (error == 0) {
        proposal->own_rules = rules_build(&engine_heap, rows.rows, rows.count);
        proposal->rules = proposal->own_rules;
        error = proposal->own_rules == NULL ? say_memory(problem) : 0;
    }
    rule_rows_free(&rows);
    return error;
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static int build(struct engine *engine, const struct replay_wish *wish,
                 struct replay_proposal *proposal, struct engine_problem *problem) {
    struct settings_builder *builder;
    int error =
        settings_build(engine, wish->settings, wish->setting_count, proposal->today->version + 1,
                       &builder, &proposal->settings, problem);
    if (error != 0) {
        return error;
    }
    settings_builder_free(builder);
    (void)snprintf(problem->key, sizeof problem->key, "lists");
    error = build_lists(engine, wish, proposal, problem);
    if (error == 0) {
        (void)snprintf(problem->key, sizeof problem->key, "rules");
        error = build_rules(engine, wish, proposal, problem);
    }
    return error;
}

int replay_proposal_new(struct engine *engine, const struct replay_wish *wish,
                        struct replay_proposal **ret_proposal, struct engine_problem *problem) {
    struct replay_proposal *proposal = calloc(1, sizeof *proposal);
    if (proposal == NULL) {
        return say_memory(problem);
    }
    (void)pthread_mutex_lock(&engine->config_lock);
    proposal->today = engine_generation_acquire(engine);
    const int error = build(engine, wish, proposal, problem);
    (void)pthread_mutex_unlock(&engine->config_lock);
    if (error != 0) {
        replay_proposal_free(engine, proposal);
        return error;
    }
    *ret_proposal = proposal;
    return 0;
}

void replay_proposal_free(struct engine *engine, struct replay_proposal *proposal) {
    if (proposal == NULL) {
        return;
    }
    engine_generation_release(engine, proposal->today);
    if (proposal->settings != NULL) {
        settings_free(proposal->settings);
    }
    if (proposal->delta != NULL) {
        list_index_free(proposal->delta);
    }
    rules_free(proposal->own_rules);
    free(proposal);
}

void replay_capacities(const struct engine *engine, uint64_t bytes,
                       uint64_t ret_capacities[STATE_TABLES]) {
    uint64_t live[STATE_TABLES];
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        /* As many as have room: five of seven slots (state_group_count()). */
        live[id] = engine->state.tables[id].group_count * STATE_GROUP_SLOTS * 5 / 7;
    }
    const double part = (double)bytes / (double)replay_bytes(live);
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        const uint64_t capacity = part < 1 ? (uint64_t)((double)live[id] * part) : live[id];
        ret_capacities[id] = capacity > 0 ? capacity : 1;
    }
}
