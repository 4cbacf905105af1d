/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_ahead.h"

#include "policy/decision.h"
#include "policy/quota_parts.h"
#include "policy/rules.h"
#include "policy/trust_run.h"

/* As find_list_hits() of decision_read.c asks. */
static void look_for_lists(const struct list_view *lists, const struct policy_request *request,
                           struct decision_ahead *ahead) {
    char sender_room[ADDRESS_ROOM];
    char recipient_room[ADDRESS_ROOM];
    char client_name_room[ADDRESS_ROOM];
    struct text sender = TEXT_OVER(sender_room);
    mail_address_normalise(decision_value(request->sender), &sender);
    struct list_query query = {.sender = text_str(&sender),
                               .client_address = request->client_address};
    if (list_view_reads(lists, PATTERN_RECIPIENT)) {
        struct text recipient = TEXT_OVER(recipient_room);
        mail_address_normalise(decision_value(request->recipient), &recipient);
        query.recipient = text_str(&recipient);
    }
    if (list_view_reads(lists, PATTERN_CLIENT)) {
        struct text client_name = TEXT_OVER(client_name_room);
        decision_client_name(request, &client_name);
        query.client_name = text_str(&client_name);
    }
    list_view_look_ahead(lists, &query, &ahead->lists);
    ahead->lists_known = true;
}

static void look_for_network(const struct state *state, const struct policy_request *request,
                             struct decision_ahead *ahead) {
    ahead->network = state_network_key(&state->key, request->client_address);
    ahead->network_known = true;
    state_prefetch(state, STATE_BLACKLIST, ahead->network);
    state_prefetch(state, STATE_REPUTATION, ahead->network);
}

static void prefetch_hosts(const struct state *state, const struct greylist_keys *hosts) {
    if (hosts->has_sender) {
        state_prefetch(state, STATE_CORRESPONDENT, hosts->correspondent);
    }
    for (size_t i = 0; i < hosts->count; i++) {
        state_prefetch(state, STATE_GREYLIST, hosts->key[i]);
        state_prefetch(state, STATE_GREYLIST_CLIENT, hosts->client_key[i]);
    }
}

static void look_for_hosts(const struct policy_settings *settings, const struct state *state,
                           const struct policy_request *request, const struct facts *facts,
                           struct decision_ahead *ahead) {
    greylist_keys(&state->key, &settings->greylisting, request, facts, &ahead->hosts);
    ahead->hosts_known = true;
    prefetch_hosts(state, &ahead->hosts);
}

/* Where END-OF-MESSAGE is known to come, the recipient's decision does not ask. */
static void look_for_message(const struct policy_settings *settings, const struct state *state,
                             const struct policy_request *request, struct decision_ahead *ahead) {
    if (request->instance.length > 0 && settings->quotas.end_of_data_hook != END_OF_DATA_ON) {
        ahead->accepted = trust_accepted_key(&state->key, request);
        ahead->accepted_known = true;
        state_prefetch(state, STATE_ONCE, ahead->accepted);
    }
}

/* What quotas have said of this recipient, and of the message; where there is a limit. */
static void look_for_quotas(const struct state *state, const struct policy_request *request,
                            struct decision_ahead *ahead) {
    char room[ADDRESS_ROOM];
    struct text recipient = TEXT_OVER(room);
    mail_address_normalise(decision_value(request->recipient), &recipient);
    ahead->message = quota_message_key(&state->key, request);
    ahead->outcome = quota_outcome_key(&state->key, request, text_str(&recipient));
    ahead->quotas_known = true;
    state_prefetch(state, STATE_MESSAGE, ahead->message);
    state_prefetch(state, STATE_ONCE, ahead->outcome);
}

void decision_look_ahead(const struct policy_settings *settings,
                         const struct decision_source *source, const struct policy_request *request,
                         const struct facts *facts, struct decision_ahead *ret) {
    const struct policy_common_settings *policies = settings->policies;
    const struct state *state = source->state;
    ret->lists_known = false;
    ret->network_known = false;
    ret->hosts_known = false;
    ret->accepted_known = false;
    ret->quotas_known = false;
    if (request->state != PROTOCOL_STATE_RCPT) {
        return;
    }
    if (source->lists != NULL && !list_view_is_empty(source->lists)) {
        look_for_lists(source->lists, request, ret);
    }
    if (policies[POLICY_QUOTAS].enabled && request->instance.length > 0 &&
        rules_quota_pairs(source->rules) != 0) {
        look_for_quotas(state, request, ret);
    }
    if (ip_address_is_none(request->client_address) ||
        decision_direction(settings, request) != DIRECTION_INBOUND) {
        return;
    }
    if (policies[POLICY_AUTO_BLACKLIST].enabled || policies[POLICY_IP_REPUTATION].enabled) {
        look_for_network(state, request, ret);
    }
    if (policies[POLICY_IP_REPUTATION].enabled) {
        look_for_message(settings, state, request, ret);
    }
    /* While SPF is not known greylisting waits for it, and the keys may be others then. */
    if (policies[POLICY_GREYLISTING].enabled &&
        (!policies[POLICY_SPF].enabled || facts->status[FACT_SPF] == FACT_KNOWN)) {
        look_for_hosts(settings, state, request, facts, ret);
    }
}

void decision_look_closer(const struct state *state, const struct decision_ahead *ahead) {
    if (ahead->network_known) {
        state_prefetch_entry(state, STATE_BLACKLIST, ahead->network);
        state_prefetch_entry(state, STATE_REPUTATION, ahead->network);
    }
    if (ahead->accepted_known) {
        state_prefetch_entry(state, STATE_ONCE, ahead->accepted);
    }
    if (ahead->quotas_known) {
        state_prefetch_entry(state, STATE_MESSAGE, ahead->message);
        state_prefetch_entry(state, STATE_ONCE, ahead->outcome);
    }
    if (ahead->hosts_known && ahead->hosts.has_sender) {
        state_prefetch_entry(state, STATE_CORRESPONDENT, ahead->hosts.correspondent);
    }
    for (size_t i = 0; ahead->hosts_known && i < ahead->hosts.count; i++) {
        state_prefetch_entry(state, STATE_GREYLIST, ahead->hosts.key[i]);
        state_prefetch_entry(state, STATE_GREYLIST_CLIENT, ahead->hosts.client_key[i]);
    }
}
