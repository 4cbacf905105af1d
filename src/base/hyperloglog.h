/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many different values there were, without keeping them: HyperLogLog with 2^14 registers and
 * Ertl's estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), which
 * needs no correction for small or large counts. The standard error is 0.81 percent of the count,
 * at any count; below some thousands it is smaller. Equal values count once, also over sketches
 * that are merged. Pure. */

enum {
    HYPERLOGLOG_BITS = 14,
    HYPERLOGLOG_REGISTERS = 1 << HYPERLOGLOG_BITS,
    HYPERLOGLOG_ENCODED_MAX = 1 + HYPERLOGLOG_REGISTERS
};

/* Zeros: nothing counted yet. */
struct hyperloglog {
    uint8_t registers[HYPERLOGLOG_REGISTERS];
};

/* `hash`: 64 good bits of the value, the same in every sketch that is merged with this one. */
void hyperloglog_add(struct hyperloglog *sketch, uint64_t hash);
void hyperloglog_merge(struct hyperloglog *sketch, const struct hyperloglog *other);
uint64_t hyperloglog_count(const struct hyperloglog *sketch);

/* For files: three bytes a register in use while that is shorter, else a byte for each. Returns the
 * length. */
size_t hyperloglog_encode(const struct hyperloglog *sketch,
                          unsigned char out[HYPERLOGLOG_ENCODED_MAX]);
/* Merges an encoded sketch; false, with nothing changed, when the bytes are none. */
bool hyperloglog_merge_encoded(struct hyperloglog *sketch, const unsigned char *bytes,
                               size_t length);
