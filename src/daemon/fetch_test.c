/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch.h"

#include <string.h>

#include "base/clock.h"
#include "daemon/geo_keeper.h"
#include "daemon/rbl_guard.h"
#include "testing/test.h"

/* The fetcher between a DNS, a guard and an owner that all stand here: who is told what, and when.
 */

enum { FIRST = 1, SECOND = 2, QUESTIONS_MAX = 16, NOTES_MAX = 16 };

struct dns_ask {
    char name[DNS_NAME_MAX + 1];
    dns_done *done;
    void *context;
    bool open;
    bool joined;
};

static struct {
    struct dns_ask asks[QUESTIONS_MAX];
    size_t ask_count;
    bool knows_all; /* the cache has every answer: there is no such record */
    struct {
        uint8_t number;
        enum dnsbl_status status;
        int64_t latency_us;
    } notes[NOTES_MAX];
    size_t note_count;
    uint32_t out;
    unsigned ready;
    struct fetch *ready_fetch;
} world;

static struct settings settings;
static struct fetcher *fetcher;

/* --- the DNS, the guard, the countries
 * ------------------------------------------------------------
 */

int dns_new(struct event_base *base, const struct dns_options *options, struct dns **ret_dns,
            struct text *problem) {
    (void)base;
    (void)options;
    (void)problem;
    *ret_dns = NULL;
    return 0;
}

void dns_free(struct dns *dns) {
    (void)dns;
}

static const struct dns_answer no_name = {.status = DNS_NO_NAME};

struct dns_ask *dns_ask(struct dns *dns, const struct dns_question *question, int64_t now_ns,
                        dns_done *done, void *context) {
    (void)dns;
    (void)now_ns;
    if (world.knows_all) {
        done(context, question, &no_name);
        return NULL;
    }
    assert_true(world.ask_count < QUESTIONS_MAX);
    struct dns_ask *ask = &world.asks[world.ask_count++];
    *ask = (struct dns_ask){.done = done, .context = context, .open = true};
    assert_true(question->name.length < sizeof ask->name);
    memcpy(ask->name, question->name.data, question->name.length);
    for (struct dns_ask *other = world.asks; other < ask; other++) {
        ask->joined = ask->joined || (other->open && strcmp(other->name, ask->name) == 0);
    }
    return ask;
}

bool dns_peek(struct dns *dns, const struct dns_question *question, int64_t now_ns, dns_done *done,
              void *context) {
    (void)dns;
    (void)now_ns;
    if (world.knows_all) {
        done(context, question, &no_name);
    }
    return world.knows_all;
}

bool dns_joined(const struct dns_ask *ask) {
    return ask->joined;
}

void dns_cancel(struct dns_ask *ask) {
    assert_true(ask->open);
    ask->open = false;
}

uint32_t rbl_guard_out(const struct rbl_guard *guard) {
    (void)guard;
    return world.out;
}

void rbl_guard_note(struct rbl_guard *guard, uint8_t number, enum dnsbl_status status,
                    const unsigned char code[4], int64_t latency_us) {
    (void)guard;
    (void)code;
    assert_true(world.note_count < NOTES_MAX);
    world.notes[world.note_count].number = number;
    world.notes[world.note_count].status = status;
    world.notes[world.note_count++].latency_us = latency_us;
}

void geo_keeper_fill(struct geo_keeper *keeper, unsigned worker, struct ip_address address,
                     struct facts *facts) {
    (void)keeper;
    (void)worker;
    (void)address;
    (void)facts;
    fail_msg("there is no keeper");
}

/* --- the owner ----------------------------------------------------------------------------------
 */

static void on_begin(void *context) {
    (void)context;
}

static void on_ready(void *context, struct fetch *fetch) {
    (void)context;
    world.ready++;
    world.ready_fetch = fetch;
}

static void begin_at(int64_t now_ms) {
    fetcher_begin(fetcher, &settings, now_ms * NS_PER_MS);
}

/* Two lists; the clock stands at 1 s. */
static void set_up(void) {
    memset(&world, 0, sizeof world);
    memset(&settings, 0, sizeof settings);
    settings.policy.rbl.lists[0] =
        (struct rbl_list_settings){.number = FIRST, .zone = STR("first.example")};
    settings.policy.rbl.lists[1] =
        (struct rbl_list_settings){.number = SECOND, .zone = STR("second.example")};
    settings.policy.rbl.list_count = 2;
    const struct fetch_tools tools = {.begin = on_begin, .ready = on_ready};
    char bytes[128];
    struct text problem = TEXT_OVER(bytes);
    assert_int_equal(fetcher_new(&tools, &settings, &fetcher, &problem), 0);
    begin_at(1000);
}

static bool start(bool with_spf, struct fetch **ret_fetch) {
    struct policy_request request = {.sender = STR("alice@sender.example")};
    struct facts facts = {.status = {[FACT_RBL] = FACT_WANTED}};
    facts.status[FACT_SPF] = with_spf ? FACT_WANTED : FACT_UNASKED;
    assert_true(ip_address_parse(STR("1.2.3.4"), &request.client_address));
    const bool ready = fetch_start(fetcher, &request, &facts, ret_fetch);
    assert_non_null(*ret_fetch);
    return ready;
}

static struct dns_ask *asked(const char *name) {
    for (size_t i = 0; i < world.ask_count; i++) {
        if (strcmp(world.asks[i].name, name) == 0) {
            return &world.asks[i];
        }
    }
    fail_msg("%s is not asked", name);
    return NULL;
}

static void answer(struct dns_ask *ask, const struct dns_answer *with) {
    const struct dns_question question = {.type = DNS_A, .name = str_from(ask->name)};
    assert_true(ask->open);
    ask->open = false;
    ask->done(ask->context, &question, with);
}

static size_t still_open(void) {
    size_t count = 0;
    for (size_t i = 0; i < world.ask_count; i++) {
        count += world.asks[i].open;
    }
    return count;
}

/* --- stories ------------------------------------------------------------------------------------
 */

TEST(fetch_is_ready_with_the_last_answer_and_the_guard_hears_each) {
    static const struct str listed = {"\x7f\0\0\2", 4};
    const struct dns_answer found = {.status = DNS_FOUND, .count = 1, .items = &listed};
    struct fetch *fetch;
    set_up();
    assert_false(start(false, &fetch));
    begin_at(1030);
    answer(asked("4.3.2.1.first.example"), &found);
    assert_int_equal(world.ready, 0);
    begin_at(1050);
    answer(asked("4.3.2.1.second.example"), &no_name);
    assert_int_equal(world.ready, 1);
    assert_ptr_equal(world.ready_fetch, fetch);

    assert_int_equal(fetch->facts.rbl_count, 2);
    assert_int_equal(fetch->facts.rbl[0].status, DNSBL_LISTED);
    assert_int_equal(fetch->facts.rbl[1].status, DNSBL_NOT_LISTED);
    assert_int_equal(world.note_count, 2);
    assert_int_equal(world.notes[0].number, FIRST);
    assert_int_equal(world.notes[0].status, DNSBL_LISTED);
    assert_int_equal(world.notes[0].latency_us, 30000);
    assert_int_equal(world.notes[1].number, SECOND);
    assert_int_equal(world.notes[1].latency_us, 50000);
    fetch_end(fetch);
    assert_int_equal(world.note_count, 2);
    fetcher_free(fetcher);
}

TEST(fetch_deadline_is_a_time_out_of_the_lists_that_have_not_answered) {
    struct fetch *fetch;
    set_up();
    assert_false(start(true, &fetch));
    begin_at(1030);
    answer(asked("4.3.2.1.first.example"), &no_name);
    begin_at(6000);
    fetch_expire(fetch, true);
    assert_int_equal(still_open(), 0);
    assert_int_equal(world.ready, 0);

    assert_int_equal(world.note_count, 2);
    assert_int_equal(world.notes[1].number, SECOND);
    assert_int_equal(world.notes[1].status, DNSBL_TIMED_OUT);
    assert_int_equal(world.notes[1].latency_us, 5000000);
    assert_int_equal(fetch->facts.rbl[0].status, DNSBL_NOT_LISTED);
    assert_int_equal(fetch->facts.rbl[1].status, DNSBL_TIMED_OUT);
    assert_int_equal(fetch->facts.status[FACT_SPF], FACT_KNOWN);
    assert_int_equal(fetch->facts.spf_result, SPF_TEMPERROR);
    fetch_end(fetch);
    assert_int_equal(world.note_count, 2);
    fetcher_free(fetcher);
}

/* A burst of one client, and one packet is lost: that is one answer of the list that did not come.
 */
TEST(fetches_that_wait_for_one_answer_tell_the_guard_once) {
    struct fetch *fetches[3];
    set_up();
    for (size_t i = 0; i < 3; i++) {
        assert_false(start(false, &fetches[i]));
    }
    for (struct dns_ask *ask = world.asks; ask < world.asks + world.ask_count; ask++) {
        if (strcmp(ask->name, "4.3.2.1.first.example") == 0) {
            answer(ask, &no_name);
        }
    }
    assert_int_equal(world.note_count, 1);
    begin_at(6000);
    for (size_t i = 0; i < 3; i++) {
        fetch_expire(fetches[i], true);
        assert_int_equal(fetches[i]->facts.rbl[0].status, DNSBL_NOT_LISTED);
        assert_int_equal(fetches[i]->facts.rbl[1].status, DNSBL_TIMED_OUT);
    }
    assert_int_equal(world.note_count, 2);
    assert_int_equal(world.notes[1].number, SECOND);
    assert_int_equal(world.notes[1].status, DNSBL_TIMED_OUT);
    for (size_t i = 0; i < 3; i++) {
        fetch_end(fetches[i]);
    }
    fetcher_free(fetcher);
}

/* The daemon stops: it is not the lists' fault that nobody waits for them. */
TEST(fetch_that_is_cut_off_before_its_deadline_is_no_time_out) {
    struct fetch *fetch;
    set_up();
    assert_false(start(true, &fetch));
    begin_at(1100);
    fetch_expire(fetch, false);
    assert_int_equal(still_open(), 0);
    assert_int_equal(world.ready, 0);
    assert_int_equal(world.note_count, 0);
    assert_int_equal(fetch->facts.rbl[0].status, DNSBL_TIMED_OUT);
    assert_int_equal(fetch->facts.spf_result, SPF_TEMPERROR);
    fetch_end(fetch);
    fetcher_free(fetcher);
}

TEST(fetch_of_a_connection_that_goes_away_ends_quietly) {
    struct fetch *fetch;
    set_up();
    for (unsigned i = 0; i < 3; i++) {
        world.ask_count = 0;
        assert_false(start(true, &fetch));
        assert_int_equal(still_open(), 3); /* two lists, the domain of the sender */
        fetch_end(fetch);
        assert_int_equal(still_open(), 0);
    }
    assert_int_equal(world.ready, 0);
    assert_int_equal(world.note_count, 0);
    fetcher_free(fetcher);
}

TEST(fetch_that_the_cache_knows_is_ready_at_once_and_says_nothing_of_the_lists) {
    struct fetch *fetch;
    set_up();
    world.knows_all = true;
    assert_true(start(true, &fetch));
    assert_int_equal(world.ready, 0);
    assert_int_equal(world.note_count, 0);
    assert_int_equal(fetch->facts.rbl[0].status, DNSBL_NOT_LISTED);
    assert_int_equal(fetch->facts.spf_result, SPF_NONE);
    fetch_end(fetch);
    fetcher_free(fetcher);
}

TEST(fetch_asks_no_list_that_is_out) {
    struct fetch *fetch;
    set_up();
    world.out = rbl_guard_bit(FIRST);
    assert_false(start(false, &fetch));
    assert_int_equal(still_open(), 1);
    answer(asked("4.3.2.1.second.example"), &no_name);
    assert_int_equal(world.ready, 1);
    assert_int_equal(fetch->facts.rbl[0].status, DNSBL_OUT);
    assert_int_equal(world.note_count, 1);
    assert_int_equal(world.notes[0].number, SECOND);
    fetch_end(fetch);
    fetcher_free(fetcher);
}

/* --- at hand ------------------------------------------------------------------------------------
 */

static struct policy_request mail(const char *sender) {
    struct policy_request request = {.state = PROTOCOL_STATE_RCPT,
                                     .helo_name = STR("mx.sender.example"),
                                     .sender = str_from(sender)};
    assert_true(ip_address_parse(STR("1.2.3.4"), &request.client_address));
    return request;
}

static void enable(bool rbl, bool spf) {
    settings.policy.policies[POLICY_RBL].enabled = rbl;
    settings.policy.policies[POLICY_SPF].enabled = spf;
}

/* Which facts are at hand, bit by bit; the two agree. */
static uint32_t at_hand(const char *sender, struct facts *ret_facts) {
    const struct policy_request request = mail(sender);
    fetch_at_once(fetcher, &request, ret_facts);
    for (unsigned fact = 0; fact < FACTS; fact++) {
        assert_int_equal(ret_facts->status[fact],
                         (ret_facts->at_hand >> fact & 1) != 0 ? FACT_KNOWN : FACT_UNASKED);
    }
    return ret_facts->at_hand;
}

static void evaluate_spf(const char *sender) {
    const struct policy_request request = mail(sender);
    const struct facts facts = {.status = {[FACT_SPF] = FACT_WANTED}};
    struct fetch *fetch;
    const size_t before = world.ask_count;
    if (!fetch_start(fetcher, &request, &facts, &fetch)) {
        for (size_t i = before; i < world.ask_count; i++) {
            if (world.asks[i].open) {
                answer(&world.asks[i], &(struct dns_answer){.status = DNS_NO_NAME, .ttl_s = 60});
            }
        }
    }
    assert_int_equal(fetch->facts.status[FACT_SPF], FACT_KNOWN);
    assert_int_equal(fetch->facts.spf_result, SPF_NONE);
    fetch_end(fetch);
}

TEST(block_lists_are_at_hand_when_the_cache_knows_them_all) {
    struct facts facts;
    set_up();
    enable(true, false);
    assert_int_equal(at_hand("a@sender.example", &facts), 0);
    world.knows_all = true;
    assert_int_equal(at_hand("a@sender.example", &facts), 1u << FACT_RBL);
    assert_int_equal(facts.rbl_count, 2);
    assert_int_equal(facts.rbl[0].list, FIRST);
    assert_int_equal(facts.rbl[1].list, SECOND);
    assert_int_equal(facts.rbl[1].status, DNSBL_NOT_LISTED);
    world.out = rbl_guard_bit(FIRST);
    assert_int_equal(at_hand("a@sender.example", &facts), 1u << FACT_RBL);
    assert_int_equal(facts.rbl[0].status, DNSBL_OUT);
    assert_int_equal(world.ask_count, 0);  /* Nobody was asked, */
    assert_int_equal(world.note_count, 0); /* and the guard heard nothing. */
    fetcher_free(fetcher);
}

TEST(spf_is_at_hand_for_the_next_message_of_the_domain_as_long_as_the_dns_says) {
    struct facts facts;
    set_up();
    enable(false, true);
    assert_int_equal(at_hand("a@sender.example", &facts), 0);
    evaluate_spf("a@sender.example");
    assert_int_equal(at_hand("b@sender.example", &facts), 1u << FACT_SPF);
    assert_int_equal(facts.spf_result, SPF_NONE);
    assert_int_equal(at_hand("b@other.example", &facts), 0);
    assert_int_equal(at_hand("", &facts), 0);
    begin_at(60999);
    assert_int_equal(at_hand("b@sender.example", &facts), 1u << FACT_SPF);
    begin_at(61000);
    assert_int_equal(at_hand("b@sender.example", &facts), 0);
    assert_int_equal(fetcher_spf_counts(fetcher).evaluated, 1);
    assert_int_equal(fetcher_spf_counts(fetcher).kept, 2);
    fetcher_free(fetcher);
}

TEST(spf_that_is_kept_is_not_evaluated_again) {
    set_up();
    evaluate_spf("a@sender.example");
    const size_t asked_once = world.ask_count;
    evaluate_spf("b@sender.example");
    assert_int_equal(world.ask_count, asked_once);
    assert_int_equal(fetcher_spf_counts(fetcher).evaluated, 1);
    fetcher_free(fetcher);
}

/* One of the two alone would send the decision another way. */
TEST(facts_are_at_hand_all_or_none) {
    struct facts facts;
    set_up();
    enable(true, true);
    world.knows_all = true;
    assert_int_equal(at_hand("a@sender.example", &facts), 0);
    world.knows_all = false;
    evaluate_spf("a@sender.example");
    assert_int_equal(at_hand("a@sender.example", &facts), 0);
    world.knows_all = true;
    assert_int_equal(at_hand("a@sender.example", &facts), 1u << FACT_SPF | 1u << FACT_RBL);
    fetcher_free(fetcher);
}

TEST(facts_are_at_hand_for_strangers_recipients_alone) {
    struct facts facts;
    struct policy_request request = mail("a@sender.example");
    set_up();
    enable(true, false);
    world.knows_all = true;
    request.sasl_username = STR("alice");
    fetch_at_once(fetcher, &request, &facts);
    assert_int_equal(facts.at_hand, 0);
    request.sasl_username = (struct str){NULL, 0};
    request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    fetch_at_once(fetcher, &request, &facts);
    assert_int_equal(facts.at_hand, 0);
    assert_int_equal(facts.status[FACT_RBL], FACT_UNASKED);
    fetcher_free(fetcher);
}

/* What hangs on one message alone, or on a DNS that failed, is found out again. */
TEST(spf_of_one_message_or_of_a_failing_dns_is_not_kept) {
    static const struct str personal = {"v=spf1 exists:%{l}.sender.example -all", 38};
    struct facts facts;
    struct fetch *fetch;
    const struct facts wanted = {.status = {[FACT_SPF] = FACT_WANTED}};
    const struct policy_request request = mail("a@sender.example");
    set_up();
    enable(false, true);
    assert_false(fetch_start(fetcher, &request, &wanted, &fetch));
    answer(asked("sender.example"),
           &(struct dns_answer){.status = DNS_FOUND, .ttl_s = 60, .count = 1, .items = &personal});
    answer(asked("a.sender.example"), &(struct dns_answer){.status = DNS_NO_NAME, .ttl_s = 60});
    assert_int_equal(fetch->facts.spf_result, SPF_FAIL);
    fetch_end(fetch);
    assert_int_equal(at_hand("a@sender.example", &facts), 0);

    world.ask_count = 0;
    assert_false(fetch_start(fetcher, &request, &wanted, &fetch));
    answer(asked("sender.example"), &(struct dns_answer){.status = DNS_FAILED, .ttl_s = 60});
    assert_int_equal(fetch->facts.spf_result, SPF_TEMPERROR);
    fetch_end(fetch);
    assert_int_equal(at_hand("a@sender.example", &facts), 0);
    fetcher_free(fetcher);
}
