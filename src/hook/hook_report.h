/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What is found in a configuration, for a person: each with its place, what is wrong and what mends
 * it. */

enum hook_level {
    HOOK_NOTE = 0, /* worth knowing; nothing has to be done */
    HOOK_WARNING,  /* mail passes us by, or may */
    HOOK_ERROR,    /* an open relay, or a hook that stops mail */
};
enum { HOOK_FINDINGS_MAX = 256, HOOK_PLACE_MAX = 160, HOOK_SENTENCE_MAX = 640 };

struct hook_finding {
    enum hook_level level;
    char place[HOOK_PLACE_MAX]; /* "main.cf smtpd_recipient_restrictions" */
    char problem[HOOK_SENTENCE_MAX];
    char remedy[HOOK_SENTENCE_MAX]; /* "" when there is nothing to do */
};

struct hook_report {
    struct hook_finding *findings; /* heap */
    size_t count;
    size_t left_out; /* beyond HOOK_FINDINGS_MAX */
};
void hook_report_add(struct hook_report *report, enum hook_level level, const char *place,
                     const char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void hook_report_done(struct hook_report *report);
const char *hook_level_name(enum hook_level level); /* "note" "warning" "error" */
/* The highest level, HOOK_NOTE when there is nothing. */
enum hook_level hook_report_level(const struct hook_report *report);
