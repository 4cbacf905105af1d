/* SPDX-License-Identifier: Apache-2.0 */
#include "api/query.h"

#include "base/rfc3339.h"

#define NS_IN_S INT64_C(1000000000)

bool query_limit(const struct http_request *request, struct http_response *response,
                 size_t *ret_limit) {
    const struct str text = http_request_parameter(request, "limit");
    uint64_t limit = QUERY_LIMIT_DEFAULT;
    if (text.data != NULL && (!str_parse_u64(text, QUERY_LIMIT_MAX, &limit) || limit == 0)) {
        http_answer_problemf(response, 400, "limit", "limit must be a number from 1 to %d.",
                             QUERY_LIMIT_MAX);
        return false;
    }
    *ret_limit = (size_t)limit;
    return true;
}

bool query_number(const struct http_request *request, struct http_response *response,
                  const char *name, int64_t *ret_number) {
    const struct str text = http_request_parameter(request, name);
    uint64_t number = 0;
    if (text.data == NULL) {
        return true;
    }
    if (!str_parse_u64(text, INT64_MAX, &number) || number == 0) {
        http_answer_problemf(response, 400, name, "%s must be a number from 1 on.", name);
        return false;
    }
    *ret_number = (int64_t)number;
    return true;
}

bool query_parse_ago(struct str text, int64_t now_ns, int64_t *ret_unix_ns) {
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
    enum { AGO_MAX = 100000 };
    uint64_t number = 0;
    if (text.length < 3 || text.data[0] != '-' ||
        !str_parse_u64(str_slice(text, 1, text.length - 1), AGO_MAX, &number)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text.data[text.length - 1] == units[i].letter) {
            const int64_t ago_s = (int64_t)number * units[i].seconds;
            *ret_unix_ns = ago_s < now_ns / NS_IN_S ? now_ns - ago_s * NS_IN_S : 0;
            return true;
        }
    }
    return false;
}

bool query_time(const struct http_request *request, struct http_response *response,
                const char *name, int64_t now_ns, int64_t *ret_unix_ns) {
    const struct str text = http_request_parameter(request, name);
    if (text.data == NULL || query_parse_ago(text, now_ns, ret_unix_ns) ||
        rfc3339_parse(text, ret_unix_ns)) {
        return true;
    }
    http_answer_problemf(response, 400, name,
                         "%s must be a time such as 2026-03-01T10:00:00Z, or before now: -90s, "
                         "-5m, -2h, -7d, -1w.",
                         name);
    return false;
}
