/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/auto_blacklist.h"

#include "base/rfc3339.h"
#include "policy/auto_blacklist_effects.h"
#include "policy/policy_run.h"
#include "policy/trust_run.h"

static const struct blacklist_entry *read_client(struct policy_run *run) {
    return decision_read_entry(run, STATE_BLACKLIST, policy_run_network_key(run));
}

static bool is_exempt(struct policy_run *run) {
    struct ip_address server = {{0}};
    (void)ip_address_parse(decision_value(run->request->server_address), &server);
    return trust_allowed(run) != NULL ||
           blacklist_exemption(run->settings, run->request->client_address, server) != NULL;
}

/* Counts unless the address is exempt, or blocked: what the block would have refused is no cause,
 * in shadow either. */
static void count_for(struct policy_run *run, enum blacklist_trigger trigger) {
    bool blocked;
    struct effect effects[BLACKLIST_COUNT_EFFECTS_MAX];
    struct blacklist_cause cause = {
        .settings = &run->settings->auto_blacklist,
        .key = &run->source->state->key,
        .client_address = run->request->client_address,
        .trigger = trigger,
        .block = read_client(run),
        .now_s = run->now_s,
    };
    cause.offence_key = blacklist_offence_key(cause.key, cause.client_address, trigger);
    cause.offences =
        decision_read_digest(run, STATE_OFFENCE, cause.offence_key, blacklist_digest_offences);
    const size_t effect_count = blacklist_count(&cause, effects, &blocked);
    for (size_t i = 0; i < effect_count; i++) {
        decision_add_effect(run, effects[i]);
    }
}

static bool counts(struct policy_run *run, enum blacklist_trigger trigger) {
    return run->settings->policies[POLICY_AUTO_BLACKLIST].enabled &&
           run->settings->auto_blacklist.rules[trigger].enabled && trust_concerns(run) &&
           !is_exempt(run) && !blacklist_standing(read_client(run), run->now_s).blocked;
}

void auto_blacklist_count(struct policy_run *run, enum blacklist_trigger trigger, struct str once) {
    if (counts(run, trigger) &&
        trust_first_time(run, str_from(blacklist_trigger_name(trigger)), once)) {
        count_for(run, trigger);
    }
}

void auto_blacklist_learn(struct policy_run *run) {
    if (run->decision->verdict == VERDICT_REJECT && trust_refused(run) &&
        counts(run, BLACKLIST_REJECTIONS) && trust_first_refusal(run)) {
        count_for(run, BLACKLIST_REJECTIONS);
    }
}

/* "rejections until 2023-11-15T22:13:20Z" */
static struct str name_block(struct policy_run *run, const struct blacklist_standing *standing) {
    enum { SECONDS_LENGTH = 19 };
    char time_room[40];
    struct text time = TEXT_OVER(time_room);
    struct text name = TEXT_OVER(run->rule_name_room);
    text_add(&name, str_from(blacklist_trigger_name(standing->trigger)));
    if (standing->until_s == BLACKLIST_FOR_GOOD) {
        text_add(&name, STR(" for good"));
    } else {
        rfc3339_format((int64_t)standing->until_s * 1000000000, &time);
        text_add(&name, STR(" until "));
        text_add(&name, str_slice(text_str(&time), 0, SECONDS_LENGTH));
        text_add_byte(&name, 'Z');
    }
    return text_str(&name);
}

struct policy_answer auto_blacklist_run(struct policy_run *run) {
    if (!trust_concerns(run)) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    const struct blacklist_standing standing = blacklist_standing(read_client(run), run->now_s);
    /* A network may have become a trusted one after it was blocked. */
    if (!standing.blocked || is_exempt(run)) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    return (struct policy_answer){.verdict = VERDICT_REJECT,
                                  .reason = REASON_AUTO_BLACKLISTED,
                                  .rule = name_block(run, &standing)};
}
