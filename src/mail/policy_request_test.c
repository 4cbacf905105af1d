/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/policy_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing/test.h"

static const struct policy_request_limits limits = {
    .request_bytes_max = 4096,
    .attributes_max = 64,
    .value_bytes_max = 1024,
};

#define START "request=smtpd_access_policy\n"

/* All attributes of Postfix 3.12, in its order. */
static const char full[] = START "protocol_state=RCPT\n"
                                 "protocol_name=ESMTP\n"
                                 "client_address=192.0.2.7\n"
                                 "client_name=mail.example.org\n"
                                 "client_port=33333\n"
                                 "reverse_client_name=reverse.example.org\n"
                                 "server_address=198.51.100.1\n"
                                 "server_port=25\n"
                                 "helo_name=helo.example.org\n"
                                 "sender=a=b@example.org\n"
                                 "recipient=c@example.net\n"
                                 "recipient_count=3\n"
                                 "queue_id=8045F2AB23\n"
                                 "instance=394c.6b01f9cd.4d034.0\n"
                                 "size=3557\n"
                                 "etrn_domain=\n"
                                 "stress=\n"
                                 "sasl_method=plain\n"
                                 "sasl_username=you\n"
                                 "sasl_sender=he@example.net\n"
                                 "ccert_subject=solaris9.example\n"
                                 "ccert_issuer=Issuer\n"
                                 "ccert_fingerprint=C2:9D\n"
                                 "ccert_pubkey_fingerprint=AA:BB\n"
                                 "encryption_protocol=TLSv1.3\n"
                                 "encryption_cipher=TLS_AES_256_GCM_SHA384\n"
                                 "encryption_keysize=256\n"
                                 "tls_sni=mx.example.net\n"
                                 "policy_context=submission\n"
                                 "compatibility_level=3.6\n"
                                 "mail_version=3.12.0\n"
                                 "\n";

static void expect_full(const struct policy_request *request) {
    char address[IP_ADDRESS_TEXT_MAX];
    struct text text = TEXT_OVER(address);
    ip_address_format(request->client_address, &text);
    assert_string_equal(text_zero(&text), "192.0.2.7");
    assert_int_equal(request->state, PROTOCOL_STATE_RCPT);
    assert_true(str_equal(request->client_address_text, STR("192.0.2.7")));
    assert_true(str_equal(request->client_name, STR("mail.example.org")));
    assert_true(str_equal(request->reverse_client_name, STR("reverse.example.org")));
    assert_true(str_equal(request->server_address, STR("198.51.100.1")));
    assert_int_equal(request->server_port, 25);
    assert_true(str_equal(request->helo_name, STR("helo.example.org")));
    assert_true(str_equal(request->sender, STR("a=b@example.org")));
    assert_true(str_equal(request->recipient, STR("c@example.net")));
    assert_int_equal(request->recipient_count, 3);
    assert_true(str_equal(request->queue_id, STR("8045F2AB23")));
    assert_true(str_equal(request->instance, STR("394c.6b01f9cd.4d034.0")));
    assert_int_equal(request->size, 3557);
    assert_true(str_equal(request->sasl_method, STR("plain")));
    assert_true(str_equal(request->sasl_username, STR("you")));
    assert_true(str_equal(request->sasl_sender, STR("he@example.net")));
    assert_true(str_equal(request->ccert_subject, STR("solaris9.example")));
    assert_true(str_equal(request->encryption_protocol, STR("TLSv1.3")));
    assert_true(str_equal(request->policy_context, STR("submission")));
}

static struct policy_request_frame frame_of(struct str input) {
    size_t scanned = 0;
    return policy_request_frame(input, &scanned, &limits);
}

static enum policy_request_result parse(struct str frame, struct policy_request *ret_request) {
    struct str at;
    return policy_request_parse(frame, &limits, ret_request, &at);
}

TEST(policy_request_reads_every_attribute) {
    struct policy_request request;
    assert_int_equal(parse(str_from(full), &request), POLICY_REQUEST_OK);
    expect_full(&request);
}

TEST(policy_request_takes_attributes_in_any_order) {
    /* The same lines, last first, with a CR each and some that nobody knows between them. */
    static char turned[2 * sizeof full + 64 * 32];
    size_t length = 0;
    struct str rest = {full, sizeof full - 2};
    struct policy_request request;
    while (rest.length > 0) {
        const size_t newline = str_find_last((struct str){rest.data, rest.length - 1}, '\n');
        const size_t start = newline == SIZE_MAX ? 0 : newline + 1;
        const struct str line = str_slice(rest, start, rest.length - 1);
        length += (size_t)snprintf(turned + length, sizeof turned - length,
                                   "%.*s\r\nX-%zu=unknown\n", STR_ARGS(line), length);
        rest.length = start;
    }
    length += (size_t)snprintf(turned + length, sizeof turned - length, "\r\n");
    const struct str input = {turned, length};
    assert_int_equal(frame_of(input).result, POLICY_REQUEST_OK);
    assert_int_equal(frame_of(input).length, length);
    assert_int_equal(parse(input, &request), POLICY_REQUEST_OK);
    expect_full(&request);
}

TEST(policy_request_absent_is_empty) {
    struct policy_request request;
    memset(&request, 0x55, sizeof request);
    assert_int_equal(parse(STR(START "\n"), &request), POLICY_REQUEST_OK);
    assert_int_equal(request.state, PROTOCOL_STATE_NONE);
    assert_true(ip_address_is_none(request.client_address));
    assert_int_equal(request.sender.length, 0);
    assert_int_equal(request.policy_context.length, 0);
    assert_int_equal(request.policy_client.length, 0);
    assert_int_equal(request.size, 0);
    assert_int_equal(request.recipient_count, 0);
    assert_int_equal(request.server_port, 0);
}

TEST(policy_request_values) {
    struct policy_request request;
    assert_int_equal(parse(STR("\n\r\n" START "sender=first\nsender=\nsender=second=x\r\r\n"
                               "client_address=unknown\nsize=12x\nserver_port=65536\n"
                               "recipient_count=4294967296\nhelo_name=\xff\xfe \t\n\n"),
                           &request),
                     POLICY_REQUEST_OK);
    assert_true(str_equal(request.sender, STR("second=x\r")));
    assert_true(ip_address_is_none(request.client_address));
    assert_true(str_equal(request.client_address_text, STR("unknown")));
    assert_true(str_equal(request.helo_name, STR("\xff\xfe \t")));
    assert_int_equal(request.size, 0);
    assert_int_equal(request.server_port, 0);
    assert_int_equal(request.recipient_count, 0);

    assert_int_equal(parse(STR(START "client_address=2001:db8::5\nsize=18446744073709551615\n"
                                     "recipient_count=4294967295\nserver_port=65535\n\n"),
                           &request),
                     POLICY_REQUEST_OK);
    assert_int_equal(request.client_address.bytes[15], 5);
    assert_true(request.size == UINT64_MAX);
    assert_true(request.recipient_count == UINT32_MAX);
    assert_int_equal(request.server_port, 65535);
}

/* Names that begin or end as a known one does are others. */
TEST(policy_request_knows_names_exactly) {
    struct policy_request request;
    assert_int_equal(parse(STR(START "sender=a@b\nsenders=x\nsende=x\nSENDER=x\nxsender=x\n"
                                     "sender =x\nsizes=1\nsiz=1\nsize=7\nxsize=1\n\n"),
                           &request),
                     POLICY_REQUEST_OK);
    assert_true(str_equal(request.sender, STR("a@b")));
    assert_int_equal(request.size, 7);
}

static void expect_same(const struct policy_request *a, const struct policy_request *b) {
    assert_int_equal(a->state, b->state);
    assert_true(ip_address_equal(a->client_address, b->client_address));
    assert_true(str_equal(a->client_address_text, b->client_address_text));
    assert_true(str_equal(a->client_name, b->client_name));
    assert_true(str_equal(a->reverse_client_name, b->reverse_client_name));
    assert_true(str_equal(a->server_address, b->server_address));
    assert_true(str_equal(a->helo_name, b->helo_name));
    assert_true(str_equal(a->sender, b->sender));
    assert_true(str_equal(a->recipient, b->recipient));
    assert_true(str_equal(a->queue_id, b->queue_id));
    assert_true(str_equal(a->instance, b->instance));
    assert_true(str_equal(a->sasl_method, b->sasl_method));
    assert_true(str_equal(a->sasl_username, b->sasl_username));
    assert_true(str_equal(a->sasl_sender, b->sasl_sender));
    assert_true(str_equal(a->encryption_protocol, b->encryption_protocol));
    assert_true(str_equal(a->ccert_subject, b->ccert_subject));
    assert_true(str_equal(a->policy_context, b->policy_context));
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->recipient_count, b->recipient_count);
    assert_int_equal(a->server_port, b->server_port);
}

/* One wrong byte anywhere in a name is as good as another name altogether. */
TEST(policy_request_compares_every_byte_of_a_name) {
    static char bytes[sizeof full];
    size_t start = sizeof START - 1;
    while (full[start] != '\n') {
        const size_t equals = start + str_find(str_from(full + start), '=');
        struct policy_request without;
        struct policy_request request;
        memcpy(bytes, full, sizeof full);
        memset(bytes + start, '?', equals - start);
        assert_int_equal(parse(str_from(bytes), &without), POLICY_REQUEST_OK);
        for (size_t wrong = start; wrong < equals; wrong++) {
            memcpy(bytes, full, sizeof full);
            bytes[wrong] = '?';
            assert_int_equal(parse(str_from(bytes), &request), POLICY_REQUEST_OK);
            expect_same(&request, &without);
        }
        start = equals + str_find(str_from(full + equals), '\n') + 1;
    }
}

TEST(policy_request_protocol_states) {
    static const struct {
        const char *text;
        enum protocol_state state;
        const char *name;
    } rows[] = {
        {"CONNECT", PROTOCOL_STATE_CONNECT, "CONNECT"},
        {"HELO", PROTOCOL_STATE_HELO, "HELO"},
        {"EHLO", PROTOCOL_STATE_HELO, "HELO"},
        {"MAIL", PROTOCOL_STATE_MAIL, "MAIL"},
        {"RCPT", PROTOCOL_STATE_RCPT, "RCPT"},
        {"DATA", PROTOCOL_STATE_DATA, "DATA"},
        {"BDAT", PROTOCOL_STATE_DATA, "DATA"},
        {"END-OF-MESSAGE", PROTOCOL_STATE_END_OF_MESSAGE, "END-OF-MESSAGE"},
        {"VRFY", PROTOCOL_STATE_OTHER, "OTHER"},
        {"ETRN", PROTOCOL_STATE_OTHER, "OTHER"},
        {"XCLIENT", PROTOCOL_STATE_OTHER, "OTHER"},
        {"rcpt", PROTOCOL_STATE_NONE, ""},
        {"RCPTS", PROTOCOL_STATE_NONE, ""},
        {"", PROTOCOL_STATE_NONE, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char bytes[100];
        struct policy_request request;
        test_case(rows[i].text);
        const int length =
            snprintf(bytes, sizeof bytes, START "protocol_state=%s\n\n", rows[i].text);
        assert_int_equal(parse((struct str){bytes, (size_t)length}, &request), POLICY_REQUEST_OK);
        assert_int_equal(request.state, rows[i].state);
        assert_string_equal(protocol_state_name(rows[i].state), rows[i].name);
    }
    assert_string_equal(protocol_state_name((enum protocol_state)99), "");
}

TEST(policy_request_refuses_what_is_malformed) {
    const struct {
        struct str frame;
        enum policy_request_result result;
        const char *at;
    } rows[] = {
        {STR(START "sender\n\n"), POLICY_REQUEST_NO_EQUALS, "sender"},
        {STR(START "=x\n\n"), POLICY_REQUEST_NO_EQUALS, "=x"},
        {STR(START "=\n\n"), POLICY_REQUEST_NO_EQUALS, "="},
        {STR(START " \r\n\n"), POLICY_REQUEST_NO_EQUALS, " "},
        {STR(START "x"), POLICY_REQUEST_NO_EQUALS, "x"},
        {STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), POLICY_REQUEST_NO_EQUALS, "GET / HTTP/1.1"},
        {STR("sender=a\n\n"), POLICY_REQUEST_NOT_A_REQUEST, ""},
        {STR("request=\n\n"), POLICY_REQUEST_NOT_A_REQUEST, ""},
        {STR("request=junk\n\n"), POLICY_REQUEST_NOT_A_REQUEST, "junk"},
        {STR("Request=smtpd_access_policy\n\n"), POLICY_REQUEST_NOT_A_REQUEST, ""},
        {STR("request=smtpd_access_policy2\n\n"), POLICY_REQUEST_NOT_A_REQUEST,
         "smtpd_access_policy2"},
        {STR(START "request=\n\n"), POLICY_REQUEST_NOT_A_REQUEST, ""},
        {STR("\n"), POLICY_REQUEST_NOT_A_REQUEST, ""},
        {{NULL, 0}, POLICY_REQUEST_NOT_A_REQUEST, ""},
        /* What a recorded or hand-written request may lack: the ending. */
        {STR(START), POLICY_REQUEST_OK, "smtpd_access_policy"},
        {STR("request=smtpd_access_policy"), POLICY_REQUEST_OK, "smtpd_access_policy"},
        {STR("request=smtpd_access_policy\nsender="), POLICY_REQUEST_OK, "smtpd_access_policy"},
        {STR("request=smtpd_access_policy\r"), POLICY_REQUEST_OK, "smtpd_access_policy"},
        {STR(START "\nsender"), POLICY_REQUEST_OK, "smtpd_access_policy"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy_request request;
        struct str at = {NULL, 0};
        test_case(rows[i].frame.data);
        assert_int_equal(policy_request_parse(rows[i].frame, &limits, &request, &at),
                         rows[i].result);
        assert_non_null(at.data);
        assert_true(str_equal(at, str_from(rows[i].at)));
    }
}

TEST(policy_request_limits_hold_to_the_byte) {
    static const struct policy_request_limits small = {
        .request_bytes_max = 100, .attributes_max = 3, .value_bytes_max = 19};
    struct policy_request request;
    struct str at;
    assert_int_equal(
        policy_request_parse(STR(START "a=1234567890123456789\nb=\n\n"), &small, &request, &at),
        POLICY_REQUEST_OK);
    assert_int_equal(
        policy_request_parse(STR(START "a=12345678901234567890\n\n"), &small, &request, &at),
        POLICY_REQUEST_VALUE_TOO_LONG);
    assert_true(str_equal(at, STR("a=12345678901234567890")));
    assert_int_equal(
        policy_request_parse(STR(START "sender=12345678901234567890\n\n"), &small, &request, &at),
        POLICY_REQUEST_VALUE_TOO_LONG);
    assert_int_equal(policy_request_parse(STR(START "a=\nb=\nc=\n\n"), &small, &request, &at),
                     POLICY_REQUEST_TOO_MANY_ATTRIBUTES);
    assert_true(str_equal(at, STR("c=")));

    assert_int_equal(policy_request_parse(STR(START "a=\nb\n\n"), &small, &request, &at),
                     POLICY_REQUEST_NO_EQUALS);

    char bytes[102];
    memset(bytes, 'x', sizeof bytes);
    for (size_t length = 90; length <= sizeof bytes; length++) {
        size_t scanned = 0;
        memset(bytes, 'x', sizeof bytes);
        bytes[length - 2] = '\n';
        bytes[length - 1] = '\n';
        const struct policy_request_frame frame =
            policy_request_frame((struct str){bytes, length}, &scanned, &small);
        assert_int_equal(frame.result, length <= 100 ? POLICY_REQUEST_OK : POLICY_REQUEST_TOO_LONG);
        assert_int_equal(frame.length, length <= 100 ? length : 0);
    }
}

/* Lines in the usual order are taken by another way than all others; the same limits hold there,
 * and both count together. */
TEST(policy_request_limits_hold_in_the_usual_order) {
    static char bytes[sizeof full + 8];
    for (size_t unknown = 0; unknown < 2; unknown++) {
        (void)snprintf(bytes, sizeof bytes, "%s%s", unknown == 1 ? "x=\n" : "", full);
        const struct str frame = str_from(bytes);
        size_t longest = 0;
        size_t count = 0;
        struct policy_request request;
        struct str at;
        for (const char *line = bytes; *line != '\n'; count++) {
            const struct str whole = str_slice(str_from(line), 0, str_find(str_from(line), '\n'));
            const size_t length = whole.length - str_find(whole, '=') - 1;
            const struct policy_request_limits few = {sizeof bytes, count, longest + length};
            assert_int_equal(policy_request_parse(frame, &few, &request, &at),
                             POLICY_REQUEST_TOO_MANY_ATTRIBUTES);
            assert_ptr_equal(at.data, line);
            if (length > longest) {
                const struct policy_request_limits short_ones = {sizeof bytes, 64, length - 1};
                assert_int_equal(policy_request_parse(frame, &short_ones, &request, &at),
                                 POLICY_REQUEST_VALUE_TOO_LONG);
                assert_true(at.data == line && at.length == whole.length);
                longest = length;
            }
            line += whole.length + 1;
        }
        const struct policy_request_limits exact = {sizeof bytes, count, longest};
        assert_int_equal(policy_request_parse(frame, &exact, &request, &at), POLICY_REQUEST_OK);
        expect_full(&request);
    }
}

/* Nor does it matter how many blocks a value takes, nor whether a CR ends its line. */
TEST(policy_request_values_of_any_length_in_the_usual_order) {
    static const char value[] =
        "0123456789=abcdef\rghijklmnopqrstuvwxyz@ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (size_t length = 0; length < sizeof value; length++) {
        for (unsigned cr = 0; cr < 2; cr++) {
            char bytes[2 * sizeof full];
            struct policy_request expected;
            struct policy_request request;
            const size_t start = str_find(str_from(full), '@') + 1; /* of the sender's domain */
            const int written =
                snprintf(bytes, sizeof bytes, "%.*s%.*s%s%s", (int)start, full, (int)length, value,
                         cr == 1 ? "\r" : "", strchr(full + start, '\n'));
            assert_int_equal(parse(str_from(full), &expected), POLICY_REQUEST_OK);
            assert_int_equal(parse((struct str){bytes, (size_t)written}, &request),
                             POLICY_REQUEST_OK);
            const struct str sender = str_slice(request.sender, 4, SIZE_MAX);
            assert_true(str_starts(request.sender, STR("a=b@")));
            assert_int_equal(sender.length, length == 18 && cr == 0 ? 17 : length);
            assert_true(str_starts(STR(value), sender));
            request.sender = expected.sender;
            expect_same(&request, &expected);
        }
    }
}

TEST(policy_request_problems_are_sentences) {
    for (int result = 0; result < POLICY_REQUEST_RESULTS; result++) {
        const char *problem = policy_request_problem((enum policy_request_result)result);
        assert_true(strlen(problem) > 5);
        for (int other = 0; other < result; other++) {
            assert_string_not_equal(problem,
                                    policy_request_problem((enum policy_request_result)other));
        }
    }
    assert_string_equal(policy_request_problem(POLICY_REQUEST_RESULTS), "an unknown problem");
    assert_string_equal(policy_request_problem((enum policy_request_result)99),
                        "an unknown problem");
}

/* 3,680 requests of a real Postfix 3.7, in one stream. */
static struct str captured(void) {
    static char bytes[4 << 20];
    char path[4200];
    const char *data = test_data();
    if (data == NULL) {
        skip();
    }
    (void)snprintf(path, sizeof path, "%s/policy/requests-delay.bin", data);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        skip();
    }
    const size_t length = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    assert_true(length > 0 && length < sizeof bytes);
    return (struct str){bytes, length};
}

TEST(policy_request_reads_all_that_a_real_postfix_sent) {
    struct str rest = captured();
    size_t by_state[PROTOCOL_STATE_OTHER + 1] = {0};
    size_t with_sender = 0;
    while (rest.length > 0) {
        const struct policy_request_frame frame = frame_of(rest);
        struct policy_request request;
        assert_int_equal(frame.result, POLICY_REQUEST_OK);
        assert_int_equal(parse(str_slice(rest, 0, frame.length), &request), POLICY_REQUEST_OK);
        assert_false(ip_address_is_none(request.client_address));
        assert_true(request.client_name.length > 0);
        assert_true(request.instance.length > 0);
        assert_true(request.state != PROTOCOL_STATE_RCPT || request.recipient.length > 0);
        by_state[request.state]++;
        with_sender += request.sender.length > 0;
        rest = str_slice(rest, frame.length, rest.length);
    }
    const size_t all = by_state[PROTOCOL_STATE_RCPT] + by_state[PROTOCOL_STATE_DATA] +
                       by_state[PROTOCOL_STATE_END_OF_MESSAGE];
    assert_int_equal(all, 3680);
    assert_true(with_sender > all / 2 && with_sender < all);
}

/* Each of the first hundred, cut at every byte, gives the same slices. */
TEST(policy_request_of_a_real_postfix_may_be_cut_anywhere) {
    struct str rest = captured();
    for (unsigned i = 0; i < 100; i++) {
        const struct policy_request_frame whole = frame_of(rest);
        struct policy_request expected;
        assert_int_equal(parse(str_slice(rest, 0, whole.length), &expected), POLICY_REQUEST_OK);
        for (size_t cut = 1; cut < whole.length; cut++) {
            size_t scanned = 0;
            struct policy_request request;
            assert_int_equal(
                policy_request_frame(str_slice(rest, 0, cut), &scanned, &limits).result,
                POLICY_REQUEST_MORE);
            const struct policy_request_frame frame = policy_request_frame(rest, &scanned, &limits);
            assert_int_equal(frame.result, POLICY_REQUEST_OK);
            assert_int_equal(frame.length, whole.length);
            if (cut % 37 == 0) {
                assert_int_equal(parse(str_slice(rest, 0, frame.length), &request),
                                 POLICY_REQUEST_OK);
                expect_same(&request, &expected);
            }
        }
        rest = str_slice(rest, whole.length, rest.length);
    }
}

/* The bytes alone, so that the sanitizer sees a read past their end. */
static char *copy_of(struct str bytes) {
    char *copy = malloc(bytes.length);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.length);
    return copy;
}

TEST(policy_request_is_not_read_past_its_end) {
    for (size_t length = 1; length < sizeof full; length++) {
        char *copy = copy_of((struct str){full, length});
        struct policy_request request;
        size_t scanned = 0;
        (void)policy_request_frame((struct str){copy, length}, &scanned, &limits);
        (void)parse((struct str){copy, length}, &request);
        free(copy);
    }
}

/* One byte of the name changed: then it is an attribute that we do not know. */
TEST(policy_request_names_count_to_the_last_byte) {
    const struct str line = STR("recipient=");
    char *copy = copy_of(str_from(full));
    char *name = strstr(full, "\nrecipient=") - full + 1 + copy;
    for (size_t i = 0; i + 1 < line.length; i++) {
        struct policy_request request;
        name[i] = (char)(name[i] ^ 1);
        assert_int_equal(parse((struct str){copy, sizeof full - 1}, &request), POLICY_REQUEST_OK);
        assert_int_equal(request.recipient.length, 0);
        name[i] = (char)(name[i] ^ 1);
    }
    free(copy);
}
