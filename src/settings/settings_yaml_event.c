/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings_yaml_event.h"

#include <string.h>

struct setting_place yaml_place(yaml_mark_t mark) {
    return (struct setting_place){SETTING_FROM_FILE, (unsigned)mark.line + 1,
                                  (unsigned)mark.column + 1};
}

bool yaml_refuse(struct yaml_source *source, yaml_mark_t mark, struct str sentence) {
    return setting_problem_set(source->problem, yaml_place(mark), sentence);
}

bool yaml_refuse_name(struct yaml_source *source, yaml_mark_t mark, struct str name,
                      const char *sentence) {
    char words[sizeof source->problem->text];
    struct text out = TEXT_OVER(words);
    text_add_byte(&out, '"');
    text_add_escaped(&out, str_slice(name, 0, 100));
    text_add(&out, STR("\" "));
    text_add(&out, str_from(sentence));
    return setting_problem_set(source->problem, yaml_place(mark), text_str(&out));
}

/* The byte at which the parser stumbled is often a tab, and its own words do not say so. */
static bool tab_before(struct str yaml, size_t line, size_t *ret_column) {
    size_t start = 0;
    for (size_t i = 0; i < line && start < yaml.length; i++) {
        const size_t newline = str_find(str_slice(yaml, start, yaml.length), '\n');
        if (newline == SIZE_MAX) {
            return false;
        }
        start += newline + 1;
    }
    for (size_t at = start; at < yaml.length && (yaml.data[at] == ' ' || yaml.data[at] == '\t');
         at++) {
        if (yaml.data[at] == '\t') {
            *ret_column = at - start;
            return true;
        }
    }
    return false;
}

static bool refuse_syntax(struct yaml_source *source) {
    yaml_mark_t mark = source->parser.problem_mark;
    if (source->parser.error == YAML_MEMORY_ERROR) {
        return yaml_refuse(source, mark, STR("there is not enough memory to read the file"));
    }
    if (source->parser.error == YAML_READER_ERROR) {
        const size_t at = source->parser.problem_offset;
        memset(&mark, 0, sizeof mark);
        for (size_t i = 0; i < at && i < source->yaml.length; i++) {
            mark.line += source->yaml.data[i] == '\n';
        }
        struct setting_place place = yaml_place(mark);
        place.column = 0;
        return setting_problem_set(source->problem, place,
                                   STR("the file is not text in UTF-8; save it as UTF-8 without "
                                       "control characters"));
    }
    if (tab_before(source->yaml, mark.line, &mark.column)) {
        return yaml_refuse(source, mark, STR("this line is indented with a tab; use spaces"));
    }
    char words[sizeof source->problem->text];
    struct text out = TEXT_OVER(words);
    text_add(&out, STR("this is not YAML: "));
    text_add(&out, str_from(source->parser.problem));
    if (source->parser.context != NULL) {
        text_add(&out, STR(" ("));
        text_add(&out, str_from(source->parser.context));
        text_add_byte(&out, ')');
    }
    text_add(&out, STR("; quote a value that holds : # { [ or begins with a sign"));
    return setting_problem_set(source->problem, yaml_place(mark), text_str(&out));
}

bool yaml_next(struct yaml_source *source, yaml_event_t *ret_event) {
    if (yaml_parser_parse(&source->parser, ret_event) == 0) {
        return refuse_syntax(source);
    }
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    if (ret_event->type == YAML_SCALAR_EVENT) {
        anchor = ret_event->data.scalar.anchor;
        tag = ret_event->data.scalar.tag;
    } else if (ret_event->type == YAML_MAPPING_START_EVENT) {
        anchor = ret_event->data.mapping_start.anchor;
        tag = ret_event->data.mapping_start.tag;
    } else if (ret_event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = ret_event->data.sequence_start.anchor;
        tag = ret_event->data.sequence_start.tag;
    }
    const yaml_mark_t mark = ret_event->start_mark;
    const bool refused = anchor != NULL || tag != NULL || ret_event->type == YAML_ALIAS_EVENT;
    if (!refused) {
        return true;
    }
    yaml_event_delete(ret_event);
    return tag != NULL ? yaml_refuse(source, mark,
                                     STR("tags (!) are not allowed here; write the value alone"))
                       : yaml_refuse(source, mark,
                                     STR("anchors (&) and aliases (*) are not allowed here; write "
                                         "the value itself, "
                                         "in quotes if it begins with such a sign"));
}
