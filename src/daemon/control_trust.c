/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/control_ranked.h"
#include "daemon/control_trust.h"
#include "policy/ip_reputation.h"

/* The reputation of client addresses. */

json_t *control_network_text(uint64_t bits, bool is_v4) {
    return control_prefix_text(
        (struct ip_prefix){state_network_address(bits, is_v4), is_v4 ? 128 : 64});
}

bool control_path_address(const struct http_request *request, struct http_response *response,
                          struct ip_address *ret_address) {
    return control_address(response, "ip", request->parts[0], ret_address);
}

void control_trust_why(struct text *why, const char *what, struct ip_address address) {
    char bytes[IP_ADDRESS_TEXT_MAX];
    struct text shown = TEXT_OVER(bytes);
    ip_address_format(address, &shown);
    text_add(why, str_from(what));
    text_add_byte(why, ' ');
    text_add(why, text_str(&shown));
}

/* --- who did what by hand ------------------------------------------------------------------------
 */

enum { BY_HAND_SHOWN = 10, SUBJECT_MAX = 80 };

/* "blacklist 192.0.2.1", "blacklist 2001:db8::/64" */
static struct str by_hand_subject(const char *table, struct ip_address address, struct text *out) {
    const struct state_network network = state_network_of(address);
    text_add(out, str_from(table));
    text_add_byte(out, ' ');
    ip_prefix_format((struct ip_prefix){state_network_address(network.bits, network.is_v4),
                                        network.is_v4 ? 128 : 64},
                     out);
    return text_str(out);
}

void control_note_by_hand(struct control *control, const struct http_request *request,
                          const char *table, const char *what, struct ip_address address,
                          struct str comment) {
    char room[SUBJECT_MAX];
    struct text subject = TEXT_OVER(room);
    const struct config_command command = {.wall_ns = clock_wall_ns(),
                                           .author = str_from(request->author),
                                           .subject = by_hand_subject(table, address, &subject),
                                           .what = str_from(what),
                                           .comment = comment};
    struct config_db *db = engine_config_lock(control->engine);
    const int error = config_db_note_command(db, &command);
    engine_config_unlock(control->engine);
    if (error != 0) {
        log_write(LOG_ERROR, "Control", "Who did \"%s\" cannot be kept in config.db: %s", what,
                  strerror(-error));
    }
}

static void add_by_hand(void *context, const struct config_command *command) {
    json_t *item = json_object();
    json_put(item, "time", json_time(command->wall_ns));
    json_put(item, "author", json_text(command->author));
    json_put(item, "what", json_text(command->what));
    json_put(item, "comment", json_text(command->comment));
    (void)json_array_append_new(context, item);
}

json_t *control_by_hand(struct control *control, const char *table, struct ip_address address) {
    char room[SUBJECT_MAX];
    struct text subject = TEXT_OVER(room);
    json_t *items = json_array();
    struct config_db *db = engine_config_lock(control->engine);
    const int error = config_db_commands(db, by_hand_subject(table, address, &subject),
                                         BY_HAND_SHOWN, add_by_hand, items);
    engine_config_unlock(control->engine);
    if (error != 0) {
        log_write(LOG_ERROR, "Control", "config.db cannot be read: %s", strerror(-error));
    }
    return items;
}

bool control_address_allowed(struct control *control, const struct generation *generation,
                             struct ip_address address, struct list_match *ret_match) {
    const struct list_query query = {
        .client_address = address,
        .direction = DIRECTION_INBOUND,
        .now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S),
    };
    return list_find(&generation->lists, LIST_REPUTATION_ALLOW, &query, ret_match);
}

/* --- one address --------------------------------------------------------------------------------
 */

static void put_standing(json_t *object, const struct ip_reputation_settings *settings,
                         const struct reputation_standing *standing) {
    const bool low = settings->block_threshold > 0 && standing->score <= settings->block_threshold;
    const bool high = settings->skip_greylist_threshold > 0 &&
                      standing->score >= settings->skip_greylist_threshold;
    json_put(object, "known", json_boolean(standing->known));
    json_put(object, "score", json_count(standing->score));
    json_put(object, "refused", json_boolean(low));
    json_put(object, "skips_greylisting", json_boolean(high));
    json_put(object, "accepted", json_count(standing->accepted));
    json_put(object, "rejected", json_count(standing->rejected));
    json_put(object, "deferred", json_count(standing->deferred));
    json_put(object, "last_seen", control_seconds(standing->last_seen_s));
}

/* An allowed address is neither refused nor greylisted, whatever its score. */
static void put_allowed(struct control *control, const struct generation *generation,
                        struct ip_address address, json_t *answer) {
    struct list_match match;
    if (!control_address_allowed(control, generation, address, &match)) {
        json_put(answer, "allowed", json_null());
        return;
    }
    json_put(answer, "allowed",
             json_pack("{s:o, s:o}", "id", json_count(match.entry_id), "pattern",
                       json_text((struct str){match.text, match.text_length})));
    json_put(answer, "refused", json_false());
    json_put(answer, "skips_greylisting", json_true());
}

static void answer_reputation(struct control *control, struct http_response *response,
                              struct ip_address address) {
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct ip_reputation_settings *settings = &generation->settings->policy.ip_reputation;
    const struct sip_key sip_key = engine_state_key(control->engine);
    const struct state_network network = state_network_of(address);
    struct reputation_entry entry;
    int64_t now_ns;
    const bool found = engine_find_entry(control->engine, STATE_REPUTATION,
                                         reputation_key(&sip_key, address), &entry, &now_ns);
    const struct reputation_standing standing =
        reputation_standing(settings, found ? &entry : NULL, (uint32_t)(now_ns / NS_PER_S));
    json_t *answer = json_object();
    json_put(answer, "ip", control_address_text(address));
    json_put(answer, "network", control_network_text(network.bits, network.is_v4));
    put_standing(answer, settings, &standing);
    put_allowed(control, generation, address, answer);
    json_put(answer, "by_hand", control_by_hand(control, "reputation", address));
    engine_generation_release(control->engine, generation);
    http_answer_json(response, 200, answer);
}

void control_get_reputation_of(void *context, const struct http_request *request,
                               struct http_response *response) {
    struct ip_address address;
    if (control_path_address(request, response, &address)) {
        answer_reputation(context, response, address);
    }
}

struct reputation_reset {
    const struct ip_reputation_settings *settings;
    struct ip_address address;
};

static size_t make_reset(void *context, const struct state *state, uint32_t now_s,
                         struct effect ret_effects[EFFECTS_MAX]) {
    const struct reputation_reset *reset = context;
    const struct reputation_entry *entry =
        state_find(state, STATE_REPUTATION, reputation_key(&state->key, reset->address));
    if (!reputation_standing(reset->settings, entry, now_s).known) {
        return 0;
    }
    ret_effects[0] =
        reputation_reset_effect(reset->settings, &state->key, reset->address, entry, now_s);
    return 1;
}

void control_post_reputation_reset(void *context, const struct http_request *request,
                                   struct http_response *response) {
    struct control *control = context;
    char bytes[EFFECTS_WHY_MAX];
    struct text why = TEXT_OVER(bytes);
    struct reputation_reset reset;
    if (!control_path_address(request, response, &reset.address)) {
        return;
    }
    control_trust_why(&why, "reputation reset", reset.address);
    if (!control_why(request, response, http_request_parameter(request, "comment"), &why)) {
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    reset.settings = &generation->settings->policy.ip_reputation;
    const uint64_t sequence =
        engine_command_made(control->engine, make_reset, &reset, text_str(&why));
    control_log_command("Reputation", sequence != 0, &why);
    if (sequence != 0) {
        control_note_by_hand(control, request, "reputation", "reset", reset.address,
                             http_request_parameter(request, "comment"));
    }
    engine_generation_release(control->engine, generation);
    answer_reputation(control, response, reset.address);
}

/* --- GET /v1/reputation -------------------------------------------------------------------------
 */

struct reputation_filter {
    const struct ip_reputation_settings *settings;
    uint32_t now_s;
    uint64_t min;
    uint64_t max;
};

static bool rank_score(const void *context, const void *bytes, struct rank *ret_rank) {
    const struct reputation_filter *filter = context;
    const struct reputation_entry *entry = bytes;
    const struct reputation_standing standing =
        reputation_standing(filter->settings, entry, filter->now_s);
    *ret_rank = (struct rank){standing.score, entry->network, entry->is_v4 != 0};
    return standing.known && standing.score >= filter->min && standing.score <= filter->max;
}

static json_t *score_json(const struct reputation_filter *filter, const void *bytes) {
    struct reputation_entry entry;
    memcpy(&entry, bytes, sizeof entry);
    const struct reputation_standing standing =
        reputation_standing(filter->settings, &entry, filter->now_s);
    json_t *item = json_object();
    json_put(item, "network", control_network_text(entry.network, entry.is_v4 != 0));
    put_standing(item, filter->settings, &standing);
    return item;
}

void control_get_reputation(void *context, const struct http_request *request,
                            struct http_response *response) {
    struct control *control = context;
    struct reputation_filter filter = {.max = 100};
    struct ranked_page page = {.table = STATE_REPUTATION, .rank = rank_score, .context = &filter};
    if (!http_input_number(request, response, "min", 100, &filter.min) ||
        !http_input_number(request, response, "max", 100, &filter.max) ||
        !control_ranked_read(request, response, &page)) {
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    filter.settings = &generation->settings->policy.ip_reputation;
    filter.now_s = (uint32_t)(engine_now_ns(control->engine) / NS_PER_S);
    json_t *answer = NULL;
    if (control_ranked_fill(control, &page)) {
        json_t *items = json_array();
        for (size_t i = 0; i < page.count; i++) {
            (void)json_array_append_new(items, score_json(&filter, page.entries[i].entry));
        }
        answer = json_pack("{s:o, s:o}", "items", items, "next", control_ranked_next(&page));
    }
    free(page.entries);
    engine_generation_release(control->engine, generation);
    http_answer_json(response, 200, answer);
}
