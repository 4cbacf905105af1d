/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <string.h>

#include "settings/settings_fixture.h"
#include "testing/test.h"

/* The sample file, the manual page and the table, for people. */

static char sample[64 * 1024];

/* Takes each "#" away that stands at the start of a line's text with no blank after it. */
static size_t uncomment(char *text, size_t length) {
    size_t kept = 0;
    bool line_starts = true;
    for (size_t i = 0; i < length; i++) {
        if (line_starts && text[i] == '#' && i + 1 < length && text[i + 1] != ' ' &&
            text[i + 1] != '\n') {
            line_starts = false;
            continue;
        }
        line_starts = text[i] == '\n' || (line_starts && text[i] == ' ');
        text[kept++] = text[i];
    }
    return kept;
}

TEST(settings_sample_is_a_file_of_defaults_as_it_is_and_uncommented) {
    struct setting_problem problem;
    struct settings *defaults = build("", &problem);
    struct text out = TEXT_OVER(sample);
    settings_write_sample(&out);
    assert_false(out.truncated);
    for (int uncommented = 0; uncommented < 2; uncommented++) {
        if (uncommented == 1) {
            out.length = uncomment(sample, out.length);
        }
        struct settings_builder *builder = settings_builder_new();
        const bool good = settings_builder_read_yaml(builder, text_str(&out), &problem);
        assert_string_equal(good ? "" : problem.text, "");
        struct settings *settings = settings_builder_finish(builder, 1, &problem);
        assert_non_null(settings);
        for (size_t i = 0; i < settings_count; i++) {
            test_case(settings_table[i].key);
            assert_int_equal(settings_builder_origin(builder, &settings_table[i]),
                             uncommented == 1 ? SETTING_FROM_FILE : SETTING_FROM_DEFAULT);
            assert_false(setting_differs(settings, defaults, &settings_table[i]));
        }
        settings_free(settings);
        settings_builder_free(builder);
    }
    settings_free(defaults);
}

TEST(settings_manual_names_every_setting_once) {
    struct text out = TEXT_OVER(sample);
    settings_write_manual(&out);
    assert_false(out.truncated);
    const char *page = text_zero(&out);
    for (size_t i = 0; i < settings_count; i++) {
        char heading[128];
        struct text text = TEXT_OVER(heading);
        text_add(&text, STR(".TP\n.B "));
        text_add(&text, str_from(settings_table[i].key));
        text_add_byte(&text, '\n');
        test_case(settings_table[i].key);
        const char *found = strstr(page, text_zero(&text));
        assert_non_null(found);
        assert_null(strstr(found + 1, heading));
    }
}

TEST(settings_rows_are_written_for_people) {
    for (size_t i = 0; i < settings_count; i++) {
        const struct str help = str_from(settings_table[i].help);
        test_case(settings_table[i].key);
        assert_true(help.length >= 20 && help.length <= 100);
        assert_true(str_ends(help, STR(".")));
        assert_true(setting_find(str_from(settings_table[i].key)) == &settings_table[i]);
    }
}
