/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <string.h>

#include "base/byte_block.h"
#include "base/str.h"

/* Reading and writing the bytes of records: little-endian (state.c asserts that the processor is),
 * numbers that are small as a rule as LEB128 ("varint"). The reader never leaves its bounds: what
 * does not fit sets `failed`, and everything after it is nothing. */

/* The writer knows beforehand that all of it has room (decision_record.c says why), so that no
 * byte is checked for itself. */
struct record_writer {
    unsigned char *at;
};

struct record_reader {
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
};

enum { VARINT_MAX = 10 };

/* Most texts are shorter than three blocks: for these compilers write a `rep movs`, which is far
 * slower. The last block may overlap the one before. */
static inline void put_bytes(struct record_writer *out, const void *bytes, size_t length) {
    const char *const from = bytes;
    char *const to = (char *)out->at;
    out->at += length;
    if (length >= BYTE_BLOCK) {
        for (size_t at = 0; at < length - BYTE_BLOCK; at += BYTE_BLOCK) {
            byte_block_store(to + at, byte_block_load(from + at));
        }
        byte_block_store(to + length - BYTE_BLOCK, byte_block_load(from + length - BYTE_BLOCK));
    } else if (length >= 4) {
        uint32_t words[4]; /* From the start and from the end; they overlap. */
        const size_t second = length >= 8 ? 4 : 0;
        memcpy(&words[0], from, 4);
        memcpy(&words[1], from + second, 4);
        memcpy(&words[2], from + length - 4 - second, 4);
        memcpy(&words[3], from + length - 4, 4);
        memcpy(to, &words[0], 4);
        memcpy(to + second, &words[1], 4);
        memcpy(to + length - 4 - second, &words[2], 4);
        memcpy(to + length - 4, &words[3], 4);
    } else {
        for (size_t at = 0; at < length; at++) {
            to[at] = from[at];
        }
    }
}

static inline void put_u8(struct record_writer *out, unsigned value) {
    *out->at++ = (unsigned char)value;
}

static inline void put_varint(struct record_writer *out, uint64_t value) {
    while (value >= 0x80) {
        put_u8(out, (unsigned)(value & 0x7f) | 0x80u);
        value >>= 7;
    }
    put_u8(out, (unsigned)value);
}

static inline void put_str(struct record_writer *out, struct str s) {
    put_varint(out, s.length);
    put_bytes(out, s.data, s.length);
}

/* NULL, and `failed`, when there are not so many. */
static inline const unsigned char *get_bytes(struct record_reader *in, size_t length) {
    if (in->failed || (size_t)(in->end - in->at) < length) {
        in->failed = true;
        return NULL;
    }
    const unsigned char *bytes = in->at;
    in->at += length;
    return bytes;
}

/* Fails for a value above `max`. */
static inline unsigned get_u8(struct record_reader *in, unsigned max) {
    const unsigned char *byte = get_bytes(in, 1);
    if (byte == NULL || *byte > max) {
        in->failed = true;
        return 0;
    }
    return *byte;
}

static inline void get_value(struct record_reader *in, void *ret_value, size_t length) {
    const unsigned char *bytes = get_bytes(in, length);
    if (bytes != NULL) {
        memcpy(ret_value, bytes, length);
    }
}

static inline uint64_t get_varint(struct record_reader *in, uint64_t max) {
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_MAX; i++) {
        const unsigned byte = get_u8(in, 0xff);
        const uint64_t bits = (uint64_t)(byte & 0x7f) << (7 * i);
        in->failed = in->failed || bits >> (7 * i) != (byte & 0x7f);
        value |= bits;
        if ((byte & 0x80) == 0) {
            in->failed = in->failed || value > max;
            return in->failed ? 0 : value;
        }
    }
    in->failed = true;
    return 0;
}

static inline struct str get_str(struct record_reader *in, size_t max) {
    const size_t length = (size_t)get_varint(in, max);
    const unsigned char *bytes = get_bytes(in, length);
    return (struct str){(const char *)bytes, bytes != NULL ? length : 0};
}
