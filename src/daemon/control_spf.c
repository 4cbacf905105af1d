/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/control_dns.h"
#include "mail/spf.h"

/* GET /v1/spf: the whole evaluation of one sender, step by step, with questions of its own. */

enum { PATIENCE_MS = 15000, STEPS_MAX_KEPT = 400 };

struct evaluation {
    struct control_dns dns;
    struct spf *spf;
    json_t *steps;
    bool asking;
    bool answered;
    bool done;
};

static void keep_step(void *context, unsigned depth, struct str line) {
    struct evaluation *evaluation = context;
    if (json_array_size(evaluation->steps) < STEPS_MAX_KEPT) {
        json_t *step = json_object();
        json_put(step, "depth", json_count(depth));
        json_put(step, "text", json_text(line));
        (void)json_array_append_new(evaluation->steps, step);
    }
}

static void on_answer(void *context, const struct dns_question *question,
                      const struct dns_answer *answer) {
    (void)question;
    struct evaluation *evaluation = context;
    spf_answer(evaluation->spf, answer);
    evaluation->answered = true;
    if (!evaluation->asking) {
        (void)event_base_loopbreak(evaluation->dns.base);
    }
}

/* False: the DNS did not answer within our patience. */
static bool ask(struct evaluation *evaluation, const struct dns_question *question,
                int64_t until_boot_ns) {
    evaluation->asking = true;
    evaluation->answered = false;
    struct dns_ask *open =
        dns_ask(evaluation->dns.dns, question, clock_boot_ns(), on_answer, evaluation);
    evaluation->asking = false;
    if (!evaluation->answered) {
        control_dns_run(&evaluation->dns, until_boot_ns - clock_boot_ns());
    }
    if (!evaluation->answered) {
        dns_cancel(open);
    }
    return evaluation->answered;
}

static void evaluate(struct evaluation *evaluation, const struct spf_query *query, void *memory,
                     int64_t until_boot_ns, struct spf_verdict *ret_verdict) {
    struct dns_question question;
    evaluation->spf = spf_start(memory, query, keep_step, evaluation);
    while (spf_step(evaluation->spf, &question, ret_verdict)) {
        if (!ask(evaluation, &question, until_boot_ns)) {
            const struct dns_answer none = {.status = DNS_TIMED_OUT};
            spf_answer(evaluation->spf, &none);
        }
    }
}

static json_t *verdict_json(const struct spf_query *query, const struct spf_verdict *verdict,
                            json_t *steps) {
    char bytes[512];
    struct text received = TEXT_OVER(bytes);
    const struct str mechanism = {verdict->mechanism, verdict->mechanism_length};
    const struct str problem = {verdict->problem, verdict->problem_length};
    const struct spf_received field = {
        .result = verdict->result,
        .is_helo = query->sender.length == 0,
        .client_address = query->client_address,
        .helo_name = query->helo_name,
        .sender = query->sender,
        .receiver = query->receiver,
        .mechanism = mechanism,
        .problem = problem,
    };
    spf_received_format(&field, &received);
    json_t *object = json_object();
    json_put(object, "result", json_text_from(spf_result_name(verdict->result)));
    json_put(object, "domain", json_text((struct str){verdict->domain, verdict->domain_length}));
    json_put(object, "mechanism", json_text(mechanism));
    json_put(object, "lookups", json_count(verdict->lookups));
    json_put(object, "lookups_max", json_count(SPF_LOOKUPS_MAX));
    json_put(object, "void_lookups", json_count(verdict->void_lookups));
    json_put(object, "void_lookups_max", json_count(SPF_VOID_LOOKUPS_MAX));
    json_put(object, "explanation",
             json_text((struct str){verdict->explanation, verdict->explanation_length}));
    json_put(object, "problem", json_text(problem));
    json_put(object, "received_spf", json_text(text_str(&received)));
    json_put(object, "steps", steps);
    return object;
}

/* NULL: there is no memory. */
static json_t *check_identity(struct evaluation *evaluation, const struct spf_query *query,
                              int64_t until_boot_ns) {
    struct spf_verdict verdict;
    void *memory = malloc(spf_bytes());
    if (memory == NULL) {
        return NULL;
    }
    evaluation->steps = json_array();
    evaluate(evaluation, query, memory, until_boot_ns, &verdict);
    free(memory);
    return verdict_json(query, &verdict, evaluation->steps);
}

/* MAIL FROM, and the HELO name beside it; or the HELO name alone. */
static json_t *check_both(struct evaluation *evaluation, struct spf_query *query) {
    const int64_t until_boot_ns = clock_boot_ns() + (int64_t)PATIENCE_MS * NS_PER_MS;
    json_t *answer = check_identity(evaluation, query, until_boot_ns);
    if (answer != NULL && query->sender.length > 0 && query->helo_name.length > 0) {
        query->sender = (struct str){NULL, 0};
        json_put(answer, "helo", check_identity(evaluation, query, until_boot_ns));
    }
    return answer;
}

void control_get_spf(void *context, const struct http_request *request,
                     struct http_response *response) {
    struct control *control = context;
    struct evaluation evaluation = {.spf = NULL};
    struct spf_query query = {.wall_s = clock_wall_ns() / NS_PER_S, .explain = true};
    const struct str client = http_request_parameter(request, "client");
    query.helo_name = http_request_parameter(request, "helo");
    query.sender = http_request_parameter(request, "sender");
    if (!control_address(response, "client", client, &query.client_address)) {
        return;
    }
    if (query.sender.length == 0 && query.helo_name.length == 0) {
        http_answer_problem(response, 400, "sender",
                            STR("Name the envelope sender, or helo=NAME for the null sender."));
        return;
    }
    const struct generation *generation = engine_generation_acquire(control->engine);
    query.receiver = generation->settings->policy.spf.receiver;
    if (control_dns_open(generation->settings, response, &evaluation.dns)) {
        http_answer_json(response, 200, check_both(&evaluation, &query));
    }
    control_dns_close(&evaluation.dns);
    engine_generation_release(control->engine, generation);
}
