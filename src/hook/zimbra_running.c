/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_running.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/ip_address.h"
#include "hook/zimbra_file.h"
#include "hook/zimbra_lines.h"

static bool list_has(const struct zimbra_host *host, const char *name, struct str endpoint,
                     bool *ret_has) {
    char value[ZIMBRA_VALUE_MAX];
    if (!zimbra_postconf(host, name, value, sizeof value)) {
        return false;
    }
    *ret_has = zimbra_line_has(str_from(value), endpoint);
    return true;
}

static bool read_recipient(const struct zimbra_host *host, struct str endpoint,
                           struct zimbra_running *running) {
    char recipient_text[ZIMBRA_VALUE_MAX];
    char relay_text[ZIMBRA_VALUE_MAX];
    struct restriction_list recipient;
    struct restriction_list relay;
    if (!zimbra_postconf(host, "smtpd_recipient_restrictions", recipient_text,
                         sizeof recipient_text) ||
        !zimbra_postconf(host, "smtpd_relay_restrictions", relay_text, sizeof relay_text)) {
        return false;
    }
    const char *problem = restriction_list_parse(str_from(recipient_text), &recipient);
    problem = problem != NULL ? problem : restriction_list_parse(str_from(relay_text), &relay);
    if (problem != NULL) {
        zimbra_say(host->report, ZIMBRA_UNCLEAR, "main-cf",
                   "the restrictions in main.cf cannot be read: %s", problem);
        return false;
    }
    struct str element;
    running->relay = restriction_relay_answer(&relay, &recipient, &endpoint, 1, &element);
    const size_t at = restriction_list_find(&recipient, 0, &endpoint, 1);
    if (at != SIZE_MAX) {
        running->recipient = true;
        running->before_permits = !zimbra_line_permits_before(recipient.text, endpoint);
        running->dunno = str_equal_nocase(
            restriction_option(&recipient.elements[at], STR("default_action")), STR("DUNNO"));
    }
    return true;
}

static bool read_ports(const struct zimbra_host *host, struct str endpoint,
                       struct zimbra_running *running) {
    char path[PATH_MAX];
    struct zimbra_file file;
    (void)snprintf(path, sizeof path, "%s/common/conf/master.cf", host->root);
    const int loaded = zimbra_file_load(path, ZIMBRA_FILE_MAX, &file);
    if (loaded != 0) {
        zimbra_say(host->report, ZIMBRA_UNCLEAR, "master-cf", "%s cannot be read: %s", path,
                   strerror(-loaded));
        return false;
    }
    const struct str text = {file.bytes, file.length};
    const enum zimbra_presence presence = zimbra_place_look(ZIMBRA_MASTER, text, endpoint).presence;
    running->ports = presence == ZIMBRA_PRESENT || presence == ZIMBRA_NOT_NEEDED;
    struct zimbra_service service;
    for (size_t offset = 0; zimbra_service_next(text, &offset, &service);) {
        running->any_port =
            running->any_port || (service.overrides && zimbra_line_has(service.value, endpoint));
    }
    zimbra_file_done(&file);
    return true;
}

static bool read_networks(const struct zimbra_host *host, struct zimbra_running *running) {
    char value[ZIMBRA_VALUE_MAX];
    if (!zimbra_postconf(host, "mynetworks", value, sizeof value)) {
        return false;
    }
    struct str rest = str_from(value);
    for (struct str word = zimbra_word(&rest); word.length > 0; word = zimbra_word(&rest)) {
        struct ip_prefix prefix;
        const struct str alone =
            str_ends(word, STR(",")) ? str_slice(word, 0, word.length - 1) : word;
        if (ip_prefix_parse(alone, &prefix, NULL) &&
            (prefix.bits == 0 || (prefix.bits == 96 && ip_address_is_v4(prefix.address)))) {
            running->open_networks = true;
        }
    }
    return true;
}

bool zimbra_running_read(const struct zimbra_host *host, struct str endpoint,
                         struct zimbra_running *ret_running) {
    struct zimbra_running running = {0};
    if (!read_recipient(host, endpoint, &running) || !read_ports(host, endpoint, &running) ||
        !read_networks(host, &running) ||
        !list_has(host, "smtpd_end_of_data_restrictions", endpoint, &running.end_of_data) ||
        !list_has(host, "smtpd_data_restrictions", endpoint, &running.data) ||
        !list_has(host, "smtpd_client_restrictions", endpoint, &running.elsewhere)) {
        return false;
    }
    *ret_running = running;
    return true;
}

bool zimbra_running_complete(const struct zimbra_running *running, bool by_ldap) {
    return running->recipient && running->before_permits && running->dunno && running->ports &&
           (running->end_of_data || (by_ldap && running->data));
}

bool zimbra_running_clean(const struct zimbra_running *running) {
    return !running->recipient && !running->end_of_data && !running->data && !running->elsewhere &&
           !running->any_port;
}
