/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_exchange.h"

/* What a handler may ask of a request. */

struct str http_request_header(const struct http_request *request, const char *name) {
    const char *value = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
    return value == NULL ? (struct str){0} : str_from(value);
}

struct header_count {
    struct str name;
    unsigned count;
};

static enum MHD_Result count_header(void *context, enum MHD_ValueKind kind, const char *name,
                                    const char *value) {
    (void)kind;
    (void)value;
    struct header_count *count = context;
    count->count += str_equal_nocase(str_from(name), count->name);
    return MHD_YES;
}

unsigned http_request_header_count(const struct http_request *request, const char *name) {
    struct header_count count = {.name = str_from(name)};
    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &count);
    return count.count;
}

static enum MHD_Result count_start(void *context, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
    (void)kind;
    (void)value;
    struct header_count *count = context;
    const struct str start = str_slice(str_from(name), 0, count->name.length);
    count->count += str_equal_nocase(start, count->name);
    return MHD_YES;
}

bool http_request_header_starts(const struct http_request *request, const char *start) {
    struct header_count count = {.name = str_from(start)};
    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_start, &count);
    return count.count > 0;
}

struct str http_request_parameter(const struct http_request *request, const char *name) {
    const struct str wanted = str_from(name);
    for (size_t i = 0; i < request->parameter_count; i++) {
        if (str_equal(request->parameters[i].name, wanted)) {
            return request->parameters[i].value;
        }
    }
    return (struct str){0};
}
