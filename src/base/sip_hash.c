/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sip_hash.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

#include "base/check.h"

_Static_assert(crypto_shorthash_siphashx24_KEYBYTES == sizeof(struct sip_key), "key size");
_Static_assert(crypto_shorthash_siphashx24_BYTES == sizeof(struct hash128), "hash size");

/* Byte order is fixed, because nodes of different processors share keys and tables. */
static uint64_t load_u64(const unsigned char *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return le64toh(value);
}

struct hash128 sip_hash(const struct sip_key *key, const void *bytes, size_t length) {
    unsigned char out[crypto_shorthash_siphashx24_BYTES];
    CHECK(crypto_shorthash_siphashx24(out, length == 0 ? out : bytes, length, key->bytes) == 0);
    return (struct hash128){.high = load_u64(out), .low = load_u64(out + 8)};
}
