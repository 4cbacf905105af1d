/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "daemon/fetch.h"
#include "daemon/geo_keeper.h"
#include "daemon/metrics.h"
#include "daemon/rbl_guard.h"
#include "net/dns.h"

/* The DNS, block lists, databases of countries. */

static void tell_dns(struct control *control, struct metrics_text *text) {
    struct dns_stats dns;
    struct fetch_spf_counts spf;
    server_dns_stats(control->server, &dns);
    server_spf_counts(control->server, &spf);
    const struct {
        enum metric metric;
        const char *label;
        const char *value;
        uint64_t count;
    } rows[] = {
        {METRIC_DNS_QUESTIONS, "from", "cache", dns.cache_hits},
        {METRIC_DNS_QUESTIONS, "from", "open-question", dns.coalesced},
        {METRIC_DNS_QUESTIONS, "from", "network", dns.sent},
        {METRIC_DNS_QUESTIONS, "from", "none-breaker-open", dns.broken},
        {METRIC_DNS_QUESTIONS, "from", "none-too-many", dns.refused},
        {METRIC_DNS_ANSWERS, "result", "found", dns.found},
        {METRIC_DNS_ANSWERS, "result", "no-data", dns.no_data},
        {METRIC_DNS_ANSWERS, "result", "no-name", dns.no_name},
        {METRIC_DNS_ANSWERS, "result", "failed", dns.failed},
        {METRIC_DNS_ANSWERS, "result", "timed-out", dns.timed_out},
        {METRIC_DNS_BREAKER_OPENS, NULL, NULL, dns.breaker_opens},
        {METRIC_DNS_OPEN, NULL, NULL, dns.open},
        {METRIC_DNS_CACHE_ENTRIES, NULL, NULL, dns.cache_entries},
        {METRIC_DNS_CACHE_BYTES, NULL, NULL, dns.cache_bytes},
        {METRIC_DNS_CACHE_EVICTED, NULL, NULL, dns.cache_evicted},
        {METRIC_SPF_RESULTS, "from", "kept", spf.kept},
        {METRIC_SPF_RESULTS, "from", "evaluation", spf.evaluated},
        {METRIC_SPF_EVICTED, NULL, NULL, spf.evicted},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        metrics_count(text, rows[i].metric, rows[i].count, rows[i].label, rows[i].value, NULL);
    }
}

/* The word of a known list; the name of an own one, which the administrator gave. */
static const char *list_label(const struct settings *settings, uint8_t number, struct text *out) {
    struct rbl_list_settings list;
    const struct dnsbl_info *info = dnsbl_of_number(number);
    if (info != NULL) {
        return info->word;
    }
    text_add(out, settings_rbl_list(settings, number, &list) ? list.name : STR("unknown"));
    return text_zero(out);
}

static void tell_answers_of(const struct rbl_health *health, const char *list,
                            struct metrics_text *text) {
    const struct {
        const char *result;
        uint64_t count;
    } rows[] = {{"listed", health->listed},
                {"not-listed", health->not_listed},
                {"failed", health->failed},
                {"timed-out", health->timed_out}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        metrics_count(text, METRIC_RBL_ANSWERS, rows[i].count, "list", list, "result",
                      rows[i].result, NULL);
    }
}

static void tell_list(enum metric metric, const struct rbl_health *health, const char *list,
                      struct metrics_text *text) {
    if (metric == METRIC_RBL_ANSWERS) {
        tell_answers_of(health, list, text);
    } else if (metric == METRIC_RBL_OUT) {
        metrics_count(text, metric, health->state == RBL_HEALTH_OUT, "list", list, NULL);
    } else if (metric == METRIC_RBL_TIMES_OUT) {
        metrics_count(text, metric, health->times_out, "list", list, NULL);
    } else {
        metrics_seconds(text, metric, health->latency_mean_us * NS_PER_US, "list", list, NULL);
    }
}

static void tell_lists(struct control *control, const struct settings *settings,
                       struct metrics_text *text) {
    struct rbl_guard_list lists[DNSBL_LISTS_MAX];
    const size_t count = rbl_guard_lists(server_rbl_guard(control->server), lists);
    for (unsigned metric = METRIC_RBL_ANSWERS; metric <= METRIC_RBL_LATENCY; metric++) {
        for (size_t i = 0; i < count; i++) {
            char bytes[128];
            struct text name = TEXT_OVER(bytes);
            tell_list((enum metric)metric, &lists[i].health,
                      list_label(settings, lists[i].number, &name), text);
        }
    }
}

static void tell_geo(struct control *control, struct metrics_text *text) {
    struct geo_keeper_status geo;
    geo_keeper_status(server_geo_keeper(control->server), &geo);
    const struct {
        const char *name;
        const struct geo_keeper_file *file;
    } files[] = {{"country", &geo.country}, {"asn", &geo.asn}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i].file->open) {
            metrics_seconds(text, METRIC_GEO_BUILT, files[i].file->info.built_s * NS_PER_S,
                            "database", files[i].name, NULL);
        }
    }
    metrics_count(text, METRIC_GEO_LOOKUPS, geo.lookups, NULL);
}

void metrics_tell_network(struct control *control, const struct settings *settings,
                          struct metrics_text *text) {
    tell_dns(control, text);
    tell_lists(control, settings, text);
    tell_geo(control, text);
}
