/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/zimbra_report.h"

#include <stdarg.h>
#include <stdio.h>

void zimbra_say(struct zimbra_report *report, enum zimbra_level level, const char *code,
                const char *format, ...) {
    if (report->count == ZIMBRA_ROWS_MAX) {
        report->lost++;
        return;
    }
    struct zimbra_row *row = &report->rows[report->count++];
    row->level = level;
    row->code = code;
    va_list values;
    va_start(values, format);
    (void)vsnprintf(row->text, sizeof row->text, format, values);
    va_end(values);
}

int zimbra_report_exit(const struct zimbra_report *report) {
    int result = report->lost > 0 ? 1 : 0;
    for (size_t i = 0; i < report->count; i++) {
        if (report->rows[i].level == ZIMBRA_UNCLEAR) {
            return 2;
        }
        if (report->rows[i].level == ZIMBRA_PROBLEM) {
            result = 1;
        }
    }
    return result;
}
