/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/replay_judge.h"

#include <stdio.h>
#include <string.h>

#include "policy/world_fixture.h"
#include "testing/test.h"

enum { TODAY = 9, BEFORE = 8 };

/* A world in which mail is decided and recorded, and a judge of what was. */
static struct world *world;
static struct replay_judge_options options;
static struct policy_settings proposed;
static struct list_view proposed_lists;
static struct replay_judge *judge;
static struct history_scan_row row;

static void begin(void) {
    world = world_new(1000);
    world->settings.generation = TODAY;
    proposed = world->settings;
    options = (struct replay_judge_options){
        .key = world->state.key,
        .generation = TODAY,
        .today = {&world->settings, &world->lists, NULL},
        .proposed = {&proposed, &world->lists, NULL},
        .samples_max = 3,
    };
    for (unsigned table = 0; table < STATE_TABLES; table++) {
        options.capacities[table] = 1000;
    }
    judge = NULL;
    row = (struct history_scan_row){.sequence = 0};
}

/* The record of the decision that stands in the world. */
static void record(uint64_t generation) {
    static unsigned char body[DECISION_RECORD_MAX];
    const int64_t now_ns = world->now_s * INT64_C(1000000000);
    const size_t length = decision_record_encode(
        &world->request, decision_identity(&world->settings, &world->request), &world->facts,
        generation, now_ns, 2, &world->decision, body);
    row = (struct history_scan_row){
        .sequence = row.sequence + 1,
        .time_ns = now_ns + 5,
        .decision_ns = now_ns,
        .count = 1,
        .record_version = DECISION_RECORD_VERSION,
        .record = {(const char *)body, length},
    };
}

static void judge_row(void) {
    struct replay_today today;
    if (judge == NULL) {
        assert_int_equal(replay_judge_new(&options, &judge), 0);
    }
    replay_judge_today(judge, &row, &today);
    replay_judge_proposed(judge, &row, &today);
}

static void send(const char *sender, int64_t after_s) {
    world->now_s += after_s;
    world->request.sender = str_from(sender);
    (void)world_send(world);
    record(TODAY);
    judge_row();
}

static const struct replay_totals *totals(void) {
    return replay_judge_totals(judge);
}

static void end(void) {
    replay_report_free(replay_judge_finish(judge));
    world_free(world);
}

static const struct replay_change *only_change(const struct replay_report *report) {
    const struct replay_change *found = NULL;
    for (size_t i = 0; i < REPLAY_CHANGES_MAX; i++) {
        if (report->changes[i].count > 0) {
            assert_null(found);
            found = &report->changes[i];
        }
    }
    assert_non_null(found);
    return found;
}

TEST(a_shorter_wait_changes_exactly_the_retries_in_between) {
    begin();
    proposed.greylisting.defer_time_s = 60;
    send("a@example.org", 0);  /* first contact */
    send("a@example.org", 59); /* too early either way */
    send("a@example.org", 1);  /* at 60 s: changed */
    send("a@example.org", 239);
    send("a@example.org", 1); /* at 300 s: let in either way */
    send("a@example.org", 1);
    assert_int_equal(totals()->decisions, 6);
    assert_int_equal(totals()->changed, 2);
    assert_int_equal(totals()->not_comparable, 0);
    struct replay_report *report = replay_judge_finish(judge);
    const struct replay_change *change = only_change(report);
    assert_int_equal(change->policy, POLICY_GREYLISTING);
    assert_int_equal(change->from, VERDICT_DEFER);
    assert_int_equal(change->to, VERDICT_ACCEPT);
    assert_int_equal(change->count, 2);
    assert_int_equal(change->sample_count, 2);
    const struct replay_sample *sample = &change->samples[0];
    assert_int_equal(sample->sequence, 3);
    assert_int_equal(sample->time_ns, (world->now_s - 241) * INT64_C(1000000000) + 5);
    assert_int_equal(sample->today.reason, REASON_GREYLIST_TOO_EARLY);
    assert_int_equal(sample->proposed.reason, REASON_GREYLIST_RETRIED);
    assert_true(str_equal((struct str){sample->client, sample->client_length}, STR("192.0.2.1")));
    assert_true(
        str_equal((struct str){sample->sender, sample->sender_length}, STR("a@example.org")));
    assert_true(
        str_equal((struct str){sample->recipient, sample->recipient_length}, STR("b@example.net")));
    assert_true(str_equal((struct str){sample->reply, sample->reply_length}, STR("DUNNO")));
    assert_int_equal(change->samples[1].sequence, 4);
    replay_report_free(report);
    world_free(world);
}

TEST(what_is_proposed_as_it_is_changes_nothing_whatever_was_recorded) {
    begin();
    char sender[32];
    struct dice dice = {4};
    world->settings.greylisting.client_passes = 0; /* Its one client would be trusted soon. */
    proposed = world->settings;
    (void)world_add(world, LIST_BLOCK, PATTERN_EMAIL, "*@example.com");
    for (unsigned i = 0; i < 300; i++) {
        world->settings.generation = dice_below(&dice, 2) != 0 ? TODAY : BEFORE;
        world->settings.greylisting.learning = world->settings.generation == BEFORE;
        world->now_s += dice_below(&dice, 400);
        (void)snprintf(sender, sizeof sender, "%c%c@example.%s", 'a' + (int)dice_below(&dice, 26),
                       'a' + (int)dice_below(&dice, 9), dice_below(&dice, 5) == 0 ? "com" : "org");
        world->request.sender = dice_below(&dice, 20) == 0 ? STR("") : str_from(sender);
        (void)world_send(world);
        record(world->settings.generation);
        world->settings.greylisting.learning = false;
        judge_row();
    }
    assert_int_equal(totals()->decisions, 300);
    assert_int_equal(totals()->changed, 0);
    assert_int_equal(totals()->reasons, 0);
    assert_int_equal(totals()->not_comparable, 0);
    assert_true(totals()->since_changed > 10); /* learning let in what would have been deferred */
    end();
}

TEST(records_that_cannot_be_read_are_counted_and_pass_by) {
    begin();
    proposed.policies[POLICY_GREYLISTING].enabled = false;
    send("a@example.org", 0);
    assert_int_equal(totals()->changed, 1);
    const struct str whole = row.record;
    row.record.length = whole.length - 1;
    judge_row();
    row.record = (struct str){NULL, 0};
    judge_row();
    row.record = whole;
    row.record_version = DECISION_RECORD_VERSION + 1;
    row.count = 7;
    judge_row();
    assert_int_equal(totals()->decisions, 10);
    assert_int_equal(totals()->unreadable, 9);
    assert_int_equal(totals()->changed, 1);
    end();
}

TEST(a_decision_that_does_not_come_out_as_recorded_is_left_out) {
    begin();
    proposed.policies[POLICY_GREYLISTING].enabled = false;
    (void)world_ask(world);
    world->decision.verdict = VERDICT_REJECT;
    record(TODAY);
    judge_row();
    assert_int_equal(totals()->not_comparable, 1);
    assert_int_equal(totals()->changed, 0);
    /* Of another generation that is no wonder. */
    record(BEFORE);
    judge_row();
    assert_int_equal(totals()->not_comparable, 1);
    assert_int_equal(totals()->since_changed, 1);
    assert_int_equal(totals()->changed, 1);
    end();
}

TEST(folded_rows_count_for_all_they_stand_for_and_other_states_for_none) {
    begin();
    proposed.policies[POLICY_GREYLISTING].mode = POLICY_MODE_SHADOW;
    (void)world_send(world);
    record(TODAY);
    row.count = 41;
    judge_row();
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    (void)world_send(world);
    record(TODAY);
    judge_row();
    assert_int_equal(totals()->decisions, 41);
    assert_int_equal(totals()->changed, 41);
    end();
}

TEST(samples_are_few_in_order_and_from_everywhere) {
    begin();
    char sender[32];
    uint64_t largest = 0;
    proposed.policies[POLICY_GREYLISTING].enabled = false;
    options.samples_max = 10;
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(sender, sizeof sender, "%c%c@example.org", 'a' + (int)(i / 26),
                       'a' + (int)(i % 26));
        send(sender, 1);
    }
    struct replay_report *report = replay_judge_finish(judge);
    const struct replay_change *change = only_change(report);
    assert_int_equal(change->count, 500);
    assert_int_equal(change->sample_count, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_true(change->samples[i].sequence > largest);
        largest = change->samples[i].sequence;
    }
    assert_true(change->samples[0].sequence < 200);
    assert_true(change->samples[4].sequence > 50);
    assert_true(largest > 300);
    replay_report_free(report);
    world_free(world);
}

TEST(a_policy_that_was_off_finds_a_state_that_the_run_has_made) {
    begin();
    world->settings.policies[POLICY_GREYLISTING].enabled = false;
    proposed = world->settings;
    proposed.policies[POLICY_GREYLISTING].enabled = true;
    send("a@example.org", 0);   /* would be deferred */
    send("a@example.org", 299); /* again */
    send("a@example.org", 1);   /* and let in */
    send("a@example.org", 1);
    assert_int_equal(totals()->changed, 2);
    assert_int_equal(totals()->reasons, 2); /* let in, but now for a reason */
    assert_int_equal(totals()->evicted, 0);
    end();
}

TEST(both_sides_make_up_what_a_record_of_other_settings_lacks) {
    begin();
    for (unsigned i = 0; i < 3; i++) {
        world->now_s += i == 0 ? 0 : 300;
        world->settings.policies[POLICY_GREYLISTING].enabled = false;
        (void)world_send(world);
        record(BEFORE);
        world->settings.policies[POLICY_GREYLISTING].enabled = true;
        judge_row();
    }
    assert_int_equal(totals()->since_changed, 1); /* the first contact */
    assert_int_equal(totals()->changed, 0);
    assert_int_equal(totals()->reasons, 0);
    end();
}

TEST(a_simulated_table_that_is_too_small_is_told) {
    begin();
    char sender[32];
    proposed.greylisting.ipv4_prefix_bits = 32; /* other keys than were recorded */
    options.capacities[STATE_GREYLIST] = 1;     /* a group: 64 slots */
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(sender, sizeof sender, "%c%c@example.org", 'a' + (int)(i / 26),
                       'a' + (int)(i % 26));
        send(sender, 1);
    }
    assert_int_equal(totals()->changed, 0);
    assert_int_equal(totals()->evicted, 100 - 64);
    end();
}

TEST(a_fact_that_was_never_fetched_is_unknown) {
    begin();
    struct list_item item = world_item(world, LIST_ALLOW, PATTERN_EMAIL, "*@example.org");
    const struct list_memory memory = world_memory(NULL);
    struct list_builder *builder = list_builder_new(&memory, 1);
    item.require = LIST_PROOF_SPF;
    assert_true(list_builder_add(builder, &item));
    struct list_index *index = list_builder_finish(builder);
    proposed_lists = (struct list_view){.base = index};
    options.proposed.lists = &proposed_lists;
    send("a@example.org", 0);
    send("a@example.com", 0);
    assert_int_equal(totals()->facts_unknown, 1);
    assert_int_equal(totals()->changed, 0); /* Not proven: the entry does not apply. */
    end();
    list_index_free(index);
}

/* --- quotas -------------------------------------------------------------------------------------
 */

static void begin_quotas(const char *limit) {
    begin();
    world_enable(world, POLICY_QUOTAS);
    world->settings.quotas.end_of_data_hook = END_OF_DATA_ON;
    proposed = world->settings;
    world->request.sasl_username = STR("bob@example.com");
    if (limit != NULL) {
        world_add_rule(world, RULE_QUOTA, "user bob@example.com", limit);
        options.today.rules = world->rules;
    }
}

static struct rules *propose(const char *subject, const char *limit) {
    const struct list_memory memory = world_memory(NULL);
    struct rule_row rows[2] = {
        {.id = 1, .kind = RULE_QUOTA, .subject = str_from(subject), .value = str_from(limit)}};
    size_t count = 1;
    if (world->rule_count > 0) {
        rows[0].id = 2;
        rows[count++] = world->rule_rows[0];
    }
    struct rules *rules = rules_build(&memory, rows, count);
    assert_non_null(rules);
    options.proposed.rules = rules;
    return rules;
}

/* A message of `recipients`, ended as Postfix tells it. */
static void send_message(const char *instance, unsigned recipients) {
    char recipient[32];
    world->request.state = PROTOCOL_STATE_RCPT;
    world->request.instance = str_from(instance);
    world->request.recipient_count = 0;
    for (unsigned i = 0; i < recipients; i++) {
        (void)snprintf(recipient, sizeof recipient, "%c@example.net", 'a' + (int)i);
        world->request.recipient = str_from(recipient);
        send("bob@example.com", 1);
    }
    world->request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    world->request.recipient_count = recipients;
    (void)world_send(world);
    record(TODAY);
    judge_row();
}

TEST(a_new_limit_is_counted_from_the_beginning) {
    begin_quotas(NULL);
    struct rules *rules = propose("user *", "5 recipients/day");
    send_message("1", 3);
    send_message("2", 4); /* the third and fourth would exceed it */
    world->now_s += 3600; /* No reservation lives as long. */
    send_message("3", 2);
    assert_int_equal(totals()->decisions, 9);
    assert_int_equal(totals()->changed, 4);
    assert_int_equal(totals()->not_comparable, 0);
    struct replay_report *report = replay_judge_finish(judge);
    const struct replay_change *change = only_change(report);
    assert_int_equal(change->policy, POLICY_QUOTAS);
    assert_int_equal(change->to, VERDICT_REJECT);
    assert_int_equal(change->samples[0].sequence, 7); /* 3, an end, 2 accepted */
    replay_report_free(report);
    rules_free(rules);
    world_free(world);
}

TEST(a_limit_beside_another_counts_each_recipient_once) {
    begin_quotas("100 recipients/day");
    struct rules *rules = propose("domain example.com", "6 recipients/hour");
    send_message("1", 4);
    send_message("2", 4);
    assert_int_equal(totals()->changed, 2);
    assert_int_equal(totals()->not_comparable, 0);
    end();
    rules_free(rules);
}

TEST(another_window_of_a_limit_knows_the_usage_of_then) {
    begin_quotas("100 recipients/day");
    for (unsigned i = 0; i < 3; i++) { /* before the time that is replayed */
        world->request.instance = i == 0 ? STR("x") : i == 1 ? STR("y") : STR("z");
        world->request.sender = STR("bob@example.com");
        (void)world_send(world);
    }
    struct rules *rules = propose("user bob@example.com", "4 recipients/hour");
    send_message("1", 3);
    assert_int_equal(totals()->changed, 2);
    assert_int_equal(totals()->not_comparable, 0);
    end();
    rules_free(rules);
}
