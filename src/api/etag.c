/* SPDX-License-Identifier: Apache-2.0 */
#include "api/etag.h"

#include <sodium.h>
#include <string.h>

enum { HASH_BYTES = 16 };

void etag_make(struct str bytes, char ret_etag[ETAG_MAX]) {
    unsigned char hash[HASH_BYTES];
    (void)crypto_generichash(hash, sizeof hash, (const unsigned char *)bytes.data, bytes.length,
                             NULL, 0);
    ret_etag[0] = '"';
    (void)sodium_bin2hex(ret_etag + 1, 2 * HASH_BYTES + 1, hash, sizeof hash);
    memcpy(ret_etag + 1 + 2 * HASH_BYTES, "\"", 2);
}
