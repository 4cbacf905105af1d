/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "settings/setting_value.h"

/* What people read about settings, from the table: the sample file and the manual page. */

enum { VALUE_MAX = 1024 };

static void add(struct text *out, const char *words) {
    text_add(out, str_from(words));
}

/* The generation of defaults; free with settings_free(). */
static struct settings *defaults(void) {
    struct setting_problem problem;
    struct settings_builder *builder = settings_builder_new();
    struct settings *settings = settings_builder_finish(builder, 0, &problem);
    settings_builder_free(builder);
    CHECK(settings != NULL);
    return settings;
}

/* "policies.greylisting" of "policies.greylisting.mode"; empty for a key without a section. */
static struct str section_of(const struct setting_info *info) {
    const struct str key = str_from(info->key);
    const size_t dot = str_find_last(key, '.');
    return dot == SIZE_MAX ? STR("") : str_slice(key, 0, dot);
}

static struct str name_of(const struct setting_info *info) {
    const struct str key = str_from(info->key);
    const size_t section = section_of(info).length;
    return str_slice(key, section > 0 ? section + 1 : 0, key.length);
}

static bool section_seen_before(size_t row) {
    for (size_t i = 0; i < row; i++) {
        if (str_equal(section_of(&settings_table[i]), section_of(&settings_table[row]))) {
            return true;
        }
    }
    return false;
}

static const char *when(const struct setting_info *info) {
    switch (info->apply) {
    case SETTING_AT_ONCE:
        return "at once";
    case SETTING_AT_RESTART:
        return "at restart";
    case SETTING_BOOTSTRAP:
        return "at restart, in this file alone";
    }
    return "at once";
}

/* --- sample --------------------------------------------------------------------------------- */

static void indent(struct text *out, size_t depth) {
    for (size_t i = 0; i < depth; i++) {
        add(out, "  ");
    }
}

static size_t depth_of(struct str section) {
    size_t depth = section.length > 0;
    for (size_t i = 0; i < section.length; i++) {
        depth += section.data[i] == '.';
    }
    return depth;
}

static void add_quoted(struct text *out, struct str value) {
    text_add_byte(out, '"');
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] == '"' || value.data[i] == '\\') {
            text_add_byte(out, '\\');
        }
        text_add_byte(out, value.data[i]);
    }
    text_add_byte(out, '"');
}

static void add_yaml_list(struct text *out, struct str items) {
    text_add_byte(out, '[');
    for (bool first = true; items.length > 0; first = false) {
        const size_t newline = str_find(items, '\n');
        const size_t end = newline == SIZE_MAX ? items.length : newline;
        add(out, first ? "" : ", ");
        add_quoted(out, str_slice(items, 0, end));
        items = str_slice(items, end + 1, items.length);
    }
    text_add_byte(out, ']');
}

static void add_yaml_value(struct text *out, const struct settings *settings,
                           const struct setting_info *info) {
    char memory[VALUE_MAX];
    struct text value = TEXT_OVER(memory);
    setting_format(settings, info, &value);
    CHECK(!value.truncated);
    if (info->type == SETTING_TEXT || info->type == SETTING_SECRET) {
        add_quoted(out, text_str(&value));
    } else if (info->type == SETTING_TEXT_LIST || info->type == SETTING_NETWORK_LIST ||
               info->type == SETTING_SECRET_LIST) {
        add_yaml_list(out, text_str(&value));
    } else {
        text_add(out, text_str(&value));
    }
}

static void sample_row(struct text *out, const struct settings *settings,
                       const struct setting_info *info) {
    const size_t depth = depth_of(section_of(info));
    text_add_byte(out, '\n');
    indent(out, depth);
    add(out, "# ");
    add(out, info->help);
    text_add_byte(out, '\n');
    indent(out, depth);
    add(out, "# Allowed: ");
    setting_format_allowed(info, out);
    add(out, ". Applies ");
    add(out, when(info));
    add(out, ".\n");
    indent(out, depth);
    text_add_byte(out, '#');
    text_add(out, name_of(info));
    add(out, ": ");
    add_yaml_value(out, settings, info);
    text_add_byte(out, '\n');
}

/* The lines that open `section`, but for those that the section before it has opened. */
static void sample_section(struct text *out, struct str section, struct str before) {
    size_t start = 0;
    for (size_t depth = 0; start < section.length; depth++) {
        const size_t dot = str_find(str_slice(section, start, section.length), '.');
        const size_t end = dot == SIZE_MAX ? section.length : start + dot;
        const bool open = str_starts(before, str_slice(section, 0, end)) &&
                          (before.length == end || before.data[end] == '.');
        if (!open) {
            text_add_byte(out, '\n');
            indent(out, depth);
            text_add(out, str_slice(section, start, end));
            add(out, ":\n");
        }
        start = end + 1;
    }
}

void settings_write_sample(struct text *out) {
    struct settings *settings = defaults();
    add(out,
        "# seczim.yaml: settings of SecZim, each with its default.\n"
        "#\n"
        "# To set one, take the \"#\" away before its name. A setting that stands here is fixed:\n"
        "# `seczim setting set` and the dashboard change only what does not. `seczim\n"
        "# check-config` tells mistakes by line; `seczim reload` reads the file again.\n"
        "# Durations: 500ms, 30s, 5m, 48h, 35d, 2w, or seconds. Sizes: 32KiB, 64MiB, 2GiB, or "
        "bytes.\n");
    struct str before = STR("");
    for (size_t i = 0; i < settings_count; i++) {
        if (section_seen_before(i)) {
            continue;
        }
        const struct str section = section_of(&settings_table[i]);
        sample_section(out, section, before);
        before = section;
        for (size_t j = i; j < settings_count; j++) {
            if (str_equal(section_of(&settings_table[j]), section)) {
                sample_row(out, settings, &settings_table[j]);
            }
        }
    }
    settings_free(settings);
}

/* --- manual page ---------------------------------------------------------------------------- */

/* Text as roff: a backslash, a hyphen and a point that begins a line mean something to it. */
static void add_roff(struct text *out, struct str words) {
    for (size_t i = 0; i < words.length; i++) {
        const char c = words.data[i];
        const bool line_starts = i == 0 || words.data[i - 1] == '\n';
        if (line_starts && (c == '.' || c == '\'')) {
            add(out, "\\&");
        }
        if (c == '\\') {
            add(out, "\\e");
        } else if (c == '-') {
            add(out, "\\-");
        } else {
            text_add_byte(out, c);
        }
    }
}

static void manual_row(struct text *out, const struct settings *settings,
                       const struct setting_info *info) {
    char memory[VALUE_MAX];
    struct text words = TEXT_OVER(memory);
    add(out, ".TP\n.B ");
    add_roff(out, str_from(info->key));
    text_add_byte(out, '\n');
    add_roff(out, str_from(info->help));
    add(out, "\nDefault: \\fB");
    add_yaml_value(&words, settings, info);
    add_roff(out, text_str(&words));
    add(out, "\\fR. Allowed: ");
    words.length = 0;
    setting_format_allowed(info, &words);
    add_roff(out, text_str(&words));
    add(out, ". Applies ");
    add(out, when(info));
    add(out, ".\n");
}

void settings_write_manual(struct text *out) {
    struct settings *settings = defaults();
    add(out, ".\\\" SPDX-License-Identifier: Apache-2.0\n"
             ".\\\" Printed by settings_docs from src/settings/settings.def.\n"
             ".TH SECZIM.YAML 5 \"\" \"SecZim\" \"File formats\"\n"
             ".SH NAME\nseczim.yaml \\- settings of SecZim\n"
             ".SH DESCRIPTION\n"
             "A YAML file of sections and settings: the setting\n.B greylisting.defer_time\n"
             "stands as\n.B defer_time\nbelow\n.BR greylisting: .\n"
             "What is not set has its default or the value that\n.B seczim setting set\n"
             "gave it; a setting that stands in the file wins and is fixed.\n.PP\n"
             "Durations are a number and\n.BR ms \", \" s \", \" m \", \" h \", \" d \" or \" w ,\n"
             "or seconds alone. Sizes are a number and\n.BR KiB \", \" MiB \" or \" GiB ,\n"
             "or bytes alone. Permissions are octal. Anchors, aliases and tags of YAML are not\n"
             "taken. Unknown names, values out of bounds and settings that do not agree are\n"
             "mistakes:\n.B seczim check\\-config\n"
             "tells each with its line, and a running service keeps what it has.\n"
             ".SH SETTINGS\n");
    for (size_t i = 0; i < settings_count; i++) {
        manual_row(out, settings, &settings_table[i]);
    }
    add(out, ".SH EXAMPLE\n.nf\n.ft CW\ngreylisting:\n  defer_time: 2m\npolicies:\n"
             "  greylisting: {mode: shadow}\n.ft R\n.fi\n"
             ".SH FILES\n.I /etc/seczim/seczim.yaml\n"
             ".SH SEE ALSO\n.BR seczim (1),\n.BR seczim\\-daemon (8)\n");
    settings_free(settings);
}
