/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_request.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum { VALUES = 1000000, SENDER_DOMAINS = 1009 };

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t x) {
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void bench_request_make(uint64_t triplet, uint64_t number, struct bench_request *ret_request) {
    const uint64_t client = mix(triplet) % VALUES;
    const uint64_t sender = mix(triplet ^ 0x5bd1e995) % VALUES;
    const uint64_t recipient = mix(triplet ^ 0xc2b2ae35) % VALUES;
    const uint32_t spread = (uint32_t)client * 2654435761U;
    struct bench_request *r = ret_request;
    (void)snprintf(r->address, sizeof r->address, "%u.%u.%u.%u", 1 + (spread >> 24) % 223,
                   (spread >> 16) & 255U, (spread >> 8) & 255U, spread & 255U);
    (void)snprintf(r->client_name, sizeof r->client_name, "mail%llu.example.net",
                   (unsigned long long)client);
    (void)snprintf(r->sender, sizeof r->sender, "bounces+%llu@news%llu.example.net",
                   (unsigned long long)sender, (unsigned long long)(sender % SENDER_DOMAINS));
    (void)snprintf(r->recipient, sizeof r->recipient, "user%llu@example.com",
                   (unsigned long long)recipient);
    (void)snprintf(r->instance, sizeof r->instance, "1f.6b01f030.%llx.0",
                   (unsigned long long)number);
    r->request = (struct policy_request){
        .state = PROTOCOL_STATE_RCPT,
        .client_address_text = str_from(r->address),
        .client_name = str_from(r->client_name),
        .reverse_client_name = str_from(r->client_name),
        .helo_name = str_from(r->client_name),
        .sender = str_from(r->sender),
        .recipient = str_from(r->recipient),
        .instance = str_from(r->instance),
        .size = 4096,
    };
    CHECK(ip_address_parse(r->request.client_address_text, &r->request.client_address));
}

void bench_request_from_network(struct bench_request *request, uint32_t network) {
    (void)snprintf(request->address, sizeof request->address, "%u.%u.%u.9",
                   1 + (network >> 16) % 223, (network >> 8) & 255U, network & 255U);
    request->request.client_address_text = str_from(request->address);
    CHECK(ip_address_parse(request->request.client_address_text, &request->request.client_address));
}

void bench_request_log_in(uint64_t user, struct bench_request *request) {
    (void)snprintf(request->user, sizeof request->user, "user%llu@example.com",
                   (unsigned long long)user);
    request->request.sasl_username = str_from(request->user);
    (void)snprintf(request->sender, sizeof request->sender, "%s", request->user);
    request->request.sender = str_from(request->sender);
}

size_t bench_request_format(const struct bench_request *request, char *out, size_t size) {
    const int n = snprintf(
        out, size,
        "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
        "client_address=%s\nclient_name=%s\nclient_port=25254\nreverse_client_name=%s\n"
        "server_address=192.0.2.25\nserver_port=25\nhelo_name=%s\nsender=%s\nrecipient=%s\n"
        "recipient_count=0\nqueue_id=\ninstance=%s\nsize=4096\netrn_domain=\nstress=\n"
        "sasl_method=\nsasl_username=%.*s\nsasl_sender=\nccert_subject=\nccert_issuer=\n"
        "ccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=\n"
        "encryption_cipher=\nencryption_keysize=0\npolicy_context=\n\n",
        request->address, request->client_name, request->client_name, request->client_name,
        request->sender, request->recipient, request->instance,
        STR_ARGS(request->request.sasl_username));
    CHECK(n > 0 && (size_t)n < size);
    return (size_t)n;
}
