/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_lines.h"

/* conf/zmconfigd.cf. In the section `mta` Zimbra has
 *
 *     if SERVICE !cbpolicyd
 *         POSTCONF smtpd_end_of_data_restrictions
 *     fi
 *
 * which empties the list while cbpolicyd is off; the words after the name become its value. */

#define PARAMETER STR("smtpd_end_of_data_restrictions")

struct configd_line {
    size_t count;     /* of such lines in the section `mta` */
    bool in_block;    /* the last of them stands where Zimbra has it */
    size_t start;     /* of its value in the text; where it goes when there is none */
    struct str value; /* empty without one */
};

static bool is_postconf(struct str line, struct str *ret_value) {
    struct str rest = line;
    if (!str_equal(zimbra_word(&rest), STR("POSTCONF")) ||
        !str_equal(zimbra_word(&rest), PARAMETER)) {
        return false;
    }
    *ret_value = rest;
    return true;
}

static struct configd_line find_line(struct str text) {
    struct configd_line found = {0};
    bool mta = false;
    bool block = false;
    size_t offset = 0;
    for (struct str line; zimbra_line_next(text, &offset, &line);) {
        struct str rest = line;
        const struct str word = zimbra_word(&rest);
        struct str value;
        if (str_equal(word, STR("SECTION"))) {
            mta = str_equal(zimbra_word(&rest), STR("mta"));
            block = false;
        } else if (str_equal(word, STR("if"))) {
            block = str_equal(rest, STR("SERVICE !cbpolicyd"));
        } else if (str_equal(word, STR("fi"))) {
            block = false;
        } else if (mta && is_postconf(line, &value)) {
            const struct str inside = str_trim(line);
            const size_t end = (size_t)(inside.data - text.data) + inside.length;
            found.count++;
            found.in_block = block;
            found.value = value;
            found.start = end - value.length;
        }
    }
    return found;
}

/* Words that zmconfigd looks up instead of taking them as they are. */
static bool is_lookup(struct str value) {
    return str_starts(value, STR("VAR")) || str_starts(value, STR("LOCAL")) ||
           str_starts(value, STR("FILE")) || str_starts(value, STR("MAPLOCAL"));
}

struct zimbra_look zimbra_configd_look(struct str text, struct str endpoint) {
    const struct configd_line found = find_line(text);
    if (found.count == 1 &&
        str_equal(found.value, STR("FILE zmconfigd/smtpd_end_of_data_restrictions.cf"))) {
        return (struct zimbra_look){ZIMBRA_NOT_NEEDED,
                                    "the template is used without cbpolicyd too"};
    }
    if (found.count != 1 || !found.in_block || is_lookup(found.value)) {
        return (struct zimbra_look){
            ZIMBRA_UNKNOWN,
            "in its section mta \"POSTCONF smtpd_end_of_data_restrictions\" does not "
            "stand once, alone, within \"if SERVICE !cbpolicyd\""};
    }
    if (!zimbra_line_has(found.value, endpoint)) {
        return (struct zimbra_look){ZIMBRA_ABSENT, NULL};
    }
    return zimbra_line_has_dunno(found.value, endpoint)
               ? (struct zimbra_look){ZIMBRA_PRESENT, NULL}
               : (struct zimbra_look){ZIMBRA_MISPLACED, "it lacks default_action=DUNNO"};
}

void zimbra_configd_write(struct str text, struct str endpoint, bool add, struct text *out) {
    const struct configd_line found = find_line(text);
    char room[4096];
    struct text less = TEXT_OVER(room);
    if (found.count != 1 || is_lookup(found.value) ||
        (!add && !zimbra_line_has(found.value, endpoint)) ||
        !zimbra_list_without(found.value, endpoint, &less)) {
        text_add(out, text);
        return;
    }
    const struct str others = str_trim(text_str(&less));
    const bool blank = found.start > 0 &&
                       (text.data[found.start - 1] == ' ' || text.data[found.start - 1] == '\t');
    /* Without a value the line ends behind the name. */
    const size_t cut = !add && others.length == 0 && blank ? found.start - 1 : found.start;
    text_add(out, str_slice(text, 0, cut));
    if (add) {
        text_add(out, blank ? STR("") : STR(" "));
        restriction_format(endpoint, RESTRICTION_SPACED, out);
        text_add(out, others.length > 0 ? STR(", ") : STR(""));
    }
    text_add(out, others);
    text_add(out, str_slice(text, found.start + found.value.length, text.length));
}
