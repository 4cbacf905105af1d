/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision.h"

/* Decisions in words, for explain. Times are told relative to the decision ("120 s ago", "in 3 h"),
 * because a pure function knows no time zone. Values from outside are escaped. */

/* What was read: "greylist entry", "greylist client", "allow list", ... */
const char *decision_read_name(const struct read *read);
/* What was found, e.g. "waiting since 120 s ago, 2 attempts, gone in 47 h 58 min". */
void decision_explain_read(const struct decision *decision, const struct read *read, uint32_t now_s,
                           struct text *out);
/* What a fact that `policy` goes by said, item `i`: "Spamhaus ZEN: listed, 127.0.0.2". *ret_what
 * names the kind ("block list"), *ret_found tells whether something stands against the client.
 * False: there are fewer, or the fact is not known. */
bool decision_explain_fact(const struct policy_settings *settings, const struct facts *facts,
                           enum policy_id policy, size_t i, const char **ret_what, bool *ret_found,
                           struct text *out);
const char *decision_effect_name(const struct effect *effect);
void decision_explain_effect(const struct effect *effect, uint32_t now_s, struct text *out);
