/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "daemon/control_api.h"

/* Policies: their common settings and what each of them said. */

static const char *const mode_names[] = {"enforce", "shadow"};
static const char *const on_error_names[] = {"accept", "defer", "reject"};
static const char *const runs_on_names[] = {"neither", "inbound", "outbound", "both"};

static bool has_on_error(unsigned policy) {
    char key[64];
    (void)snprintf(key, sizeof key, "policies.%s.on_error", policy_info(policy)->name);
    return setting_find(str_from(key)) != NULL;
}

static json_t *counts_json(struct control *control, unsigned policy) {
    const struct engine_counters *counters = engine_counters(control->engine);
    json_t *counts = json_object();
    for (unsigned v = 0; v < VERDICTS; v++) {
        json_put(counts, verdict_name((enum verdict)v),
                 json_count(counter_read(&counters->policy_verdicts[policy][v])));
    }
    json_put(counts, "shadow_defer",
             json_count(counter_read(&counters->shadow_verdicts[policy][VERDICT_DEFER])));
    json_put(counts, "shadow_reject",
             json_count(counter_read(&counters->shadow_verdicts[policy][VERDICT_REJECT])));
    return counts;
}

static json_t *policy_json(struct control *control, const struct policy_settings *settings,
                           unsigned policy) {
    const struct policy_common_settings *common = &settings->policies[policy];
    json_t *item = json_object();
    json_put(item, "name", json_text_from(policy_info(policy)->name));
    json_put(item, "enabled", json_boolean(common->enabled));
    json_put(item, "priority", json_integer(common->priority));
    json_put(item, "mode", json_text_from(mode_names[common->mode]));
    json_put(item, "on_error",
             json_text_from(has_on_error(policy) ? on_error_names[common->on_error] : NULL));
    json_put(item, "runs_on", json_text_from(runs_on_names[policy_info(policy)->runs_on]));
    json_put(item, "counts", counts_json(control, policy));
    return item;
}

void control_get_policies(void *context, const struct http_request *request,
                          struct http_response *response) {
    (void)request;
    struct control *control = context;
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct policy_settings *settings = &generation->settings->policy;
    enum policy_id order[STEPS_MAX];
    const size_t count = decision_policies_in_order(settings, order);
    json_t *items = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(items, policy_json(control, settings, order[i]));
    }
    engine_generation_release(control->engine, generation);
    http_answer_json(response, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

/* POLICY_NONE: it was answered. */
static enum policy_id policy_of(const struct http_request *request,
                                struct http_response *response) {
    const enum policy_id policy = policy_find(request->parts[0]);
    if (policy == POLICY_NONE) {
        http_answer_problem(response, 404, NULL,
                            STR("There is no policy of that name; GET /v1/policies lists them."));
    }
    return policy;
}

void control_get_policy(void *context, const struct http_request *request,
                        struct http_response *response) {
    struct control *control = context;
    const enum policy_id policy = policy_of(request, response);
    if (policy != POLICY_NONE) {
        const struct generation *generation = engine_generation_acquire(control->engine);
        http_answer_json(response, 200,
                         policy_json(control, &generation->settings->policy, policy));
        engine_generation_release(control->engine, generation);
    }
}

void control_put_policy(void *context, const struct http_request *request,
                        struct http_response *response) {
    struct control *control = context;
    const enum policy_id policy = policy_of(request, response);
    if (policy == POLICY_NONE) {
        return;
    }
    if (!control_members(request, response,
                         has_on_error(policy) ? "enabled priority mode on_error"
                                              : "enabled priority mode")) {
        return;
    }
    json_t *members = json_object();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)request->json, name, value) {
        char key[128];
        (void)snprintf(key, sizeof key, "policies.%s.%s", policy_info(policy)->name, name);
        (void)json_object_set(members, key, value);
    }
    uint64_t version;
    const bool changed = control_change(control, request, response, members, &version);
    json_decref(members);
    if (changed) {
        const struct generation *generation = engine_generation_acquire(control->engine);
        json_t *item = policy_json(control, &generation->settings->policy, policy);
        json_put(item, "version", json_count(version));
        http_answer_json(response, 200, item);
        engine_generation_release(control->engine, generation);
    }
}
