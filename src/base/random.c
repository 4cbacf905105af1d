/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <sodium.h>

#include "base/check.h"

void random_init(void) {
    CHECK(sodium_init() >= 0);
}

void random_bytes(void *ret_bytes, size_t length) {
    randombytes_buf(ret_bytes, length);
}

uint64_t random_u64(void) {
    uint64_t value;
    random_bytes(&value, sizeof value);
    return value;
}
