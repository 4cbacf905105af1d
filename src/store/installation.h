/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/sip_hash.h"
#include "base/str.h"

/* The file `installation` in the data folder: made once, at random, and kept for ever. Whoever has
 * the key can choose colliding entries of the state tables, so only its owner may read it. Without
 * the same key the state on disk cannot be found again: it belongs into every backup. */

struct installation {
    uint8_t id[16];     /* tells cloned machines apart */
    struct sip_key key; /* of the state tables */
};

/* Reads the file, or makes it when there is none. Negative errno with a sentence in `problem`:
 * -EPERM: owned by somebody else, or others may read it; -EUCLEAN: truncated or damaged, or missing
 * beside a snapshot or journal that needs it;
 * -EPROTONOSUPPORT: of a newer release. Blocks; two processes that start at once get the same. */
MUST_USE int installation_open(const char *folder, struct installation *ret_installation,
                               struct text *problem);
/* The same for those who need the key alone. */
MUST_USE int installation_load(const char *folder, struct sip_key *ret_key, struct text *problem);
