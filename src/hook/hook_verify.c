/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "hook/hook_plan.h"

/* The next element of a list that is not ours, or NULL. */
static const struct restriction *next_other(const struct restriction_list *list, size_t *at,
                                            const struct hook_identity *identity) {
    while (*at < list->count) {
        const struct restriction *element = &list->elements[(*at)++];
        if (!restriction_is_one_of(element, identity->endpoints, identity->endpoint_count)) {
            return element;
        }
    }
    return NULL;
}

/* Both hold the same elements in the same order, ours left out. */
static bool same_but_ours(struct str a, struct str b, const struct hook_identity *identity) {
    static struct restriction_list before;
    static struct restriction_list after;
    if (str_equal(a, b)) {
        return true;
    }
    if (restriction_list_parse(a, &before) != NULL || restriction_list_parse(b, &after) != NULL) {
        return false;
    }
    size_t before_at = 0;
    size_t after_at = 0;
    for (;;) {
        const struct restriction *x = next_other(&before, &before_at, identity);
        const struct restriction *y = next_other(&after, &after_at, identity);
        if (x == NULL || y == NULL) {
            return x == y;
        }
        if (!str_equal(x->name, y->name) || !str_equal(x->parameter, y->parameter) ||
            x->warn_only != y->warn_only) {
            return false;
        }
    }
}

/* Every value of `a` is in `b`, the same but for our elements; one that `b` does not have holds
 * nothing but our elements. */
static const char *compare_values(struct str a, struct str b, const struct hook_identity *identity,
                                  char *room) {
    size_t at = 0;
    struct str name;
    struct str value;
    while (postfix_next_value(a, &at, &name, &value)) {
        struct str other = {0};
        (void)postfix_value(b, name, &other);
        /* postconf shows the folder it was given as if it were set. */
        if (!str_equal(name, STR("config_directory")) && !same_but_ours(value, other, identity)) {
            (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                           "%.*s would change by more than the hook: \"%.*s\" and \"%.*s\"",
                           STR_ARGS(name), STR_ARGS(value), STR_ARGS(other));
            return room;
        }
    }
    return NULL;
}

/* Services and what they run, without their -o options. */
static const char *compare_services(struct str a, struct str b, char *room) {
    size_t a_at = 0;
    size_t b_at = 0;
    struct master_service x;
    struct master_service y;
    for (;;) {
        const bool more_a = master_cf_next(a, &a_at, &x);
        const bool more_b = master_cf_next(b, &b_at, &y);
        if (!more_a && !more_b) {
            return NULL;
        }
        if (more_a != more_b || !str_equal(x.name, y.name) || !str_equal(x.type, y.type) ||
            !str_equal(x.command, y.command)) {
            (void)snprintf(room, POSTFIX_PROBLEM_MAX, "the services of master.cf would change");
            return room;
        }
    }
}

/* Where lists refer to one another, a hook may come into one by way of another. */
static const char *misplaced(const struct hook_site *before, const struct hook_site *after,
                             char *room) {
    if (after->from_filter || after->state == before->state) {
        return NULL;
    }
    if (after->state == HOOK_BEFORE_CONTROL) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                       "%s: the hook would stand before the only relay control of this service; "
                       "give it smtpd_relay_restrictions with reject_unauth_destination first",
                       after->name);
        return room;
    }
    if (after->state == HOOK_SEVERAL) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX,
                       "%s: the hook would stand here twice, because this list and that of "
                       "another service share a parameter; give services that set "
                       "smtpd_relay_restrictions to nothing a list without such a reference first",
                       after->name);
        return room;
    }
    return NULL;
}

static const char *compare_sites(const struct hook_sites *before, const struct hook_sites *after,
                                 char *room) {
    if (before->count != after->count) {
        (void)snprintf(room, POSTFIX_PROBLEM_MAX, "the services of master.cf would change");
        return room;
    }
    for (size_t i = 0; i < after->count; i++) {
        if (after->sites[i].relay_answer > before->sites[i].relay_answer) {
            (void)snprintf(room, POSTFIX_PROBLEM_MAX, "%s would let more mail through than before",
                           after->sites[i].name);
            return room;
        }
        const char *problem = misplaced(&before->sites[i], &after->sites[i], room);
        if (problem != NULL) {
            return problem;
        }
    }
    return NULL;
}

const char *hook_plan_verify(const struct postfix_config *before,
                             const struct hook_sites *before_sites,
                             const struct postfix_config *after,
                             const struct hook_sites *after_sites,
                             const struct hook_identity *identity, char *room) {
    const struct {
        struct str a, b;
    } pairs[] = {
        {before->main_set, after->main_set},     {after->main_set, before->main_set},
        {before->master_set, after->master_set}, {after->master_set, before->master_set},
        {before->main_used, after->main_used},   {before->master_used, after->master_used},
    };
    const char *problem = compare_services(before->services, after->services, room);
    for (size_t i = 0; problem == NULL && i < sizeof pairs / sizeof pairs[0]; i++) {
        problem = compare_values(pairs[i].a, pairs[i].b, identity, room);
    }
    return problem != NULL ? problem : compare_sites(before_sites, after_sites, room);
}
