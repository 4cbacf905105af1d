/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/list_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the file: an entry that comes out can be written and read again as the same entry, and
 * every problem is a sentence. The first byte chooses format and list. */

struct again {
    enum list_id list;
    bool inner;
    char line[LIST_LINE_MAX];
    struct text text;
    size_t count;
};

static void take_problem(void *context, uint64_t line, struct str text, struct str problem) {
    const struct again *again = context;
    (void)text;
    CHECK(line > 0 && problem.length > 0);
    CHECK(!again->inner);
}

static bool take_entry(void *context, const struct config_list_entry *entry) {
    struct again *again = context;
    CHECK(entry->item.list == again->list);
    again->count++;
    if (again->inner) {
        again->text.length = 0;
        list_entry_format_csv(entry, &again->text);
        return true;
    }
    char before[LIST_LINE_MAX];
    struct text csv = TEXT_OVER(before);
    list_entry_format_csv(entry, &csv);
    CHECK(!csv.truncated);
    struct again inner = {.list = again->list, .inner = true};
    inner.text = TEXT_OVER(inner.line);
    const struct list_import import = {.format = LIST_IMPORT_CSV,
                                       .list = again->list,
                                       .now_s = 1000,
                                       .context = &inner,
                                       .entry = take_entry,
                                       .problem = take_problem};
    /* A header first, so that no pattern is taken for one. */
    char file[LIST_LINE_MAX + sizeof LIST_CSV_HEADER];
    struct text whole = TEXT_OVER(file);
    text_add(&whole, STR(LIST_CSV_HEADER));
    text_add(&whole, text_str(&csv));
    (void)list_import(&import, text_str(&whole));
    CHECK(inner.count == 1);
    CHECK(str_equal(text_str(&inner.text), text_str(&csv)));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    struct again again = {.list = (enum list_id)(data[0] / LIST_IMPORT_FORMATS % LISTS)};
    const struct list_import import = {
        .format = (enum list_import_format)(data[0] % LIST_IMPORT_FORMATS),
        .list = again.list,
        .now_s = 1000,
        .context = &again,
        .entry = take_entry,
        .problem = take_problem,
    };
    (void)list_import(&import, (struct str){(const char *)data + 1, size - 1});
    return 0;
}
