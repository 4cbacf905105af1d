/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_ahead.h"

#include "policy/decision.h"
#include "policy/quota_parts.h"
#include "policy/rules.h"
#include "policy/trust_run.h"

typedef void normalise(struct str address, struct text *out);

/* Kept in `ahead` when there is room for it, else in `room` (ADDRESS_ROOM bytes). */
static struct str make_name(struct str value, normalise *make, struct decision_ahead *ahead,
                            struct ahead_name *name, char *room) {
    if (!name->known) {
        struct text kept = {.data = ahead->names + ahead->names_used,
                            .size = sizeof ahead->names - ahead->names_used};
        make(decision_value(value), &kept);
        if (kept.truncated) {
            struct text out = {.data = room, .size = ADDRESS_ROOM};
            make(decision_value(value), &out);
            return text_str(&out);
        }
        *name = (struct ahead_name){true, ahead->names_used, (uint8_t)kept.length};
        ahead->names_used += (uint8_t)kept.length;
    }
    return (struct str){ahead->names + name->start, name->length};
}

/* As find_list_hits() of decision_read.c asks. */
static void look_for_lists(const struct list_view *lists, const struct policy_request *request,
                           struct decision_ahead *ahead) {
    char sender_room[ADDRESS_ROOM];
    char recipient_room[ADDRESS_ROOM];
    char client_name_room[ADDRESS_ROOM];
    struct list_query query = {.sender = make_name(request->sender, mail_address_normalise, ahead,
                                                   &ahead->sender, sender_room),
                               .client_address = request->client_address};
    if (list_view_reads(lists, PATTERN_RECIPIENT)) {
        query.recipient = make_name(request->recipient, mail_address_normalise, ahead,
                                    &ahead->recipient, recipient_room);
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

static struct hash128 global_key(const struct decision_source *source, enum quota_unit unit,
                                 const struct quota_subject *subject) {
    struct decision_memo *memo = source->memo;
    if (memo == NULL) {
        return quota_key(&source->state->key, QUOTA_GLOBAL, unit, subject);
    }
    if ((memo->global_known & 1U << unit) == 0) {
        memo->global[unit] = quota_key(&source->state->key, QUOTA_GLOBAL, unit, subject);
        memo->global_known |= 1U << unit;
    }
    return memo->global[unit];
}

/* What the subject of this request has used, as quota_case_read_limits() asks. */
static void look_for_usage(const struct policy_settings *settings,
                           const struct decision_source *source,
                           const struct policy_request *request, struct decision_ahead *ahead) {
    char room[ADDRESS_ROOM];
    struct str user = {NULL, 0};
    if (decision_direction(settings, request) == DIRECTION_OUTBOUND) {
        user = make_name(decision_identity(settings, request),
                         mail_recipient_normalise_for_greylisting, ahead, &ahead->identity, room);
    }
    const struct quota_subject subject = quota_subject_of_user(user, request->client_address);
    for (unsigned left = rules_quota_pairs(source->rules); left != 0; left &= left - 1) {
        const unsigned i = (unsigned)__builtin_ctz(left);
        const enum quota_scope scope = (enum quota_scope)(i / QUOTA_UNITS);
        const enum quota_unit unit = (enum quota_unit)(i % QUOTA_UNITS);
        if (quota_subject_has(&subject, scope)) {
            ahead->usage[i] = scope == QUOTA_GLOBAL
                                  ? global_key(source, unit, &subject)
                                  : quota_key(&source->state->key, scope, unit, &subject);
            ahead->usage_known |= 1U << i;
            state_prefetch(source->state, STATE_QUOTA, ahead->usage[i]);
        }
    }
}

/* What quotas have said of this recipient, and of the message; where there is a limit. */
static void look_for_quotas(const struct state *state, const struct policy_request *request,
                            struct decision_ahead *ahead) {
    char room[ADDRESS_ROOM];
    const struct str recipient =
        make_name(request->recipient, mail_address_normalise, ahead, &ahead->recipient, room);
    ahead->message = quota_message_key(&state->key, request);
    ahead->outcome = quota_outcome_key(&state->key, request, recipient);
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
    ret->usage_known = 0;
    ret->sender.known = false;
    ret->recipient.known = false;
    ret->identity.known = false;
    ret->names_used = 0;
    if (request->state != PROTOCOL_STATE_RCPT) {
        return;
    }
    if (source->lists != NULL && !list_view_is_empty(source->lists)) {
        look_for_lists(source->lists, request, ret);
    }
    if (policies[POLICY_QUOTAS].enabled && request->instance.length > 0 &&
        rules_quota_pairs(source->rules) != 0) {
        look_for_quotas(state, request, ret);
        look_for_usage(settings, source, request, ret);
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
    for (unsigned left = ahead->usage_known; left != 0; left &= left - 1) {
        state_prefetch_entry(state, STATE_QUOTA, ahead->usage[__builtin_ctz(left)]);
    }
    if (ahead->hosts_known && ahead->hosts.has_sender) {
        state_prefetch_entry(state, STATE_CORRESPONDENT, ahead->hosts.correspondent);
    }
    for (size_t i = 0; ahead->hosts_known && i < ahead->hosts.count; i++) {
        state_prefetch_entry(state, STATE_GREYLIST, ahead->hosts.key[i]);
        state_prefetch_entry(state, STATE_GREYLIST_CLIENT, ahead->hosts.client_key[i]);
    }
}
