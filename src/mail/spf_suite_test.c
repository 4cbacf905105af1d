/* SPDX-License-Identifier: Apache-2.0 */
/* The test suite of RFC 7208 (203 cases), results and explanations. */
#include "mail/spf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/spf_fixture.h"
#include "testing/test.h"

enum { FIELDS_MAX = 12, CASES = 203, ZONE_RECORDS_MAX = 1024 };

struct row {
    size_t count;
    char *fields[FIELDS_MAX];
    size_t lengths[FIELDS_MAX];
};

struct table {
    char *bytes;
    size_t count;
    struct row rows[ZONE_RECORDS_MAX];
};

/* `\t`, `\n`, `\r` and `\\`, in place. */
static size_t unescape(char *field, size_t length) {
    size_t to = 0;
    for (size_t from = 0; from < length; from++) {
        char c = field[from];
        if (c == '\\' && from + 1 < length) {
            c = field[++from];
            c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        }
        field[to++] = c;
    }
    field[to] = '\0';
    return to;
}

static void split(char *line, size_t length, struct row *row) {
    row->count = 0;
    for (size_t from = 0; from <= length && row->count < FIELDS_MAX;) {
        const char *tab = memchr(line + from, '\t', length - from);
        const size_t end = tab != NULL ? (size_t)(tab - line) : length;
        row->fields[row->count] = line + from;
        row->lengths[row->count++] = end - from;
        from = end + 1;
    }
    for (size_t i = 0; i < row->count; i++) {
        row->lengths[i] = unescape(row->fields[i], row->lengths[i]);
    }
}

static void load(const char *name, struct table *table) {
    enum { FILE_BYTES_MAX = 1 << 20 };
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/spf/%s", test_data(), name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    table->bytes = calloc(1, FILE_BYTES_MAX);
    assert_non_null(table->bytes);
    const size_t length = fread(table->bytes, 1, FILE_BYTES_MAX - 1, file);
    (void)fclose(file);
    table->count = 0;
    for (size_t from = 0; from < length;) {
        const char *newline = memchr(table->bytes + from, '\n', length - from);
        const size_t end = newline != NULL ? (size_t)(newline - table->bytes) : length;
        assert_true(table->count < ZONE_RECORDS_MAX);
        split(table->bytes + from, end - from, &table->rows[table->count++]);
        from = end + 1;
    }
}

enum { SCENARIO = 1, OWNER = 2, TYPE = 3, DATA = 4 };

/* The character-strings of a TXT record stand in a column each. */
static struct zone_record zone_record(struct row *row) {
    struct zone_record record = {
        .owner = row->fields[OWNER], .type = row->fields[TYPE], .data = ""};
    if (strcmp(record.type, "*") == 0) {
        record.type = "TIMEOUT";
        return record;
    }
    if (row->count <= DATA) {
        return record;
    }
    const size_t first = strcmp(record.type, "MX") == 0 ? DATA + 1 : DATA;
    record.data = row->fields[first];
    record.length = row->lengths[first];
    for (size_t i = first + 1; i < row->count; i++) {
        memmove(row->fields[first] + record.length, row->fields[i], row->lengths[i]);
        record.length += row->lengths[i];
    }
    row->fields[first][record.length] = '\0';
    return record;
}

static size_t zone_of(struct table *zone, const char *scenario, struct zone_record *ret_records) {
    size_t count = 0;
    for (size_t i = 1; i < zone->count; i++) {
        if (strcmp(zone->rows[i].fields[SCENARIO], scenario) == 0) {
            struct row copy = zone->rows[i];
            ret_records[count++] = zone_record(&copy);
        }
    }
    return count;
}

static bool is_accepted(const char *accepted, const char *result) {
    const size_t length = strlen(result);
    for (const char *at = accepted; (at = strstr(at, result)) != NULL; at += length) {
        const bool starts = at == accepted || at[-1] == '|';
        if (starts && (at[length] == '\0' || at[length] == '|')) {
            return true;
        }
    }
    return false;
}

enum { NAME = 2, HELO, HOST, MAIL_FROM, ACCEPTED, EXPLANATION };

static bool run_case(const struct row *row, struct zone_map *map) {
    struct ip_address client;
    assert_true(ip_address_parse(str_from(row->fields[HOST]), &client));
    const struct spf_query query = {
        .client_address = client,
        .helo_name = str_from(row->fields[HELO]),
        .sender = str_from(row->fields[MAIL_FROM]),
        .receiver = STR("receiver.example"),
        .wall_s = 1700000000,
        .explain = true,
    };
    const struct spf_verdict verdict = zone_map_check(map, &query, NULL, NULL);
    const char *result = spf_result_name(verdict.result);
    const char *explanation =
        strcmp(row->fields[EXPLANATION], "DEFAULT") == 0 ? "" : row->fields[EXPLANATION];
    const bool right_result = is_accepted(row->fields[ACCEPTED], result);
    const bool right_text = verdict.result != SPF_FAIL || row->fields[EXPLANATION][0] == '\0' ||
                            str_equal((struct str){verdict.explanation, verdict.explanation_length},
                                      str_from(explanation));
    if (!right_result || !right_text) {
        printf("# %s: %s, not %s; \"%.*s\", not \"%s\"; %.*s\n", row->fields[NAME], result,
               row->fields[ACCEPTED], verdict.explanation_length, verdict.explanation,
               row->fields[EXPLANATION], verdict.problem_length, verdict.problem);
    }
    return right_result && right_text;
}

TEST(spf_gives_all_results_and_explanations_of_the_suite) {
    static struct table cases;
    static struct table zone;
    static struct zone_record records[ZONE_RECORDS_MAX];
    if (test_data() == NULL) {
        skip();
    }
    load("spf-suites.tsv", &cases);
    load("spf-suites-zone.tsv", &zone);
    struct zone_map map = {.records = records};
    const char *scenario = "";
    unsigned right = 0;
    for (size_t i = 1; i < cases.count; i++) {
        const struct row *row = &cases.rows[i];
        if (strcmp(row->fields[SCENARIO], scenario) != 0) {
            scenario = row->fields[SCENARIO];
            map.count = zone_of(&zone, scenario, records);
        }
        right += run_case(row, &map);
    }
    free(cases.bytes);
    free(zone.bytes);
    assert_int_equal(cases.count - 1, CASES);
    assert_int_equal(right, CASES);
}
