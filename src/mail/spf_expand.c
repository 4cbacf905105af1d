/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf_machine.h"

/* The macros of a term, a modifier or an explanation (RFC 7208 7). */

bool spf_has_names_for(struct spf *spf, struct str text, enum spf_macro_place place,
                       enum spf_state again) {
    if (spf->names_known || !spf_macro_needs_name(text, place)) {
        return true;
    }
    spf->state = SPF_STATE_NAMES;
    spf->after_names = again;
    return false;
}

void spf_use_domain(struct spf *spf, struct str domain) {
    spf->values.domain = domain;
    spf->values.name = spf_names_best(spf, domain);
}

bool spf_expand_target(struct spf *spf, struct str domain_spec, struct spf_name *ret_name) {
    const struct str domain = spf_name_str(&spf_top(spf)->domain);
    if (domain_spec.length == 0) {
        spf_name_set(ret_name, domain);
        return true;
    }
    spf_use_domain(spf, domain);
    struct text out = TEXT_OVER(ret_name->bytes);
    const bool askable = spf_macro_expand_name(domain_spec, &spf->values, &out);
    ret_name->length = (uint16_t)out.length;
    return askable;
}
