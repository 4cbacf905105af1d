/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings_fixture.h"

#include "testing/test.h"

struct settings *build(const char *yaml, struct setting_problem *problem) {
    struct settings_builder *builder = settings_builder_new();
    struct settings *settings = NULL;
    if (settings_builder_read_yaml(builder, str_from(yaml), problem)) {
        settings = settings_builder_finish(builder, 1, problem);
    }
    settings_builder_free(builder);
    return settings;
}

void assert_text(struct str got, const char *expected) {
    char shown[1024];
    struct text out = TEXT_OVER(shown);
    text_add(&out, got);
    assert_string_equal(text_zero(&out), expected);
}
