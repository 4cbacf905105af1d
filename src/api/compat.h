/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/daemon_call.h"
#include "net/json_text.h"

/* What the paths that SPEC 7 names share: their shapes are made of the daemon's. */

/* Makes a change by `method` on `target` as one audited change and gives what the daemon answered;
 * NULL: it was answered. The caller answers, then calls change_end(). Takes over `body`. */
struct change;
json_t *compat_change(struct api *api, const struct http_request *request,
                      struct http_response *response, struct change *change, const char *method,
                      const char *target, json_t *body);

/* The settings whose keys begin with `prefix`, by the rest of their keys, added to `object`. False:
 * it was answered. */
MUST_USE bool compat_add_settings(struct api *api, const struct http_request *request,
                                  struct http_response *response, const char *prefix,
                                  json_t *object);
