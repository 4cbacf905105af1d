/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_parts.h"

/* What SPF said, in words. */

static void add_sender(const struct facts *facts, struct text *out) {
    const bool is_error = facts->spf_result == SPF_TEMPERROR || facts->spf_result == SPF_PERMERROR;
    text_add(out, str_from(spf_result_name((enum spf_result)facts->spf_result)));
    if (facts->spf_domain_length > 0) {
        text_add(out, STR(" for "));
        text_add_escaped(out, (struct str){facts->spf_domain, facts->spf_domain_length});
    }
    if (facts->spf_mechanism_length > 0) {
        text_add(out, STR(", by "));
        text_add_escaped(out, (struct str){facts->spf_mechanism, facts->spf_mechanism_length});
    }
    if (facts->spf_problem_length > 0) {
        text_add(out, is_error ? STR("; ") : STR("; the domain explains: "));
        text_add_escaped(out, (struct str){facts->spf_problem, facts->spf_problem_length});
    }
}

bool explain_spf_fact(const struct facts *facts, size_t i, const char **ret_what, bool *ret_found,
                      struct text *out) {
    if (facts->status[FACT_SPF] != FACT_KNOWN || i > 1) {
        return false;
    }
    const uint8_t result = i == 0 ? facts->spf_result : facts->spf_helo_result;
    *ret_what = i == 0 ? "SPF of the sender" : "SPF of the HELO name";
    *ret_found = result == SPF_FAIL;
    if (i == 0) {
        add_sender(facts, out);
    } else {
        text_add(out, str_from(spf_result_name((enum spf_result)result)));
    }
    return true;
}
