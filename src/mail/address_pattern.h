/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
#include "base/str.h"

/* What an entry of a list may say (SPEC 4.1). Pure.
 *
 *   type email   a@example.com          that address
 *                user@*                 that local part at any domain
 *                *@example.com          any sender of that domain (kind DOMAIN)
 *                *@*.example.com        any sender of a domain below it (kind SUBDOMAINS)
 *                <>                     the null sender
 *   type domain  example.com            that domain and nothing below it
 *                *.example.com          any depth below it and not itself
 *   type ip      192.0.2.1, 192.0.2.0/24, 2001:db8::/32
 *   type recipient    as email, matched against the recipient (greylist_exempt only)
 *   type client  mail.example.com, *.example.com: matched against the confirmed client name
 *                (greylist_exempt only) */
enum pattern_type {
    PATTERN_EMAIL = 0,
    PATTERN_DOMAIN,
    PATTERN_IP,
    PATTERN_RECIPIENT,
    PATTERN_CLIENT,
    PATTERN_TYPES,
};

enum pattern_kind {
    PATTERN_KIND_ADDRESS = 0,  /* text: normalised address ("" for the null sender) */
    PATTERN_KIND_LOCAL_PART,   /* text: normalised local part */
    PATTERN_KIND_EXACT_DOMAIN, /* text: normalised domain */
    PATTERN_KIND_SUBDOMAINS,   /* text: normalised parent domain */
    PATTERN_KIND_PREFIX,       /* prefix */
};

enum { PATTERN_TEXT_MAX = 320 };

struct address_pattern {
    enum pattern_type type;
    enum pattern_kind kind;
    struct ip_prefix prefix;
    uint16_t text_length;
    char text[PATTERN_TEXT_MAX];
};

/* NULL, or a sentence for the person who wrote it: what was found, what is allowed, e.g.
 * `"10.0.0.1/8" has bits set after /8; write 10.0.0.0/8`. The sentence points into `problem`
 * (owned by the caller, at least 256 bytes). */
const char *address_pattern_parse(enum pattern_type type, struct str text,
                                  struct address_pattern *ret_pattern, struct text *problem);
/* Guesses the type of a bare pattern: an address or network is ip, with "@" or "<>" email, else
 * domain. */
enum pattern_type address_pattern_guess(struct str text);
/* Canonical text, e.g. "*@example.com" (parse of it gives the same pattern). */
void address_pattern_format(const struct address_pattern *pattern, struct text *out);
const char *pattern_type_name(enum pattern_type type); /* "email", "domain", "ip", ... */
bool pattern_type_parse(struct str name, enum pattern_type *ret_type);
