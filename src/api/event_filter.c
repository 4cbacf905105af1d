/* SPDX-License-Identifier: Apache-2.0 */
#include "api/event_filter.h"

#include <stdlib.h>
#include <string.h>

static const char *const text_members[] = {
    "client_name", "helo",    "sender",    "recipient", "identity", "queue_id", "instance",
    "rule",        "verdict", "direction", "policy",    "reason",   "text",     "country",
};
static const char *const searched[] = {"client_address", "client_name", "helo", "sender",
                                       "recipient",      "identity",    "rule", "reply"};

static bool add(struct event_filter *filter, const char *member, struct str wanted) {
    char *copy = strndup(wanted.data, wanted.length);
    filter->rows[filter->count].member = member;
    filter->rows[filter->count].wanted = copy;
    filter->count += copy != NULL;
    return copy != NULL;
}

static bool add_client(struct event_filter *filter, struct str client) {
    if (client.data == NULL) {
        return true;
    }
    filter->by_client = ip_prefix_parse(client, &filter->client, NULL);
    return filter->by_client || add(filter, "client_address", client);
}

/* "AS64496" or "64496" */
static void take_asn(struct event_filter *filter, struct str asn) {
    uint64_t number = 0;
    if (asn.length > 2 && str_equal_nocase(str_slice(asn, 0, 2), STR("AS"))) {
        asn = str_slice(asn, 2, asn.length);
    }
    filter->by_asn = asn.data != NULL;
    if (str_parse_u64(asn, UINT32_MAX, &number)) {
        filter->asn = (int64_t)number;
    }
}

bool event_filter_init(struct event_filter *filter, const struct http_request *request) {
    const struct str state = http_request_parameter(request, "state");
    *filter = (struct event_filter){
        .ends = str_equal(state, STR("END-OF-MESSAGE")) || str_equal(state, STR("all")),
        .recipients = !str_equal(state, STR("END-OF-MESSAGE")),
    };
    for (size_t i = 0; i < sizeof text_members / sizeof text_members[0]; i++) {
        const struct str wanted = http_request_parameter(request, text_members[i]);
        if (wanted.data != NULL && !add(filter, text_members[i], wanted)) {
            return false;
        }
    }
    take_asn(filter, http_request_parameter(request, "asn"));
    const bool good = add_client(filter, http_request_parameter(request, "client"));
    filter->any = filter->count == 0 && !filter->by_client && !filter->by_asn;
    return good;
}

void event_filter_done(struct event_filter *filter) {
    for (size_t i = 0; i < filter->count; i++) {
        free(filter->rows[i].wanted);
    }
    filter->count = 0;
}

static bool ends_nocase(struct str text, struct str end) {
    return text.length >= end.length &&
           str_equal_nocase(str_slice(text, text.length - end.length, text.length), end);
}

bool event_text_fits(struct str wanted, struct str text) {
    if (str_starts(wanted, STR("*"))) {
        return ends_nocase(text, str_slice(wanted, 1, wanted.length));
    }
    if (str_ends(wanted, STR("*"))) {
        const struct str start = str_slice(wanted, 0, wanted.length - 1);
        return str_equal_nocase(str_slice(text, 0, start.length), start);
    }
    return str_equal_nocase(text, wanted);
}

static struct str member_text(const json_t *item, const char *name) {
    const json_t *value = json_object_get(item, name);
    return json_is_string(value) ? (struct str){json_string_value(value), json_string_length(value)}
                                 : STR("");
}

static bool holds_nocase(struct str text, struct str part) {
    for (size_t i = 0; i + part.length <= text.length; i++) {
        if (str_equal_nocase(str_slice(text, i, i + part.length), part)) {
            return true;
        }
    }
    return false;
}

static bool any_holds(const json_t *item, struct str wanted) {
    for (size_t i = 0; i < sizeof searched / sizeof searched[0]; i++) {
        if (holds_nocase(member_text(item, searched[i]), wanted)) {
            return true;
        }
    }
    return false;
}

bool event_is_end(const json_t *item) {
    return str_equal(member_text(item, "state"), STR("END-OF-MESSAGE"));
}

bool event_filter_fits(const struct event_filter *filter, bool is_end, const json_t *item) {
    if (is_end ? !filter->ends : !filter->recipients) {
        return false;
    }
    if (filter->any) {
        return true;
    }
    struct ip_address client;
    if (filter->by_client && (!ip_address_parse(member_text(item, "client_address"), &client) ||
                              !ip_prefix_contains(filter->client, client))) {
        return false;
    }
    if (filter->by_asn && json_integer_value(json_object_get(item, "asn")) != filter->asn) {
        return false;
    }
    for (size_t i = 0; i < filter->count; i++) {
        const struct str wanted = str_from(filter->rows[i].wanted);
        const bool fits = strcmp(filter->rows[i].member, "text") == 0
                              ? any_holds(item, wanted)
                              : event_text_fits(wanted, member_text(item, filter->rows[i].member));
        if (!fits) {
            return false;
        }
    }
    return true;
}
