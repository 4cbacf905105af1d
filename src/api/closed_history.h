/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/api.h"
#include "store/history.h"

/* History while the daemon is away: its closed files, read here, with the shapes that the daemon
 * gives. What is newer than the newest closed file is missing, so each answer says "history":
 * "closed", in a header too. docs/decisions/0010. Any thread. */

/* A reader for this request; close it. NULL: it was answered, with 503. */
struct history_reader *closed_history_open(const struct api *api, struct http_response *response);
/* After an answer: the header. */
void closed_history_mark(struct http_response *response);
