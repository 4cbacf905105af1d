/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "hook/hook_site.h"

static const char enable[] = "run `seczim postfix enable`";

/* Of a list in which the hook should stand. */
static void check_state(const struct hook_site *site, struct hook_report *report) {
    const char *name = site->name;
    switch (site->state) {
    case HOOK_GOOD:
        break;
    case HOOK_ABSENT:
        hook_report_add(report, HOOK_WARNING, name, enable, "%s",
                        site->service.length == 0
                            ? "the hook is not there: SecZim is not asked"
                            : "this service has a list of its own without the "
                              "hook: its mail bypasses SecZim");
        break;
    case HOOK_PLAIN:
        hook_report_add(report, HOOK_ERROR, name, enable,
                        "the hook has no default_action=DUNNO: while SecZim is stopped Postfix "
                        "answers every recipient with 451");
        break;
    case HOOK_UNREACHED:
        hook_report_add(report, HOOK_WARNING, name, enable,
                        "the hook stands behind an element that decides for everybody (or behind "
                        "warn_if_reject): it is never asked, or in vain");
        break;
    case HOOK_UNSEEN:
        hook_report_add(
            report, HOOK_WARNING, name,
            site->for_weaker
                ? "take -o smtpd_relay_restrictions= out of the services of master.cf that use "
                  "this list, then run `seczim postfix enable`"
            : site->place.outbound_unseen
                ? "move relay control to smtpd_relay_restrictions (permit_mynetworks, "
                  "permit_sasl_authenticated, reject_unauth_destination), then run `seczim postfix "
                  "enable`"
                : enable,
            "the hook stands behind an element that permits: mail of our own networks and users "
            "(outbound mail) is not seen");
        break;
    case HOOK_BEFORE_CONTROL:
        hook_report_add(report, HOOK_ERROR, name, enable,
                        "the hook stands before the only relay control there is: a service at this "
                        "address that answers OK would make an open relay");
        break;
    case HOOK_ELSEWHERE:
        hook_report_add(report, HOOK_WARNING, name, enable,
                        "the hook asks at another address than --endpoint says");
        break;
    case HOOK_SEVERAL:
        hook_report_add(report, HOOK_ERROR, name, enable,
                        "the hook stands here more than once: mail is counted as often");
        break;
    }
}

static void check_from_filter(const struct hook_site *site, struct hook_report *report) {
    if (site->state == HOOK_ABSENT) {
        return;
    }
    const bool silence = site->end_of_data && !site->overrides;
    hook_report_add(report, HOOK_WARNING, site->name,
                    silence ? enable
                            : "give the service a list of its own: -o "
                              "smtpd_recipient_restrictions=permit_mynetworks,reject",
                    "mail comes back from a content filter here and is asked about (and counted) a "
                    "second time");
}

static void check_relay(const struct hook_site *site, struct hook_report *report) {
    const char *remedy = "set smtpd_relay_restrictions = permit_mynetworks, "
                         "permit_sasl_authenticated, reject_unauth_destination";
    char place[HOOK_PLACE_MAX];
    (void)snprintf(place, sizeof place, "master.cf %.*s/%.*s", STR_ARGS(site->service),
                   STR_ARGS(site->type));
    if (site->relay_answer == RELAY_OPEN) {
        hook_report_add(report, HOOK_ERROR, place, remedy,
                        "OPEN RELAY: neither smtpd_relay_restrictions nor "
                        "smtpd_recipient_restrictions refuses strangers' mail to other domains "
                        "(Postfix itself refuses to work when neither names relay control)");
    } else if (site->relay_answer == RELAY_DEPENDS) {
        hook_report_add(report, HOOK_WARNING, place, remedy,
                        "\"%.*s\" stands before relay control: if it answers OK, a stranger may "
                        "send to any domain",
                        STR_ARGS(site->depends_on));
    }
}

/* Settings of main.cf ---------------------------------------------------------------------------
 */

/* The prefix length of a network, or 255. */
static uint64_t prefix_length(struct str network) {
    uint64_t bits = 255;
    const size_t slash = str_find_last(network, '/');
    return slash != SIZE_MAX &&
                   str_parse_u64(str_slice(network, slash + 1, network.length), 128, &bits)
               ? bits
               : 255;
}

static void check_networks(const struct postfix_config *config, struct hook_report *report) {
    struct str value = {0};
    struct restriction_list words;
    (void)postfix_value(config->main_used, STR("mynetworks"), &value);
    if (restriction_list_parse(value, &words) != NULL) {
        return;
    }
    for (size_t i = 0; i < words.count; i++) {
        const struct str network = words.elements[i].name;
        const uint64_t least = str_find(network, '[') != SIZE_MAX ? 16 : 8;
        if (prefix_length(network) < least && network.data[0] != '!' &&
            str_find_last(network, ':') != 0) {
            hook_report_add(report, HOOK_ERROR, "main.cf mynetworks",
                            "list only the networks of your own hosts",
                            "OPEN RELAY: \"%.*s\" lets a large part of the Internet send to any "
                            "domain",
                            STR_ARGS(network));
        }
    }
}

static void check_settings(const struct postfix_config *config, const struct hook_site *main_site,
                           struct hook_report *report) {
    struct str value = {0};
    if (postfix_value(config->main_used, STR("smtpd_delay_reject"), &value) &&
        str_equal_nocase(value, STR("no"))) {
        hook_report_add(report, HOOK_NOTE, "main.cf smtpd_delay_reject",
                        "remove smtpd_delay_reject = no unless something needs it",
                        "mail refused by client, HELO or sender restrictions is refused before "
                        "SecZim hears of it: such refusals are missing in history");
    }
    if (postfix_value(config->main_used, STR("smtpd_relay_before_recipient_restrictions"),
                      &value) &&
        str_equal_nocase(value, STR("no")) && main_site->place.possible &&
        !main_site->place.outbound_unseen) {
        hook_report_add(report, HOOK_NOTE, "main.cf compatibility_level",
                        "set compatibility_level = 3.6 or higher, after reading Postfix's "
                        "COMPATIBILITY_README",
                        "recipient restrictions run before relay restrictions: strangers' relay "
                        "attempts are asked about as well");
    }
}

bool hook_postfix_is_too_old(const struct postfix_config *config) {
    struct str version = {0};
    return postfix_value(config->main_used, STR("mail_version"), &version) &&
           (str_starts(version, STR("2.")) || str_starts(version, STR("1.")));
}

void hook_sites_check(const struct postfix_config *config, const struct hook_sites *sites,
                      struct hook_report *report) {
    for (size_t i = 0; i < sites->count; i++) {
        const struct hook_site *site = &sites->sites[i];
        if (site->from_filter) {
            check_from_filter(site, report);
        } else if (site->overrides || site->state == HOOK_BEFORE_CONTROL) {
            check_state(site, report);
        }
        if (site->service.length > 0 && !site->end_of_data) {
            check_relay(site, report);
        }
    }
    if (hook_postfix_is_too_old(config)) {
        hook_report_add(report, HOOK_ERROR, "Postfix", "install Postfix 3.0 or later",
                        HOOK_TOO_OLD);
    }
    check_networks(config, report);
    check_settings(config, &sites->sites[0], report);
}
