/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "policy/auto_blacklist.h"
#include "store/history_test_rows.h"
#include "store/recorder.h"

/* The lines about people and addresses over time. */

struct lines {
    char text[4096];
};

static void collect_line(void *context, enum log_level level, const char *module, int64_t time_ns,
                         struct str message) {
    static const char *const levels[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    struct lines *lines = context;
    const size_t used = strlen(lines->text);
    assert_int_equal(time_ns, 77);
    (void)snprintf(lines->text + used, sizeof lines->text - used, "%s %s: %.*s\n", levels[level],
                   module, STR_ARGS(message));
}

static const char *lines_of(const struct sample *sample) {
    static struct lines lines;
    lines.text[0] = '\0';
    recorder_log_lines(&sample->decision, 77, LOG_DEBUG, collect_line, &lines);
    return lines.text;
}

/* Mail of `user`, on which `policy` alone spoke. */
static void decided(struct sample *sample, enum policy_id policy, enum verdict verdict,
                    enum reason reason, const char *rule) {
    struct decision *decision = &sample->decision.decision;
    sample_init(sample, 1, MARCH_1_NS);
    sample->decision.identity = STR("Bob+list@Example.org");
    decision->verdict = verdict;
    decision->policy = policy;
    decision->reason = reason;
    decision->rule_length = (uint16_t)strlen(rule);
    memcpy(decision->rule, rule, strlen(rule));
    decision->reply_length = 6;
    memcpy(decision->reply, "REJECT", 6);
    decision->step_count = 1;
    decision->steps[0] =
        (struct decision_step){policy, POLICY_MODE_ENFORCE, verdict, reason, false};
}

TEST(a_refusal_by_each_policy_of_people_and_addresses_has_its_own_line) {
    static const struct {
        enum policy_id policy;
        enum verdict verdict;
        enum reason reason;
        const char *rule;
        const char *line;
    } rows[] = {
        {POLICY_QUOTAS, VERDICT_REJECT, REASON_QUOTA_EXCEEDED, "quota:7 user b 5 recipients/day",
         "WARN Quotas: refused alice@example.org -> bob@example.net "
         "(quota:7 user b 5 recipients/day)\n"},
        {POLICY_QUOTAS, VERDICT_DEFER, REASON_QUOTA_EXCEEDED, "quota:7 global 5 recipients/minute",
         "WARN Quotas: deferred alice@example.org -> bob@example.net "
         "(quota:7 global 5 recipients/minute)\n"},
        {POLICY_SENDER_RESTRICTIONS, VERDICT_REJECT, REASON_RESTRICTION_RECIPIENT,
         "restriction:3 *@example.org",
         "WARN Restrictions: Bob+list@Example.org may not write to bob@example.net "
         "(restriction:3 *@example.org)\n"},
        {POLICY_SENDER_IDENTITY, VERDICT_REJECT, REASON_IDENTITY_NOT_OWNED, "",
         "WARN Identity: Bob+list@Example.org may not send as alice@example.org\n"},
        {POLICY_IP_REPUTATION, VERDICT_REJECT, REASON_REPUTATION_TOO_LOW, "score 8, threshold 10",
         "WARN Reputation: refused 192.0.2.1 (score 8, threshold 10)\n"},
        {POLICY_AUTO_BLACKLIST, VERDICT_REJECT, REASON_AUTO_BLACKLISTED, "by_hand for good",
         "WARN Blacklist: refused 192.0.2.1 (by_hand for good)\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sample sample;
        test_case(rows[i].line);
        decided(&sample, rows[i].policy, rows[i].verdict, rows[i].reason, rows[i].rule);
        const char *lines = lines_of(&sample);
        assert_int_equal(strncmp(lines, rows[i].line, strlen(rows[i].line)), 0);
        assert_non_null(strstr(lines, rows[i].verdict == VERDICT_REJECT ? "\nWARN REJECT: policy="
                                                                        : "\nWARN DEFER: policy="));
        assert_null(strstr(lines, " listed"));
        /* One that had no objection says nothing. */
        decided(&sample, rows[i].policy, VERDICT_NONE, REASON_NONE, "");
        assert_int_equal(strncmp(lines_of(&sample), "DEBUG Decision: ACCEPT ", 23), 0);
    }
}

TEST(a_limit_nearly_or_wholly_used_is_told_with_whose_and_which) {
    static const struct {
        struct decision_event event;
        const char *line;
    } rows[] = {
        {{REASON_QUOTA_NEAR_LIMIT, .rule_id = 7, .scope = QUOTA_USER, .unit = QUOTA_RECIPIENTS,
          .window = QUOTA_DAY, .used = 400, .limit = 500},
         "WARN Quotas: user bob@example.org has used 80% of 500 recipients/day (quota:7)\n"},
        {{REASON_QUOTA_LIMIT_REACHED, .rule_id = 8, .scope = QUOTA_DOMAIN, .unit = QUOTA_BYTES,
          .window = QUOTA_MONTH, .used = UINT64_C(2) << 30, .limit = UINT64_C(2) << 30},
         "WARN Quotas: domain example.org has used all of 2GiB bytes/month (quota:8)\n"},
        {{REASON_QUOTA_NEAR_LIMIT, .rule_id = 9, .scope = QUOTA_IP, .unit = QUOTA_MESSAGES,
          .window = QUOTA_MINUTE, .used = 999, .limit = 1000},
         "WARN Quotas: ip 192.0.2.1 has used 99% of 1000 messages/minute (quota:9)\n"},
        {{REASON_QUOTA_NEAR_LIMIT, .rule_id = 1, .scope = QUOTA_GLOBAL, .unit = QUOTA_BYTES,
          .window = QUOTA_HOUR, .used = (UINT64_C(1) << 50) - 1, .limit = UINT64_C(1) << 50},
         "WARN Quotas: global has used 99% of 1024TiB bytes/hour (quota:1)\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sample sample;
        test_case(rows[i].line);
        decided(&sample, POLICY_QUOTAS, VERDICT_NONE, REASON_NONE, "");
        sample.decision.decision.event_count = 1;
        sample.decision.decision.events[0] = rows[i].event;
        assert_int_equal(strncmp(lines_of(&sample), rows[i].line, strlen(rows[i].line)), 0);
        /* At the end of a message it is all that is said. */
        sample.decision.request.state = PROTOCOL_STATE_END_OF_MESSAGE;
        assert_string_equal(lines_of(&sample), rows[i].line);
    }
}

TEST(the_end_of_a_message_has_no_line_of_its_own) {
    struct sample sample;
    decided(&sample, POLICY_QUOTAS, VERDICT_NONE, REASON_NONE, "");
    sample.decision.request.state = PROTOCOL_STATE_END_OF_MESSAGE;
    assert_string_equal(lines_of(&sample), "");
}

TEST(a_block_is_told_once_with_its_cause_and_its_end) {
    struct sample sample;
    decided(&sample, POLICY_NONE, VERDICT_NONE, REASON_NONE, "");
    struct decision *decision = &sample.decision.decision;
    const struct offence_digest digest = {.width_s = 60, .count = 99, .present = 1};
    decision->step_count = 0;
    decision->effect_count = 1;
    decision->effects[0] = (struct effect){.kind = EFFECT_BLACKLIST_CHANGED,
                                           .detail = 2 << 4 | BLACKLIST_REJECTIONS,
                                           .expires_s = 1772409600};
    decision->read_count = 1;
    decision->reads[0] = (struct read){.kind = READ_ENTRY, .source = STATE_OFFENCE};
    memcpy(decision->reads[0].entry, &digest, sizeof digest);
    const char *lines = lines_of(&sample);
    static const char line[] = "WARN Blacklist: blocked 192.0.2.1 until 2026-03-02T00:00:00Z "
                               "(100 rejections in 1h)\n";
    assert_int_equal(strncmp(lines, line, sizeof line - 1), 0);
    decision->read_count = 0; /* A threshold of one needs nothing read. */
    assert_non_null(strstr(lines_of(&sample), "00:00:00Z (rejections)\n"));
    decision->effects[0].flags = EFFECT_RELEASED;
    assert_int_equal(strncmp(lines_of(&sample), "DEBUG", 5), 0);
}

TEST(no_one_can_forge_a_line_of_these_either) {
    struct sample sample;
    decided(&sample, POLICY_SENDER_RESTRICTIONS, VERDICT_REJECT, REASON_RESTRICTION_RECIPIENT,
            "restriction:3 x\n2026-01-01 WARN y");
    sample.decision.identity = STR("bob may\nnot");
    sample.decision.request.recipient = STR("a b>@c.example");
    static const char line[] =
        "WARN Restrictions: bob\\x20may\\x0anot may not write to a\\x20b\\x3e@c.example "
        "(restriction:3 x\\x0a2026-01-01 WARN y)\n";
    assert_int_equal(strncmp(lines_of(&sample), line, sizeof line - 1), 0);
}

TEST(a_listed_address_has_a_line_for_each_list_that_names_it) {
    static const struct rbl_answer answers[] = {
        {1, DNSBL_LISTED, {127, 0, 0, 2}},
        {2, DNSBL_NOT_LISTED, {0}},
        {5, DNSBL_TIMED_OUT, {0}},
        {7, DNSBL_FAILED, {127, 255, 255, 254}},
        {8, DNSBL_OUT, {0}},
        {101, DNSBL_LISTED, {127, 0, 0, 9}},
        {102, DNSBL_LISTED, {127, 0, 0, 3}},
    };
    static struct rbl_settings settings = {.list_count = 1};
    static struct lines lines;
    struct recorder_names names;
    struct sample sample;
    settings.lists[0] = (struct rbl_list_settings){.number = 101, .name = STR("Our\nown list")};
    recorder_names_set(&names, &settings);
    decided(&sample, POLICY_RBL, VERDICT_REJECT, REASON_RBL_LISTED, "Spamhaus ZEN: 127.0.0.2");
    struct facts *facts = &sample.decision.facts;
    memcpy(facts->rbl, answers, sizeof answers);
    facts->rbl_count = sizeof answers / sizeof answers[0];
    recorder_log_rbl_lines(&sample.decision, &names, 77, collect_line, &lines);
    assert_string_equal(lines.text, ""); /* the fact is not known */
    facts->status[FACT_RBL] = FACT_KNOWN;
    recorder_log_rbl_lines(&sample.decision, &names, 77, collect_line, &lines);
    assert_string_equal(lines.text,
                        "INFO RBL: IP 192.0.2.1 is listed in Spamhaus ZEN: 127.0.0.2\n"
                        "DEBUG RBL: SpamCop did not answer in time about IP 192.0.2.1\n"
                        "DEBUG RBL: UCEPROTECT Level 1 gave no answer about IP 192.0.2.1\n"
                        "INFO RBL: IP 192.0.2.1 is listed in Our\\x0aown list: 127.0.0.9\n"
                        "INFO RBL: IP 192.0.2.1 is listed in own list 2: 127.0.0.3\n");
}

TEST(a_country_has_a_line_with_what_became_of_it) {
    static const struct {
        const char *country;
        uint32_t asn;
        enum verdict verdict;
        enum reason reason;
        const char *line;
    } rows[] = {
        {"CN", 0, VERDICT_REJECT, REASON_GEO_COUNTRY, "IP 192.0.2.1 -> Country: CN (blocked)"},
        {"DE", 64496, VERDICT_REJECT, REASON_GEO_ASN,
         "IP 192.0.2.1 -> Country: DE (blocked, AS64496)"},
        {"DE", 64496, VERDICT_NONE, REASON_NONE, "IP 192.0.2.1 -> Country: DE (allowed)"},
        {"\0\0", 0, VERDICT_DEFER, REASON_GEO_UNKNOWN,
         "IP 192.0.2.1 -> Country: unknown (blocked)"},
        {GEO_NO_DATABASE, 0, VERDICT_NONE, REASON_NONE,
         "IP 192.0.2.1 -> Country: unknown (allowed)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct lines lines;
        char expected[256];
        struct sample sample;
        decided(&sample, POLICY_GEO, rows[i].verdict, rows[i].reason, "");
        lines.text[0] = '\0';
        memcpy(sample.decision.facts.geo_country, rows[i].country, 2);
        sample.decision.facts.geo_asn = rows[i].asn;
        recorder_log_geo_lines(&sample.decision, 77, collect_line, &lines);
        assert_string_equal(lines.text, ""); /* the fact is not known */
        sample.decision.facts.status[FACT_GEO] = FACT_KNOWN;
        recorder_log_geo_lines(&sample.decision, 77, collect_line, &lines);
        (void)snprintf(expected, sizeof expected, "DEBUG GeoIP: %s\n", rows[i].line);
        assert_string_equal(lines.text, expected);
        sample.decision.decision.steps[0].mode = POLICY_MODE_SHADOW;
        recorder_log_geo_lines(&sample.decision, 77, collect_line, &lines);
        assert_int_equal(strstr(lines.text, "shadow: blocked") != NULL,
                         rows[i].verdict != VERDICT_NONE);
        sample.decision.decision.steps[0].skipped = true;
        lines.text[0] = '\0';
        recorder_log_geo_lines(&sample.decision, 77, collect_line, &lines);
        assert_string_equal(lines.text, "");
    }
}

TEST(an_unlisted_address_has_no_line_with_that_word) {
    static struct lines lines;
    const struct recorder_names names = {{{0}}};
    struct sample sample;
    decided(&sample, POLICY_NONE, VERDICT_NONE, REASON_NONE, "");
    struct facts *facts = &sample.decision.facts;
    facts->status[FACT_RBL] = FACT_KNOWN;
    facts->rbl_count = DNSBL_STATUSES - 1;
    for (uint8_t i = 0; i < facts->rbl_count; i++) {
        facts->rbl[i] = (struct rbl_answer){.list = (uint8_t)(i + 1),
                                            .status = i >= DNSBL_LISTED ? (uint8_t)(i + 1) : i};
    }
    recorder_log_rbl_lines(&sample.decision, &names, 77, collect_line, &lines);
    assert_null(strstr(lines.text, "listed"));
}

TEST(a_block_is_told_with_the_count_of_its_own_trigger) {
    struct sample sample;
    decided(&sample, POLICY_RBL, VERDICT_REJECT, REASON_RBL_LISTED, "");
    struct decision *decision = &sample.decision.decision;
    const struct offence_digest hits = {.width_s = 1440, .count = 3, .present = 1};
    const struct offence_digest rejections = {.width_s = 60, .count = 99, .present = 1};
    decision->step_count = 0;
    decision->effect_count = 2;
    decision->effects[0] = (struct effect){
        .kind = EFFECT_BLACKLIST_CHANGED, .detail = BLACKLIST_REJECTIONS, .expires_s = 1772409600};
    decision->effects[1] = (struct effect){.kind = EFFECT_OFFENCE_FORGOTTEN, .key = {.low = 8}};
    decision->read_count = 2;
    decision->reads[0] =
        (struct read){.kind = READ_ENTRY, .source = STATE_OFFENCE, .fingerprint = 7};
    memcpy(decision->reads[0].entry, &hits, sizeof hits);
    decision->reads[1] =
        (struct read){.kind = READ_ENTRY, .source = STATE_OFFENCE, .fingerprint = 8};
    memcpy(decision->reads[1].entry, &rejections, sizeof rejections);
    assert_non_null(strstr(lines_of(&sample), "(100 rejections in 1h)"));
}

static void spf_found(struct sample *sample, enum spf_result result, const char *mechanism,
                      const char *problem) {
    struct facts *facts = &sample->decision.facts;
    decided(sample, POLICY_SPF, VERDICT_NONE, REASON_NONE, "");
    sample->decision.request.state = PROTOCOL_STATE_RCPT;
    facts->status[FACT_SPF] = FACT_KNOWN;
    facts->spf_result = (uint8_t)result;
    facts->spf_helo_result = SPF_NONE;
    facts->spf_domain_length = 11;
    memcpy(facts->spf_domain, "example.org", 11);
    facts->spf_mechanism_length = (uint16_t)strlen(mechanism);
    memcpy(facts->spf_mechanism, mechanism, strlen(mechanism));
    facts->spf_problem_length = (uint16_t)strlen(problem);
    memcpy(facts->spf_problem, problem, strlen(problem));
}

TEST(each_result_of_spf_has_its_line) {
    static const struct {
        enum spf_result result;
        const char *mechanism;
        const char *problem;
        const char *line;
    } rows[] = {
        {SPF_PASS, "mx", "", "INFO SPF: PASS for alice@example.org from 192.0.2.1\n"},
        {SPF_FAIL, "-all", "go away",
         "INFO SPF: FAIL for alice@example.org from 192.0.2.1 (example.org: -all)\n"},
        {SPF_SOFTFAIL, "~all", "",
         "INFO SPF: SOFTFAIL for alice@example.org from 192.0.2.1 (example.org: ~all)\n"},
        {SPF_NEUTRAL, "", "", "INFO SPF: NEUTRAL for alice@example.org from 192.0.2.1\n"},
        {SPF_NONE, "", "", "INFO SPF: NONE for alice@example.org from 192.0.2.1\n"},
        {SPF_TEMPERROR, "", "no answer",
         "INFO SPF: TEMPERROR for alice@example.org from 192.0.2.1 (no answer)\n"},
        {SPF_PERMERROR, "a", "two\nrecords",
         "INFO SPF: PERMERROR for alice@example.org from 192.0.2.1 (two\\x0arecords)\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sample sample;
        spf_found(&sample, rows[i].result, rows[i].mechanism, rows[i].problem);
        const char *lines = lines_of(&sample);
        test_case(rows[i].line);
        assert_int_equal(strncmp(lines, rows[i].line, strlen(rows[i].line)), 0);
        assert_null(strstr(lines + strlen(rows[i].line), "SPF: "));
    }
}

TEST(a_failing_helo_name_has_a_line_of_its_own) {
    struct sample sample;
    spf_found(&sample, SPF_PASS, "mx", "");
    sample.decision.facts.spf_helo_result = SPF_FAIL;
    sample.decision.request.helo_name = STR("a b\nc");
    assert_non_null(strstr(lines_of(&sample),
                           "INFO SPF: PASS for alice@example.org from 192.0.2.1\n"
                           "INFO SPF: HELO FAIL for a\\x20b\\x0ac from "
                           "192.0.2.1\n"));
    sample.decision.request.sender = STR("");
    assert_null(strstr(lines_of(&sample), "HELO FAIL"));
    assert_non_null(strstr(lines_of(&sample), "SPF: PASS for <> from 192.0.2.1\n"));
    sample.decision.facts.status[FACT_SPF] = FACT_UNAVAILABLE;
    assert_null(strstr(lines_of(&sample), "SPF: "));
}
