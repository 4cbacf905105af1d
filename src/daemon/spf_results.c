/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/spf_results.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sip_hash.h"
#include "policy/decision.h"

enum { WAYS = 4, SETS = SPF_RESULTS_KEPT_MAX / WAYS };

struct kept {
    struct hash128 key;     /* 128 bits that nobody can choose: two queries do not share one */
    int64_t holds_until_ns; /* 0: none */
    int64_t used_ns;
    uint8_t result;
    uint8_t helo_result;
    uint8_t domain_length;
    uint8_t mechanism_length;
    uint8_t problem_length;
    char texts[SPF_RESULT_TEXT_MAX]; /* domain, mechanism, problem */
};
_Static_assert(sizeof(struct kept) == 256, "whole cache lines");

struct spf_results {
    struct sip_key key;
    struct spf_results_counts counts;
    struct kept sets[SETS][WAYS];
};

struct spf_results *spf_results_new(uint64_t seed) {
    struct spf_results *results = calloc(1, sizeof *results);
    if (results != NULL) {
        memcpy(results->key.bytes, &seed, sizeof seed);
    }
    return results;
}

void spf_results_free(struct spf_results *results) {
    free(results);
}

static struct hash128 key_of(const struct spf_results *results,
                             const struct spf_results_query *query) {
    char bytes[sizeof query->client_address.bytes + 5 + 2 * DECISION_VALUE_MAX];
    struct text text = TEXT_OVER(bytes);
    text_add(&text, (struct str){(const char *)query->client_address.bytes,
                                 sizeof query->client_address.bytes});
    text_add_byte(&text, query->null_sender ? 'n' : 's');
    text_add_byte(&text, query->checks_helo ? 'h' : '-');
    text_add_byte(&text, query->explains ? 'e' : '-');
    /* With its length, so that no two pairs of names are one. */
    text_add_byte(&text, (char)(query->helo_name.length >> 8));
    text_add_byte(&text, (char)(query->helo_name.length & 0xff));
    text_add(&text, query->helo_name);
    text_add(&text, query->sender_domain);
    CHECK(!text.truncated);
    return sip_hash(&results->key, text.data, text.length);
}

static struct kept *find(struct kept set[WAYS], struct hash128 key) {
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key.low == key.low && set[i].key.high == key.high) {
            return &set[i];
        }
    }
    return NULL;
}

static void take_text(const char **texts, char *out, uint8_t length) {
    memcpy(out, *texts, length);
    *texts += length;
}

bool spf_results_find(struct spf_results *results, const struct spf_results_query *query,
                      int64_t now_ns, struct facts *facts) {
    const struct hash128 key = key_of(results, query);
    struct kept *kept = find(results->sets[key.low % SETS], key);
    if (kept == NULL || kept->holds_until_ns <= now_ns) {
        return false;
    }
    results->counts.found++;
    kept->used_ns = now_ns;
    facts->status[FACT_SPF] = FACT_KNOWN;
    facts->spf_result = kept->result;
    facts->spf_helo_result = kept->helo_result;
    facts->spf_domain_length = kept->domain_length;
    facts->spf_mechanism_length = kept->mechanism_length;
    facts->spf_problem_length = kept->problem_length;
    const char *texts = kept->texts;
    take_text(&texts, facts->spf_domain, kept->domain_length);
    take_text(&texts, facts->spf_mechanism, kept->mechanism_length);
    take_text(&texts, facts->spf_problem, kept->problem_length);
    return true;
}

/* That of the key, else one that has ended, else the one that was not used for longest. */
static struct kept *choose(struct kept set[WAYS], struct hash128 key, int64_t now_ns) {
    struct kept *chosen = find(set, key);
    if (chosen != NULL) {
        return chosen;
    }
    chosen = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].holds_until_ns <= now_ns) {
            return &set[i];
        }
        if (set[i].used_ns < chosen->used_ns) {
            chosen = &set[i];
        }
    }
    return chosen;
}

static void put_text(char **texts, const char *from, uint16_t length) {
    memcpy(*texts, from, length);
    *texts += length;
}

void spf_results_keep(struct spf_results *results, const struct spf_results_query *query,
                      int64_t now_ns, int64_t holds_until_ns, const struct facts *facts) {
    const size_t length =
        (size_t)facts->spf_domain_length + facts->spf_mechanism_length + facts->spf_problem_length;
    if (holds_until_ns <= now_ns || length > SPF_RESULT_TEXT_MAX) {
        return;
    }
    const int64_t latest_ns = now_ns + SPF_RESULT_HOLDS_MAX_S * (int64_t)NS_PER_S;
    const struct hash128 key = key_of(results, query);
    struct kept *kept = choose(results->sets[key.low % SETS], key, now_ns);
    const bool other = kept->key.low != key.low || kept->key.high != key.high;
    results->counts.evicted += other && kept->holds_until_ns > now_ns;
    kept->key = key;
    kept->holds_until_ns = holds_until_ns < latest_ns ? holds_until_ns : latest_ns;
    kept->used_ns = now_ns;
    kept->result = facts->spf_result;
    kept->helo_result = facts->spf_helo_result;
    kept->domain_length = (uint8_t)facts->spf_domain_length;
    kept->mechanism_length = (uint8_t)facts->spf_mechanism_length;
    kept->problem_length = (uint8_t)facts->spf_problem_length;
    char *texts = kept->texts;
    put_text(&texts, facts->spf_domain, facts->spf_domain_length);
    put_text(&texts, facts->spf_mechanism, facts->spf_mechanism_length);
    put_text(&texts, facts->spf_problem, facts->spf_problem_length);
}

struct spf_results_counts spf_results_counts(const struct spf_results *results) {
    return results->counts;
}
