/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* One event, one line: `2024-12-04 10:23:45 INFO SPF: PASS for ...` (SPEC 11), or one JSON object
 * per line with the same content. Only programs and the shell around the core log; mail/ and
 * policy/ never do. Bytes from outside must go through text_add_escaped() first:
 * the logger itself replaces any remaining byte below 0x20 by `?`, so no one can forge a line.
 *
 * Thread safe. A line is one write() to a file opened O_APPEND; when the write would block or
 * fails, the line is dropped and counted (log_dropped()). Never called on the answering path. */

enum log_level { LOG_DEBUG = 0, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT = 0, LOG_JSON };

enum { LOG_LINE_MAX = 4096 };

/* `path` NULL or "": standard error. With standard error under systemd (JOURNAL_STREAM set) each
 * line bears its syslog priority as <N>. `time_zone` is the process's TZ. Returns 0 or -errno; on
 * failure lines go to standard error. Copies `path`. */
int log_open(const char *path, enum log_level level, enum log_format format);
void log_set(enum log_level level, enum log_format format);
/* Opens `path` anew (rotation). 0 or -errno; the old file stays open on failure. */
int log_reopen(void);
bool log_enabled(enum log_level level);
/* `module` is a short word such as "Journal". `time_ns` is Unix time for the stamp; 0 means now. */
void log_line(enum log_level level, const char *module, int64_t time_ns, struct str message);
__attribute__((format(printf, 3, 4))) void log_write(enum log_level level, const char *module,
                                                     const char *format, ...);
uint64_t log_dropped(void);

/* At most one line a minute for one cause, "(and N more)" added to the next. Keep one static
 * struct log_throttle per cause; thread safe. True when the caller should log now. */
struct log_throttle {
    int64_t next_boot_ns;
    uint64_t suppressed;
};
bool log_throttle_pass(struct log_throttle *throttle, uint64_t *ret_suppressed);
