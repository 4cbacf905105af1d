/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook_plan.h"

#include <stdio.h>
#include <string.h>

enum { FOLLOWED_MAX = 8 /* references to references */ };

static struct str parameter_of(const struct hook_site *site) {
    return site->end_of_data ? STR("smtpd_end_of_data_restrictions")
                             : STR("smtpd_recipient_restrictions");
}

bool hook_plan_starts_anew(const struct hook_sites *sites) {
    for (size_t i = 0; i < sites->count; i++) {
        const struct hook_site *site = &sites->sites[i];
        const bool as_good_as_it_gets = site->state == HOOK_UNSEEN && site->place.after_control;
        if (site->overrides && site->state != HOOK_ABSENT && site->state != HOOK_GOOD &&
            !as_good_as_it_gets) {
            return true;
        }
        if (site->state == HOOK_BEFORE_CONTROL && !site->from_filter) {
            return true; /* Of main.cf's hook, for a service that uses that list. */
        }
    }
    return false;
}

/* The list as it stands in the file, references unresolved. */
static bool find_raw(const struct hook_files *files, const struct hook_site *site,
                     struct restriction_list *ret_list) {
    const struct str parameter = parameter_of(site);
    struct str text = {0};
    struct main_cf_value value;
    struct master_service service;
    struct master_option option;
    if (site->service.length == 0) {
        if (main_cf_find(files->main_cf, parameter, &value)) {
            text = str_slice(files->main_cf, value.start, value.end);
        }
    } else if (master_cf_find(files->master_cf, site->service, site->type, &service) &&
               master_option_find(files->master_cf, &service, parameter, &option)) {
        text = str_slice(files->master_cf, option.start, option.end);
    }
    return restriction_list_parse(text, ret_list) == NULL;
}

/* `$name`, `${name}`, `$(name)`: the name; empty for anything else. */
static struct str reference_name(struct str element) {
    struct str name = str_slice(element, 1, element.length);
    if (!str_starts(element, STR("$"))) {
        return (struct str){0};
    }
    if (str_starts(name, STR("{")) || str_starts(name, STR("("))) {
        name = str_slice(name, 1, name.length - 1);
    }
    for (size_t i = 0; i < name.length; i++) {
        const char c = ascii_lower(name.data[i]);
        if (c != '_' && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
            return (struct str){0};
        }
    }
    return name;
}

/* Relay control stands in a parameter that the list refers to: the hook goes behind it there. */
static bool edit_reference(struct hook_files *files, const struct restriction_list *list,
                           const struct hook_identity *identity, unsigned depth) {
    for (size_t i = 0; i < list->count && depth < FOLLOWED_MAX; i++) {
        const struct str name = reference_name(list->elements[i].name);
        struct main_cf_value value;
        struct restriction_list inner;
        if (name.length == 0 || !main_cf_find(files->main_cf, name, &value) ||
            restriction_list_parse(str_slice(files->main_cf, value.start, value.end), &inner) !=
                NULL) {
            continue;
        }
        const size_t control = restriction_relay_control(&inner);
        if (control != SIZE_MAX ? hook_edit_main(files, name, control + 1, identity)
                                : edit_reference(files, &inner, identity, depth + 1)) {
            return true;
        }
    }
    return false;
}

static bool edit_site(struct hook_files *files, const struct hook_site *site,
                      const struct hook_identity *identity) {
    struct restriction_list list;
    if (!find_raw(files, site, &list)) {
        return false;
    }
    size_t index = restriction_first_end(&list);
    if (!site->end_of_data && site->place.after_control) {
        const size_t control = restriction_relay_control(&list);
        if (control == SIZE_MAX) {
            return edit_reference(files, &list, identity, 0);
        }
        index = control + 1;
    }
    return site->service.length == 0 ? hook_edit_main(files, parameter_of(site), index, identity)
                                     : hook_edit_service(files, site->service, site->type,
                                                         parameter_of(site), index, identity);
}

static enum hook_step no_place(const struct hook_site *site, bool *skipped,
                               struct hook_report *report, const char *why, char *room) {
    if (site->service.length == 0) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "%s: %s", site->name, why);
        return HOOK_STEP_REFUSED;
    }
    *skipped = true;
    hook_report_add(report, HOOK_WARNING, site->name, "", "left without the hook: %s", why);
    return HOOK_STEP_DONE;
}

static enum hook_step place_hook(const struct hook_site *site, const struct hook_identity *identity,
                                 bool *skipped, struct hook_files *files,
                                 struct hook_report *report, char *room) {
    if (!site->end_of_data && !site->place.possible) {
        return no_place(site, skipped, report, site->place.reason, room);
    }
    if (!edit_site(files, site, identity)) {
        return no_place(site, skipped, report,
                        "relay control stands in a part of the list that this program cannot "
                        "follow; put the hook behind it by hand",
                        room);
    }
    const bool outbound = site->end_of_data || !site->place.outbound_unseen;
    hook_report_add(report, outbound ? HOOK_NOTE : HOOK_WARNING, site->name, "", "hook added: %s",
                    site->end_of_data ? "messages are counted when they are complete"
                                      : site->place.reason);
    return HOOK_STEP_EDITED;
}

static enum hook_step keep_out(const struct hook_site *site, const struct hook_identity *identity,
                               bool *skipped, struct hook_files *files,
                               struct hook_report *report) {
    *skipped = true;
    (void)identity;
    if (site->end_of_data && !site->overrides &&
        hook_edit_silence(files, site->service, site->type, parameter_of(site))) {
        hook_report_add(report, HOOK_NOTE, site->name, "",
                        "left empty here: mail comes back from a content filter and was counted "
                        "on its way in");
        return HOOK_STEP_EDITED;
    }
    if (!site->end_of_data) {
        hook_report_add(report, HOOK_NOTE, site->name, "",
                        "left without the hook: mail comes back from a content filter here, and "
                        "was seen on its way in");
    }
    return HOOK_STEP_DONE;
}

enum hook_step hook_plan_step(const struct hook_sites *sites, const struct hook_identity *identity,
                              bool *skipped, struct hook_files *files, struct hook_report *report,
                              char *room) {
    for (size_t i = 0; i < sites->count; i++) {
        const struct hook_site *site = &sites->sites[i];
        enum hook_step step = HOOK_STEP_DONE;
        if (skipped[i]) {
            continue;
        }
        if (site->from_filter) {
            step = keep_out(site, identity, &skipped[i], files, report);
        } else if (site->overrides && site->state == HOOK_ABSENT) {
            step = place_hook(site, identity, &skipped[i], files, report, room);
        }
        if (step != HOOK_STEP_DONE) {
            return step;
        }
    }
    return HOOK_STEP_DONE;
}
