/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision_record.h"

/* The texts of a decision record, in the order of their number in the format: what a policy reads,
 * and the answer, come first, because what stands last is cut first. Append, never renumber. */
enum record_value {
    RECORD_VALUE_SENDER = 0,
    RECORD_VALUE_RECIPIENT,
    RECORD_VALUE_HELO_NAME,
    RECORD_VALUE_CLIENT_NAME,
    RECORD_VALUE_SASL_USERNAME,
    RECORD_VALUE_RULE,
    RECORD_VALUE_REPLY, /* absent: DUNNO */
    RECORD_VALUE_IDENTITY,
    RECORD_VALUE_CLIENT_ADDRESS_TEXT,
    RECORD_VALUE_INSTANCE,
    RECORD_VALUE_QUEUE_ID,
    RECORD_VALUE_REVERSE_CLIENT_NAME,
    RECORD_VALUE_SERVER_ADDRESS,
    RECORD_VALUE_SASL_METHOD,
    RECORD_VALUE_SASL_SENDER,
    RECORD_VALUE_ENCRYPTION_PROTOCOL,
    RECORD_VALUE_CCERT_SUBJECT,
    RECORD_VALUE_POLICY_CONTEXT,
    RECORD_VALUES,
};

enum {
    /* First byte of the flags. */
    RECORD_FLAG_OUTBOUND = 1,
    RECORD_FLAG_CUT = 2, /* A u32 with the values that were cut follows `present`. */
    RECORD_FLAGS_ALL = 3,
    /* Of a step. */
    RECORD_STEP_VERDICT = 3,
    RECORD_STEP_SKIPPED = 4,
    RECORD_STEP_SHADOW = 8,
    RECORD_STEP_ALL = 15,
    RECORD_HEAD_BYTES = 4,
};

#define RECORD_DUNNO STR("DUNNO")
