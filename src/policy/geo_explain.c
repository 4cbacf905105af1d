/* SPDX-License-Identifier: Apache-2.0 */
#include "base/country.h"
#include "policy/geo.h"

/* Country and autonomous system of a client, in words. */

static void explain_country(const struct facts *facts, bool *ret_found, struct text *out) {
    const struct str code = {facts->geo_country, sizeof facts->geo_country};
    const char *name = country_name(facts->geo_country);
    *ret_found = facts->geo_country[0] >= 'A';
    if (*ret_found) {
        text_add_escaped(out, code);
        text_add(out, name != NULL ? STR(" (") : STR(""));
        text_add(out, str_from(name));
        text_add(out, name != NULL ? STR(")") : STR(""));
    } else if (str_equal(code, STR(GEO_NO_DATABASE))) {
        text_add(out, STR("there is no database of countries"));
    } else {
        text_add(out, STR("not in the database"));
    }
}

bool geo_explain(const struct facts *facts, size_t i, const char **ret_what, bool *ret_found,
                 struct text *out) {
    if (i == 0 && facts->status[FACT_GEO] == FACT_UNAVAILABLE) {
        *ret_what = "country";
        *ret_found = false;
        text_add(out, STR("there is no database"));
        return true;
    }
    if (facts->status[FACT_GEO] != FACT_KNOWN || i > 1) {
        return false;
    }
    *ret_what = i == 0 ? "country" : "network";
    if (i == 0) {
        explain_country(facts, ret_found, out);
        return true;
    }
    *ret_found = facts->geo_asn != 0;
    if (*ret_found) {
        text_add(out, STR("AS"));
        text_add_u64(out, facts->geo_asn);
    }
    return *ret_found;
}
