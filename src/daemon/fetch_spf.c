/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/fetch_internal.h"
#include "mail/mail_address.h"

/* SPF of a request: the HELO name, where that can matter, then MAIL FROM, which is the HELO name
 * again when the sender is null. */

/* Of a value only as much counts as a record keeps. */
static struct str kept(struct str value) {
    return str_slice(value, 0, DECISION_VALUE_MAX);
}

static bool helo_matters(const struct fetcher *fetcher) {
    return fetcher->settings->policy.spf.helo_fail != SPF_ACTION_ACCEPT;
}

/* --- results that are kept ----------------------------------------------------------------------
 */

static struct spf_results_query query_of(const struct fetcher *fetcher,
                                         const struct policy_request *request) {
    struct str local = {NULL, 0};
    struct str domain = {NULL, 0};
    mail_address_split(kept(request->sender), &local, &domain);
    return (struct spf_results_query){
        .client_address = request->client_address,
        .helo_name = kept(request->helo_name),
        .sender_domain = domain,
        .null_sender = request->sender.length == 0,
        .checks_helo = helo_matters(fetcher),
        .explains = fetcher->settings->policy.spf.explanation,
    };
}

bool fetch_spf_at_hand(struct fetcher *fetcher, const struct policy_request *request,
                       struct facts *facts) {
    const struct spf_results_query query = query_of(fetcher, request);
    return spf_results_find(fetcher->spf_results, &query, fetcher->now_ns, facts);
}

/* An error of the DNS is tried again with the next message. */
static void keep_result(const struct open_fetch *open) {
    struct fetcher *fetcher = open->fetcher;
    const struct facts *facts = &open->fetch.facts;
    if (open->spf_personal || facts->spf_result == SPF_TEMPERROR ||
        facts->spf_helo_result == SPF_TEMPERROR) {
        return;
    }
    const struct spf_results_query query = query_of(fetcher, &open->fetch.request);
    spf_results_keep(fetcher->spf_results, &query, fetcher->now_ns, open->spf_holds_until_ns,
                     facts);
}

/* --- an evaluation ------------------------------------------------------------------------------
 */

static struct spf_room *take_room(struct fetcher *fetcher) {
    struct spf_room *room = fetcher->free_rooms;
    if (room == NULL) {
        return malloc(sizeof *room + spf_bytes());
    }
    fetcher->free_rooms = room->next;
    return room;
}

static void finish(struct open_fetch *open) {
    if (open->room != NULL) {
        open->room->next = open->fetcher->free_rooms;
        open->fetcher->free_rooms = open->room;
        open->room = NULL;
    }
    open->spf = NULL;
    open->spf_open = false;
    open->fetch.facts.status[FACT_SPF] = FACT_KNOWN;
    fetch_part_done(open);
}

static uint16_t copy(char *out, size_t size, const char *from, size_t length) {
    const size_t kept = length < size ? length : size;
    memcpy(out, from, kept);
    return (uint16_t)kept;
}

/* The verdict on MAIL FROM is the one that is told. */
static void keep(struct facts *facts, const struct spf_verdict *verdict) {
    facts->spf_result = (uint8_t)verdict->result;
    facts->spf_domain_length =
        copy(facts->spf_domain, sizeof facts->spf_domain, verdict->domain, verdict->domain_length);
    facts->spf_mechanism_length = copy(facts->spf_mechanism, sizeof facts->spf_mechanism,
                                       verdict->mechanism, verdict->mechanism_length);
    const bool failed = verdict->result == SPF_FAIL;
    facts->spf_problem_length =
        copy(facts->spf_problem, sizeof facts->spf_problem,
             failed ? verdict->explanation : verdict->problem,
             failed ? verdict->explanation_length : verdict->problem_length);
}

static void begin(struct open_fetch *open, bool is_helo) {
    const struct policy_request *request = &open->fetch.request;
    open->spf_is_helo = is_helo;
    const struct spf_query query = {
        .client_address = request->client_address,
        .helo_name = kept(request->helo_name),
        .sender = is_helo ? (struct str){NULL, 0} : kept(request->sender),
        .receiver = open->fetcher->settings->policy.spf.receiver,
        .wall_s = clock_wall_ns() / NS_PER_S,
        .explain = !is_helo && open->fetcher->settings->policy.spf.explanation,
    };
    open->spf = spf_start(open->room->memory, &query, NULL, NULL);
}

/* True when the evaluation goes on with the other identity. */
static bool take_verdict(struct open_fetch *open, const struct spf_verdict *verdict) {
    struct facts *facts = &open->fetch.facts;
    const bool null_sender = open->fetch.request.sender.length == 0;
    open->spf_personal = open->spf_personal || verdict->personal;
    if (!open->spf_is_helo) {
        keep(facts, verdict);
        return false;
    }
    facts->spf_helo_result = (uint8_t)verdict->result;
    if (null_sender) {
        keep(facts, verdict);
        return false;
    }
    begin(open, false);
    return true;
}

static void go_on(struct open_fetch *open);

static void on_answer(void *context, const struct dns_question *question,
                      const struct dns_answer *answer) {
    (void)question;
    struct open_fetch *open = context;
    open->spf_ask = NULL;
    if (!open->spf_is_asking) {
        open->fetcher->tools.begin(open->fetcher->tools.context);
    }
    const int64_t until_ns = open->fetcher->now_ns + answer->ttl_s * (int64_t)NS_PER_S;
    if (until_ns < open->spf_holds_until_ns) {
        open->spf_holds_until_ns = until_ns;
    }
    spf_answer(open->spf, answer);
    if (!open->spf_is_asking) { /* Else the cache knew: go_on() is at it. */
        go_on(open);
    }
}

static void go_on(struct open_fetch *open) {
    struct dns_question question;
    struct spf_verdict verdict;
    for (;;) {
        if (spf_step(open->spf, &question, &verdict)) {
            open->spf_is_asking = true;
            open->spf_ask =
                dns_ask(open->fetcher->dns, &question, open->fetcher->now_ns, on_answer, open);
            open->spf_is_asking = false;
            if (open->spf_ask != NULL) {
                return;
            }
        } else if (!take_verdict(open, &verdict)) {
            keep_result(open);
            finish(open);
            return;
        }
    }
}

static void ignore(void *context, const struct dns_question *question,
                   const struct dns_answer *answer) {
    (void)context;
    (void)question;
    (void)answer;
}

/* While the HELO name is evaluated the record of the sender's domain is under way already. */
static void ask_ahead(struct open_fetch *open) {
    const struct str sender = kept(open->fetch.request.sender);
    const size_t at = str_find_last(sender, '@');
    if (at == SIZE_MAX) {
        return;
    }
    const struct dns_question question = {.type = DNS_TXT,
                                          .name = str_slice(sender, at + 1, sender.length)};
    (void)dns_ask(open->fetcher->dns, &question, open->fetcher->now_ns, ignore, NULL);
}

void fetch_spf_start(struct open_fetch *open) {
    struct facts *facts = &open->fetch.facts;
    facts->spf_result = SPF_TEMPERROR;
    facts->spf_helo_result = SPF_NONE;
    facts->spf_domain_length = 0;
    facts->spf_mechanism_length = 0;
    facts->spf_problem_length = 0;
    if (fetch_spf_at_hand(open->fetcher, &open->fetch.request, facts)) {
        return;
    }
    open->fetcher->spf_evaluations++;
    open->spf_open = true;
    open->spf_personal = false;
    open->spf_holds_until_ns = INT64_MAX;
    open->room = take_room(open->fetcher);
    if (open->room == NULL) {
        finish(open);
        return;
    }
    const bool with_helo = helo_matters(open->fetcher);
    if (with_helo) {
        ask_ahead(open);
    }
    begin(open, with_helo || open->fetch.request.sender.length == 0);
    go_on(open);
}

void fetch_spf_expire(struct open_fetch *open) {
    if (!open->spf_open) {
        return;
    }
    if (open->spf_ask != NULL) {
        dns_cancel(open->spf_ask);
        open->spf_ask = NULL;
    }
    struct facts *facts = &open->fetch.facts;
    static const char why[] = "the DNS did not answer before the deadline";
    facts->spf_result = SPF_TEMPERROR;
    facts->spf_problem_length =
        copy(facts->spf_problem, sizeof facts->spf_problem, why, sizeof why - 1);
    finish(open);
}
