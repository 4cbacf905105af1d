/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Reads the character at the start of `text`: its length in bytes (1 to 4), or 0 when `text` is
 * empty or does not start with valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing
 * above U+10FFFF). *ret_point is written only when the result is not 0. Pure. */
size_t utf8_decode(struct str text, uint32_t *ret_point);
