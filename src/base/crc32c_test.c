/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include <string.h>

#include "testing/test.h"

TEST(crc32c_gives_the_values_of_rfc_3720) {
    unsigned char bytes[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)(31 - i);
    }
    assert_int_equal(crc32c(0, bytes, 32), 0x113fdb5c);
}

TEST(crc32c_goes_on_where_it_stopped_and_is_the_same_on_any_processor) {
    unsigned char bytes[200];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * i * 7 + 3);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t cut = from; cut <= sizeof bytes; cut++) {
            const uint32_t whole = crc32c(77, bytes + from, sizeof bytes - from);
            const uint32_t first = crc32c(77, bytes + from, cut - from);
            assert_int_equal(crc32c(first, bytes + cut, sizeof bytes - cut), whole);
            assert_int_equal(crc32c_portable(77, bytes + from, cut - from), first);
        }
    }
}
