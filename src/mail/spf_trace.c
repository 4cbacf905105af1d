/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mail/spf_machine.h"

/* The lines that `seczim spf check` prints. Whatever comes from the DNS is escaped. */

enum { LINE_ROOM = 400 };

static void add_name(struct text *line, const struct spf_name *name) {
    text_add_escaped(line, spf_name_str(name));
}

static void end_line(const struct spf *spf, const struct text *line) {
    spf->trace(spf->context, (unsigned)spf->depth, text_str(line));
}

static struct str type_name(enum dns_type type) {
    switch (type) {
    case DNS_A:
        return STR("A");
    case DNS_AAAA:
        return STR("AAAA");
    case DNS_MX:
        return STR("MX");
    case DNS_PTR:
        return STR("PTR");
    case DNS_TXT:
        return STR("TXT");
    }
    return STR("unknown");
}

void spf_trace_question(const struct spf *spf) {
    char room[LINE_ROOM];
    struct text line = TEXT_OVER(room);
    if (spf->trace == NULL) {
        return;
    }
    text_add(&line, STR("asks "));
    text_add(&line, type_name(spf->asked_type));
    text_add_byte(&line, ' ');
    add_name(&line, &spf->asked_name);
    text_add(&line, STR(" (look-up "));
    text_add_u64(&line, spf->verdict.lookups);
    text_add(&line, STR(" of 10)"));
    end_line(spf, &line);
}

static struct str status_text(enum dns_status status) {
    switch (status) {
    case DNS_FOUND:
        return STR("found");
    case DNS_NO_DATA:
        return STR("no record of this type");
    case DNS_NO_NAME:
        return STR("no such name");
    case DNS_FAILED:
        return STR("the server failed");
    case DNS_TIMED_OUT:
        return STR("no answer in time");
    case DNS_UNAVAILABLE:
        return STR("not asked: the DNS is not available");
    }
    return STR("unknown");
}

static void add_item(const struct spf *spf, struct text *line, struct str item) {
    struct ip_address address = {{[10] = 0xff, [11] = 0xff}};
    const bool is_address = (spf->asked_type == DNS_A && item.length == 4) ||
                            (spf->asked_type == DNS_AAAA && item.length == 16);
    if (is_address) {
        const size_t size = item.length == 4 ? 4 : sizeof address.bytes;
        memcpy(address.bytes + sizeof address.bytes - size, item.data, size);
        ip_address_format(address, line);
    } else if (spf->asked_type == DNS_MX) {
        text_add_escaped(line, str_slice(item, 2, SIZE_MAX));
    } else {
        text_add_escaped(line, item);
    }
}

void spf_trace_answer(const struct spf *spf, const struct dns_answer *answer) {
    char room[LINE_ROOM];
    struct text line = TEXT_OVER(room);
    if (spf->trace == NULL) {
        return;
    }
    text_add(&line, STR("answer: "));
    if (answer->status != DNS_FOUND) {
        text_add(&line, status_text(answer->status));
    }
    for (size_t i = 0; i < answer->count && !line.truncated; i++) {
        text_add(&line, i > 0 ? STR(", ") : STR(""));
        add_item(spf, &line, answer->items[i]);
    }
    end_line(spf, &line);
}

void spf_trace_record(const struct spf *spf, struct str record) {
    char room[LINE_ROOM];
    struct text line = TEXT_OVER(room);
    if (spf->trace == NULL) {
        return;
    }
    text_add(&line, STR("record of "));
    add_name(&line, &spf->frames[spf->depth].domain);
    text_add(&line, STR(": "));
    text_add_escaped(&line, record);
    end_line(spf, &line);
}

void spf_trace_term(const struct spf *spf, const struct spf_term *term, bool matches) {
    char room[LINE_ROOM];
    struct text line = TEXT_OVER(room);
    if (spf->trace == NULL) {
        return;
    }
    text_add_escaped(&line, term->text);
    if (matches) {
        text_add(&line, STR(" matches: "));
        text_add(&line, str_from(spf_result_name(term->result)));
    } else {
        text_add(&line, STR(" does not match"));
    }
    end_line(spf, &line);
}

void spf_trace_result(const struct spf *spf, enum spf_result result, struct str problem) {
    char room[LINE_ROOM];
    struct text line = TEXT_OVER(room);
    if (spf->trace == NULL) {
        return;
    }
    text_add(&line, STR("result of "));
    add_name(&line, &spf->frames[spf->depth].domain);
    text_add(&line, STR(": "));
    text_add(&line, str_from(spf_result_name(result)));
    if (problem.length > 0) {
        text_add(&line, STR(": "));
        text_add(&line, problem);
    }
    end_line(spf, &line);
}
