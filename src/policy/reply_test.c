/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "testing/test.h"

static struct decision decision;

static const char *reply_for(enum verdict verdict, enum policy_id policy, enum reason reason,
                             struct str text, const struct policy_request *request) {
    static char zero[REPLY_MAX + 1];
    decision.verdict = verdict;
    decision.policy = policy;
    decision.reason = reason;
    reply_write(request, text, &decision);
    assert_true(decision.reply_length <= REPLY_MAX);
    (void)snprintf(zero, sizeof zero, "%.*s", (int)decision.reply_length, decision.reply);
    assert_int_equal(strlen(zero), decision.reply_length);
    return zero;
}

static struct policy_request a_request(void) {
    struct policy_request request = {.sender = STR("a@example.org"),
                                     .recipient = STR("b@example.net")};
    assert_true(ip_address_parse(STR("192.0.2.1"), &request.client_address));
    return request;
}

static const char *refusal(struct str text, const struct policy_request *request) {
    return reply_for(VERDICT_REJECT, POLICY_ACL_BLOCK, REASON_ACL_BLOCKED, text, request);
}

TEST(acceptance_is_always_dunno) {
    const struct policy_request request = a_request();
    assert_string_equal(reply_for(VERDICT_NONE, POLICY_NONE, REASON_NONE, STR("x"), &request),
                        "DUNNO");
    assert_string_equal(
        reply_for(VERDICT_ACCEPT, POLICY_ACL_ALLOW, REASON_ACL_ALLOWED, STR("x"), &request),
        "DUNNO");
}

TEST(an_empty_text_means_the_default) {
    const struct policy_request request = a_request();
    decision.retry_in_s = 300;
    assert_string_equal(refusal(STR(""), &request), "REJECT 5.7.1 Access denied");
    assert_string_equal(
        reply_for(VERDICT_DEFER, POLICY_GREYLISTING, REASON_GREYLIST_TOO_EARLY, STR(""), &request),
        "DEFER_IF_PERMIT 4.7.1 Greylisted, please try again in 300 seconds");
    assert_string_equal(
        reply_for(VERDICT_DEFER, POLICY_GREYLISTING, REASON_FACT_UNAVAILABLE, STR(""), &request),
        "DEFER_IF_PERMIT 4.7.1 A check of this mail could not be completed");
}

TEST(a_text_of_one_byte_is_a_text) {
    const struct policy_request request = a_request();
    assert_string_equal(refusal(STR("x"), &request), "REJECT 5.7.1 x");
}

TEST(the_first_character_behind_the_controls_is_kept) {
    struct policy_request request = a_request();
    request.sender = STR("\xc2\x9f\xc2\xa0");
    assert_string_equal(refusal(STR("{sender}"), &request), "REJECT 5.7.1 ?\xc2\xa0");
}

TEST(placeholders_are_filled_in) {
    const struct policy_request request = a_request();
    decision.retry_in_s = 42;
    memcpy(decision.rule, "block:17 *@x", 12);
    decision.rule_length = 12;
    assert_string_equal(refusal(STR("{retry_in} {client_address} {sender} {recipient} {policy} "
                                    "{reason} {rule} {{x}}"),
                                &request),
                        "REJECT 5.7.1 42 192.0.2.1 a@example.org b@example.net acl_block "
                        "acl.blocked block:17 *@x {x}");
}

TEST(an_address_that_is_none_is_told_as_it_came) {
    struct policy_request request = a_request();
    request.client_address = (struct ip_address){{0}};
    request.client_address_text = STR("somewhere\x01");
    assert_string_equal(refusal(STR("{client_address}"), &request), "REJECT 5.7.1 somewhere?");
}

TEST(bytes_from_outside_cannot_forge_anything) {
    struct policy_request request = a_request();
    request.sender = STR("a\x01\x1f\x7f\xc2\x85\xff\xc3\xa4\xe2\x82@x\r");
    assert_string_equal(refusal(STR("{sender}"), &request), "REJECT 5.7.1 a????"
                                                            "?\xc3\xa4??@x?");
}

TEST(a_text_with_a_mistake_is_told_as_it_stands) {
    const struct policy_request request = a_request();
    assert_string_equal(refusal(STR("{nobody} } {"), &request), "REJECT 5.7.1 {nobody} } {");
}

TEST(what_is_too_long_is_cut_between_characters) {
    struct policy_request request = a_request();
    char sender[2 * REPLY_TEXT_MAX];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(sender, 'x', shift);
        for (size_t i = shift; i + 3 <= sizeof sender; i += 3) {
            memcpy(sender + i, "\xe2\x82\xac", 3);
        }
        request.sender = (struct str){sender, sizeof sender};
        const char *reply = reply_for(VERDICT_DEFER, POLICY_GREYLISTING, REASON_GREYLIST_TOO_EARLY,
                                      STR("{sender} end"), &request);
        const size_t text_length = strlen(reply) - strlen("DEFER_IF_PERMIT 4.7.1 ");
        assert_in_range(text_length, REPLY_TEXT_MAX - 2, REPLY_TEXT_MAX);
        struct str rest = str_from(reply);
        for (uint32_t point; rest.length > 0;) {
            const size_t length = utf8_decode(rest, &point);
            assert_true(length > 0);
            rest = str_slice(rest, length, rest.length);
        }
        assert_null(strchr(reply + strlen(reply) - text_length, ' ')); /* nor of what follows */
    }
    request.sender = (struct str){sender, REPLY_TEXT_MAX + 1};
    memset(sender, 'y', sizeof sender);
    assert_int_equal(strlen(refusal(STR("{sender}"), &request)), 13 + REPLY_TEXT_MAX);
    request.sender.length = REPLY_TEXT_MAX;
    assert_int_equal(strlen(refusal(STR("{sender}"), &request)), 13 + REPLY_TEXT_MAX);
    request.sender.length = REPLY_TEXT_MAX - 1;
    assert_int_equal(strlen(refusal(STR("{sender}"), &request)), 12 + REPLY_TEXT_MAX);
    sender[REPLY_TEXT_MAX - 1] = '\x01'; /* shown as one byte, which fits; then does not */
    request.sender.length = REPLY_TEXT_MAX;
    assert_int_equal(strlen(refusal(STR("{sender}"), &request)), 13 + REPLY_TEXT_MAX);
    sender[REPLY_TEXT_MAX - 1] = 'y';
    sender[REPLY_TEXT_MAX] = '\x01';
    request.sender.length = REPLY_TEXT_MAX + 1;
    assert_int_equal(strlen(refusal(STR("{sender}"), &request)), 13 + REPLY_TEXT_MAX);
}

static const char *problem_of(struct str text) {
    static char room[512];
    struct text problem = TEXT_OVER(room);
    return reply_text_problem(text, &problem);
}

TEST(texts_that_are_right_have_no_problem) {
    assert_null(problem_of(STR("")));
    assert_null(problem_of(STR("Greylisted, please try again in {retry_in} seconds")));
    assert_null(problem_of(STR("Gr\xc3\xbc\xc3\x9f"
                               "e {{a}} {sender}{recipient}")));
    assert_null(problem_of(STR("{client_address} {policy} {reason} {rule}")));
    assert_null(problem_of(STR("no\xc2\xa0"
                               "break")));
}

TEST(texts_that_are_wrong_say_what_is_allowed) {
    static const char *const wrong[] = {"{retry}", "a {", "a }",     "{",
                                        "}",       "{}",  "{sender", "{{sender} x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        test_case(wrong[i]);
        const char *problem = problem_of(str_from(wrong[i]));
        assert_non_null(problem);
        assert_non_null(strstr(problem, "{retry_in}"));
        assert_non_null(strstr(problem, "{rule}"));
        assert_non_null(strstr(problem, "; write {{ or }} for a brace"));
    }
    assert_non_null(strstr(problem_of(STR("see {this one} here")), "\"{this one}\""));
    assert_non_null(strstr(problem_of(STR("a\nb")), "control"));
    assert_non_null(strstr(problem_of(STR("ok\x7f")), "control"));
    assert_non_null(strstr(problem_of(STR("\xc2\x80")), "control"));
    assert_non_null(strstr(problem_of(STR("\xff")), "UTF-8"));
}

TEST(of_a_mistake_40_bytes_are_shown_and_of_a_single_brace_one) {
    char bytes[64];
    for (size_t length = 38; length <= 43; length++) {
        char expected[64];
        memset(bytes, 'x', sizeof bytes);
        bytes[0] = '{';
        bytes[length - 1] = '}';
        const int shown = length < 40 ? (int)length : 40;
        (void)snprintf(expected, sizeof expected, "\"%.*s\" is no placeholder", shown, bytes);
        assert_non_null(strstr(problem_of((struct str){bytes, sizeof bytes}), expected));
    }
    assert_non_null(strstr(problem_of(STR("a } b")), "\"}\" is no placeholder"));
    const struct policy_request request = a_request();
    assert_string_equal(refusal(STR("}{{"), &request), "REJECT 5.7.1 }{");
}

/* The byte behind the text is a brace too, or nobody's. */
TEST(a_brace_at_the_end_stands_alone) {
    const struct policy_request request = a_request();
    assert_string_equal(refusal((struct str){"a{{", 2}, &request), "REJECT 5.7.1 a{");
    assert_non_null(problem_of((struct str){"a}}", 2}));
    char *one = malloc(1);
    assert_non_null(one);
    *one = '{';
    assert_non_null(problem_of((struct str){one, 1}));
    free(one);
}
