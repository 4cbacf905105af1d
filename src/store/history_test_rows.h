/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/history.h"
#include "store/history_file.h"
#include "testing/test.h"

/* Decisions made by hand, for the tests of history. 2026-03-01 00:00:00 UTC; the tests run in UTC.
 */
#define DAY_NS     (INT64_C(86400) * NS_PER_S)
#define MARCH_1_NS (INT64_C(1772323200) * NS_PER_S)

__attribute__((constructor)) static void use_utc(void) {
    (void)setenv("TZ", "UTC", 1);
    tzset();
}

struct sample {
    struct decision_record decision;
    struct history_record record;
};

static inline void sample_init(struct sample *sample, uint64_t sequence, int64_t time_ns) {
    memset(sample, 0, sizeof *sample);
    struct policy_request *request = &sample->decision.request;
    request->state = PROTOCOL_STATE_RCPT;
    request->client_address_text = STR("192.0.2.1");
    (void)ip_address_parse(request->client_address_text, &request->client_address);
    request->client_name = STR("mail.example.org");
    request->helo_name = STR("helo.example.org");
    request->sender = STR("alice@example.org");
    request->recipient = STR("bob@example.net");
    request->instance = STR("1a2b.3c4d.0");
    request->size = 1234;
    sample->decision.generation = 7;
    sample->decision.wall_ns = time_ns;
    sample->decision.duration_us = 38;
    struct decision *decision = &sample->decision.decision;
    memcpy(decision->reply, "DUNNO", 5);
    decision->reply_length = 5;
    sample->record = (struct history_record){
        .sequence = sequence,
        .time_ns = time_ns,
        .version = 1,
        .body = STR("body of the record"),
        .decision = &sample->decision,
    };
}

static inline void sample_refuse(struct sample *sample, const char *rule, const char *reply) {
    struct decision *decision = &sample->decision.decision;
    decision->verdict = VERDICT_REJECT;
    decision->policy = POLICY_ACL_BLOCK;
    decision->reason = REASON_ACL_BLOCKED;
    decision->rule_length = (uint16_t)strlen(rule);
    memcpy(decision->rule, rule, strlen(rule));
    decision->reply_length = (uint16_t)strlen(reply);
    memcpy(decision->reply, reply, strlen(reply));
}

static inline void sample_client(struct sample *sample, const char *address) {
    sample->decision.request.client_address_text = str_from(address);
    assert_true(ip_address_parse(str_from(address), &sample->decision.request.client_address));
}

static inline struct history_writer *open_writer(const char *folder, uint64_t rows_per_file_max) {
    static char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    struct history_writer *writer = NULL;
    const struct history_options options = {.folder = folder,
                                            .rows_per_file_max = rows_per_file_max};
    const int result = history_writer_open(&options, &writer, &problem);
    if (result < 0) {
        fail_msg("%s", text_zero(&problem));
    }
    return writer;
}

static inline void add_sample(struct history_writer *writer, const struct sample *sample) {
    assert_int_equal(history_writer_add(writer, &sample->record), 0);
}

static inline void add_plain(struct history_writer *writer, uint64_t sequence, int64_t time_ns) {
    struct sample sample;
    sample_init(&sample, sequence, time_ns);
    add_sample(writer, &sample);
}

/* What a search found. */
struct found {
    size_t count;
    uint64_t sequences[512];
    uint64_t decisions; /* sum of the counts */
};

static inline bool collect(void *context, const struct history_row *row) {
    struct found *found = context;
    assert_true(found->count < 512);
    found->sequences[found->count++] = row->sequence;
    found->decisions += row->count;
    return true;
}

static inline struct history_query everything(void) {
    return (struct history_query){.verdict = -1, .direction = -1, .limit = 500};
}

static inline struct found find(const char *folder, const struct history_query *query) {
    struct history_reader *reader = NULL;
    struct found found = {0};
    assert_int_equal(history_reader_open(folder, &reader), 0);
    assert_int_equal(history_reader_find(reader, query, collect, &found), 0);
    assert_int_equal(history_reader_damaged(reader), 0);
    history_reader_close(reader);
    return found;
}

static inline size_t files_in(const char *folder, struct history_file *ret_files, size_t max) {
    struct history_file *files = NULL;
    size_t count = 0;
    assert_int_equal(history_file_list(folder, &files, &count), 0);
    assert_true(count <= max);
    if (count > 0) {
        memcpy(ret_files, files, count * sizeof *files);
    }
    free(files);
    return count;
}

static inline bool exists(const char *folder, const char *name, const char *suffix) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    return access(path, F_OK) == 0;
}
