/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Strong entity tags (RFC 9110 8.8.3): BLAKE2b of the answer's bytes, so that a change refused by
 * If-Match is one of which the caller has not seen the newest state. Pure. */

enum { ETAG_MAX = 48 };

/* With its quotes. */
void etag_make(struct str bytes, char ret_etag[ETAG_MAX]);
