/* SPDX-License-Identifier: Apache-2.0 */
/* Each normalisation applied to its own result changes nothing, in a buffer large enough; in the
 * usual one nothing is written past its end and a short address is never cut. */
#include "base/check.h"
#include "mail/mail_address.h"

enum { ROOM = 65536, INPUT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_one(void (*function)(struct str, struct text *), struct str address) {
    static char first[ROOM];
    static char second[ROOM];
    char usual[MAIL_ADDRESS_MAX];
    struct text once = TEXT_OVER(first);
    struct text twice = TEXT_OVER(second);
    struct text bounded = TEXT_OVER(usual);
    function(address, &once);
    CHECK(!once.truncated);
    function(text_str(&once), &twice);
    CHECK(str_equal(text_str(&once), text_str(&twice)));
    function(address, &bounded);
    CHECK(bounded.truncated == (once.length > MAIL_ADDRESS_MAX));
    CHECK(str_equal(text_str(&bounded), str_slice(text_str(&once), 0, MAIL_ADDRESS_MAX)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    const struct str address = {(const char *)bytes, length < INPUT_MAX ? length : INPUT_MAX};
    struct str local;
    struct str domain;
    mail_address_split(address, &local, &domain);
    CHECK(local.length + domain.length <= address.length);
    CHECK(str_find(domain, '@') == SIZE_MAX);
    check_one(mail_domain_normalise, domain);
    check_one(mail_address_normalise, address);
    check_one(mail_sender_normalise_for_greylisting, address);
    check_one(mail_recipient_normalise_for_greylisting, address);
    return 0;
}
