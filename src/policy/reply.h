/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision.h"

/* The action that Postfix is told, from the verdict and the administrator's text.
 *
 * Placeholders: {retry_in} (seconds, a plain number) {client_address} {sender} {recipient} {policy}
 * {reason} {rule}. A brace that opens none of these is a mistake that reply_text_problem() finds;
 * `{{` and `}}` stand for single braces. Pure. */

enum { REPLY_TEXT_MAX = 400 }; /* Bytes of the text after the enhanced status code. */

/* NULL, or a sentence for the person who wrote the text (it lives in `problem`: at least 256
 * bytes, owned by the caller). An empty text is right: the default is used. */
const char *reply_text_problem(struct str text, struct text *problem);

/* Fills decision->reply from its verdict, reason, rule and retry_in_s. `text` is that of the policy
 * that decided. What is not refused gets the header, when there is one: PREPEND (access(5)).
 * Control bytes and invalid UTF-8 become `?`; what is too long is cut, never inside a character. */
void reply_write(const struct policy_request *request, struct str text, struct decision *decision);
