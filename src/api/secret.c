/* SPDX-License-Identifier: Apache-2.0 */
#include "api/secret.h"

#include <sodium.h>
#include <string.h>

#include "base/random.h"

void secret_make(struct secret *ret_secret) {
    random_bytes(ret_secret->bytes, sizeof ret_secret->bytes);
}

struct secret_hash secret_hash(const struct secret *secret) {
    struct secret_hash hash;
    CHECK(crypto_generichash(hash.bytes, sizeof hash.bytes, secret->bytes, sizeof secret->bytes,
                             NULL, 0) == 0);
    return hash;
}

static void format(const uint8_t bytes[SECRET_BYTES], struct text *out) {
    char buffer[SECRET_TEXT_LENGTH + 1];
    (void)sodium_bin2base64(buffer, sizeof buffer, bytes, SECRET_BYTES,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    text_add(out, (struct str){buffer, SECRET_TEXT_LENGTH});
}

void secret_derive(const struct secret *secret, const char *purpose, struct text *out) {
    uint8_t derived[SECRET_BYTES];
    CHECK(crypto_generichash(derived, sizeof derived, (const uint8_t *)purpose, strlen(purpose),
                             secret->bytes, sizeof secret->bytes) == 0);
    format(derived, out);
}

void secret_format(const struct secret *secret, struct text *out) {
    format(secret->bytes, out);
}

bool secret_parse(struct str text, struct secret *ret_secret) {
    struct secret secret;
    size_t length = 0;
    if (text.length != SECRET_TEXT_LENGTH ||
        sodium_base642bin(secret.bytes, sizeof secret.bytes, text.data, text.length, NULL, &length,
                          NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        length != SECRET_BYTES) {
        return false;
    }
    *ret_secret = secret;
    return true;
}

bool secret_text_equal(struct str a, struct str b) {
    return a.length == b.length && (a.length == 0 || sodium_memcmp(a.data, b.data, a.length) == 0);
}
