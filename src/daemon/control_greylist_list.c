/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_greylist.h"
#include "daemon/control_table.h"

/* The greylisting tables as lists and in figures. A group at a time is copied under the state lock:
 * answers go on in between. */

/* --- listings --- */

/* A page of a table's entries, in the order of groups and slots. The cursor is "group.place". */
struct table_page {
    const struct greylisting_settings *settings;
    uint32_t now_s;
    bool (*wanted)(const struct table_page *page, const void *entry);
    json_t *(*item)(const struct table_page *page, const void *entry,
                    struct history_reader *reader);
    int standing; /* enum greylist_standing; -1: any */
    enum state_table_id table;
    size_t group;
    size_t place; /* of the next entry in this group */
    size_t from_place;
    size_t limit;
    size_t count;
    bool full;
    size_t next_place;
    unsigned char *entries; /* limit * STATE_ENTRY_MAX */
};

static void visit_entry(void *context, const void *entry) {
    struct table_page *page = context;
    const size_t place = page->place++;
    if (place < page->from_place || page->full || !page->wanted(page, entry)) {
        return;
    }
    if (page->count == page->limit) {
        page->full = true;
        page->next_place = place;
        return;
    }
    memcpy(page->entries + page->count * STATE_ENTRY_MAX, entry, state_entry_bytes(page->table));
    page->count++;
}

/* Calls `visit` for each entry of one group; false beyond the last. `copy` has the group's bytes.
 */
static bool visit_group(struct control *control, enum state_table_id id, size_t group, void *copy,
                        state_visit *visit, void *context) {
    if (!engine_copy_group(control->engine, id, group, copy)) {
        return false;
    }
    struct state_table table;
    state_table_init(&table, id, copy, 1);
    state_visit_group(&table, 0, visit, context);
    return true;
}

static bool read_cursor(const struct http_request *request, struct http_response *response,
                        struct table_page *page) {
    struct table_walk walk = {.group = 0};
    if (!control_table_cursor(request, response, &walk)) {
        return false;
    }
    page->group = walk.group;
    page->from_place = walk.from_place;
    return http_input_limit(request, response, &page->limit);
}

/* Fills the page; false when memory is out. */
static bool fill_page(struct control *control, struct table_page *page) {
    void *copy = aligned_alloc(64, (state_group_bytes(page->table) + 63) / 64 * 64);
    page->entries = calloc(page->limit, STATE_ENTRY_MAX);
    bool more = copy != NULL && page->entries != NULL;
    const bool good = more;
    while (more && !page->full) {
        page->place = 0;
        more = visit_group(control, page->table, page->group, copy, visit_entry, page);
        if (more && !page->full) {
            page->group++;
            page->from_place = 0;
        }
    }
    free(copy);
    return good;
}

static json_t *next_cursor(const struct table_page *page) {
    char cursor[48];
    if (!page->full) {
        return json_null();
    }
    (void)snprintf(cursor, sizeof cursor, "%zu.%zu", page->group, page->next_place);
    return json_string(cursor);
}

/* Answers with the page, each entry as page->item makes it. */
static void answer_page(struct control *control, const struct http_request *request,
                        struct http_response *response, struct table_page *page) {
    struct history_reader *reader = NULL;
    if (!read_cursor(request, response, page) ||
        (reader = control_reader_take(control, response)) == NULL) {
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    page->settings = &generation->settings->policy.greylisting;
    page->now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S);
    json_t *items = fill_page(control, page) ? json_array() : NULL;
    for (size_t i = 0; items != NULL && i < page->count; i++) {
        (void)json_array_append_new(items,
                                    page->item(page, page->entries + i * STATE_ENTRY_MAX, reader));
    }
    engine_generation_release(control->engine, generation);
    control_reader_give(control, reader);
    free(page->entries);
    http_answer_json(
        response, 200,
        items == NULL ? NULL : json_pack("{s:o, s:o}", "items", items, "next", next_cursor(page)));
}

static void put_names(json_t *item, struct str client, struct str sender, struct str recipient) {
    json_put(item, "client", client.data == NULL ? json_null() : json_text(client));
    json_put(item, "sender", sender.data == NULL ? json_null() : json_text(sender));
    json_put(item, "recipient", recipient.data == NULL ? json_null() : json_text(recipient));
}

static bool name_entry(void *context, const struct history_row *row) {
    put_names(context, row->client_address, row->sender, row->recipient);
    return false;
}

/* History knows the names of the decision that touched the entry last. */
static void put_names_of(struct history_reader *reader, uint64_t sequence, json_t *item) {
    put_names(item, (struct str){0}, (struct str){0}, (struct str){0});
    if (sequence != 0) {
        (void)!history_reader_get(reader, sequence, name_entry, item);
    }
}

static bool entry_wanted(const struct table_page *page, const void *entry) {
    const enum greylist_standing standing = greylist_standing(page->settings, entry, page->now_s);
    return page->standing < 0 ? standing != GREYLIST_ABSENT : (int)standing == page->standing;
}

static json_t *entry_item(const struct table_page *page, const void *bytes,
                          struct history_reader *reader) {
    struct greylist_entry entry;
    memcpy(&entry, bytes, sizeof entry);
    json_t *item = json_object();
    json_put(item, "key", control_greylist_key(entry.head.key));
    control_put_greylist(item, page->settings, &entry, page->now_s);
    put_names_of(reader, entry.sequence, item);
    return item;
}

void control_get_greylist_entries(void *context, const struct http_request *request,
                                  struct http_response *response) {
    struct table_page page = {
        .wanted = entry_wanted, .item = entry_item, .standing = -1, .table = STATE_GREYLIST};
    const struct str state = http_request_parameter(request, "state");
    for (int s = GREYLIST_WAITING; state.data != NULL && s <= GREYLIST_EXPIRED; s++) {
        if (str_equal(state, str_from(greylist_standing_name((enum greylist_standing)s)))) {
            page.standing = s;
        }
    }
    if (state.data != NULL && page.standing < 0) {
        http_answer_problem(response, 400, "state",
                            STR("state must be waiting, passed, late or expired."));
        return;
    }
    answer_page(context, request, response, &page);
}

static bool client_wanted(const struct table_page *page, const void *entry) {
    const struct greylist_client_entry *client = entry;
    return client->head.expires_s > page->now_s && greylist_client_passes(client, page->now_s) > 0;
}

/* The name of a client's network, out of the address that history has. */
struct network_name {
    const struct greylisting_settings *settings;
    json_t *item;
};

static bool name_network(void *context, const struct history_row *row) {
    const struct network_name *name = context;
    struct ip_address address;
    if (ip_address_parse(row->client_address, &address)) {
        json_put(name->item, "client",
                 control_prefix_text(greylist_network(name->settings, address)));
    }
    return false;
}

static json_t *client_item(const struct table_page *page, const void *bytes,
                           struct history_reader *reader) {
    struct greylist_client_entry entry;
    memcpy(&entry, bytes, sizeof entry);
    struct network_name name = {page->settings, json_object()};
    json_put(name.item, "key", control_greylist_key(entry.head.key));
    json_put(name.item, "client", json_null());
    json_put(name.item, "passes", json_count(greylist_client_passes(&entry, page->now_s)));
    json_put(name.item, "trusted",
             json_boolean(greylist_client_trusted(page->settings, &entry, page->now_s)));
    json_put(name.item, "last_used", control_seconds(entry.head.last_used_s));
    json_put(name.item, "expires", control_seconds(entry.head.expires_s));
    if (entry.sequence != 0) {
        (void)!history_reader_get(reader, entry.sequence, name_network, &name);
    }
    return name.item;
}

void control_get_greylist_clients(void *context, const struct http_request *request,
                                  struct http_response *response) {
    struct table_page page = {
        .wanted = client_wanted, .item = client_item, .table = STATE_GREYLIST_CLIENT};
    answer_page(context, request, response, &page);
}

/* --- GET /v1/greylist/stats --- */

struct census {
    const struct greylisting_settings *settings;
    uint32_t now_s;
    uint64_t standings[GREYLIST_EXPIRED + 1];
    uint64_t clients;
    uint64_t trusted;
};

static void count_entry(void *context, const void *entry) {
    struct census *census = context;
    census->standings[greylist_standing(census->settings, entry, census->now_s)]++;
}

static void count_client(void *context, const void *entry) {
    struct census *census = context;
    census->clients += greylist_client_passes(entry, census->now_s) > 0;
    census->trusted += greylist_client_trusted(census->settings, entry, census->now_s);
}

static bool take_census(struct control *control, struct census *census) {
    size_t size = state_group_bytes(STATE_GREYLIST);
    if (size < state_group_bytes(STATE_GREYLIST_CLIENT)) {
        size = state_group_bytes(STATE_GREYLIST_CLIENT);
    }
    void *copy = aligned_alloc(64, (size + 63) / 64 * 64);
    if (copy == NULL) {
        return false;
    }
    size_t group = 0;
    while (visit_group(control, STATE_GREYLIST, group, copy, count_entry, census)) {
        group++;
    }
    group = 0;
    while (visit_group(control, STATE_GREYLIST_CLIENT, group, copy, count_client, census)) {
        group++;
    }
    free(copy);
    return true;
}

void control_get_greylist_stats(void *context, const struct http_request *request,
                                struct http_response *response) {
    (void)request;
    struct control *control = context;
    const struct engine_counters *counters = engine_counters(control->engine);
    const struct generation *generation = engine_generation_acquire(control->engine);
    struct census census = {.settings = &generation->settings->policy.greylisting,
                            .now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S)};
    const bool counted = take_census(control, &census);
    engine_generation_release(control->engine, generation);
    struct engine_status status;
    engine_status(control->engine, &status);
    const uint64_t deferred = counter_read(&counters->reasons[REASON_GREYLIST_FIRST_CONTACT]) +
                              counter_read(&counters->reasons[REASON_GREYLIST_TOO_EARLY]) +
                              counter_read(&counters->reasons[REASON_GREYLIST_TOO_LATE]);
    json_t *answer = counted ? json_object() : NULL;
    json_put(answer, "entries", json_count(status.tables[STATE_GREYLIST].used));
    json_put(answer, "waiting", json_count(census.standings[GREYLIST_WAITING]));
    json_put(answer, "passed", json_count(census.standings[GREYLIST_PASSED]));
    json_put(answer, "expired",
             json_count(census.standings[GREYLIST_LATE] + census.standings[GREYLIST_EXPIRED]));
    json_put(answer, "clients", json_count(census.clients));
    json_put(answer, "clients_trusted", json_count(census.trusted));
    json_put(answer, "evicted", json_count(status.tables[STATE_GREYLIST].evicted));
    json_put(answer, "capacity", json_count(status.tables[STATE_GREYLIST].capacity));
    json_put(answer, "client_capacity", json_count(status.tables[STATE_GREYLIST_CLIENT].capacity));
    json_put(answer, "deferred", json_count(deferred));
    json_put(answer, "retried",
             json_count(counter_read(&counters->reasons[REASON_GREYLIST_RETRIED])));
    json_put(answer, "known", json_count(counter_read(&counters->reasons[REASON_GREYLIST_KNOWN])));
    http_answer_json(response, 200, answer);
}
