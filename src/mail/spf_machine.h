/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/spf_macro.h"
#include "mail/spf_record.h"

/* Inside of spf.c, spf_names.c and spf_trace.c: an evaluation on its way. */

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

/* Goes on with the names of the client (RFC 7208 5.5): the steps of SPF_STATE_NAMES and
 * SPF_STATE_NAME, and the answers to what they ask. */
void spf_names_step(struct spf *spf);
void spf_names_answer(struct spf *spf, const struct dns_answer *answer);
/* Whether a confirmed name is `domain` or below it. */
bool spf_names_match(const struct spf *spf, struct str domain);
/* %{p} for `domain`: the name itself, else one below it, else any; "" when none is confirmed. */
struct str spf_names_best(const struct spf *spf, struct str domain);

/* Lines of the trace; nothing without one. */
void spf_trace_record(const struct spf *spf, struct str record);
void spf_trace_question(const struct spf *spf);
void spf_trace_answer(const struct spf *spf, const struct dns_answer *answer);
void spf_trace_term(const struct spf *spf, const struct spf_term *term, bool matches);
/* "pass", "permerror: why" of the frame that ends. */
void spf_trace_result(const struct spf *spf, enum spf_result result, struct str problem);
