/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mail/spf_machine.h"

/* redirect= and exp= (RFC 7208 6). */

void spf_step_redirect(struct spf *spf, struct str record) {
    struct spf_frame *frame = spf_top(spf);
    struct spf_term term;
    struct spf_name target;
    frame->term = (struct spf_term){.kind = SPF_TERM_ALL};
    if (!spf_record_find(record, SPF_TERM_REDIRECT, &term)) {
        spf_end_record(spf, SPF_NEUTRAL);
        return;
    }
    if (!spf_may_look_up(spf) ||
        !spf_has_names_for(spf, term.domain, SPF_MACRO_IN_RECORD, SPF_STATE_TERMS)) {
        return;
    }
    spf->verdict.lookups++;
    if (!spf_expand_target(spf, term.domain, &target)) {
        spf_give_up(spf, SPF_PERMERROR, spf_name_str(&target),
                    " is no domain name, and a redirect names it");
        return;
    }
    frame->domain = target;
    frame->redirected = true;
    spf_ask_record(spf);
}

/* Any error here is as if there were no exp= (RFC 7208 6.2). */
void spf_step_explain(struct spf *spf) {
    const struct spf_frame *frame = spf_top(spf);
    struct spf_term exp;
    struct spf_name target;
    if (!spf_record_find((struct str){frame->record, frame->record_length}, SPF_TERM_EXP, &exp)) {
        spf->state = SPF_STATE_DONE;
        return;
    }
    if (!spf_has_names_for(spf, exp.domain, SPF_MACRO_IN_RECORD, SPF_STATE_EXPLAIN)) {
        return;
    }
    if (!spf_expand_target(spf, exp.domain, &target)) {
        spf->state = SPF_STATE_DONE;
        return;
    }
    spf->state = SPF_STATE_EXPLANATION;
    spf_ask(spf, DNS_TXT, spf_name_str(&target));
}

/* The record is not needed any more: the text takes its place. */
void spf_answer_explanation(struct spf *spf, const struct dns_answer *answer) {
    struct spf_frame *frame = spf_top(spf);
    spf->state = SPF_STATE_DONE;
    if (answer->status != DNS_FOUND || answer->count != 1) {
        return;
    }
    const struct str text = answer->items[0];
    if (text.length == 0 || text.length > SPF_RECORD_MAX ||
        spf_macro_problem(text, SPF_MACRO_IN_EXPLANATION) != NULL) {
        return;
    }
    memcpy(frame->record, text.data, text.length);
    frame->record_length = (uint16_t)text.length;
    spf->state = SPF_STATE_EXPLAINED;
}

void spf_step_explained(struct spf *spf) {
    const struct spf_frame *frame = spf_top(spf);
    const struct str text = {frame->record, frame->record_length};
    if (!spf_has_names_for(spf, text, SPF_MACRO_IN_EXPLANATION, SPF_STATE_EXPLAINED)) {
        return;
    }
    struct text out = TEXT_OVER(spf->verdict.explanation);
    spf_use_domain(spf, spf_name_str(&frame->domain));
    spf_macro_expand(text, SPF_MACRO_IN_EXPLANATION, &spf->values, &out);
    for (size_t i = 0; i < out.length; i++) {
        const char c = out.data[i];
        out.data[i] = c >= ' ' && c < 0x7f ? c : '?';
    }
    spf->verdict.explanation_length = (uint16_t)out.length;
    spf->state = SPF_STATE_DONE;
}
