/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hyperloglog.h"

#include <string.h>

enum { RANK_MAX = 64 - HYPERLOGLOG_BITS, FORM_SPARSE = 1, FORM_DENSE = 2, SPARSE_BYTES = 3 };

/* The rank of a hash is the position of the first one among the bits that choose no register. The
 * last rank, of 50 zeros, is counted as the one before it: nobody counts 2^50 values. */
void hyperloglog_add(struct hyperloglog *sketch, uint64_t hash) {
    const size_t index = (size_t)(hash >> (64 - HYPERLOGLOG_BITS));
    const uint64_t rest = hash << HYPERLOGLOG_BITS;
    const int rank = rest == 0 ? RANK_MAX : __builtin_clzll(rest) + 1;
    if (rank > sketch->registers[index]) {
        sketch->registers[index] = (uint8_t)rank;
    }
}

void hyperloglog_merge(struct hyperloglog *sketch, const struct hyperloglog *other) {
    for (size_t i = 0; i < HYPERLOGLOG_REGISTERS; i++) {
        const uint8_t one = sketch->registers[i];
        const uint8_t two = other->registers[i];
        sketch->registers[i] = one > two ? one : two;
    }
}

/* Ertl's sigma: what empty registers, the share `x` of all, add to the harmonic sum. Infinite for
 * x = 1, which the caller keeps away. */
static double empty_part(double x) {
    double factor = 1.0;
    double sum = x;
    for (;;) {
        x *= x;
        const double before = sum;
        sum += x * factor;
        factor += factor;
        if (!(sum > before)) {
            return sum;
        }
    }
}

uint64_t hyperloglog_count(const struct hyperloglog *sketch) {
    const double registers = HYPERLOGLOG_REGISTERS;
    const double alpha = 0.7213475204444817; /* 1 / (2 ln 2) */
    uint32_t ranks[RANK_MAX + 1] = {0};
    for (size_t i = 0; i < HYPERLOGLOG_REGISTERS; i++) {
        ranks[sketch->registers[i]]++;
    }
    if (ranks[0] == HYPERLOGLOG_REGISTERS) {
        return 0;
    }
    double sum = 0.0;
    for (size_t rank = RANK_MAX; rank >= 1; rank--) {
        sum = 0.5 * (sum + (double)ranks[rank]);
    }
    sum += registers * empty_part((double)ranks[0] / registers);
    return (uint64_t)(alpha * registers * registers / sum + 0.5);
}

size_t hyperloglog_encode(const struct hyperloglog *sketch,
                          unsigned char out[HYPERLOGLOG_ENCODED_MAX]) {
    size_t length = 1;
    out[0] = FORM_SPARSE;
    for (size_t i = 0; i < HYPERLOGLOG_REGISTERS; i++) {
        if (sketch->registers[i] == 0) {
            continue;
        }
        if (length + SPARSE_BYTES >= HYPERLOGLOG_ENCODED_MAX) {
            out[0] = FORM_DENSE;
            memcpy(out + 1, sketch->registers, HYPERLOGLOG_REGISTERS);
            return HYPERLOGLOG_ENCODED_MAX;
        }
        out[length++] = (unsigned char)(i & 0xff);
        out[length++] = (unsigned char)(i >> 8);
        out[length++] = sketch->registers[i];
    }
    return length;
}

static bool valid_sparse(const unsigned char *bytes, size_t length) {
    if (length % SPARSE_BYTES != 1) {
        return false;
    }
    for (size_t at = 1; at < length; at += SPARSE_BYTES) {
        const size_t index = (size_t)bytes[at] | (size_t)bytes[at + 1] << 8;
        if (index >= HYPERLOGLOG_REGISTERS || bytes[at + 2] > RANK_MAX) {
            return false;
        }
    }
    return true;
}

static bool valid_dense(const unsigned char *bytes, size_t length) {
    bool valid = length == HYPERLOGLOG_ENCODED_MAX;
    for (size_t at = 1; valid && at < length; at++) {
        valid = bytes[at] <= RANK_MAX;
    }
    return valid;
}

static void raise(struct hyperloglog *sketch, size_t index, uint8_t rank) {
    if (rank > sketch->registers[index]) {
        sketch->registers[index] = rank;
    }
}

bool hyperloglog_merge_encoded(struct hyperloglog *sketch, const unsigned char *bytes,
                               size_t length) {
    if (length == 0) {
        return false;
    }
    if (bytes[0] == FORM_SPARSE && valid_sparse(bytes, length)) {
        for (size_t at = 1; at < length; at += SPARSE_BYTES) {
            raise(sketch, (size_t)bytes[at] | (size_t)bytes[at + 1] << 8, bytes[at + 2]);
        }
        return true;
    }
    if (bytes[0] == FORM_DENSE && valid_dense(bytes, length)) {
        for (size_t i = 0; i < HYPERLOGLOG_REGISTERS; i++) {
            raise(sketch, i, bytes[i + 1]);
        }
        return true;
    }
    return false;
}
