/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/str.h"

/* Codes from an authenticator app (TOTP, RFC 6238: HMAC-SHA1, 6 digits, 30 s), and the secret as
 * text for it. Pure. */

enum {
    TOTP_SECRET_BYTES = 20,
    TOTP_STEP_S = 30,
    TOTP_DIGITS = 6,
    TOTP_STEPS_ASIDE = 1,      /* a clock may be off by as many */
    TOTP_SECRET_TEXT_MAX = 33, /* base32, with a zero byte */
    TOTP_URI_MAX = 512,
};

struct totp_secret {
    uint8_t bytes[TOTP_SECRET_BYTES];
};

/* The step that a time (Unix seconds, not negative) lies in. */
int64_t totp_step(int64_t unix_s);
/* The code of a step: 0 to 999999. */
uint32_t totp_code(const struct totp_secret *secret, int64_t step);
/* Whether `code`, six digits with blanks allowed, is right at `unix_s` and of a step after
 * `last_step`, that of the newest code taken before; then *ret_step is to be kept as the new one,
 * so that no code counts twice. The time it takes does not tell how much of a code was right. */
bool totp_check(const struct totp_secret *secret, struct str code, int64_t unix_s,
                int64_t last_step, int64_t *ret_step);

/* Base32 (RFC 4648) without padding; reading takes small letters, blanks, "-" and padding too. */
void totp_secret_format(const struct totp_secret *secret, struct text *out);
bool totp_secret_parse(struct str text, struct totp_secret *ret_secret);
/* otpauth://totp/ISSUER:ACCOUNT?secret=...&issuer=ISSUER, for a QR code. */
void totp_uri_format(const struct totp_secret *secret, struct str issuer, struct str account,
                     struct text *out);
