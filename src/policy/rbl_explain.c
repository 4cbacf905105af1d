/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decision_explain.h"
#include "policy/explain_parts.h"
#include "policy/geo.h"
#include "policy/rbl.h"

/* What block lists said, in words. */

const struct rbl_list_settings *rbl_list_of(const struct rbl_settings *settings, uint8_t number) {
    for (size_t i = 0; i < settings->list_count; i++) {
        if (settings->lists[i].number == number) {
            return &settings->lists[i];
        }
    }
    return NULL;
}

/* Lists that the settings no longer have are told by their number, and that they count nothing. */
static void add_name(const struct rbl_list_settings *list, uint8_t number, struct text *out) {
    const struct dnsbl_info *info = dnsbl_of_number(number);
    if (list != NULL) {
        text_add_escaped(out, list->name);
    } else if (info != NULL) {
        text_add(out, str_from(info->name));
    } else {
        text_add(out, STR("own list "));
        text_add_u64(out, number >= DNSBL_OWN_FIRST ? number - (uint64_t)DNSBL_OWN_FIRST + 1 : 0);
    }
}

static void add_code(const unsigned char code[4], struct text *out) {
    const char *meaning = dnsbl_error_text(code);
    for (size_t i = 0; i < 4; i++) {
        text_add(out, i > 0 ? STR(".") : STR(""));
        text_add_u64(out, code[i]);
    }
    if (meaning != NULL) {
        text_add(out, STR(", "));
        text_add(out, str_from(meaning));
    }
}

void rbl_explain(const struct rbl_settings *settings, const struct rbl_answer *answer,
                 struct text *out) {
    const struct rbl_list_settings *list = rbl_list_of(settings, answer->list);
    add_name(list, answer->list, out);
    text_add(out, STR(": "));
    text_add(out, str_from(dnsbl_status_name(answer->status)));
    if (answer->code[0] != 0) {
        text_add(out, STR(", "));
        add_code(answer->code, out);
    }
    if (answer->status == DNSBL_OUT) {
        text_add(out, STR(" of use until it recovers, so not asked"));
    } else if (answer->status == DNSBL_LISTED && list == NULL) {
        text_add(out, STR(", which counts nothing: the list is off"));
    } else if (answer->status == DNSBL_LISTED) {
        text_add(out, STR(", weight "));
        text_add_u64(out, (uint64_t)list->weight);
        text_add(out, STR(" of "));
        text_add_u64(out, (uint64_t)settings->threshold);
    }
}

bool decision_explain_fact(const struct policy_settings *settings, const struct facts *facts,
                           enum policy_id policy, size_t i, const char **ret_what, bool *ret_found,
                           struct text *out) {
    if (policy == POLICY_SPF) {
        return explain_spf_fact(facts, i, ret_what, ret_found, out);
    }
    if (policy == POLICY_GEO) {
        return geo_explain(facts, i, ret_what, ret_found, out);
    }
    if (policy != POLICY_RBL || facts->status[FACT_RBL] != FACT_KNOWN || i >= facts->rbl_count) {
        return false;
    }
    *ret_what = "block list";
    *ret_found = facts->rbl[i].status == DNSBL_LISTED;
    rbl_explain(&settings->rbl, &facts->rbl[i], out);
    return true;
}
