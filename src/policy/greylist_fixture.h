/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/greylist.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* What the tests of greylisting share: sending, waiting, and what the tables know. */

enum { HOUR_S = 3600, DAY_S = 86400 };

/* The same request after so many seconds; why it was answered as it was. */
enum reason send_after(struct world *world, int64_t wait_s);

#define assert_deferred(world, expected_reason, expected_retry_in_s)                               \
    do {                                                                                           \
        assert_int_equal((world)->decision.reason, (expected_reason));                             \
        assert_int_equal((world)->decision.verdict, VERDICT_DEFER);                                \
        assert_int_equal((world)->decision.policy, POLICY_GREYLISTING);                            \
        assert_int_equal((world)->decision.retry_in_s, (expected_retry_in_s));                     \
    } while (0)

#define assert_let_in(world, expected_reason)                                                      \
    do {                                                                                           \
        assert_int_equal((world)->decision.reason, (expected_reason));                             \
        assert_int_equal((world)->decision.verdict, VERDICT_NONE);                                 \
        assert_string_equal(world_reply(world), "DUNNO");                                          \
    } while (0)

/* What the tables know of the request's key, and of its client; NULL: nothing. */
const struct greylist_entry *entry_of(const struct world *world);
const struct greylist_client_entry *client_of(const struct world *world);

/* What SPF says of the sender from now on. */
void set_spf(struct world *world, enum fact_status status, uint8_t result, const char *domain);

/* Lets `count` keys of the client pass. */
void pass_keys(struct world *world, int from, int count);
