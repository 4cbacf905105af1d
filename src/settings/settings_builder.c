/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings_builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "settings/setting_value.h"

/* The value that wins so far, as it was written. data is NULL where the default stands. */
struct builder_value {
    char *data;
    size_t length;
    struct setting_place place;
};

struct settings_builder {
    struct builder_value *values; /* one for each row of settings_table */
};

/* A generation: the settings first, so that settings_free() finds the arena they lie in. */
struct settings_owner {
    struct settings settings;
    struct settings_arena arena;
};

struct settings_builder *settings_builder_new(void) {
    struct settings_builder *builder = calloc(1, sizeof *builder);
    CHECK(builder != NULL);
    builder->values = calloc(settings_count, sizeof *builder->values);
    CHECK(builder->values != NULL);
    return builder;
}

void settings_builder_free(struct settings_builder *builder) {
    if (builder == NULL) {
        return;
    }
    for (size_t i = 0; i < settings_count; i++) {
        free(builder->values[i].data);
    }
    free(builder->values);
    free(builder);
}

bool setting_problem_set(struct setting_problem *problem, struct setting_place place,
                         struct str text) {
    struct text out = TEXT_OVER(problem->text);
    text_add(&out, text);
    (void)text_zero(&out);
    problem->line = place.line;
    problem->column = place.column;
    return false;
}

void setting_unknown_format(struct str key, struct text *out) {
    const char *nearest = setting_nearest(key);
    text_add_byte(out, '"');
    text_add_escaped(out, str_slice(key, 0, 100));
    text_add(out, STR("\" is not a setting"));
    if (nearest != NULL) {
        text_add(out, STR("; did you mean "));
        text_add(out, str_from(nearest));
        text_add_byte(out, '?');
    } else {
        text_add(out, STR("; `seczim setting list` shows all"));
    }
}

bool setting_value_check(const struct setting_info *info, struct str value,
                         struct setting_place place, struct setting_problem *problem) {
    char sentence[sizeof problem->text];
    struct text out = TEXT_OVER(sentence);
    if (info->apply == SETTING_BOOTSTRAP && place.origin == SETTING_FROM_DATABASE) {
        text_add(&out, str_from(info->key));
        text_add(&out, STR(" can be set in seczim.yaml alone: it is needed before the database "
                           "is open"));
        return setting_problem_set(problem, place, text_str(&out));
    }
    struct settings_arena arena = {NULL};
    struct settings *scratch = settings_arena_allocate(&arena, sizeof *scratch);
    const bool fits = setting_value_parse(info, value, scratch, &arena, &out);
    settings_arena_done(&arena);
    return fits || setting_problem_set(problem, place, text_str(&out));
}

bool settings_builder_set_at(struct settings_builder *builder, const struct setting_info *info,
                             struct str value, struct setting_place place,
                             struct setting_problem *problem) {
    if (!setting_value_check(info, value, place, problem)) {
        return false;
    }
    struct builder_value *slot = &builder->values[info - settings_table];
    if (slot->data != NULL && slot->place.origin > place.origin) {
        return true; /* The file wins, whatever comes later. */
    }
    char *copy = malloc(value.length + 1);
    CHECK(copy != NULL);
    if (value.length > 0) {
        memcpy(copy, value.data, value.length);
    }
    copy[value.length] = '\0';
    free(slot->data);
    *slot = (struct builder_value){copy, value.length, place};
    return true;
}

bool settings_builder_set(struct settings_builder *builder, struct str key, struct str value,
                          enum setting_origin origin, unsigned line,
                          struct setting_problem *problem) {
    const struct setting_place place = {origin, line, 0};
    const struct setting_info *info = setting_find(key);
    if (info == NULL) {
        char sentence[sizeof problem->text];
        struct text out = TEXT_OVER(sentence);
        setting_unknown_format(key, &out);
        return setting_problem_set(problem, place, text_str(&out));
    }
    return settings_builder_set_at(builder, info, value, place, problem);
}

struct settings *settings_builder_finish(struct settings_builder *builder, uint64_t generation,
                                         struct setting_problem *problem) {
    struct settings_arena arena = {NULL};
    struct settings_owner *owner = settings_arena_allocate(&arena, sizeof *owner);
    char sentence[sizeof problem->text];
    struct text out = TEXT_OVER(sentence);
    for (size_t i = 0; i < settings_count; i++) {
        const struct builder_value *value = &builder->values[i];
        const struct str text = value->data != NULL ? (struct str){value->data, value->length}
                                                    : str_from(settings_table[i].fallback);
        /* Values were checked when they were set, defaults by a test. */
        CHECK(setting_value_parse(&settings_table[i], text, &owner->settings, &arena, &out));
    }
    const struct setting_info *at = NULL;
    const struct setting_info *other = NULL;
    if (!settings_rules_apply(&owner->settings, &arena, &at, &other, &out)) {
        /* Of two that do not agree, the one that somebody set is the one to show. */
        const struct setting_place *place = &builder->values[at - settings_table].place;
        if (other != NULL && place->origin == SETTING_FROM_DEFAULT) {
            place = &builder->values[other - settings_table].place;
        }
        (void)setting_problem_set(problem, *place, text_str(&out));
        settings_arena_done(&arena);
        return NULL;
    }
    owner->settings.policy.generation = generation;
    owner->arena = arena;
    return &owner->settings;
}

void settings_free(struct settings *settings) {
    if (settings != NULL) {
        settings_arena_done(&((struct settings_owner *)settings)->arena);
    }
}

enum setting_origin settings_builder_origin(const struct settings_builder *builder,
                                            const struct setting_info *info) {
    return builder->values[info - settings_table].place.origin;
}

unsigned settings_builder_line(const struct settings_builder *builder,
                               const struct setting_info *info) {
    return builder->values[info - settings_table].place.line;
}

void setting_problem_format(const struct setting_problem *problem, struct str file,
                            struct text *out) {
    if (problem->line > 0) {
        text_add(out, file);
        text_add_byte(out, ':');
        text_add_u64(out, problem->line);
        if (problem->column > 0) {
            text_add_byte(out, ':');
            text_add_u64(out, problem->column);
        }
        text_add(out, STR(": "));
    }
    text_add(out, str_from(problem->text));
}

static bool items_differ(const struct settings *a, const struct settings *b,
                         const struct setting_info *info) {
    const void *items[2] = {NULL, NULL};
    const size_t count = setting_items(a, info, &items[0]);
    if (count != setting_items(b, info, &items[1])) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (info->type != SETTING_NETWORK_LIST) {
            if (!str_equal(((const struct str *)items[0])[i], ((const struct str *)items[1])[i])) {
                return true;
            }
        } else if (memcmp((const struct ip_prefix *)items[0] + i,
                          (const struct ip_prefix *)items[1] + i, sizeof(struct ip_prefix)) != 0) {
            return true;
        }
    }
    return false;
}

bool setting_differs(const struct settings *a, const struct settings *b,
                     const struct setting_info *info) {
    switch (info->type) {
    case SETTING_TEXT:
    case SETTING_SECRET:
        return !str_equal(setting_text(a, info), setting_text(b, info));
    case SETTING_TEXT_LIST:
    case SETTING_NETWORK_LIST:
    case SETTING_SECRET_LIST:
        return items_differ(a, b, info);
    case SETTING_BOOL:
    case SETTING_INT:
    case SETTING_DURATION_S:
    case SETTING_DURATION_NS:
    case SETTING_SIZE:
    case SETTING_ENUM:
    case SETTING_MODE:
        return setting_number(a, info) != setting_number(b, info);
    }
    CHECK(false);
}

bool settings_needs_restart(const struct settings *in_force, const struct settings *stored,
                            const struct setting_info *info) {
    return info->apply != SETTING_AT_ONCE && setting_differs(in_force, stored, info);
}
