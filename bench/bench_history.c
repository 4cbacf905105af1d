/* SPDX-License-Identifier: Apache-2.0 */

/* Makes a long history quickly, for bench/history: decisions of the last days, as the recorder
 * would have written them, a file a day.
 *
 *   bench_history FOLDER [MILLIONS (10)] [DAYS (20)]
 *
 * Few senders, clients and recipients come often and many seldom, as in real mail. Waits until all
 * files but the newest are finished. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/history.h"

enum { ROWS_PER_TRANSACTION = 20000, BODY_BYTES = 400, MILLION = 1000000, ROWS_PER_FILE = 600000 };

struct mail {
    char client[32];
    char client_name[64];
    char sender[64];
    char recipient[64];
    char identity[32];
    char instance[32];
    unsigned char body[BODY_BYTES];
    struct decision_record decision;
};

static uint64_t seed = 42;

static uint64_t next_number(void) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return seed >> 33;
}

/* Of `limit` things the first comes most often; the share of the n-th falls about as n^(-2/3). */
static unsigned skewed(unsigned limit) {
    const uint64_t any = next_number() % MILLION;
    return (unsigned)(any * any / MILLION * any / MILLION * limit / MILLION);
}

static void set_text(struct str *ret_text, char *bytes, int length) {
    *ret_text = (struct str){bytes, (size_t)length};
}

static const struct {
    enum verdict verdict;
    enum policy_id policy;
    enum reason reason;
    const char *rule;
    const char *reply;
} outcomes[] = {
    {VERDICT_NONE, POLICY_NONE, REASON_NONE, "", "DUNNO"},
    {VERDICT_NONE, POLICY_NONE, REASON_NONE, "", "DUNNO"},
    {VERDICT_ACCEPT, POLICY_GREYLISTING, REASON_GREYLIST_KNOWN, "", "DUNNO"},
    {VERDICT_ACCEPT, POLICY_GREYLISTING, REASON_GREYLIST_KNOWN, "", "DUNNO"},
    {VERDICT_DEFER, POLICY_GREYLISTING, REASON_GREYLIST_FIRST_CONTACT, "",
     "DEFER_IF_PERMIT 4.7.1 Greylisted, please try again in 300 seconds"},
    {VERDICT_DEFER, POLICY_GREYLISTING, REASON_GREYLIST_TOO_EARLY, "",
     "DEFER_IF_PERMIT 4.7.1 Greylisted, please try again in 120 seconds"},
    {VERDICT_REJECT, POLICY_RBL, REASON_RBL_LISTED, "spamhaus-zen",
     "REJECT 5.7.1 Your address is listed in Spamhaus ZEN"},
    {VERDICT_REJECT, POLICY_SPF, REASON_SPF_FAIL, "", "REJECT 5.7.23 SPF validation failed"},
    {VERDICT_REJECT, POLICY_GEO, REASON_GEO_COUNTRY, "CN", "REJECT 5.7.1 Not accepted from CN"},
    {VERDICT_REJECT, POLICY_ACL_BLOCK, REASON_ACL_BLOCKED, "block:17 *@spam.example",
     "REJECT 5.7.1 Access denied"},
};
enum { OUTCOMES = sizeof outcomes / sizeof outcomes[0] };

static void set_outcome(struct decision *decision, unsigned outcome) {
    decision->verdict = outcomes[outcome].verdict;
    decision->policy = outcomes[outcome].policy;
    decision->reason = outcomes[outcome].reason;
    decision->rule_length = (uint16_t)strlen(outcomes[outcome].rule);
    memcpy(decision->rule, outcomes[outcome].rule, decision->rule_length);
    decision->reply_length = (uint16_t)strlen(outcomes[outcome].reply);
    memcpy(decision->reply, outcomes[outcome].reply, decision->reply_length);
}

static void make_client(struct mail *mail, unsigned client) {
    static const char countries[] = "DEUSFRGBNLITESPLSECHATBECNRUBRINJPKRVNTR";
    struct policy_request *request = &mail->decision.request;
    struct facts *facts = &mail->decision.facts;
    set_text(&request->client_address_text, mail->client,
             snprintf(mail->client, sizeof mail->client, "203.%u.%u.%u", client >> 16,
                      client >> 8 & 255, client & 255));
    (void)ip_address_parse(request->client_address_text, &request->client_address);
    set_text(&request->client_name, mail->client_name,
             snprintf(mail->client_name, sizeof mail->client_name, "mail%u.host%u.example", client,
                      client % 997));
    request->helo_name = request->client_name;
    facts->status[FACT_GEO] = FACT_KNOWN;
    memcpy(facts->geo_country, countries + 2 * (client % ((sizeof countries - 1) / 2)), 2);
    facts->geo_asn = 1000 + client % 2000;
}

static void make_mail(struct mail *mail, int64_t wall_ns) {
    struct policy_request *request = &mail->decision.request;
    const bool outbound = next_number() % 5 == 0;
    const unsigned sender = skewed(300000);
    const unsigned identity = skewed(800);
    make_client(mail, outbound ? identity % 50 : 50 + skewed(60000));
    set_text(&request->sender, mail->sender,
             outbound
                 ? snprintf(mail->sender, sizeof mail->sender, "user%u@company.example", identity)
                 : snprintf(mail->sender, sizeof mail->sender, "person%u@domain%u.example", sender,
                            sender % 5003));
    set_text(
        &request->recipient, mail->recipient,
        snprintf(mail->recipient, sizeof mail->recipient, "user%u@company.example", skewed(20000)));
    set_text(&mail->decision.identity, mail->identity,
             outbound ? snprintf(mail->identity, sizeof mail->identity, "user%u", identity) : 0);
    set_text(&request->instance, mail->instance,
             snprintf(mail->instance, sizeof mail->instance, "%x.%x.%x.0", (unsigned)next_number(),
                      sender, identity));
    request->state = PROTOCOL_STATE_RCPT;
    request->size = 1000 + sender;
    mail->decision.wall_ns = wall_ns;
    mail->decision.generation = 7;
    mail->decision.duration_us = 12 + skewed(40000);
    mail->decision.decision.direction = outbound ? DIRECTION_OUTBOUND : DIRECTION_INBOUND;
    set_outcome(&mail->decision.decision,
                outbound ? (unsigned)(next_number() % 2) : (unsigned)(next_number() % OUTCOMES));
}

static void stop_on(int result, const char *what) {
    if (result < 0) {
        (void)fprintf(stderr, "bench_history: %s: %s\n", what, strerror(-result));
        exit(1);
    }
}

static void fill(struct history_writer *writer, uint64_t rows, int64_t days) {
    static struct mail mail;
    const int64_t span_ns = days * INT64_C(86400) * NS_PER_S;
    const int64_t first_ns = clock_wall_ns() - span_ns;
    const int64_t step_ns = span_ns / (int64_t)rows;
    const uint64_t first = history_writer_position(writer);
    for (uint64_t i = 1; i <= rows; i++) {
        const int64_t time_ns = first_ns + (int64_t)i * step_ns;
        make_mail(&mail, time_ns);
        const struct history_record record = {
            .sequence = first + i,
            .time_ns = time_ns,
            .version = DECISION_RECORD_VERSION,
            .body = {(const char *)mail.body, sizeof mail.body},
            .decision = &mail.decision,
        };
        stop_on(history_writer_add(writer, &record), "add");
        if (i % ROWS_PER_TRANSACTION == 0 || i == rows) {
            stop_on(history_writer_commit(writer, first + i), "commit");
        }
        if (i % MILLION == 0) {
            (void)printf("%d million rows\n", (int)(i / MILLION));
            (void)fflush(stdout);
        }
    }
}

int main(int argc, char **argv) {
    uint64_t millions = 10;
    uint64_t days = 20;
    if (argc < 2 || argc > 4 || (argc > 2 && !str_parse_u64(str_from(argv[2]), 1000, &millions)) ||
        (argc > 3 && !str_parse_u64(str_from(argv[3]), 1000, &days)) || millions == 0 ||
        days == 0) {
        (void)fprintf(stderr, "usage: bench_history FOLDER [MILLIONS] [DAYS]\n");
        return 2;
    }
    char bytes[512];
    struct text problem = TEXT_OVER(bytes);
    struct history_writer *writer = NULL;
    const struct history_options options = {.folder = argv[1], .rows_per_file_max = ROWS_PER_FILE};
    if (history_writer_open(&options, &writer, &problem) < 0) {
        (void)fprintf(stderr, "bench_history: %s\n", text_zero(&problem));
        return 1;
    }
    const int64_t start_ns = clock_boot_ns();
    fill(writer, millions * MILLION, (int64_t)days);
    const int64_t filled_ns = clock_boot_ns();
    history_writer_settle(writer);
    const int64_t settled_ns = clock_boot_ns();
    history_writer_close(writer);
    (void)printf("filled in %lld s, the last files finished %lld s later\n",
                 (long long)((filled_ns - start_ns) / NS_PER_S),
                 (long long)((settled_ns - filled_ns) / NS_PER_S));
    return 0;
}
