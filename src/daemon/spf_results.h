/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "policy/facts.h"

/* What SPF said, kept: the next message of the same client, HELO name and sender's domain needs no
 * evaluation, as long as every answer of the DNS holds that this one was made of. Bounded; one
 * thread; time is given. */

/* So many are kept: 4 MiB. One whose texts are longer than SPF_RESULT_TEXT_MAX together is not. */
enum { SPF_RESULTS_KEPT_MAX = 16384, SPF_RESULT_TEXT_MAX = 219, SPF_RESULT_HOLDS_MAX_S = 3600 };

struct spf_results;

/* What a result hangs on, apart from the DNS. Of names as much as SPF is told. */
struct spf_results_query {
    struct ip_address client_address;
    struct str helo_name;
    struct str sender_domain; /* behind the last @; "" of the null sender */
    bool null_sender;
    bool checks_helo; /* settings: policy.spf.helo_fail, policy.spf.explanation */
    bool explains;
};

struct spf_results_counts {
    uint64_t found;   /* by spf_results_find() */
    uint64_t evicted; /* while they held, for want of room */
};

/* `seed`: random. NULL: no memory. */
MUST_USE struct spf_results *spf_results_new(uint64_t seed);
void spf_results_free(struct spf_results *results);
/* True when there is one that holds at `now_ns`: the fields of FACT_SPF and its status are set. */
bool spf_results_find(struct spf_results *results, const struct spf_results_query *query,
                      int64_t now_ns, struct facts *facts);
/* Keeps the fields of FACT_SPF until `holds_until_ns`, SPF_RESULT_HOLDS_MAX_S at most, in the place
 * of one that has ended, else of one that was not used for long. */
void spf_results_keep(struct spf_results *results, const struct spf_results_query *query,
                      int64_t now_ns, int64_t holds_until_ns, const struct facts *facts);
struct spf_results_counts spf_results_counts(const struct spf_results *results);
