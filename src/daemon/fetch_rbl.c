/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "base/clock.h"
#include "daemon/fetch_internal.h"
#include "daemon/rbl_guard.h"
#include "policy/rbl.h"

/* What the block lists say of the client: one question a list, all at once. */

static void note(const struct fetcher *fetcher, const struct rbl_answer *answer,
                 int64_t latency_ns) {
    rbl_guard_note(fetcher->tools.guard, answer->list, (enum dnsbl_status)answer->status,
                   answer->code, latency_ns / NS_PER_US);
}

static void on_answer(void *context, const struct dns_question *question,
                      const struct dns_answer *dns_answer) {
    (void)question;
    struct rbl_question *asked = context;
    struct open_fetch *open = asked->fetch;
    struct fetcher *fetcher = open->fetcher;
    if (!open->starting) {
        fetcher->tools.begin(fetcher->tools.context);
    }
    asked->ask = NULL;
    struct rbl_answer *answer = &open->fetch.facts.rbl[asked->at];
    /* The settings may have it no more. */
    const struct rbl_list_settings *list =
        rbl_list_of(&fetcher->settings->policy.rbl, answer->list);
    answer->status =
        list != NULL ? (uint8_t)dnsbl_judge(dns_answer, &list->codes, answer->code) : DNSBL_OUT;
    /* What the cache knew says nothing of the list as it is now. */
    if (!open->starting && !asked->joined && list != NULL) {
        note(fetcher, answer, fetcher->now_ns - asked->asked_ns);
    }
    open->rbl_open--;
    fetch_part_done(open);
}

/* Begins the answer. False: it is all that will be known, because the list is out or has no name
 * for the address. True: `name` is to be asked about. */
static bool has_question(const struct rbl_list_settings *list, struct ip_address client_address,
                         uint32_t out, struct rbl_answer *answer, struct text *name) {
    *answer = (struct rbl_answer){.list = list->number, .status = DNSBL_OUT};
    if ((out & rbl_guard_bit(list->number)) != 0) {
        return false;
    }
    if (!dnsbl_name(client_address, list->key, list->zone, name)) {
        answer->status = DNSBL_FAILED;
        return false;
    }
    return true;
}

static void ask(struct open_fetch *open, size_t at, const struct rbl_list_settings *list,
                uint32_t out) {
    struct fetcher *fetcher = open->fetcher;
    struct rbl_question *asked = &open->rbl[at];
    char bytes[DNS_NAME_MAX];
    struct text name = TEXT_OVER(bytes);
    asked->ask = NULL;
    if (!has_question(list, open->fetch.request.client_address, out, &open->fetch.facts.rbl[at],
                      &name)) {
        return;
    }
    const struct dns_question question = {.type = DNS_A, .name = text_str(&name)};
    asked->fetch = open;
    asked->asked_ns = fetcher->now_ns;
    asked->at = (uint8_t)at;
    asked->joined = false;
    open->rbl_open++;
    asked->ask = dns_ask(fetcher->dns, &question, fetcher->now_ns, on_answer, asked);
    asked->joined = asked->ask != NULL && dns_joined(asked->ask);
}

/* --- without asking -----------------------------------------------------------------------------
 */

struct peek {
    const struct rbl_list_settings *list;
    struct rbl_answer *answer;
};

static void judge(void *context, const struct dns_question *question,
                  const struct dns_answer *dns_answer) {
    (void)question;
    const struct peek *peek = context;
    peek->answer->status = (uint8_t)dnsbl_judge(dns_answer, &peek->list->codes, peek->answer->code);
}

/* False: the list would have to be asked. */
static bool is_at_hand(struct fetcher *fetcher, struct ip_address client_address,
                       const struct rbl_list_settings *list, uint32_t out,
                       struct rbl_answer *answer) {
    char bytes[DNS_NAME_MAX];
    struct text name = TEXT_OVER(bytes);
    if (!has_question(list, client_address, out, answer, &name)) {
        return true;
    }
    const struct dns_question question = {.type = DNS_A, .name = text_str(&name)};
    struct peek peek = {list, answer};
    return dns_peek(fetcher->dns, &question, fetcher->now_ns, judge, &peek);
}

bool fetch_rbl_at_hand(struct fetcher *fetcher, struct ip_address client_address,
                       struct facts *facts) {
    const struct rbl_settings *rbl = &fetcher->settings->policy.rbl;
    const uint32_t out = rbl_guard_out(fetcher->tools.guard);
    facts->rbl_count = 0;
    for (size_t i = 0; i < rbl->list_count; i++) {
        const struct rbl_list_settings *list = &rbl->lists[i];
        if (rbl_asks(list, client_address) &&
            !is_at_hand(fetcher, client_address, list, out, &facts->rbl[facts->rbl_count++])) {
            return false;
        }
    }
    facts->status[FACT_RBL] = FACT_KNOWN;
    return true;
}

/* --- asking -------------------------------------------------------------------------------------
 */

void fetch_rbl_start(struct open_fetch *open) {
    const struct rbl_settings *rbl = &open->fetcher->settings->policy.rbl;
    struct facts *facts = &open->fetch.facts;
    CHECK(rbl->list_count <= DNSBL_LISTS_MAX);
    const uint32_t out = rbl_guard_out(open->fetcher->tools.guard);
    facts->status[FACT_RBL] = FACT_KNOWN;
    facts->rbl_count = 0;
    for (size_t i = 0; i < rbl->list_count; i++) {
        if (rbl_asks(&rbl->lists[i], open->fetch.request.client_address)) {
            ask(open, facts->rbl_count++, &rbl->lists[i], out);
        }
    }
}

void fetch_rbl_expire(struct open_fetch *open, bool overdue) {
    if (open->rbl_open == 0) {
        return;
    }
    struct facts *facts = &open->fetch.facts;
    for (size_t i = 0; i < facts->rbl_count; i++) {
        struct rbl_question *asked = &open->rbl[i];
        if (asked->ask != NULL) {
            dns_cancel(asked->ask);
            asked->ask = NULL;
            facts->rbl[i].status = DNSBL_TIMED_OUT;
            if (overdue && !asked->joined) {
                note(open->fetcher, &facts->rbl[i], open->fetcher->now_ns - asked->asked_ns);
            }
        }
    }
    open->rbl_open = 0;
}
