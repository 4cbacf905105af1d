/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "mail/mail_address.h"
#include "settings/settings_builder.h"

/* Block lists: what is set of the known ones, and lines about own ones, to the lists that are on.
 */

enum { NAME_MAX_BYTES = 60, WEIGHT_MAX = 100, ITEM_SHOWN_MAX = 80 };

/* `rbl.own_lists: "item" SENTENCE` */
static const char *refuse(struct str item, const char *sentence, struct text *problem) {
    text_add(problem, STR("rbl.own_lists: \""));
    text_add_escaped(problem, str_slice(item, 0, ITEM_SHOWN_MAX));
    text_add(problem, item.length > ITEM_SHOWN_MAX ? STR("...\" ") : STR("\" "));
    text_add(problem, str_from(sentence));
    return "rbl.own_lists";
}

/* --- known lists ------------------------------------------------------------------------------ */

/* The key of a setting, which lives in the table. */
static const char *key_of(const struct dnsbl_info *info, const char *field) {
    char bytes[80];
    struct text key = TEXT_OVER(bytes);
    text_add(&key, STR("rbl."));
    text_add(&key, str_from(info->word));
    text_add_byte(&key, '.');
    text_add(&key, str_from(field));
    const struct setting_info *setting = setting_find(text_str(&key));
    CHECK(setting != NULL);
    return setting->key;
}

static struct rbl_list_settings known_list(const struct settings *settings,
                                           const struct dnsbl_info *info) {
    const struct known_list_settings *known = &settings->rbl.known[info->number - 1];
    return (struct rbl_list_settings){
        .number = info->number,
        .has_ipv6 = info->has_ipv6,
        .weight = known->weight,
        .name = str_from(info->name),
        .zone = str_from(known->key.length > 0 ? info->keyed_zone : info->zone),
        .key = known->key,
    };
}

static const char *add_known(struct settings *settings, const struct dnsbl_info *info,
                             struct text *problem) {
    const struct known_list_settings *known = &settings->rbl.known[info->number - 1];
    const char *key = key_of(info, "codes");
    struct rbl_list_settings list = known_list(settings, info);
    const size_t before = problem->length;
    text_add(problem, str_from(key));
    text_add(problem, STR(": "));
    if (!dnsbl_codes_parse(known->codes, &list.codes, problem)) {
        return key;
    }
    problem->length = before;
    if (known->enabled) {
        struct rbl_settings *rbl = &settings->policy.rbl;
        rbl->lists[rbl->list_count++] = list;
    }
    return NULL;
}

bool settings_rbl_list(const struct settings *settings, uint8_t number,
                       struct rbl_list_settings *ret_list) {
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    const struct rbl_settings *rbl = &settings->policy.rbl;
    for (size_t i = 0; i < rbl->list_count; i++) {
        if (rbl->lists[i].number == number) {
            *ret_list = rbl->lists[i];
            return true;
        }
    }
    const struct dnsbl_info *info = dnsbl_of_number(number);
    if (info == NULL) {
        return false;
    }
    *ret_list = known_list(settings, info);
    /* Checked when the settings were made. */
    CHECK(
        dnsbl_codes_parse(settings->rbl.known[info->number - 1].codes, &ret_list->codes, &problem));
    return true;
}

static void set_covered(struct settings *settings) {
    struct rbl_settings *rbl = &settings->policy.rbl;
    for (size_t i = 0; i < rbl->list_count; i++) {
        const char *by = dnsbl_of_number(rbl->lists[i].number)->covered_by;
        const struct dnsbl_info *cover = by != NULL ? dnsbl_find(str_from(by)) : NULL;
        if (cover != NULL && settings->rbl.known[cover->number - 1].enabled) {
            rbl->lists[i].covered_by = cover->number;
        }
    }
}

/* --- own lists -------------------------------------------------------------------------------- */

/* Says what is wrong with "NAME=VALUE", or takes it. `rest` is all of the line behind the "=". */
static const char *take_option(struct str name, struct str value, struct str rest,
                               struct rbl_list_settings *list, struct text *codes_problem) {
    uint64_t weight = 0;
    if (str_equal(name, STR("weight"))) {
        if (!str_parse_u64(value, WEIGHT_MAX, &weight) || weight == 0) {
            return "has a weight that is not 1 to 100";
        }
        list->weight = (int64_t)weight;
        return NULL;
    }
    if (str_equal(name, STR("codes"))) {
        return dnsbl_codes_parse(value, &list->codes, codes_problem) ? NULL
                                                                     : text_zero(codes_problem);
    }
    if (str_equal(name, STR("ipv6"))) {
        if (!str_equal(value, STR("no")) && !str_equal(value, STR("yes"))) {
            return "says neither ipv6=yes nor ipv6=no";
        }
        list->has_ipv6 = str_equal(value, STR("yes"));
        return NULL;
    }
    if (str_equal(name, STR("name"))) {
        list->name = str_trim(rest);
        return list->name.length > 0 && list->name.length <= NAME_MAX_BYTES &&
                       str_printable_length(list->name) == list->name.length
                   ? NULL
                   : "has a name that is not 1 to 60 plain characters";
    }
    return "has a word that is none of weight=N, codes=CODES, ipv6=no and name=NAME";
}

/* The options behind the zone; NULL or what is wrong with them. */
static const char *take_options(struct str rest, struct rbl_list_settings *list,
                                struct text *codes_problem) {
    rest = str_trim(rest);
    while (rest.length > 0) {
        const size_t blank = str_find(rest, ' ');
        const struct str word = str_slice(rest, 0, blank);
        const size_t equals = str_find(word, '=');
        const struct str name = str_slice(word, 0, equals);
        const struct str value =
            equals == SIZE_MAX ? STR("") : str_slice(word, equals + 1, word.length);
        const char *wrong = take_option(
            name, value, equals == SIZE_MAX ? value : str_slice(rest, equals + 1, rest.length),
            list, codes_problem);
        if (wrong != NULL || str_equal(name, STR("name"))) {
            return wrong;
        }
        rest = str_trim(str_slice(rest, word.length, rest.length));
    }
    return NULL;
}

/* Lower case, A-labels, without the last dot; empty: it is no zone. */
static struct str take_zone(struct str written, struct settings_arena *arena) {
    char normal[MAIL_ADDRESS_MAX];
    struct text text = TEXT_OVER(normal);
    if (str_ends(written, STR("."))) {
        written = str_slice(written, 0, written.length - 1);
    }
    mail_domain_normalise(written, &text);
    return text.truncated || !dnsbl_zone_valid(text_str(&text))
               ? STR("")
               : settings_arena_copy(arena, text_str(&text));
}

static const char *zone_taken(const struct rbl_settings *rbl, struct str zone) {
    for (size_t i = 0; i < DNSBL_KNOWN; i++) {
        if (str_equal(zone, str_from(dnsbl_lists[i].zone)) ||
            str_equal(zone, str_from(dnsbl_lists[i].keyed_zone))) {
            return "is one of the known lists; switch that on with `seczim rbl enable`, or "
                   "rbl.NAME.enabled, and take this out";
        }
    }
    for (size_t i = 0; i < rbl->list_count; i++) {
        if (str_equal(zone, rbl->lists[i].zone)) {
            return "stands there twice; take one out";
        }
    }
    return NULL;
}

/* Statistics, metrics and log lines know a list by its name. */
static bool name_taken(const struct rbl_settings *rbl, struct str name) {
    for (size_t i = 0; i < DNSBL_KNOWN; i++) {
        if (str_equal_nocase(name, str_from(dnsbl_lists[i].name))) {
            return true;
        }
    }
    for (size_t i = 0; i < rbl->list_count; i++) {
        if (str_equal_nocase(name, rbl->lists[i].name)) {
            return true;
        }
    }
    return false;
}

static const char *add_own(struct settings *settings, size_t i, struct settings_arena *arena,
                           struct text *problem) {
    const struct str item = settings->rbl.own_lists[i];
    struct rbl_settings *rbl = &settings->policy.rbl;
    char bytes[256];
    struct text codes_problem = {.data = bytes, .size = sizeof bytes};
    const size_t blank = str_find(item, ' ');
    struct rbl_list_settings list = {.number = (uint8_t)(DNSBL_OWN_FIRST + i),
                                     .has_ipv6 = true,
                                     .weight = 1,
                                     .zone = take_zone(str_slice(item, 0, blank), arena)};
    list.name = list.zone;
    if (list.zone.length == 0) {
        return refuse(item, "does not begin with the name of a zone, such as bl.example.com",
                      problem);
    }
    const char *wrong = zone_taken(rbl, list.zone);
    if (wrong == NULL && blank != SIZE_MAX) {
        wrong = take_options(str_slice(item, blank, item.length), &list, &codes_problem);
    }
    if (wrong == NULL && name_taken(rbl, list.name)) {
        wrong = "has a name that another list has; give it one of its own";
    }
    if (wrong != NULL) {
        return refuse(item, wrong, problem);
    }
    rbl->lists[rbl->list_count++] = list;
    return NULL;
}

/* Gives each own list its key. The sentences show no key. */
static const char *add_own_keys(struct settings *settings, struct text *problem) {
    struct rbl_settings *rbl = &settings->policy.rbl;
    for (size_t i = 0; i < settings->rbl.own_key_count; i++) {
        const struct str item = settings->rbl.own_keys[i];
        const size_t blank = str_find(item, ' ');
        const struct str zone = str_slice(item, 0, blank);
        bool found = false;
        for (size_t j = 0; j < rbl->list_count && !found; j++) {
            found = rbl->lists[j].number >= DNSBL_OWN_FIRST && str_equal(rbl->lists[j].zone, zone);
            if (found) {
                rbl->lists[j].key = str_trim(str_slice(item, blank, item.length));
            }
        }
        if (!found) {
            text_add(problem, STR("rbl.own_keys: there is no list \""));
            text_add_escaped(problem, str_slice(zone, 0, ITEM_SHOWN_MAX));
            text_add(problem, STR("\" in rbl.own_lists; add it there, or take its key out"));
            return "rbl.own_keys";
        }
    }
    return NULL;
}

const char *settings_rbl_build(struct settings *settings, struct settings_arena *arena,
                               struct text *problem) {
    const char *wrong = NULL;
    settings->policy.rbl.list_count = 0;
    for (size_t i = 0; i < DNSBL_KNOWN && wrong == NULL; i++) {
        wrong = add_known(settings, &dnsbl_lists[i], problem);
    }
    if (wrong == NULL) {
        set_covered(settings);
    }
    for (size_t i = 0; i < settings->rbl.own_list_count && wrong == NULL; i++) {
        wrong = add_own(settings, i, arena, problem);
    }
    return wrong != NULL ? wrong : add_own_keys(settings, problem);
}

/* --- warnings --------------------------------------------------------------------------------- */

static const char *warning_of(const struct settings *settings, const struct dnsbl_info *info) {
    const struct known_list_settings *known = &settings->rbl.known[info->number - 1];
    if (!known->enabled) {
        return NULL;
    }
    if (info->retired) {
        return " is on, but the list was closed in June 2024 and answers nothing; switch it off";
    }
    if (info->harsh && known->weight >= settings->policy.rbl.threshold) {
        return " is on with a weight that refuses mail alone, but the list names whole providers "
               "with all their customers; lower its weight below rbl.threshold, or switch it off";
    }
    if (info->covered_by != NULL &&
        settings->rbl.known[dnsbl_find(str_from(info->covered_by))->number - 1].enabled) {
        return " is on beside Spamhaus ZEN, which has the same data, so it adds nothing; switch it "
               "off";
    }
    return NULL;
}

bool settings_warning(const struct settings *settings, size_t i, struct text *out) {
    for (size_t list = 0; list < DNSBL_KNOWN; list++) {
        const struct dnsbl_info *info = &dnsbl_lists[list];
        const char *sentence = warning_of(settings, info);
        if (sentence != NULL && i-- == 0) {
            text_add(out, str_from(key_of(info, "enabled")));
            text_add(out, STR(": "));
            text_add(out, str_from(info->name));
            text_add(out, str_from(sentence));
            return true;
        }
    }
    return false;
}
