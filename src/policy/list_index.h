/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/address_pattern.h"
#include "policy/verdict.h"

/* Lists of patterns as the policies read them: an immutable base for a million entries, and a small
 * delta of entries added and removed since, read first. A look-up allocates nothing and costs well
 * under a microsecond. Pure: memory comes from the caller through struct list_memory, because a
 * base of a million entries is built by a background thread of the daemon.
 *
 * Which entry matches (the first that applies wins; "applies" = not expired, direction fits, the
 * required proof is given): of the sender exact address, local part, exact domain, subdomains
 * (longest parent first); the same of the recipient; client name, exact and then below; network
 * (longest prefix first; a shorter one when the longer does not apply). Of two entries that say the
 * same (*@example.com and example.com) the one of type email.
 *
 * Proof `fcrdns`: the confirmed client name is the entry's domain or below it. An entry without a
 * domain takes the sender's (`user@*`; the null sender has none: not proven); for a network any
 * confirmed name will do. */

/* LIST_REPUTATION_ALLOW holds addresses and networks alone (SPEC 4.9). */
enum list_id { LIST_ALLOW = 0, LIST_BLOCK, LIST_GREYLIST_EXEMPT, LIST_REPUTATION_ALLOW, LISTS };
enum list_direction { LIST_INBOUND = 0, LIST_OUTBOUND, LIST_BOTH_DIRECTIONS };
/* The proof that an entry may require, so that a forged sender does not pass (SPEC 4.1). */
enum list_proof { LIST_PROOF_NONE = 0, LIST_PROOF_FCRDNS, LIST_PROOF_SPF };

enum { LIST_ITEMS_MAX = 1 << 28 };
enum { LIST_DELTA_MAX = 4096 }; /* Above it the base is rebuilt in the background. */

const char *list_name(enum list_id list); /* "allow" "block" "greylist_exempt" "reputation_allow" */
bool list_parse(struct str name, enum list_id *ret_list);
const char *list_direction_name(enum list_direction direction); /* "inbound" "outbound" "both" */
bool list_direction_parse(struct str name, enum list_direction *ret_direction);
const char *list_proof_name(enum list_proof proof); /* "" "fcrdns" "spf" */
bool list_proof_parse(struct str name, enum list_proof *ret_proof);

/* What is added to an index. `id` is the row's in config.db, unique over all lists, never 0. */
struct list_item {
    uint64_t id;
    enum list_id list;
    enum list_direction direction;
    enum list_proof require;
    uint32_t expires_s; /* 0: never */
    struct address_pattern pattern;
};

/* allocate returns zeroed memory (16-byte aligned) or NULL. Freed as a whole by the owner. */
struct list_memory {
    void *context;
    void *(*allocate)(void *context, size_t bytes);
    void (*release)(void *context, void *memory);
};

struct list_index; /* Immutable once finished. */
struct list_builder;

/* NULL when out of memory. */
struct list_builder *list_builder_new(const struct list_memory *memory, size_t expected_items);
/* False when out of memory (then finish gives NULL). Order is free; of the same list, type and
 * pattern the last added counts. Copies the item. At most LIST_ITEMS_MAX. */
bool list_builder_add(struct list_builder *builder, const struct list_item *item);
/* Frees the builder. NULL when out of memory. */
struct list_index *list_builder_finish(struct list_builder *builder);
void list_index_free(struct list_index *index);
size_t list_index_count(const struct list_index *index);
size_t list_index_count_of(const struct list_index *index, enum list_id list);
size_t list_index_bytes(const struct list_index *index);

/* What a generation of settings holds: entries of `delta` hide those of `base` with the same
 * pattern; ids in `removed` (ascending) are hidden in base. base and delta may be NULL (empty). */
struct list_view {
    const struct list_index *base;
    const struct list_index *delta;
    const uint64_t *removed;
    size_t removed_count;
};

struct list_query {
    struct str sender;      /* normalised (mail_address_normalise); "" is the null sender */
    struct str recipient;   /* normalised */
    struct str client_name; /* normalised domain; "" when unknown or unconfirmed */
    struct ip_address client_address;
    enum direction direction;
    uint32_t now_s;
    bool spf_pass; /* SPF says pass for the sender's domain. */
};

struct list_match {
    uint64_t entry_id; /* 0: no match */
    enum pattern_type type;
    enum pattern_kind kind;
    uint8_t prefix_bits; /* kind PREFIX */
    enum list_proof require;
    uint16_t text_length;
    char text[PATTERN_TEXT_MAX]; /* canonical pattern, for the reason and the log */
};

bool list_view_is_empty(const struct list_view *view);
/* False when the view holds no entry of the list: then no query need be made. */
bool list_view_has(const struct list_view *view, enum list_id list);
/* A bit (1 << list_id) for each list with an entry that speaks of the query, whether it applies or
 * not: one look for all lists, because nearly all mail is in none. A list without its bit cannot
 * match; sender, recipient or client name may be left NULL where list_view_reads() says that no
 * entry is about them. */
unsigned list_view_hits(const struct list_view *view, const struct list_query *query);
/* What list_view_hits() will look at of the filters, named before and on its way to the processor:
 * nearly always that is all it has to look at. */
enum { LIST_AHEAD_MAX = 16 };
struct list_ahead {
    size_t count; /* above LIST_AHEAD_MAX: too many, nothing is known */
    uint64_t hashes[LIST_AHEAD_MAX];
};
void list_view_look_ahead(const struct list_view *view, const struct list_query *query,
                          struct list_ahead *ret);
/* False: list_view_hits() of this view and query is 0. */
bool list_view_may_hit(const struct list_view *view, const struct list_ahead *ahead);
/* True when an entry of the view is about recipients, or (PATTERN_CLIENT) client names. */
bool list_view_reads(const struct list_view *view, enum pattern_type type);
/* Never reads sender or recipient patterns that the query leaves NULL (data == NULL). */
bool list_find(const struct list_view *view, enum list_id list, const struct list_query *query,
               struct list_match *ret_match);
