/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Times as text, RFC 3339. Pure; years 1970 to 2199, which int64 nanoseconds can hold. */

enum { RFC3339_TEXT_MAX = 24 }; /* "2024-12-04T10:23:45.123Z" */

/* UTC with milliseconds (the rest is cut). Times outside the years above are clamped. */
void rfc3339_format(int64_t unix_ns, struct text *out);
/* "2024-12-04T10:23:45Z", fractions of up to nine digits, "Z" or an offset "+01:00"; "t", "z" and a
 * blank instead of "T" are taken too. A leap second (60) counts as the second after. False leaves
 * *ret_unix_ns untouched. */
bool rfc3339_parse(struct str text, int64_t *ret_unix_ns);
