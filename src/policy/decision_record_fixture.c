/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_record_fixture.h"

#include "policy/record_values.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

unsigned char body[DECISION_RECORD_MAX];
struct decision_record record;

size_t encode(const struct world *world) {
    return decision_record_encode(&world->request, STR("alice"), &world->facts, 77, -5, 123,
                                  &world->decision, body);
}

void fill_request(struct world *world) {
    struct policy_request *request = &world->request;
    request->reverse_client_name = STR("reverse.example.org");
    request->server_address = STR("203.0.113.25");
    request->queue_id = STR("4F9D195432C");
    request->instance = STR("123.456.7");
    request->sasl_method = STR("plain");
    request->sasl_sender = STR("c@example.org");
    request->encryption_protocol = STR("TLSv1.3");
    request->ccert_subject = STR("Some Subject");
    request->policy_context = STR("submission");
    request->policy_client = STR("2001:0db8:0000:0000:0000:0000:192.100.200.250.");
    request->size = UINT64_MAX;
    request->recipient_count = UINT32_MAX;
    request->server_port = 65535;
}

void assert_same_str(struct str a, struct str b) {
    assert_int_equal(a.length, b.length);
    if (a.length > 0) {
        assert_memory_equal(a.data, b.data, a.length);
    }
}
