/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Sixteen bytes looked at together, for what is done to every byte of every request. Comparisons
 * of blocks (`block == '\n'`) give a block with all bits set in each byte for which they hold. */

enum { BYTE_BLOCK = 16 };
typedef signed char byte_block __attribute__((vector_size(BYTE_BLOCK)));

static inline byte_block byte_block_load(const char *bytes) {
    byte_block loaded;
    memcpy(&loaded, bytes, BYTE_BLOCK);
    return loaded;
}

static inline void byte_block_store(char *bytes, byte_block block) {
    memcpy(bytes, &block, BYTE_BLOCK);
}

/* Bit i is the top bit of byte i. */
static inline unsigned byte_block_mask(byte_block block) {
#ifdef __SSE2__
    return (unsigned)_mm_movemask_epi8((__m128i)block);
#else
    unsigned mask = 0;
    for (unsigned i = 0; i < BYTE_BLOCK; i++) {
        mask |= (unsigned)(block[i] < 0) << i;
    }
    return mask;
#endif
}
