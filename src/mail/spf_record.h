/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/spf.h"

/* The syntax of an SPF record (RFC 7208 4.5, 4.6, 5, 6): text to terms. Pure. */

enum spf_term_kind {
    SPF_TERM_ALL = 0,
    SPF_TERM_INCLUDE,
    SPF_TERM_A,
    SPF_TERM_MX,
    SPF_TERM_PTR,
    SPF_TERM_IP4,
    SPF_TERM_IP6,
    SPF_TERM_EXISTS,
    SPF_TERM_REDIRECT,
    SPF_TERM_EXP,
    SPF_TERM_UNKNOWN, /* a modifier that means nothing to us */
};

/* Slices are parts of the record. */
struct spf_term {
    enum spf_term_kind kind;
    enum spf_result result;   /* of a mechanism, when it matches */
    struct str text;          /* the whole: "-a:%{d}/24" */
    struct str domain;        /* domain-spec before its macros are expanded; "": none is written */
    struct ip_prefix network; /* SPF_TERM_IP4, SPF_TERM_IP6 */
    uint8_t bits_v4;          /* SPF_TERM_A, SPF_TERM_MX: 0 to 32 */
    uint8_t bits_v6;          /* 0 to 128 */
};

/* Whether a TXT record is one of SPF: "v=spf1", alone or before a blank. */
bool spf_is_record(struct str txt);
/* Syntax of the whole record: true, or false and a sentence. */
bool spf_record_valid(struct str record, struct text *problem);
/* Of a valid record: the term at *at or behind it; *at starts with 0 and goes on behind the term.
 * False: there is none. */
bool spf_record_next(struct str record, size_t *at, struct spf_term *ret_term);
/* Of a valid record: the modifier, which is there once at most. */
bool spf_record_find(struct str record, enum spf_term_kind modifier, struct spf_term *ret_term);
