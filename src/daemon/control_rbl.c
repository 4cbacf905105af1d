/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_rbl.h"

#include "daemon/rbl_guard.h"

/* GET /v1/rbl: every block list, known and own, on or off, and how it does. Keys are never told. */

static const char *preset_name(enum dnsbl_preset preset) {
    switch (preset) {
    case DNSBL_RECOMMENDED:
        return "recommended";
    case DNSBL_ADDITIONAL:
        return "additional";
    case DNSBL_MAXIMUM:
        return "maximum";
    case DNSBL_NO_PRESET:
        break;
    }
    return "";
}

static json_t *codes_json(const struct dnsbl_codes *codes) {
    char bytes[DNSBL_CODES_MAX * 32];
    struct text text = TEXT_OVER(bytes);
    dnsbl_codes_format(codes, &text);
    return json_text(text_str(&text));
}

json_t *control_rbl_list(const struct settings *settings, const struct rbl_list_settings *list) {
    const struct dnsbl_info *info = dnsbl_of_number(list->number);
    json_t *item = json_object();
    json_put(item, "number", json_count(list->number));
    json_put(item, "word", json_text_from(info != NULL ? info->word : NULL));
    json_put(item, "name", json_text(list->name));
    json_put(item, "zone", json_text(list->zone));
    json_put(item, "enabled",
             json_boolean(info == NULL || settings->rbl.known[info->number - 1].enabled));
    return item;
}

static void put_settings(json_t *item, const struct rbl_list_settings *list) {
    const struct dnsbl_info *info = dnsbl_of_number(list->number);
    json_put(item, "description", json_text_from(info != NULL ? info->description : ""));
    json_put(item, "weight", json_integer(list->weight));
    json_put(item, "codes", codes_json(&list->codes));
    json_put(item, "key", json_string(list->key.length > 0 ? SETTING_HIDDEN : ""));
    json_put(item, "ipv6", json_boolean(list->has_ipv6));
    json_put(item, "covered_by", json_text_from(info != NULL ? info->covered_by : NULL));
    json_put(item, "retired", json_boolean(info != NULL && info->retired));
    json_put(item, "harsh", json_boolean(info != NULL && info->harsh));
    json_put(item, "preset",
             json_text_from(preset_name(info != NULL ? info->preset : DNSBL_NO_PRESET)));
}

/* Boot time as a time of day. */
static json_t *moment(int64_t boot_ns) {
    return boot_ns == 0 ? json_null() : json_time(clock_wall_ns() - (clock_boot_ns() - boot_ns));
}

static void put_health(json_t *item, const struct rbl_health *health) {
    char bytes[512];
    struct text why = TEXT_OVER(bytes);
    rbl_health_explain(health, &why);
    json_put(item, "state", json_text_from(rbl_health_state_name(health->state)));
    json_put(item, "since", moment(health->since_boot_ns));
    json_put(item, "why", json_text_from(rbl_health_why_name(health->why)));
    json_put(item, "sentence",
             health->why == RBL_WHY_NONE ? json_string("") : json_text(text_str(&why)));
    json_put(item, "probed", moment(health->probed_boot_ns));
    json_put(item, "next_probe", moment(health->next_probe_ns));
    json_put(item, "times_out", json_count(health->times_out));
    json_put(item, "asked", json_count(health->asked));
    json_put(item, "listed", json_count(health->listed));
    json_put(item, "not_listed", json_count(health->not_listed));
    json_put(item, "failed", json_count(health->failed));
    json_put(item, "timed_out", json_count(health->timed_out));
    json_put(item, "latency_us", json_integer(health->latency_us));
    json_put(item, "latency_mean_us", json_integer(health->latency_mean_us));
}

static void add_item(json_t *items, const struct settings *settings, uint8_t number,
                     const struct rbl_guard_list *guarded, size_t guarded_count) {
    struct rbl_list_settings list;
    if (!settings_rbl_list(settings, number, &list)) {
        return;
    }
    json_t *item = control_rbl_list(settings, &list);
    put_settings(item, &list);
    json_put(item, "state", json_string("off"));
    for (size_t i = 0; i < guarded_count; i++) {
        if (guarded[i].number == number) {
            put_health(item, &guarded[i].health);
        }
    }
    (void)json_array_append_new(items, item);
}

uint8_t control_rbl_number(size_t i) {
    return (uint8_t)(i < DNSBL_KNOWN ? i + 1 : DNSBL_OWN_FIRST + i - DNSBL_KNOWN);
}

void control_get_rbl(void *context, const struct http_request *request,
                     struct http_response *response) {
    (void)request;
    struct control *control = context;
    struct rbl_guard *guard = server_rbl_guard(control->server);
    struct rbl_guard_list guarded[DNSBL_LISTS_MAX];
    char bytes[64];
    struct text resolver = TEXT_OVER(bytes);
    const size_t guarded_count = rbl_guard_lists(guard, guarded);
    const bool is_public = rbl_guard_public_resolver(guard, &resolver);
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct settings *settings = generation->settings;
    json_t *items = json_array();
    for (size_t i = 0; i < DNSBL_LISTS_MAX; i++) {
        add_item(items, settings, control_rbl_number(i), guarded, guarded_count);
    }
    json_t *answer = json_object();
    json_put(answer, "enabled", json_boolean(settings->policy.policies[POLICY_RBL].enabled));
    json_put(answer, "threshold", json_integer(settings->policy.rbl.threshold));
    json_put(answer, "public_resolver", is_public ? json_text(text_str(&resolver)) : json_null());
    json_put(answer, "warnings", control_warnings(settings));
    json_put(answer, "items", items);
    engine_generation_release(control->engine, generation);
    http_answer_json(response, 200, answer);
}
