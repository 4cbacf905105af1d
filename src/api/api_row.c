/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_row.h"

#include <string.h>

#include "base/utf8.h"

void row_copy(sqlite3_stmt *statement, int column, char *ret_text, size_t size) {
    const struct str text = database_column_text(statement, column);
    const size_t length = text.length < size ? text.length : size - 1;
    if (length > 0) {
        memcpy(ret_text, text.data, length);
    }
    ret_text[length] = '\0';
}

int row_set_number(sqlite3 *connection, const char *sql, int64_t id, int64_t number) {
    sqlite3_stmt *statement = NULL;
    int result = database_prepare(connection, sql, &statement);
    if (result == 0) {
        (void)sqlite3_bind_int64(statement, 1, id);
        if (sqlite3_bind_parameter_count(statement) > 1) {
            (void)sqlite3_bind_int64(statement, 2, number);
        }
        result = database_step(statement);
    }
    (void)sqlite3_finalize(statement);
    return result;
}

void row_try_number(sqlite3 *connection, const char *sql, int64_t id, int64_t number) {
    const int ignored = row_set_number(connection, sql, id, number);
    (void)ignored;
}

bool row_text_valid(struct str text) {
    for (size_t i = 0; i < text.length;) {
        uint32_t point = 0;
        const size_t length = utf8_decode(str_slice(text, i, text.length), &point);
        if (length == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0)) {
            return false;
        }
        i += length;
    }
    return true;
}
