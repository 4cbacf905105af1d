/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Asks for the cache line of `address` and does not wait for it. Any address will do. */
static inline void prefetch(const void *address) {
    __builtin_prefetch(address);
    /* gcc takes a function that does nothing but prefetch for one without an effect, and leaves out
     * the calls of it. This emits nothing and counts as an effect. */
    __asm__ volatile("");
}
