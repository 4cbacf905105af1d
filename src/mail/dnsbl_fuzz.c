/* SPDX-License-Identifier: Apache-2.0 */
/* Codes as a person writes them. What is taken lies in 127/8 and outside of the errors, and reads
 * the same once written; what is refused is refused with a sentence. */
#include <string.h>

#include "base/check.h"
#include "mail/dnsbl.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    enum { WRITTEN_MAX = DNSBL_CODES_MAX * 32 };
    struct dnsbl_codes codes;
    struct dnsbl_codes again;
    char sentence[512];
    char written[WRITTEN_MAX];
    struct text problem = TEXT_OVER(sentence);
    struct text out = TEXT_OVER(written);
    if (!dnsbl_codes_parse((struct str){(const char *)bytes, length}, &codes, &problem)) {
        CHECK(problem.length > 0);
        return 0;
    }
    CHECK(problem.length == 0 && codes.count <= DNSBL_CODES_MAX);
    for (size_t i = 0; i < codes.count; i++) {
        CHECK(codes.ranges[i].from >= 0x7f000000 && codes.ranges[i].to < 0x7fffff00);
        CHECK(codes.ranges[i].from <= codes.ranges[i].to);
    }
    dnsbl_codes_format(&codes, &out);
    CHECK(!out.truncated);
    CHECK(dnsbl_codes_parse(text_str(&out), &again, &problem));
    CHECK(again.count == codes.count &&
          memcmp(again.ranges, codes.ranges, codes.count * sizeof codes.ranges[0]) == 0);
    return 0;
}
