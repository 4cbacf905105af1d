/* SPDX-License-Identifier: Apache-2.0 */
/* A whole evaluation. The first line is the sender, the second the HELO name; each line after them
 * is an answer: its first byte is the status (an odd one: found), tabs part its records. The last
 * answer is given again and again. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mail/spf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { ITEMS_MAX = 16 };

static struct str take_line(struct str *input) {
    const size_t end = str_find(*input, '\n');
    const struct str line = str_slice(*input, 0, end);
    *input = str_slice(*input, line.length + (end != SIZE_MAX ? 1 : 0), SIZE_MAX);
    return line;
}

static struct dns_answer read_answer(struct str line, struct str items[ITEMS_MAX]) {
    struct dns_answer answer = {.status = DNS_FOUND, .items = items};
    if (line.length == 0 || line.data[0] % 2 == 0) {
        answer.status = (enum dns_status)(
            DNS_NO_DATA + (line.length > 0 ? (unsigned char)line.data[0] / 2 % 5 : 0));
        return answer;
    }
    line = str_slice(line, 1, SIZE_MAX);
    while (answer.count < ITEMS_MAX) {
        const size_t tab = str_find(line, '\t');
        items[answer.count++] = str_slice(line, 0, tab);
        if (tab == SIZE_MAX) {
            break;
        }
        line = str_slice(line, tab + 1, SIZE_MAX);
    }
    return answer;
}

static void check_line(void *context, unsigned depth, struct str line) {
    (void)context;
    CHECK(depth < SPF_DEPTH_MAX && line.length > 0 && str_find(line, '\n') == SIZE_MAX);
}

static void check_verdict(const struct spf_verdict *verdict, const struct spf_query *query) {
    char room[440];
    struct text out = TEXT_OVER(room);
    CHECK(verdict->result < SPF_RESULTS && verdict->lookups <= SPF_LOOKUPS_MAX);
    CHECK(verdict->mechanism_length <= SPF_MECHANISM_MAX);
    CHECK(verdict->explanation_length <= SPF_EXPLANATION_MAX);
    CHECK(verdict->problem_length <= SPF_PROBLEM_MAX);
    const struct spf_received received = {
        .result = verdict->result,
        .is_helo = query->sender.length == 0,
        .client_address = query->client_address,
        .helo_name = query->helo_name,
        .sender = query->sender,
        .mechanism = {verdict->mechanism, verdict->mechanism_length},
        .problem = {verdict->problem, verdict->problem_length},
    };
    spf_received_format(&received, &out);
    CHECK(!out.truncated && str_printable_length(text_str(&out)) == out.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct str input = {(const char *)bytes, length};
    struct str line = {NULL, 0};
    struct str items[ITEMS_MAX];
    struct spf_verdict verdict;
    struct dns_question question;
    const struct ip_address clients[] = {{{[10] = 0xff, 0xff, 192, 0, 2, 1}},
                                         {{0x20, 1, 0x0d, 0xb8, [15] = 1}}};
    struct spf_query query = {.explain = true, .wall_s = 1700000000};
    query.client_address = clients[length % 2];
    query.sender = take_line(&input);
    query.helo_name = take_line(&input);
    void *memory = malloc(spf_bytes());
    CHECK(memory != NULL);
    struct spf *spf = spf_start(memory, &query, check_line, NULL);
    for (unsigned questions = 0; spf_step(spf, &question, &verdict); questions++) {
        CHECK(questions < SPF_QUESTIONS_MAX);
        CHECK(question.name.length > 0 && question.name.length <= DNS_NAME_MAX);
        line = input.length > 0 ? take_line(&input) : line;
        const struct dns_answer answer = read_answer(line, items);
        spf_answer(spf, &answer);
    }
    check_verdict(&verdict, &query);
    free(memory);
    return 0;
}
