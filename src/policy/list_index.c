/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/list_index.h"

#include <string.h>

#include "base/check.h"
#include "policy/list_rows.h"

/* Slots of this many keys are fetched from memory at once. */
enum { BATCH_MAX = 16 };

struct candidate {
    struct list_key key;
    uint64_t hash;
    struct ip_address masked; /* what key.text of a network points to */
};

/* One look-up: candidates are added in the order in which they count, and tried a batch at a time
 * until one matches. */
struct search {
    const struct list_view *view;
    enum list_id list;
    const struct list_query *query;
    uint32_t present; /* of base and delta */
    size_t count;
    struct candidate batch[BATCH_MAX];
    /* The best row of the key that is being tried. */
    const struct list_index *found_in;
    const struct list_row *found;
};

bool list_view_has(const struct list_view *view, enum list_id list) {
    return list_index_count_of(view->base, list) + list_index_count_of(view->delta, list) > 0;
}

static struct str domain_of(struct str address) {
    const size_t at = str_find_last(address, '@');
    return at == SIZE_MAX ? (struct str){"", 0} : str_slice(address, at + 1, address.length);
}

/* True when `name` is `domain` or below it. Both are normalised. */
static bool within(struct str name, struct str domain) {
    if (domain.length == 0 || !str_ends(name, domain)) {
        return false;
    }
    return name.length == domain.length || name.data[name.length - domain.length - 1] == '.';
}

static bool fcrdns_proven(const struct list_index *index, const struct list_row *row,
                          const struct list_query *query) {
    const struct str name = query->client_name;
    const struct str text = {index->pool + row->text_at, row->text_length};
    if (name.length == 0) {
        return false;
    }
    if (row->type == PATTERN_IP || row->type == PATTERN_CLIENT) {
        return true;
    }
    if (row->type == PATTERN_RECIPIENT || row->kind == PATTERN_KIND_LOCAL_PART) {
        return within(name, domain_of(query->sender));
    }
    return within(name, row->kind == PATTERN_KIND_ADDRESS ? domain_of(text) : text);
}

static bool applies(const struct list_index *index, const struct list_row *row,
                    const struct list_query *query) {
    if (row->expires_s != 0 && row->expires_s <= query->now_s) {
        return false;
    }
    if (row->direction != LIST_BOTH_DIRECTIONS &&
        (row->direction == LIST_OUTBOUND) != (query->direction == DIRECTION_OUTBOUND)) {
        return false;
    }
    switch ((enum list_proof)row->require) {
    case LIST_PROOF_FCRDNS:
        return fcrdns_proven(index, row, query);
    case LIST_PROOF_SPF:
        return query->spf_pass;
    case LIST_PROOF_NONE:
        break;
    }
    return true;
}

static bool is_removed(const struct list_view *view, uint64_t id) {
    size_t from = 0;
    size_t until = view->removed_count;
    while (from < until) {
        const size_t middle = from + (until - from) / 2;
        if (view->removed[middle] < id) {
            from = middle + 1;
        } else {
            until = middle;
        }
    }
    return from < view->removed_count && view->removed[from] == id;
}

/* Looks at every row of the key in one index. `hidden` has a bit for each pattern type whose row of
 * this key does not count; returns the types that the index has. */
static unsigned try_index(struct search *search, const struct list_index *index, bool is_base,
                          const struct candidate *candidate, unsigned hidden) {
    unsigned types = 0;
    if (index == NULL || index->row_count == 0) {
        return 0;
    }
    const uint32_t tag = (uint32_t)(candidate->hash >> 32);
    const size_t mask = index->slot_count - 1;
    for (size_t at = candidate->hash & mask; index->slots[at].row != 0; at = (at + 1) & mask) {
        if (index->slots[at].tag != tag) {
            continue;
        }
        const struct list_row *row = &index->rows[index->slots[at].row - 1];
        if (!list_row_has_key(index, row, &candidate->key)) {
            continue;
        }
        types |= 1u << row->type;
        if ((hidden & 1u << row->type) != 0 || !applies(index, row, search->query) ||
            (is_base && is_removed(search->view, row->id))) {
            continue;
        }
        if (search->found == NULL || row->type < search->found->type) {
            search->found = row;
            search->found_in = index;
        }
    }
    return types;
}

static void prefetch_slot(const struct list_index *index, uint64_t hash) {
    if (index != NULL && index->row_count > 0) {
        __builtin_prefetch(&index->slots[hash & (index->slot_count - 1)]);
    }
}

/* Tries what is in the batch and empties it. */
static bool try_batch(struct search *search) {
    for (size_t i = 0; i < search->count; i++) {
        prefetch_slot(search->view->base, search->batch[i].hash);
        prefetch_slot(search->view->delta, search->batch[i].hash);
    }
    for (size_t i = 0; i < search->count && search->found == NULL; i++) {
        const struct candidate *candidate = &search->batch[i];
        const unsigned hidden = try_index(search, search->view->delta, false, candidate, 0);
        (void)try_index(search, search->view->base, true, candidate, hidden);
    }
    search->count = 0;
    return search->found != NULL;
}

static struct candidate *next_candidate(struct search *search, enum list_subject subject,
                                        enum pattern_kind kind, uint8_t bits, struct str text) {
    struct candidate *candidate = &search->batch[search->count++];
    candidate->key = (struct list_key){
        .list = search->list, .subject = subject, .kind = kind, .bits = bits, .text = text};
    return candidate;
}

/* True as soon as something was found. */
static bool try_text(struct search *search, enum list_subject subject, enum pattern_kind kind,
                     struct str text) {
    if ((search->present & list_present_bit(subject, kind)) == 0) {
        return false;
    }
    struct candidate *candidate = next_candidate(search, subject, kind, 0, text);
    candidate->hash = list_key_hash(&candidate->key);
    return search->count == BATCH_MAX && try_batch(search);
}

static bool try_domain(struct search *search, enum list_subject subject, struct str domain) {
    if (domain.length == 0) {
        return false;
    }
    if (try_text(search, subject, PATTERN_KIND_EXACT_DOMAIN, domain)) {
        return true;
    }
    if ((search->present & list_present_bit(subject, PATTERN_KIND_SUBDOMAINS)) == 0) {
        return false;
    }
    for (size_t dot = str_find(domain, '.'); dot != SIZE_MAX; dot = str_find(domain, '.')) {
        domain = str_slice(domain, dot + 1, domain.length);
        if (try_text(search, subject, PATTERN_KIND_SUBDOMAINS, domain)) {
            return true;
        }
    }
    return false;
}

static bool try_mail_address(struct search *search, enum list_subject subject, struct str address) {
    if (address.data == NULL) {
        return false;
    }
    if (try_text(search, subject, PATTERN_KIND_ADDRESS, address)) {
        return true;
    }
    const size_t at = str_find_last(address, '@');
    const struct str local = str_slice(address, 0, at == SIZE_MAX ? address.length : at);
    return (local.length > 0 && try_text(search, subject, PATTERN_KIND_LOCAL_PART, local)) ||
           try_domain(search, subject, domain_of(address));
}

static struct list_lengths both_lengths(const struct list_lengths *base,
                                        const struct list_lengths *delta) {
    struct list_lengths both = {{0}};
    for (size_t i = 0; i < 3; i++) {
        both.words[i] = (base != NULL ? base->words[i] : 0) | (delta != NULL ? delta->words[i] : 0);
    }
    return both;
}

/* The prefix lengths that are worth trying for the client's address. */
static struct list_lengths lengths_for(const struct search *search) {
    const struct list_index *base = search->view->base;
    const struct list_index *delta = search->view->delta;
    struct list_lengths lengths =
        both_lengths(base != NULL ? &base->lengths_v6[search->list] : NULL,
                     delta != NULL ? &delta->lengths_v6[search->list] : NULL);
    if (ip_address_is_v4(search->query->client_address)) {
        const struct list_lengths v4 =
            both_lengths(base != NULL ? &base->lengths_v4[search->list] : NULL,
                         delta != NULL ? &delta->lengths_v4[search->list] : NULL);
        /* Only IPv6 networks wider than all of IPv4 can hold an IPv4 address. */
        lengths.words[1] &= UINT64_C(0xffffffff);
        lengths.words[1] |= v4.words[1];
        lengths.words[2] = v4.words[2];
    }
    return lengths;
}

static bool try_networks(struct search *search) {
    if (ip_address_is_none(search->query->client_address) ||
        (search->present & list_present_bit(LIST_SUBJECT_ADDRESS, PATTERN_KIND_PREFIX)) == 0) {
        return false;
    }
    const struct list_lengths lengths = lengths_for(search);
    for (unsigned word = 3; word-- > 0;) {
        for (uint64_t left = lengths.words[word]; left != 0;) {
            const unsigned bit = 63 - (unsigned)__builtin_clzll(left);
            left &= ~(UINT64_C(1) << bit);
            const unsigned bits = word * 64 + bit;
            struct candidate *candidate =
                next_candidate(search, LIST_SUBJECT_ADDRESS, PATTERN_KIND_PREFIX, (uint8_t)bits,
                               (struct str){NULL, 0});
            candidate->masked = ip_address_mask(search->query->client_address, bits);
            candidate->key.text = (struct str){(const char *)candidate->masked.bytes, 16};
            candidate->hash = list_key_hash(&candidate->key);
            if (search->count == BATCH_MAX && try_batch(search)) {
                return true;
            }
        }
    }
    return false;
}

static void tell(const struct search *search, struct list_match *ret_match) {
    const struct list_row *row = search->found;
    struct address_pattern pattern = {
        .type = (enum pattern_type)row->type,
        .kind = (enum pattern_kind)row->kind,
    };
    const char *text = search->found_in->pool + row->text_at;
    if (pattern.kind == PATTERN_KIND_PREFIX) {
        memcpy(pattern.prefix.address.bytes, text, sizeof pattern.prefix.address.bytes);
        pattern.prefix.bits = row->bits;
    } else if (row->text_length > 0) {
        memcpy(pattern.text, text, row->text_length);
        pattern.text_length = row->text_length;
    }
    ret_match->entry_id = row->id;
    ret_match->type = pattern.type;
    ret_match->kind = pattern.kind;
    ret_match->prefix_bits = pattern.prefix.bits;
    ret_match->require = (enum list_proof)row->require;
    struct text out = TEXT_OVER(ret_match->text);
    address_pattern_format(&pattern, &out);
    ret_match->text_length = (uint16_t)out.length;
}

static uint32_t present_in(const struct list_index *index, enum list_id list) {
    return index != NULL ? index->present[list] : 0;
}

bool list_find(const struct list_view *view, enum list_id list, const struct list_query *query,
               struct list_match *ret_match) {
    CHECK(list < LISTS);
    struct search search; /* The batch is 1.5 KiB: only what is counted is ever written. */
    search.view = view;
    search.list = list;
    search.query = query;
    search.present = present_in(view->base, list) | present_in(view->delta, list);
    search.count = 0;
    search.found_in = NULL;
    search.found = NULL;
    if (search.present == 0) {
        return false;
    }
    const bool found = try_mail_address(&search, LIST_SUBJECT_SENDER, query->sender) ||
                       try_mail_address(&search, LIST_SUBJECT_RECIPIENT, query->recipient) ||
                       try_domain(&search, LIST_SUBJECT_CLIENT, query->client_name) ||
                       try_networks(&search) || try_batch(&search);
    if (found) {
        tell(&search, ret_match);
    }
    return found;
}
