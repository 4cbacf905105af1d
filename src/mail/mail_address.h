/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Envelope addresses as Postfix hands them over: already unquoted at SMTP level, possibly with a
 * quoted local part, UTF-8 when SMTPUTF8, without a domain for local users. Pure. */

/* Room for a normalised address; RFC 5321 allows 64 + 1 + 255. Of a local part longer than
 * MAIL_LOCAL_PART_MAX the normalising functions below keep the first so many bytes, so that no
 * local part can push the domain out of MAIL_ADDRESS_MAX bytes. */
enum { MAIL_ADDRESS_MAX = 512, MAIL_LOCAL_PART_MAX = 255 };

/* True when Postfix may deliver to somewhere else than the part after the last "@" says: it takes
 * `%`, `!` and a quoted "@" in the local part for routing as it comes (postconf(5)
 * allow_percent_hack, swap_bangpath, resolve_dequoted_address). */
bool mail_address_is_routed(struct str address);
/* Splits at the last "@". Without one the whole is the local part. */
void mail_address_split(struct str address, struct str *ret_local, struct str *ret_domain);

/* Lower-case domain in A-labels (UTF-8 labels by RFC 3492 Punycode after ASCII and simple case
 * folding of Latin, Greek and Cyrillic letters; a label that cannot be converted stays as its
 * bytes), without a trailing dot. Appends to `out`. */
void mail_domain_normalise(struct str domain, struct text *out);

/* For access lists: local part lower-case (ASCII), domain as above. Postfix compares local parts
 * without regard to case too. */
void mail_address_normalise(struct str address, struct text *out);

/* For greylisting keys (SPEC 4.5), besides the above: +extension dropped; SRS0/SRS1 undone to the
 * original address where it can be (libsrs2 syntax; else the SRS hash and time stamp are dropped);
 * BATV (prvs=) tag dropped; runs of digits in a local part that looks like VERP (it holds a digit
 * run of 3 or more, or an `=` or `-` followed by digits) folded to `#`. Digits of a recipient are
 * kept: there they tell people apart. All four functions give the same when applied to their own
 * result. */
void mail_sender_normalise_for_greylisting(struct str address, struct text *out);
void mail_recipient_normalise_for_greylisting(struct str address, struct text *out);
