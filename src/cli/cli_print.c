/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/str.h"
#include "cli/cli.h"

enum { RESULTS = 16, RESULT_BYTES = 512 };

/* One buffer of a ring, so that several results can stand in one call of printf. */
static char *next_result(void) {
    static char results[RESULTS][RESULT_BYTES];
    static size_t next;
    next = (next + 1) % RESULTS;
    return results[next];
}

bool cli_print_json(const struct cli *cli, const json_t *answer) {
    if (!cli->json) {
        return false;
    }
    (void)json_dumpf(answer, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    return true;
}

/* What a terminal would act on is shown as \xNN; quotes and backslashes stay as they are. */
static bool is_harmless(unsigned char byte) {
    return byte >= 0x20 && byte < 0x7f;
}

static size_t escaped_add(struct text *out, const char *text) {
    size_t width = 0;
    for (const char *c = text; *c != '\0'; c++) {
        const size_t before = out->length;
        if (is_harmless((unsigned char)*c)) {
            text_add_byte(out, *c);
            width++;
            continue;
        }
        /* UTF-8 beyond the control characters of Latin-1 is text; anything else is escaped. */
        size_t n = 1;
        while (n < 4 && ((unsigned char)c[n] & 0xc0U) == 0x80U) {
            n++;
        }
        if ((unsigned char)*c >= 0xc3U && n > 1) {
            text_add(out, (struct str){c, n});
            width++;
        } else {
            text_add_escaped(out, (struct str){c, n});
            width += out->length - before;
        }
        c += n - 1;
    }
    return width;
}

void cli_print_text(const char *text) {
    char *buffer = malloc(4 * strlen(text) + 1);
    CHECK(buffer != NULL);
    struct text out = {.data = buffer, .size = 4 * strlen(text) + 1};
    (void)escaped_add(&out, text);
    (void)fwrite(out.data, 1, out.length, stdout);
    free(buffer);
}

void cli_hint(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)fflush(stdout);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
}

void cli_print_warnings(const json_t *answer) {
    size_t i = 0;
    const json_t *warning = NULL;
    json_array_foreach(json_object_get(answer, "warnings"), i, warning) {
        char bytes[1024];
        struct text out = TEXT_OVER(bytes);
        text_add_escaped(&out, str_from(json_string_value(warning)));
        (void)fprintf(stderr, "Warning: %s.\n", text_zero(&out));
    }
}

void cli_print_field(const char *label, const char *value) {
    if (value == NULL || value[0] == '\0') {
        return;
    }
    printf("%-16s ", label);
    cli_print_text(value);
    (void)putchar('\n');
}

static const json_t *walk(const json_t *object, const char *member) {
    const char *dot = strchr(member, '.');
    if (dot == NULL) {
        return json_object_get(object, member);
    }
    return walk(json_object_getn(object, member, (size_t)(dot - member)), dot + 1);
}

const char *cli_text(const json_t *object, const char *member) {
    const json_t *value = walk(object, member);
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    char *result = next_result();
    result[0] = '\0';
    if (json_is_integer(value)) {
        (void)snprintf(result, RESULT_BYTES, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        (void)snprintf(result, RESULT_BYTES, "%.2f", json_real_value(value));
    } else if (json_is_boolean(value)) {
        (void)snprintf(result, RESULT_BYTES, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_array(value)) {
        struct text out = {.data = result, .size = RESULT_BYTES - 1};
        size_t i = 0;
        const json_t *item = NULL;
        json_array_foreach(value, i, item) {
            text_add(&out, i > 0 ? STR(", ") : STR(""));
            text_add(&out, str_from(json_string_value(item)));
        }
        result[out.length] = '\0';
    }
    return result;
}

const char *cli_size(double bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    char *result = next_result();
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(result, RESULT_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return result;
}

const char *cli_local_time(const char *rfc3339) {
    struct tm parts = {0};
    const char *rest = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL || strchr(rest, 'Z') == NULL) {
        return rfc3339;
    }
    const time_t seconds = timegm(&parts);
    struct tm local;
    char *result = next_result();
    if (localtime_r(&seconds, &local) == NULL ||
        strftime(result, RESULT_BYTES, "%Y-%m-%d %H:%M:%S", &local) == 0) {
        return rfc3339;
    }
    return result;
}

const char *cli_duration(double seconds) {
    char *result = next_result();
    const long long s = (long long)seconds;
    if (s >= 86400) {
        (void)snprintf(result, RESULT_BYTES, "%lld d %lld h", s / 86400, s % 86400 / 3600);
    } else if (s >= 3600) {
        (void)snprintf(result, RESULT_BYTES, "%lld h %lld min", s / 3600, s % 3600 / 60);
    } else if (s >= 60) {
        (void)snprintf(result, RESULT_BYTES, "%lld min %lld s", s / 60, s % 60);
    } else {
        (void)snprintf(result, RESULT_BYTES, "%lld s", s);
    }
    return result;
}

struct cli_table {
    const struct cli_column *columns;
    size_t column_count;
    size_t row_count;
    char **cells;   /* row after row, escaped, heap */
    size_t *widths; /* of each cell, in characters */
};

struct cli_table *cli_table_new(const struct cli_column *columns, size_t count) {
    struct cli_table *table = calloc(1, sizeof *table);
    CHECK(table != NULL);
    table->columns = columns;
    table->column_count = count;
    return table;
}

void cli_table_add(struct cli_table *table, const char *const *cells) {
    const size_t n = table->column_count;
    table->cells = realloc(table->cells, (table->row_count + 1) * n * sizeof *table->cells);
    table->widths = realloc(table->widths, (table->row_count + 1) * n * sizeof *table->widths);
    CHECK(table->cells != NULL && table->widths != NULL);
    for (size_t i = 0; i < n; i++) {
        const char *cell = cells[i] != NULL ? cells[i] : "";
        char *escaped = malloc(4 * strlen(cell) + 1);
        CHECK(escaped != NULL);
        struct text out = {.data = escaped, .size = 4 * strlen(cell) + 1};
        table->widths[table->row_count * n + i] = escaped_add(&out, cell);
        escaped[out.length] = '\0';
        table->cells[table->row_count * n + i] = escaped;
    }
    table->row_count++;
}

static void print_cell(const char *cell, size_t width, size_t column_width, bool right, bool last) {
    const int padding = (int)(column_width - width);
    printf("%*s%s%*s", right ? padding : 0, "", cell, right || last ? 0 : padding, "");
    (void)fputs(last ? "\n" : "  ", stdout);
}

static void print_rows(const struct cli_table *table, const size_t *column_widths) {
    const size_t n = table->column_count;
    for (size_t i = 0; i < n; i++) {
        print_cell(table->columns[i].title, strlen(table->columns[i].title), column_widths[i],
                   table->columns[i].right, i + 1 == n);
    }
    for (size_t cell = 0; cell < table->row_count * n; cell++) {
        const size_t i = cell % n;
        print_cell(table->cells[cell], table->widths[cell], column_widths[i],
                   table->columns[i].right, i + 1 == n);
    }
}

void cli_table_print(struct cli_table *table, const char *when_empty) {
    const size_t n = table->column_count;
    size_t *column_widths = calloc(n, sizeof *column_widths);
    CHECK(column_widths != NULL);
    for (size_t i = 0; i < n; i++) {
        column_widths[i] = strlen(table->columns[i].title);
    }
    for (size_t cell = 0; cell < table->row_count * n; cell++) {
        if (table->widths[cell] > column_widths[cell % n]) {
            column_widths[cell % n] = table->widths[cell];
        }
    }
    if (table->row_count == 0) {
        puts(when_empty);
    } else {
        print_rows(table, column_widths);
    }
    free(column_widths);
    cli_table_free(table);
}

void cli_table_free(struct cli_table *table) {
    for (size_t cell = 0; cell < table->row_count * table->column_count; cell++) {
        free(table->cells[cell]);
    }
    free(table->cells);
    free(table->widths);
    free(table);
}
