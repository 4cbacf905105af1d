/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/country.h"
#include "daemon/control_api.h"
#include "daemon/geo_keeper.h"
#include "mail/dnsbl.h"
#include "policy/geo.h"

/* Country and ASN databases: what is in use, and what they say of an address. */

static json_t *file_json(const struct geo_keeper_file *file) {
    json_t *item = json_object();
    json_put(item, "path", json_text_from(file->path));
    json_put(item, "open", json_boolean(file->open));
    json_put(item, "problem",
             file->problem[0] != '\0' ? json_text_from(file->problem) : json_null());
    if (file->open) {
        json_put(item, "type", json_text_from(file->info.type));
        json_put(item, "built", json_time(file->info.built_s * NS_PER_S));
        json_put(item, "opened", json_time(file->opened_wall_ns));
        json_put(item, "nodes", json_count(file->info.nodes));
        json_put(item, "bytes", json_count(file->info.file_bytes));
        json_put(item, "has_country", json_boolean(file->info.has_country));
        json_put(item, "has_asn", json_boolean(file->info.has_asn));
        json_put(item, "has_ipv6", json_boolean(file->info.has_ipv6));
    }
    return item;
}

static json_t *list_json(const struct str *items, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, json_text(items[i]));
    }
    return list;
}

static json_t *rules_json(const struct geo_rule_settings *rules) {
    json_t *item = json_object();
    json_put(item, "mode", json_string(rules->mode == GEO_MODE_ALLOW ? "allow" : "block"));
    json_put(item, "countries", list_json(rules->countries, rules->country_count));
    json_put(item, "block_asns", list_json(rules->block_asns, rules->block_asn_count));
    return item;
}

static void put_settings(json_t *answer, const struct settings *settings) {
    json_t *update = json_object();
    json_put(answer, "enabled", json_boolean(settings->policy.policies[POLICY_GEO].enabled));
    json_put(answer, "inbound", rules_json(&settings->policy.geo.inbound));
    json_put(answer, "outbound", rules_json(&settings->policy.geo.outbound));
    json_put(update, "url", json_text(settings->geo.update.url));
    json_put(update, "account", json_text(settings->geo.update.account));
    json_put(update, "key_file", json_text(settings->geo.update.key_file));
    json_put(answer, "update", update);
}

static bool has_rules(const struct settings *settings) {
    return geo_wants_fact(&settings->policy, DIRECTION_INBOUND) ||
           geo_wants_fact(&settings->policy, DIRECTION_OUTBOUND);
}

void control_get_geo(void *context, const struct http_request *request,
                     struct http_response *response) {
    struct control *control = context;
    struct geo_keeper_status status;
    json_t *answer = json_object();
    json_t *warnings = json_array();
    (void)request;
    geo_keeper_status(server_geo_keeper(control->server), &status);
    json_put(answer, "country", file_json(&status.country));
    json_put(answer, "asn", file_json(&status.asn));
    json_put(answer, "swaps", json_count(status.swaps));
    json_put(answer, "refused_files", json_count(status.refused));
    json_put(answer, "lookups", json_count(status.lookups));
    json_put(answer, "damaged_records", json_count(status.damaged));
    const struct generation *generation = engine_generation_acquire(control->engine);
    put_settings(answer, generation->settings);
    if (has_rules(generation->settings) && !status.country.open && !status.asn.open) {
        (void)json_array_append_new(
            warnings, json_string("Rules are given and there is no database: the policy geo "
                                  "abstains. Fetch one with: seczim geo update"));
    }
    engine_generation_release(control->engine, generation);
    json_put(answer, "warnings", warnings);
    http_answer_json(response, 200, answer);
}

/* What the rules of each direction say of a place, without exceptions. */
static const char *verdict_of(const struct geo_rule_settings *rules,
                              const struct geo_place *place) {
    char room[16];
    struct text system = TEXT_OVER(room);
    text_add(&system, STR("AS"));
    text_add_u64(&system, place->asn);
    for (size_t i = 0; place->asn != 0 && i < rules->block_asn_count; i++) {
        if (str_equal(rules->block_asns[i], text_str(&system))) {
            return "blocked";
        }
    }
    if (rules->country_count == 0 || place->country[0] == '\0') {
        return "no objection";
    }
    bool listed = false;
    for (size_t i = 0; i < rules->country_count; i++) {
        listed = listed || str_equal(rules->countries[i], (struct str){place->country, 2});
    }
    return listed == (rules->mode == GEO_MODE_BLOCK) ? "blocked" : "no objection";
}

static void put_place(json_t *answer, const struct geo_place *place) {
    const bool known = place->country[0] != '\0';
    const char *name = known ? country_name(place->country) : NULL;
    json_put(answer, "country", known ? json_text((struct str){place->country, 2}) : json_null());
    json_put(answer, "country_name", name != NULL ? json_text_from(name) : json_null());
    json_put(answer, "continent",
             place->continent[0] != '\0' ? json_text((struct str){place->continent, 2})
                                         : json_null());
    json_put(answer, "asn", place->asn != 0 ? json_count(place->asn) : json_null());
    json_put(answer, "as_name",
             place->as_name_length > 0
                 ? json_text((struct str){place->as_name, place->as_name_length})
                 : json_null());
}

void control_get_geo_of(void *context, const struct http_request *request,
                        struct http_response *response) {
    struct control *control = context;
    struct ip_address address;
    struct geo_place place;
    if (!control_address(response, "ip", request->parts[0], &address)) {
        return;
    }
    json_t *answer = json_object();
    json_put(answer, "ip", control_address_text(address));
    json_put(answer, "database",
             json_boolean(geo_keeper_ask(server_geo_keeper(control->server), address, &place)));
    json_put(answer, "public", json_boolean(dnsbl_is_public(address)));
    put_place(answer, &place);
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct geo_settings *geo = &generation->settings->policy.geo;
    json_put(answer, "inbound", json_string(verdict_of(&geo->inbound, &place)));
    json_put(answer, "outbound", json_string(verdict_of(&geo->outbound, &place)));
    engine_generation_release(control->engine, generation);
    http_answer_json(response, 200, answer);
}
