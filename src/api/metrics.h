/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/api.h"

/* Prometheus: /metrics on a port of its own, without login (api.metrics_networks may name who).
 * What the daemon counts is asked of it at each scrape; what seczim-api counts is added. */

/* Makes `options` those of a metrics port. */
void metrics_serve(struct http_server_options *options);
