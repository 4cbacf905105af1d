/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* POST begins a replay, GET tells how far it is and what it found, DELETE ends it. */

enum { SAMPLES_DEFAULT = 5 };

/* --- what was found -----------------------------------------------------------------------------
 */

static json_t *outcome_json(struct replay_outcome outcome) {
    return json_pack("{s:s, s:s, s:s}", "verdict", decision_verdict_name(outcome.verdict), "policy",
                     policy_info(outcome.policy)->name, "reason",
                     reason_info(outcome.reason)->word);
}

static json_t *sample_json(const struct replay_sample *sample) {
    json_t *object = json_object();
    json_put(object, "sequence", json_sequence(sample->sequence));
    json_put(object, "time", json_time(sample->time_ns));
    json_put(object, "client_address",
             json_text((struct str){sample->client, sample->client_length}));
    json_put(object, "sender", json_text((struct str){sample->sender, sample->sender_length}));
    json_put(object, "recipient",
             json_text((struct str){sample->recipient, sample->recipient_length}));
    json_put(object, "today", outcome_json(sample->today));
    json_put(object, "proposed", outcome_json(sample->proposed));
    json_put(object, "reply", json_text((struct str){sample->reply, sample->reply_length}));
    return object;
}

static json_t *change_json(const struct replay_change *change) {
    json_t *samples = json_array();
    for (size_t i = 0; i < change->sample_count; i++) {
        (void)json_array_append_new(samples, sample_json(&change->samples[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "policy", policy_info(change->policy)->name,
                     "from", decision_verdict_name(change->from), "to",
                     decision_verdict_name(change->to), "count", json_count(change->count),
                     "samples", samples);
}

/* By policy: how many, and each kind of change with its samples. */
static json_t *policies_json(const struct replay_report *report) {
    enum { KINDS = REPLAY_VERDICTS * REPLAY_VERDICTS };
    json_t *policies = json_array();
    for (size_t policy = 0; policy < POLICY_LIMIT; policy++) {
        json_t *changes = json_array();
        uint64_t count = 0;
        for (size_t kind = 0; kind < KINDS; kind++) {
            const struct replay_change *change = &report->changes[policy * KINDS + kind];
            if (change->count > 0) {
                (void)json_array_append_new(changes, change_json(change));
                count += change->count;
            }
        }
        if (count == 0) {
            json_decref(changes);
            continue;
        }
        (void)json_array_append_new(
            policies, json_pack("{s:s, s:o, s:o}", "policy", policy_info((unsigned)policy)->name,
                                "changed", json_count(count), "changes", changes));
    }
    return policies;
}

static void put_progress(json_t *answer, const struct replay_status *status) {
    const struct replay_progress *progress = &status->progress;
    const struct replay_totals *totals = &progress->totals;
    const double seconds = (double)status->duration_ns / NS_PER_S;
    json_put(answer, "progress", json_real(status->part));
    json_put(answer, "duration", json_real(seconds));
    json_put(answer, "decisions_per_second",
             json_integer(seconds > 0 ? (json_int_t)((double)totals->decisions / seconds) : 0));
    json_put(answer, "decisions", json_count(totals->decisions));
    json_put(answer, "changed", json_count(totals->changed));
    json_put(answer, "other_reason", json_count(totals->reasons));
    json_put(answer, "settings_changed_since", json_count(totals->since_changed));
    json_put(answer, "not_comparable", json_count(totals->not_comparable));
    json_put(answer, "unreadable", json_count(totals->unreadable));
    json_put(answer, "facts_unknown", json_count(totals->facts_unknown));
    json_put(answer, "evicted", json_count(totals->evicted));
    json_put(answer, "damaged_files", json_count(progress->damaged_files));
    json_put(answer, "first", progress->first_ns > 0 ? json_time(progress->first_ns) : json_null());
    json_put(answer, "last", progress->last_ns > 0 ? json_time(progress->last_ns) : json_null());
}

static void write_status(void *context, const struct replay_status *status,
                         const struct replay_report *report, json_t *asked) {
    json_t *answer = context;
    json_put(answer, "state", json_text_from(replay_state_name(status->state)));
    if (status->state == REPLAY_NEVER) {
        return;
    }
    json_put(answer, "id", json_sequence(status->id));
    json_put(answer, "from", json_time(status->from_ns));
    json_put(answer, "to", json_time(status->to_ns));
    json_put(answer, "started", json_time(status->started_ns));
    json_put(answer, "proposal", json_incref(asked));
    put_progress(answer, status);
    if (status->state == REPLAY_FAILED) {
        json_put(answer, "problem", json_text_from(strerror(-status->error)));
    }
    if (report != NULL) {
        json_put(answer, "complete",
                 json_boolean(status->state == REPLAY_DONE && status->progress.complete));
        json_put(answer, "policies", policies_json(report));
    }
}

void control_get_replay(void *context, const struct http_request *request,
                        struct http_response *response) {
    (void)request;
    struct control *control = context;
    json_t *answer = json_object();
    replay_read(control->replay, write_status, answer);
    http_answer_json(response, 200, answer);
}

void control_delete_replay(void *context, const struct http_request *request,
                           struct http_response *response) {
    (void)request;
    struct control *control = context;
    if (replay_cancel(control->replay)) {
        http_answer_nothing(response);
    } else {
        http_answer_problem(response, 404, NULL, STR("No replay is running."));
    }
}

/* --- beginning one ------------------------------------------------------------------------------
 */

struct proposing {
    struct control *control;
    const struct replay_wishes *wishes;
    struct replay_proposal *proposal;
};

static int propose(void *context, const struct config_setting_change *changes, size_t count,
                   struct engine_problem *problem) {
    struct proposing *proposing = context;
    const struct replay_wishes *wishes = proposing->wishes;
    const struct replay_wish wish = {
        .settings = changes,
        .setting_count = count,
        .entries = wishes->entries,
        .entry_count = wishes->entry_count,
        .removed_entries = wishes->removed_entries,
        .removed_entry_count = wishes->removed_entry_count,
        .rules = wishes->rules,
        .rule_count = wishes->rule_count,
        .removed_rules = wishes->removed_rules,
        .removed_rule_count = wishes->removed_rule_count,
    };
    return replay_proposal_new(proposing->control->engine, &wish, &proposing->proposal, problem);
}

static void hide_secrets(json_t *settings) {
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting_info *info = &settings_table[i];
        if (setting_is_secret(info) && json_object_get(settings, info->key) != NULL) {
            json_put(settings, info->key, json_string(SETTING_HIDDEN));
        }
    }
}

/* Of the body, what was proposed: shown with the result. */
static json_t *proposal_of(const struct http_request *request) {
    static const char *const names[] = {"settings", "lists", "rules"};
    json_t *asked = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *value = json_object_get(request->json, names[i]);
        if (value != NULL) {
            json_put(asked, names[i], json_deep_copy(value));
        }
    }
    hide_secrets(json_object_get(asked, "settings"));
    return asked;
}

static bool read_number(const struct http_request *request, struct http_response *response,
                        const char *name, uint64_t min, uint64_t max, uint64_t *ret_number) {
    const json_t *value = json_object_get(request->json, name);
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    if (!json_is_integer(value) || json_integer_value(value) < (json_int_t)min ||
        (uint64_t)json_integer_value(value) > max) {
        http_answer_problemf(response, 400, name, "%s must be a whole number from %llu to %llu.",
                             name, (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *ret_number = (uint64_t)json_integer_value(value);
    return true;
}

static void begin(struct control *control, const struct http_request *request,
                  struct http_response *response, struct replay_request *wanted) {
    const struct generation *generation = engine_generation_acquire(control->engine);
    uint64_t id = 0;
    wanted->memory_bytes = (uint64_t)generation->settings->replay.memory_bytes;
    engine_generation_release(control->engine, generation);
    wanted->asked = proposal_of(request);
    const int error = replay_start(control->replay, wanted, &id);
    if (error == -EBUSY) {
        http_answer_problem(response, 409, NULL,
                            STR("A replay is running already; wait for it (GET /v1/replay) or end "
                                "it (DELETE /v1/replay, seczim replay cancel)."));
    } else if (error != 0) {
        http_answer_failed(response, "Beginning the replay", error);
    } else {
        http_answer_json(response, 202,
                         json_pack("{s:o, s:s}", "id", json_sequence(id), "state", "running"));
    }
}

static bool read_request(const struct http_request *request, struct http_response *response,
                         struct replay_request *wanted) {
    uint64_t samples = SAMPLES_DEFAULT;
    *wanted = (struct replay_request){.decisions_max = REPLAY_DECISIONS_MAX};
    if (!control_members(request, response, "from to last settings lists rules samples limit") ||
        !control_read_span(request, response, &wanted->from_ns, &wanted->to_ns) ||
        !read_number(request, response, "samples", 0, REPLAY_SAMPLES_MAX, &samples) ||
        !read_number(request, response, "limit", 1, REPLAY_DECISIONS_MAX, &wanted->decisions_max)) {
        return false;
    }
    wanted->samples_max = (size_t)samples;
    return true;
}

void control_post_replay(void *context, const struct http_request *request,
                         struct http_response *response) {
    struct control *control = context;
    struct replay_request wanted;
    const json_t *settings = json_object_get(request->json, "settings");
    if (!read_request(request, response, &wanted)) {
        return;
    }
    if (settings != NULL && !json_is_object(settings)) {
        http_answer_problem(response, 400, "settings",
                            STR("settings must be an object of keys and values."));
        return;
    }
    struct replay_wishes *wishes = calloc(1, sizeof *wishes);
    if (wishes == NULL) {
        http_answer_json(response, 200, NULL);
        return;
    }
    if (control_read_wishes(control, request, response, wishes)) {
        struct proposing proposing = {.control = control, .wishes = wishes};
        if (json_object_size(settings) + wishes->entry_count + wishes->removed_entry_count +
                wishes->rule_count + wishes->removed_rule_count ==
            0) {
            http_answer_problem(response, 400, NULL,
                                STR("Nothing is proposed; name settings, lists or rules."));
        } else if (control_with_change(settings, response, propose, &proposing)) {
            wanted.proposal = proposing.proposal;
            begin(control, request, response, &wanted);
        }
    }
    free(wishes);
}
