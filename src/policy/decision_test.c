/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision.h"

#include <string.h>

#include "policy/policy_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

static const struct decision_step *step_of(const struct decision *decision, enum policy_id policy) {
    for (size_t i = 0; i < decision->step_count; i++) {
        if (decision->steps[i].policy == policy) {
            return &decision->steps[i];
        }
    }
    fail_msg("no step of policy %d", (int)policy);
    return NULL;
}

static void trust(struct world *world, const char *network) {
    static struct ip_prefix networks[2];
    assert_true(ip_prefix_parse(STR("203.0.113.0/24"), &networks[0], NULL));
    assert_true(ip_prefix_parse(str_from(network), &networks[1], NULL));
    world->settings.trusted_networks = networks;
    world->settings.trusted_network_count = 2;
}

TEST(authenticated_and_trusted_clients_send_outbound) {
    struct world *world = world_new(10);
    struct policy_request *request = &world->request;
    assert_int_equal(decision_direction(&world->settings, request), DIRECTION_INBOUND);
    request->sasl_username = STR("a");
    assert_int_equal(decision_direction(&world->settings, request), DIRECTION_OUTBOUND);
    request->sasl_username = STR("");
    trust(world, "192.0.2.0/24");
    assert_int_equal(decision_direction(&world->settings, request), DIRECTION_OUTBOUND);
    trust(world, "192.0.3.0/24");
    assert_int_equal(decision_direction(&world->settings, request), DIRECTION_INBOUND);
    world_set_client(world, "203.0.113.255", "mail.example.org"); /* the first network */
    assert_int_equal(decision_direction(&world->settings, request), DIRECTION_OUTBOUND);
    world_free(world);
}

TEST(identity_is_the_login_else_the_sender_of_a_trusted_client) {
    struct world *world = world_new(10);
    struct policy_request *request = &world->request;
    assert_int_equal(decision_identity(&world->settings, request).length, 0);
    trust(world, "192.0.2.0/24");
    assert_true(str_equal(decision_identity(&world->settings, request), STR("a@example.org")));
    request->sasl_username = STR("c");
    assert_true(str_equal(decision_identity(&world->settings, request), STR("c")));
    world_free(world);
}

TEST(only_recipients_are_decided_on) {
    struct world *world = world_new(10);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "0.0.0.0/0");
    for (unsigned at = PROTOCOL_STATE_NONE; at <= PROTOCOL_STATE_ENDED; at++) {
        world->request.state = (enum protocol_state)at;
        const struct decision *decision = world_send(world);
        const bool of_recipient = at == PROTOCOL_STATE_RCPT;
        assert_int_equal(decision->verdict, of_recipient ? VERDICT_REJECT : VERDICT_NONE);
        assert_int_equal(decision->reason, of_recipient ? REASON_ACL_BLOCKED : REASON_NONE);
        assert_int_equal(decision->policy, of_recipient ? POLICY_ACL_BLOCK : POLICY_NONE);
        assert_int_equal(decision->step_count, of_recipient ? POLICY_LIMIT - 1 : 0);
        assert_int_equal(strcmp(world_reply(world), "DUNNO") == 0, !of_recipient);
        /* An END-OF-MESSAGE tells that this service sends them. */
        assert_int_equal(decision->effect_count, at == PROTOCOL_STATE_END_OF_MESSAGE ? 1 : 0);
    }
    world_free(world);
}

/* What policy_run_sees_end_of_data() would find. */
static const struct once_entry *end_of_data_of(const struct world *world, const char *client,
                                               const char *port) {
    const struct str parts[] = {STR("end of data"), str_from(client), str_from(port)};
    return state_find(&world->state, STATE_ONCE,
                      state_key(&world->state.key, STATE_ONCE, parts, 3));
}

TEST(a_service_that_sends_end_of_message_is_remembered_and_noted_anew_each_day) {
    struct world *world = world_new(10);
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    world->request.policy_client = STR("203.0.113.7");
    world->request.server_port = 25;
    assert_int_equal(world_send(world)->effects[0].kind, EFFECT_ONCE);
    assert_non_null(end_of_data_of(world, "203.0.113.7", "25"));
    assert_null(end_of_data_of(world, "203.0.113.7", "587"));
    assert_null(end_of_data_of(world, "203.0.113.8", "25"));
    world->now_s += 86399;
    assert_int_equal(world_send(world)->effect_count, 0);
    world->now_s += 1;
    assert_int_equal(world_send(world)->effect_count, 1);
    assert_int_equal(end_of_data_of(world, "203.0.113.7", "25")->head.expires_s,
                     world->now_s + 35 * 86400);
    world_free(world);
}

TEST(a_request_of_nothing_but_its_state_is_decided) {
    struct world *world = world_new(10);
    world->request = (struct policy_request){.state = PROTOCOL_STATE_RCPT};
    assert_int_equal(world_send(world)->verdict, VERDICT_NONE);
    assert_int_equal(world->decision.step_count, POLICY_LIMIT - 1);
    world_set_client(world, "192.0.2.1", "");
    assert_int_equal(world_send(world)->verdict, VERDICT_DEFER);
    world_free(world);
}

static size_t place_of(const struct decision *decision, enum policy_id policy) {
    return (size_t)(step_of(decision, policy) - decision->steps);
}

TEST(policies_run_by_priority_and_stop_at_the_first_final_verdict) {
    struct world *world = world_new(10);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    const struct decision *decision = world_ask(world);
    static const enum policy_id in_order[] = {POLICY_ACL_ALLOW,
                                              POLICY_ACL_BLOCK,
                                              POLICY_AUTO_BLACKLIST,
                                              POLICY_IP_REPUTATION,
                                              POLICY_SENDER_RESTRICTIONS,
                                              POLICY_SENDER_IDENTITY,
                                              POLICY_QUOTAS,
                                              POLICY_GEO,
                                              POLICY_RBL,
                                              POLICY_SPF,
                                              POLICY_GREYLISTING};
    assert_int_equal(decision->step_count, POLICY_LIMIT - 1);
    for (size_t i = 0; i < POLICY_LIMIT - 1; i++) {
        assert_int_equal(decision->steps[i].policy, in_order[i]);
    }
    assert_false(decision->steps[0].skipped);
    assert_int_equal(decision->steps[1].verdict, VERDICT_REJECT);
    assert_true(step_of(decision, POLICY_GREYLISTING)->skipped);
    assert_int_equal(decision->effect_count, 0);
    world->settings.policies[POLICY_GREYLISTING].priority = 1000;
    decision = world_ask(world); /* A tie goes in the order of policies.def. */
    assert_int_equal(place_of(decision, POLICY_ACL_ALLOW), 0);
    assert_int_equal(place_of(decision, POLICY_GREYLISTING), 1);
    assert_int_equal(place_of(decision, POLICY_ACL_BLOCK), 2);
    assert_int_equal(decision->verdict, VERDICT_DEFER);
    world->settings.policies[POLICY_ACL_BLOCK].priority = 1001;
    decision = world_ask(world);
    assert_int_equal(decision->steps[0].policy, POLICY_ACL_BLOCK);
    assert_int_equal(decision->verdict, VERDICT_REJECT);
    world_free(world);
}

TEST(a_disabled_policy_is_skipped) {
    struct world *world = world_new(10);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    world->settings.policies[POLICY_ACL_BLOCK].enabled = false;
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->verdict, VERDICT_NONE);
    assert_int_equal(decision->reason, REASON_NONE);
    assert_int_equal(decision->policy, POLICY_NONE);
    assert_true(step_of(decision, POLICY_ACL_BLOCK)->skipped);
    assert_true(step_of(decision, POLICY_GREYLISTING)->skipped);
    assert_false(step_of(decision, POLICY_ACL_ALLOW)->skipped);
    assert_string_equal(world_reply(world), "DUNNO");
    world_free(world);
}

TEST(a_policy_runs_in_its_directions_only) {
    struct world *world = world_new(10);
    world->request.sasl_username = STR("alice");
    const struct decision *decision = world_send(world);
    assert_false(step_of(decision, POLICY_ACL_BLOCK)->skipped);
    assert_true(step_of(decision, POLICY_GREYLISTING)->skipped);
    world_free(world);
}

TEST(shadow_notes_the_verdict_keeps_the_effects_and_never_answers) {
    struct world *world = world_new(10);
    world->settings.policies[POLICY_GREYLISTING].mode = POLICY_MODE_SHADOW;
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->verdict, VERDICT_NONE);
    assert_int_equal(decision->reason, REASON_NONE);
    assert_int_equal(decision->policy, POLICY_NONE);
    assert_int_equal(decision->retry_in_s, 0);
    assert_string_equal(world_reply(world), "DUNNO");
    const struct decision_step *step = step_of(decision, POLICY_GREYLISTING);
    assert_int_equal(step->verdict, VERDICT_DEFER);
    assert_int_equal(step->reason, REASON_GREYLIST_FIRST_CONTACT);
    assert_int_equal(step->mode, POLICY_MODE_SHADOW);
    assert_false(step->skipped);
    assert_int_equal(decision->effect_count, 1);
    world->now_s += 300;
    world->settings.policies[POLICY_GREYLISTING].mode = POLICY_MODE_ENFORCE;
    assert_int_equal(world_send(world)->reason, REASON_GREYLIST_RETRIED);
    world_free(world);
}

TEST(a_block_list_in_shadow_lets_the_next_policy_decide) {
    struct world *world = world_new(10);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    world->settings.policies[POLICY_ACL_BLOCK].mode = POLICY_MODE_SHADOW;
    const struct decision *decision = world_send(world);
    assert_int_equal(decision->policy, POLICY_GREYLISTING);
    assert_int_equal(decision->rule_length, 0);
    assert_int_equal(step_of(decision, POLICY_ACL_BLOCK)->verdict, VERDICT_REJECT);
    world_free(world);
}

TEST(on_error_decides_for_a_fact_that_did_not_arrive) {
    static const struct {
        enum policy_on_error on_error;
        enum verdict verdict;
        enum reason reason;
    } rows[] = {
        {POLICY_ON_ERROR_ACCEPT, VERDICT_NONE, REASON_NONE},
        {POLICY_ON_ERROR_DEFER, VERDICT_DEFER, REASON_FACT_UNAVAILABLE},
        {POLICY_ON_ERROR_REJECT, VERDICT_REJECT, REASON_FACT_UNAVAILABLE},
    };
    for (size_t i = 0; i < 3; i++) {
        struct policy_answer answer = {
            .verdict = VERDICT_REJECT, .reason = REASON_ACL_BLOCKED, .fact_missing = true};
        const struct policy_answer settled = decision_settle(answer, rows[i].on_error);
        assert_int_equal(settled.verdict, rows[i].verdict);
        assert_int_equal(settled.reason, rows[i].reason);
        assert_null(settled.match);
        answer.fact_missing = false;
        assert_int_equal(decision_settle(answer, rows[i].on_error).reason, REASON_ACL_BLOCKED);
    }
}

TEST(a_record_tells_nothing_of_a_list_that_was_not_read) {
    struct world *world = world_new(100);
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    world->settings.policies[POLICY_ACL_BLOCK].enabled = false;
    (void)world_send(world);
    static struct decision recorded;
    recorded = world->decision;
    world->settings.policies[POLICY_ACL_BLOCK].enabled = true;
    bool unknown = false;
    const struct decision_source source = {
        .state = &world->state, .recorded = &recorded, .ret_unknown = &unknown};
    decide(&world->settings, &source, &world->request, &world->facts,
           world->now_s * INT64_C(1000000000), &world->decision);
    assert_true(unknown);
    assert_int_equal(world->decision.policy, POLICY_GREYLISTING);
    world_free(world);
}

TEST(values_are_read_as_far_as_a_record_keeps_them) {
    struct world *world = world_new(100);
    static char sender[2 * DECISION_VALUE_MAX];
    memset(sender, 'x', sizeof sender);
    memcpy(sender, "a@", 2);
    world->request.sender = (struct str){sender, sizeof sender};
    world->request.helo_name = world->request.sender;
    world->request.client_name = world->request.sender;
    world->request.recipient = world->request.sender;
    assert_int_equal(world_send(world)->reason, REASON_GREYLIST_FIRST_CONTACT);
    sender[DECISION_VALUE_MAX] = 'y';
    assert_int_equal(world_send(world)->reason, REASON_GREYLIST_TOO_EARLY);
    assert_int_equal(decision_value(world->request.sender).length, DECISION_VALUE_MAX);
    world_free(world);
}

TEST(decision_time_is_in_whole_seconds_and_never_wraps) {
    struct world *world = world_new(100);
    const struct decision_source source = {.state = &world->state, .lists = NULL};
    decide(&world->settings, &source, &world->request, &world->facts, 1999999999, &world->decision);
    assert_int_equal(world->decision.effects[0].time_s, 1);
    decide(&world->settings, &source, &world->request, &world->facts, -5000000000,
           &world->decision);
    assert_int_equal(world->decision.effects[0].time_s, 0);
    decide(&world->settings, &source, &world->request, &world->facts, INT64_MAX, &world->decision);
    assert_int_equal(world->decision.effects[0].time_s, UINT32_MAX);
    world_free(world);
}

TEST(reads_are_noted_with_who_read_them) {
    struct world *world = world_new(100);
    (void)world_add(world, LIST_ALLOW, PATTERN_IP, "192.0.0.0/16");
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    world->settings.policies[POLICY_ACL_BLOCK].on_error = POLICY_ON_ERROR_REJECT;
    (void)world_send(world);
    const struct decision *decision = &world->decision;
    assert_int_equal(decision->read_count, 3);
    assert_int_equal(decision->reads[0].source, LIST_ALLOW);
    assert_int_equal(decision->reads[0].policy, POLICY_ACL_ALLOW);
    assert_int_equal(decision->reads[1].source, LIST_BLOCK | LIST_READ_ADDRESS_ONLY);
    assert_int_equal(decision->reads[1].policy, POLICY_ACL_ALLOW);
    assert_int_equal(decision->reads[2].source, LIST_BLOCK);
    assert_int_equal(decision->reads[2].policy, POLICY_ACL_BLOCK);
    assert_int_equal(decision->list_matches[list_match_slot(LIST_BLOCK)].entry_id, 2);
    world_free(world);
}

TEST(a_record_run_under_other_settings_tells_what_it_does_not_know) {
    struct world *world = world_new(100);
    (void)world_send(world);
    static struct decision recorded;
    recorded = world->decision;
    const struct state key_alone = {.key = world->state.key};
    bool unknown = false;
    const struct decision_source source = {
        .state = &key_alone, .recorded = &recorded, .ret_unknown = &unknown};
    world->settings.greylisting.defer_time_s = 10;
    decide(&world->settings, &source, &world->request, &world->facts,
           world->now_s * INT64_C(1000000000), &world->decision);
    assert_false(unknown);
    assert_int_equal(world->decision.retry_in_s, 10);
    world->settings.greylisting.ipv4_prefix_bits = 32; /* another key: nobody knows its entry */
    decide(&world->settings, &source, &world->request, &world->facts,
           world->now_s * INT64_C(1000000000), &world->decision);
    assert_true(unknown);
    assert_int_equal(world->decision.reason, REASON_GREYLIST_FIRST_CONTACT);
    const struct decision_source quiet = {.state = &key_alone, .recorded = &recorded};
    decide(&world->settings, &quiet, &world->request, &world->facts,
           world->now_s * INT64_C(1000000000), &world->decision);
    assert_int_equal(world->decision.reason, REASON_GREYLIST_FIRST_CONTACT);
    world_free(world);
}

TEST(nothing_is_left_of_the_decision_before) {
    struct world *world = world_new(10);
    (void)world_send(world);
    assert_int_equal(world->decision.retry_in_s, 300);
    world->request.state = PROTOCOL_STATE_DATA;
    (void)world_send(world);
    assert_int_equal(world->decision.retry_in_s, 0);
    world_free(world);
}

TEST(while_a_fact_is_wanted_nothing_is_answered_and_nothing_is_done) {
    struct world *world = world_new(10);
    struct list_item item = world_item(world, LIST_BLOCK, PATTERN_EMAIL, "a@example.org");
    item.require = LIST_PROOF_SPF;
    world_add_item(world, item);
    world->facts.status[FACT_SPF] = FACT_UNAVAILABLE;
    (void)world_ask(world);
    assert_true(world->decision.reply_length > 0);
    world->facts.status[FACT_SPF] = FACT_UNASKED;
    (void)world_ask(world);
    assert_int_equal(world->decision.facts_wanted, 1u << FACT_SPF);
    assert_int_equal(world->decision.reply_length, 0);
    assert_int_equal(world->decision.effect_count, 0); /* although greylisting was asked */
    assert_true(step_of(&world->decision, POLICY_GREYLISTING)->skipped);
    world_free(world);
}

TEST(each_policy_refuses_with_the_administrators_text_for_it) {
    struct world *world = world_new(10);
    world->settings.greylisting.text = STR("Come back later");
    world->settings.access_list.block_text = STR("Go away");
    (void)world_ask(world);
    assert_string_equal(world_reply(world), "DEFER_IF_PERMIT 4.7.1 Come back later");
    (void)world_add(world, LIST_BLOCK, PATTERN_IP, "192.0.2.1");
    (void)world_ask(world);
    assert_non_null(strstr(world_reply(world), " Go away"));
    world_free(world);
}

/* What stands behind the last read of a record is not part of it. */
TEST(a_record_ends_with_its_last_read) {
    struct world *world = world_new(100);
    (void)world_send(world);
    static struct decision recorded;
    recorded = world->decision;
    recorded.read_count--;
    bool unknown = false;
    const struct decision_source source = {
        .state = &world->state, .recorded = &recorded, .ret_unknown = &unknown};
    decide(&world->settings, &source, &world->request, &world->facts,
           world->now_s * INT64_C(1000000000), &world->decision);
    assert_true(unknown);
    world_free(world);
}
