/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/country.h"
#include "net/http_input.h"
#include "net/json_text.h"
#include "policy/decision_explain.h"
#include "store/history_request.h"
#include "store/history_summary.h"
#include "store/history_totals.h"

/* Who or what had the most decisions. Policies and reasons are counted by the
 * statistics per minute, everything else by the summaries of history. */

enum { TOP_LIMIT_DEFAULT = 10 };
enum { BY_POLICY = HISTORY_DIMENSIONS, BY_REASON, BY_LIMIT };

static const char *const dimensions[BY_LIMIT] = {
    [HISTORY_BY_SENDER] = "sender",
    [HISTORY_BY_RECIPIENT] = "recipient",
    [HISTORY_BY_CLIENT] = "client",
    [HISTORY_BY_COUNTRY] = "country",
    [HISTORY_BY_ASN] = "asn",
    [HISTORY_BY_HELO] = "helo",
    [HISTORY_BY_IDENTITY] = "identity",
    [HISTORY_BY_RULE] = "rule",
    [BY_POLICY] = "policy",
    [BY_REASON] = "reason",
};

struct top_request {
    unsigned by;
    struct history_period range;
    size_t limit;
    int verdict;
    int direction;
};

/* --- reading the request ------------------------------------------------------------------------
 */

static bool read_by(const struct http_request *request, struct http_response *response,
                    unsigned *ret_by) {
    const struct str by = http_request_parameter(request, "by");
    for (unsigned d = 0; d < BY_LIMIT; d++) {
        if (str_equal(by, str_from(dimensions[d]))) {
            *ret_by = d;
            return true;
        }
    }
    http_answer_problem(response, 400, "by",
                        STR("by must be sender, recipient, client, country, asn, helo, identity, "
                            "rule, policy or reason."));
    return false;
}

static bool read_request(const struct http_request *request, struct http_response *response,
                         struct top_request *top) {
    top->limit = TOP_LIMIT_DEFAULT;
    return read_by(request, response, &top->by) &&
           history_request_period(request, response, &top->range) &&
           (http_request_parameter(request, "limit").data == NULL ||
            http_input_limit(request, response, &top->limit)) &&
           history_request_verdict(request, response, &top->verdict) &&
           history_request_direction(request, response, &top->direction);
}

static enum history_outcome outcome_of(int verdict) {
    return verdict == VERDICT_REJECT  ? HISTORY_REJECTED
           : verdict == VERDICT_DEFER ? HISTORY_DEFERRED
                                      : HISTORY_ACCEPTED;
}

/* Bit per list that the request counts. */
static unsigned lists_of(const struct top_request *top) {
    unsigned lists = 0;
    for (unsigned direction = 0; direction < 2; direction++) {
        for (unsigned outcome = 0; outcome < HISTORY_OUTCOMES; outcome++) {
            const bool wanted =
                (top->direction < 0 || top->direction == (int)direction) &&
                (top->verdict < 0 || outcome_of(top->verdict) == (enum history_outcome)outcome);
            lists |= (wanted ? 1u : 0u)
                     << history_top_list(direction, (enum history_outcome)outcome);
        }
    }
    return lists;
}

/* --- items --------------------------------------------------------------------------------------
 */

/* Keys are in lower case; these two are not written so. */
static void add_key(struct text *out, unsigned by, struct str key) {
    for (size_t i = 0; i < key.length; i++) {
        const bool raise = by == HISTORY_BY_COUNTRY || (by == HISTORY_BY_ASN && i < 2);
        const char c = key.data[i];
        text_add_byte(out, raise && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c);
    }
}

static json_t *label_of(unsigned by, struct str key, const struct history_top_item *item) {
    if (by == HISTORY_BY_COUNTRY && key.length == 2) {
        const char *name = country_name(key.data);
        return name != NULL && name[0] != '\0' ? json_text_from(name) : json_text(key);
    }
    if (by == HISTORY_BY_SENDER && key.length == 0) {
        return json_string("<>");
    }
    return json_text(item->label.length > 0 ? item->label : key);
}

static json_t *item_json(unsigned by, const struct history_top_item *item) {
    char bytes[HISTORY_TOP_KEY_MAX];
    struct text key = TEXT_OVER(bytes);
    json_t *object = json_object();
    add_key(&key, by, item->key);
    json_put(object, "key", json_text(text_str(&key)));
    json_put(object, "label", label_of(by, text_str(&key), item));
    json_put(object, "count", json_count(item->count));
    json_put(object, "accepted", json_count(item->counts[HISTORY_ACCEPTED]));
    json_put(object, "deferred", json_count(item->counts[HISTORY_DEFERRED]));
    json_put(object, "rejected", json_count(item->counts[HISTORY_REJECTED]));
    json_put(object, "missing_max", json_count(item->missing));
    return object;
}

static json_t *answer_json(const struct top_request *top, const struct history_top *table) {
    struct history_top_item *items = calloc(top->limit, sizeof *items);
    json_t *array = json_array();
    if (items == NULL) {
        json_decref(array);
        return NULL;
    }
    const size_t count = history_top_highest(table, lists_of(top), items, top->limit);
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(array, item_json(top->by, &items[i]));
    }
    free(items);
    return json_pack("{s:o, s:n, s:o, s:o}", "items", array, "next", "since",
                     json_time(top->range.since_s * NS_PER_S), "until",
                     json_time(top->range.until_s * NS_PER_S));
}

/* --- policies and reasons -----------------------------------------------------------------------
 */

struct counting {
    const struct top_request *top;
    struct history_top *table;
    int error;
};

static void count_minute(void *context, const struct history_minute *minute) {
    struct counting *counting = context;
    const bool by_policy = counting->top->by == BY_POLICY;
    const struct reason_info *reason = reason_info(minute->reason);
    struct history_key key;
    if (minute->shadow || counting->error < 0 ||
        (by_policy ? minute->policy == POLICY_NONE : minute->reason == REASON_NONE)) {
        return;
    }
    history_key_make(&key, str_from(by_policy ? policy_info(minute->policy)->name : reason->word));
    counting->error = history_top_add(
        counting->table, &key, str_from(by_policy ? "" : reason->sentence),
        history_top_list(minute->direction, outcome_of((int)minute->verdict)), minute->count);
}

static int count_names(struct history_reader *reader, const struct top_request *top,
                       struct history_top *table) {
    struct counting counting = {top, table, 0};
    const int result = history_reader_hours(reader, top->range.since_s, top->range.until_s,
                                            count_minute, &counting);
    return result < 0 ? result : counting.error;
}

static json_t *answer_names(struct history_reader *reader, const struct top_request *top,
                            struct http_response *response) {
    struct history_top *table = history_top_new(0);
    const int error = table == NULL ? -ENOMEM : count_names(reader, top, table);
    json_t *answer = NULL;
    if (error < 0) {
        http_answer_failed(response, "Reading the statistics", error);
    } else {
        answer = answer_json(top, table);
    }
    history_top_free(table);
    return answer;
}

/* --- keys of history ----------------------------------------------------------------------------
 */

static json_t *answer_keys(struct history_reader *reader, struct history_live *live,
                           const struct top_request *top, struct http_response *response) {
    const struct history_wanted wanted = {.dimensions = 1u << top->by, .lists = lists_of(top)};
    struct history_part *part = history_part_new(&wanted, 0);
    const int error = part == NULL ? -ENOMEM
                                   : history_reader_summarize(reader, live, top->range.since_s,
                                                              top->range.until_s, part);
    json_t *answer = NULL;
    if (error < 0) {
        http_answer_failed(response, "Reading the statistics", error);
    } else {
        answer = answer_json(top, part->tops[top->by]);
    }
    history_part_free(part);
    return answer;
}

json_t *history_request_top(struct history_reader *reader, struct history_live *live,
                            const struct http_request *request, struct http_response *response) {
    struct top_request top = {0};
    if (!read_request(request, response, &top)) {
        return NULL;
    }
    json_t *answer = top.by >= HISTORY_DIMENSIONS ? answer_names(reader, &top, response)
                                                  : answer_keys(reader, live, &top, response);
    if (answer == NULL && http_answer_status(response) == 0) {
        http_answer_json(response, 500, NULL);
    }
    return answer;
}
