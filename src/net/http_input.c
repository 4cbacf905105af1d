/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_input.h"

#include "base/clock.h"
#include "base/rfc3339.h"

bool http_input_number(const struct http_request *request, struct http_response *response,
                       const char *name, uint64_t max, uint64_t *ret_value) {
    const struct str text = http_request_parameter(request, name);
    if (text.data == NULL || str_parse_u64(text, max, ret_value)) {
        return true;
    }
    http_answer_problemf(response, 400, name, "%s must be a whole number from 0 to %llu.", name,
                         (unsigned long long)max);
    return false;
}

bool http_input_limit(const struct http_request *request, struct http_response *response,
                      size_t *ret_limit) {
    uint64_t limit = HTTP_LIMIT_DEFAULT;
    const struct str text = http_request_parameter(request, "limit");
    if (text.data != NULL && (!str_parse_u64(text, HTTP_LIMIT_MAX, &limit) || limit == 0)) {
        http_answer_problemf(response, 400, "limit", "limit must be a whole number from 1 to %d.",
                             HTTP_LIMIT_MAX);
        return false;
    }
    *ret_limit = (size_t)limit;
    return true;
}

bool http_input_ago(struct str text, int64_t now_ns, int64_t *ret_unix_ns) {
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    uint64_t count;
    if (text.length < 2 ||
        !str_parse_u64(str_slice(text, 0, text.length - 1), 1000000000, &count)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text.data[text.length - 1] == units[i].unit) {
            const int64_t now_s = now_ns / NS_PER_S;
            const int64_t ago_s = (int64_t)count * units[i].seconds;
            *ret_unix_ns = ago_s > now_s ? 0 : now_ns - ago_s * NS_PER_S;
            return true;
        }
    }
    return false;
}

/* "-2h" before `now_ns`. */
static bool parse_minus_ago(struct str text, int64_t now_ns, int64_t *ret_unix_ns) {
    return text.length > 0 && text.data[0] == '-' &&
           http_input_ago(str_slice(text, 1, text.length), now_ns, ret_unix_ns);
}

bool http_input_time(const struct http_request *request, struct http_response *response,
                     const char *name, int64_t *ret_unix_ns) {
    const struct str text = http_request_parameter(request, name);
    if (text.data == NULL || rfc3339_parse(text, ret_unix_ns) ||
        parse_minus_ago(text, clock_wall_ns(), ret_unix_ns)) {
        return true;
    }
    http_answer_problemf(response, 400, name,
                         "%s must be a time such as 2024-12-04T10:23:45Z, or before now such as "
                         "-90s, -5m, -2h, -7d, -1w.",
                         name);
    return false;
}
