/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics.h"

/* Decisions, requests and connections. */

static const char *const modes[] = {
    [POLICY_MODE_ENFORCE] = "enforce", [POLICY_MODE_SHADOW] = "shadow"};

static void tell_decision(const struct engine_counters *counters, unsigned policy, unsigned reason,
                          struct metrics_text *text) {
    for (unsigned mode = POLICY_MODE_ENFORCE; mode <= POLICY_MODE_SHADOW; mode++) {
        const struct counter *by_verdict = counters->decisions[mode][policy][reason];
        uint64_t counts[VERDICTS];
        for (unsigned v = 0; v < VERDICTS; v++) {
            counts[v] = counter_read(&by_verdict[v]);
        }
        counts[VERDICT_ACCEPT] += counts[VERDICT_NONE]; /* nobody objected */
        for (unsigned v = VERDICT_ACCEPT; v < VERDICTS; v++) {
            if (counts[v] > 0) {
                metrics_count(text, METRIC_DECISIONS, counts[v], "policy",
                              policy_info(policy)->name, "verdict", verdict_name((enum verdict)v),
                              "reason", reason_info(reason)->word, "mode", modes[mode], NULL);
            }
        }
    }
}

/* Series that never counted are left out, but for the first: so that the metric is always there. */
static void tell_decisions(const struct engine_counters *counters, struct metrics_text *text) {
    if (counter_read(
            &counters->decisions[POLICY_MODE_ENFORCE][POLICY_NONE][REASON_NONE][VERDICT_NONE]) ==
        0) {
        metrics_count(text, METRIC_DECISIONS, 0, "policy", policy_info(POLICY_NONE)->name,
                      "verdict", verdict_name(VERDICT_ACCEPT), "reason",
                      reason_info(REASON_NONE)->word, "mode", modes[POLICY_MODE_ENFORCE], NULL);
    }
    for (unsigned policy = POLICY_NONE; policy < POLICY_LIMIT; policy++) {
        for (unsigned reason = REASON_NONE; reason < REASON_LIMIT; reason++) {
            tell_decision(counters, policy, reason, text);
        }
    }
}

static void tell_verdicts(const struct engine_counters *counters, struct metrics_text *text) {
    for (unsigned policy = POLICY_NONE + 1; policy < POLICY_LIMIT; policy++) {
        for (unsigned v = 0; v < VERDICTS; v++) {
            const char *name = policy_info(policy)->name;
            const char *verdict = verdict_name((enum verdict)v);
            metrics_count(text, METRIC_POLICY_VERDICTS,
                          counter_read(&counters->policy_verdicts[policy][v]), "policy", name,
                          "verdict", verdict, "mode", modes[POLICY_MODE_ENFORCE], NULL);
            metrics_count(text, METRIC_POLICY_VERDICTS,
                          counter_read(&counters->shadow_verdicts[policy][v]), "policy", name,
                          "verdict", verdict, "mode", modes[POLICY_MODE_SHADOW], NULL);
        }
    }
}

static void tell_requests(struct control *control, struct metrics_text *text) {
    const struct engine_counters *counters = engine_counters(control->engine);
    const struct server_counters *server = server_counters(control->server);
    const struct latency *latencies[SERVER_WORKERS_MAX];
    metrics_count(text, METRIC_REQUESTS, counter_read(&counters->requests), "state", "RCPT", NULL);
    metrics_count(text, METRIC_REQUESTS, counter_read(&counters->other_states), "state", "other",
                  NULL);
    metrics_latency(text, METRIC_REQUEST_DURATION, latencies,
                    server_latencies(control->server, latencies));
    metrics_count(text, METRIC_REQUESTS_LATE, counter_read(&server->deadline), NULL);
    for (unsigned cause = 0; cause < POLICY_REQUEST_RESULTS; cause++) {
        const char *word = control_malformed_word(cause);
        if (word != NULL) {
            metrics_count(text, METRIC_REQUESTS_MALFORMED, counter_read(&server->malformed[cause]),
                          "cause", word, NULL);
        }
    }
    metrics_count(text, METRIC_FACTS_UNAVAILABLE, counter_read(&counters->facts_unavailable), NULL);
    metrics_count(text, METRIC_UNJOURNALED, counter_read(&counters->unjournaled), NULL);
}

static void tell_connections(struct control *control, struct metrics_text *text) {
    const struct server_counters *server = server_counters(control->server);
    metrics_count(text, METRIC_CONNECTIONS, server_connections(control->server), NULL);
    metrics_count(text, METRIC_CONNECTIONS_IDLE, server_idle_connections(control->server), NULL);
    metrics_count(text, METRIC_CONNECTIONS_ACCEPTED, counter_read(&server->connections_accepted),
                  NULL);
    metrics_count(text, METRIC_CONNECTIONS_CLOSED, counter_read(&server->connections_refused),
                  "what", "refused", NULL);
    metrics_count(text, METRIC_CONNECTIONS_CLOSED, counter_read(&server->connections_closed_idle),
                  "what", "closed-idle", NULL);
    metrics_count(text, METRIC_CONNECTIONS_CLOSED, counter_read(&server->accept_paused), "what",
                  "no-descriptors", NULL);
    metrics_count(text, METRIC_WORKERS, server_workers(control->server), NULL);
}

void metrics_tell_answers(struct control *control, struct metrics_text *text) {
    const struct engine_counters *counters = engine_counters(control->engine);
    tell_decisions(counters, text);
    tell_verdicts(counters, text);
    tell_requests(control, text);
    tell_connections(control, text);
}
