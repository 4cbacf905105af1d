/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 B.4), continuing from `seed`: crc32c(crc32c(s, a), b) is the
 * checksum of a followed by b. Uses the processor's instruction where there is one. Pure. */
uint32_t crc32c(uint32_t seed, const void *bytes, size_t length);
/* The same on any processor, a byte at a time; crc32c() falls back to it. */
uint32_t crc32c_portable(uint32_t seed, const void *bytes, size_t length);
