/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "settings/settings_yaml_event.h"

/* seczim.yaml, event by event. Of YAML only what settings need: maps, lists of plain values and
 * plain values. Anchors, aliases and tags are refused: they make files that nobody can read, and
 * small ones that mean large things. */

enum { DEPTH_MAX = 4, PATH_MAX_BYTES = 128, SECTIONS_MAX = 64 };

/* A value of the file, held back until the whole file is known to be right. */
struct staged {
    char *data;
    size_t length;
    struct setting_place place;
};

struct section {
    char path[PATH_MAX_BYTES];
    size_t length;
    unsigned line;
};

struct reader {
    struct yaml_source source;
    struct staged *staged; /* one for each row of settings_table */
    struct section sections[SECTIONS_MAX];
    size_t section_count;
};

/* Sentence for the place of `mark`; false, for `return`. */
static bool refuse(struct reader *reader, yaml_mark_t mark, const char *sentence) {
    return yaml_refuse(&reader->source, mark, str_from(sentence));
}

static bool refuse_name(struct reader *reader, yaml_mark_t mark, struct str name,
                        const char *sentence) {
    return yaml_refuse_name(&reader->source, mark, name, sentence);
}

static struct str scalar_text(const yaml_event_t *event) {
    return (struct str){(const char *)event->data.scalar.value, event->data.scalar.length};
}

/* `key:` with nothing behind it, or with YAML's words for nothing. */
static bool is_null(const yaml_event_t *event) {
    const struct str text = scalar_text(event);
    return event->type == YAML_SCALAR_EVENT &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text.length == 0 || str_equal(text, STR("~")) || str_equal_nocase(text, STR("null")));
}

static bool is_section(struct str path) {
    for (size_t i = 0; i < settings_count; i++) {
        const struct str key = str_from(settings_table[i].key);
        if (str_starts(key, path) && key.length > path.length && key.data[path.length] == '.') {
            return true;
        }
    }
    return false;
}

/* --- values --------------------------------------------------------------------------------- */

static bool stage(struct reader *reader, const struct setting_info *info, struct str value,
                  yaml_mark_t mark) {
    struct staged *slot = &reader->staged[info - settings_table];
    const struct setting_place place = yaml_place(mark);
    if (!setting_value_check(info, value, place, reader->source.problem)) {
        return false;
    }
    slot->data = malloc(value.length + 1);
    CHECK(slot->data != NULL);
    if (value.length > 0) {
        memcpy(slot->data, value.data, value.length);
    }
    slot->length = value.length;
    slot->place = place;
    return true;
}

static bool is_list(const struct setting_info *info) {
    return info->type == SETTING_TEXT_LIST || info->type == SETTING_NETWORK_LIST ||
           info->type == SETTING_SECRET_LIST;
}

static bool read_scalar(struct reader *reader, const struct setting_info *info,
                        const yaml_event_t *event) {
    const struct str key = str_from(info->key);
    const struct str value = scalar_text(event);
    if (is_null(event)) {
        return refuse_name(reader, event->start_mark, key,
                           "has no value; write one, \"\" or [] for an empty one, or take the line "
                           "out for the default");
    }
    if (is_list(info) && value.length == 0) {
        return refuse_name(reader, event->start_mark, key, "is a list; an empty one is []");
    }
    if (is_list(info) && str_find(value, '\n') != SIZE_MAX) {
        return refuse_name(
            reader, event->start_mark, key,
            "is a list; write each item on a line of its own that begins with \"- \"");
    }
    return stage(reader, info, value, event->start_mark);
}

/* One item of a list joins `items`, items are separated by newlines. */
static bool add_item(struct reader *reader, const struct setting_info *info,
                     const yaml_event_t *event, struct text *items, size_t *count) {
    const struct str key = str_from(info->key);
    if (event->type != YAML_SCALAR_EVENT) {
        return refuse_name(reader, event->start_mark, key,
                           "is a list of plain values; an item cannot be a list or map");
    }
    const struct str item = scalar_text(event);
    if (item.length == 0 || is_null(event)) {
        return refuse_name(reader, event->start_mark, key, "has an empty item; take it out");
    }
    if (str_find(item, '\n') != SIZE_MAX) {
        return refuse_name(reader, event->start_mark, key, "has an item with a newline in it");
    }
    if (*count >= (size_t)info->max) {
        char words[64];
        struct text out = TEXT_OVER(words);
        text_add(&out, STR("has too many items; it takes "));
        text_add_u64(&out, (uint64_t)info->max);
        return refuse_name(reader, event->start_mark, key, text_zero(&out));
    }
    /* The item alone first, so that the message has its line. */
    if (!setting_value_check(info, item, yaml_place(event->start_mark), reader->source.problem)) {
        return false;
    }
    if ((*count)++ > 0) {
        text_add_byte(items, '\n');
    }
    text_add(items, item);
    return true;
}

static bool read_list(struct reader *reader, const struct setting_info *info, yaml_mark_t mark) {
    /* Items are shorter than the file they stand in. */
    const size_t size = reader->source.yaml.length + 1;
    char *memory = malloc(size);
    CHECK(memory != NULL);
    struct text items = {.data = memory, .size = size};
    size_t count = 0;
    bool good = true;
    for (bool end = false; good && !end;) {
        yaml_event_t event;
        good = yaml_next(&reader->source, &event);
        if (good) {
            end = event.type == YAML_SEQUENCE_END_EVENT;
            good = end || add_item(reader, info, &event, &items, &count);
            yaml_event_delete(&event);
        }
    }
    CHECK(!good || !items.truncated);
    good = good && stage(reader, info, text_str(&items), mark);
    free(memory);
    return good;
}

/* --- maps ----------------------------------------------------------------------------------- */

static bool read_map(struct reader *reader, struct str path, unsigned depth);

static bool enter_section(struct reader *reader, struct str path, yaml_mark_t mark) {
    for (size_t i = 0; i < reader->section_count; i++) {
        const struct section *section = &reader->sections[i];
        if (str_equal(path, (struct str){section->path, section->length})) {
            char words[128];
            struct text out = TEXT_OVER(words);
            text_add(&out, STR("stands there twice, first on line "));
            text_add_u64(&out, section->line);
            text_add(&out, STR("; join the two"));
            return refuse_name(reader, mark, path, text_zero(&out));
        }
    }
    CHECK(reader->section_count < SECTIONS_MAX && path.length < PATH_MAX_BYTES);
    struct section *section = &reader->sections[reader->section_count++];
    memcpy(section->path, path.data, path.length);
    section->length = path.length;
    section->line = (unsigned)mark.line + 1;
    return true;
}

static bool refuse_unknown(struct reader *reader, struct str path, yaml_mark_t mark) {
    char words[sizeof reader->source.problem->text];
    struct text out = TEXT_OVER(words);
    setting_unknown_format(path, &out);
    return setting_problem_set(reader->source.problem, yaml_place(mark), text_str(&out));
}

/* A map stands where no section is: say which section may be meant. */
static bool refuse_section(struct reader *reader, struct str path, yaml_mark_t mark) {
    char words[sizeof reader->source.problem->text];
    struct text out = TEXT_OVER(words);
    text_add_byte(&out, '"');
    text_add_escaped(&out, str_slice(path, 0, 100));
    text_add(&out, STR("\" is not a section; there are"));
    for (size_t i = 0, shown = 0; i < settings_count; i++) {
        const struct str key = str_from(settings_table[i].key);
        const struct str name = str_slice(key, 0, str_find(key, '.'));
        const struct str last = i > 0 ? str_from(settings_table[i - 1].key) : STR("");
        if (name.length < key.length && !str_equal(name, str_slice(last, 0, str_find(last, '.')))) {
            text_add(&out, shown++ > 0 ? STR(", ") : STR(" "));
            text_add(&out, name);
        }
    }
    return setting_problem_set(reader->source.problem, yaml_place(mark), text_str(&out));
}

static bool read_setting(struct reader *reader, const struct setting_info *info,
                         const yaml_event_t *event) {
    const struct staged *before = &reader->staged[info - settings_table];
    if (before->data != NULL) {
        char words[128];
        struct text out = TEXT_OVER(words);
        text_add(&out, STR("is set twice, first on line "));
        text_add_u64(&out, before->place.line);
        text_add(&out, STR("; take one out"));
        return refuse_name(reader, event->start_mark, str_from(info->key), text_zero(&out));
    }
    if (event->type == YAML_SCALAR_EVENT) {
        return read_scalar(reader, info, event);
    }
    if (event->type == YAML_SEQUENCE_START_EVENT && is_list(info)) {
        return read_list(reader, info, event->start_mark);
    }
    return refuse_name(reader, event->start_mark, str_from(info->key),
                       is_list(info) ? "is a list of plain values, not a map"
                       : event->type == YAML_SEQUENCE_START_EVENT
                           ? "has one value, not a list; write it without brackets and dashes"
                           : "has one value, not a map; write it behind the colon");
}

/* The value behind `path:`. */
static bool read_member(struct reader *reader, struct str path, yaml_mark_t key_mark,
                        const yaml_event_t *event, unsigned depth) {
    const struct setting_info *info = setting_find(path);
    if (info != NULL) {
        return read_setting(reader, info, event);
    }
    if (!is_section(path)) {
        return event->type == YAML_MAPPING_START_EVENT && str_find(path, '.') == SIZE_MAX
                   ? refuse_section(reader, path, key_mark)
                   : refuse_unknown(reader, path, key_mark);
    }
    if (is_null(event)) {
        return enter_section(reader, path, key_mark); /* All of it is commented out. */
    }
    if (event->type != YAML_MAPPING_START_EVENT) {
        return refuse_name(reader, event->start_mark, path,
                           "is a section; write its settings below it, indented");
    }
    return enter_section(reader, path, key_mark) && read_map(reader, path, depth + 1);
}

/* `outer.key`; an empty path when the key cannot be one. */
static struct str join(struct text *out, struct str outer, const yaml_event_t *key) {
    if (outer.length > 0) {
        text_add(out, outer);
        text_add_byte(out, '.');
    }
    text_add(out, scalar_text(key));
    return out->truncated ? STR("") : text_str(out);
}

/* One `key: value`; *ret_end when the map ended instead. */
static bool read_pair(struct reader *reader, struct str outer, unsigned depth, bool *ret_end) {
    yaml_event_t key;
    if (!yaml_next(&reader->source, &key)) {
        return false;
    }
    *ret_end = key.type == YAML_MAPPING_END_EVENT;
    if (*ret_end) {
        yaml_event_delete(&key);
        return true;
    }
    char memory[PATH_MAX_BYTES];
    struct text joined = TEXT_OVER(memory);
    const yaml_mark_t mark = key.start_mark;
    struct str path = STR("");
    bool good = key.type == YAML_SCALAR_EVENT ||
                refuse(reader, mark, "a name of a setting must stand here, not a list or map");
    if (good) {
        path = join(&joined, outer, &key);
        good = path.length > 0 || refuse_unknown(reader, scalar_text(&key), mark);
    }
    yaml_event_delete(&key);
    yaml_event_t value;
    if (!good || !yaml_next(&reader->source, &value)) {
        return false;
    }
    good = read_member(reader, path, mark, &value, depth);
    yaml_event_delete(&value);
    return good;
}

static bool read_map(struct reader *reader, struct str path, unsigned depth) {
    /* Every map is a known section, and sections nest two deep at most. */
    CHECK(depth <= DEPTH_MAX);
    for (bool end = false; !end;) {
        if (!read_pair(reader, path, depth, &end)) {
            return false;
        }
    }
    return true;
}

/* --- documents ------------------------------------------------------------------------------ */

static bool read_root(struct reader *reader) {
    yaml_event_t event;
    if (!yaml_next(&reader->source, &event)) {
        return false;
    }
    bool good = true;
    if (event.type == YAML_MAPPING_START_EVENT) {
        good = read_map(reader, STR(""), 1);
    } else if (!is_null(&event)) {
        good = refuse(reader, event.start_mark,
                      "settings must stand here, such as \"greylisting:\", not a value or list");
    }
    yaml_event_delete(&event);
    return good;
}

/* At most one document; an empty file has none and is right. */
static bool read_stream(struct reader *reader) {
    unsigned documents = 0;
    for (bool end = false; !end;) {
        yaml_event_t event;
        if (!yaml_next(&reader->source, &event)) {
            return false;
        }
        const yaml_event_type_t type = event.type;
        const yaml_mark_t mark = event.start_mark;
        yaml_event_delete(&event);
        end = type == YAML_STREAM_END_EVENT;
        if (type == YAML_DOCUMENT_START_EVENT) {
            if (documents++ > 0) {
                return refuse(reader, mark,
                              "a second document begins here (---); the file holds one alone");
            }
            if (!read_root(reader)) {
                return false;
            }
        }
    }
    return true;
}

static bool check_size(struct str yaml, struct setting_problem *problem) {
    if (yaml.length <= SETTINGS_FILE_MAX) {
        return true;
    }
    return setting_problem_set(problem, (struct setting_place){SETTING_FROM_FILE, 0, 0},
                               STR("the settings file is larger than 1 MiB; long lists belong into "
                                   "the access lists (`seczim acl import`)"));
}

bool settings_builder_read_yaml(struct settings_builder *builder, struct str yaml,
                                struct setting_problem *problem) {
    if (!check_size(yaml, problem)) {
        return false;
    }
    struct reader reader = {.source = {.problem = problem, .yaml = yaml}};
    reader.staged = calloc(settings_count, sizeof *reader.staged);
    CHECK(reader.staged != NULL && yaml_parser_initialize(&reader.source.parser) != 0);
    yaml_parser_set_encoding(&reader.source.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.source.parser, (const unsigned char *)yaml.data,
                                 yaml.length);
    const bool good = read_stream(&reader);
    for (size_t i = 0; i < settings_count; i++) {
        const struct staged *staged = &reader.staged[i];
        if (good && staged->data != NULL) {
            const struct str value = {staged->data, staged->length};
            CHECK(settings_builder_set_at(builder, &settings_table[i], value, staged->place,
                                          problem));
        }
        free(staged->data);
    }
    free(reader.staged);
    yaml_parser_delete(&reader.source.parser);
    return good;
}
