/* SPDX-License-Identifier: Apache-2.0 */
#include "api/csv.h"

#include <stdlib.h>
#include <string.h>

static bool runs(struct str cell) {
    return cell.length > 0 && strchr("=+-@\t\r\n", cell.data[0]) != NULL;
}

static void add_quoted(struct str cell, struct text *out) {
    text_add_byte(out, '"');
    if (runs(cell)) {
        text_add_byte(out, '\'');
    }
    for (size_t i = 0; i < cell.length; i++) {
        if (cell.data[i] == '"') {
            text_add_byte(out, '"');
        }
        text_add_byte(out, cell.data[i]);
    }
    text_add_byte(out, '"');
}

void csv_cell(const json_t *value, struct text *out) {
    if (value == NULL || json_is_null(value)) {
        return;
    }
    if (json_is_string(value)) {
        add_quoted((struct str){json_string_value(value), json_string_length(value)}, out);
        return;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (json_is_number(value) || json_is_boolean(value)) {
        text_add(out, str_from(text)); /* Of ours, and a minus sign of a number does not run. */
    } else if (text != NULL) {
        add_quoted(str_from(text), out);
    }
    free(text);
}
