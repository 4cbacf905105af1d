/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "settings/settings.h"

/* Whatever stands in seczim.yaml: it is read, or refused with a sentence of one line; and what was
 * read can be written and read again to the same values. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_problem(const struct setting_problem *problem) {
    const size_t length = strnlen(problem->text, sizeof problem->text);
    CHECK(length > 0 && length < sizeof problem->text);
    for (size_t i = 0; i < length; i++) {
        CHECK((unsigned char)problem->text[i] >= 0x20);
    }
}

static void check_round_trip(const struct settings *settings) {
    static char memory[2 * SETTINGS_FILE_MAX];
    struct setting_problem problem;
    struct settings_builder *builder = settings_builder_new();
    for (size_t i = 0; i < settings_count; i++) {
        struct text value = TEXT_OVER(memory);
        setting_format(settings, &settings_table[i], &value);
        CHECK(!value.truncated);
        CHECK(settings_builder_set(builder, str_from(settings_table[i].key), text_str(&value),
                                   SETTING_FROM_FILE, 1, &problem));
    }
    struct settings *again = settings_builder_finish(builder, 1, &problem);
    CHECK(again != NULL);
    for (size_t i = 0; i < settings_count; i++) {
        CHECK(!setting_differs(settings, again, &settings_table[i]));
    }
    settings_free(again);
    settings_builder_free(builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct setting_problem problem;
    struct settings *settings = NULL;
    struct settings_builder *builder = settings_builder_new();
    if (settings_builder_read_yaml(builder, (struct str){(const char *)data, size}, &problem)) {
        settings = settings_builder_finish(builder, 1, &problem);
    }
    if (settings == NULL) {
        check_problem(&problem);
    } else {
        check_round_trip(settings);
    }
    settings_free(settings);
    settings_builder_free(builder);
    return 0;
}
