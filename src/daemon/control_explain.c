/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rfc3339.h"
#include "daemon/control_api.h"
#include "daemon/fetch_wait.h"
#include "policy/decision_explain.h"

enum { WORDS_MAX = 1024 };

static json_t *words(const struct text *text) {
    return json_text(text_str(text));
}

/* --- a decision as JSON ------------------------------------------------------------------------
 */

static json_t *reads_json(const struct decision *decision, enum policy_id policy, uint32_t now_s) {
    json_t *reads = json_array();
    for (size_t i = 0; i < decision->read_count; i++) {
        const struct read *read = &decision->reads[i];
        if (read->policy != policy) {
            continue;
        }
        char buffer[WORDS_MAX];
        struct text text = TEXT_OVER(buffer);
        decision_explain_read(decision, read, now_s, &text);
        const bool found = read->kind != READ_ENTRY_ABSENT && read->kind != READ_LIST_ABSENT;
        (void)json_array_append_new(reads, json_pack("{s:o, s:b, s:o}", "what",
                                                     json_text_from(decision_read_name(read)),
                                                     "found", found, "text", words(&text)));
    }
    return reads;
}

/* What the facts said that the policy goes by. */
static void add_facts(json_t *reads, const struct policy_settings *settings,
                      const struct facts *facts, enum policy_id policy) {
    char buffer[WORDS_MAX];
    const char *what = NULL;
    bool found = false;
    struct text text = TEXT_OVER(buffer);
    for (size_t i = 0; decision_explain_fact(settings, facts, policy, i, &what, &found, &text);
         i++) {
        (void)json_array_append_new(reads, json_pack("{s:s, s:b, s:o}", "what", what, "found",
                                                     found, "text", words(&text)));
        text = TEXT_OVER(buffer);
    }
}

static json_t *steps_json(const struct decision *decision, const struct facts *facts,
                          const struct policy_settings *settings, uint32_t now_s) {
    json_t *steps = json_array();
    for (size_t i = 0; i < decision->step_count; i++) {
        const struct decision_step *step = &decision->steps[i];
        const struct reason_info *reason = reason_info(step->reason);
        json_t *object = json_object();
        json_put(object, "policy", json_text_from(policy_info(step->policy)->name));
        json_put(object, "priority", json_integer(settings->policies[step->policy].priority));
        json_put(object, "mode",
                 json_text_from(step->mode == POLICY_MODE_SHADOW ? "shadow" : "enforce"));
        json_put(object, "ran", json_boolean(!step->skipped));
        json_put(object, "verdict", json_text_from(verdict_name(step->verdict)));
        json_put(object, "reason", json_text_from(reason->word));
        json_put(object, "sentence",
                 json_text_from(step->reason == REASON_NONE ? "" : reason->sentence));
        json_t *reads = reads_json(decision, step->policy, now_s);
        if (!step->skipped) {
            add_facts(reads, settings, facts, step->policy);
        }
        json_put(object, "read", reads);
        (void)json_array_append_new(steps, object);
    }
    return steps;
}

static json_t *effects_json(const struct decision *decision, uint32_t now_s) {
    json_t *effects = json_array();
    for (size_t i = 0; i < decision->effect_count; i++) {
        char buffer[WORDS_MAX];
        struct text text = TEXT_OVER(buffer);
        decision_explain_effect(&decision->effects[i], now_s, &text);
        (void)json_array_append_new(
            effects, json_pack("{s:o, s:o}", "what",
                               json_text_from(decision_effect_name(&decision->effects[i])), "text",
                               words(&text)));
    }
    return effects;
}

static json_t *decision_json(const struct decision *decision, const struct facts *facts,
                             const struct policy_settings *settings, struct str identity,
                             uint64_t generation, int64_t now_ns) {
    const struct reason_info *reason = reason_info(decision->reason);
    const uint32_t now_s = (uint32_t)(now_ns / NS_PER_S);
    json_t *answer = json_object();
    json_put(answer, "verdict", json_text_from(decision_verdict_name(decision->verdict)));
    json_put(answer, "policy", json_text_from(policy_info(decision->policy)->name));
    json_put(answer, "reason", json_text_from(reason->word));
    json_put(answer, "sentence", json_text_from(reason->sentence));
    json_put(answer, "advice", json_text_from(reason->advice));
    json_put(answer, "rule", json_text((struct str){decision->rule, decision->rule_length}));
    json_put(answer, "reply", json_text((struct str){decision->reply, decision->reply_length}));
    json_put(answer, "direction", json_text_from(direction_name(decision->direction)));
    json_put(answer, "identity", json_text(identity));
    json_put(answer, "generation", json_count(generation));
    json_put(answer, "time", json_time(now_ns));
    json_put(answer, "steps", steps_json(decision, facts, settings, now_s));
    json_put(answer, "effects", effects_json(decision, now_s));
    return answer;
}

/* --- a request given by hand -------------------------------------------------------------------
 */

static bool read_size(const struct http_request *request, struct http_response *response,
                      uint64_t *ret_size) {
    const json_t *size = json_object_get(request->json, "size");
    *ret_size = 0;
    if (size == NULL || json_is_null(size)) {
        return true;
    }
    if (!json_is_integer(size) || json_integer_value(size) < 0) {
        http_answer_problem(response, 400, "size", STR("size must be a number of bytes."));
        return false;
    }
    *ret_size = (uint64_t)json_integer_value(size);
    return true;
}

static bool read_at(const struct http_request *request, struct http_response *response,
                    int64_t *ret_at_ns) {
    struct str at;
    *ret_at_ns = 0;
    if (!control_text(request, response, "at", &at)) {
        return false;
    }
    if (at.data != NULL && !rfc3339_parse(at, ret_at_ns)) {
        http_answer_problem(response, 400, "at",
                            STR("at must be a time such as 2024-12-04T10:23:45Z."));
        return false;
    }
    return true;
}

static bool read_mail(const struct http_request *request, struct http_response *response,
                      struct policy_request *mail) {
    struct {
        const char *name;
        struct str *value;
    } texts[] = {
        {"client_address", &mail->client_address_text},
        {"client_name", &mail->client_name},
        {"reverse_client_name", &mail->reverse_client_name},
        {"helo_name", &mail->helo_name},
        {"sender", &mail->sender},
        {"recipient", &mail->recipient},
        {"sasl_username", &mail->sasl_username},
        {"sasl_method", &mail->sasl_method},
        {"sasl_sender", &mail->sasl_sender},
        {"queue_id", &mail->queue_id},
        {"instance", &mail->instance},
        {"policy_context", &mail->policy_context},
    };
    *mail = (struct policy_request){.state = PROTOCOL_STATE_RCPT};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!control_text(request, response, texts[i].name, texts[i].value)) {
            return false;
        }
    }
    if (mail->client_address_text.data == NULL || mail->recipient.data == NULL) {
        http_answer_problem(response, 400,
                            mail->client_address_text.data == NULL ? "client_address" : "recipient",
                            STR("Name client_address, sender and recipient (no sender is the null "
                                "sender), or the sequence of a past decision."));
        return false;
    }
    return control_address(response, "client_address", mail->client_address_text,
                           &mail->client_address) &&
           read_size(request, response, &mail->size);
}

static void explain_mail(struct control *control, const struct http_request *request,
                         struct http_response *response) {
    struct policy_request mail;
    int64_t at_ns;
    if (!read_mail(request, response, &mail) || !read_at(request, response, &at_ns)) {
        return;
    }
    struct decision *decision = calloc(1, sizeof *decision);
    if (decision == NULL) {
        http_answer_json(response, 200, NULL);
        return;
    }
    struct facts facts = {.status = {FACT_UNASKED}};
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct policy_settings *settings = &generation->settings->policy;
    const int64_t now_ns = at_ns != 0 ? at_ns : engine_now_ns(control->engine);
    engine_explain(control->engine, &mail, &facts, now_ns, decision);
    while (decision->facts_wanted != 0) {
        fetch_wait(generation->settings, server_rbl_guard(control->server),
                   server_geo_keeper(control->server), &mail, (int64_t)FETCH_WAIT_MS * NS_PER_MS,
                   &facts);
        engine_explain(control->engine, &mail, &facts, now_ns, decision);
    }
    http_answer_json(response, 200,
                     decision_json(decision, &facts, settings, decision_identity(settings, &mail),
                                   generation->version, now_ns));
    engine_generation_release(control->engine, generation);
    free(decision);
}

/* --- a decision of the past --------------------------------------------------------------------
 */

/* A copy of a row: its slices end with the visit. */
struct recorded {
    bool readable;
    unsigned char bytes[DECISION_RECORD_MAX];
    size_t length;
    unsigned version;
    int64_t decision_ns;
    struct decision_record record;
    struct decision again;
};

static bool keep_row(void *context, const struct history_row *row) {
    struct recorded *recorded = context;
    recorded->readable = row->record.length > 0 && row->record.length <= DECISION_RECORD_MAX;
    if (recorded->readable) {
        memcpy(recorded->bytes, row->record.data, row->record.length);
        recorded->length = row->record.length;
        recorded->version = row->record_version;
        recorded->decision_ns = row->decision_ns;
    }
    return false;
}

static bool find_recorded(struct control *control, struct http_response *response,
                          uint64_t sequence, struct recorded *recorded) {
    struct history_reader *reader = control_reader_take(control, response);
    if (reader == NULL) {
        return false;
    }
    const int error = history_reader_get(reader, sequence, keep_row, recorded);
    control_reader_give(control, reader);
    if (error == -ENOENT) {
        http_answer_problem(response, 404, "sequence",
                            STR("History has no decision of that sequence (not recorded yet, or "
                                "older than history.keep)."));
        return false;
    }
    if (error != 0) {
        http_answer_failed(response, "Reading history", error);
        return false;
    }
    if (!recorded->readable || !decision_record_decode(recorded->bytes, recorded->length,
                                                       recorded->version, &recorded->record)) {
        http_answer_problem(response, 409, "sequence",
                            STR("This decision was recorded by a release whose records this one "
                                "cannot run again."));
        return false;
    }
    return true;
}

static void answer_recorded(struct control *control, struct http_response *response,
                            struct recorded *recorded) {
    const struct decision_record *record = &recorded->record;
    const int error =
        engine_explain_record(control->engine, record, recorded->decision_ns, &recorded->again);
    if (error != 0) {
        http_answer_problemf(response, error == -ENOENT ? 409 : 500, "sequence",
                             error == -ENOENT
                                 ? "The settings of that time are no longer known (generation "
                                   "%llu)."
                                 : "Running the decision again failed (generation %llu).",
                             (unsigned long long)record->generation);
        return;
    }
    /* Priorities are shown as they are now: the order of the steps is that of then. */
    const struct generation *generation = engine_generation_acquire(control->engine);
    json_t *answer = decision_json(&recorded->again, &record->facts, &generation->settings->policy,
                                   record->identity, record->generation, recorded->decision_ns);
    engine_generation_release(control->engine, generation);
    const struct decision *then = &record->decision;
    json_put(answer, "recorded",
             json_pack("{s:s, s:s, s:o}", "verdict", decision_verdict_name(then->verdict), "reason",
                       reason_info(then->reason)->word, "reply",
                       json_text((struct str){then->reply, then->reply_length})));
    json_put(answer, "same",
             json_boolean(then->verdict == recorded->again.verdict &&
                          then->reason == recorded->again.reason));
    http_answer_json(response, 200, answer);
}

void control_post_explain(void *context, const struct http_request *request,
                          struct http_response *response) {
    struct control *control = context;
    struct str text;
    if (!control_members(request, response,
                         "sequence client_address client_name reverse_client_name helo_name "
                         "sender recipient sasl_username sasl_method sasl_sender size queue_id "
                         "instance policy_context at") ||
        !control_text(request, response, "sequence", &text)) {
        return;
    }
    if (text.data == NULL) {
        explain_mail(control, request, response);
        return;
    }
    uint64_t sequence;
    if (!str_parse_u64(text, INT64_MAX, &sequence) || json_object_size(request->json) != 1) {
        http_answer_problem(response, 400, "sequence",
                            STR("sequence is the decimal number of a decision, as a string, and "
                                "stands alone."));
        return;
    }
    struct recorded *recorded = calloc(1, sizeof *recorded);
    if (recorded == NULL) {
        http_answer_json(response, 200, NULL);
        return;
    }
    if (find_recorded(control, response, sequence, recorded)) {
        answer_recorded(control, response, recorded);
    }
    free(recorded);
}
