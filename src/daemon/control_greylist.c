/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_greylist.h"

enum { KEY_DIGITS = 32 };

/* --- keys --- */

json_t *control_greylist_key(struct hash128 key) {
    char digits[KEY_DIGITS + 1];
    (void)snprintf(digits, sizeof digits, "%016llx%016llx", (unsigned long long)key.high,
                   (unsigned long long)key.low);
    return json_string(digits);
}

static bool parse_half(struct str digits, uint64_t *ret_half) {
    uint64_t half = 0;
    for (size_t i = 0; i < digits.length; i++) {
        const char c = ascii_lower(digits.data[i]);
        if (c >= '0' && c <= '9') {
            half = half << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            half = half << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret_half = half;
    return true;
}

static bool parse_key(struct str text, struct hash128 *ret_key) {
    return text.length == KEY_DIGITS && parse_half(str_slice(text, 0, 16), &ret_key->high) &&
           parse_half(str_slice(text, 16, 32), &ret_key->low);
}

/* What a person names: a mail's three parts, or the key itself; to forget also a client's network,
 * by an address in it alone or by its key. */
struct greylist_name {
    struct policy_request request;
    struct hash128 key;
    bool by_key;
    bool by_client;
};

/* --- entries as JSON --- */

void control_put_greylist(json_t *object, const struct greylisting_settings *settings,
                          const struct greylist_entry *entry, uint32_t now_s) {
    const enum greylist_standing standing = greylist_standing(settings, entry, now_s);
    const bool there = standing != GREYLIST_ABSENT;
    const int64_t from_s =
        standing == GREYLIST_WAITING ? entry->first_s + settings->defer_time_s : 0;
    json_put(object, "known", json_boolean(standing == GREYLIST_PASSED));
    json_put(object, "state", json_text_from(greylist_standing_name(standing)));
    json_put(object, "first", control_seconds(there ? entry->first_s : 0));
    json_put(object, "passed", control_seconds(there ? entry->passed_s : 0));
    json_put(object, "last_used", control_seconds(there ? entry->head.last_used_s : 0));
    json_put(object, "expires", control_seconds(there ? entry->head.expires_s : 0));
    json_put(object, "attempts", json_count(there ? entry->attempts : 0));
    json_put(object, "accepts_from", control_seconds((uint32_t)from_s));
}

static json_t *client_json(struct control *control, const struct greylisting_settings *settings,
                           struct ip_address client) {
    const struct sip_key sip_key = engine_state_key(control->engine);
    const struct hash128 key = greylist_client_key(&sip_key, settings, client, STR(""));
    struct greylist_client_entry entry;
    int64_t now_ns;
    const bool found =
        engine_find_entry(control->engine, STATE_GREYLIST_CLIENT, key, &entry, &now_ns);
    const uint32_t now_s = (uint32_t)(now_ns / NS_PER_S);
    const struct greylist_client_entry *there = found ? &entry : NULL;
    const bool alive = found && entry.head.expires_s > now_s;
    json_t *object = json_object();
    json_put(object, "network", control_prefix_text(greylist_network(settings, client)));
    json_put(object, "passes", json_count(greylist_client_passes(there, now_s)));
    json_put(object, "trusted", json_boolean(greylist_client_trusted(settings, there, now_s)));
    json_put(object, "expires", control_seconds(alive ? entry.head.expires_s : 0));
    return object;
}

/* --- GET /v1/greylist --- */

void control_get_greylist(void *context, const struct http_request *request,
                          struct http_response *response) {
    struct control *control = context;
    const struct str client = http_request_parameter(request, "client");
    const struct str recipient = http_request_parameter(request, "recipient");
    struct policy_request mail = {.state = PROTOCOL_STATE_RCPT,
                                  .sender = http_request_parameter(request, "sender"),
                                  .recipient = recipient,
                                  .helo_name = http_request_parameter(request, "helo")};
    if (client.data == NULL || recipient.data == NULL) {
        http_answer_problem(
            response, 400, client.data == NULL ? "client" : "recipient",
            STR("Name client, sender and recipient; no sender is the null sender."));
        return;
    }
    if (!control_address(response, "client", client, &mail.client_address)) {
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct greylisting_settings *settings = &generation->settings->policy.greylisting;
    const struct sip_key sip_key = engine_state_key(control->engine);
    const struct hash128 key = greylist_key(&sip_key, settings, &mail, STR(""));
    struct greylist_entry entry;
    int64_t now_ns;
    const bool found = engine_find_entry(control->engine, STATE_GREYLIST, key, &entry, &now_ns);
    json_t *answer = json_object();
    json_put(answer, "key", control_greylist_key(key));
    control_put_greylist(answer, settings, found ? &entry : NULL, (uint32_t)(now_ns / NS_PER_S));
    json_put(answer, "client", client_json(control, settings, mail.client_address));
    engine_generation_release(control->engine, generation);
    http_answer_json(response, 200, answer);
}

/* --- POST /v1/greylist/forget and /pass --- */

/* Reads which key is meant. */
static bool read_name(struct control *control, const struct http_request *request,
                      struct http_response *response, const struct greylisting_settings *settings,
                      bool may_be_client, struct greylist_name *ret_name) {
    struct str key;
    struct str client;
    struct policy_request *mail = &ret_name->request;
    *ret_name = (struct greylist_name){.request = {.state = PROTOCOL_STATE_RCPT}};
    if (!control_members(request, response, "key client sender recipient helo") ||
        !control_text(request, response, "key", &key) ||
        !control_text(request, response, "client", &client) ||
        !control_text(request, response, "sender", &mail->sender) ||
        !control_text(request, response, "recipient", &mail->recipient) ||
        !control_text(request, response, "helo", &mail->helo_name)) {
        return false;
    }
    if (key.data != NULL) {
        ret_name->by_key = true;
        if (client.data != NULL || mail->sender.data != NULL || mail->recipient.data != NULL ||
            !parse_key(key, &ret_name->key)) {
            http_answer_problem(response, 400, "key",
                                STR("key stands alone and is 32 hexadecimal digits, as "
                                    "/v1/greylist/entries tells it."));
            return false;
        }
        return true;
    }
    ret_name->by_client = may_be_client && client.data != NULL && mail->sender.data == NULL &&
                          mail->recipient.data == NULL && mail->helo_name.data == NULL;
    if (client.data == NULL || (mail->recipient.data == NULL && !ret_name->by_client)) {
        http_answer_problem(response, 400, client.data == NULL ? "client" : "recipient",
                            STR("Name client, sender and recipient, or the key."));
        return false;
    }
    if (!control_address(response, "client", client, &mail->client_address)) {
        return false;
    }
    const struct sip_key sip_key = engine_state_key(control->engine);
    ret_name->key = ret_name->by_client
                        ? greylist_client_key(&sip_key, settings, mail->client_address, STR(""))
                        : greylist_key(&sip_key, settings, mail, STR(""));
    return true;
}

/* "forget 0123... by jane", for the journal. */
static void command(struct control *control, const struct http_request *request, const char *verb,
                    struct effect *effect) {
    char buffer[160];
    const int length = snprintf(buffer, sizeof buffer, "greylist %s %016llx%016llx by %s", verb,
                                (unsigned long long)effect->key.high,
                                (unsigned long long)effect->key.low, request->author);
    (void)engine_command(control->engine, effect, 1, (struct str){buffer, (size_t)length});
}

/* A network that is trusted no more: its mail is greylisted again. True: it was known. */
static bool forget_client(struct control *control, const struct http_request *request,
                          const struct greylisting_settings *settings, struct hash128 key) {
    struct greylist_client_entry entry;
    int64_t now_ns;
    if (!engine_find_entry(control->engine, STATE_GREYLIST_CLIENT, key, &entry, &now_ns) ||
        greylist_client_passes(&entry, (uint32_t)(now_ns / NS_PER_S)) == 0) {
        return false;
    }
    struct effect effect =
        greylist_forget_client_effect(settings, key, &entry, (uint32_t)(now_ns / NS_PER_S));
    command(control, request, "forget client", &effect);
    return true;
}

/* What an administrator may do to a key. */
struct key_change {
    const char *verb;
    const char *answer; /* member that tells whether it was done */
    bool (*applies)(enum greylist_standing standing);
    struct effect (*effect)(const struct greylisting_settings *settings, struct hash128 key,
                            const struct greylist_entry *entry, uint32_t now_s);
    bool clients; /* also to the network of a client */
};

static void change_key(struct control *control, const struct http_request *request,
                       struct http_response *response, const struct key_change *change) {
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct greylisting_settings *settings = &generation->settings->policy.greylisting;
    struct greylist_name name;
    if (read_name(control, request, response, settings, change->clients, &name)) {
        struct greylist_entry entry;
        int64_t now_ns;
        const bool found = !name.by_client && engine_find_entry(control->engine, STATE_GREYLIST,
                                                                name.key, &entry, &now_ns);
        const uint32_t now_s = found ? (uint32_t)(now_ns / NS_PER_S) : 0;
        bool applies = found && change->applies(greylist_standing(settings, &entry, now_s));
        if (applies) {
            struct effect effect = change->effect(settings, name.key, &entry, now_s);
            command(control, request, change->verb, &effect);
        } else if (change->clients && !found && (name.by_client || name.by_key)) {
            applies = forget_client(control, request, settings, name.key);
        }
        http_answer_json(response, 200, json_pack("{s:b}", change->answer, applies));
    }
    engine_generation_release(control->engine, generation);
}

static bool is_there(enum greylist_standing standing) {
    return standing != GREYLIST_ABSENT;
}

void control_post_forget(void *context, const struct http_request *request,
                         struct http_response *response) {
    static const struct key_change forget = {"forget", "forgotten", is_there,
                                             greylist_forget_effect, true};
    change_key(context, request, response, &forget);
}

static bool is_waiting(enum greylist_standing standing) {
    return standing == GREYLIST_WAITING;
}

void control_post_pass(void *context, const struct http_request *request,
                       struct http_response *response) {
    static const struct key_change pass = {"pass", "passed", is_waiting, greylist_pass_effect,
                                           false};
    change_key(context, request, response, &pass);
}
