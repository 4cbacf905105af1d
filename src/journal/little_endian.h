/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* Numbers in files are little-endian and may stand at any address. */

static inline void put_u16(unsigned char *out, uint16_t value) {
    value = htole16(value);
    memcpy(out, &value, sizeof value);
}

static inline void put_u32(unsigned char *out, uint32_t value) {
    value = htole32(value);
    memcpy(out, &value, sizeof value);
}

static inline void put_u64(unsigned char *out, uint64_t value) {
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

static inline uint16_t get_u16(const unsigned char *in) {
    uint16_t value;
    memcpy(&value, in, sizeof value);
    return le16toh(value);
}

static inline uint32_t get_u32(const unsigned char *in) {
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return le32toh(value);
}

static inline uint64_t get_u64(const unsigned char *in) {
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return le64toh(value);
}
