/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/control_dns.h"
#include "daemon/control_rbl.h"

/* GET /v1/rbl/check: asks all block lists about one address, all at once, with questions of its own
 * that no cache and no guard answers. */

enum { PATIENCE_S = 15, REASON_MAX = 400 };

struct check;
struct asked {
    struct check *check;
    struct rbl_list_settings list;
    enum dnsbl_status status;
    unsigned char code[4];
    int64_t latency_ns;
    size_t reason_length; /* what the list says of it (TXT) */
    char reason[REASON_MAX];
    char name[DNS_NAME_MAX];
    size_t name_length;
};

struct check {
    const struct settings *settings;
    struct control_dns dns;
    int64_t began_ns;
    unsigned open; /* questions; and one until all are asked */
    size_t count;
    struct asked asked[DNSBL_LISTS_MAX];
};

static void question_done(struct check *check) {
    if (--check->open == 0) {
        (void)event_base_loopbreak(check->dns.base);
    }
}

static bool contains(struct str text, struct str part) {
    for (size_t i = 0; i + part.length <= text.length; i++) {
        if (str_equal_nocase(str_slice(text, i, i + part.length), part)) {
            return true;
        }
    }
    return false;
}

static void on_reason(void *context, const struct dns_question *question,
                      const struct dns_answer *answer) {
    (void)question;
    struct asked *asked = context;
    struct text reason = TEXT_OVER(asked->reason);
    for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++) {
        text_add(&reason, i > 0 ? STR("; ") : STR(""));
        text_add(&reason, answer->items[i]);
    }
    /* Some lists repeat what they were asked. */
    if (asked->list.key.length > 0 && contains(text_str(&reason), asked->list.key)) {
        reason.length = 0;
        text_add(&reason, STR("not shown here, because the key stands in it"));
    }
    asked->reason_length = reason.length;
    question_done(asked->check);
}

static void ask(struct asked *asked, enum dns_type type, dns_done *done) {
    const struct dns_question question = {.type = type, .name = {asked->name, asked->name_length}};
    asked->check->open++;
    (void)dns_ask(asked->check->dns.dns, &question, clock_boot_ns(), done, asked);
}

static void on_address(void *context, const struct dns_question *question,
                       const struct dns_answer *answer) {
    (void)question;
    struct asked *asked = context;
    asked->status = dnsbl_judge(answer, &asked->list.codes, asked->code);
    asked->latency_ns = clock_boot_ns() - asked->check->began_ns;
    if (asked->status == DNSBL_LISTED) {
        ask(asked, DNS_TXT, on_reason);
    }
    question_done(asked->check);
}

static void add_list(struct check *check, const struct rbl_list_settings *list,
                     struct ip_address address) {
    struct asked *asked = &check->asked[check->count++];
    struct text name = TEXT_OVER(asked->name);
    /* What is still so when patience ends. */
    *asked = (struct asked){.check = check, .list = *list, .status = DNSBL_TIMED_OUT};
    if (!dnsbl_name(address, list->key, list->zone, &name)) {
        asked->status = DNSBL_FAILED;
        return;
    }
    asked->name_length = name.length;
}

static void ask_all(struct check *check) {
    check->began_ns = clock_boot_ns();
    check->open = 1;
    for (size_t i = 0; i < check->count; i++) {
        if (check->asked[i].name_length > 0) {
            ask(&check->asked[i], DNS_A, on_address);
        }
    }
    if (--check->open > 0) {
        control_dns_run(&check->dns, (int64_t)PATIENCE_S * NS_PER_S);
    }
}

static json_t *asked_json(const struct asked *asked) {
    const char *error = dnsbl_error_text(asked->code);
    json_t *item = control_rbl_list(asked->check->settings, &asked->list);
    char bytes[16];
    struct text code = TEXT_OVER(bytes);
    for (size_t i = 0; i < 4; i++) {
        text_add(&code, i > 0 ? STR(".") : STR(""));
        text_add_u64(&code, asked->code[i]);
    }
    json_put(item, "status", json_text_from(dnsbl_status_word(asked->status)));
    json_put(item, "listed", json_boolean(asked->status == DNSBL_LISTED));
    json_put(item, "code", asked->code[0] != 0 ? json_text(text_str(&code)) : json_null());
    json_put(item, "meaning", json_text_from(error));
    json_put(item, "reason",
             asked->reason_length > 0 ? json_text((struct str){asked->reason, asked->reason_length})
                                      : json_null());
    json_put(item, "latency_us",
             asked->latency_ns > 0 ? json_integer(asked->latency_ns / NS_PER_US) : json_null());
    return item;
}

static json_t *check_json(const struct check *check, struct ip_address address) {
    json_t *items = json_array();
    unsigned listed = 0;
    for (size_t i = 0; i < check->count; i++) {
        listed += check->asked[i].status == DNSBL_LISTED;
        (void)json_array_append_new(items, asked_json(&check->asked[i]));
    }
    json_t *answer = json_object();
    json_put(answer, "ip", control_address_text(address));
    json_put(answer, "listed", json_count(listed));
    json_put(answer, "asked", json_count(check->count));
    json_put(answer, "items", items);
    return answer;
}

/* Test points may be asked about, though no client comes from there. */
static bool may_ask(struct ip_address address) {
    const uint8_t *octets = address.bytes + 12;
    return dnsbl_is_public(address) ||
           (ip_address_is_v4(address) && octets[0] == 127 && octets[1] == 0 && octets[2] == 0 &&
            (octets[3] == 1 || octets[3] == 2));
}

static bool read_request(const struct http_request *request, struct http_response *response,
                         struct ip_address *ret_address, bool *ret_enabled_alone) {
    const struct str lists = http_request_parameter(request, "lists");
    const struct str ip = http_request_parameter(request, "ip");
    *ret_enabled_alone = str_equal(lists, STR("enabled"));
    if (lists.data != NULL && !*ret_enabled_alone && !str_equal(lists, STR("all"))) {
        http_answer_problem(response, 400, "lists", STR("lists must be all or enabled."));
        return false;
    }
    if (!control_address(response, "ip", ip, ret_address)) {
        return false;
    }
    if (!may_ask(*ret_address)) {
        http_answer_problem(response, 400, "ip",
                            STR("This is no public address: no block list is asked about it."));
        return false;
    }
    return true;
}

static void run(struct check *check, struct http_response *response, struct ip_address address,
                bool enabled_alone) {
    for (size_t i = 0; i < DNSBL_LISTS_MAX; i++) {
        struct rbl_list_settings list;
        const uint8_t number = control_rbl_number(i);
        const bool is_off =
            number <= DNSBL_KNOWN && !check->settings->rbl.known[number - 1].enabled;
        if (settings_rbl_list(check->settings, number, &list) && !(is_off && enabled_alone)) {
            add_list(check, &list, address);
        }
    }
    if (control_dns_open(check->settings, response, &check->dns)) {
        ask_all(check);
        http_answer_json(response, 200, check_json(check, address));
    }
    control_dns_close(&check->dns);
}

void control_get_rbl_check(void *context, const struct http_request *request,
                           struct http_response *response) {
    struct control *control = context;
    struct ip_address address;
    bool enabled_alone = false;
    if (!read_request(request, response, &address, &enabled_alone)) {
        return;
    }
    struct check *check = calloc(1, sizeof *check);
    if (check == NULL) {
        http_answer_json(response, 200, NULL);
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    check->settings = generation->settings;
    run(check, response, address, enabled_alone);
    engine_generation_release(control->engine, generation);
    free(check);
}
