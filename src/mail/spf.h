/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
#include "mail/dns_answer.h"

/* SPF (RFC 7208), check_host() as a state machine without I/O: it says which question to the DNS it
 * needs next, and goes on when it is given the answer. Pure; nothing is allocated; memory is the
 * caller's. */

/* RFC 7208 2.6. Numbers are part of the journal's format: append. */
enum spf_result {
    SPF_NONE = 0,
    SPF_PASS = 1,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_NEUTRAL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
    SPF_RESULTS
};
const char *spf_result_name(enum spf_result result); /* "pass" */

enum {
    SPF_LOOKUPS_MAX = 10,      /* terms that ask (RFC 7208 4.6.4) */
    SPF_VOID_LOOKUPS_MAX = 2,  /* terms a, mx and exists whose question finds no record */
    SPF_MX_MAX = 10,           /* names of an MX record; more: permerror */
    SPF_PTR_MAX = 10,          /* names of the client; those after the tenth are ignored */
    SPF_DEPTH_MAX = 11,        /* records inside records: each costs a look-up */
    SPF_RECORD_MAX = 4096,     /* bytes of a record; a longer one: permerror */
    SPF_MECHANISM_MAX = 120,   /* bytes that are told of the term that decided */
    SPF_EXPLANATION_MAX = 240, /* bytes; the rest is cut */
    SPF_PROBLEM_MAX = 160,
    /* Questions of one evaluation: each term and each of its exchangers, the client's names, the
     * first record and the explanation. */
    SPF_QUESTIONS_MAX = SPF_LOOKUPS_MAX * (1 + SPF_MX_MAX) + 1 + SPF_PTR_MAX + 2,
};

/* Whom it is about. MAIL FROM: `sender` is the envelope sender (a null sender is
 * postmaster@helo_name, RFC 7208 2.4; no local part is postmaster). HELO: `sender` is empty and
 * `helo_name` is checked. Domains in UTF-8 count as their A-labels (RFC 8616). Slices must live as
 * long as the evaluation. */
struct spf_query {
    struct ip_address client_address;
    struct str helo_name;
    struct str sender;
    struct str receiver; /* name of this host, for %{r}; may be empty: "unknown" */
    int64_t wall_s;      /* for %{t} */
    bool explain;        /* fetch the explanation of a fail too */
};

struct spf_verdict {
    enum spf_result result;
    unsigned lookups; /* terms that asked, of SPF_LOOKUPS_MAX */
    unsigned void_lookups;
    uint16_t domain_length;    /* that was checked: of the sender, or the HELO name; "" = none */
    char domain[DNS_NAME_MAX]; /* lower case */
    /* The term that decided, at the top, not inside of an include: "-all", "include:x.example",
     * "redirect=y.example -all"; of an error that which was evaluated; "" = none (default). */
    uint16_t mechanism_length;
    char mechanism[SPF_MECHANISM_MAX];
    uint16_t explanation_length; /* of a fail, when the record gives one: printable ASCII */
    char explanation[SPF_EXPLANATION_MAX];
    uint16_t problem_length; /* of permerror and temperror: a sentence that says what is wrong */
    char problem[SPF_PROBLEM_MAX];
    /* A macro has used the sender's local part, the receiver or the time. Otherwise every message
     * of this client address, HELO name and sender's domain gets the same from the same DNS. */
    bool personal;
};

/* What an evaluation does, step by step, for `seczim spf check`. `depth` counts from 0. Lines are
 * plain sentences such as "include:_spf.example.net: asks TXT _spf.example.net (look-up 3 of 10)".
 */
typedef void spf_trace(void *context, unsigned depth, struct str line);

/* Its fields are of spf_machine.h; the size is fixed so that a caller can hold it. */
struct spf;
size_t spf_bytes(void); /* sizeof(struct spf), less than 64 KiB; aligned as max_align_t */

/* Starts. `memory` has spf_bytes() bytes and is overwritten. `trace` may be NULL. */
struct spf *spf_start(void *memory, const struct spf_query *query, spf_trace *trace, void *context);
/* Goes on as far as it can. True: *ret_question needs an answer, its name lives until spf_answer().
 * False: done, *ret_verdict is filled. */
bool spf_step(struct spf *spf, struct dns_question *ret_question, struct spf_verdict *ret_verdict);
/* The answer to the question of the last spf_step(), which there must be; then call spf_step()
 * again. Bytes are copied as far as they are needed. DNS_TIMED_OUT, DNS_FAILED and DNS_UNAVAILABLE
 * are a temperror where RFC 7208 says so. */
void spf_answer(struct spf *spf, const struct dns_answer *answer);

/* Appends the field body of Received-SPF (RFC 7208 9.1) without the name of the field, in one line
 * of printable ASCII: `pass (gate.example: domain of a@b.example designates 192.0.2.1 as permitted
 * sender) client-ip=192.0.2.1; envelope-from="a@b.example"; helo=c.example; ...`. What does not fit
 * `out` is left out whole, the comment first, so that the field stays well-formed; SPF_RECEIVED_MIN
 * bytes are enough for result and address. */
enum { SPF_RECEIVED_MIN = 64 };
struct spf_received {
    enum spf_result result;
    bool is_helo; /* identity=helo, else mailfrom */
    struct ip_address client_address;
    struct str helo_name;
    struct str sender;
    struct str receiver;  /* "": unknown */
    struct str mechanism; /* "": default */
    struct str problem;   /* "": none */
};
void spf_received_format(const struct spf_received *received, struct text *out);
