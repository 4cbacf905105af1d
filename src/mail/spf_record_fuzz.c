/* SPDX-License-Identifier: Apache-2.0 */
/* A record, a domain-spec and an explanation of any bytes. What is valid can be read term by term,
 * and its macros can be expanded. */
#include <string.h>

#include "base/check.h"
#include "mail/spf_macro.h"
#include "mail/spf_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void expand(struct str text, enum spf_macro_place place,
                   const struct spf_macro_values *values) {
    char room[SPF_EXPLANATION_MAX];
    char name_room[DNS_NAME_MAX];
    struct text out = TEXT_OVER(room);
    struct text name = TEXT_OVER(name_room);
    spf_macro_expand(text, place, values, &out);
    if (place == SPF_MACRO_IN_RECORD && spf_macro_expand_name(text, values, &name)) {
        CHECK(!name.truncated && spf_name_is_askable(text_str(&name)));
    }
    (void)spf_macro_needs_name(text, place);
}

static void read_terms(struct str record, const struct spf_macro_values *values) {
    struct spf_term term;
    size_t at = 0;
    size_t terms = 0;
    while (spf_record_next(record, &at, &term)) {
        CHECK(at <= record.length && ++terms <= record.length);
        CHECK(term.kind <= SPF_TERM_UNKNOWN && term.result < SPF_RESULTS);
        CHECK(term.bits_v4 <= 32 && term.bits_v6 <= 128);
        CHECK(spf_macro_problem(term.domain, SPF_MACRO_IN_RECORD) == NULL);
        expand(term.domain, SPF_MACRO_IN_RECORD, values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    const struct str input = {(const char *)bytes, length};
    char sentence[SPF_PROBLEM_MAX];
    struct text problem = TEXT_OVER(sentence);
    const struct spf_macro_values values = {
        .local = str_slice(input, 0, length / 2),
        .origin = STR("a.example"),
        .domain = STR("b.example"),
        .helo = str_slice(input, length / 2, length),
        .client_address = {{0x20, 1, 0x0d, 0xb8, [15] = 1}},
    };
    if (spf_is_record(input)) {
        if (spf_record_valid(input, &problem)) {
            read_terms(input, &values);
        } else {
            CHECK(problem.length > 10 && !problem.truncated);
        }
    }
    if (spf_domain_spec_problem(input) == NULL) {
        CHECK(spf_macro_problem(input, SPF_MACRO_IN_RECORD) == NULL);
    }
    if (spf_macro_problem(input, SPF_MACRO_IN_EXPLANATION) == NULL) {
        expand(input, SPF_MACRO_IN_EXPLANATION, &values);
    }
    return 0;
}
