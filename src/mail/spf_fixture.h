/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mail/spf.h"

/* A DNS of a few records, for tests of SPF. */

struct zone_record {
    const char *owner;
    /* "A" "AAAA" "MX" "PTR" "TXT" "CNAME"; "TIMEOUT", "FAILED": of all types not given before it.
     */
    const char *type;
    const char *data; /* address (what is none stands as it is), name, text */
    size_t length;    /* of data when it holds zero bytes; 0: up to its zero */
};

struct zone_map {
    const struct zone_record *records;
    size_t count;
    unsigned questions; /* asked so far */
};

/* Answers; what the answer points to lives until the next call. */
struct dns_answer zone_map_answer(struct zone_map *map, const struct dns_question *question);
/* Evaluates to the end; fails the test beyond SPF_QUESTIONS_MAX questions. */
struct spf_verdict zone_map_check(struct zone_map *map, const struct spf_query *query,
                                  spf_trace *trace, void *context);

/* A trace as it is told: "DEPTH LINE\n" for each line. A line with a byte that is not printable
 * ASCII fails the test. */
struct spf_trace_lines {
    size_t length;
    char text[4096];
};
void spf_trace_collect(void *context, unsigned depth, struct str line);
