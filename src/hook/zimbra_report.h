/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* What a run found and did, a sentence each, in order. */

enum zimbra_level {
    ZIMBRA_FINE = 0,
    ZIMBRA_NOTE,    /* worth knowing; nothing to do for the hook */
    ZIMBRA_PROBLEM, /* something to do */
    ZIMBRA_UNCLEAR, /* could not be looked at */
};

enum { ZIMBRA_ROWS_MAX = 64, ZIMBRA_SENTENCE_MAX = 768 };

struct zimbra_row {
    enum zimbra_level level;
    const char *code; /* a word for programs; a literal */
    char text[ZIMBRA_SENTENCE_MAX];
};

/* Rows beyond the last are counted and not kept. */
struct zimbra_report {
    size_t count;
    size_t lost;
    struct zimbra_row rows[ZIMBRA_ROWS_MAX];
};

__attribute__((format(printf, 4, 5))) void zimbra_say(struct zimbra_report *report,
                                                      enum zimbra_level level, const char *code,
                                                      const char *format, ...);
/* 0 fine, 1 something to do, 2 something could not be looked at. */
int zimbra_report_exit(const struct zimbra_report *report);
