/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "mail/spf_machine.h"

/* The terms of a record, one after the other: mechanisms and what they ask (RFC 7208 5). */

static void begin_include(struct spf *spf, const struct spf_name *target) {
    CHECK(spf->depth + 1 < SPF_DEPTH_MAX);
    spf->depth++;
    spf_top(spf)->domain = *target;
    spf_top(spf)->redirected = false;
    spf_ask_record(spf);
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
        spf_end_term(spf, spf_names_match(spf, name));
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
    if (!spf_may_look_up(spf)) {
        return;
    }
    const struct str needs = term->kind == SPF_TERM_PTR ? STR("%{p}") : term->domain;
    if (!spf_has_names_for(spf, needs, SPF_MACRO_IN_RECORD, SPF_STATE_TERMS)) {
        return;
    }
    spf->verdict.lookups++;
    spf_top(spf)->at = next;
    if (spf_expand_target(spf, term->domain, &target)) {
        begin_look_up(spf, term, &target);
    } else if (term->kind == SPF_TERM_INCLUDE) {
        spf_give_up(spf, SPF_PERMERROR, spf_name_str(&target),
                    " is no domain name, and an include names it");
    } else {
        spf_end_term(spf, false);
    }
}

void spf_step_terms(struct spf *spf) {
    struct spf_frame *frame = spf_top(spf);
    const struct str record = {frame->record, frame->record_length};
    const bool client_is_v4 = ip_address_is_v4(spf->query.client_address);
    size_t next = frame->at;
    if (!spf_record_next(record, &next, &frame->term)) {
        spf_step_redirect(spf, record);
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
        spf_end_term(spf, true);
        return;
    case SPF_TERM_IP4:
    case SPF_TERM_IP6:
        frame->at = next;
        spf_end_term(spf, client_is_v4 == (term->kind == SPF_TERM_IP4) &&
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
    spf_give_up_dns(spf);
    return false;
}

void spf_answer_addresses(struct spf *spf, const struct dns_answer *answer) {
    if (has_answer(spf, answer) && spf_may_be_void(spf, answer)) {
        spf_end_term(spf, matches_addresses(spf, &spf_top(spf)->term, answer));
    }
}

void spf_answer_exists(struct spf *spf, const struct dns_answer *answer) {
    if (has_answer(spf, answer) && spf_may_be_void(spf, answer)) {
        spf_end_term(spf, answer->count > 0);
    }
}

void spf_answer_exchangers(struct spf *spf, const struct dns_answer *answer) {
    enum { PREFERENCE_BYTES = 2 };
    struct spf_names *exchangers = &spf->exchangers;
    if (!has_answer(spf, answer) || !spf_may_be_void(spf, answer)) {
        return;
    }
    if (answer->count > SPF_MX_MAX) {
        spf_give_up(spf, SPF_PERMERROR, spf_name_str(&spf->asked_name),
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

void spf_step_exchanger(struct spf *spf) {
    const struct spf_names *exchangers = &spf->exchangers;
    if (exchangers->at == exchangers->count) {
        spf_end_term(spf, false);
    } else {
        spf_ask(spf, spf_address_type(spf), spf_name_str(&exchangers->name[exchangers->at]));
    }
}

void spf_answer_exchanger(struct spf *spf, const struct dns_answer *answer) {
    if (!has_answer(spf, answer)) {
        return;
    }
    if (matches_addresses(spf, &spf_top(spf)->term, answer)) {
        spf_end_term(spf, true);
    } else {
        spf->exchangers.at++;
    }
}
