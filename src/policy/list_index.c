/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/list_index.h"

#include <string.h>

#include "base/check.h"
#include "base/prefetch.h"
#include "policy/list_rows.h"

/* The filter's words for this many keys are fetched from memory at once. */
enum { BATCH_MAX = LIST_AHEAD_MAX };

struct candidate {
    struct list_key key;
    uint64_t hash;
    struct ip_address masked; /* what key.text of a network points to */
};

/* One look-up: candidates are added in the order in which they count, and tried a batch at a time
 * until one matches. */
struct search {
    const struct list_view *view;
    const struct list_query *query;
    enum list_id list; /* LISTS: only `hits` are gathered, nothing is found */
    unsigned hits;
    struct list_ahead *ahead; /* not NULL: keys are only noted here */
    uint32_t present;         /* of base and delta */
    size_t count;
    struct candidate batch[BATCH_MAX];
    /* The best row of the key that is being tried. */
    const struct list_index *found_in;
    const struct list_row *found;
};

bool list_view_is_empty(const struct list_view *view) {
    return list_index_count(view->base) + list_index_count(view->delta) == 0;
}

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

static void prefetch_filter(const struct list_index *index, uint64_t hash) {
    if (index != NULL) {
        prefetch(list_filter_word(index, hash));
    }
}

static bool may_have(const struct list_index *index, uint64_t hash) {
    if (index == NULL) {
        return false;
    }
    const uint64_t bits = list_filter_bits(hash);
    return (*list_filter_word(index, hash) & bits) == bits;
}

/* Looks at every row of the key in one index. `hidden` has a bit for each pattern type whose row of
 * this key does not count; returns the types that the index has. */
static unsigned try_index(struct search *search, const struct list_index *index, bool is_base,
                          const struct candidate *candidate, unsigned hidden) {
    unsigned types = 0;
    if (!may_have(index, candidate->hash)) {
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
        search->hits |= 1u << row->list;
        if (row->list != search->list) {
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

static void note_batch(const struct search *search, struct list_ahead *ahead) {
    for (size_t i = 0; i < search->count && ahead->count + i < LIST_AHEAD_MAX; i++) {
        ahead->hashes[ahead->count + i] = search->batch[i].hash;
    }
    ahead->count += search->count;
}

static void prefetch_batch(const struct search *search) {
    for (size_t i = 0; i < search->count; i++) {
        prefetch_filter(search->view->base, search->batch[i].hash);
        prefetch_filter(search->view->delta, search->batch[i].hash);
    }
}

/* Tries what is in the batch and empties it. */
static bool try_batch(struct search *search) {
    prefetch_batch(search);
    if (search->ahead != NULL) {
        note_batch(search, search->ahead);
        search->count = 0;
        return false;
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
    candidate->key =
        (struct list_key){.subject = subject, .kind = kind, .bits = bits, .text = text};
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
    for (size_t i = 0; i < domain.length; i++) {
        const struct str parent = {domain.data + i + 1, domain.length - i - 1};
        if (domain.data[i] == '.' && try_text(search, subject, PATTERN_KIND_SUBDOMAINS, parent)) {
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

static void add_lengths(struct list_lengths *to, const struct list_lengths *from) {
    for (size_t i = 0; i < 3; i++) {
        to->words[i] |= from->words[i];
    }
}

/* The prefix lengths of an index that are worth trying for the client's address. */
static void add_lengths_of(const struct search *search, const struct list_index *index, bool v4,
                           struct list_lengths *lengths) {
    for (unsigned list = 0; index != NULL && list < LISTS; list++) {
        if (search->list == LISTS || search->list == list) {
            add_lengths(lengths, v4 ? &index->lengths_v4[list] : &index->lengths_v6[list]);
        }
    }
}

static struct list_lengths lengths_for(const struct search *search) {
    struct list_lengths lengths = {{0}};
    add_lengths_of(search, search->view->base, false, &lengths);
    add_lengths_of(search, search->view->delta, false, &lengths);
    if (ip_address_is_v4(search->query->client_address)) {
        /* Only IPv6 networks wider than all of IPv4 can hold an IPv4 address. */
        lengths.words[1] &= UINT64_C(0xffffffff);
        lengths.words[2] = 0;
        add_lengths_of(search, search->view->base, true, &lengths);
        add_lengths_of(search, search->view->delta, true, &lengths);
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
    uint32_t present = 0;
    for (unsigned i = 0; index != NULL && i < LISTS; i++) {
        present |= list == LISTS || list == i ? index->present[i] : 0;
    }
    return present;
}

static void begin(struct search *search, const struct list_view *view, enum list_id list,
                  const struct list_query *query) {
    search->view = view;
    search->query = query;
    search->list = list;
    search->hits = 0;
    search->ahead = NULL;
    search->present = present_in(view->base, list) | present_in(view->delta, list);
    search->count = 0;
    search->found_in = NULL;
    search->found = NULL;
}

static bool try_all(struct search *search) {
    const struct list_query *query = search->query;
    return search->present != 0 &&
           (try_mail_address(search, LIST_SUBJECT_SENDER, query->sender) ||
            try_mail_address(search, LIST_SUBJECT_RECIPIENT, query->recipient) ||
            try_domain(search, LIST_SUBJECT_CLIENT, query->client_name) || try_networks(search) ||
            try_batch(search));
}

bool list_find(const struct list_view *view, enum list_id list, const struct list_query *query,
               struct list_match *ret_match) {
    CHECK(list < LISTS);
    struct search search; /* The batch is 1.5 KiB: only what is counted is ever written. */
    begin(&search, view, list, query);
    const bool found = try_all(&search);
    if (found) {
        tell(&search, ret_match);
    }
    return found;
}

unsigned list_view_hits(const struct list_view *view, const struct list_query *query) {
    struct search search;
    begin(&search, view, LISTS, query);
    (void)try_all(&search);
    return search.hits;
}

void list_view_look_ahead(const struct list_view *view, const struct list_query *query,
                          struct list_ahead *ret) {
    struct search search;
    begin(&search, view, LISTS, query);
    ret->count = 0;
    search.ahead = ret;
    (void)try_all(&search);
}

bool list_view_may_hit(const struct list_view *view, const struct list_ahead *ahead) {
    if (ahead->count > LIST_AHEAD_MAX) {
        return true;
    }
    for (size_t i = 0; i < ahead->count; i++) {
        if (may_have(view->delta, ahead->hashes[i]) || may_have(view->base, ahead->hashes[i])) {
            return true;
        }
    }
    return false;
}

bool list_view_reads(const struct list_view *view, enum pattern_type type) {
    const uint32_t of_subject = UINT32_C(31) << (unsigned)list_subject_of(type) * 5;
    return ((present_in(view->base, LISTS) | present_in(view->delta, LISTS)) & of_subject) != 0;
}
