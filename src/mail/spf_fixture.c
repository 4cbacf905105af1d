/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/spf_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "testing/test.h"

enum { ITEM_BYTES = 256, CNAMES_MAX = 8 };

static struct str items[DNS_ITEMS_MAX];
static char item_bytes[DNS_ITEMS_MAX][ITEM_BYTES];

static const char *type_word(enum dns_type type) {
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_AAAA:
        return "AAAA";
    case DNS_MX:
        return "MX";
    case DNS_PTR:
        return "PTR";
    case DNS_TXT:
        return "TXT";
    }
    return "";
}

static struct str put(size_t slot, struct str data, bool lower) {
    struct text out = TEXT_OVER(item_bytes[slot]);
    if (str_ends(data, STR("."))) {
        data.length--;
    }
    if (lower) {
        text_add_lower(&out, data);
    } else {
        text_add(&out, data);
    }
    return text_str(&out);
}

static struct str put_address(size_t slot, struct str data, size_t bytes) {
    struct ip_address address;
    if (!ip_address_parse(data, &address)) {
        return data;
    }
    return put(slot, (struct str){(const char *)address.bytes + 16 - bytes, bytes}, false);
}

static struct str make_item(size_t slot, enum dns_type type, const struct zone_record *record) {
    const struct str data = {record->data,
                             record->length > 0 ? record->length : strlen(record->data)};
    char mx[ITEM_BYTES] = {0, 10};
    struct text exchanger = {.data = mx, .size = sizeof mx, .length = 2};
    switch (type) {
    case DNS_A:
        return put_address(slot, data, 4);
    case DNS_AAAA:
        return put_address(slot, data, 16);
    case DNS_MX:
        text_add(&exchanger, data);
        return put(slot, text_str(&exchanger), true);
    case DNS_PTR:
        return put(slot, data, true);
    case DNS_TXT:
        return data;
    }
    return data;
}

struct dns_answer zone_map_answer(struct zone_map *map, const struct dns_question *question) {
    struct str name = question->name;
    struct dns_answer answer = {.status = DNS_NO_NAME, .ttl_s = 300, .items = items};
    map->questions++;
    for (unsigned hops = 0; hops < CNAMES_MAX; hops++) {
        const char *alias = NULL;
        for (size_t i = 0; i < map->count && alias == NULL; i++) {
            const struct zone_record *record = &map->records[i];
            if (!str_equal_nocase(str_from(record->owner), name)) {
                continue;
            }
            if (strcmp(record->type, type_word(question->type)) == 0) {
                items[answer.count] = make_item(answer.count, question->type, record);
                answer.count++;
                answer.status = DNS_FOUND;
            } else if (answer.count == 0 && strcmp(record->type, "CNAME") == 0) {
                alias = record->data;
            } else if (answer.count == 0 && strcmp(record->type, "TIMEOUT") == 0) {
                answer.status = DNS_TIMED_OUT;
                return answer;
            } else if (answer.count == 0 && strcmp(record->type, "FAILED") == 0) {
                answer.status = DNS_FAILED;
                return answer;
            } else if (answer.count == 0) {
                answer.status = DNS_NO_DATA;
            }
        }
        if (alias == NULL) {
            return answer;
        }
        name = str_from(alias);
        if (str_ends(name, STR("."))) {
            name.length--;
        }
    }
    answer.status = DNS_FAILED;
    return answer;
}

struct spf_verdict zone_map_check(struct zone_map *map, const struct spf_query *query,
                                  spf_trace *trace, void *context) {
    struct spf_verdict verdict;
    struct dns_question question;
    void *memory = malloc(spf_bytes());
    CHECK(memory != NULL);
    struct spf *spf = spf_start(memory, query, trace, context);
    unsigned questions = 0;
    while (spf_step(spf, &question, &verdict)) {
        CHECK(++questions <= SPF_QUESTIONS_MAX);
        const struct dns_answer answer = zone_map_answer(map, &question);
        spf_answer(spf, &answer);
    }
    free(memory);
    return verdict;
}

void spf_trace_collect(void *context, unsigned depth, struct str line) {
    struct spf_trace_lines *lines = context;
    const int written = snprintf(lines->text + lines->length, sizeof lines->text - lines->length,
                                 "%u %.*s\n", depth, STR_ARGS(line));
    assert_true(written > 0 && (size_t)written < sizeof lines->text - lines->length);
    lines->length += (size_t)written;
    for (size_t i = 0; i < line.length; i++) {
        assert_true((unsigned char)line.data[i] >= ' ' && line.data[i] != 0x7f);
    }
}
