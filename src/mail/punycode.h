/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

enum { PUNYCODE_POINTS_MAX = 63 }; /* A label of DNS has at most so many bytes, "xn--" included. */

/* RFC 3492 without "xn--" and case flags: appends `count` (at most PUNYCODE_POINTS_MAX) characters,
 * none above U+10FFFF. Pure. */
void punycode_encode(const uint32_t *points, size_t count, struct text *out);
