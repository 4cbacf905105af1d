/* SPDX-License-Identifier: Apache-2.0 */
#include "api/query.h"

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
