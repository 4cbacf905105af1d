/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>

#include "api/api.h"
#include "api/api_handlers.h"
#include "api/audit.h"
#include "api/login_session.h"
#include "api/query.h"
#include "base/log.h"
#include "net/http_input.h"
#include "net/json_text.h"

/* GET /audit, GET /audit/verify */

/* JSON as it is; what was cut, or is none, as text; null when nothing was said. */
static json_t *state_json(struct str state) {
    json_t *value = state.length == 0 ? json_null()
                                      : json_loadb(state.data, state.length, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_text(state);
}

struct listing {
    json_t *items;
    size_t limit;
    int64_t last_id;
    bool more;
};

static bool list_one(void *context, const struct audit_row *row) {
    struct listing *listing = context;
    if (json_array_size(listing->items) == listing->limit) {
        listing->more = true;
        return false;
    }
    json_t *item = json_object();
    json_put(item, "id", json_count((uint64_t)row->id));
    json_put(item, "time", json_time(row->time_ns));
    json_put(item, "user", json_text(row->entry.user));
    json_put(item, "via", json_text(row->entry.via));
    json_put(item, "address", json_text(row->entry.address));
    json_put(item, "action", json_text(row->entry.action));
    json_put(item, "method", json_text(row->entry.method));
    json_put(item, "path", json_text(row->entry.path));
    json_put(item, "status", row->state == AUDIT_ENDED ? json_count(row->status) : json_null());
    json_put(item, "before", state_json(row->entry.before));
    json_put(item, "after", state_json(row->after));
    json_put(item, "request_id", json_text(row->entry.request_id));
    (void)json_array_append_new(listing->items, item);
    listing->last_id = row->id;
    return true;
}

void api_get_audit(void *context, const struct http_request *request,
                   struct http_response *response) {
    struct api *api = context;
    struct listing listing = {0};
    struct audit_query query = {.user = http_request_parameter(request, "user"),
                                .action = http_request_parameter(request, "action"),
                                .since_ns = INT64_MIN};
    if (!http_input_limit(request, response, &listing.limit) ||
        !query_number(request, response, "cursor", &query.before_id) ||
        !http_input_time(request, response, "since", &query.since_ns) ||
        !http_input_time(request, response, "until", &query.until_ns)) {
        return;
    }
    listing.items = json_array();
    const int error = audit_each(api->db, &query, list_one, &listing);
    if (error != 0) {
        json_decref(listing.items);
        login_failed(response, "Reading the audit log", error);
        return;
    }
    json_t *next = listing.more ? json_sequence((uint64_t)listing.last_id) : json_null();
    http_answer_json(response, 200, json_pack("{s:o, s:o}", "items", listing.items, "next", next));
}

void api_get_audit_verify(void *context, const struct http_request *request,
                          struct http_response *response) {
    (void)request;
    struct api *api = context;
    struct audit_verdict verdict;
    char newest[2 * AUDIT_HASH_BYTES + 1];
    const int error = audit_verify(api->db, &verdict);
    if (error != 0) {
        login_failed(response, "Reading the audit log", error);
        return;
    }
    (void)sodium_bin2hex(newest, sizeof newest, verdict.newest, sizeof verdict.newest);
    json_t *broken = verdict.broken_id == 0 ? json_null() : json_count((uint64_t)verdict.broken_id);
    if (verdict.broken_id != 0) {
        log_write(LOG_ERROR, "Audit", "The audit log was changed by hand: row %lld does not fit",
                  (long long)verdict.broken_id);
    }
    http_answer_json(response, 200,
                     json_pack("{s:o, s:o, s:o, s:s}", "rows", json_count(verdict.rows), "removed",
                               json_count(verdict.removed), "broken", broken, "newest", newest));
}
