/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/list_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/list_index_fixture.h"
#include "policy/list_rows.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* Against a plain scan of all items. */

/* Small alphabets, so that patterns, queries and each other meet all the time. */
static const char *const domains[] = {"a.example", "b.a.example", "c.b.a.example", "example",
                                      "xa.example"};
static const char *const locals[] = {"u", "v", "w"};

static void random_pattern(struct dice *dice, enum pattern_type *ret_type, char pattern[64]) {
    const char *domain = domains[dice_below(dice, 5)];
    const char *local = locals[dice_below(dice, 3)];
    *ret_type = (enum pattern_type)dice_below(dice, PATTERN_TYPES);
    const bool star = dice_below(dice, 2) == 0;
    switch (*ret_type) {
    case PATTERN_IP:
        if (dice_below(dice, 2) == 0) {
            const unsigned bits = 28 + dice_below(dice, 5);
            const unsigned last = dice_below(dice, 16) & (0xffu << (32 - bits));
            (void)snprintf(pattern, 64, "10.0.0.%u/%u", last, bits);
        } else {
            const unsigned bits = 124 + dice_below(dice, 5);
            const unsigned last = dice_below(dice, 16) & (0xffu << (128 - bits));
            (void)snprintf(pattern, 64, "2001:db8::%x/%u", last, bits);
        }
        break;
    case PATTERN_DOMAIN:
    case PATTERN_CLIENT:
        (void)snprintf(pattern, 64, "%s%s", star ? "*." : "", domain);
        break;
    case PATTERN_EMAIL:
    case PATTERN_RECIPIENT:
    case PATTERN_TYPES:
        if (*ret_type == PATTERN_EMAIL && dice_below(dice, 8) == 0) {
            (void)snprintf(pattern, 64, "<>");
        } else if (dice_below(dice, 3) == 0) {
            (void)snprintf(pattern, 64, "%s@%s", local, star ? "*" : domain);
        } else {
            (void)snprintf(pattern, 64, "%s%s", star ? "*@*." : "*@", domain);
        }
        break;
    }
}

static struct list_item random_item(struct dice *dice, uint64_t id) {
    enum pattern_type type;
    char pattern[64];
    random_pattern(dice, &type, pattern);
    struct list_item item = item_of(id, (enum list_id)dice_below(dice, LISTS), type, pattern);
    item.direction = (enum list_direction)dice_below(dice, 3);
    item.require = (enum list_proof)(dice_below(dice, 2) * dice_below(dice, 3));
    item.expires_s = dice_below(dice, 3) == 0 ? NOW_S - 1 + dice_below(dice, 3) : 0;
    return item;
}

static struct str part_after_at(struct str address) {
    const size_t at = str_find_last(address, '@');
    return at == SIZE_MAX ? (struct str){"", 0} : str_slice(address, at + 1, address.length);
}

static bool is_below(struct str name, struct str domain) {
    return name.length > domain.length && str_ends(name, domain) &&
           name.data[name.length - domain.length - 1] == '.';
}

/* How well a name or address matches, better is larger; 0: not at all. */
static int naive_text_rank(const struct address_pattern *pattern, struct str subject) {
    const struct str text = {pattern->text, pattern->text_length};
    const bool is_name = pattern->type == PATTERN_CLIENT;
    const struct str domain = is_name ? subject : part_after_at(subject);
    const size_t at = str_find_last(subject, '@');
    switch (pattern->kind) {
    case PATTERN_KIND_ADDRESS:
        return str_equal(subject, text) ? 1000 : 0;
    case PATTERN_KIND_LOCAL_PART:
        return str_equal(str_slice(subject, 0, at), text) ? 900 : 0;
    case PATTERN_KIND_EXACT_DOMAIN:
        return str_equal(domain, text) ? 800 : 0;
    case PATTERN_KIND_SUBDOMAINS:
        return is_below(domain, text) ? 1 + (int)text.length : 0;
    case PATTERN_KIND_PREFIX:
        break;
    }
    return 0;
}

static int naive_rank(const struct address_pattern *pattern, const struct list_query *query) {
    int rank = 0;
    switch (pattern->type) {
    case PATTERN_EMAIL:
    case PATTERN_DOMAIN:
    case PATTERN_TYPES:
        rank = naive_text_rank(pattern, query->sender);
        return rank == 0 ? 0 : 30000 + 2 * rank + (pattern->type == PATTERN_EMAIL);
    case PATTERN_RECIPIENT:
        rank = naive_text_rank(pattern, query->recipient);
        return rank == 0 ? 0 : 20000 + rank;
    case PATTERN_CLIENT:
        rank = naive_text_rank(pattern, query->client_name);
        return rank == 0 ? 0 : 10000 + rank;
    case PATTERN_IP:
        break;
    }
    return ip_prefix_contains(pattern->prefix, query->client_address) ? 1 + pattern->prefix.bits
                                                                      : 0;
}

static bool naive_applies(const struct list_item *item, const struct list_query *query) {
    if (item->expires_s != 0 && item->expires_s <= query->now_s) {
        return false;
    }
    if (item->direction != LIST_BOTH_DIRECTIONS && (int)item->direction != (int)query->direction) {
        return false;
    }
    if (item->require == LIST_PROOF_SPF) {
        return query->spf_pass;
    }
    if (item->require == LIST_PROOF_NONE) {
        return true;
    }
    const struct str text = {item->pattern.text, item->pattern.text_length};
    struct str domain = part_after_at(query->sender);
    if (item->pattern.type == PATTERN_IP || item->pattern.type == PATTERN_CLIENT) {
        return query->client_name.length > 0;
    }
    if (item->pattern.type != PATTERN_RECIPIENT && item->pattern.kind != PATTERN_KIND_LOCAL_PART) {
        domain = item->pattern.kind == PATTERN_KIND_ADDRESS ? part_after_at(text) : text;
    }
    return domain.length > 0 &&
           (str_equal(query->client_name, domain) || is_below(query->client_name, domain));
}

static bool same_pattern(const struct list_item *a, const struct list_item *b) {
    return a->list == b->list && a->pattern.type == b->pattern.type &&
           a->pattern.kind == b->pattern.kind &&
           memcmp(&a->pattern.prefix, &b->pattern.prefix, sizeof a->pattern.prefix) == 0 &&
           a->pattern.text_length == b->pattern.text_length &&
           memcmp(a->pattern.text, b->pattern.text, a->pattern.text_length) == 0;
}

/* `items` in the order of adding; hidden ones have id 0. */
static uint64_t naive_find(const struct list_item *items, size_t count, enum list_id list,
                           const struct list_query *query) {
    int best = 0;
    uint64_t id = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].list != list || items[i].id == 0 || !naive_applies(&items[i], query)) {
            continue;
        }
        const int rank = naive_rank(&items[i].pattern, query);
        if (rank > best) {
            best = rank;
            id = items[i].id;
        }
    }
    return id;
}

static void hide_older_duplicates(struct list_item *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            if (same_pattern(&items[i], &items[j])) {
                items[i].id = 0;
            }
        }
    }
}

static struct list_query random_query(struct dice *dice, char room[3][64]) {
    char client[64];
    const bool v6 = dice_below(dice, 2) == 0;
    const char *const local = locals[dice_below(dice, 3)];
    (void)snprintf(client, sizeof client, v6 ? "2001:db8::%x" : "10.0.0.%u", dice_below(dice, 18));
    (void)snprintf(room[0], 64, "%s@%s", local, domains[dice_below(dice, 5)]);
    (void)snprintf(room[1], 64, "%s@%s", locals[dice_below(dice, 3)], domains[dice_below(dice, 5)]);
    (void)snprintf(room[2], 64, "%s", domains[dice_below(dice, 5)]);
    return (struct list_query){
        .sender = dice_below(dice, 8) == 0 ? STR("") : str_from(room[0]),
        .recipient = str_from(room[1]),
        .client_name = dice_below(dice, 3) == 0 ? STR("") : str_from(room[2]),
        .client_address = world_address(client),
        .direction = (enum direction)dice_below(dice, 2),
        .now_s = NOW_S,
        .spf_pass = dice_below(dice, 2) == 0,
    };
}

TEST(any_view_finds_what_a_plain_scan_finds) {
    enum { BASE = 60, DELTA = 12, ALL = BASE + DELTA };
    struct dice dice = {99};
    uint64_t matches = 0;
    uint64_t misses = 0;
    for (int round = 0; round < 150; round++) {
        struct list_item items[ALL];
        uint64_t removed[BASE];
        size_t removed_count = 0;
        for (uint64_t i = 0; i < ALL; i++) {
            items[i] = random_item(&dice, i + 1);
        }
        struct list_index *base = index_of(items, BASE);
        struct list_index *delta = index_of(items + BASE, DELTA);
        hide_older_duplicates(items, ALL);
        for (uint64_t i = 0; i < BASE; i++) {
            if (dice_below(&dice, 6) == 0) {
                removed[removed_count++] = i + 1;
                items[i].id = 0;
            }
        }
        const struct list_view view = {base, delta, removed, removed_count};
        for (int i = 0; i < 100; i++) {
            char room[3][64];
            const struct list_query query = random_query(&dice, room);
            const enum list_id list = (enum list_id)dice_below(&dice, LISTS);
            const uint64_t expected = naive_find(items, ALL, list, &query);
            struct list_match match = {.entry_id = 0};
            const bool found = list_find(&view, list, &query, &match);
            assert_int_equal(found, expected != 0);
            assert_int_equal(match.entry_id, expected);
            matches += found;
            const unsigned hits = list_view_hits(&view, &query);
            struct list_ahead ahead;
            list_view_look_ahead(&view, &query, &ahead);
            assert_true(list_view_may_hit(&view, &ahead) || hits == 0);
            if (found) {
                assert_true((hits & 1u << list) != 0);
            }
            misses += (hits & 1u << list) == 0;
        }
        list_index_free(base);
        list_index_free(delta);
    }
    assert_in_range(matches, 5000, 14000); /* Neither all nor nothing: the test has teeth. */
    assert_in_range(misses, 150, 10000);
}

/* By default a cheap size; SECZIM_LIST_TEST_ITEMS=1000000 for the real thing. */
TEST(a_large_list_finds_each_entry_and_no_other) {
    const char *wish = getenv("SECZIM_LIST_TEST_ITEMS");
    const uint64_t count = wish != NULL ? strtoull(wish, NULL, 10) : 20000;
    const struct list_memory memory = world_memory(NULL);
    struct list_builder *builder = list_builder_new(&memory, (size_t)count);
    char pattern[64];
    for (uint64_t i = 0; i < count; i++) {
        if (i % 2 == 0) {
            (void)snprintf(pattern, sizeof pattern, "u%d@example.com", (int)i);
        } else {
            (void)snprintf(pattern, sizeof pattern, "10.%d.%d.%d", (int)(i >> 16 & 255),
                           (int)(i >> 8 & 255), (int)(i & 255));
        }
        const struct list_item item =
            item_of(i + 1, LIST_BLOCK, i % 2 == 0 ? PATTERN_EMAIL : PATTERN_IP, pattern);
        assert_true(list_builder_add(builder, &item));
    }
    struct list_index *index = list_builder_finish(builder);
    assert_int_equal(list_index_count(index), count);
    for (uint64_t i = 0; i < count; i += 7) {
        char sender[64];
        char client[64];
        (void)snprintf(sender, sizeof sender, "u%d@example.com", (int)i);
        (void)snprintf(client, sizeof client, "10.%d.%d.%d", (int)(i >> 16 & 255),
                       (int)(i >> 8 & 255), (int)(i & 255));
        const struct list_query query = query_of(sender, client);
        assert_int_equal(find_one(index, LIST_BLOCK, &query), i + 1);
    }
    const struct list_query query = query_of("nobody@example.com", "11.0.0.1");
    assert_int_equal(find_one(index, LIST_BLOCK, &query), 0);
    list_index_free(index);
}
