/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf.h"

#include <string.h>

#include "base/check.h"
#include "mail/mail_address.h"
#include "mail/spf_machine.h"

_Static_assert(sizeof(struct spf) < 64 * 1024, "as spf.h promises");

const char *spf_result_name(enum spf_result result) {
    static const char *const names[SPF_RESULTS] = {"none",    "pass",      "fail",     "softfail",
                                                   "neutral", "temperror", "permerror"};
    return result < SPF_RESULTS ? names[result] : "unknown";
}

size_t spf_bytes(void) {
    return sizeof(struct spf);
}

void spf_name_set(struct spf_name *name, struct str value) {
    CHECK(value.length <= sizeof name->bytes);
    if (value.length > 0) {
        memcpy(name->bytes, value.data, value.length);
    }
    name->length = (uint16_t)value.length;
}

void spf_ask(struct spf *spf, enum dns_type type, struct str name) {
    spf_name_set(&spf->asked_name, name);
    spf->asked_type = type;
    spf->asked = true;
    spf_trace_question(spf);
}

enum dns_type spf_address_type(const struct spf *spf) {
    return ip_address_is_v4(spf->query.client_address) ? DNS_A : DNS_AAAA;
}

void spf_ask_record(struct spf *spf) {
    struct spf_frame *frame = spf_top(spf);
    frame->at = 0;
    frame->record_length = 0;
    frame->term = (struct spf_term){.kind = SPF_TERM_ALL};
    spf->state = SPF_STATE_RECORD;
    spf_ask(spf, DNS_TXT, spf_name_str(&frame->domain));
}

/* None at the top; of an include or redirect an error (RFC 7208 5.2, 6.1). */
static void no_record(struct spf *spf) {
    if (spf->depth == 0 && !spf_top(spf)->redirected) {
        spf_conclude(spf, SPF_NONE);
    } else {
        spf_give_up(spf, SPF_PERMERROR, spf_name_str(&spf_top(spf)->domain),
                    " has no SPF record, and another record names it");
    }
}

static void take_record(struct spf *spf, struct str record) {
    struct spf_frame *frame = spf_top(spf);
    spf_trace_record(spf, record);
    if (record.length > SPF_RECORD_MAX) {
        spf_give_up(spf, SPF_PERMERROR, spf_name_str(&frame->domain),
                    ": its SPF record is longer than 4096 bytes");
        return;
    }
    memcpy(frame->record, record.data, record.length);
    frame->record_length = (uint16_t)record.length;
    const struct str kept = {frame->record, frame->record_length};
    struct text nowhere = {.data = NULL, .size = 0};
    if (spf_record_valid(kept, &nowhere)) {
        spf->state = SPF_STATE_TERMS;
        return;
    }
    struct text problem = spf_start_problem(spf, spf_name_str(&frame->domain));
    text_add(&problem, STR(": "));
    (void)spf_record_valid(kept, &problem);
    spf_stop(spf, SPF_PERMERROR, &problem);
}

static void answer_record(struct spf *spf, const struct dns_answer *answer) {
    struct str record = {NULL, 0};
    size_t found = 0;
    if (answer->status != DNS_FOUND) {
        if (dns_has_no_record(answer->status)) {
            no_record(spf);
        } else {
            spf_give_up_dns(spf);
        }
        return;
    }
    for (size_t i = 0; i < answer->count; i++) {
        if (spf_is_record(answer->items[i])) {
            record = answer->items[i];
            found++;
        }
    }
    if (found == 0) {
        no_record(spf);
    } else if (found > 1) {
        spf_give_up(spf, SPF_PERMERROR, spf_name_str(&spf_top(spf)->domain),
                    " has more than one SPF record; it may have one");
    } else {
        take_record(spf, record);
    }
}

/* What check_host() is asked about: a name of several labels, none of them odd (RFC 7208 4.3). */
static bool is_domain(struct str domain) {
    const size_t dot = str_find_last(domain, '.');
    bool number = true;
    for (size_t i = 0; i < domain.length; i++) {
        const char c = ascii_lower(domain.data[i]);
        const bool digit = c >= '0' && c <= '9';
        number = number && (digit || i <= dot);
        if (!digit && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return dot != SIZE_MAX && !number && spf_name_is_askable(domain);
}

/* In A-labels when it has letters beyond ASCII (RFC 8616), else as it is written, without the last
 * dot. What does not fit is none. */
static struct str plain_domain(struct str domain, char room[static DNS_NAME_MAX]) {
    struct text out = {.data = room, .size = DNS_NAME_MAX};
    if (str_ascii_length(domain) < domain.length) {
        mail_domain_normalise(domain, &out);
    } else {
        text_add(&out,
                 str_ends(domain, STR(".")) ? str_slice(domain, 0, domain.length - 1) : domain);
    }
    return out.truncated ? (struct str){NULL, 0} : text_str(&out);
}

static void set_values(struct spf *spf) {
    struct spf_macro_values *values = &spf->values;
    struct str local = {NULL, 0};
    struct str domain = {NULL, 0};
    mail_address_split(spf->query.sender, &local, &domain);
    values->helo = plain_domain(spf->query.helo_name, spf->helo);
    values->local = local.length > 0 ? local : STR("postmaster");
    values->origin =
        spf->query.sender.length > 0 ? plain_domain(domain, spf->origin) : values->helo;
    values->receiver = spf->query.receiver;
    values->client_address = spf->query.client_address;
    values->wall_s = spf->query.wall_s;
    values->personal = &spf->verdict.personal;
}

struct spf *spf_start(void *memory, const struct spf_query *query, spf_trace *trace,
                      void *context) {
    struct spf *spf = memory;
    /* Not the frames, which are most of it. */
    memset(spf, 0, offsetof(struct spf, exchangers));
    memset(&spf->verdict, 0, sizeof spf->verdict);
    spf->names.count = 0;
    spf->names.at = 0;
    spf->confirmed = 0;
    spf->names_known = false;
    spf->depth = 0;
    spf->query = *query;
    spf->trace = trace;
    spf->context = context;
    set_values(spf);
    const struct str domain = spf->values.origin;
    struct text lower = TEXT_OVER(spf->verdict.domain);
    text_add_lower(&lower, domain);
    spf->verdict.domain_length = (uint16_t)lower.length;
    spf_top(spf)->redirected = false;
    spf_name_set(&spf_top(spf)->domain, domain);
    if (is_domain(domain)) {
        spf_ask_record(spf);
    } else {
        spf_top(spf)->term = (struct spf_term){.kind = SPF_TERM_ALL};
        spf_conclude(spf, SPF_NONE);
    }
    return spf;
}

static void advance(struct spf *spf) {
    switch (spf->state) {
    case SPF_STATE_TERMS:
        spf_step_terms(spf);
        return;
    case SPF_STATE_EXCHANGER:
        spf_step_exchanger(spf);
        return;
    case SPF_STATE_NAMES:
    case SPF_STATE_NAME:
        spf_names_step(spf);
        return;
    case SPF_STATE_EXPLAIN:
        spf_step_explain(spf);
        return;
    case SPF_STATE_EXPLAINED:
        spf_step_explained(spf);
        return;
    case SPF_STATE_RECORD:
    case SPF_STATE_ADDRESSES:
    case SPF_STATE_EXISTS:
    case SPF_STATE_EXCHANGERS:
    case SPF_STATE_EXPLANATION:
    case SPF_STATE_DONE:
        break;
    }
    CHECK(false && "a state that waits has an open question");
}

bool spf_step(struct spf *spf, struct dns_question *ret_question, struct spf_verdict *ret_verdict) {
    while (!spf->asked && spf->state != SPF_STATE_DONE) {
        advance(spf);
    }
    if (spf->asked) {
        *ret_question = (struct dns_question){spf->asked_type, spf_name_str(&spf->asked_name)};
        return true;
    }
    *ret_verdict = spf->verdict;
    return false;
}

void spf_answer(struct spf *spf, const struct dns_answer *answer) {
    static void (*const answers[])(struct spf *, const struct dns_answer *) = {
        [SPF_STATE_RECORD] = answer_record,
        [SPF_STATE_ADDRESSES] = spf_answer_addresses,
        [SPF_STATE_EXISTS] = spf_answer_exists,
        [SPF_STATE_EXCHANGERS] = spf_answer_exchangers,
        [SPF_STATE_EXCHANGER] = spf_answer_exchanger,
        [SPF_STATE_NAMES] = spf_names_answer,
        [SPF_STATE_NAME] = spf_names_answer,
        [SPF_STATE_EXPLANATION] = spf_answer_explanation,
        [SPF_STATE_DONE] = NULL,
    };
    CHECK(spf->asked && answers[spf->state] != NULL);
    spf->asked = false;
    spf_trace_answer(spf, answer);
    answers[spf->state](spf, answer);
}
