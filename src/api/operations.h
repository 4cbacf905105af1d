/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/access.h"
#include "api/schema.h"
#include "net/http_server.h"

/* The contract, api/openapi.yaml, as tables: tools/generate-api writes them at build time, with
 * the prototypes of all handlers (api_handlers.h, in the build folder). */

/* One line for each route, at the same place as in api_routes. */
struct api_operation {
    const char *id;      /* operationId, also the audit log's action */
    enum api_role role;  /* least role; API_ROLE_NONE: nobody has to be known */
    unsigned scope;      /* one bit of enum api_scope; 0: any login will do */
    const char *control; /* passed through: "/v1/geo/{ip}" of the daemon, same method; NULL: it has
                          * a handler of its own */
    http_handler *away;  /* answers instead while the daemon cannot be asked; NULL: 503 */
    const char *before;  /* control path to GET for the audit's "before", or NULL */
    const struct api_schema *body; /* of a JSON body; NULL: none, or bytes */
    bool audited;                  /* changes are, unless x-audit is false */
};

extern const struct api_operation api_operations[];

extern const struct http_route api_routes[];
extern const size_t api_route_count;

/* openapi.json. */
extern const char api_document_json[];
extern const size_t api_document_length;
