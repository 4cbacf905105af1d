/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_running.h"

#include <string.h>
#include <unistd.h>

#include "base/ip_address.h"
#include "hook/zimbra_file.h"
#include "hook/zimbra_lines.h"

/* "name = value", of postconf; empty without one. */
static struct str value_of(struct str output, const char *name) {
    size_t offset = 0;
    for (struct str line; zimbra_line_next(output, &offset, &line);) {
        const size_t equals = str_find(line, '=');
        if (equals != SIZE_MAX && str_equal(str_trim(str_slice(line, 0, equals)), str_from(name))) {
            return str_trim(str_slice(line, equals + 1, line.length));
        }
    }
    return (struct str){0};
}

static bool read_recipient(const struct zimbra_host *host, struct str output, struct str endpoint,
                           struct zimbra_running *running) {
    struct restriction_list recipient;
    struct restriction_list relay;
    const char *problem =
        restriction_list_parse(value_of(output, "smtpd_recipient_restrictions"), &recipient);
    problem = problem != NULL
                  ? problem
                  : restriction_list_parse(value_of(output, "smtpd_relay_restrictions"), &relay);
    if (problem != NULL) {
        zimbra_say(host->report, ZIMBRA_UNCLEAR, "main-cf",
                   "the restrictions in main.cf cannot be read: %s", problem);
        return false;
    }
    struct str element;
    running->relay = restriction_relay_answer(&relay, &recipient, &endpoint, 1, &element);
    const struct restriction_place slot = restriction_place_find(&relay, &recipient);
    running->relay_control = slot.possible && !slot.after_control;
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
    struct zimbra_file file;
    const char *name = NULL;
    const int folder = zimbra_folder_open(host->root, "common/conf/master.cf", &name);
    const int loaded = zimbra_file_load(folder, name, ZIMBRA_FILE_MAX, &file);
    if (folder >= 0) {
        (void)close(folder);
    }
    if (loaded != 0) {
        zimbra_say(host->report, ZIMBRA_UNCLEAR, "master-cf",
                   "%s/common/conf/master.cf cannot be read: %s", host->root, strerror(-loaded));
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

static bool holds_everybody(struct str networks) {
    for (struct str word = zimbra_word(&networks); word.length > 0; word = zimbra_word(&networks)) {
        struct ip_prefix prefix;
        const struct str alone =
            str_ends(word, STR(",")) ? str_slice(word, 0, word.length - 1) : word;
        if (ip_prefix_parse(alone, &prefix, NULL) &&
            (prefix.bits == 0 || (prefix.bits == 96 && ip_address_is_v4(prefix.address)))) {
            return true;
        }
    }
    return false;
}

static bool read_main(const struct zimbra_host *host, struct str endpoint,
                      struct zimbra_running *running) {
    static const char *const names[] = {"smtpd_recipient_restrictions",
                                        "smtpd_relay_restrictions",
                                        "mynetworks",
                                        "smtpd_end_of_data_restrictions",
                                        "smtpd_data_restrictions",
                                        "smtpd_client_restrictions",
                                        NULL};
    struct zimbra_output output;
    if (!zimbra_postconf(host, names, &output)) {
        return false;
    }
    const struct str text = {output.text, output.length};
    const bool good = read_recipient(host, text, endpoint, running);
    running->open_networks = holds_everybody(value_of(text, "mynetworks"));
    running->end_of_data =
        zimbra_line_has(value_of(text, "smtpd_end_of_data_restrictions"), endpoint);
    running->data = zimbra_line_has(value_of(text, "smtpd_data_restrictions"), endpoint);
    running->elsewhere = zimbra_line_has(value_of(text, "smtpd_client_restrictions"), endpoint);
    zimbra_output_done(&output);
    return good;
}

bool zimbra_running_read(const struct zimbra_host *host, struct str endpoint,
                         struct zimbra_running *ret_running) {
    struct zimbra_running running = {0};
    if (!read_main(host, endpoint, &running) || !read_ports(host, endpoint, &running)) {
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
