/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/durable_file.h"
#include "daemon/engine_internal.h"

/* Changes of settings and lists: the next generation is built and checked first, then config.db
 * has it, then it goes live. What fails on the way changes nothing. */

enum { SETTING_VALUE_MAX = 64 * 1024 };

static int say(struct engine_problem *problem, int error, const char *sentence) {
    (void)snprintf(problem->setting.text, sizeof problem->setting.text, "%s", sentence);
    return error;
}

int change_say_busy(struct engine_problem *problem) {
    return say(problem, -EAGAIN, "the daemon is being restarted; try again in a moment");
}

int change_say_database(struct engine_problem *problem, int error) {
    (void)snprintf(problem->setting.text, sizeof problem->setting.text,
                   "config.db could not be changed: %s; nothing was changed", strerror(-error));
    return -EIO;
}

/* --- building -----------------------------------------------------------------------------------
 */

int config_read_yaml(struct settings_builder *builder, const char *path,
                     struct engine_problem *problem) {
    if (path[0] == '\0') {
        return 0;
    }
    char *bytes;
    size_t length;
    const int error = durable_file_load(AT_FDCWD, path, SETTINGS_FILE_MAX, &bytes, &length);
    if (error != 0) {
        (void)snprintf(problem->setting.text, sizeof problem->setting.text, "cannot read %s: %s",
                       path, strerror(-error));
        return error;
    }
    const bool good =
        settings_builder_read_yaml(builder, (struct str){bytes, length}, &problem->setting);
    free(bytes);
    return good ? 0 : -EINVAL;
}

static void add_stored(void *context, struct str key, struct str value) {
    struct settings_builder *builder = context;
    struct setting_problem problem;
    if (!settings_builder_set(builder, key, value, SETTING_FROM_DATABASE, 0, &problem)) {
        /* Written by another release, whose bounds differ: the default is better than no start. */
        log_write(LOG_WARN, "Settings", "Stored value ignored: %s", problem.text);
    }
}

static int add_change(struct settings_builder *builder, const struct config_setting_change *change,
                      struct engine_problem *problem) {
    (void)snprintf(problem->key, sizeof problem->key, "%.*s", STR_ARGS(change->key));
    const struct setting_info *info = setting_find(change->key);
    if (info != NULL && settings_builder_origin(builder, info) == SETTING_FROM_FILE) {
        (void)snprintf(problem->setting.text, sizeof problem->setting.text,
                       "%s is set in seczim.yaml (line %u), which wins; change it there", info->key,
                       settings_builder_line(builder, info));
        return -EEXIST;
    }
    if (info != NULL && info->apply == SETTING_BOOTSTRAP) {
        (void)snprintf(problem->setting.text, sizeof problem->setting.text,
                       "%s can be set in seczim.yaml alone", info->key);
        return -EINVAL;
    }
    const struct str value =
        change->value.data != NULL || info == NULL ? change->value : str_from(info->fallback);
    return settings_builder_set(builder, change->key, value, SETTING_FROM_DATABASE, 0,
                                &problem->setting)
               ? 0
               : -EINVAL;
}

static int fill_builder(struct engine *engine, struct settings_builder *builder,
                        const struct config_setting_change *changes, size_t count,
                        struct engine_problem *problem) {
    int error = config_read_yaml(builder, engine->config_path, problem);
    if (error == 0 && engine->config_db != NULL) {
        error = config_db_each_setting(engine->config_db, add_stored, builder);
        if (error != 0) {
            return change_say_database(problem, error);
        }
    }
    for (size_t i = 0; i < count && error == 0; i++) {
        error = add_change(builder, &changes[i], problem);
    }
    return error;
}

int settings_build(struct engine *engine, const struct config_setting_change *changes, size_t count,
                   uint64_t version, struct settings_builder **ret_builder,
                   struct settings **ret_settings, struct engine_problem *problem) {
    struct settings_builder *builder = settings_builder_new();
    if (builder == NULL) {
        return say(problem, -ENOMEM, "out of memory");
    }
    int error = fill_builder(engine, builder, changes, count, problem);
    struct settings *settings = NULL;
    if (error == 0) {
        settings = settings_builder_finish(builder, version, &problem->setting);
        error = settings != NULL ? 0 : -EINVAL;
    }
    if (error != 0) {
        settings_builder_free(builder);
        return error;
    }
    *ret_builder = builder;
    *ret_settings = settings;
    return 0;
}

/* --- the file in the change log -----------------------------------------------------------------
 */

static size_t collect_file(const struct settings_builder *builder, const struct settings *settings,
                           struct text *values, struct config_setting_change *ret_changes) {
    size_t count = 0;
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting_info *info = &settings_table[i];
        if (settings_builder_origin(builder, info) == SETTING_FROM_FILE) {
            const size_t from = values->length;
            setting_format(settings, info, values);
            ret_changes[count++] = (struct config_setting_change){
                .key = str_from(info->key),
                .value = {values->data + from, values->length - from},
            };
        }
    }
    return count;
}

int config_note_file(struct engine *engine, struct engine_problem *problem) {
    struct settings_builder *builder;
    struct settings *settings;
    int error = settings_build(engine, NULL, 0, 0, &builder, &settings, problem);
    if (error != 0) {
        return error;
    }
    struct config_setting_change *changes = calloc(settings_count, sizeof *changes);
    struct text values = {.data = malloc(SETTINGS_FILE_MAX + SETTING_VALUE_MAX),
                          .size = SETTINGS_FILE_MAX + SETTING_VALUE_MAX};
    CHECK(changes != NULL && values.data != NULL);
    const size_t count = collect_file(builder, settings, &values, changes);
    error = config_db_note_file(engine->config_db, changes, count, clock_wall_ns());
    free(values.data);
    free(changes);
    settings_free(settings);
    settings_builder_free(builder);
    return error != 0 ? change_say_database(problem, error) : 0;
}

/* --- going live ---------------------------------------------------------------------------------
 */

static void tell_warnings(const struct settings *settings) {
    char bytes[512];
    size_t i = 0;
    for (struct text warning = TEXT_OVER(bytes); settings_warning(settings, i, &warning);
         warning = TEXT_OVER(bytes)) {
        log_write(LOG_WARN, "Settings", "%.*s", STR_ARGS(text_str(&warning)));
        i++;
    }
}

void settings_apply_live(struct engine *engine, const struct settings *settings) {
    log_set((enum log_level)settings->log.level, (enum log_format)settings->log.format);
    const bool strict = settings->journal.durability == JOURNAL_STRICT;
    atomic_store_explicit(&engine->strict, strict, memory_order_relaxed);
    if (engine->journal != NULL) {
        journal_set_durability(engine->journal, strict ? JOURNAL_STRICT : JOURNAL_RELAXED);
    }
    tell_warnings(settings);
    if (engine->recorder != NULL) {
        recorder_set_names(engine->recorder, &settings->policy.rbl);
        recorder_set_history(engine->recorder, settings->history.enabled, settings->history.keep_s,
                             (uint64_t)settings->history.min_free_bytes);
    }
}

/* Takes over builder and settings. */
static int go_live(struct engine *engine, struct settings_builder *builder,
                   struct settings *settings) {
    struct shared_settings *shared = shared_settings_new(settings);
    CHECK(shared != NULL);
    const int error = lists_publish(engine, shared, NULL, config_db_version(engine->config_db));
    if (error != 0) {
        shared_settings_release(engine, shared);
        settings_builder_free(builder);
        return error;
    }
    settings_builder_free(engine->builder);
    engine->builder = builder;
    settings_apply_live(engine, settings);
    return 0;
}

static int change_settings(struct engine *engine, const struct config_setting_change *changes,
                           size_t count, const char *author, uint64_t *ret_version,
                           struct engine_problem *problem) {
    if (engine->changes_closed) {
        return change_say_busy(problem);
    }
    struct settings_builder *builder;
    struct settings *settings;
    int error = settings_build(engine, changes, count, config_db_version(engine->config_db) + 1,
                               &builder, &settings, problem);
    if (error != 0) {
        return error;
    }
    error = config_db_change_settings(engine->config_db, changes, count, author, clock_wall_ns(),
                                      ret_version);
    if (error != 0) {
        settings_free(settings);
        settings_builder_free(builder);
        return change_say_database(problem, error);
    }
    error = go_live(engine, builder, settings);
    return error != 0 ? say(problem, error,
                            "out of memory; the change is stored and goes live with "
                            "the next one or a restart")
                      : 0;
}

int engine_change_settings(struct engine *engine, const struct config_setting_change *changes,
                           size_t count, const char *author, uint64_t *ret_version,
                           struct engine_problem *problem) {
    (void)pthread_mutex_lock(&engine->config_lock);
    const int error = change_settings(engine, changes, count, author, ret_version, problem);
    (void)pthread_mutex_unlock(&engine->config_lock);
    return error;
}

static int reload(struct engine *engine, struct engine_problem *problem) {
    if (engine->changes_closed) {
        return change_say_busy(problem);
    }
    int error = config_note_file(engine, problem);
    struct settings_builder *builder;
    struct settings *settings;
    if (error == 0) {
        error = settings_build(engine, NULL, 0, config_db_version(engine->config_db), &builder,
                               &settings, problem);
    }
    if (error == 0) {
        error = go_live(engine, builder, settings);
    }
    return error;
}

int engine_reload(struct engine *engine, struct engine_problem *problem) {
    const int reopened = log_reopen();
    if (reopened != 0) {
        log_write(LOG_ERROR, "Daemon", "Cannot reopen the log: %s; the old file goes on",
                  strerror(-reopened));
    }
    (void)pthread_mutex_lock(&engine->config_lock);
    const int error = reload(engine, problem);
    (void)pthread_mutex_unlock(&engine->config_lock);
    return error;
}

/* --- lists --------------------------------------------------------------------------------------
 */

static int note_all(struct engine *engine, const struct config_list_entry *entries, size_t count) {
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++) {
        error = lists_note(engine, &entries[i].item);
    }
    return error;
}

static int add_entries(struct engine *engine, struct config_list_entry *entries, size_t count,
                       const char *author, bool import, struct config_add_result *ret,
                       struct engine_problem *problem) {
    if (engine->changes_closed) {
        return change_say_busy(problem);
    }
    int error =
        config_db_add_entries(engine->config_db, entries, count, author, clock_wall_ns(), ret);
    if (error != 0) {
        return change_say_database(problem, error);
    }
    if (ret->added + ret->changed == 0) {
        return 0;
    }
    if (lists_have_room(engine, count)) {
        error = note_all(engine, entries, count);
        engine->list_counts[entries[0].item.list] += ret->added;
        error = error != 0 ? error : lists_publish(engine, NULL, NULL, ret->version);
    } else if (import) {
        engine->list_counts[entries[0].item.list] += ret->added;
        lists_note_import(engine);
    } else {
        error = lists_load(engine, NULL, NULL, ret->version);
    }
    return error != 0 ? say(problem, error,
                            "out of memory; the entries are stored and count from "
                            "the next change or a restart")
                      : 0;
}

int engine_add_entries(struct engine *engine, struct config_list_entry *entries, size_t count,
                       const char *author, struct config_add_result *ret,
                       struct engine_problem *problem) {
    (void)pthread_mutex_lock(&engine->config_lock);
    const int error = add_entries(engine, entries, count, author, false, ret, problem);
    (void)pthread_mutex_unlock(&engine->config_lock);
    return error;
}

int engine_import_entries(struct engine *engine, struct config_list_entry *entries, size_t count,
                          const char *author, struct config_add_result *ret,
                          struct engine_problem *problem) {
    (void)pthread_mutex_lock(&engine->config_lock);
    const int error = add_entries(engine, entries, count, author, true, ret, problem);
    (void)pthread_mutex_unlock(&engine->config_lock);
    return error;
}

int engine_finish_import(struct engine *engine) {
    return lists_catch_up(engine);
}

/* What the delta needs to hide the entries: their items, expired. */
static size_t find_items(struct engine *engine, const uint64_t *ids, size_t count,
                         struct list_item *ret_items) {
    size_t found = 0;
    struct config_list_entry entry;
    for (size_t i = 0; i < count; i++) {
        if (config_db_entry(engine->config_db, ids[i], &entry) == 0) {
            ret_items[found] = entry.item;
            ret_items[found++].expires_s = 1;
        }
    }
    return found;
}

static int hide_items(struct engine *engine, const struct list_item *items, size_t count,
                      uint64_t version) {
    if (!lists_have_room(engine, count)) {
        return lists_load(engine, NULL, NULL, version);
    }
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++) {
        error = lists_note(engine, &items[i]);
        engine->list_counts[items[i].list]--;
    }
    return error != 0 ? error : lists_publish(engine, NULL, NULL, version);
}

static int remove_entries(struct engine *engine, const uint64_t *ids, size_t count,
                          const char *author, uint64_t *ret_version) {
    if (engine->changes_closed) {
        return -EAGAIN;
    }
    struct list_item *items = calloc(count > 0 ? count : 1, sizeof *items);
    if (items == NULL) {
        return -ENOMEM;
    }
    const size_t found = find_items(engine, ids, count, items);
    int error = config_db_remove_entries(engine->config_db, ids, count, author, clock_wall_ns(),
                                         ret_version);
    if (error == 0) {
        error = hide_items(engine, items, found, *ret_version);
    }
    free(items);
    return error;
}

int engine_remove_entries(struct engine *engine, const uint64_t *ids, size_t count,
                          const char *author, uint64_t *ret_version) {
    (void)pthread_mutex_lock(&engine->config_lock);
    const int error = remove_entries(engine, ids, count, author, ret_version);
    (void)pthread_mutex_unlock(&engine->config_lock);
    return error;
}

/* --- what is set --------------------------------------------------------------------------------
 */

enum setting_origin engine_setting_origin(struct engine *engine, const struct setting_info *info) {
    (void)pthread_mutex_lock(&engine->config_lock);
    const enum setting_origin origin = settings_builder_origin(engine->builder, info);
    (void)pthread_mutex_unlock(&engine->config_lock);
    return origin;
}

bool engine_setting_pending(struct engine *engine, const struct setting_info *info) {
    const struct generation *generation = engine_generation_acquire(engine);
    const bool pending =
        settings_needs_restart(engine->in_force->settings, generation->settings, info);
    engine_generation_release(engine, generation);
    return pending;
}

struct config_db *engine_config_lock(struct engine *engine) {
    (void)pthread_mutex_lock(&engine->config_lock);
    return engine->config_db;
}

void engine_config_unlock(struct engine *engine) {
    (void)pthread_mutex_unlock(&engine->config_lock);
}
