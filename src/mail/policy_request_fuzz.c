/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses where the stream is cut; the rest is what a client sends. However it
 * arrives, the same requests come out of it. */
#include "base/check.h"
#include "mail/policy_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct policy_request_limits limits = {
    .request_bytes_max = 2048, .attributes_max = 40, .value_bytes_max = 256};

/* Slices of a request lie within the frame it was parsed from. */
static void check_within(struct str slice, struct str frame) {
    CHECK(slice.length == 0 ||
          (slice.data >= frame.data && slice.data + slice.length <= frame.data + frame.length));
}

static void check_request(struct str frame) {
    struct policy_request request;
    struct policy_request again;
    struct str at;
    const enum policy_request_result result = policy_request_parse(frame, &limits, &request, &at);
    CHECK(result != POLICY_REQUEST_MORE);
    CHECK(at.data != NULL);
    check_within(at, at.length == 0 ? at : frame);
    CHECK(policy_request_parse(frame, &limits, &again, &at) == result);
    if (result == POLICY_REQUEST_OK) {
        check_within(request.sender, frame);
        check_within(request.recipient, frame);
        check_within(request.policy_context, frame);
        CHECK(request.sender.length <= limits.value_bytes_max);
        CHECK(str_equal(request.sender, again.sender));
        CHECK(ip_address_equal(request.client_address, again.client_address));
        CHECK(request.state == again.state && request.size == again.size);
    }
}

/* The same as `whole`, given `step` bytes more at a time. */
static void check_pieces(struct str input, size_t step, struct policy_request_frame whole) {
    struct policy_request_frame frame = {.result = POLICY_REQUEST_MORE};
    size_t scanned = 0;
    for (size_t given = 0; frame.result == POLICY_REQUEST_MORE && given < input.length;) {
        given = input.length - given > step ? given + step : input.length;
        frame = policy_request_frame(str_slice(input, 0, given), &scanned, &limits);
        CHECK(scanned <= given);
    }
    CHECK(frame.result == whole.result && frame.length == whole.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length == 0) {
        return 0;
    }
    const size_t step = 1 + bytes[0] % 64U;
    struct str rest = {(const char *)bytes + 1, length - 1};
    for (;;) {
        size_t scanned = 0;
        const struct policy_request_frame whole = policy_request_frame(rest, &scanned, &limits);
        CHECK(whole.length <= rest.length);
        check_pieces(rest, step, whole);
        if (whole.result != POLICY_REQUEST_OK) {
            break;
        }
        CHECK(whole.length > 1);
        check_request(str_slice(rest, 0, whole.length));
        rest = str_slice(rest, whole.length, SIZE_MAX);
    }
    check_request(rest);
    return 0;
}
