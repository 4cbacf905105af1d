/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "net/http_server.h"

/* Answers of the last changes that came with an Idempotency-Key, so that a caller who got none may
 * send the same again: it is not done twice, and the answer is that of the first time. Kept for a
 * day, in memory alone (a change that is sent again after a restart of seczim-api meets what stands
 * already, as without a key), at most ANSWER_MEMORY_PLACES; the oldest makes room. Thread safe. */

enum { ANSWER_MEMORY_PLACES = 512, ANSWER_MEMORY_BYTES_MAX = 64 * 1024, IDEMPOTENCY_KEY_MAX = 255 };

struct answer_memory;

struct answer_memory *answer_memory_new(void); /* NULL when memory is out */
void answer_memory_free(struct answer_memory *memory);
/* True when it was answered: as the first time, or 422 when the key came with another request, or
 * 400 when it is no key. */
MUST_USE bool answer_memory_repeat(struct answer_memory *memory, const struct http_request *request,
                                   struct http_response *response);
/* Keeps a good answer; nothing without the header. */
void answer_memory_keep(struct answer_memory *memory, const struct http_request *request,
                        unsigned status, struct str answer);
