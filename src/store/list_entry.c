/* SPDX-License-Identifier: Apache-2.0 */
#include "store/list_entry.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "base/utf8.h"

enum { QUOTED_MAX = 80 };
#define SECOND_NS INT64_C(1000000000)

static void add_quoted(struct text *problem, struct str value) {
    text_add_byte(problem, '"');
    text_add_escaped(problem, str_slice(value, 0, QUOTED_MAX));
    text_add(problem, value.length > QUOTED_MAX ? STR("...\"") : STR("\""));
}

static bool refuse(const char **ret_field, const char *field, struct str value, const char *why,
                   struct text *problem) {
    *ret_field = field;
    add_quoted(problem, value);
    text_add_byte(problem, ' ');
    text_add(problem, str_from(why));
    return false;
}

static bool take_type(enum list_id list, const struct list_entry_fields *fields,
                      enum pattern_type *ret_type, const char **ret_field, struct text *problem) {
    if (fields->type.length == 0) {
        *ret_type = address_pattern_guess(fields->pattern);
    } else if (!pattern_type_parse(fields->type, ret_type)) {
        return refuse(ret_field, "type", fields->type,
                      "is no type; it may be email, domain, ip, and on greylist_exempt recipient "
                      "and client.",
                      problem);
    }
    if ((*ret_type == PATTERN_RECIPIENT || *ret_type == PATTERN_CLIENT) &&
        list != LIST_GREYLIST_EXEMPT) {
        return refuse(ret_field, "type", str_from(pattern_type_name(*ret_type)),
                      "is a type of greylist_exempt alone; here it may be email, domain or ip.",
                      problem);
    }
    if (list == LIST_REPUTATION_ALLOW && *ret_type != PATTERN_IP) {
        const bool guessed = fields->type.length == 0;
        return refuse(
            ret_field, guessed ? "pattern" : "type", guessed ? fields->pattern : fields->type,
            "is not what reputation_allow holds: addresses and networks (ip) alone.", problem);
    }
    return true;
}

static bool take_words(const struct list_entry_fields *fields, struct list_item *item,
                       const char **ret_field, struct text *problem) {
    item->direction = LIST_INBOUND;
    if (fields->direction.length > 0 &&
        !list_direction_parse(fields->direction, &item->direction)) {
        return refuse(ret_field, "direction", fields->direction,
                      "is no direction; it may be inbound, outbound or both.", problem);
    }
    item->require = LIST_PROOF_NONE;
    if (fields->require.length > 0 && !list_proof_parse(fields->require, &item->require)) {
        return refuse(ret_field, "require", fields->require,
                      "is no proof; it may be fcrdns, spf, or empty for none.", problem);
    }
    if (item->list == LIST_REPUTATION_ALLOW && item->direction != LIST_INBOUND) {
        return refuse(ret_field, "direction", fields->direction,
                      "has no meaning on reputation_allow: only inbound mail has a reputation.",
                      problem);
    }
    return true;
}

bool list_entry_comment(struct str comment, char ret_comment[CONFIG_COMMENT_MAX],
                        const char **ret_field, struct text *problem) {
    if (comment.length >= CONFIG_COMMENT_MAX) {
        return refuse(ret_field, "comment", comment, "is longer than 511 bytes.", problem);
    }
    for (size_t i = 0; i < comment.length;) {
        uint32_t point;
        const size_t length = utf8_decode(str_slice(comment, i, comment.length), &point);
        if (length == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0)) {
            return refuse(ret_field, "comment", comment,
                          "is not UTF-8 text without control characters.", problem);
        }
        i += length;
    }
    if (comment.length > 0) {
        memcpy(ret_comment, comment.data, comment.length);
    }
    ret_comment[comment.length] = '\0';
    return true;
}

bool list_entry_expires(struct str expires, uint32_t now_s, uint32_t *ret_expires_s,
                        const char **ret_field, struct text *problem) {
    *ret_expires_s = 0;
    if (expires.length == 0) {
        return true;
    }
    int64_t unix_ns;
    if (!rfc3339_parse(expires, &unix_ns) || unix_ns / SECOND_NS > UINT32_MAX) {
        return refuse(ret_field, "expires", expires,
                      "is no time until 2106; write 2024-12-04T10:23:45Z.", problem);
    }
    if (unix_ns / SECOND_NS <= now_s) {
        return refuse(ret_field, "expires", expires, "is over already.", problem);
    }
    *ret_expires_s = (uint32_t)(unix_ns / SECOND_NS);
    return true;
}

bool list_entry_make(enum list_id list, const struct list_entry_fields *fields, uint32_t now_s,
                     struct config_list_entry *ret_entry, const char **ret_field,
                     struct text *problem) {
    *ret_entry = (struct config_list_entry){.item.list = list};
    enum pattern_type type;
    if (fields->pattern.length == 0) {
        *ret_field = "pattern";
        text_add(problem, STR("The pattern is missing."));
        return false;
    }
    if (!take_type(list, fields, &type, ret_field, problem) ||
        !take_words(fields, &ret_entry->item, ret_field, problem) ||
        !list_entry_comment(fields->comment, ret_entry->comment, ret_field, problem) ||
        !list_entry_expires(fields->expires, now_s, &ret_entry->item.expires_s, ret_field,
                            problem)) {
        return false;
    }
    char buffer[LIST_PROBLEM_MAX];
    struct text sentence = TEXT_OVER(buffer);
    const char *wrong =
        address_pattern_parse(type, fields->pattern, &ret_entry->item.pattern, &sentence);
    if (wrong != NULL) {
        *ret_field = "pattern";
        text_add(problem, str_from(wrong));
        return false;
    }
    return true;
}

/* --- back to text --- */

static void add_csv_field(struct text *out, struct str field) {
    bool plain = true;
    for (size_t i = 0; i < field.length; i++) {
        plain = plain && field.data[i] != '"' && field.data[i] != ',' && field.data[i] != '#';
    }
    plain = plain && str_trim(field).length == field.length;
    if (plain) {
        text_add(out, field);
        return;
    }
    text_add_byte(out, '"');
    for (size_t i = 0; i < field.length; i++) {
        text_add(out, field.data[i] == '"' ? STR("\"\"") : str_slice(field, i, i + 1));
    }
    text_add_byte(out, '"');
}

static struct str expires_text(const struct config_list_entry *entry, struct text *buffer) {
    if (entry->item.expires_s != 0) {
        rfc3339_format((int64_t)entry->item.expires_s * SECOND_NS, buffer);
    }
    return text_str(buffer);
}

void list_entry_format_csv(const struct config_list_entry *entry, struct text *out) {
    char pattern_buffer[PATTERN_TEXT_MAX + 8];
    char expires_buffer[RFC3339_TEXT_MAX];
    struct text pattern = TEXT_OVER(pattern_buffer);
    struct text expires = TEXT_OVER(expires_buffer);
    address_pattern_format(&entry->item.pattern, &pattern);
    add_csv_field(out, text_str(&pattern));
    text_add_byte(out, ',');
    text_add(out, str_from(pattern_type_name(entry->item.pattern.type)));
    text_add_byte(out, ',');
    text_add(out, str_from(list_direction_name(entry->item.direction)));
    text_add_byte(out, ',');
    text_add(out, str_from(list_proof_name(entry->item.require)));
    text_add_byte(out, ',');
    add_csv_field(out, str_from(entry->comment));
    text_add_byte(out, ',');
    text_add(out, expires_text(entry, &expires));
    text_add_byte(out, '\n');
}

/* Patterns are UTF-8 or bytes; json_stringn() refuses the latter, then the escaped form stands. */
static json_t *utf8_text(struct str bytes) {
    json_t *text = json_stringn(bytes.length > 0 ? bytes.data : "", bytes.length);
    if (text == NULL) {
        char buffer[4 * PATTERN_TEXT_MAX + 64];
        struct text escaped = TEXT_OVER(buffer);
        text_add_escaped(&escaped, bytes);
        text = json_stringn(escaped.data, escaped.length);
    }
    return text;
}

void list_entry_format_json(const struct config_list_entry *entry, struct text *out) {
    char pattern_buffer[PATTERN_TEXT_MAX + 8];
    char expires_buffer[RFC3339_TEXT_MAX];
    struct text pattern = TEXT_OVER(pattern_buffer);
    struct text expires = TEXT_OVER(expires_buffer);
    address_pattern_format(&entry->item.pattern, &pattern);
    json_t *object = json_pack(
        "{s:o, s:s, s:s, s:s, s:o, s:o}", "pattern", utf8_text(text_str(&pattern)), "type",
        pattern_type_name(entry->item.pattern.type), "direction",
        list_direction_name(entry->item.direction), "require", list_proof_name(entry->item.require),
        "comment", utf8_text(str_from(entry->comment)), "expires",
        utf8_text(expires_text(entry, &expires)));
    char *line = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    if (line != NULL) {
        text_add(out, str_from(line));
        text_add_byte(out, '\n');
    }
    free(line);
    json_decref(object);
}
