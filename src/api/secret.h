/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/str.h"

/* Random secrets of 256 bits that a caller shows again: what a session cookie and an API token
 * carry. The database keeps only their hash (BLAKE2b-256): who reads it can use none of them. */

enum {
    SECRET_BYTES = 32,
    SECRET_TEXT_LENGTH = 43, /* base64url without padding */
};

struct secret {
    uint8_t bytes[SECRET_BYTES];
};
struct secret_hash {
    uint8_t bytes[32];
};

void secret_make(struct secret *ret_secret);
struct secret_hash secret_hash(const struct secret *secret);
/* Another value that follows from the secret and does not lead back to it: the CSRF token of a
 * session. SECRET_TEXT_LENGTH characters of base64url. */
void secret_derive(const struct secret *secret, const char *purpose, struct text *out);
void secret_format(const struct secret *secret, struct text *out);
/* Exactly the one way to write it. False leaves *ret_secret untouched. */
bool secret_parse(struct str text, struct secret *ret_secret);
/* Takes as long wherever they differ. */
bool secret_text_equal(struct str a, struct str b);
