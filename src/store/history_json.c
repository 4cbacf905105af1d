/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_json.h"

#include <errno.h>

#include "net/json_text.h"
#include "policy/decision_explain.h"

/* "rbl:reject:rbl.listed greylisting:defer:..." as objects. */
static json_t *shadow_json(struct str shadow) {
    json_t *items = json_array();
    while (shadow.length > 0) {
        const size_t blank = str_find(shadow, ' ');
        const struct str word = str_slice(shadow, 0, blank);
        const size_t first = str_find(word, ':');
        const struct str rest =
            str_slice(word, first == SIZE_MAX ? word.length : first + 1, word.length);
        const size_t second = str_find(rest, ':');
        if (second != SIZE_MAX) {
            (void)json_array_append_new(
                items, json_pack("{s:o, s:o, s:o}", "policy", json_text(str_slice(word, 0, first)),
                                 "verdict", json_text(str_slice(rest, 0, second)), "reason",
                                 json_text(str_slice(rest, second + 1, rest.length))));
        }
        shadow = blank == SIZE_MAX ? STR("") : str_slice(shadow, blank + 1, shadow.length);
    }
    return items;
}

json_t *history_row_json(const struct history_row *row) {
    json_t *item = json_object();
    json_put(item, "sequence", json_sequence(row->sequence));
    json_put(item, "time", json_time(row->time_ns));
    json_put(item, "direction", json_text_from(direction_name(row->direction)));
    json_put(item, "state", json_text_from(row->is_end ? "END-OF-MESSAGE" : "RCPT"));
    json_put(item, "verdict",
             json_text_from(row->is_end ? NULL : decision_verdict_name(row->verdict)));
    json_put(item, "policy", json_text_from(policy_info(row->policy)->name));
    json_put(item, "reason", json_text_from(reason_info(row->reason)->word));
    json_put(item, "sentence", json_text_from(reason_info(row->reason)->sentence));
    json_put(item, "rule", json_text(row->rule));
    json_put(item, "reply", json_text(row->reply));
    json_put(item, "client_address", json_text(row->client_address));
    json_put(item, "client_name", json_text(row->client_name));
    json_put(item, "helo", json_text(row->helo));
    json_put(item, "sender", json_text(row->sender));
    json_put(item, "recipient", json_text(row->recipient));
    json_put(item, "identity", json_text(row->identity));
    json_put(item, "instance", json_text(row->instance));
    json_put(item, "queue_id", json_text(row->queue_id));
    json_put(item, "size", json_count(row->size));
    json_put(item, "recipients", row->is_end ? json_count(row->recipients) : json_null());
    json_put(item, "generation", json_count(row->generation));
    json_put(item, "duration_us", json_count(row->duration_us));
    json_put(item, "count", json_count(row->count));
    json_put(item, "country", row->country.length > 0 ? json_text(row->country) : json_null());
    json_put(item, "asn", row->asn != 0 ? json_count(row->asn) : json_null());
    json_put(item, "shadow", shadow_json(row->shadow));
    return item;
}

json_t *history_row_details_json(const struct history_row *row) {
    json_t *item = history_row_json(row);
    json_put(item, "advice", json_text_from(reason_info(row->reason)->advice));
    return item;
}

/* --- pages -------------------------------------------------------------------------------------
 */

struct page {
    json_t *items;
    size_t limit;
    uint64_t last_sequence;
    bool more;
};

static bool page_row(void *context, const struct history_row *row) {
    struct page *page = context;
    if (json_array_size(page->items) == page->limit) {
        page->more = true;
        return false;
    }
    (void)json_array_append_new(page->items, history_row_json(row));
    page->last_sequence = row->sequence;
    return true;
}

int history_page_json(struct history_reader *reader, const struct history_query *query,
                      json_t **ret_page) {
    struct page page = {.items = json_array(), .limit = query->limit};
    struct history_query asked = *query;
    /* One more than asked for tells whether there are more; the reader's own limit is
     * HISTORY_FIND_MAX. */
    const bool most = query->limit == HISTORY_FIND_MAX;
    asked.limit += most ? 0 : 1;
    const int error = history_reader_find(reader, &asked, page_row, &page);
    if (error != 0) {
        json_decref(page.items);
        return error;
    }
    const bool full = json_array_size(page.items) == page.limit;
    json_t *next = page.more || (full && most) ? json_sequence(page.last_sequence) : json_null();
    *ret_page = json_pack("{s:o, s:o}", "items", page.items, "next", next);
    return *ret_page == NULL ? -ENOMEM : 0;
}
