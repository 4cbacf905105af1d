/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_parts.h"

void explain_trust_entry(const struct read *read, uint32_t now_s, struct text *out) {
    (void)read;
    (void)now_s;
    text_add(out, STR("found"));
}

void explain_trust_effect(const struct effect *effect, uint32_t now_s, struct text *out) {
    (void)effect;
    (void)now_s;
    text_add(out, STR("changed"));
}
