/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/control_alerts.h"

static json_t *percent(uint64_t part, uint64_t whole) {
    if (whole == 0) {
        return json_null();
    }
    return json_real((double)(part * 1000 / whole) / 10.0);
}

static uint64_t malformed(const struct server_counters *counters) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < POLICY_REQUEST_RESULTS; i++) {
        sum += i == POLICY_REQUEST_OK ? 0 : counter_read(&counters->malformed[i]);
    }
    return sum;
}

static json_t *requests_json(struct control *control) {
    const struct engine_counters *engine = engine_counters(control->engine);
    const struct server_counters *server = server_counters(control->server);
    json_t *object = json_object();
    json_put(object, "total", json_count(counter_read(&engine->requests)));
    json_put(object, "accepted", json_count(counter_read(&engine->accepted)));
    json_put(object, "deferred", json_count(counter_read(&engine->deferred)));
    json_put(object, "rejected", json_count(counter_read(&engine->rejected)));
    json_put(object, "other", json_count(counter_read(&engine->other_states)));
    json_put(object, "malformed", json_count(malformed(server)));
    json_put(object, "deadline", json_count(counter_read(&server->deadline)));
    json_put(object, "unjournaled", json_count(counter_read(&engine->unjournaled)));
    return object;
}

static json_t *error_json(int error) {
    return error == 0 ? json_null() : json_string(strerror(error));
}

static json_t *journal_json(const struct journal_stats *stats, const struct settings *settings) {
    json_t *object = json_object();
    json_put(object, "durability",
             json_string(settings->journal.durability == JOURNAL_STRICT ? "strict" : "relaxed"));
    json_put(object, "next_sequence", json_sequence(stats->next_sequence));
    json_put(object, "moved_sequence", json_sequence(stats->moved_sequence));
    json_put(object, "synced_sequence", json_sequence(stats->synced_sequence));
    json_put(object, "ring_used_bytes", json_count(stats->ring_used_bytes));
    json_put(object, "ring_bytes", json_count(stats->ring_bytes));
    json_put(object, "segments", json_count(stats->segments));
    json_put(object, "segment_bytes_total", json_count(stats->segment_bytes_total));
    json_put(object, "records_skipped", json_count(stats->records_skipped));
    json_put(object, "damaged_records", json_count(stats->damaged_records));
    json_put(object, "write_errors", json_count(stats->write_errors));
    json_put(object, "gaps", json_count(stats->gaps));
    json_put(object, "last_error", error_json(stats->last_error));
    return object;
}

static json_t *snapshot_json(const struct snapshot_stats *stats) {
    json_t *object = json_object();
    json_put(object, "taken", json_count(stats->taken));
    json_put(object, "failed", json_count(stats->failed));
    json_put(object, "last",
             stats->last_wall_ns == 0 ? json_null() : json_time(stats->last_wall_ns));
    json_put(object, "last_bytes", json_count(stats->last_bytes));
    json_put(object, "last_duration_ms", json_integer(stats->last_duration_ns / NS_PER_MS));
    json_put(object, "last_error", error_json(stats->last_error));
    return object;
}

static json_t *recorder_json(const struct recorder_stats *stats) {
    json_t *object = json_object();
    json_put(object, "position", json_sequence(stats->position));
    json_put(object, "rows", json_count(stats->rows));
    json_put(object, "folded", json_count(stats->folded));
    json_put(object, "dropped", json_count(stats->dropped));
    json_put(object, "errors", json_count(stats->errors));
    json_put(object, "behind", json_boolean(stats->behind));
    json_put(object, "last_error", error_json(stats->last_error));
    return object;
}

static json_t *tables_json(const struct engine_status *status) {
    json_t *object = json_object();
    for (unsigned t = 0; t < STATE_TABLES; t++) {
        json_put(object, state_table_name((enum state_table_id)t),
                 json_pack("{s:o, s:o, s:o, s:o}", "entries", json_count(status->tables[t].used),
                           "capacity", json_count(status->tables[t].capacity), "evicted",
                           json_count(status->tables[t].evicted), "bytes",
                           json_count(status->tables[t].bytes)));
    }
    return object;
}

static json_t *lists_json(const struct engine_status *status) {
    json_t *object = json_object();
    for (unsigned l = 0; l < LISTS; l++) {
        json_put(object, list_name((enum list_id)l), json_count(status->list_counts[l]));
    }
    return object;
}

static json_t *settings_json(struct control *control, uint64_t version) {
    json_t *pending = json_array();
    for (size_t i = 0; i < settings_count; i++) {
        if (engine_setting_pending(control->engine, &settings_table[i])) {
            (void)json_array_append_new(pending, json_text_from(settings_table[i].key));
        }
    }
    return json_pack("{s:o, s:o}", "version", json_count(version), "pending_restart", pending);
}

static json_t *listen_json(struct control *control) {
    json_t *addresses = json_array();
    const char *address;
    for (size_t i = 0; (address = server_listen_address(control->server, i)) != NULL; i++) {
        (void)json_array_append_new(addresses, json_text_from(address));
    }
    return addresses;
}

json_t *control_all_alerts(struct control *control, const struct engine_status *status,
                           const struct settings *settings) {
    struct geo_keeper_status geo;
    json_t *alerts = control_alerts(status, settings);
    control_rbl_alerts(alerts, server_rbl_guard(control->server), settings);
    geo_keeper_status(server_geo_keeper(control->server), &geo);
    control_geo_alerts(alerts, &geo, settings, clock_wall_ns());
    return alerts;
}

void control_get_status(void *context, const struct http_request *request,
                        struct http_response *response) {
    (void)request;
    struct control *control = context;
    const struct engine_counters *counters = engine_counters(control->engine);
    struct engine_status status;
    engine_status(control->engine, &status);
    const struct generation *generation = engine_generation_acquire(control->engine);
    json_t *answer = json_object();
    json_put(answer, "version", json_string(SECZIM_VERSION));
    json_put(answer, "pid", json_integer(getpid()));
    json_put(answer, "started", json_time(status.started_wall_ns));
    json_put(answer, "uptime", json_integer(status.uptime_ns / NS_PER_S));
    json_put(answer, "ready", json_true());
    json_put(answer, "listen", listen_json(control));
    json_put(answer, "workers", json_count(server_workers(control->server)));
    json_put(answer, "connections", json_count(server_connections(control->server)));
    json_put(answer, "idle_connections", json_count(server_idle_connections(control->server)));
    json_put(answer, "requests", requests_json(control));
    json_put(answer, "acceptance_rate",
             percent(counter_read(&counters->accepted), counter_read(&counters->requests)));
    json_put(answer, "clock", control_clock_json(control));
    json_put(answer, "journal", journal_json(&status.journal, generation->settings));
    json_put(answer, "snapshot", snapshot_json(&status.snapshot));
    json_put(answer, "recorder", recorder_json(&status.recorder));
    json_put(answer, "tables", tables_json(&status));
    json_put(answer, "lists", lists_json(&status));
    json_put(answer, "settings", settings_json(control, generation->version));
    json_put(answer, "alerts", control_all_alerts(control, &status, generation->settings));
    engine_generation_release(control->engine, generation);
    http_answer_json(response, 200, answer);
}

/* --- GET /v1/counters --- */

static void put_count(json_t *object, const char *first, const char *second, const char *third,
                      uint64_t value) {
    char name[128];
    (void)snprintf(name, sizeof name, "%s%s%s%s%s", first, second[0] == '\0' ? "" : ".", second,
                   third[0] == '\0' ? "" : ".", third);
    json_put(object, name, json_count(value));
}

static void put_policy_counts(json_t *object, const struct engine_counters *counters) {
    for (unsigned p = POLICY_NONE + 1; p < POLICY_LIMIT; p++) {
        for (unsigned v = 0; v < VERDICTS; v++) {
            const char *policy = policy_info(p)->name;
            const char *verdict = verdict_name((enum verdict)v);
            put_count(object, "policy", policy, verdict,
                      counter_read(&counters->policy_verdicts[p][v]));
            if (v != VERDICT_NONE) {
                put_count(object, "shadow", policy, verdict,
                          counter_read(&counters->shadow_verdicts[p][v]));
            }
        }
    }
    for (unsigned r = REASON_NONE + 1; r < REASON_LIMIT; r++) {
        put_count(object, "reason", reason_info(r)->word, "", counter_read(&counters->reasons[r]));
    }
}

const char *control_malformed_word(unsigned result) {
    static const char *const words[POLICY_REQUEST_RESULTS] = {
        [POLICY_REQUEST_MORE] = "incomplete",
        [POLICY_REQUEST_TOO_LONG] = "too-long",
        [POLICY_REQUEST_TOO_MANY_ATTRIBUTES] = "too-many-attributes",
        [POLICY_REQUEST_VALUE_TOO_LONG] = "value-too-long",
        [POLICY_REQUEST_NO_EQUALS] = "no-equals",
        [POLICY_REQUEST_NUL] = "nul",
        [POLICY_REQUEST_NOT_A_REQUEST] = "not-a-request",
    };
    return words[result];
}

static void put_server_counts(json_t *object, struct control *control) {
    const struct server_counters *server = server_counters(control->server);
    const struct http_server_counters *http = http_server_counters(control->http);
    put_count(object, "connections", "", "", server_connections(control->server));
    put_count(object, "connections", "idle", "", server_idle_connections(control->server));
    put_count(object, "connections", "accepted", "", counter_read(&server->connections_accepted));
    put_count(object, "connections", "refused", "", counter_read(&server->connections_refused));
    put_count(object, "connections", "closed-idle", "",
              counter_read(&server->connections_closed_idle));
    put_count(object, "connections", "accept-paused", "", counter_read(&server->accept_paused));
    put_count(object, "requests", "deadline", "", counter_read(&server->deadline));
    for (unsigned i = 0; i < POLICY_REQUEST_RESULTS; i++) {
        if (control_malformed_word(i) != NULL) {
            put_count(object, "malformed", control_malformed_word(i), "",
                      counter_read(&server->malformed[i]));
        }
    }
    put_count(object, "control", "requests", "", counter_read(&http->requests));
    put_count(object, "control", "refused-peer", "", counter_read(&http->refused_peer));
    put_count(object, "control", "crowded", "", counter_read(&http->crowded));
    put_count(object, "control", "refused-guard", "", counter_read(&http->refused_guard));
    put_count(object, "control", "deadline", "", counter_read(&http->deadline));
    put_count(object, "control", "bodies-too-large", "", counter_read(&http->bodies_too_large));
    put_count(object, "control", "followers", "", atomic_load(&control->followers));
}

static void put_engine_gauges(json_t *object, const struct engine_status *status) {
    for (unsigned t = 0; t < STATE_TABLES; t++) {
        const char *name = state_table_name((enum state_table_id)t);
        put_count(object, "table", name, "entries", status->tables[t].used);
        put_count(object, "table", name, "capacity", status->tables[t].capacity);
        put_count(object, "table", name, "evicted", status->tables[t].evicted);
        put_count(object, "table", name, "bytes", status->tables[t].bytes);
    }
    for (unsigned l = 0; l < LISTS; l++) {
        put_count(object, "list", list_name((enum list_id)l), "", status->list_counts[l]);
    }
    put_count(object, "journal", "ring-used-bytes", "", status->journal.ring_used_bytes);
    put_count(object, "journal", "segments", "", status->journal.segments);
    put_count(object, "journal", "segment-bytes", "", status->journal.segment_bytes_total);
    put_count(object, "journal", "records-skipped", "", status->journal.records_skipped);
    put_count(object, "journal", "write-errors", "", status->journal.write_errors);
    put_count(object, "journal", "gaps", "", status->journal.gaps);
    put_count(object, "snapshot", "taken", "", status->snapshot.taken);
    put_count(object, "snapshot", "failed", "", status->snapshot.failed);
    put_count(object, "recorder", "rows", "", status->recorder.rows);
    put_count(object, "recorder", "folded", "", status->recorder.folded);
    put_count(object, "recorder", "dropped", "", status->recorder.dropped);
    put_count(object, "recorder", "errors", "", status->recorder.errors);
    put_count(object, "damaged-at-start", "", "", status->damaged_at_start);
    put_count(object, "log", "dropped", "", log_dropped());
}

void control_get_counters(void *context, const struct http_request *request,
                          struct http_response *response) {
    (void)request;
    struct control *control = context;
    const struct engine_counters *counters = engine_counters(control->engine);
    struct engine_status status;
    engine_status(control->engine, &status);
    json_t *answer = json_object();
    put_count(answer, "requests", "", "", counter_read(&counters->requests));
    put_count(answer, "requests", "accepted", "", counter_read(&counters->accepted));
    put_count(answer, "requests", "deferred", "", counter_read(&counters->deferred));
    put_count(answer, "requests", "rejected", "", counter_read(&counters->rejected));
    put_count(answer, "requests", "other", "", counter_read(&counters->other_states));
    put_count(answer, "requests", "unjournaled", "", counter_read(&counters->unjournaled));
    put_count(answer, "facts", "unavailable", "", counter_read(&counters->facts_unavailable));
    put_policy_counts(answer, counters);
    put_server_counts(answer, control);
    put_engine_gauges(answer, &status);
    http_answer_json(response, 200, answer);
}
