/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook_site.h"

#include <stdio.h>
#include <string.h>

#define RECIPIENT   STR("smtpd_recipient_restrictions")
#define END_OF_DATA STR("smtpd_end_of_data_restrictions")
#define RELAY       STR("smtpd_relay_restrictions")

static const char *parse(struct str value, const char *name, struct restriction_list *ret_list,
                         char *room) {
    const char *problem = restriction_list_parse(value, ret_list);
    if (problem != NULL) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "%s: %s", name, problem);
        return room;
    }
    return NULL;
}

/* Nothing reaches an element behind one that decides for everybody. */
static bool is_reached(const struct restriction_list *list, size_t index) {
    for (size_t i = 0; i < index; i++) {
        const struct restriction *element = &list->elements[i];
        /* warn_if_reject takes the force from a refusal, not from permit. */
        if (element->kind == RESTRICTION_PERMITS_ALL ||
            (element->kind == RESTRICTION_CLOSES && !element->warn_only)) {
            return false;
        }
    }
    return !list->elements[index].warn_only;
}

static enum hook_state look(const struct restriction_list *relay,
                            const struct restriction_list *list, bool end_of_data,
                            const struct hook_identity *identity) {
    const size_t index =
        restriction_list_find(list, 0, identity->endpoints, identity->endpoint_count);
    if (index == SIZE_MAX) {
        return HOOK_ABSENT;
    }
    const struct restriction *element = &list->elements[index];
    if (restriction_list_find(list, index + 1, identity->endpoints, identity->endpoint_count) !=
        SIZE_MAX) {
        return HOOK_SEVERAL;
    }
    if (!str_equal_nocase(restriction_option(element, STR("default_action")), STR("DUNNO"))) {
        return HOOK_PLAIN;
    }
    if (!is_reached(list, index)) {
        return HOOK_UNREACHED;
    }
    const size_t control =
        end_of_data || restriction_list_closes(relay) ? SIZE_MAX : restriction_relay_control(list);
    if (control != SIZE_MAX && index < control) {
        return HOOK_BEFORE_CONTROL;
    }
    if (identity->exact &&
        !restriction_endpoint_equal(restriction_endpoint(element), identity->endpoint)) {
        return HOOK_ELSEWHERE;
    }
    return restriction_sees_outbound(list, index) ? HOOK_GOOD : HOOK_UNSEEN;
}

/* Sites --------------------------------------------------------------------------------------- */

static const char *fill(const struct postfix_config *config, const struct hook_identity *identity,
                        struct hook_site *site, char *room) {
    static struct restriction_list relay;
    static struct restriction_list recipient;
    static struct restriction_list end_of_data;
    const struct {
        struct str name;
        struct restriction_list *list;
    } lists[] = {{RELAY, &relay}, {RECIPIENT, &recipient}, {END_OF_DATA, &end_of_data}};
    const char *problem = NULL;
    const struct str parameter = site->end_of_data ? END_OF_DATA : RECIPIENT;
    if (site->service.length == 0) {
        (void)snprintf(site->name, sizeof site->name, "main.cf %.*s", STR_ARGS(parameter));
    } else {
        (void)snprintf(site->name, sizeof site->name, "master.cf %.*s/%.*s%s%.*s",
                       STR_ARGS(site->service), STR_ARGS(site->type),
                       site->overrides ? " -o " : " ", STR_ARGS(parameter));
    }
    for (size_t i = 0; problem == NULL && i < sizeof lists / sizeof lists[0]; i++) {
        const struct str value = postfix_used(config, site->service, site->type, lists[i].name);
        problem = parse(value, site->name, lists[i].list, room);
    }
    if (problem != NULL) {
        return problem;
    }
    const struct restriction_list *list = site->end_of_data ? &end_of_data : &recipient;
    site->state = look(&relay, list, site->end_of_data, identity);
    site->place = restriction_place_find(&relay, &recipient);
    site->relay_answer = restriction_relay_answer(&relay, &recipient, identity->endpoints,
                                                  identity->endpoint_count, &site->depends_on);
    return NULL;
}

static const char *add(const struct postfix_config *config, const struct hook_identity *identity,
                       struct hook_site site, struct hook_sites *sites, char *room) {
    if (sites->count == HOOK_SITES_MAX) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                       "master.cf has more than the %d lists this program reads", HOOK_SITES_MAX);
        return room;
    }
    const char *problem = fill(config, identity, &site, room);
    if (problem == NULL) {
        sites->sites[sites->count++] = site;
    }
    return problem;
}

static bool is_smtpd(const struct master_service *service) {
    const size_t slash = str_find_last(service->command, '/');
    const struct str name =
        str_slice(service->command, slash == SIZE_MAX ? 0 : slash + 1, service->command.length);
    return str_equal(name, STR("smtpd")) && !str_equal(service->type, STR("fifo"));
}

/* A service of this host alone that hands mail to no filter, while such a service exists by that
 * very setting, is where the filter gives it back. */
static bool is_from_filter(struct str file, const struct master_service *service) {
    static const struct str hosts[] = {
        {"127.", 4}, {"localhost:", 10}, {"[127.", 5}, {"[::1]:", 6}, {"::1:", 4}};
    static const struct str filters[] = {{"content_filter", 14}, {"smtpd_proxy_filter", 18}};
    bool local = false;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        local = local || str_starts(service->name, hosts[i]);
    }
    struct master_option option;
    for (size_t i = 0; local && i < sizeof filters / sizeof filters[0]; i++) {
        if (master_option_find(file, service, filters[i], &option) && option.start == option.end) {
            return true;
        }
    }
    return local && master_option_find(file, service, STR("receive_override_options"), &option) &&
           option.end > option.start;
}

static const char *add_service(const struct postfix_config *config,
                               const struct hook_identity *identity,
                               const struct master_service *service, struct hook_sites *sites,
                               char *room) {
    struct master_option option;
    struct hook_site site = {.service = service->name,
                             .type = service->type,
                             .from_filter = is_from_filter(config->master_cf, service)};
    site.overrides = master_option_find(config->master_cf, service, RECIPIENT, &option);
    const char *problem = add(config, identity, site, sites, room);
    site.end_of_data = true;
    site.overrides = master_option_find(config->master_cf, service, END_OF_DATA, &option);
    return problem != NULL ? problem : add(config, identity, site, sites, room);
}

/* A service may use main.cf's list while it takes away what closes the relay elsewhere (`-o
 * smtpd_relay_restrictions=`): what is in front of the list's own relay control is in front of all
 * there is then. Strangers do not reach the way back from a filter. */
static void heed_weaker(const struct postfix_config *config, struct hook_sites *sites) {
    struct hook_site *main_site = &sites->sites[0];
    const struct str list = postfix_used(config, STR(""), STR(""), RECIPIENT);
    for (size_t i = 1; i < sites->count && !main_site->place.after_control; i++) {
        const struct hook_site *site = &sites->sites[i];
        const bool uses_list =
            !site->overrides ||
            str_equal(postfix_used(config, site->service, site->type, RECIPIENT), list);
        if (site->service.length > 0 && !site->end_of_data && !site->from_filter && uses_list &&
            site->place.possible && site->place.after_control) {
            main_site->place = site->place;
            main_site->place.reason =
                "a service of master.cf uses this list and has no other relay control (-o "
                "smtpd_relay_restrictions), so the hook goes after the list's own; what is "
                "permitted before it is not seen: take that option out of master.cf and enable "
                "again";
            main_site->for_weaker = true;
        }
    }
}

const char *hook_sites_find(const struct postfix_config *config,
                            const struct hook_identity *identity, struct hook_sites *ret_sites,
                            char *room) {
    ret_sites->count = 0;
    struct hook_site site = {.overrides = true};
    const char *problem = add(config, identity, site, ret_sites, room);
    site.end_of_data = true;
    problem = problem != NULL ? problem : add(config, identity, site, ret_sites, room);
    size_t at = 0;
    struct master_service service;
    while (problem == NULL && master_cf_next(config->master_cf, &at, &service)) {
        if (is_smtpd(&service)) {
            problem = add_service(config, identity, &service, ret_sites, room);
        }
    }
    if (problem == NULL) {
        heed_weaker(config, ret_sites);
    }
    return problem;
}
