/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings_geo_rules.h"

#include <stdlib.h>

#include "base/country.h"
#include "mail/address_pattern.h"

enum { SHOWN_MAX = 100 };

/* Appends the canonical form of an item; false appends what is wrong with it to `problem`. */
typedef bool canonical_item(struct str item, struct text *out, struct text *problem);

static void quote(struct str item, struct text *problem) {
    text_add_byte(problem, '"');
    text_add_escaped(problem, str_slice(item, 0, SHOWN_MAX));
    text_add(problem, STR("\" "));
}

static bool canonical_country(struct str item, struct text *out, struct text *problem) {
    char code[2];
    if (country_parse(item, code)) {
        text_add(out, (struct str){code, sizeof code});
        return true;
    }
    quote(item, problem);
    text_add(problem, STR("is not a country code of ISO 3166-1"));
    const char *nearest = country_nearest(item);
    if (nearest != NULL) {
        text_add(problem, STR(". Did you mean "));
        text_add(problem, str_from(nearest));
        text_add(problem, STR(" ("));
        text_add(problem, str_from(country_name(nearest)));
        text_add(problem, STR(")?"));
    } else {
        text_add(problem, STR("; write two letters such as DE or US"));
    }
    return false;
}

static bool canonical_asn(struct str item, struct text *out, struct text *problem) {
    const bool prefixed = str_equal_nocase(str_slice(item, 0, 2), STR("AS"));
    uint64_t number = 0;
    if (!str_parse_u64(str_slice(item, prefixed ? 2 : 0, item.length), UINT32_MAX, &number) ||
        number == 0) {
        quote(item, problem);
        text_add(problem, STR("is not the number of an autonomous system; write AS and 1 to "
                              "4294967295, such as AS64496"));
        return false;
    }
    text_add(out, STR("AS"));
    text_add_u64(out, number);
    return true;
}

static bool canonical_sender(struct str item, struct text *out, struct text *problem) {
    char words[320];
    struct text sentence = TEXT_OVER(words);
    struct address_pattern pattern;
    const enum pattern_type type = address_pattern_guess(item);
    if (type != PATTERN_IP) {
        const char *said = address_pattern_parse(type, item, &pattern, &sentence);
        if (said != NULL) {
            text_add(problem, str_from(said));
            return false;
        }
        if ((pattern.kind == PATTERN_KIND_ADDRESS && pattern.text_length > 0) ||
            (type == PATTERN_DOMAIN && pattern.kind == PATTERN_KIND_EXACT_DOMAIN)) {
            text_add(out, (struct str){pattern.text, pattern.text_length});
            return true;
        }
    }
    quote(item, problem);
    text_add(problem, type == PATTERN_IP
                          ? STR("is an address; those stand in geo.exempt_networks")
                          : STR("is a pattern; write an address or a domain, such as "
                                "a@example.com or example.com"));
    return false;
}

static int compare_str(const void *a, const void *b) {
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* The list canonical and ascending, in the arena. */
static bool put_in_order(const struct str **list, size_t count, canonical_item *canonical,
                         struct settings_arena *arena, struct text *problem) {
    struct str *items = settings_arena_allocate(arena, count * sizeof *items + 1);
    for (size_t i = 0; i < count; i++) {
        char room[PATTERN_TEXT_MAX];
        struct text out = TEXT_OVER(room);
        if (!canonical((*list)[i], &out, problem)) {
            return false;
        }
        items[i] = settings_arena_copy(arena, text_str(&out));
    }
    if (count > 1) {
        qsort(items, count, sizeof *items, compare_str);
    }
    for (size_t i = 1; i < count; i++) {
        if (str_equal(items[i - 1], items[i])) {
            quote(items[i], problem);
            text_add(problem, STR("stands there twice; take one out"));
            return false;
        }
    }
    *list = items;
    return true;
}

static const char *update_problem(const struct settings *settings, struct text *problem) {
    const struct str url = settings->geo.update.url;
    const struct str account = settings->geo.update.account;
    uint64_t number;
    if (url.length > 0 && !str_starts(url, STR("https://")) && !str_starts(url, STR("http://"))) {
        quote(url, problem);
        text_add(problem, STR("is not a web address; begin it with https://"));
        return "geo.update.url";
    }
    if (account.length > 0 && !str_parse_u64(account, INT64_MAX, &number)) {
        quote(account, problem);
        text_add(problem, STR("is not the number of a MaxMind account; it has digits alone"));
        return "geo.update.account";
    }
    if (account.length > 0 && settings->geo.update.key_file.length == 0) {
        text_add(problem, STR("wants geo.update.key_file: the file with the account's key"));
        return "geo.update.account";
    }
    return NULL;
}

const char *settings_geo_rules_apply(struct settings *settings, struct settings_arena *arena,
                                     struct text *problem) {
    struct geo_settings *geo = &settings->policy.geo;
    char words[512];
    struct text sentence = TEXT_OVER(words);
    const struct {
        const char *key;
        const struct str **list;
        size_t count;
        canonical_item *canonical;
    } lists[] = {
        {"geo.inbound.countries", &geo->inbound.countries, geo->inbound.country_count,
         canonical_country},
        {"geo.outbound.countries", &geo->outbound.countries, geo->outbound.country_count,
         canonical_country},
        {"geo.inbound.block_asns", &geo->inbound.block_asns, geo->inbound.block_asn_count,
         canonical_asn},
        {"geo.outbound.block_asns", &geo->outbound.block_asns, geo->outbound.block_asn_count,
         canonical_asn},
        {"geo.exempt_senders", &geo->exempt_senders, geo->exempt_sender_count, canonical_sender},
    };
    const char *key = update_problem(settings, &sentence);
    for (size_t i = 0; key == NULL && i < sizeof lists / sizeof lists[0]; i++) {
        if (!put_in_order(lists[i].list, lists[i].count, lists[i].canonical, arena, &sentence)) {
            key = lists[i].key;
        }
    }
    if (key != NULL) {
        text_add(problem, str_from(key));
        text_add(problem, STR(": "));
        text_add(problem, text_str(&sentence));
    }
    return key;
}
