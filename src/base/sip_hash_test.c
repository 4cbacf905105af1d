/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sip_hash.h"

#include "testing/test.h"

/* Inputs 00, 00 01, ... under the key 00 01 ... 0f: SipHash-2-4 with 128 bits of output. The first
 * eight bytes, little endian, are `high`. */
TEST(sip_hash_is_siphash_2_4_128) {
    static const struct {
        size_t length;
        struct hash128 hash;
    } rows[] = {
        {0, {0xe6a825ba047f81a3, 0x930255c71472f66d}},
        {1, {0x44af996bd8c187da, 0x45fc229b11597634}},
    };
    struct sip_key key;
    unsigned char bytes[16];
    for (unsigned i = 0; i < 16; i++) {
        key.bytes[i] = (unsigned char)i;
        bytes[i] = (unsigned char)i;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct hash128 hash = sip_hash(&key, bytes, rows[i].length);
        assert_true(hash.high == rows[i].hash.high);
        assert_true(hash.low == rows[i].hash.low);
    }
    assert_true(sip_hash(&key, NULL, 0).high == rows[0].hash.high);
}

TEST(sip_hash_depends_on_key_and_every_byte) {
    struct sip_key key = {{1}};
    struct sip_key other = {{2}};
    const struct hash128 hash = sip_hash(&key, "client", 6);
    assert_true(hash.high != sip_hash(&other, "client", 6).high);
    assert_true(hash.high != sip_hash(&key, "cliens", 6).high);
    assert_true(hash.low != sip_hash(&key, "Client", 6).low);
    assert_true(hash.high == sip_hash(&key, "client", 6).high);
}
