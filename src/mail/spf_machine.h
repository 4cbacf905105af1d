/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/spf_macro.h"
#include "mail/spf_record.h"

/* Inside of check_host(): an evaluation on its way, and what the files of spf share. spf.c begins,
 * goes on and fetches records (RFC 7208 4), spf_terms.c has the mechanisms (5), spf_modifiers.c
 * redirect= and exp= (6), spf_expand.c and spf_names.c what macros need (7), spf_end.c the results
 * and limits (2.6, 4.6.4). */

/* What it does next, or, where a question is open, whose answer it waits for. */
enum spf_state {
    SPF_STATE_RECORD = 0,  /* TXT of the top frame's domain was asked */
    SPF_STATE_TERMS,       /* the top frame's next term */
    SPF_STATE_ADDRESSES,   /* "a": its addresses were asked */
    SPF_STATE_EXISTS,      /* "exists": A was asked */
    SPF_STATE_EXCHANGERS,  /* "mx": MX was asked */
    SPF_STATE_EXCHANGER,   /* "mx": the addresses of the next name */
    SPF_STATE_NAMES,       /* names of the client: PTR is to be asked, or was */
    SPF_STATE_NAME,        /* names of the client: the addresses of the next one */
    SPF_STATE_EXPLAIN,     /* a fail: whether an explanation is to be had */
    SPF_STATE_EXPLANATION, /* its TXT was asked */
    SPF_STATE_EXPLAINED,   /* its macros are to be expanded */
    SPF_STATE_DONE,
};

struct spf_name {
    uint16_t length;
    char bytes[DNS_NAME_MAX];
};

enum { SPF_NAMES_MAX = SPF_MX_MAX > SPF_PTR_MAX ? (int)SPF_MX_MAX : (int)SPF_PTR_MAX };
struct spf_names {
    size_t count;
    size_t at; /* that is asked, or is to be asked next */
    struct spf_name name[SPF_NAMES_MAX];
};

/* A record being evaluated: frame 0 is the top, the others were included. */
struct spf_frame {
    struct spf_name domain;
    size_t at; /* in the record, behind the term */
    struct spf_term term;
    bool redirected; /* domain is that of a redirect= */
    uint16_t record_length;
    char record[SPF_RECORD_MAX];
};

struct spf {
    struct spf_query query;
    spf_trace *trace;
    void *context;
    enum spf_state state;
    enum spf_state after_names; /* where it goes on when the client's names are known */
    bool asked;                 /* a question is open */
    enum dns_type asked_type;
    struct spf_name asked_name;
    struct spf_macro_values values; /* domain and name are set before each use */
    char origin[DNS_NAME_MAX];
    char helo[DNS_NAME_MAX];
    struct spf_names exchangers;
    struct spf_names names; /* of the client, confirmed ones alone once names_known */
    size_t confirmed;
    bool names_known;
    size_t depth; /* index of the top frame */
    struct spf_frame frames[SPF_DEPTH_MAX];
    struct spf_verdict verdict;
};

static inline struct str spf_name_str(const struct spf_name *name) {
    return (struct str){name->bytes, name->length};
}
/* `name` has at most DNS_NAME_MAX bytes. */
void spf_name_set(struct spf_name *name, struct str value);
/* Opens a question of at most DNS_NAME_MAX bytes. */
void spf_ask(struct spf *spf, enum dns_type type, struct str name);
/* A or AAAA, as the client's address is. */
enum dns_type spf_address_type(const struct spf *spf);

static inline struct spf_frame *spf_top(struct spf *spf) {
    return &spf->frames[spf->depth];
}
/* Asks for the record of the top frame's domain. */
void spf_ask_record(struct spf *spf);

/* The steps of the states of these names, and the answers to what they ask. */
void spf_step_terms(struct spf *spf);
void spf_step_exchanger(struct spf *spf);
void spf_answer_addresses(struct spf *spf, const struct dns_answer *answer);
void spf_answer_exists(struct spf *spf, const struct dns_answer *answer);
void spf_answer_exchangers(struct spf *spf, const struct dns_answer *answer);
void spf_answer_exchanger(struct spf *spf, const struct dns_answer *answer);
void spf_step_explain(struct spf *spf);
void spf_answer_explanation(struct spf *spf, const struct dns_answer *answer);
void spf_step_explained(struct spf *spf);
/* No term matched: redirect=, else neutral. */
void spf_step_redirect(struct spf *spf, struct str record);

/* True when the macros of the text can be expanded now. False: the client's names are asked first,
 * then it goes on at `again`. */
bool spf_has_names_for(struct spf *spf, struct str text, enum spf_macro_place place,
                       enum spf_state again);
/* %{d} and %{p} of what is expanded next. */
void spf_use_domain(struct spf *spf, struct str domain);
/* The domain that a term names, that of the record when it names none. False: there is no such
 * name. */
bool spf_expand_target(struct spf *spf, struct str domain_spec, struct spf_name *ret_name);

/* Goes on with the names of the client (RFC 7208 5.5): the steps of SPF_STATE_NAMES and
 * SPF_STATE_NAME, and the answers to what they ask. */
void spf_names_step(struct spf *spf);
void spf_names_answer(struct spf *spf, const struct dns_answer *answer);
/* Whether a confirmed name is `domain` or below it. */
bool spf_names_match(const struct spf *spf, struct str domain);
/* %{p} for `domain`: the name itself, else one below it, else any; "" when none is confirmed. */
struct str spf_names_best(const struct spf *spf, struct str domain);

/* The whole evaluation ends with this result; a fail may be explained first. */
void spf_conclude(struct spf *spf, enum spf_result result);
/* The record of the top frame says `result`; an included one has said so to the frame that includes
 * it, and there counts only whether it is a pass (RFC 7208 5.2). */
void spf_end_record(struct spf *spf, enum spf_result result);
void spf_end_term(struct spf *spf, bool matches);
/* An error ends the whole evaluation, however deep; verdict.problem says why. */
void spf_stop(struct spf *spf, enum spf_result result, const struct text *problem);
/* Starts that sentence, with the domain it is about. */
struct text spf_start_problem(struct spf *spf, struct str domain);
void spf_give_up(struct spf *spf, enum spf_result result, struct str domain, const char *sentence);
/* The open question was not answered. */
void spf_give_up_dns(struct spf *spf);
/* False: the evaluation has ended, because there were too many before. */
bool spf_may_look_up(struct spf *spf);
bool spf_may_be_void(struct spf *spf, const struct dns_answer *answer);

/* Lines of the trace; nothing without one. */
void spf_trace_record(const struct spf *spf, struct str record);
void spf_trace_question(const struct spf *spf);
void spf_trace_answer(const struct spf *spf, const struct dns_answer *answer);
void spf_trace_term(const struct spf *spf, const struct spf_term *term, bool matches);
/* "pass", "permerror: why" of the frame that ends. */
void spf_trace_result(const struct spf *spf, enum spf_result result, struct str problem);
