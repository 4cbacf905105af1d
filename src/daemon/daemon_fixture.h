/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "daemon/engine.h"

/* An engine in the folder of the test, with small tables. Never installed. */

/* Writes seczim.yaml (`more` follows the paths; may be "") and returns its path. */
const char *fixture_config(const char *more);
/* Opens; the test fails with the problem when it cannot be. */
struct engine *fixture_engine(bool follow);
/* "request=..." with client, sender and recipient, parsed; `number` is part of the sender. */
struct policy_request fixture_request(unsigned number);
/* One decision as worker 0, and the reply. The text lives until the next call. */
const char *fixture_ask(struct engine *engine, unsigned number);
