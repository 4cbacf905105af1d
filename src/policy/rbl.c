/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rbl.h"

#include "base/check.h"
#include "policy/auto_blacklist.h"
#include "policy/policy_run.h"

/* Block lists: the weights of those that name the client are added up. */

static bool is_exempt(const struct rbl_settings *settings, struct ip_address client_address) {
    for (size_t i = 0; i < settings->exempt_network_count; i++) {
        if (ip_prefix_contains(settings->exempt_networks[i], client_address)) {
            return true;
        }
    }
    return false;
}

bool rbl_asks(const struct rbl_list_settings *list, struct ip_address client_address) {
    return list->has_ipv6 || ip_address_is_v4(client_address);
}

static bool asks_any(const struct rbl_settings *settings, struct ip_address client_address) {
    for (size_t i = 0; i < settings->list_count; i++) {
        if (rbl_asks(&settings->lists[i], client_address)) {
            return true;
        }
    }
    return false;
}

bool rbl_wants_fact(const struct policy_settings *settings, struct ip_address client_address) {
    return settings->policies[POLICY_RBL].enabled && dnsbl_is_public(client_address) &&
           !is_exempt(&settings->rbl, client_address) && asks_any(&settings->rbl, client_address);
}

/* What the list said; NULL: it was not asked. */
static const struct rbl_answer *answer_of(const struct facts *facts, uint8_t number) {
    CHECK(facts->rbl_count <= DNSBL_LISTS_MAX);
    for (size_t i = 0; i < facts->rbl_count; i++) {
        if (facts->rbl[i].list == number) {
            return &facts->rbl[i];
        }
    }
    return NULL;
}

static bool has_answered(const struct rbl_answer *answer) {
    return answer != NULL && (answer->status == DNSBL_LISTED || answer->status == DNSBL_NOT_LISTED);
}

/* What the lists of the settings in force said together. */
struct sum {
    int64_t weight;
    bool answered; /* by one at least */
};

enum { LIST_NAME_SHOWN_MAX = 96 };

/* ", Spamhaus ZEN: 127.0.0.2"; of more than fit the last is "..." */
static void add_hit(struct text *names, const struct rbl_list_settings *list,
                    const struct rbl_answer *answer) {
    char bytes[LIST_NAME_SHOWN_MAX + sizeof ", : 255.255.255.255"];
    const struct str more = STR(", ...");
    struct text hit = TEXT_OVER(bytes);
    text_add(&hit, names->length > 0 ? STR(", ") : STR(""));
    text_add(&hit, str_slice(list->name, 0, LIST_NAME_SHOWN_MAX));
    text_add(&hit, STR(": "));
    for (size_t i = 0; i < 4; i++) {
        text_add(&hit, i > 0 ? STR(".") : STR(""));
        text_add_u64(&hit, answer->code[i]);
    }
    if (names->length + hit.length + more.length <= names->size) {
        text_add(names, text_str(&hit));
    } else if (!str_ends(text_str(names), more)) {
        text_add(names, more);
    }
}

static struct sum sum_up(const struct policy_run *run, struct text *names) {
    const struct rbl_settings *settings = &run->settings->rbl;
    struct sum sum = {0};
    for (size_t i = 0; i < settings->list_count; i++) {
        const struct rbl_list_settings *list = &settings->lists[i];
        const struct rbl_answer *answer = answer_of(run->facts, list->number);
        if (!has_answered(answer)) {
            continue;
        }
        sum.answered = true;
        /* Data that two lists share counts once, when the wider of them has answered. */
        const bool covered =
            list->covered_by != 0 && has_answered(answer_of(run->facts, list->covered_by));
        if (answer->status == DNSBL_LISTED && !covered) {
            sum.weight += list->weight;
            add_hit(names, list, answer);
        }
    }
    return sum;
}

struct policy_answer rbl_run(struct policy_run *run) {
    const struct policy_answer no_objection = {.verdict = VERDICT_NONE};
    if (!rbl_wants_fact(run->settings, run->request->client_address)) {
        return no_objection;
    }
    if (!policy_run_fact(run, FACT_RBL)) {
        return (struct policy_answer){.fact_missing = true};
    }
    struct text names = TEXT_OVER(run->rule_name_room);
    const struct sum sum = sum_up(run, &names);
    if (!sum.answered) {
        return (struct policy_answer){.fact_missing = true};
    }
    const bool in_shadow = run->settings->policies[POLICY_RBL].mode == POLICY_MODE_SHADOW;
    if (sum.weight > 0 && !in_shadow) {
        auto_blacklist_count(run, BLACKLIST_RBL_HITS, STR(""));
    }
    if (sum.weight < run->settings->rbl.threshold) {
        return no_objection;
    }
    return (struct policy_answer){
        .verdict = VERDICT_REJECT, .reason = REASON_RBL_LISTED, .rule = text_str(&names)};
}
