/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "net/http_client.h"

/* One question to the daemon for all who ask the same at the same moment.
 *
 *   first asker ─► question ─► sent ────────────► answer ─► everybody who waits for it
 *   second      ─► the next question, open until the one before has been answered ─► sent ...
 *   third       ─► joins that one
 *
 * Who comes while a question is on its way waits for the next one: an answer always began after its
 * asker came, so that it is never staler than one's own would have been. So of the same thing at
 * most one question is on its way, however many want it. */

/* How a question is sent: http_client_call() and what belongs to it. */
typedef int shared_question_send(const struct http_call *call, struct http_reply *ret_reply,
                                 struct text *problem);

/* A GET. Returns what `send` returned to the one who sent it; ret_reply is the caller's own.
 * Blocks; any thread. */
MUST_USE int shared_question_ask(const struct http_call *call, shared_question_send *send,
                                 struct http_reply *ret_reply, struct text *problem);

/* How many wait now for a question that another one sends. */
unsigned shared_question_waiting(void);
