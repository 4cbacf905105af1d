/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf.h"

#include "policy/auto_blacklist.h"
#include "policy/policy_run.h"
#include "policy/trust_run.h"

/* What SPF says of the sender's domain and of the HELO name, and what follows (SPEC 4.3). */

/* Longer than the same message is spoken of. */
enum { ONCE_TTL_S = 3600 };

static struct str fact_domain(const struct facts *facts) {
    return (struct str){facts->spf_domain, facts->spf_domain_length};
}

static struct str fact_mechanism(const struct facts *facts) {
    return (struct str){facts->spf_mechanism, facts->spf_mechanism_length};
}

/* Of an error the problem, of a fail the explanation. */
static struct str fact_problem(const struct facts *facts) {
    return (struct str){facts->spf_problem, facts->spf_problem_length};
}

/* "example.com: -all"; of an error what was wrong. */
static struct str name_record(struct policy_run *run, enum spf_result result) {
    const struct facts *facts = run->facts;
    const bool is_error = result == SPF_TEMPERROR || result == SPF_PERMERROR;
    struct text name = TEXT_OVER(run->rule_name_room);
    if (facts->status[FACT_SPF] != FACT_KNOWN) {
        return STR("the DNS could not be asked");
    }
    if (is_error && facts->spf_problem_length > 0) {
        return fact_problem(facts);
    }
    text_add(&name, facts->spf_domain_length > 0 ? fact_domain(facts) : STR("no domain"));
    text_add(&name, STR(": "));
    text_add(&name, is_error                          ? str_from(spf_result_name(result))
                    : facts->spf_mechanism_length > 0 ? fact_mechanism(facts)
                                                      : STR("default"));
    return text_str(&name);
}

/* "mail.example.com: HELO name" */
static struct str name_helo(struct policy_run *run) {
    struct text name = TEXT_OVER(run->rule_name_room);
    text_add_lower(&name, decision_value(run->request->helo_name));
    text_add(&name, STR(": HELO name"));
    return text_str(&name);
}

/* The domain's words as a refusal text: that they are not ours is said (RFC 7208 6.2), and a brace
 * in them is no placeholder. */
static struct str explanation(struct policy_run *run) {
    const struct str words = fact_problem(run->facts);
    struct text text = TEXT_OVER(run->rule_text_room);
    if (!run->settings->spf.explanation || words.length == 0) {
        return (struct str){NULL, 0};
    }
    text_add(&text, STR("SPF: the owner of the domain explains: "));
    for (size_t i = 0; i < words.length; i++) {
        const char c = words.data[i];
        if (text.size - text.length < 2) {
            break;
        }
        if (c == '{' || c == '}') {
            text_add_byte(&text, c);
        }
        text_add_byte(&text, c);
    }
    return text_str(&text);
}

static enum verdict verdict_of(enum spf_action action) {
    switch (action) {
    case SPF_ACTION_ACCEPT:
        return VERDICT_NONE;
    case SPF_ACTION_DEFER:
        return VERDICT_DEFER;
    case SPF_ACTION_REJECT:
        return VERDICT_REJECT;
    }
    return VERDICT_NONE;
}

static struct policy_answer judge_sender(struct policy_run *run, enum spf_result result) {
    static const enum reason reasons[SPF_RESULTS] = {
        [SPF_NONE] = REASON_SPF_NONE,           [SPF_PASS] = REASON_SPF_PASSED,
        [SPF_FAIL] = REASON_SPF_FAIL,           [SPF_SOFTFAIL] = REASON_SPF_SOFTFAIL,
        [SPF_NEUTRAL] = REASON_SPF_NEUTRAL,     [SPF_TEMPERROR] = REASON_SPF_TEMPERROR,
        [SPF_PERMERROR] = REASON_SPF_PERMERROR,
    };
    const enum verdict verdict =
        result == SPF_PASS ? VERDICT_NONE : verdict_of(run->settings->spf.on[result]);
    if (verdict == VERDICT_NONE && result != SPF_PASS) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    return (struct policy_answer){
        .verdict = verdict,
        .reason = reasons[result],
        .rule = name_record(run, result),
        .text = result == SPF_FAIL ? explanation(run) : STR(""),
    };
}

/* A pass of the sender's domain does not excuse a HELO name that its owner denies to this client.
 */
static struct policy_answer judge_helo(struct policy_run *run) {
    return (struct policy_answer){
        .verdict = verdict_of(run->settings->spf.helo_fail),
        .reason = REASON_SPF_HELO_FAIL,
        .rule = name_helo(run),
    };
}

static void write_header(struct policy_run *run, enum spf_result result) {
    const struct policy_request *request = run->request;
    const bool is_error = result == SPF_TEMPERROR || result == SPF_PERMERROR;
    const bool known = run->facts->status[FACT_SPF] == FACT_KNOWN;
    const struct spf_received received = {
        .result = result,
        .is_helo = request->sender.length == 0,
        .client_address = request->client_address,
        .helo_name = decision_value(request->helo_name),
        .sender = decision_value(request->sender),
        .receiver = run->settings->spf.receiver,
        .mechanism = known ? fact_mechanism(run->facts) : (struct str){NULL, 0},
        .problem = known && is_error ? fact_problem(run->facts) : (struct str){NULL, 0},
    };
    struct text header = TEXT_OVER(run->decision->header);
    text_add(&header, STR("Received-SPF: "));
    spf_received_format(&received, &header);
    run->decision->header_length = (uint16_t)header.length;
}

/* Once a message: the effect is dropped when a later policy refuses this recipient. */
static void add_header(struct policy_run *run, enum spf_result result) {
    const struct hash128 key = policy_run_once_key(run, STR("spf header"), STR(""));
    if (!run->settings->spf.add_header ||
        run->settings->policies[POLICY_SPF].mode != POLICY_MODE_ENFORCE) {
        return;
    }
    if (run->request->instance.length > 0) {
        const struct once_entry *seen = decision_read_entry(run, STATE_ONCE, key);
        if (seen != NULL && seen->head.expires_s > run->now_s) {
            return;
        }
        decision_add_effect(run, (struct effect){
                                     .kind = EFFECT_ONCE,
                                     .on_acceptance = true,
                                     .key = key,
                                     .time_s = run->now_s,
                                     .expires_s = run->now_s + ONCE_TTL_S,
                                 });
    }
    write_header(run, result);
}

static enum spf_result result_of(const struct facts *facts) {
    return facts->status[FACT_SPF] == FACT_KNOWN && facts->spf_result < SPF_RESULTS
               ? (enum spf_result)facts->spf_result
               : SPF_TEMPERROR;
}

struct policy_answer spf_run(struct policy_run *run) {
    struct policy_answer answer = {.verdict = VERDICT_NONE};
    if (ip_address_is_none(run->request->client_address)) {
        return answer;
    }
    const bool known = policy_run_fact(run, FACT_SPF);
    if (!known && run->facts->status[FACT_SPF] == FACT_WANTED) {
        return answer;
    }
    const enum spf_result result = result_of(run->facts);
    if (result == SPF_FAIL && run->settings->policies[POLICY_SPF].mode == POLICY_MODE_ENFORCE) {
        auto_blacklist_count(run, BLACKLIST_SPF_FAILURES, STR(""));
    }
    answer = judge_sender(run, result);
    if (answer.verdict == VERDICT_NONE && known && run->facts->spf_helo_result == SPF_FAIL &&
        run->settings->spf.helo_fail != SPF_ACTION_ACCEPT) {
        answer = judge_helo(run);
    }
    if (answer.verdict == VERDICT_NONE) {
        add_header(run, result);
    }
    return answer;
}
