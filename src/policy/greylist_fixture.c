/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist_fixture.h"

#include <stdio.h>
#include <string.h>

#include "policy/world_fixture.h"
#include "testing/test.h"

enum reason send_after(struct world *world, int64_t wait_s) {
    world->now_s += wait_s;
    return world_send(world)->reason;
}

const struct greylist_entry *entry_of(const struct world *world) {
    return state_find(&world->state, STATE_GREYLIST,
                      greylist_key(&world->state.key, &world->settings.greylisting, &world->request,
                                   (struct str){NULL, 0}));
}

const struct greylist_client_entry *client_of(const struct world *world) {
    return state_find(&world->state, STATE_GREYLIST_CLIENT,
                      greylist_client_key(&world->state.key, &world->settings.greylisting,
                                          world->request.client_address, (struct str){NULL, 0}));
}

void set_spf(struct world *world, enum fact_status status, uint8_t result, const char *domain) {
    world->facts.status[FACT_SPF] = status;
    world->facts.spf_result = result;
    world->facts.spf_domain_length = (uint16_t)strlen(domain);
    memcpy(world->facts.spf_domain, domain, strlen(domain));
}

void pass_keys(struct world *world, int from, int count) {
    char recipient[32];
    for (int i = from; i < from + count; i++) {
        (void)snprintf(recipient, sizeof recipient, "r%d@example.net", i);
        world_set_mail(world, "a@example.org", recipient);
        (void)send_after(world, 0);
        assert_deferred(world, REASON_GREYLIST_FIRST_CONTACT, 300);
        (void)send_after(world, 300);
        assert_let_in(world, REASON_GREYLIST_RETRIED);
    }
    world_set_mail(world, "a@example.org", "new@example.net");
}
