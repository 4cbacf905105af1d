/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "settings/setting_value.h"

/* Prints what is generated from the table of settings: `settings_docs sample|manual|json`. For
 * conf/, man/ and the check that both are up to date; not installed. */

static char page[256 * 1024];

static void json_text(struct text *out, struct str words) {
    static const char digits[] = "0123456789abcdef";
    text_add_byte(out, '"');
    for (size_t i = 0; i < words.length; i++) {
        const unsigned char byte = (unsigned char)words.data[i];
        if (byte < 0x20) {
            text_add(out, STR("\\u00"));
            text_add_byte(out, digits[byte >> 4]);
            text_add_byte(out, digits[byte & 15]);
            continue;
        }
        if (byte == '"' || byte == '\\') {
            text_add_byte(out, '\\');
        }
        text_add_byte(out, (char)byte);
    }
    text_add_byte(out, '"');
}

static void json_member(struct text *out, const char *name, struct str value) {
    text_add(out, STR(", "));
    json_text(out, str_from(name));
    text_add(out, STR(": "));
    json_text(out, value);
}

static void write_json(struct text *out) {
    text_add(out, STR("["));
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting_info *info = &settings_table[i];
        char words[256];
        struct text allowed = TEXT_OVER(words);
        setting_format_allowed(info, &allowed);
        text_add(out, i > 0 ? STR(",\n {\"key\": ") : STR("{\"key\": "));
        json_text(out, str_from(info->key));
        json_member(out, "type", str_from(setting_type_name(info->type)));
        json_member(out, "default", str_from(info->fallback));
        json_member(out, "allowed", text_str(&allowed));
        json_member(out, "applies", str_from(setting_apply_name(info->apply)));
        json_member(out, "help", str_from(info->help));
        text_add_byte(out, '}');
    }
    text_add(out, STR("]\n"));
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*write)(struct text *out);
    } pages[] = {
        {"sample", settings_write_sample}, {"manual", settings_write_manual}, {"json", write_json}};
    for (size_t i = 0; argc == 2 && i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(argv[1], pages[i].name) == 0) {
            struct text out = TEXT_OVER(page);
            pages[i].write(&out);
            const bool written = fwrite(out.data, 1, out.length, stdout) == out.length;
            return written && fflush(stdout) == 0 && !out.truncated ? 0 : 1;
        }
    }
    (void)fputs("usage: settings_docs sample|manual|json\n", stderr);
    return 2;
}
