/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and base32 secrets as people paste them. A token that is read is written the same; a
 * secret that is read is written as one that reads the same. */
#include <string.h>

#include "api/tokens.h"
#include "api/totp.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_token(struct str input) {
    struct secret secret;
    char written[TOKEN_TEXT_LENGTH];
    struct text out = TEXT_OVER(written);
    if (token_parse(input, &secret)) {
        token_format(&secret, &out);
        CHECK(str_equal(text_str(&out), input));
    }
}

static void check_secret(struct str input) {
    struct totp_secret secret;
    struct totp_secret again;
    char written[TOTP_SECRET_TEXT_MAX];
    struct text out = TEXT_OVER(written);
    if (totp_secret_parse(input, &secret)) {
        totp_secret_format(&secret, &out);
        CHECK(!out.truncated && totp_secret_parse(text_str(&out), &again));
        CHECK(memcmp(&secret, &again, sizeof secret) == 0);
    }
}

static void check_scopes(struct str input) {
    unsigned scopes = 0;
    unsigned again = 0;
    char written[API_SCOPES_COUNT * 16];
    struct text out = TEXT_OVER(written);
    if (api_scopes_parse(input, &scopes)) {
        api_scopes_format(scopes, &out);
        CHECK(!out.truncated && api_scopes_parse(text_str(&out), &again) && again == scopes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    const struct str input = {(const char *)bytes, length};
    const struct totp_secret secret = {"12345678901234567890"};
    int64_t step = 0;
    check_token(input);
    check_secret(input);
    check_scopes(input);
    if (totp_check(&secret, input, 59, 0, &step)) {
        CHECK(step == 1 || step == 2);
    }
    return 0;
}
