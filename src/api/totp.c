/* SPDX-License-Identifier: Apache-2.0 */
#include "api/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { SHA1_BYTES = 20, CODES = 1000000 };

int64_t totp_step(int64_t unix_s) {
    return unix_s / TOTP_STEP_S;
}

uint32_t totp_code(const struct totp_secret *secret, int64_t step) {
    uint8_t counter[8];
    uint8_t mac[SHA1_BYTES];
    unsigned length = 0;
    for (unsigned i = 0; i < sizeof counter; i++) {
        counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    }
    CHECK(HMAC(EVP_sha1(), secret->bytes, sizeof secret->bytes, counter, sizeof counter, mac,
               &length) != NULL &&
          length == sizeof mac);
    /* Dynamic truncation, RFC 4226 5.3. */
    const uint8_t *four = mac + (mac[SHA1_BYTES - 1] & 0x0f);
    const uint32_t number = (uint32_t)(four[0] & 0x7f) << 24 | (uint32_t)four[1] << 16 |
                            (uint32_t)four[2] << 8 | four[3];
    return number % CODES;
}

/* Six digits; blanks around and between, as apps show them, do not count. */
static bool parse_code(struct str text, uint32_t *ret_code) {
    uint32_t code = 0;
    unsigned digits = 0;
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.data[i];
        if (c == ' ') {
            continue;
        }
        if (c < '0' || c > '9' || digits == TOTP_DIGITS) {
            return false;
        }
        code = code * 10 + (uint32_t)(c - '0');
        digits++;
    }
    *ret_code = code;
    return digits == TOTP_DIGITS;
}

bool totp_check(const struct totp_secret *secret, struct str code, int64_t unix_s,
                int64_t last_step, int64_t *ret_step) {
    uint32_t given;
    if (!parse_code(code, &given)) {
        return false;
    }
    const int64_t now = totp_step(unix_s);
    int64_t found = -1;
    for (int64_t step = now - TOTP_STEPS_ASIDE; step <= now + TOTP_STEPS_ASIDE; step++) {
        const bool right = totp_code(secret, step) == given && step > last_step;
        found = right ? step : found;
    }
    if (found < 0) {
        return false;
    }
    *ret_step = found;
    return true;
}

/* --- as text --- */

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void totp_secret_format(const struct totp_secret *secret, struct text *out) {
    uint32_t bits = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < TOTP_SECRET_BYTES; i++) {
        bits = bits << 8 | secret->bytes[i];
        for (count += 8; count >= 5; count -= 5) {
            text_add_byte(out, base32[bits >> (count - 5) & 31]);
        }
    }
}

static int base32_value(char c) {
    const char lower = ascii_lower(c);
    if (lower >= 'a' && lower <= 'z') {
        return lower - 'a';
    }
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

bool totp_secret_parse(struct str text, struct totp_secret *ret_secret) {
    struct totp_secret secret;
    uint32_t bits = 0;
    unsigned count = 0;
    size_t length = 0;
    bool padded = false;
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.data[i];
        if (c == ' ' || c == '-') {
            continue;
        }
        padded = padded || c == '=';
        const int value = base32_value(c);
        if (padded ? c != '=' : value < 0 || length == TOTP_SECRET_BYTES) {
            return false;
        }
        if (!padded) {
            bits = bits << 5 | (uint32_t)value;
            count += 5;
            if (count >= 8) {
                count -= 8;
                secret.bytes[length++] = (uint8_t)(bits >> count);
            }
        }
    }
    if (length != TOTP_SECRET_BYTES) {
        return false;
    }
    *ret_secret = secret;
    return true;
}

static void add_escaped(struct text *out, struct str text) {
    for (size_t i = 0; i < text.length; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                           (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';
        if (plain) {
            text_add_byte(out, (char)c);
        } else {
            text_add_byte(out, '%');
            text_add_byte(out, "0123456789ABCDEF"[c >> 4]);
            text_add_byte(out, "0123456789ABCDEF"[c & 15]);
        }
    }
}

void totp_uri_format(const struct totp_secret *secret, struct str issuer, struct str account,
                     struct text *out) {
    text_add(out, STR("otpauth://totp/"));
    add_escaped(out, issuer);
    text_add_byte(out, ':');
    add_escaped(out, account);
    text_add(out, STR("?secret="));
    totp_secret_format(secret, out);
    text_add(out, STR("&issuer="));
    add_escaped(out, issuer);
}
