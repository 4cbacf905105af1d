/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

void hook_report_add(struct hook_report *report, enum hook_level level, const char *place,
                     const char *remedy, const char *format, ...) {
    if (report->findings == NULL) {
        report->findings = calloc(HOOK_FINDINGS_MAX, sizeof *report->findings);
        CHECK(report->findings != NULL);
    }
    if (report->count == HOOK_FINDINGS_MAX) {
        report->left_out++;
        return;
    }
    struct hook_finding *finding = &report->findings[report->count++];
    finding->level = level;
    (void)snprintf(finding->place, sizeof finding->place, "%s", place);
    (void)snprintf(finding->remedy, sizeof finding->remedy, "%s", remedy);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(finding->problem, sizeof finding->problem, format, arguments);
    va_end(arguments);
}

void hook_report_done(struct hook_report *report) {
    free(report->findings);
    *report = (struct hook_report){0};
}

const char *hook_level_name(enum hook_level level) {
    static const char *const names[] = {"note", "warning", "error"};
    return names[level];
}

enum hook_level hook_report_level(const struct hook_report *report) {
    enum hook_level level = HOOK_NOTE;
    for (size_t i = 0; i < report->count; i++) {
        level = report->findings[i].level > level ? report->findings[i].level : level;
    }
    return level;
}
