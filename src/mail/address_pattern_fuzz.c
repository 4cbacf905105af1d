/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the type. What parses is written and read again as the same pattern; what
 * does not gets a sentence. */
#include <string.h>

#include "base/check.h"
#include "mail/address_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_same(const struct address_pattern *a, const struct address_pattern *b) {
    CHECK(a->type == b->type && a->kind == b->kind && a->text_length == b->text_length);
    CHECK(memcmp(a->text, b->text, a->text_length) == 0);
    CHECK(a->prefix.bits == b->prefix.bits);
    CHECK(ip_address_equal(a->prefix.address, b->prefix.address));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length == 0) {
        return 0;
    }
    const struct str input = {(const char *)bytes + 1, length - 1};
    const unsigned chosen = bytes[0] % (PATTERN_TYPES + 1U);
    const enum pattern_type type =
        chosen == PATTERN_TYPES ? address_pattern_guess(input) : (enum pattern_type)chosen;
    char sentence[256];
    char written[2 * PATTERN_TEXT_MAX];
    char rewritten[2 * PATTERN_TEXT_MAX];
    struct text problem = TEXT_OVER(sentence);
    struct text out = TEXT_OVER(written);
    struct text out_again = TEXT_OVER(rewritten);
    struct address_pattern pattern;
    struct address_pattern again;
    const char *said = address_pattern_parse(type, input, &pattern, &problem);
    if (said != NULL) {
        CHECK(said == sentence && strlen(said) > 10 && !problem.truncated);
        return 0;
    }
    CHECK(pattern.text_length <= PATTERN_TEXT_MAX);
    address_pattern_format(&pattern, &out);
    CHECK(!out.truncated && out.length > 0);
    CHECK(address_pattern_parse(type, text_str(&out), &again, &problem) == NULL);
    check_same(&pattern, &again);
    address_pattern_format(&again, &out_again);
    CHECK(str_equal(text_str(&out), text_str(&out_again)));
    return 0;
}
