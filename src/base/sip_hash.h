/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Keyed 128-bit SipHash-2-4 (libsodium crypto_shorthash_siphashx24): keys of state tables, so that
 * strangers cannot choose colliding ones. Pure. */
struct sip_key {
    uint8_t bytes[16];
};

struct hash128 {
    uint64_t high;
    uint64_t low;
};

struct hash128 sip_hash(const struct sip_key *key, const void *bytes, size_t length);
