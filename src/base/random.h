/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The only file that reads entropy (libsodium's randombytes). Callable from any thread after
 * random_init(), which stops the process when the system has no entropy source. */
void random_init(void);
void random_bytes(void *ret_bytes, size_t length);
uint64_t random_u64(void);
