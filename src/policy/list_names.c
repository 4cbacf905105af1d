/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/list_index.h"

#include "base/check.h"

static const char *const list_names[LISTS] = {
    [LIST_ALLOW] = "allow",
    [LIST_BLOCK] = "block",
    [LIST_GREYLIST_EXEMPT] = "greylist_exempt",
    [LIST_REPUTATION_ALLOW] = "reputation_allow",
};

static const char *const direction_names[] = {
    [LIST_INBOUND] = "inbound",
    [LIST_OUTBOUND] = "outbound",
    [LIST_BOTH_DIRECTIONS] = "both",
};

static const char *const proof_names[] = {
    [LIST_PROOF_NONE] = "",
    [LIST_PROOF_FCRDNS] = "fcrdns",
    [LIST_PROOF_SPF] = "spf",
};

/* The index of `name`, or `count`. */
static unsigned find_name(struct str name, const char *const names[], unsigned count) {
    unsigned i = 0;
    while (i < count && !str_equal(name, str_from(names[i]))) {
        i++;
    }
    return i;
}

const char *list_name(enum list_id list) {
    CHECK(list < LISTS);
    return list_names[list];
}

bool list_parse(struct str name, enum list_id *ret_list) {
    const unsigned found = find_name(name, list_names, LISTS);
    if (found == LISTS) {
        return false;
    }
    *ret_list = (enum list_id)found;
    return true;
}

const char *list_direction_name(enum list_direction direction) {
    CHECK(direction <= LIST_BOTH_DIRECTIONS);
    return direction_names[direction];
}

bool list_direction_parse(struct str name, enum list_direction *ret_direction) {
    const unsigned found = find_name(name, direction_names, LIST_BOTH_DIRECTIONS + 1);
    if (found > LIST_BOTH_DIRECTIONS) {
        return false;
    }
    *ret_direction = (enum list_direction)found;
    return true;
}

const char *list_proof_name(enum list_proof proof) {
    CHECK(proof <= LIST_PROOF_SPF);
    return proof_names[proof];
}

bool list_proof_parse(struct str name, enum list_proof *ret_proof) {
    const unsigned found = find_name(name, proof_names, LIST_PROOF_SPF + 1);
    if (found > LIST_PROOF_SPF) {
        return false;
    }
    *ret_proof = (enum list_proof)found;
    return true;
}
