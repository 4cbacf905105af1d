/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf_machine.h"

#include <string.h>

/* Whether the name is the domain, or ends in it behind a dot. */
static bool is_below(struct str name, struct str domain, bool or_same) {
    if (name.length <= domain.length) {
        return or_same && str_equal_nocase(name, domain);
    }
    const size_t dot = name.length - domain.length - 1;
    return name.data[dot] == '.' && str_equal_nocase(str_slice(name, dot + 1, SIZE_MAX), domain);
}

bool spf_names_match(const struct spf *spf, struct str domain) {
    for (size_t i = 0; i < spf->confirmed; i++) {
        if (is_below(spf_name_str(&spf->names.name[i]), domain, true)) {
            return true;
        }
    }
    return false;
}

struct str spf_names_best(const struct spf *spf, struct str domain) {
    struct str best = {NULL, 0};
    bool best_is_below = false;
    for (size_t i = 0; i < spf->confirmed; i++) {
        const struct str name = spf_name_str(&spf->names.name[i]);
        if (str_equal_nocase(name, domain)) {
            return name;
        }
        const bool below = is_below(name, domain, false);
        if (best.length == 0 || (below && !best_is_below)) {
            best = name;
            best_is_below = below;
        }
    }
    return best;
}

/* "1.2.0.192.in-addr.arpa", or 32 nibbles and "ip6.arpa". */
static void ask_names(struct spf *spf) {
    char room[DNS_NAME_MAX];
    struct text name = TEXT_OVER(room);
    (void)spf_macro_expand_name(STR("%{ir}.%{v}.arpa"), &spf->values, &name);
    spf_ask(spf, DNS_PTR, text_str(&name));
}

static void end_names(struct spf *spf) {
    spf->names_known = true;
    spf->state = spf->after_names;
}

void spf_names_step(struct spf *spf) {
    struct spf_names *names = &spf->names;
    if (spf->state == SPF_STATE_NAMES) {
        ask_names(spf);
    } else if (names->at == names->count) {
        end_names(spf);
    } else {
        spf_ask(spf, spf_address_type(spf), spf_name_str(&names->name[names->at]));
    }
}

static void take_names(struct spf *spf, const struct dns_answer *answer) {
    const size_t count = answer->count < SPF_PTR_MAX ? answer->count : SPF_PTR_MAX;
    for (size_t i = 0; i < count; i++) {
        if (spf_name_is_askable(answer->items[i])) {
            spf_name_set(&spf->names.name[spf->names.count++], answer->items[i]);
        }
    }
}

static bool has_client(const struct spf *spf, const struct dns_answer *answer) {
    const struct ip_address client = spf->query.client_address;
    const size_t bytes = ip_address_is_v4(client) ? 4 : 16;
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->items[i].length == bytes &&
            memcmp(answer->items[i].data, client.bytes + sizeof client.bytes - bytes, bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* An error of the DNS makes a name one that does not count, never a temperror: the client's
 * operator must not be able to choose the result for somebody else's domain. */
void spf_names_answer(struct spf *spf, const struct dns_answer *answer) {
    struct spf_names *names = &spf->names;
    const bool found = answer->status == DNS_FOUND;
    if (spf->state == SPF_STATE_NAMES) {
        if (found) {
            take_names(spf, answer);
        }
        spf->state = SPF_STATE_NAME;
        return;
    }
    if (found && has_client(spf, answer)) {
        /* Confirmed ones move to the front; the places before `at` are free. */
        names->name[spf->confirmed++] = names->name[names->at];
    }
    names->at++;
}
