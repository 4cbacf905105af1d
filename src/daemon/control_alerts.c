/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_alerts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "policy/geo.h"

__attribute__((format(printf, 4, 5))) static void add(json_t *alerts, const char *severity,
                                                      const char *type, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)json_array_append_new(alerts, json_pack("{s:s, s:s, s:o}", "severity", severity, "type",
                                                  type, "text", json_text_from(text)));
}

static void clock_alerts(json_t *alerts, const struct engine_status *status) {
    const long long offset_s = (status->wall_ns - status->clock.now_ns) / NS_PER_S;
    if (status->clock.stepped) {
        add(alerts, "warning", "clock.stepped",
            "The system's clock is %lld s %s decision time, which does not follow jumps. When the "
            "system's clock is right: seczim clock accept.",
            offset_s < 0 ? -offset_s : offset_s, offset_s < 0 ? "behind" : "ahead of");
    }
    if (status->clock.gap) {
        add(alerts, "warning", "clock.gap",
            "At start the clock was more than 30 days after the last record; it counts as one "
            "day. When the clock is right: seczim clock accept.");
    }
}

static void journal_alerts(json_t *alerts, const struct journal_stats *journal) {
    if (journal->last_error != 0) {
        add(alerts, "critical", "journal.error",
            "The journal cannot be written: %s. Answers go on out of memory until the ring is "
            "full (%llu of %llu bytes are used).",
            strerror(journal->last_error), (unsigned long long)journal->ring_used_bytes,
            (unsigned long long)journal->ring_bytes);
    }
    if (journal->records_skipped > 0) {
        add(alerts, "critical", "journal.full",
            "%llu decisions were made while the journal had no space, and are not in it.",
            (unsigned long long)journal->records_skipped);
    } else if (journal->ring_used_bytes > journal->ring_bytes / 2) {
        add(alerts, "warning", "journal.behind",
            "The disk is slower than the decisions: %llu of %llu bytes of the ring wait for it.",
            (unsigned long long)journal->ring_used_bytes, (unsigned long long)journal->ring_bytes);
    }
}

static void recorder_alerts(json_t *alerts, const struct engine_status *status) {
    const struct recorder_stats *recorder = &status->recorder;
    if (recorder->dropped > 0) {
        add(alerts, "critical", "history.stopped",
            "%llu decisions are not in history, because space was low "
            "(history.min_free_bytes). Free space on the disk.",
            (unsigned long long)recorder->dropped);
    }
    if (recorder->last_error != 0) {
        add(alerts, "critical", "history.error", "History cannot be written: %s.",
            strerror(recorder->last_error));
    }
    if (recorder->behind) {
        add(alerts, "warning", "history.behind",
            "History is so far behind that repeated refusals become one counted row "
            "(journal.max_backlog).");
    }
}

static void state_alerts(json_t *alerts, const struct engine_status *status) {
    for (unsigned t = 0; t < STATE_TABLES; t++) {
        if (status->tables[t].evicted > 0) {
            add(alerts, "warning", "state.evicted",
                "%llu living entries of the table %s had to go at its capacity of %llu. Raise "
                "state.%s_capacity.",
                (unsigned long long)status->tables[t].evicted,
                state_table_name((enum state_table_id)t),
                (unsigned long long)status->tables[t].capacity,
                state_table_name((enum state_table_id)t));
        }
    }
    if (status->damaged_at_start > 0) {
        add(alerts, "critical", "state.damaged",
            "At start %llu journal records or parts of the snapshot were damaged and left out.",
            (unsigned long long)status->damaged_at_start);
    }
    if (status->snapshot.last_error != 0) {
        add(alerts, "warning", "snapshot.failed",
            "The last snapshot failed: %s. The next start will take longer.",
            strerror(status->snapshot.last_error));
    }
}

/* A warning comes at twice the space at which history stops. */
static void disk_alerts(json_t *alerts, const struct settings *settings) {
    char buffer[4096];
    struct text path = TEXT_OVER(buffer);
    text_add(&path, settings->paths.data);
    struct statvfs disk;
    if (path.length >= path.size || statvfs(text_zero(&path), &disk) != 0) {
        return;
    }
    const uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    const uint64_t least_bytes = (uint64_t)settings->history.min_free_bytes;
    if (free_bytes < 2 * least_bytes) {
        add(alerts, free_bytes < least_bytes ? "critical" : "warning", "disk.low",
            "%llu MiB are free in %s; history stops below %llu MiB (history.min_free_bytes).",
            (unsigned long long)(free_bytes >> 20), buffer,
            (unsigned long long)(least_bytes >> 20));
    }
}

static void setting_alerts(json_t *alerts, const struct settings *settings) {
    char bytes[512];
    struct text warning = TEXT_OVER(bytes);
    for (size_t i = 0; settings_warning(settings, i, &warning); i++) {
        add(alerts, "warning", "settings.unwise", "%.*s.", STR_ARGS(text_str(&warning)));
        warning = TEXT_OVER(bytes);
    }
}

json_t *control_alerts(const struct engine_status *status, const struct settings *settings) {
    json_t *alerts = json_array();
    clock_alerts(alerts, status);
    journal_alerts(alerts, &status->journal);
    recorder_alerts(alerts, status);
    state_alerts(alerts, status);
    disk_alerts(alerts, settings);
    setting_alerts(alerts, settings);
    return alerts;
}

void control_rbl_alerts(json_t *alerts, struct rbl_guard *guard, const struct settings *settings) {
    struct rbl_guard_list lists[DNSBL_LISTS_MAX];
    char bytes[512];
    const size_t count = rbl_guard_lists(guard, lists);
    for (size_t i = 0; i < count; i++) {
        struct rbl_list_settings list;
        struct text text = TEXT_OVER(bytes);
        if (lists[i].health.state != RBL_HEALTH_OUT ||
            !settings_rbl_list(settings, lists[i].number, &list)) {
            continue;
        }
        rbl_health_explain(&lists[i].health, &text);
        add(alerts, "warning", "rbl.out", "%.*s is not asked: %.*s.", STR_ARGS(list.name),
            STR_ARGS(text_str(&text)));
    }
    if (rbl_guard_no_server(guard)) {
        add(alerts, "critical", "dns.no-server",
            "/etc/resolv.conf names no DNS server, so no block list and no SPF record can be asked "
            "for. Install a resolver, such as unbound, or name one in dns.servers.");
    }
    struct text resolver = TEXT_OVER(bytes);
    if (rbl_guard_public_resolver(guard, &resolver)) {
        add(alerts, "warning", "rbl.public-resolver",
            "The DNS server %.*s is a public resolver, which block lists refuse. Install a "
            "resolver of your own and name it in dns.servers.",
            STR_ARGS(text_str(&resolver)));
    }
}

/* --- countries ----------------------------------------------------------------------------------
 */

static void geo_file_alerts(json_t *alerts, const struct geo_keeper_file *file, bool has_rules,
                            int64_t now_ns) {
    const int64_t age_days = (now_ns / NS_PER_S - file->info.built_s) / 86400;
    if (file->problem[0] != '\0') {
        add(alerts, "warning", "geo.file-refused", "%s%s.", file->problem,
            file->open ? " The database before it stays in use" : "");
    } else if (file->open && has_rules && age_days > GEO_OLD_DAYS) {
        add(alerts, "warning", "geo.database-old",
            "The database %s is %lld days old. Fetch it anew: seczim geo update", file->path,
            (long long)age_days);
    }
}

void control_geo_alerts(json_t *alerts, const struct geo_keeper_status *status,
                        const struct settings *settings, int64_t now_ns) {
    const bool has_rules = geo_wants_fact(&settings->policy, DIRECTION_INBOUND) ||
                           geo_wants_fact(&settings->policy, DIRECTION_OUTBOUND);
    if (has_rules && !status->country.open && !status->asn.open) {
        add(alerts, "warning", "geo.no-database",
            "Rules for countries or networks are given and there is no database: the policy geo "
            "abstains. Fetch one: seczim geo update");
    }
    geo_file_alerts(alerts, &status->country, has_rules, now_ns);
    geo_file_alerts(alerts, &status->asn, has_rules, now_ns);
}
