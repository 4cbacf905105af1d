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

static struct spf_frame *top(struct spf *spf) {
    return &spf->frames[spf->depth];
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

/* --- ends ------------------------------------------------------------------------------------- */

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

static void conclude(struct spf *spf, enum spf_result result) {
    spf->verdict.result = result;
    set_mechanism(spf);
    spf_trace_result(spf, result, (struct str){NULL, 0});
    spf->state = result == SPF_FAIL && spf->query.explain ? SPF_STATE_EXPLAIN : SPF_STATE_DONE;
}

/* An error ends the whole evaluation, however deep; verdict.problem says why. */
static void stop(struct spf *spf, enum spf_result result, const struct text *problem) {
    spf->verdict.problem_length = (uint16_t)problem->length;
    spf->verdict.result = result;
    set_mechanism(spf);
    spf_trace_result(spf, result, text_str(problem));
    spf->state = SPF_STATE_DONE;
}

/* Starts the sentence about a domain. */
static struct text start_problem(struct spf *spf, struct str domain) {
    enum { DOMAIN_SHOWN_MAX = 80 };
    struct text problem = TEXT_OVER(spf->verdict.problem);
    text_add_escaped(&problem, str_slice(domain, 0, DOMAIN_SHOWN_MAX));
    text_add(&problem, domain.length > DOMAIN_SHOWN_MAX ? STR("...") : STR(""));
    return problem;
}

static void give_up(struct spf *spf, enum spf_result result, struct str domain,
                    const char *sentence) {
    struct text problem = start_problem(spf, domain);
    text_add(&problem, str_from(sentence));
    stop(spf, result, &problem);
}

/* The record of the top frame says `result`; an included one has said so to the frame that includes
 * it, and there counts only whether it is a pass (RFC 7208 5.2). */
static void end_record(struct spf *spf, enum spf_result result) {
    while (spf->depth > 0) {
        spf_trace_result(spf, result, (struct str){NULL, 0});
        spf->depth--;
        const bool matches = result == SPF_PASS;
        spf_trace_term(spf, &top(spf)->term, matches);
        if (!matches) {
            spf->state = SPF_STATE_TERMS;
            return;
        }
        result = top(spf)->term.result;
    }
    conclude(spf, result);
}

static void end_term(struct spf *spf, bool matches) {
    spf_trace_term(spf, &top(spf)->term, matches);
    spf->state = SPF_STATE_TERMS;
    if (matches) {
        end_record(spf, top(spf)->term.result);
    }
}

static void give_up_dns(struct spf *spf) {
    give_up(spf, SPF_TEMPERROR, spf_name_str(&spf->asked_name),
            ": the DNS gave no answer, or an error");
}

/* --- limits ----------------------------------------------------------------------------------- */

static bool may_look_up(struct spf *spf) {
    if (spf->verdict.lookups < SPF_LOOKUPS_MAX) {
        return true;
    }
    give_up(spf, SPF_PERMERROR, spf_name_str(&top(spf)->domain),
            ": more than 10 terms ask the DNS (RFC 7208 4.6.4)");
    return false;
}

/* Of what the owner of the record wrote. Not counted: hosts of mx without an address of the
 * client's kind, and the client's own names, for with these the client would choose the result. */
static bool may_be_void(struct spf *spf, const struct dns_answer *answer) {
    if (!dns_has_no_record(answer->status) || ++spf->verdict.void_lookups <= SPF_VOID_LOOKUPS_MAX) {
        return true;
    }
    give_up(spf, SPF_PERMERROR, spf_name_str(&spf->asked_name),
            ": more than 2 look-ups without a record (RFC 7208 4.6.4)");
    return false;
}

/* --- records ---------------------------------------------------------------------------------- */

static void ask_record(struct spf *spf) {
    struct spf_frame *frame = top(spf);
    frame->at = 0;
    frame->record_length = 0;
    frame->term = (struct spf_term){.kind = SPF_TERM_ALL};
    spf->state = SPF_STATE_RECORD;
    spf_ask(spf, DNS_TXT, spf_name_str(&frame->domain));
}

/* None at the top; of an include or redirect an error (RFC 7208 5.2, 6.1). */
static void no_record(struct spf *spf) {
    if (spf->depth == 0 && !top(spf)->redirected) {
        conclude(spf, SPF_NONE);
    } else {
        give_up(spf, SPF_PERMERROR, spf_name_str(&top(spf)->domain),
                " has no SPF record, and another record names it");
    }
}

static void take_record(struct spf *spf, struct str record) {
    struct spf_frame *frame = top(spf);
    spf_trace_record(spf, record);
    if (record.length > SPF_RECORD_MAX) {
        give_up(spf, SPF_PERMERROR, spf_name_str(&frame->domain),
                ": its SPF record is longer than 4096 bytes");
        return;
    }
    memcpy(frame->record, record.data, record.length);
    frame->record_length = (uint16_t)record.length;
    struct text problem = start_problem(spf, spf_name_str(&frame->domain));
    text_add(&problem, STR(": "));
    if (spf_record_valid((struct str){frame->record, frame->record_length}, &problem)) {
        spf->state = SPF_STATE_TERMS;
    } else {
        stop(spf, SPF_PERMERROR, &problem);
    }
}

static void answer_record(struct spf *spf, const struct dns_answer *answer) {
    struct str record = {NULL, 0};
    size_t found = 0;
    if (answer->status != DNS_FOUND) {
        if (dns_has_no_record(answer->status)) {
            no_record(spf);
        } else {
            give_up_dns(spf);
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
        give_up(spf, SPF_PERMERROR, spf_name_str(&top(spf)->domain),
                " has more than one SPF record; it may have one");
    } else {
        take_record(spf, record);
    }
}

/* --- terms ------------------------------------------------------------------------------------ */

/* True when the macros of the text can be expanded now. False: the client's names are asked first,
 * then it goes on at `again`. */
static bool has_names_for(struct spf *spf, struct str text, enum spf_macro_place place,
                          enum spf_state again) {
    if (spf->names_known || !spf_macro_needs_name(text, place)) {
        return true;
    }
    spf->state = SPF_STATE_NAMES;
    spf->after_names = again;
    return false;
}

static void use_domain(struct spf *spf, struct str domain) {
    spf->values.domain = domain;
    spf->values.name = spf_names_best(spf, domain);
}

/* The domain that the term names, that of the record when it names none. False: there is no such
 * name. */
static bool expand_target(struct spf *spf, struct str domain_spec, struct spf_name *ret_name) {
    const struct str domain = spf_name_str(&top(spf)->domain);
    if (domain_spec.length == 0) {
        spf_name_set(ret_name, domain);
        return true;
    }
    use_domain(spf, domain);
    struct text out = TEXT_OVER(ret_name->bytes);
    const bool askable = spf_macro_expand_name(domain_spec, &spf->values, &out);
    ret_name->length = (uint16_t)out.length;
    return askable;
}

static void begin_include(struct spf *spf, const struct spf_name *target) {
    CHECK(spf->depth + 1 < SPF_DEPTH_MAX);
    spf->depth++;
    top(spf)->domain = *target;
    top(spf)->redirected = false;
    ask_record(spf);
}

/* A term that asks the DNS about `target`. */
static void begin_look_up(struct spf *spf, const struct spf_term *term,
                          const struct spf_name *target) {
    const struct str name = spf_name_str(target);
    switch (term->kind) {
    case SPF_TERM_INCLUDE:
        begin_include(spf, target);
        return;
    case SPF_TERM_A:
        spf->state = SPF_STATE_ADDRESSES;
        spf_ask(spf, spf_address_type(spf), name);
        return;
    case SPF_TERM_MX:
        spf->state = SPF_STATE_EXCHANGERS;
        spf_ask(spf, DNS_MX, name);
        return;
    case SPF_TERM_EXISTS:
        spf->state = SPF_STATE_EXISTS;
        spf_ask(spf, DNS_A, name);
        return;
    case SPF_TERM_PTR: /* the names are known */
        end_term(spf, spf_names_match(spf, name));
        return;
    case SPF_TERM_ALL:
    case SPF_TERM_IP4:
    case SPF_TERM_IP6:
    case SPF_TERM_REDIRECT:
    case SPF_TERM_EXP:
    case SPF_TERM_UNKNOWN:
        break;
    }
    CHECK(false && "a term that asks nothing");
}

static void step_look_up(struct spf *spf, const struct spf_term *term, size_t next) {
    struct spf_name target;
    if (!may_look_up(spf)) {
        return;
    }
    const struct str needs = term->kind == SPF_TERM_PTR ? STR("%{p}") : term->domain;
    if (!has_names_for(spf, needs, SPF_MACRO_IN_RECORD, SPF_STATE_TERMS)) {
        return;
    }
    spf->verdict.lookups++;
    top(spf)->at = next;
    if (expand_target(spf, term->domain, &target)) {
        begin_look_up(spf, term, &target);
    } else if (term->kind == SPF_TERM_INCLUDE) {
        give_up(spf, SPF_PERMERROR, spf_name_str(&target),
                " is no domain name, and an include names it");
    } else {
        end_term(spf, false);
    }
}

/* No term matched: redirect=, else neutral. */
static void step_redirect(struct spf *spf, struct str record) {
    struct spf_frame *frame = top(spf);
    struct spf_term term;
    struct spf_name target;
    frame->term = (struct spf_term){.kind = SPF_TERM_ALL};
    if (!spf_record_find(record, SPF_TERM_REDIRECT, &term)) {
        end_record(spf, SPF_NEUTRAL);
        return;
    }
    if (!may_look_up(spf) ||
        !has_names_for(spf, term.domain, SPF_MACRO_IN_RECORD, SPF_STATE_TERMS)) {
        return;
    }
    spf->verdict.lookups++;
    if (!expand_target(spf, term.domain, &target)) {
        give_up(spf, SPF_PERMERROR, spf_name_str(&target),
                " is no domain name, and a redirect names it");
        return;
    }
    frame->domain = target;
    frame->redirected = true;
    ask_record(spf);
}

static void step_terms(struct spf *spf) {
    struct spf_frame *frame = top(spf);
    const struct str record = {frame->record, frame->record_length};
    const bool client_is_v4 = ip_address_is_v4(spf->query.client_address);
    size_t next = frame->at;
    if (!spf_record_next(record, &next, &frame->term)) {
        step_redirect(spf, record);
        return;
    }
    const struct spf_term *term = &frame->term;
    switch (term->kind) {
    case SPF_TERM_REDIRECT:
    case SPF_TERM_EXP:
    case SPF_TERM_UNKNOWN:
        frame->at = next;
        return;
    case SPF_TERM_ALL:
        frame->at = next;
        end_term(spf, true);
        return;
    case SPF_TERM_IP4:
    case SPF_TERM_IP6:
        frame->at = next;
        end_term(spf, client_is_v4 == (term->kind == SPF_TERM_IP4) &&
                          ip_prefix_contains(term->network, spf->query.client_address));
        return;
    case SPF_TERM_INCLUDE:
    case SPF_TERM_A:
    case SPF_TERM_MX:
    case SPF_TERM_PTR:
    case SPF_TERM_EXISTS:
        step_look_up(spf, term, next);
        return;
    }
}

/* --- answers to terms ------------------------------------------------------------------------- */

/* The address of an A or AAAA record; false: no such thing. */
static bool read_address(struct str item, struct ip_address *ret_address) {
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (item.length == sizeof ret_address->bytes) {
        memcpy(ret_address->bytes, item.data, item.length);
        return true;
    }
    if (item.length != sizeof ret_address->bytes - sizeof mapped) {
        return false;
    }
    memcpy(ret_address->bytes, mapped, sizeof mapped);
    memcpy(ret_address->bytes + sizeof mapped, item.data, item.length);
    return true;
}

/* Whether the client is in the network of one of the addresses. */
static bool matches_addresses(const struct spf *spf, const struct spf_term *term,
                              const struct dns_answer *answer) {
    enum { V4_OFFSET = 96 };
    const struct ip_address client = spf->query.client_address;
    const bool client_is_v4 = ip_address_is_v4(client);
    const unsigned bits =
        client_is_v4 ? (unsigned)V4_OFFSET + term->bits_v4 : (unsigned)term->bits_v6;
    const struct ip_address network = ip_address_mask(client, bits);
    for (size_t i = 0; i < answer->count; i++) {
        struct ip_address address;
        if (read_address(answer->items[i], &address) && ip_address_is_v4(address) == client_is_v4 &&
            ip_address_equal(ip_address_mask(address, bits), network)) {
            return true;
        }
    }
    return false;
}

/* True when there is an answer to go on with; else the evaluation has ended. */
static bool has_answer(struct spf *spf, const struct dns_answer *answer) {
    if (answer->status == DNS_FOUND || dns_has_no_record(answer->status)) {
        return true;
    }
    give_up_dns(spf);
    return false;
}

static void answer_addresses(struct spf *spf, const struct dns_answer *answer) {
    if (has_answer(spf, answer) && may_be_void(spf, answer)) {
        end_term(spf, matches_addresses(spf, &top(spf)->term, answer));
    }
}

static void answer_exists(struct spf *spf, const struct dns_answer *answer) {
    if (has_answer(spf, answer) && may_be_void(spf, answer)) {
        end_term(spf, answer->count > 0);
    }
}

static void answer_exchangers(struct spf *spf, const struct dns_answer *answer) {
    enum { PREFERENCE_BYTES = 2 };
    struct spf_names *exchangers = &spf->exchangers;
    if (!has_answer(spf, answer) || !may_be_void(spf, answer)) {
        return;
    }
    if (answer->count > SPF_MX_MAX) {
        give_up(spf, SPF_PERMERROR, spf_name_str(&spf->asked_name),
                " has more than 10 mail exchangers (RFC 7208 4.6.4)");
        return;
    }
    exchangers->count = 0;
    exchangers->at = 0;
    for (size_t i = 0; i < answer->count; i++) {
        const struct str name = str_slice(answer->items[i], PREFERENCE_BYTES, SIZE_MAX);
        if (spf_name_is_askable(name)) {
            spf_name_set(&exchangers->name[exchangers->count++], name);
        }
    }
    spf->state = SPF_STATE_EXCHANGER;
}

static void step_exchanger(struct spf *spf) {
    const struct spf_names *exchangers = &spf->exchangers;
    if (exchangers->at == exchangers->count) {
        end_term(spf, false);
    } else {
        spf_ask(spf, spf_address_type(spf), spf_name_str(&exchangers->name[exchangers->at]));
    }
}

static void answer_exchanger(struct spf *spf, const struct dns_answer *answer) {
    if (!has_answer(spf, answer)) {
        return;
    }
    if (matches_addresses(spf, &top(spf)->term, answer)) {
        end_term(spf, true);
    } else {
        spf->exchangers.at++;
    }
}

/* --- the explanation of a fail ---------------------------------------------------------------- */

/* Any error here is as if there were no exp= (RFC 7208 6.2). */
static void step_explain(struct spf *spf) {
    const struct spf_frame *frame = top(spf);
    struct spf_term exp;
    struct spf_name target;
    if (!spf_record_find((struct str){frame->record, frame->record_length}, SPF_TERM_EXP, &exp)) {
        spf->state = SPF_STATE_DONE;
        return;
    }
    if (!has_names_for(spf, exp.domain, SPF_MACRO_IN_RECORD, SPF_STATE_EXPLAIN)) {
        return;
    }
    if (!expand_target(spf, exp.domain, &target)) {
        spf->state = SPF_STATE_DONE;
        return;
    }
    spf->state = SPF_STATE_EXPLANATION;
    spf_ask(spf, DNS_TXT, spf_name_str(&target));
}

/* The record is not needed any more: the text takes its place. */
static void answer_explanation(struct spf *spf, const struct dns_answer *answer) {
    struct spf_frame *frame = top(spf);
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

static void step_explained(struct spf *spf) {
    const struct spf_frame *frame = top(spf);
    const struct str text = {frame->record, frame->record_length};
    if (!has_names_for(spf, text, SPF_MACRO_IN_EXPLANATION, SPF_STATE_EXPLAINED)) {
        return;
    }
    struct text out = TEXT_OVER(spf->verdict.explanation);
    use_domain(spf, spf_name_str(&frame->domain));
    spf_macro_expand(text, SPF_MACRO_IN_EXPLANATION, &spf->values, &out);
    for (size_t i = 0; i < out.length; i++) {
        const char c = out.data[i];
        out.data[i] = c >= ' ' && c < 0x7f ? c : '?';
    }
    spf->verdict.explanation_length = (uint16_t)out.length;
    spf->state = SPF_STATE_DONE;
}

/* --- the machine ------------------------------------------------------------------------------ */

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
    top(spf)->redirected = false;
    spf_name_set(&top(spf)->domain, domain);
    if (is_domain(domain)) {
        ask_record(spf);
    } else {
        top(spf)->term = (struct spf_term){.kind = SPF_TERM_ALL};
        conclude(spf, SPF_NONE);
    }
    return spf;
}

static void advance(struct spf *spf) {
    switch (spf->state) {
    case SPF_STATE_TERMS:
        step_terms(spf);
        return;
    case SPF_STATE_EXCHANGER:
        step_exchanger(spf);
        return;
    case SPF_STATE_NAMES:
    case SPF_STATE_NAME:
        spf_names_step(spf);
        return;
    case SPF_STATE_EXPLAIN:
        step_explain(spf);
        return;
    case SPF_STATE_EXPLAINED:
        step_explained(spf);
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
        [SPF_STATE_ADDRESSES] = answer_addresses,
        [SPF_STATE_EXISTS] = answer_exists,
        [SPF_STATE_EXCHANGERS] = answer_exchangers,
        [SPF_STATE_EXCHANGER] = answer_exchanger,
        [SPF_STATE_NAMES] = spf_names_answer,
        [SPF_STATE_NAME] = spf_names_answer,
        [SPF_STATE_EXPLANATION] = answer_explanation,
        [SPF_STATE_DONE] = NULL,
    };
    CHECK(spf->asked && answers[spf->state] != NULL);
    spf->asked = false;
    spf_trace_answer(spf, answer);
    answers[spf->state](spf, answer);
}
