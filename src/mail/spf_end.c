/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf_machine.h"

/* How an evaluation, a record and a term end, and what bounds them (RFC 7208 2.6, 4.6.4, 4.7). */

static void set_mechanism(struct spf *spf) {
    const struct spf_frame *frame = &spf->frames[0];
    struct text mechanism = TEXT_OVER(spf->verdict.mechanism);
    if (frame->redirected) {
        text_add(&mechanism, STR("redirect="));
        text_add(&mechanism, spf_name_str(&frame->domain));
    }
    if (frame->term.text.length > 0) {
        text_add(&mechanism, frame->redirected ? STR(" ") : STR(""));
        text_add(&mechanism, frame->term.text);
    }
    spf->verdict.mechanism_length = (uint16_t)mechanism.length;
}

void spf_conclude(struct spf *spf, enum spf_result result) {
    spf->verdict.result = result;
    set_mechanism(spf);
    spf_trace_result(spf, result, (struct str){NULL, 0});
    spf->state = result == SPF_FAIL && spf->query.explain ? SPF_STATE_EXPLAIN : SPF_STATE_DONE;
}

void spf_stop(struct spf *spf, enum spf_result result, const struct text *problem) {
    spf->verdict.problem_length = (uint16_t)problem->length;
    spf->verdict.result = result;
    set_mechanism(spf);
    spf_trace_result(spf, result, text_str(problem));
    spf->state = SPF_STATE_DONE;
}

struct text spf_start_problem(struct spf *spf, struct str domain) {
    enum { DOMAIN_SHOWN_MAX = 80 };
    struct text problem = TEXT_OVER(spf->verdict.problem);
    text_add_escaped(&problem, str_slice(domain, 0, DOMAIN_SHOWN_MAX));
    text_add(&problem, domain.length > DOMAIN_SHOWN_MAX ? STR("...") : STR(""));
    return problem;
}

void spf_give_up(struct spf *spf, enum spf_result result, struct str domain, const char *sentence) {
    struct text problem = spf_start_problem(spf, domain);
    text_add(&problem, str_from(sentence));
    spf_stop(spf, result, &problem);
}

void spf_end_record(struct spf *spf, enum spf_result result) {
    while (spf->depth > 0) {
        spf_trace_result(spf, result, (struct str){NULL, 0});
        spf->depth--;
        const bool matches = result == SPF_PASS;
        spf_trace_term(spf, &spf_top(spf)->term, matches);
        if (!matches) {
            spf->state = SPF_STATE_TERMS;
            return;
        }
        result = spf_top(spf)->term.result;
    }
    spf_conclude(spf, result);
}

void spf_end_term(struct spf *spf, bool matches) {
    spf_trace_term(spf, &spf_top(spf)->term, matches);
    spf->state = SPF_STATE_TERMS;
    if (matches) {
        spf_end_record(spf, spf_top(spf)->term.result);
    }
}

void spf_give_up_dns(struct spf *spf) {
    spf_give_up(spf, SPF_TEMPERROR, spf_name_str(&spf->asked_name),
                ": the DNS gave no answer, or an error");
}

bool spf_may_look_up(struct spf *spf) {
    if (spf->verdict.lookups < SPF_LOOKUPS_MAX) {
        return true;
    }
    spf_give_up(spf, SPF_PERMERROR, spf_name_str(&spf_top(spf)->domain),
                ": more than 10 terms ask the DNS (RFC 7208 4.6.4)");
    return false;
}

/* Of what the owner of the record wrote. Not counted: hosts of mx without an address of the
 * client's kind, and the client's own names, for with these the client would choose the result. */
bool spf_may_be_void(struct spf *spf, const struct dns_answer *answer) {
    if (!dns_has_no_record(answer->status) || ++spf->verdict.void_lookups <= SPF_VOID_LOOKUPS_MAX) {
        return true;
    }
    spf_give_up(spf, SPF_PERMERROR, spf_name_str(&spf->asked_name),
                ": more than 2 look-ups without a record (RFC 7208 4.6.4)");
    return false;
}
