/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "daemon/control_api.h"
#include "mail/spf.h"
#include "net/dns.h"

/* GET /v1/spf: the whole evaluation of one sender, step by step, with questions of its own. */

enum { PATIENCE_MS = 15000, STEPS_MAX_KEPT = 400 };

struct evaluation {
    struct event_base *base;
    struct dns *dns;
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
        control_put(step, "depth", json_count(depth));
        control_put(step, "text", json_text(line));
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
        (void)event_base_loopbreak(evaluation->base);
    }
}

/* False: the DNS did not answer within our patience. */
static bool ask(struct evaluation *evaluation, const struct dns_question *question,
                int64_t until_boot_ns) {
    evaluation->asking = true;
    evaluation->answered = false;
    struct dns_ask *open =
        dns_ask(evaluation->dns, question, clock_boot_ns(), on_answer, evaluation);
    evaluation->asking = false;
    const int64_t left_ns = until_boot_ns - clock_boot_ns();
    if (!evaluation->answered && left_ns > 0) {
        const struct timeval patience = {.tv_sec = left_ns / NS_PER_S,
                                         .tv_usec = left_ns % NS_PER_S / NS_PER_US};
        (void)event_base_loopexit(evaluation->base, &patience);
        (void)event_base_dispatch(evaluation->base);
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
        .mechanism = mechanism,
        .problem = problem,
    };
    spf_received_format(&field, &received);
    json_t *object = json_object();
    control_put(object, "result", json_text_from(spf_result_name(verdict->result)));
    control_put(object, "domain", json_text((struct str){verdict->domain, verdict->domain_length}));
    control_put(object, "mechanism", json_text(mechanism));
    control_put(object, "lookups", json_count(verdict->lookups));
    control_put(object, "lookups_max", json_count(SPF_LOOKUPS_MAX));
    control_put(object, "void_lookups", json_count(verdict->void_lookups));
    control_put(object, "void_lookups_max", json_count(SPF_VOID_LOOKUPS_MAX));
    control_put(object, "explanation",
                json_text((struct str){verdict->explanation, verdict->explanation_length}));
    control_put(object, "problem", json_text(problem));
    control_put(object, "received_spf", json_text(text_str(&received)));
    control_put(object, "steps", steps);
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

static bool open_dns(struct control *control, struct evaluation *evaluation,
                     struct http_response *response) {
    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    const struct generation *generation = engine_generation_acquire(control->engine);
    const struct settings *settings = generation->settings;
    const struct dns_options options = {
        .servers = settings->dns.servers,
        .server_count = settings->dns.server_count,
        .timeout_ns = settings->dns.timeout_ns,
        .tries = settings->dns.tries,
        .cache_bytes_max = 1024 * 1024,
        .questions_max = 100,
        .seed = random_u64(),
    };
    evaluation->base = event_base_new();
    const bool open = evaluation->base != NULL &&
                      dns_new(evaluation->base, &options, &evaluation->dns, &problem) == 0;
    engine_generation_release(control->engine, generation);
    if (!open) {
        http_answer_problem(response, 500, "dns", text_str(&problem));
    }
    return open;
}

void control_get_spf(void *context, const struct http_request *request,
                     struct http_response *response) {
    struct control *control = context;
    struct evaluation evaluation = {.base = NULL};
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
    if (open_dns(control, &evaluation, response)) {
        const int64_t until_boot_ns = clock_boot_ns() + (int64_t)PATIENCE_MS * NS_PER_MS;
        json_t *answer = check_identity(&evaluation, &query, until_boot_ns);
        if (answer != NULL && query.sender.length > 0 && query.helo_name.length > 0) {
            query.sender = (struct str){NULL, 0};
            control_put(answer, "helo", check_identity(&evaluation, &query, until_boot_ns));
        }
        http_answer_json(response, 200, answer);
    }
    dns_free(evaluation.dns);
    if (evaluation.base != NULL) {
        event_base_free(evaluation.base);
    }
}
