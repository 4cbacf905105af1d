/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_ranked.h"
#include "daemon/control_trust.h"
#include "policy/auto_blacklist.h"

/* Addresses that are blocked for a time: by a rule that met its cause too often, or by hand. */

static void put_standing(json_t *object, const struct blacklist_standing *standing) {
    const bool permanent = standing->blocked && standing->until_s == BLACKLIST_FOR_GOOD;
    json_put(object, "blocked", json_boolean(standing->blocked));
    json_put(object, "permanent", json_boolean(permanent));
    json_put(object, "released", json_boolean(standing->released));
    json_put(object, "trigger",
             standing->known && !standing->released
                 ? json_text_from(blacklist_trigger_name(standing->trigger))
                 : json_null());
    json_put(object, "since", control_seconds(standing->known ? standing->since_s : 0));
    json_put(object, "until", control_seconds(permanent ? 0 : standing->until_s));
    json_put(object, "offences", json_count(standing->offences));
}

/* --- one address --------------------------------------------------------------------------------
 */

struct blacklist_reading {
    struct ip_address address;
    struct blacklist_standing standing;
    uint64_t sequence; /* of the record that blocked or released; 0: none */
    uint32_t counts[BLACKLIST_TRIGGERS];
    uint32_t now_s;
};

static void read_standing(void *context, const struct state *state, uint32_t now_s) {
    struct blacklist_reading *reading = context;
    const struct blacklist_entry *entry =
        state_find(state, STATE_BLACKLIST, blacklist_key(&state->key, reading->address));
    reading->now_s = now_s;
    reading->standing = blacklist_standing(entry, now_s);
    reading->sequence = entry != NULL && reading->standing.known ? entry->sequence : 0;
    for (unsigned t = BLACKLIST_REJECTIONS; t < BLACKLIST_TRIGGERS; t++) {
        const struct hash128 key =
            blacklist_offence_key(&state->key, reading->address, (enum blacklist_trigger)t);
        reading->counts[t] = blacklist_offence_count(state_find(state, STATE_OFFENCE, key), now_s);
    }
}

static json_t *counters_json(const struct auto_blacklist_settings *settings,
                             const struct blacklist_reading *reading) {
    json_t *items = json_array();
    for (unsigned t = BLACKLIST_REJECTIONS; t < BLACKLIST_TRIGGERS; t++) {
        const struct blacklist_rule_settings *rule = &settings->rules[t];
        json_t *item = json_object();
        json_put(item, "trigger", json_text_from(blacklist_trigger_name(t)));
        json_put(item, "enabled", json_boolean(rule->enabled));
        json_put(item, "count", json_count(reading->counts[t]));
        json_put(item, "threshold", json_integer(rule->threshold));
        json_put(item, "window", json_integer(rule->window_s));
        json_put(item, "duration", json_integer(rule->duration_s));
        (void)json_array_append_new(items, item);
    }
    return items;
}

/* Why the address is never blocked, or NULL. */
static const char *exemption_of(struct control *control, const struct generation *generation,
                                struct ip_address address) {
    struct list_match match;
    return control_address_allowed(control, generation, address, &match)
               ? "allowed by `seczim reputation allow`"
               : blacklist_exemption(&generation->settings->policy, address,
                                     (struct ip_address){0});
}

static void answer_address(struct control *control, struct http_response *response, unsigned status,
                           struct ip_address address) {
    struct blacklist_reading reading = {.address = address};
    const struct state_network network = state_network_of(address);
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct policy_settings *settings = &generation->settings->policy;
    engine_read_state(control->engine, read_standing, &reading);
    json_t *answer = json_object();
    json_put(answer, "ip", control_address_text(address));
    json_put(answer, "network", control_network_text(network.bits, network.is_v4));
    put_standing(answer, &reading.standing);
    json_put(answer, "sequence",
             reading.sequence != 0 ? json_sequence(reading.sequence) : json_null());
    json_put(answer, "exempt", json_text_from(exemption_of(control, generation, address)));
    json_put(answer, "by_hand", control_by_hand(control, "blacklist", address));
    json_put(answer, "counters", counters_json(&settings->auto_blacklist, &reading));
    engine_generation_release(control->engine, generation);
    http_answer_json(response, status, answer);
}

void control_get_blacklist_of(void *context, const struct http_request *request,
                              struct http_response *response) {
    struct ip_address address;
    if (control_path_address(request, response, &address)) {
        answer_address(context, response, 200, address);
    }
}

/* --- changes ------------------------------------------------------------------------------------
 */

struct blacklist_change {
    const struct auto_blacklist_settings *settings;
    struct ip_address address;
    uint32_t duration_s; /* 0: for good */
    bool done;
};

static size_t make_block(void *context, const struct state *state, uint32_t now_s,
                         struct effect ret_effects[EFFECTS_MAX]) {
    struct blacklist_change *change = context;
    const uint32_t until_s =
        change->duration_s == 0 ? BLACKLIST_FOR_GOOD : now_s + change->duration_s;
    ret_effects[0] = blacklist_block_effect(state, change->address, until_s, now_s);
    change->done = true;
    return 1;
}

static size_t make_permanent(void *context, const struct state *state, uint32_t now_s,
                             struct effect ret_effects[EFFECTS_MAX]) {
    struct blacklist_change *change = context;
    change->done = blacklist_permanent_effect(state, change->address, now_s, &ret_effects[0]);
    return change->done ? 1 : 0;
}

static size_t make_release(void *context, const struct state *state, uint32_t now_s,
                           struct effect ret_effects[EFFECTS_MAX]) {
    struct blacklist_change *change = context;
    const size_t count =
        blacklist_release_effects(state, change->settings, change->address, now_s, ret_effects);
    change->done = count > 0;
    return count;
}

/* False: answered with 400. */
static bool run_change(struct control *control, const struct http_request *request,
                       struct http_response *response, const char *what, struct str comment,
                       engine_make_effects *make, struct blacklist_change *change) {
    char bytes[EFFECTS_WHY_MAX];
    struct text why = TEXT_OVER(bytes);
    char what_bytes[32];
    struct text done = TEXT_OVER(what_bytes);
    text_add(&done, STR("blacklist "));
    text_add(&done, str_from(what));
    control_trust_why(&why, text_zero(&done), change->address);
    if (!control_why(request, response, comment, &why)) {
        return false;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    change->settings = &generation->settings->policy.auto_blacklist;
    (void)engine_command_made(control->engine, make, change, text_str(&why));
    control_log_command("Blacklist", change->done, &why);
    if (change->done) {
        control_note_by_hand(control, request, "blacklist", what, change->address, comment);
    }
    engine_generation_release(control->engine, generation);
    return true;
}

/* False: answered; the address is one of those that are never blocked. */
static bool may_be_blocked(struct control *control, struct http_response *response,
                           struct ip_address address) {
    const struct generation *generation = engine_generation_acquire(control->engine);
    const char *exemption = exemption_of(control, generation, address);
    engine_generation_release(control->engine, generation);
    if (exemption != NULL) {
        http_answer_problemf(response, 409, "ip",
                             "That address is %s, which is never blocked here; to refuse it, add "
                             "it to the block list.",
                             exemption);
    }
    return exemption == NULL;
}

/* `duration` in seconds, or `permanent` true. */
static bool read_length(const struct http_request *request, struct http_response *response,
                        uint32_t *ret_duration_s) {
    const json_t *duration = json_object_get(request->json, "duration");
    const bool permanent = json_is_true(json_object_get(request->json, "permanent"));
    const json_int_t seconds = json_integer_value(duration);
    if (permanent == (duration != NULL) ||
        (!permanent && (seconds < 1 || seconds > BLACKLIST_DURATION_MAX_S))) {
        http_answer_problemf(response, 400, "duration",
                             "Say for how long: duration in seconds, 1 to %d, or else "
                             "\"permanent\": true.",
                             BLACKLIST_DURATION_MAX_S);
        return false;
    }
    *ret_duration_s = permanent ? 0 : (uint32_t)seconds;
    return true;
}

void control_post_blacklist(void *context, const struct http_request *request,
                            struct http_response *response) {
    struct blacklist_change change = {0};
    struct str ip;
    struct str comment;
    if (control_members(request, response, "ip duration permanent comment") &&
        control_needed_text(request, response, "ip", &ip) &&
        control_address(response, "ip", ip, &change.address) &&
        read_length(request, response, &change.duration_s) &&
        control_text(request, response, "comment", &comment) &&
        may_be_blocked(context, response, change.address) &&
        run_change(context, request, response, "add", comment, make_block, &change)) {
        answer_address(context, response, 201, change.address);
    }
}

void control_delete_blacklist(void *context, const struct http_request *request,
                              struct http_response *response) {
    struct blacklist_change change = {0};
    if (!control_path_address(request, response, &change.address) ||
        !run_change(context, request, response, "release",
                    http_request_parameter(request, "comment"), make_release, &change)) {
        return;
    }
    if (change.done) {
        http_answer_nothing(response);
    } else {
        http_answer_problem(response, 404, NULL,
                            STR("That address is not blocked and has no counters to clear."));
    }
}

void control_put_permanent(void *context, const struct http_request *request,
                           struct http_response *response) {
    struct blacklist_change change = {0};
    if (!control_path_address(request, response, &change.address) ||
        !run_change(context, request, response, "permanent",
                    http_request_parameter(request, "comment"), make_permanent, &change)) {
        return;
    }
    if (change.done) {
        answer_address(context, response, 200, change.address);
    } else {
        http_answer_problem(response, 404, NULL,
                            STR("That address is not blocked now; POST /v1/blacklist with "
                                "\"permanent\": true blocks it."));
    }
}

/* --- GET /v1/blacklist --------------------------------------------------------------------------
 */

struct blacklist_filter {
    uint32_t now_s;
    bool all;    /* also those whose block is over */
    int trigger; /* -1: any */
};

static bool rank_newest(const void *context, const void *bytes, struct rank *ret_rank) {
    const struct blacklist_filter *filter = context;
    const struct blacklist_entry *entry = bytes;
    const struct blacklist_standing standing = blacklist_standing(entry, filter->now_s);
    *ret_rank = (struct rank){UINT32_MAX - standing.since_s, entry->network, entry->is_v4 != 0};
    return standing.known && (filter->all || standing.blocked) &&
           (filter->trigger < 0 || (int)standing.trigger == filter->trigger);
}

static json_t *block_json(const struct blacklist_filter *filter, const void *bytes) {
    struct blacklist_entry entry;
    memcpy(&entry, bytes, sizeof entry);
    const struct blacklist_standing standing = blacklist_standing(&entry, filter->now_s);
    json_t *item = json_object();
    json_put(item, "network", control_network_text(entry.network, entry.is_v4 != 0));
    put_standing(item, &standing);
    return item;
}

static bool read_filter(const struct http_request *request, struct http_response *response,
                        struct blacklist_filter *filter) {
    const struct str state = http_request_parameter(request, "state");
    const struct str trigger = http_request_parameter(request, "trigger");
    enum blacklist_trigger number;
    filter->all = str_equal(state, STR("all"));
    filter->trigger = -1;
    if (state.data != NULL && !filter->all && !str_equal(state, STR("blocked"))) {
        http_answer_problem(response, 400, "state", STR("state must be blocked or all."));
        return false;
    }
    if (trigger.data != NULL && !blacklist_trigger_find(trigger, &number)) {
        http_answer_problem(response, 400, "trigger",
                            STR("trigger must be by_hand, rejections, rbl_hits, spf_failures, "
                                "geo_blocked, failed_logins or spam_score."));
        return false;
    }
    if (trigger.data != NULL) {
        filter->trigger = (int)number;
    }
    return true;
}

void control_get_blacklist(void *context, const struct http_request *request,
                           struct http_response *response) {
    struct control *control = context;
    struct blacklist_filter filter;
    struct ranked_page page = {.table = STATE_BLACKLIST, .rank = rank_newest, .context = &filter};
    if (!read_filter(request, response, &filter) ||
        !control_ranked_read(request, response, &page)) {
        return;
    }
    filter.now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S);
    json_t *answer = NULL;
    if (control_ranked_fill(control, &page)) {
        json_t *items = json_array();
        for (size_t i = 0; i < page.count; i++) {
            (void)json_array_append_new(items, block_json(&filter, page.entries[i].entry));
        }
        answer = json_pack("{s:o, s:o}", "items", items, "next", control_ranked_next(&page));
    }
    free(page.entries);
    http_answer_json(response, 200, answer);
}
