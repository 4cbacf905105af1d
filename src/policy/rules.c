/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <stddef.h>

const char *rule_kind_name(enum rule_kind kind) {
    static const char *const names[RULE_KINDS] = {
        [RULE_NONE] = "none",
        [RULE_QUOTA] = "quota",
        [RULE_RESTRICTION] = "restriction",
        [RULE_IDENTITY] = "identity",
    };
    return names[kind];
}

struct rules *rules_build(const struct list_memory *memory, const struct rule_row *rows,
                          size_t count) {
    (void)rows;
    (void)count;
    return memory->allocate(memory->context, 64);
}

void rules_free(struct rules *rules) {
    (void)rules;
}
