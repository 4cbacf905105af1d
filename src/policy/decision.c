/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision.h"

#include "base/check.h"
#include "policy/policy_run.h"
#include "policy/reply.h"

typedef struct policy_answer policy_function(struct policy_run *run);
typedef void policy_aftermath(struct policy_run *run);

static const struct {
    policy_function *run;
    policy_aftermath *learn;  /* once the verdict stands */
    policy_aftermath *settle; /* when the message ends */
} policy_functions[POLICY_LIMIT] = {
    [POLICY_ACL_ALLOW] = {.run = acl_allow_run},
    [POLICY_ACL_BLOCK] = {.run = acl_block_run},
    [POLICY_AUTO_BLACKLIST] = {.run = auto_blacklist_run, .learn = auto_blacklist_learn},
    [POLICY_IP_REPUTATION] = {.run = ip_reputation_run,
                              .learn = ip_reputation_learn,
                              .settle = ip_reputation_settle},
    [POLICY_SENDER_RESTRICTIONS] = {.run = sender_restrictions_run},
    [POLICY_SENDER_IDENTITY] = {.run = sender_identity_run},
    [POLICY_QUOTAS] = {.run = quotas_run, .settle = quotas_settle},
    [POLICY_GEO] = {.run = geo_run},
    [POLICY_RBL] = {.run = rbl_run},
    [POLICY_SPF] = {.run = spf_run},
    [POLICY_GREYLISTING] = {.run = greylist_run, .learn = greylist_learn},
};

static bool client_is_trusted(const struct policy_settings *settings,
                              const struct policy_request *request) {
    for (size_t i = 0; i < settings->trusted_network_count; i++) {
        if (ip_prefix_contains(settings->trusted_networks[i], request->client_address)) {
            return true;
        }
    }
    return false;
}

enum direction decision_direction(const struct policy_settings *settings,
                                  const struct policy_request *request) {
    return request->sasl_username.length > 0 || client_is_trusted(settings, request)
               ? DIRECTION_OUTBOUND
               : DIRECTION_INBOUND;
}

struct str decision_identity(const struct policy_settings *settings,
                             const struct policy_request *request) {
    if (request->sasl_username.length > 0) {
        return request->sasl_username;
    }
    return client_is_trusted(settings, request) ? request->sender : (struct str){NULL, 0};
}

/* The table's order, which settles ties. */
static const enum policy_id table_order[STEPS_MAX] = {
#define POLICY(constant_, name_, number_, priority_, runs_on_, enabled_) POLICY_##constant_,
#include "policy/policies.def"
#undef POLICY
};

size_t decision_policies_in_order(const struct policy_settings *settings,
                                  enum policy_id ret_order[STEPS_MAX]) {
    const size_t count = POLICY_LIMIT - 1;
    for (size_t i = 0; i < count; i++) {
        const enum policy_id id = table_order[i];
        size_t at = i;
        for (; at > 0 &&
               settings->policies[ret_order[at - 1]].priority < settings->policies[id].priority;
             at--) {
            ret_order[at] = ret_order[at - 1];
        }
        ret_order[at] = id;
    }
    return count;
}

struct policy_answer decision_settle(struct policy_answer answer, enum policy_on_error on_error) {
    if (!answer.fact_missing) {
        return answer;
    }
    static const enum verdict verdicts[] = {
        [POLICY_ON_ERROR_ACCEPT] = VERDICT_NONE,
        [POLICY_ON_ERROR_DEFER] = VERDICT_DEFER,
        [POLICY_ON_ERROR_REJECT] = VERDICT_REJECT,
    };
    return (struct policy_answer){
        .verdict = verdicts[on_error],
        .reason = on_error == POLICY_ON_ERROR_ACCEPT ? REASON_NONE : REASON_FACT_UNAVAILABLE,
    };
}

static void write_rule(struct decision *decision, const struct policy_answer *answer) {
    struct text rule = TEXT_OVER(decision->rule);
    if (answer->match != NULL) {
        text_add(&rule, str_from(list_name(answer->match_list)));
        text_add_byte(&rule, ':');
        text_add_u64(&rule, answer->match->entry_id);
        text_add_byte(&rule, ' ');
        text_add(&rule, (struct str){answer->match->text, answer->match->text_length});
    } else {
        text_add(&rule, answer->rule);
    }
    decision->rule_length = (uint16_t)rule.length;
}

static bool runs(enum policy_id policy, enum direction direction) {
    const enum policy_runs_on runs_on = policy_info(policy)->runs_on;
    return ((unsigned)runs_on &
            (unsigned)(direction == DIRECTION_OUTBOUND ? RUNS_ON_OUTBOUND : RUNS_ON_INBOUND)) != 0;
}

static bool is_final(enum verdict verdict) {
    return verdict != VERDICT_NONE;
}

/* Runs one policy, notes its step, and takes its answer unless it is in shadow. True when the
 * decision is made. Once a fact is wanted nothing is taken any more: the policies that follow are
 * run to learn which facts they want, so that all are fetched at once; up to the one that would
 * decide without. */
static bool run_policy(struct policy_run *run, struct decision_step *step) {
    struct decision *decision = run->decision;
    run->policy = step->policy;
    struct policy_answer answer = policy_functions[step->policy].run(run);
    if (decision->facts_wanted != 0) {
        return is_final(answer.verdict) && step->mode != POLICY_MODE_SHADOW;
    }
    if (answer.fact_missing) { /* Seldom: settling copies the answer. */
        answer = decision_settle(answer, run->settings->policies[step->policy].on_error);
    }
    step->verdict = answer.verdict;
    step->reason = answer.reason;
    step->skipped = false;
    if (step->mode == POLICY_MODE_SHADOW || answer.reason == REASON_NONE) {
        return false;
    }
    decision->verdict = answer.verdict;
    decision->policy = step->policy;
    decision->reason = answer.reason;
    decision->retry_in_s = answer.retry_in_s;
    write_rule(decision, &answer);
    struct text text = TEXT_OVER(decision->text);
    text_add(&text, answer.text);
    decision->text_length = (uint16_t)text.length;
    return is_final(answer.verdict);
}

/* The administrator's text for this refusal; empty: the default. */
static struct str text_of(const struct policy_settings *settings, const struct decision *decision) {
    if (decision->text_length > 0) {
        return (struct str){decision->text, decision->text_length};
    }
    switch (reason_info(decision->reason)->policy) {
    case POLICY_ACL_BLOCK:
        return settings->access_list.block_text;
    case POLICY_AUTO_BLACKLIST:
        return settings->auto_blacklist.text;
    case POLICY_IP_REPUTATION:
        return settings->ip_reputation.text;
    case POLICY_SENDER_RESTRICTIONS:
        return settings->sender_restrictions.text;
    case POLICY_SENDER_IDENTITY:
        return settings->sender_identity.text;
    case POLICY_QUOTAS:
        return settings->quotas.text;
    case POLICY_GEO:
        return settings->geo.text;
    case POLICY_RBL:
        return settings->rbl.text;
    case POLICY_SPF:
        return settings->spf.text;
    case POLICY_GREYLISTING:
        return settings->greylisting.text;
    case POLICY_NONE:
    case POLICY_ACL_ALLOW:
    case POLICY_LIMIT:
        break;
    }
    return (struct str){NULL, 0};
}

static void clear(struct decision *decision, enum direction direction) {
    decision->verdict = VERDICT_NONE;
    decision->policy = POLICY_NONE;
    decision->reason = REASON_NONE;
    decision->direction = direction;
    decision->facts_wanted = 0;
    decision->facts_asked = 0;
    decision->retry_in_s = 0;
    decision->rule_length = 0;
    decision->reply_length = 0;
    decision->step_count = 0;
    decision->effect_count = 0;
    decision->read_count = 0;
    decision->text_length = 0;
    decision->event_count = 0;
    decision->header_length = 0;
}

static uint32_t seconds_of(int64_t now_ns) {
    const int64_t seconds = now_ns / 1000000000;
    if (seconds < 0) {
        return 0;
    }
    return seconds < UINT32_MAX ? (uint32_t)seconds : UINT32_MAX;
}

static void begin(struct policy_run *run, const struct policy_settings *settings,
                  const struct decision_source *source, const struct policy_request *request,
                  struct facts *facts, int64_t now_ns, struct decision *decision) {
    /* The rooms, 3 KiB, are written only when needed. */
    run->settings = settings;
    run->source = source;
    run->request = request;
    run->facts = facts;
    run->decision = decision;
    run->policy = POLICY_NONE;
    run->now_s = seconds_of(now_ns);
    run->fingerprints = 0;
    run->lists_asked = false;
    run->client_allowed_known = false;
    run->network_key_known = false;
    run->reputation_known = false;
    run->outcome_key_known = false;
    run->sender.data = NULL;
    run->recipient.data = NULL;
    run->client_name.data = NULL;
    run->identity.data = NULL;
}

/* A refusal leaves nothing of what counts on acceptance alone. */
static void drop_reservations(struct decision *decision) {
    size_t kept = 0;
    for (size_t i = 0; i < decision->effect_count; i++) {
        if (!decision->effects[i].on_acceptance) {
            decision->effects[kept++] = decision->effects[i];
        }
    }
    decision->effect_count = kept;
    kept = 0;
    for (size_t i = 0; i < decision->event_count; i++) {
        if (!decision->events[i].on_acceptance) {
            decision->events[kept++] = decision->events[i];
        }
    }
    decision->event_count = kept;
}

static void run_policies(struct policy_run *run) {
    const struct policy_settings *settings = run->settings;
    struct decision *decision = run->decision;
    enum policy_id order[STEPS_MAX];
    const size_t count = decision_policies_in_order(settings, order);
    bool decided = false;
    for (size_t i = 0; i < count; i++) {
        const struct policy_common_settings *common = &settings->policies[order[i]];
        struct decision_step *step = &decision->steps[decision->step_count++];
        step->policy = order[i];
        step->mode = common->mode;
        step->verdict = VERDICT_NONE;
        step->reason = REASON_NONE;
        step->skipped = true;
        if (!decided && common->enabled && runs(order[i], decision->direction)) {
            decided = run_policy(run, step);
        }
    }
    if (decision->facts_wanted == 0 &&
        (decision->verdict == VERDICT_DEFER || decision->verdict == VERDICT_REJECT)) {
        drop_reservations(decision);
    }
}

static void learn(struct policy_run *run) {
    for (size_t i = 0; i < POLICY_LIMIT - 1; i++) {
        const enum policy_id id = table_order[i];
        if (policy_functions[id].learn != NULL && run->settings->policies[id].enabled) {
            run->policy = id;
            policy_functions[id].learn(run);
        }
    }
}

static void settle(struct policy_run *run) {
    if (run->request->state == PROTOCOL_STATE_END_OF_MESSAGE) {
        policy_run_note_end_of_data(run);
    }
    for (size_t i = 0; i < POLICY_LIMIT - 1; i++) {
        const enum policy_id id = table_order[i];
        if (policy_functions[id].settle != NULL && run->settings->policies[id].enabled) {
            run->policy = id;
            policy_functions[id].settle(run);
        }
    }
}

static void decide_once(const struct policy_settings *settings,
                        const struct decision_source *source, const struct policy_request *request,
                        struct facts *facts, int64_t now_ns, struct decision *ret) {
    struct policy_run run;
    clear(ret, decision_direction(settings, request));
    begin(&run, settings, source, request, facts, now_ns, ret);
    if (request->state == PROTOCOL_STATE_RCPT) {
        run_policies(&run);
        if (ret->facts_wanted != 0) {
            ret->effect_count = 0;
            ret->event_count = 0;
            return;
        }
        learn(&run);
    } else if (request->state == PROTOCOL_STATE_END_OF_MESSAGE ||
               request->state == PROTOCOL_STATE_ENDED) {
        settle(&run);
    }
    reply_write(request, text_of(settings, ret), ret);
}

void decide(const struct policy_settings *settings, const struct decision_source *source,
            const struct policy_request *request, struct facts *facts, int64_t now_ns,
            struct decision *ret) {
    decide_once(settings, source, request, facts, now_ns, ret);
    if ((facts->at_hand & ~ret->facts_asked) != 0) {
        for (unsigned fact = 0; fact < FACTS; fact++) {
            if ((facts->at_hand & UINT32_C(1) << fact) != 0) {
                facts->status[fact] = FACT_UNASKED;
            }
        }
        decide_once(settings, source, request, facts, now_ns, ret);
    }
    facts->at_hand = 0;
}

void decision_apply_soon(const struct state *state, const struct decision *decision) {
    for (size_t i = 0; i < decision->effect_count; i++) {
        const struct effect *effect = &decision->effects[i];
        state_prefetch_place(state, effect_table(effect->kind), effect->key);
    }
}

void decision_apply(struct state *state, const struct decision *decision, uint64_t sequence) {
    for (size_t i = 0; i < decision->effect_count; i++) {
        effect_apply(state, &decision->effects[i], sequence);
    }
}
