/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
#include "mail/dns_answer.h"

/* Macros of SPF (RFC 7208 7): "%{ir}.%{v}._spf.%{d2}". Their syntax, and what they stand for. Pure.
 */

/* A longer value counts as its first so many bytes: what is made of it is a name of
 * DNS_NAME_MAX bytes, or a text for people. */
enum { SPF_VALUE_MAX = 512 };

struct spf_macro_values {
    struct str local;  /* %{l} */
    struct str origin; /* %{o}: the domain of the sender */
    struct str domain; /* %{d}: whose record it is */
    struct str helo;
    struct str receiver; /* "": unknown */
    struct str name;     /* %{p}: of the client, confirmed; "": unknown */
    struct ip_address client_address;
    int64_t wall_s;
    /* Becomes true when the local part, the receiver or the time is used; NULL: nobody asks. */
    bool *personal;
};

/* One piece of a macro-string. */
struct spf_macro {
    struct str literal;    /* when letter is 0: bytes that stand for themselves */
    char letter;           /* lower case; 0: a literal */
    bool url;              /* the letter was upper case: escaped as in a URL */
    bool reverse;          /* parts in the opposite order */
    size_t keep;           /* so many parts from the right; 0: all */
    struct str delimiters; /* that part the value; "" = "." */
};

/* Where macros stand: only an explanation may hold blanks and %{c}, %{r}, %{t}. */
enum spf_macro_place { SPF_MACRO_IN_RECORD = 0, SPF_MACRO_IN_EXPLANATION };

/* Reads the piece at *at (less than the length) and goes on behind it. NULL, or what is wrong, to
 * be put after the text: "has ... in it". */
const char *spf_macro_next(struct str text, enum spf_macro_place place, size_t *at,
                           struct spf_macro *ret_macro);
/* NULL, or what is wrong with a macro-string, with a domain-spec (RFC 7208 7.1). */
const char *spf_macro_problem(struct str text, enum spf_macro_place place);
const char *spf_domain_spec_problem(struct str text);
/* Whether it holds %{p}, for which the DNS has to be asked. */
bool spf_macro_needs_name(struct str text, enum spf_macro_place place);

/* What a macro-string without a problem stands for. */
void spf_macro_expand(struct str text, enum spf_macro_place place,
                      const struct spf_macro_values *values, struct text *out);
/* The same as a name to ask the DNS about, without the last dot: of one that is too long, labels at
 * the left are dropped (RFC 7208 7.3). False: there is no such name, because of an empty or too
 * long label, a "\" or a byte that is not printable ASCII (RFC 8616 4: a local part in UTF-8
 * matches nothing). `out` is empty and has DNS_NAME_MAX bytes. */
bool spf_macro_expand_name(struct str text, const struct spf_macro_values *values,
                           struct text *out);
/* Labels of 1 to DNS_LABEL_MAX printable ASCII bytes, DNS_NAME_MAX in all. */
bool spf_name_is_askable(struct str name);
