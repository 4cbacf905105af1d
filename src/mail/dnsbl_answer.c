/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "mail/dnsbl.h"

/* What an answer of a block list means. */

enum { LOOPBACK = 127, CODE_BYTES = 4 };
#define LOOPBACK_FIRST UINT32_C(0x7f000000)
#define LOOPBACK_LAST  UINT32_C(0x7fffffff)
/* 127.255.255.0/24: "this query was not answered", never a listing. */
#define ERRORS_FIRST UINT32_C(0x7fffff00)

/* --- codes ------------------------------------------------------------------------------------ */

static bool problem_with(struct str item, const char *sentence, struct text *problem) {
    enum { SHOWN_MAX = 40 };
    text_add_byte(problem, '"');
    text_add_escaped(problem, str_slice(item, 0, SHOWN_MAX));
    text_add(problem, item.length > SHOWN_MAX ? STR("...\" ") : STR("\" "));
    text_add(problem, str_from(sentence));
    return false;
}

static bool parse_code(struct str text, uint32_t *ret_code) {
    struct ip_address address;
    if (!ip_address_parse(text, &address) || str_find(text, ':') != SIZE_MAX) {
        return false;
    }
    const uint8_t *octets = address.bytes + 12;
    *ret_code = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 |
                octets[3];
    return true;
}

/* "A", "A-B" or "A/24" */
static bool parse_range(struct str item, uint32_t *ret_from, uint32_t *ret_to) {
    const size_t dash = str_find(item, '-');
    const size_t slash = str_find(item, '/');
    uint64_t bits = 32;
    if (dash != SIZE_MAX) {
        return parse_code(str_trim(str_slice(item, 0, dash)), ret_from) &&
               parse_code(str_trim(str_slice(item, dash + 1, item.length)), ret_to);
    }
    if (slash != SIZE_MAX && !str_parse_u64(str_slice(item, slash + 1, item.length), 32, &bits)) {
        return false;
    }
    if (!parse_code(str_slice(item, 0, slash), ret_from)) {
        return false;
    }
    const uint32_t hosts = bits == 32 ? 0 : UINT32_MAX >> bits;
    *ret_to = *ret_from | hosts;
    return (*ret_from & hosts) == 0;
}

static bool add_range(struct str item, struct dnsbl_codes *codes, struct text *problem) {
    uint32_t from = 0;
    uint32_t to = 0;
    if (!parse_range(item, &from, &to)) {
        return problem_with(item,
                            "is not a code, a range or a network of codes; write such as "
                            "127.0.0.2, 127.0.0.4-127.0.0.7 or 127.0.1.0/24",
                            problem);
    }
    if (from > to) {
        return problem_with(item, "ends before it begins; turn it round", problem);
    }
    if (from < LOOPBACK_FIRST || to > LOOPBACK_LAST) {
        return problem_with(item, "is outside of 127.0.0.0/8, where no answer is a listing",
                            problem);
    }
    if (to >= ERRORS_FIRST) {
        return problem_with(item,
                            "reaches into 127.255.255.0/24, which tells errors of the query, "
                            "never a listing",
                            problem);
    }
    if (codes->count == DNSBL_CODES_MAX) {
        return problem_with(item, "is one too many; at most 16 codes and ranges fit", problem);
    }
    codes->ranges[codes->count].from = from;
    codes->ranges[codes->count].to = to;
    codes->count++;
    return true;
}

bool dnsbl_codes_parse(struct str text, struct dnsbl_codes *ret_codes, struct text *problem) {
    struct dnsbl_codes codes = {0};
    struct str rest = str_trim(text);
    while (rest.length > 0) {
        const size_t comma = str_find(rest, ',');
        const size_t end = comma == SIZE_MAX ? rest.length : comma;
        const struct str item = str_trim(str_slice(rest, 0, end));
        if (item.length == 0 || end + 1 == rest.length) {
            return problem_with(text, "has a comma without a code; take it out", problem);
        }
        if (!add_range(item, &codes, problem)) {
            return false;
        }
        rest = str_trim(str_slice(rest, end + 1, rest.length));
    }
    *ret_codes = codes;
    return true;
}

static void add_code(uint32_t code, struct text *out) {
    for (unsigned shift = 32; shift > 0; shift -= 8) {
        text_add_u64(out, code >> (shift - 8) & 0xff);
        text_add(out, shift > 8 ? STR(".") : STR(""));
    }
}

void dnsbl_codes_format(const struct dnsbl_codes *codes, struct text *out) {
    for (size_t i = 0; i < codes->count; i++) {
        text_add(out, i > 0 ? STR(",") : STR(""));
        add_code(codes->ranges[i].from, out);
        if (codes->ranges[i].to != codes->ranges[i].from) {
            text_add_byte(out, '-');
            add_code(codes->ranges[i].to, out);
        }
    }
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool is_error(uint32_t code) {
    return code < LOOPBACK_FIRST || code >= ERRORS_FIRST;
}

static bool counts(const struct dnsbl_codes *codes, uint32_t code) {
    for (size_t i = 0; i < codes->count; i++) {
        if (code >= codes->ranges[i].from && code <= codes->ranges[i].to) {
            return true;
        }
    }
    return codes->count == 0;
}

static enum dnsbl_status judge_found(const struct dns_answer *answer,
                                     const struct dnsbl_codes *codes, unsigned char ret_code[4]) {
    enum dnsbl_status status = DNSBL_NOT_LISTED;
    for (size_t i = 0; i < answer->count; i++) {
        const struct str item = answer->items[i];
        if (item.length != CODE_BYTES) {
            continue;
        }
        const unsigned char *octets = (const unsigned char *)item.data;
        const uint32_t code = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 |
                              (uint32_t)octets[2] << 8 | octets[3];
        if (is_error(code)) {
            if (status == DNSBL_NOT_LISTED) {
                status = DNSBL_FAILED;
                memcpy(ret_code, octets, CODE_BYTES);
            }
        } else if (counts(codes, code)) {
            memcpy(ret_code, octets, CODE_BYTES);
            return DNSBL_LISTED;
        }
    }
    return status;
}

enum dnsbl_status dnsbl_judge(const struct dns_answer *answer, const struct dnsbl_codes *codes,
                              unsigned char ret_code[4]) {
    memset(ret_code, 0, CODE_BYTES);
    switch (answer->status) {
    case DNS_FOUND:
        return judge_found(answer, codes, ret_code);
    case DNS_NO_DATA:
    case DNS_NO_NAME:
        return DNSBL_NOT_LISTED;
    case DNS_TIMED_OUT:
        return DNSBL_TIMED_OUT;
    case DNS_FAILED:
    case DNS_UNAVAILABLE:
        break;
    }
    return DNSBL_FAILED;
}

const char *dnsbl_error_text(const unsigned char code[4]) {
    if (code[0] != LOOPBACK) {
        static const unsigned char none[CODE_BYTES];
        return memcmp(code, none, CODE_BYTES) == 0 ? NULL
                                                   : "the answer is no code of a block list: the "
                                                     "zone has another owner now, or the "
                                                     "resolver answers for names that do not exist";
    }
    if (code[1] != 255 || code[2] != 255) {
        return NULL;
    }
    switch (code[3]) {
    case 252:
        return "the name of the list is written wrongly";
    case 254:
        return "the query came through a public resolver, which the list refuses";
    case 255:
        return "too many queries for the free service";
    default:
        return "the list refuses to answer this resolver";
    }
}

const char *dnsbl_status_name(unsigned status) {
    static const char *const names[DNSBL_STATUSES] = {
        [DNSBL_NOT_LISTED] = "not listed", [DNSBL_LISTED] = "listed", [DNSBL_FAILED] = "failed",
        [DNSBL_TIMED_OUT] = "timed out",   [DNSBL_OUT] = "out",
    };
    return status < DNSBL_STATUSES ? names[status] : "?";
}

const char *dnsbl_status_word(unsigned status) {
    static const char *const words[DNSBL_STATUSES] = {
        [DNSBL_NOT_LISTED] = "not-listed", [DNSBL_LISTED] = "listed", [DNSBL_FAILED] = "failed",
        [DNSBL_TIMED_OUT] = "timed-out",   [DNSBL_OUT] = "out",
    };
    return status < DNSBL_STATUSES ? words[status] : "?";
}
