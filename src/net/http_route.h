/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/http_server.h"

/* The pure half of the server: what a request target says, and which route answers it. */

struct http_target {
    struct str path;                       /* as it was sent */
    struct str parts[HTTP_PATH_PARTS_MAX]; /* decoded */
    size_t part_count;
    struct http_parameter parameters[HTTP_PARAMETERS_MAX];
    size_t parameter_count;
};

/* Splits and decodes "/v1/lists/allow?limit=5". `target` is overwritten and *ret_target points into
 * it. False with a sentence for a target that is not a path, bad or NUL percent codes, a parameter
 * without "=", given twice, or too many of anything. "+" in the query is a blank. */
bool http_target_parse(char *target, struct http_target *ret_target, struct text *problem);

/* The route of that method and path, placeholders filled in, or NULL. *ret_methods has a bit for
 * each method that this path knows: 0 means 404, else 405. */
const struct http_route *http_route_find(const struct http_route *routes, size_t route_count,
                                         enum http_method method, const struct http_target *target,
                                         struct str ret_parts[HTTP_PLACEHOLDERS_MAX],
                                         unsigned *ret_methods);
/* False when `name` is not among the route's parameters. */
bool http_route_knows(const struct http_route *route, struct str name);
/* HEAD is GET. */
bool http_method_parse(struct str name, enum http_method *ret_method);
const char *http_method_name(enum http_method method);
