/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_parts.h"

void explain_quota_entry(const struct read *read, uint32_t now_s, struct text *out) {
    (void)read;
    (void)now_s;
    text_add(out, STR("found"));
}

void explain_quota_effect(const struct effect *effect, struct text *out) {
    (void)effect;
    text_add(out, STR("changed"));
}

void explain_quota_limits(const struct read *read, struct text *out) {
    (void)read;
    text_add(out, STR("found"));
}
