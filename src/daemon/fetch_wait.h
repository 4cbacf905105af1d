/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/fetch.h"

/* Fetches the facts that are FACT_WANTED and waits for them, `patience_ns` at most; what did not
 * come is told as fetch_expire() does. Its own event loop and questions: for an administrator's
 * question, from any thread but a worker's. */
enum { FETCH_WAIT_MS = 4000 };
void fetch_wait(const struct settings *settings, struct rbl_guard *guard, struct geo_keeper *keeper,
                const struct policy_request *request, int64_t patience_ns, struct facts *facts);
