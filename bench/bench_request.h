/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/decision.h"

/* The requests of the load generator's fixed triplets (`polload -G N -K 1000000`): triplet g has
 * the same client, sender and recipient here and there, so that a table filled here is known there.
 */
struct bench_request {
    char address[48];
    char client_name[64];
    char sender[64];
    char recipient[64];
    char instance[64];
    char user[64];
    struct policy_request request; /* Slices of the above. */
};

void bench_request_make(uint64_t triplet, uint64_t number, struct bench_request *ret_request);
/* Comes from the `network`-th /24 (0 to 223 * 65536 - 1) instead. */
void bench_request_from_network(struct bench_request *request, uint32_t network);
/* Makes it the request of a user who has logged in and sends as itself. */
void bench_request_log_in(uint64_t user, struct bench_request *request);
/* As Postfix 3.7 writes it. Returns the length. */
size_t bench_request_format(const struct bench_request *request, char *out, size_t size);
