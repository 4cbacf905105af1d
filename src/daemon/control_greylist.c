/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_api.h"
#include "policy/greylist.h"

enum { KEY_DIGITS = 32 };

/* --- keys --------------------------------------------------------------------------------------
 */

static json_t *key_json(struct hash128 key) {
    char digits[KEY_DIGITS + 1];
    (void)snprintf(digits, sizeof digits, "%016llx%016llx", (unsigned long long)key.high,
                   (unsigned long long)key.low);
    return json_string(digits);
}

static bool parse_half(struct str digits, uint64_t *ret_half) {
    uint64_t half = 0;
    for (size_t i = 0; i < digits.length; i++) {
        const char c = ascii_lower(digits.data[i]);
        if (c >= '0' && c <= '9') {
            half = half << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            half = half << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret_half = half;
    return true;
}

static bool parse_key(struct str text, struct hash128 *ret_key) {
    return text.length == KEY_DIGITS && parse_half(str_slice(text, 0, 16), &ret_key->high) &&
           parse_half(str_slice(text, 16, 32), &ret_key->low);
}

/* What a person names: a mail's three parts, or the key itself. */
struct greylist_name {
    struct policy_request request;
    struct hash128 key;
    bool by_key;
};

/* --- entries as JSON ---------------------------------------------------------------------------
 */

/* What greylisting would say to the entry at now_s, as members of `object`. */
static void put_entry(json_t *object, const struct greylisting_settings *settings,
                      const struct greylist_entry *entry, uint32_t now_s) {
    const enum greylist_standing standing = greylist_standing(settings, entry, now_s);
    const bool there = standing != GREYLIST_ABSENT;
    const int64_t from_s =
        standing == GREYLIST_WAITING ? entry->first_s + settings->defer_time_s : 0;
    control_put(object, "known", json_boolean(standing == GREYLIST_PASSED));
    control_put(object, "state", json_text_from(greylist_standing_name(standing)));
    control_put(object, "first", control_seconds(there ? entry->first_s : 0));
    control_put(object, "passed", control_seconds(there ? entry->passed_s : 0));
    control_put(object, "last_used", control_seconds(there ? entry->head.last_used_s : 0));
    control_put(object, "expires", control_seconds(there ? entry->head.expires_s : 0));
    control_put(object, "attempts", json_count(there ? entry->attempts : 0));
    control_put(object, "accepts_from", control_seconds((uint32_t)from_s));
}

static json_t *client_json(struct control *control, const struct greylisting_settings *settings,
                           struct ip_address client) {
    const struct sip_key sip_key = engine_state_key(control->engine);
    const struct hash128 key = greylist_client_key(&sip_key, settings, client, STR(""));
    struct greylist_client_entry entry;
    int64_t now_ns;
    const bool found =
        engine_find_entry(control->engine, STATE_GREYLIST_CLIENT, key, &entry, &now_ns);
    const uint32_t now_s = (uint32_t)(now_ns / NS_PER_S);
    const struct greylist_client_entry *there = found ? &entry : NULL;
    const bool alive = found && entry.head.expires_s > now_s;
    json_t *object = json_object();
    control_put(object, "network", control_prefix_text(greylist_network(settings, client)));
    control_put(object, "passes", json_count(greylist_client_passes(there, now_s)));
    control_put(object, "trusted", json_boolean(greylist_client_trusted(settings, there, now_s)));
    control_put(object, "expires", control_seconds(alive ? entry.head.expires_s : 0));
    return object;
}

/* --- GET /v1/greylist --------------------------------------------------------------------------
 */

void control_get_greylist(void *context, const struct http_request *request,
                          struct http_response *response) {
    struct control *control = context;
    const struct str client = control_parameter(request, "client");
    const struct str recipient = control_parameter(request, "recipient");
    struct policy_request mail = {.state = PROTOCOL_STATE_RCPT,
                                  .sender = control_parameter(request, "sender"),
                                  .recipient = recipient,
                                  .helo_name = control_parameter(request, "helo")};
    if (client.data == NULL || recipient.data == NULL) {
        http_answer_problem(
            response, 400, client.data == NULL ? "client" : "recipient",
            STR("Name client, sender and recipient; no sender is the null sender."));
        return;
    }
    if (!control_address(response, "client", client, &mail.client_address)) {
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct greylisting_settings *settings = &generation->settings->policy.greylisting;
    const struct sip_key sip_key = engine_state_key(control->engine);
    const struct hash128 key = greylist_key(&sip_key, settings, &mail, STR(""));
    struct greylist_entry entry;
    int64_t now_ns;
    const bool found = engine_find_entry(control->engine, STATE_GREYLIST, key, &entry, &now_ns);
    json_t *answer = json_object();
    control_put(answer, "key", key_json(key));
    put_entry(answer, settings, found ? &entry : NULL, (uint32_t)(now_ns / NS_PER_S));
    control_put(answer, "client", client_json(control, settings, mail.client_address));
    engine_generation_release(control->engine, generation);
    http_answer_json(response, 200, answer);
}

/* --- listings ----------------------------------------------------------------------------------
 */

/* A page of a table's entries, in the order of groups and slots. The cursor is "group.place". */
struct table_page {
    const struct greylisting_settings *settings;
    uint32_t now_s;
    bool (*wanted)(const struct table_page *page, const void *entry);
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
    const struct str cursor = control_parameter(request, "cursor");
    uint64_t group = 0;
    uint64_t place = 0;
    if (cursor.data != NULL) {
        const size_t dot = str_find(cursor, '.');
        if (dot == SIZE_MAX || !str_parse_u64(str_slice(cursor, 0, dot), UINT32_MAX, &group) ||
            !str_parse_u64(str_slice(cursor, dot + 1, cursor.length), STATE_GROUP_SLOTS, &place)) {
            http_answer_problem(response, 400, "cursor",
                                STR("cursor must be what \"next\" said in the answer before."));
            return false;
        }
    }
    page->group = (size_t)group;
    page->from_place = (size_t)place;
    return control_limit(request, response, &page->limit);
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

static void put_names(json_t *item, struct str client, struct str sender, struct str recipient) {
    control_put(item, "client", client.data == NULL ? json_null() : json_text(client));
    control_put(item, "sender", sender.data == NULL ? json_null() : json_text(sender));
    control_put(item, "recipient", recipient.data == NULL ? json_null() : json_text(recipient));
}

static bool name_entry(void *context, const struct history_row *row) {
    put_names(context, row->client_address, row->sender, row->recipient);
    return false;
}

/* History knows the names of the decision that touched the entry last. */
static void put_names_of(struct history_reader *reader, uint64_t sequence, json_t *item) {
    put_names(item, (struct str){0}, (struct str){0}, (struct str){0});
    if (reader != NULL && sequence != 0) {
        (void)!history_reader_get(reader, sequence, name_entry, item);
    }
}

static bool entry_wanted(const struct table_page *page, const void *entry) {
    const enum greylist_standing standing = greylist_standing(page->settings, entry, page->now_s);
    return page->standing < 0 ? standing != GREYLIST_ABSENT : (int)standing == page->standing;
}

void control_get_greylist_entries(void *context, const struct http_request *request,
                                  struct http_response *response) {
    struct control *control = context;
    struct table_page page = {.wanted = entry_wanted, .standing = -1, .table = STATE_GREYLIST};
    const struct str state = control_parameter(request, "state");
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
    if (!read_cursor(request, response, &page)) {
        return;
    }
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    page.settings = &generation->settings->policy.greylisting;
    page.now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S);
    json_t *items = fill_page(control, &page) ? json_array() : NULL;
    for (size_t i = 0; items != NULL && i < page.count; i++) {
        struct greylist_entry entry;
        memcpy(&entry, page.entries + i * STATE_ENTRY_MAX, sizeof entry);
        json_t *item = json_object();
        control_put(item, "key", key_json(entry.head.key));
        put_entry(item, page.settings, &entry, page.now_s);
        put_names_of(reader, entry.sequence, item);
        (void)json_array_append_new(items, item);
    }
    engine_generation_release(control->engine, generation);
    control_reader_give(control, reader);
    free(page.entries);
    http_answer_json(
        response, 200,
        items == NULL ? NULL : json_pack("{s:o, s:o}", "items", items, "next", next_cursor(&page)));
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
        control_put(name->item, "client",
                    control_prefix_text(greylist_network(name->settings, address)));
    }
    return false;
}

void control_get_greylist_clients(void *context, const struct http_request *request,
                                  struct http_response *response) {
    struct control *control = context;
    struct table_page page = {.wanted = client_wanted, .table = STATE_GREYLIST_CLIENT};
    if (!read_cursor(request, response, &page)) {
        return;
    }
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    page.settings = &generation->settings->policy.greylisting;
    page.now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S);
    json_t *items = fill_page(control, &page) ? json_array() : NULL;
    for (size_t i = 0; items != NULL && i < page.count; i++) {
        struct greylist_client_entry entry;
        memcpy(&entry, page.entries + i * STATE_ENTRY_MAX, sizeof entry);
        struct network_name name = {page.settings, json_object()};
        control_put(name.item, "key", key_json(entry.head.key));
        control_put(name.item, "client", json_null());
        control_put(name.item, "passes", json_count(greylist_client_passes(&entry, page.now_s)));
        control_put(name.item, "trusted",
                    json_boolean(greylist_client_trusted(page.settings, &entry, page.now_s)));
        control_put(name.item, "last_used", control_seconds(entry.head.last_used_s));
        control_put(name.item, "expires", control_seconds(entry.head.expires_s));
        if (entry.sequence != 0) {
            (void)!history_reader_get(reader, entry.sequence, name_network, &name);
        }
        (void)json_array_append_new(items, name.item);
    }
    engine_generation_release(control->engine, generation);
    control_reader_give(control, reader);
    free(page.entries);
    http_answer_json(
        response, 200,
        items == NULL ? NULL : json_pack("{s:o, s:o}", "items", items, "next", next_cursor(&page)));
}

/* --- GET /v1/greylist/stats --------------------------------------------------------------------
 */

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
    control_put(answer, "entries", json_count(status.tables[STATE_GREYLIST].used));
    control_put(answer, "waiting", json_count(census.standings[GREYLIST_WAITING]));
    control_put(answer, "passed", json_count(census.standings[GREYLIST_PASSED]));
    control_put(answer, "expired",
                json_count(census.standings[GREYLIST_LATE] + census.standings[GREYLIST_EXPIRED]));
    control_put(answer, "clients", json_count(census.clients));
    control_put(answer, "clients_trusted", json_count(census.trusted));
    control_put(answer, "evicted", json_count(status.tables[STATE_GREYLIST].evicted));
    control_put(answer, "capacity", json_count(status.tables[STATE_GREYLIST].capacity));
    control_put(answer, "client_capacity",
                json_count(status.tables[STATE_GREYLIST_CLIENT].capacity));
    control_put(answer, "deferred", json_count(deferred));
    control_put(answer, "retried",
                json_count(counter_read(&counters->reasons[REASON_GREYLIST_RETRIED])));
    control_put(answer, "known",
                json_count(counter_read(&counters->reasons[REASON_GREYLIST_KNOWN])));
    http_answer_json(response, 200, answer);
}

/* --- POST /v1/greylist/forget and /pass --------------------------------------------------------
 */

/* Reads which key is meant. */
static bool read_name(struct control *control, const struct http_request *request,
                      struct http_response *response, const struct greylisting_settings *settings,
                      struct greylist_name *ret_name) {
    struct str key;
    struct str client;
    struct policy_request *mail = &ret_name->request;
    *ret_name = (struct greylist_name){.request = {.state = PROTOCOL_STATE_RCPT}};
    if (!control_members(request, response, "key client sender recipient helo") ||
        !control_text(request, response, "key", &key) ||
        !control_text(request, response, "client", &client) ||
        !control_text(request, response, "sender", &mail->sender) ||
        !control_text(request, response, "recipient", &mail->recipient) ||
        !control_text(request, response, "helo", &mail->helo_name)) {
        return false;
    }
    if (key.data != NULL) {
        ret_name->by_key = true;
        if (client.data != NULL || mail->sender.data != NULL || mail->recipient.data != NULL ||
            !parse_key(key, &ret_name->key)) {
            http_answer_problem(response, 400, "key",
                                STR("key stands alone and is 32 hexadecimal digits, as "
                                    "/v1/greylist/entries tells it."));
            return false;
        }
        return true;
    }
    if (client.data == NULL || mail->recipient.data == NULL) {
        http_answer_problem(response, 400, client.data == NULL ? "client" : "recipient",
                            STR("Name client, sender and recipient, or the key."));
        return false;
    }
    if (!control_address(response, "client", client, &mail->client_address)) {
        return false;
    }
    const struct sip_key sip_key = engine_state_key(control->engine);
    ret_name->key = greylist_key(&sip_key, settings, mail, STR(""));
    return true;
}

/* "forget 0123... by jane", for the journal. */
static void command(struct control *control, const struct http_request *request, const char *verb,
                    struct effect *effect) {
    char buffer[160];
    const int length = snprintf(buffer, sizeof buffer, "greylist %s %016llx%016llx by %s", verb,
                                (unsigned long long)effect->key.high,
                                (unsigned long long)effect->key.low, request->author);
    (void)engine_command(control->engine, effect, 1, (struct str){buffer, (size_t)length});
}

void control_post_forget(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct greylisting_settings *settings = &generation->settings->policy.greylisting;
    struct greylist_name name;
    if (read_name(control, request, response, settings, &name)) {
        struct greylist_entry entry;
        int64_t now_ns;
        const bool found =
            engine_find_entry(control->engine, STATE_GREYLIST, name.key, &entry, &now_ns);
        const uint32_t now_s = (uint32_t)(now_ns / NS_PER_S);
        const bool there = found && greylist_standing(settings, &entry, now_s) != GREYLIST_ABSENT;
        if (there) {
            struct effect effect = greylist_forget_effect(settings, name.key, &entry, now_s);
            command(control, request, "forget", &effect);
        }
        http_answer_json(response, 200, json_pack("{s:b}", "forgotten", there));
    }
    engine_generation_release(control->engine, generation);
}

void control_post_pass(void *context, const struct http_request *request,
                       struct http_response *response) {
    struct control *control = context;
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct greylisting_settings *settings = &generation->settings->policy.greylisting;
    struct greylist_name name;
    if (read_name(control, request, response, settings, &name)) {
        struct greylist_entry entry;
        int64_t now_ns;
        const bool found =
            engine_find_entry(control->engine, STATE_GREYLIST, name.key, &entry, &now_ns);
        const uint32_t now_s = (uint32_t)(now_ns / NS_PER_S);
        const bool waits = found && greylist_standing(settings, &entry, now_s) == GREYLIST_WAITING;
        if (waits) {
            struct effect effect = greylist_pass_effect(settings, name.key, &entry, now_s);
            command(control, request, "pass", &effect);
        }
        http_answer_json(response, 200, json_pack("{s:b}", "passed", waits));
    }
    engine_generation_release(control->engine, generation);
}
