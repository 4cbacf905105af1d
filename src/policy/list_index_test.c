/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/list_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/list_rows.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

enum { NOW_S = 1000 };

static struct list_item item_of(uint64_t id, enum list_id list, enum pattern_type type,
                                const char *pattern) {
    char room[256];
    struct text problem = TEXT_OVER(room);
    struct list_item item = {.id = id, .list = list};
    if (address_pattern_parse(type, str_from(pattern), &item.pattern, &problem) != NULL) {
        fail_msg("pattern %s: %s", pattern, text_zero(&problem));
    }
    return item;
}

static struct list_index *index_of(const struct list_item *items, size_t count) {
    const struct list_memory memory = world_memory(NULL);
    struct list_builder *builder = list_builder_new(&memory, 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(list_builder_add(builder, &items[i]));
    }
    return list_builder_finish(builder);
}

static struct list_query query_of(const char *sender, const char *client) {
    struct list_query query = {.sender = str_from(sender), .now_s = NOW_S};
    query.client_address = world_address(client);
    return query;
}

/* The id that matches in a view of one index, 0 for none. */
static uint64_t find_one(const struct list_index *index, enum list_id list,
                         const struct list_query *query) {
    const struct list_view view = {.base = index};
    struct list_match match = {.entry_id = 0};
    return list_find(&view, list, query, &match) ? match.entry_id : 0;
}

TEST(names_are_parsed_and_told) {
    static const char *const lists[] = {"allow", "block", "greylist_exempt"};
    static const char *const directions[] = {"inbound", "outbound", "both"};
    static const char *const proofs[] = {"", "fcrdns", "spf"};
    for (unsigned i = 0; i < 3; i++) {
        enum list_id list = LISTS;
        enum list_direction direction = LIST_INBOUND;
        enum list_proof proof = LIST_PROOF_NONE;
        assert_true(list_parse(str_from(lists[i]), &list));
        assert_int_equal(list, i);
        assert_string_equal(list_name(list), lists[i]);
        assert_true(list_direction_parse(str_from(directions[i]), &direction));
        assert_int_equal(direction, i);
        assert_string_equal(list_direction_name(direction), directions[i]);
        assert_true(list_proof_parse(str_from(proofs[i]), &proof));
        assert_int_equal(proof, i);
        assert_string_equal(list_proof_name(proof), proofs[i]);
    }
    enum list_id list = LIST_BLOCK;
    enum list_direction direction = LIST_OUTBOUND;
    enum list_proof proof = LIST_PROOF_SPF;
    assert_false(list_parse(STR("Allow"), &list));
    assert_false(list_direction_parse(STR(""), &direction));
    assert_false(list_proof_parse(STR("dkim"), &proof));
    assert_int_equal(list, LIST_BLOCK);
    assert_int_equal(direction, LIST_OUTBOUND);
    assert_int_equal(proof, LIST_PROOF_SPF);
}

TEST(an_empty_list_matches_nothing) {
    const struct list_query query = query_of("a@example.com", "192.0.2.1");
    const struct list_view nothing = {.base = NULL};
    struct list_match match = {.entry_id = 9};
    assert_false(list_view_has(&nothing, LIST_ALLOW));
    assert_false(list_find(&nothing, LIST_ALLOW, &query, &match));
    assert_int_equal(match.entry_id, 9);
    struct list_index *index = index_of(NULL, 0);
    const struct list_view empty = {.base = index};
    assert_false(list_view_has(&empty, LIST_ALLOW));
    assert_int_equal(find_one(index, LIST_ALLOW, &query), 0);
    assert_int_equal(list_index_count(index), 0);
    assert_int_equal(list_index_count(NULL), 0);
    assert_int_equal(list_index_count_of(NULL, LIST_ALLOW), 0);
    assert_int_equal(list_index_bytes(NULL), 0);
    list_index_free(index);
    list_index_free(NULL);
}

/* Each entry is shadowed by the ones before it: taking them away one by one from the front, the
 * next one matches. */
TEST(the_most_particular_entry_matches) {
    static const struct {
        enum pattern_type type;
        const char *pattern;
        const char *canonical;
        enum pattern_kind kind;
        uint8_t bits;
    } rows[] = {
        {PATTERN_EMAIL, "a@x.b.example.com", "a@x.b.example.com", PATTERN_KIND_ADDRESS, 0},
        {PATTERN_EMAIL, "a@*", "a@*", PATTERN_KIND_LOCAL_PART, 0},
        {PATTERN_EMAIL, "*@x.b.example.com", "*@x.b.example.com", PATTERN_KIND_EXACT_DOMAIN, 0},
        {PATTERN_DOMAIN, "x.b.example.com", "x.b.example.com", PATTERN_KIND_EXACT_DOMAIN, 0},
        {PATTERN_EMAIL, "*@*.b.example.com", "*@*.b.example.com", PATTERN_KIND_SUBDOMAINS, 0},
        {PATTERN_DOMAIN, "*.b.example.com", "*.b.example.com", PATTERN_KIND_SUBDOMAINS, 0},
        {PATTERN_DOMAIN, "*.example.com", "*.example.com", PATTERN_KIND_SUBDOMAINS, 0},
        {PATTERN_DOMAIN, "*.com", "*.com", PATTERN_KIND_SUBDOMAINS, 0},
        {PATTERN_RECIPIENT, "r@local.example", "r@local.example", PATTERN_KIND_ADDRESS, 0},
        {PATTERN_RECIPIENT, "*@local.example", "*@local.example", PATTERN_KIND_EXACT_DOMAIN, 0},
        {PATTERN_CLIENT, "mx.example.org", "mx.example.org", PATTERN_KIND_EXACT_DOMAIN, 0},
        {PATTERN_CLIENT, "*.example.org", "*.example.org", PATTERN_KIND_SUBDOMAINS, 0},
        {PATTERN_IP, "192.0.2.1", "192.0.2.1", PATTERN_KIND_PREFIX, 128},
        {PATTERN_IP, "192.0.2.0/24", "192.0.2.0/24", PATTERN_KIND_PREFIX, 120},
        {PATTERN_IP, "192.0.0.0/16", "192.0.0.0/16", PATTERN_KIND_PREFIX, 112},
        {PATTERN_IP, "0.0.0.0/0", "0.0.0.0/0", PATTERN_KIND_PREFIX, 96},
        {PATTERN_IP, "::/0", "::/0", PATTERN_KIND_PREFIX, 0},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct list_item items[ROWS];
    struct list_query query = query_of("a@x.b.example.com", "192.0.2.1");
    query.recipient = STR("r@local.example");
    query.client_name = STR("mx.example.org");
    for (size_t from = 0; from <= ROWS; from++) {
        for (size_t i = from; i < ROWS; i++) {
            /* Added from the back, so that order of adding cannot be what decides. */
            items[ROWS - 1 - i] = item_of(i + 1, LIST_BLOCK, rows[i].type, rows[i].pattern);
        }
        struct list_index *index = index_of(items, ROWS - from);
        const struct list_view view = {.base = index};
        struct list_match match = {.entry_id = 0};
        const bool found = list_find(&view, LIST_BLOCK, &query, &match);
        test_case(from < ROWS ? rows[from].pattern : "none");
        assert_int_equal(found, from < ROWS);
        if (found) {
            assert_int_equal(match.entry_id, from + 1);
            assert_int_equal(match.type, rows[from].type);
            assert_int_equal(match.kind, rows[from].kind);
            assert_int_equal(match.prefix_bits, rows[from].bits);
            assert_int_equal(match.text_length, strlen(rows[from].canonical));
            assert_memory_equal(match.text, rows[from].canonical, match.text_length);
        }
        assert_int_equal(find_one(index, LIST_ALLOW, &query), 0);
        list_index_free(index);
    }
}

TEST(a_domain_is_itself_and_a_star_is_what_is_below) {
    const struct list_item items[] = {item_of(1, LIST_ALLOW, PATTERN_DOMAIN, "one.example"),
                                      item_of(2, LIST_ALLOW, PATTERN_DOMAIN, "*.two.example"),
                                      item_of(3, LIST_ALLOW, PATTERN_EMAIL, "<>"),
                                      item_of(4, LIST_ALLOW, PATTERN_DOMAIN, "x")};
    struct list_index *index = index_of(items, 4);
    static const struct {
        const char *sender;
        uint64_t id;
    } rows[] = {
        {"a@one.example", 1},
        {"a@x.one.example", 0},
        {"a@two.example", 0},
        {"a@x.two.example", 2},
        {"a@y.x.two.example", 2},
        {"a@xtwo.example", 0},
        {"a@.two.example", 2},
        {"a@x", 4},
        {"", 3},
        {"a", 0},
        {"a@", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].sender);
        const struct list_query query = query_of(rows[i].sender, "192.0.2.1");
        assert_int_equal(find_one(index, LIST_ALLOW, &query), rows[i].id);
    }
    struct list_query query = query_of("", "192.0.2.1");
    query.sender = (struct str){NULL, 0}; /* Not asked about: not even the null sender matches. */
    assert_int_equal(find_one(index, LIST_ALLOW, &query), 0);
    list_index_free(index);
}

TEST(an_expired_entry_gives_way_to_the_next) {
    struct list_item items[] = {item_of(1, LIST_ALLOW, PATTERN_IP, "192.0.2.1"),
                                item_of(2, LIST_ALLOW, PATTERN_IP, "192.0.2.0/24")};
    const struct list_query query = query_of("a@b", "192.0.2.1");
    for (uint32_t expires_s = NOW_S - 1; expires_s <= NOW_S + 1; expires_s++) {
        items[0].expires_s = expires_s;
        struct list_index *index = index_of(items, 2);
        assert_int_equal(find_one(index, LIST_ALLOW, &query), expires_s > NOW_S ? 1 : 2);
        list_index_free(index);
    }
}

TEST(an_entry_applies_in_its_direction) {
    for (unsigned way = LIST_INBOUND; way <= LIST_BOTH_DIRECTIONS; way++) {
        struct list_item item = item_of(1, LIST_ALLOW, PATTERN_DOMAIN, "example.com");
        item.direction = (enum list_direction)way;
        struct list_index *index = index_of(&item, 1);
        struct list_query query = query_of("a@example.com", "192.0.2.1");
        assert_int_equal(find_one(index, LIST_ALLOW, &query), way != LIST_OUTBOUND);
        query.direction = DIRECTION_OUTBOUND;
        assert_int_equal(find_one(index, LIST_ALLOW, &query), way != LIST_INBOUND);
        list_index_free(index);
    }
}

TEST(a_proof_by_name_must_lead_to_the_domain) {
    static const struct {
        const char *label;
        enum pattern_type type;
        const char *pattern;
        const char *sender;
        const char *client_name;
        bool proven;
    } rows[] = {
        {"the domain", PATTERN_DOMAIN, "example.com", "a@example.com", "example.com", true},
        {"below it", PATTERN_DOMAIN, "example.com", "a@example.com", "mx.example.com", true},
        {"looks alike", PATTERN_DOMAIN, "example.com", "a@example.com", "mxexample.com", false},
        {"another", PATTERN_DOMAIN, "example.com", "a@example.com", "mx.example.net", false},
        {"one letter", PATTERN_DOMAIN, "x", "a@x", "mx.x", true},
        {"unconfirmed", PATTERN_DOMAIN, "example.com", "a@example.com", "", false},
        {"address", PATTERN_EMAIL, "a@example.com", "a@example.com", "mx.example.com", true},
        {"address, not", PATTERN_EMAIL, "a@example.com", "a@example.com", "mx.example.net", false},
        {"star", PATTERN_DOMAIN, "*.example.com", "a@x.example.com", "y.example.com", true},
        {"local part", PATTERN_EMAIL, "a@*", "a@example.com", "mx.example.com", true},
        {"local part, not", PATTERN_EMAIL, "a@*", "a@example.com", "mx.example.net", false},
        {"null sender", PATTERN_EMAIL, "<>", "", "mx.example.net", false},
        {"network", PATTERN_IP, "192.0.2.0/24", "a@example.com", "mx.example.net", true},
        {"network, not", PATTERN_IP, "192.0.2.0/24", "a@example.com", "", false},
        {"recipient", PATTERN_RECIPIENT, "r@local", "a@example.com", "mx.example.com", true},
        {"recipient, not", PATTERN_RECIPIENT, "r@local", "a@example.com", "local", false},
        {"client", PATTERN_CLIENT, "mx.example.net", "a@example.com", "mx.example.net", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].label);
        struct list_item item = item_of(1, LIST_ALLOW, rows[i].type, rows[i].pattern);
        item.require = LIST_PROOF_FCRDNS;
        struct list_index *index = index_of(&item, 1);
        struct list_query query = query_of(rows[i].sender, "192.0.2.1");
        query.client_name = str_from(rows[i].client_name);
        query.recipient = STR("r@local");
        assert_int_equal(find_one(index, LIST_ALLOW, &query), rows[i].proven);
        list_index_free(index);
    }
}

TEST(a_proof_by_spf_is_the_callers_word) {
    struct list_item item = item_of(1, LIST_ALLOW, PATTERN_DOMAIN, "example.com");
    item.require = LIST_PROOF_SPF;
    struct list_index *index = index_of(&item, 1);
    struct list_query query = query_of("a@example.com", "192.0.2.1");
    assert_int_equal(find_one(index, LIST_ALLOW, &query), 0);
    query.spf_pass = true;
    const struct list_view view = {.base = index};
    struct list_match match;
    assert_true(list_find(&view, LIST_ALLOW, &query, &match));
    assert_int_equal(match.require, LIST_PROOF_SPF);
    list_index_free(index);
}

TEST(of_the_same_pattern_the_last_added_counts) {
    struct list_item items[] = {item_of(1, LIST_ALLOW, PATTERN_DOMAIN, "example.com"),
                                item_of(2, LIST_BLOCK, PATTERN_DOMAIN, "example.com"),
                                item_of(3, LIST_ALLOW, PATTERN_DOMAIN, "example.com")};
    items[2].expires_s = NOW_S;
    struct list_index *index = index_of(items, 3);
    const struct list_query query = query_of("a@example.com", "192.0.2.1");
    assert_int_equal(find_one(index, LIST_ALLOW, &query), 0); /* 3 hides 1, and is expired. */
    assert_int_equal(find_one(index, LIST_BLOCK, &query), 2);
    assert_int_equal(list_index_count(index), 2);
    assert_int_equal(list_index_count_of(index, LIST_ALLOW), 1);
    assert_int_equal(list_index_count_of(index, LIST_BLOCK), 1);
    assert_int_equal(list_index_count_of(index, LIST_GREYLIST_EXEMPT), 0);
    list_index_free(index);
}

TEST(the_delta_hides_the_same_pattern_of_the_base) {
    struct list_item base_items[] = {item_of(1, LIST_ALLOW, PATTERN_DOMAIN, "example.com"),
                                     item_of(2, LIST_ALLOW, PATTERN_EMAIL, "*@example.com"),
                                     item_of(3, LIST_ALLOW, PATTERN_IP, "192.0.2.0/24")};
    struct list_item delta_item = item_of(4, LIST_ALLOW, PATTERN_EMAIL, "*@example.com");
    delta_item.direction = LIST_OUTBOUND;
    struct list_index *base = index_of(base_items, 3);
    struct list_index *delta = index_of(&delta_item, 1);
    struct list_view view = {.base = base, .delta = delta};
    struct list_query query = query_of("a@example.com", "192.0.2.1");
    struct list_match match;
    assert_true(list_view_has(&view, LIST_ALLOW));
    assert_false(list_view_has(&view, LIST_BLOCK));
    const struct list_view twice = {.base = delta, .delta = delta};
    assert_true(list_view_has(&twice, LIST_ALLOW));
    assert_true(list_find(&view, LIST_ALLOW, &query, &match));
    assert_int_equal(match.entry_id, 1); /* 2 is hidden by 4, which is for outbound mail. */
    query.direction = DIRECTION_OUTBOUND;
    assert_true(list_find(&view, LIST_ALLOW, &query, &match));
    assert_int_equal(match.entry_id, 4);
    query.direction = DIRECTION_INBOUND;
    const uint64_t removed[] = {1, 5};
    view.removed = removed;
    view.removed_count = 2;
    assert_true(list_find(&view, LIST_ALLOW, &query, &match));
    assert_int_equal(match.entry_id, 3);
    const uint64_t more_removed[] = {1, 2, 3};
    view.removed = more_removed;
    view.removed_count = 3;
    assert_false(list_find(&view, LIST_ALLOW, &query, &match));
    view.base = NULL;
    query.direction = DIRECTION_OUTBOUND;
    assert_true(list_find(&view, LIST_ALLOW, &query, &match));
    assert_int_equal(match.entry_id, 4);
    list_index_free(base);
    list_index_free(delta);
}

TEST(deep_domains_are_looked_up_label_by_label) {
    const struct list_item item = item_of(1, LIST_ALLOW, PATTERN_DOMAIN, "*.example.com");
    struct list_index *index = index_of(&item, 1);
    char sender[300] = "a@";
    for (size_t i = 0; i < 100; i++) {
        strcat(sender, "x.");
    }
    strcat(sender, "example.com");
    struct list_query query = query_of(sender, "192.0.2.1");
    assert_int_equal(find_one(index, LIST_ALLOW, &query), 1);
    strcat(sender, "m");
    query = query_of(sender, "192.0.2.1");
    assert_int_equal(find_one(index, LIST_ALLOW, &query), 0);
    list_index_free(index);
}

static struct ip_address flip_bit(struct ip_address address, unsigned bit) {
    address.bytes[bit / 8] ^= (uint8_t)(0x80 >> (bit % 8));
    return address;
}

TEST(a_network_of_every_length_ends_where_it_ends) {
    const struct ip_address addresses[] = {world_address("2001:db8:ffff:5a5a:a5a5:1234:5678:9abc"),
                                           world_address("2001:db8:ffff:5a5b:a5a5:1234:5678:9abd"),
                                           world_address("192.0.2.77")};
    for (size_t a = 0; a < 3; a++) {
        for (unsigned bits = 0; bits <= 128; bits++) {
            struct list_item item = {.id = 1, .list = LIST_BLOCK, .pattern.type = PATTERN_IP};
            item.pattern.kind = PATTERN_KIND_PREFIX;
            item.pattern.prefix.bits = (uint8_t)bits;
            item.pattern.prefix.address = ip_address_mask(addresses[a], bits);
            struct list_index *index = index_of(&item, 1);
            struct list_query query = {.client_address = addresses[a], .now_s = NOW_S};
            assert_int_equal(find_one(index, LIST_BLOCK, &query), 1);
            if (bits > 0) {
                query.client_address = flip_bit(addresses[a], bits - 1);
                assert_int_equal(find_one(index, LIST_BLOCK, &query), 0);
            }
            if (bits < 128) {
                query.client_address = flip_bit(addresses[a], bits);
                assert_int_equal(find_one(index, LIST_BLOCK, &query), 1);
            }
            list_index_free(index);
        }
    }
}

TEST(one_look_tells_which_lists_have_anything_to_say) {
    struct list_item items[] = {item_of(1, LIST_ALLOW, PATTERN_IP, "192.0.2.0/24"),
                                item_of(2, LIST_GREYLIST_EXEMPT, PATTERN_CLIENT, "mx.example"),
                                item_of(3, LIST_BLOCK, PATTERN_DOMAIN, "example.com")};
    items[2].expires_s = 1; /* A hit tells nothing about whether the entry applies. */
    struct list_index *index = index_of(items, 3);
    const struct list_view view = {.delta = index};
    struct list_query query = query_of("a@example.com", "192.0.2.1");
    assert_int_equal(list_view_hits(&view, &query), 1u << LIST_ALLOW | 1u << LIST_BLOCK);
    query = query_of("a@example.net", "192.0.3.1");
    query.client_name = STR("mx.example");
    assert_int_equal(list_view_hits(&view, &query), 1u << LIST_GREYLIST_EXEMPT);
    query.client_name = STR("");
    assert_int_equal(list_view_hits(&view, &query), 0);
    assert_true(list_view_reads(&view, PATTERN_CLIENT));
    assert_true(list_view_reads(&view, PATTERN_IP));
    assert_true(list_view_reads(&view, PATTERN_EMAIL));
    assert_false(list_view_reads(&view, PATTERN_RECIPIENT));
    list_index_free(index);
}

/* Keys are tried a batch at a time: wherever among them the one that matches comes, it is found,
 * and nothing after it. */
TEST(nothing_is_lost_between_batches) {
    static const struct {
        enum pattern_type type;
        const char *pattern;
    } rows[] = {
        {PATTERN_EMAIL, "s@*"},       {PATTERN_DOMAIN, "*.z"},      {PATTERN_RECIPIENT, "r@b.z"},
        {PATTERN_RECIPIENT, "r@*"},   {PATTERN_RECIPIENT, "*@b.z"}, {PATTERN_RECIPIENT, "*@*.z"},
        {PATTERN_CLIENT, "mx.z"},     {PATTERN_CLIENT, "*.z"},      {PATTERN_IP, "192.0.2.1"},
        {PATTERN_IP, "192.0.2.0/24"}, {PATTERN_IP, "192.0.0.0/16"}, {PATTERN_IP, "0.0.0.0/0"},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    for (size_t labels = 0; labels < 40; labels++) {
        char sender[128] = "s@";
        for (size_t i = 0; i < labels; i++) {
            strcat(sender, "x.");
        }
        strcat(sender, "z");
        struct list_query query = query_of(sender, "192.0.2.1");
        query.recipient = STR("r@b.z");
        query.client_name = STR("mx.z");
        for (size_t from = 0; from < ROWS; from++) {
            struct list_item items[ROWS + 4];
            size_t count = 0;
            for (size_t i = from; i < ROWS; i++) {
                items[count] = item_of(i + 1, LIST_BLOCK, rows[i].type, rows[i].pattern);
                count++;
            }
            /* Of every kind there is one elsewhere, so that no key is left out. */
            items[count++] = item_of(90, LIST_BLOCK, PATTERN_EMAIL, "nobody@q");
            items[count++] = item_of(91, LIST_BLOCK, PATTERN_DOMAIN, "q");
            items[count++] = item_of(92, LIST_BLOCK, PATTERN_DOMAIN, "*.q");
            items[count++] = item_of(93, LIST_BLOCK, PATTERN_RECIPIENT, "nobody@q");
            struct list_index *index = index_of(items, count);
            const bool below = labels > 0 || from != 1;
            assert_int_equal(find_one(index, LIST_BLOCK, &query), below ? from + 1 : from + 2);
            list_index_free(index);
        }
    }
}

TEST(a_client_without_an_address_is_in_no_network) {
    const struct list_item item = item_of(1, LIST_ALLOW, PATTERN_IP, "::/0");
    struct list_index *index = index_of(&item, 1);
    struct list_query query = {.sender = STR("a@b"), .now_s = NOW_S};
    assert_int_equal(find_one(index, LIST_ALLOW, &query), 0);
    query.client_address = world_address("2001:db8::1");
    assert_int_equal(find_one(index, LIST_ALLOW, &query), 1);
    list_index_free(index);
}

TEST(every_failing_allocation_is_survived) {
    size_t needed = 0;
    for (size_t granted = 0;; granted++) {
        size_t budget = granted;
        const struct list_memory memory = world_memory(&budget);
        struct list_builder *builder = list_builder_new(&memory, 3);
        bool whole = builder != NULL;
        for (uint64_t i = 0; builder != NULL && i < 60; i++) {
            char pattern[64];
            (void)snprintf(pattern, sizeof pattern, "a-rather-long-name-%d@example.com", (int)i);
            const struct list_item item = item_of(i + 1, LIST_BLOCK, PATTERN_EMAIL, pattern);
            whole = list_builder_add(builder, &item) && whole;
        }
        struct list_index *index = builder != NULL ? list_builder_finish(builder) : NULL;
        assert_int_equal(index != NULL, whole);
        if (index != NULL) {
            const struct list_query query =
                query_of("a-rather-long-name-59@example.com", "192.0.2.1");
            assert_int_equal(list_index_count(index), 60);
            assert_int_equal(find_one(index, LIST_BLOCK, &query), 60);
            assert_true(list_index_bytes(index) >= 60 * 50);
            list_index_free(index);
            needed = granted;
            break;
        }
        list_index_free(index);
    }
    assert_true(needed >= 7); /* builder, 3 × rows, 3 × slots, pool growing */
}

/* --- against a naive model ---------------------------------------------------------------------
 */

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

TEST(a_sender_is_not_read_past_its_end) {
    const struct list_item item = item_of(1, LIST_ALLOW, PATTERN_DOMAIN, "*.two.example");
    struct list_index *index = index_of(&item, 1);
    struct list_query query = query_of("", "192.0.2.1");
    query.sender = (struct str){"a@two.example.two.example", strlen("a@two.example")};
    assert_int_equal(find_one(index, LIST_ALLOW, &query), 0);
    list_index_free(index);
}

/* The tag in a slot makes it rare that rows of other keys are compared at all. */
TEST(a_row_has_its_key_and_no_other) {
    char pool[] = "..abc";
    const struct list_index index = {.pool = pool};
    const struct list_row row = {.text_at = 2,
                                 .text_length = 3,
                                 .type = PATTERN_EMAIL,
                                 .kind = PATTERN_KIND_EXACT_DOMAIN,
                                 .bits = 7};
    const struct list_key same = {.subject = LIST_SUBJECT_SENDER,
                                  .kind = PATTERN_KIND_EXACT_DOMAIN,
                                  .bits = 7,
                                  .text = {"abc", 3}};
    assert_true(list_row_has_key(&index, &row, &same));
    struct list_key other = same;
    other.subject = LIST_SUBJECT_RECIPIENT;
    assert_false(list_row_has_key(&index, &row, &other));
    other = same;
    other.kind = PATTERN_KIND_SUBDOMAINS;
    assert_false(list_row_has_key(&index, &row, &other));
    other = same;
    other.bits = 8;
    assert_false(list_row_has_key(&index, &row, &other));
    other = same;
    other.text = STR("abd");
    assert_false(list_row_has_key(&index, &row, &other));
    other.text = STR("ab");
    assert_false(list_row_has_key(&index, &row, &other));
    other.text = STR("");
    assert_false(list_row_has_key(&index, &row, &other));
    struct list_row short_row = row;
    short_row.text_length = 1;
    other.text = STR("b");
    assert_false(list_row_has_key(&index, &short_row, &other));
    short_row.text_length = 0;
    other.text = (struct str){NULL, 0};
    assert_true(list_row_has_key(&index, &short_row, &other));
}

struct ledger {
    size_t attempts;
    size_t bytes;
};

static void *allocate_noting(void *context, size_t bytes) {
    struct ledger *ledger = context;
    ledger->attempts++;
    ledger->bytes += bytes;
    return bytes < 1 << 20 ? calloc(1, bytes) : NULL;
}

static void release_noting(void *context, void *memory) {
    (void)context;
    free(memory);
}

TEST(an_index_tells_how_much_memory_it_takes) {
    struct ledger ledger = {0, 0};
    const struct list_memory memory = {&ledger, allocate_noting, release_noting};
    struct list_builder *builder = list_builder_new(&memory, 100);
    const struct list_item item = item_of(1, LIST_ALLOW, PATTERN_DOMAIN, "example.com");
    assert_true(list_builder_add(builder, &item));
    struct list_index *index = list_builder_finish(builder);
    assert_int_equal(ledger.attempts, 5); /* enough from the start */
    assert_in_range(ledger.bytes - list_index_bytes(index), 0, 16);
    list_index_free(index);
}

/* The text of all entries together is addressed by 32 bits; 20 bytes an entry are reserved. */
TEST(more_than_the_limits_is_refused_before_memory_is_asked_for) {
    static const struct {
        size_t items;
        size_t attempts;
    } rows[] = {
        {214748364, 2}, /* the builder, then rows that there is no memory for */
        {214748365, 1},
        {LIST_ITEMS_MAX, 1},
        {(size_t)LIST_ITEMS_MAX + 1, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ledger ledger = {0, 0};
        const struct list_memory memory = {&ledger, allocate_noting, release_noting};
        assert_null(list_builder_new(&memory, rows[i].items));
        assert_int_equal(ledger.attempts, rows[i].attempts);
    }
}

/* Memory of which one request is refused, and only that one. */
struct refusing {
    size_t attempts;
    size_t refused; /* this one, counted from 1 */
    size_t held;
};

static void *allocate_refusing(void *context, size_t bytes) {
    struct refusing *refusing = context;
    if (++refusing->attempts == refusing->refused) {
        return NULL;
    }
    refusing->held++;
    return calloc(1, bytes);
}

static void release_refusing(void *context, void *memory) {
    struct refusing *refusing = context;
    assert_non_null(memory);
    refusing->held--;
    free(memory);
}

TEST(whichever_request_for_memory_is_refused_all_of_it_is_given_back) {
    size_t refused = 0;
    for (bool whole = false; !whole;) {
        struct refusing refusing = {.refused = ++refused};
        const struct list_memory memory = {&refusing, allocate_refusing, release_refusing};
        struct list_builder *builder = list_builder_new(&memory, 3);
        whole = builder != NULL;
        for (uint64_t i = 0; builder != NULL && i < 200; i++) {
            char pattern[64];
            (void)snprintf(pattern, sizeof pattern, "a-rather-long-name-%d@example.com", (int)i);
            const struct list_item item = item_of(i + 1, LIST_BLOCK, PATTERN_EMAIL, pattern);
            whole = list_builder_add(builder, &item) && whole;
        }
        struct list_index *index = builder != NULL ? list_builder_finish(builder) : NULL;
        assert_int_equal(index != NULL, whole);
        assert_int_equal(whole, refused > refusing.attempts);
        assert_int_equal(refusing.held, whole ? 5 : 0);
        list_index_free(index);
        assert_int_equal(refusing.held, 0);
    }
    assert_true(refused > 12); /* also while it grows */
}
