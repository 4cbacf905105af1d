/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision.h"

/* Inside of decision_explain.c: the words of each policy's own tables. */

/* The two largest units: "47 h 58 min", "120 s" below ten minutes. */
void explain_add_duration(struct text *out, uint32_t duration_s);
/* "LABEL120 s ago", "LABELin 47 h", "LABELnow" */
void explain_add_labelled_time(struct text *out, struct str label, uint32_t time_s, uint32_t now_s);

/* quota_explain.c: the tables quota and message, limits */
void explain_quota_entry(const struct read *read, uint32_t now_s, struct text *out);
void explain_quota_effect(const struct effect *effect, struct text *out);
void explain_quota_limits(const struct read *read, struct text *out);
/* trust_explain.c: reputation, automatic blacklist, offences */
void explain_trust_entry(const struct read *read, uint32_t now_s, struct text *out);
void explain_trust_effect(const struct effect *effect, uint32_t now_s, struct text *out);
/* spf_explain.c: as decision_explain_fact() */
bool explain_spf_fact(const struct facts *facts, size_t i, const char **ret_what, bool *ret_found,
                      struct text *out);
/* sender_rules.c: restrictions and identities */
void explain_sender_rule(const struct read *read, struct text *out);
