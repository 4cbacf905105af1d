/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_rules.h"
#include "daemon/control_table.h"
#include "mail/mail_address.h"
#include "policy/quotas.h"

/* What of each limit is used, by whom, and an administrator's reset. The limits themselves are
 * rules: control_rules.c. */

/* --- one row of usage ---------------------------------------------------------------------------
 */

/* Nothing is ever part of a limit of 0: any use would be all of it. */
static uint64_t percent_of(uint64_t used, uint64_t limit) {
    if (limit == 0) {
        return 100;
    }
    return used / limit * 100 + used % limit * 100 / limit;
}

static json_t *usage_json(struct control *control, const struct quota_usage_row *row) {
    const uint64_t used = row->used + row->reserved;
    json_t *item = json_object();
    json_t *rule = control_rule_json(control, RULE_QUOTA, row->rule_id);
    json_put(item, "scope", json_text_from(quota_scope_name(row->scope)));
    json_put(item, "unit", json_text_from(quota_unit_name(row->unit)));
    json_put(item, "window", json_text_from(quota_window_name(row->window)));
    json_put(item, "limit", json_count(row->limit));
    json_put(item, "used", json_count(row->used));
    json_put(item, "reserved", json_count(row->reserved));
    json_put(item, "left", json_count(used < row->limit ? row->limit - used : 0));
    json_put(item, "percent", json_count(percent_of(used, row->limit)));
    json_put(item, "resets", control_seconds(row->resets_s));
    json_put(item, "rule", json_count(row->rule_id));
    json_put(item, "subject",
             rule != NULL ? json_incref(json_object_get(rule, "subject")) : json_null());
    json_put(item, "default", json_boolean(row->is_default));
    json_decref(rule);
    return item;
}

/* --- GET /v1/quotas/usage -----------------------------------------------------------------------
 */

struct usage_reading {
    const struct generation *generation;
    struct quota_subject subject;
    struct quota_usage usage;
};

static void read_usage(void *context, const struct state *state, uint32_t now_s) {
    struct usage_reading *reading = context;
    quota_usage_read(state, reading->generation->rules, &reading->generation->settings->policy.zone,
                     &reading->subject, now_s, &reading->usage);
}

void control_get_quota_usage(void *context, const struct http_request *request,
                             struct http_response *response) {
    struct control *control = context;
    char bytes[MAIL_ADDRESS_MAX];
    struct text room = TEXT_OVER(bytes);
    struct usage_reading reading = {0};
    const struct str sender = http_request_parameter(request, "sender");
    const struct str client = http_request_parameter(request, "client");
    struct ip_address address = {0};
    if (sender.length == 0 && client.length == 0) {
        http_answer_problem(response, 400, "sender",
                            STR("Name whose usage is meant: sender (a SASL user or an address), "
                                "client (an IP address), or both."));
        return;
    }
    if (client.length > 0 && !control_address(response, "client", client, &address)) {
        return;
    }
    reading.generation = engine_generation_acquire(control->engine);
    reading.subject = quota_subject_of(sender, address, &room);
    engine_read_state(control->engine, read_usage, &reading);
    json_t *items = json_array();
    for (size_t i = 0; i < reading.usage.count; i++) {
        (void)json_array_append_new(items, usage_json(control, &reading.usage.rows[i]));
    }
    engine_generation_release(control->engine, reading.generation);
    http_answer_json(response, 200,
                     json_pack("{s:o, s:o, s:o}", "user", json_text(reading.subject.user), "domain",
                               json_text(reading.subject.domain), "items", items));
}

/* --- POST /v1/quotas/reset ----------------------------------------------------------------------
 */

struct reset {
    enum quota_scope scope;
    struct quota_subject subject;
    size_t count;
};

static size_t make_reset(void *context, const struct state *state, uint32_t now_s,
                         struct effect ret_effects[EFFECTS_MAX]) {
    struct reset *reset = context;
    if (quota_subject_has(&reset->subject, reset->scope)) {
        reset->count =
            quota_forget_effects(state, reset->scope, &reset->subject, now_s, ret_effects);
    }
    return reset->count;
}

/* Exactly one of sender, domain, ip and global. */
static bool read_reset(const struct http_request *request, struct http_response *response,
                       struct text *room, struct reset *reset, struct str *ret_name) {
    struct str sender;
    struct str domain;
    struct str ip;
    struct ip_address address = {0};
    const json_t *global = json_object_get(request->json, "global");
    if (!control_members(request, response, "sender domain ip global comment") ||
        !control_text(request, response, "sender", &sender) ||
        !control_text(request, response, "domain", &domain) ||
        !control_text(request, response, "ip", &ip)) {
        return false;
    }
    if ((sender.data != NULL) + (domain.data != NULL) + (ip.data != NULL) +
            (json_is_true(global) ? 1 : 0) !=
        1) {
        http_answer_problem(response, 400, NULL,
                            STR("Name one of sender, domain, ip, or \"global\": true."));
        return false;
    }
    if (ip.data != NULL && !control_address(response, "ip", ip, &address)) {
        return false;
    }
    if (domain.data != NULL) {
        mail_domain_normalise(domain, room);
        reset->subject.domain = text_str(room);
    } else {
        reset->subject = quota_subject_of(sender, address, room);
    }
    reset->scope = sender.data != NULL   ? QUOTA_USER
                   : domain.data != NULL ? QUOTA_DOMAIN
                   : ip.data != NULL     ? QUOTA_IP
                                         : QUOTA_GLOBAL;
    *ret_name = sender.data != NULL ? sender : domain.data != NULL ? domain : ip;
    return true;
}

void control_post_quota_reset(void *context, const struct http_request *request,
                              struct http_response *response) {
    struct control *control = context;
    char bytes[MAIL_ADDRESS_MAX];
    char why_bytes[EFFECTS_WHY_MAX];
    struct text room = TEXT_OVER(bytes);
    struct text why = TEXT_OVER(why_bytes);
    struct reset reset = {0};
    struct str name = {0};
    struct str comment;
    if (!read_reset(request, response, &room, &reset, &name)) {
        return;
    }
    text_add(&why, STR("quota reset "));
    text_add(&why, str_from(quota_scope_name(reset.scope)));
    text_add(&why, name.length > 0 ? STR(" ") : STR(""));
    text_add(&why, name);
    if (!control_text(request, response, "comment", &comment) ||
        !control_why(request, response, comment, &why)) {
        return;
    }
    (void)engine_command_made(control->engine, make_reset, &reset, text_str(&why));
    control_log_command("Quotas", reset.count > 0, &why);
    http_answer_json(response, 200, json_pack("{s:b}", "reset", reset.count > 0));
}

/* --- GET /v1/quotas/users -----------------------------------------------------------------------
 */

enum { NEAR_DEFAULT = 80, NEAR_LOOKED_AT_MAX = 2000 };

/* The table has keys, not names: history tells the decision that touched an entry last, and whose
 * mail that was. A page ends after so many entries looked at too, because each is a search. */
struct near_walk {
    struct control *control;
    const struct generation *generation;
    struct history_reader *reader;
    uint64_t near;
    size_t limit;
    size_t looked_at;
    json_t *items;
};

static bool take_identity(void *context, const struct history_row *row) {
    struct text *name = context;
    text_add(name, row->identity);
    return false;
}

static bool is_entry_of(const struct control *control, const struct quota_subject *subject,
                        struct hash128 key, enum quota_unit *ret_unit) {
    const struct sip_key sip_key = engine_state_key(control->engine);
    for (unsigned unit = 0; unit < QUOTA_UNITS; unit++) {
        const struct hash128 wanted =
            quota_key(&sip_key, QUOTA_USER, (enum quota_unit)unit, subject);
        if (wanted.high == key.high && wanted.low == key.low) {
            *ret_unit = (enum quota_unit)unit;
            return true;
        }
    }
    return false;
}

static void add_near(struct near_walk *walk, const struct quota_subject *subject,
                     enum quota_unit unit) {
    struct usage_reading reading = {.generation = walk->generation, .subject = *subject};
    engine_read_state(walk->control->engine, read_usage, &reading);
    for (size_t i = 0; i < reading.usage.count; i++) {
        const struct quota_usage_row *row = &reading.usage.rows[i];
        if (row->scope == QUOTA_USER && row->unit == unit &&
            percent_of(row->used + row->reserved, row->limit) >= walk->near &&
            row->used + row->reserved > 0) {
            json_t *item = usage_json(walk->control, row);
            json_put(item, "user", json_text(subject->user));
            (void)json_array_append_new(walk->items, item);
        }
    }
}

static bool near_one(void *context, const void *entry_bytes) {
    struct near_walk *walk = context;
    const struct quota_entry *entry = entry_bytes;
    char name_bytes[MAIL_ADDRESS_MAX];
    char room_bytes[MAIL_ADDRESS_MAX];
    struct text name = TEXT_OVER(name_bytes);
    struct text room = TEXT_OVER(room_bytes);
    enum quota_unit unit;
    walk->looked_at++;
    if (entry->sequence == 0 ||
        history_reader_get(walk->reader, entry->sequence, take_identity, &name) != 0 ||
        name.length == 0) {
        return walk->looked_at < NEAR_LOOKED_AT_MAX;
    }
    const struct quota_subject subject =
        quota_subject_of(text_str(&name), (struct ip_address){0}, &room);
    if (is_entry_of(walk->control, &subject, entry->head.key, &unit)) {
        add_near(walk, &subject, unit);
    }
    return json_array_size(walk->items) < walk->limit && walk->looked_at < NEAR_LOOKED_AT_MAX;
}

void control_get_quota_users(void *context, const struct http_request *request,
                             struct http_response *response) {
    struct control *control = context;
    struct near_walk walk = {.control = control, .near = NEAR_DEFAULT};
    struct table_walk table = {.table = STATE_QUOTA, .visit = near_one, .context = &walk};
    if (!http_input_number(request, response, "near", 100, &walk.near) ||
        !http_input_limit(request, response, &walk.limit) ||
        !control_table_cursor(request, response, &table)) {
        return;
    }
    walk.reader = control_reader_take(control, response);
    if (walk.reader == NULL) {
        return;
    }
    walk.generation = engine_generation_acquire(control->engine);
    walk.items = json_array();
    const bool walked = control_table_walk(control, &table);
    engine_generation_release(control->engine, walk.generation);
    control_reader_give(control, walk.reader);
    if (!walked) {
        json_decref(walk.items);
        http_answer_json(response, 200, NULL);
        return;
    }
    http_answer_json(
        response, 200,
        json_pack("{s:o, s:o}", "items", walk.items, "next", control_table_next(&table)));
}
