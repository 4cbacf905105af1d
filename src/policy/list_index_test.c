/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/list_index.h"

#include <string.h>

#include "policy/list_index_fixture.h"
#include "policy/list_rows.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

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

TEST(a_view_is_empty_without_an_entry_in_either_index) {
    struct list_item items[] = {item_of(1, LIST_ALLOW, PATTERN_IP, "192.0.2.0/24"),
                                item_of(2, LIST_BLOCK, PATTERN_DOMAIN, "*.example.com")};
    struct list_index *one = index_of(items, 1);
    struct list_index *other = index_of(items + 1, 1);
    const struct list_view views[] = {
        {0}, {.base = one}, {.delta = one}, {.base = one, .delta = other}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(list_view_is_empty(&views[i]), i == 0);
    }
    list_index_free(one);
    list_index_free(other);
}

static bool may_hit(const struct list_view *view, const struct list_query *query) {
    struct list_ahead ahead;
    list_view_look_ahead(view, query, &ahead);
    return list_view_may_hit(view, &ahead);
}

TEST(a_look_ahead_rules_out_whom_no_list_knows) {
    struct list_item items[] = {item_of(1, LIST_ALLOW, PATTERN_IP, "192.0.2.0/24"),
                                item_of(2, LIST_BLOCK, PATTERN_DOMAIN, "*.example.com")};
    struct list_index *base = index_of(items, 1);
    struct list_index *delta = index_of(items + 1, 1);
    const struct list_view view = {.base = base, .delta = delta};
    struct list_query query = query_of("a@example.net", "192.0.3.1");
    assert_false(may_hit(&view, &query));
    query.client_address = world_address("192.0.2.1");
    assert_true(may_hit(&view, &query)); /* in the base */
    query = query_of("a@mail.example.com", "192.0.3.1");
    assert_true(may_hit(&view, &query)); /* in the delta */
    /* One key for each parent of the domain, and one for the network. */
    query = query_of("a@1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.example", "192.0.3.1");
    assert_false(may_hit(&view, &query));
    query = query_of("a@1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.example", "192.0.3.1");
    assert_true(may_hit(&view, &query)); /* more keys than it keeps: nothing is known */
    list_index_free(base);
    list_index_free(delta);
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
