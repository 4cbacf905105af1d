/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/metrics.h"

/* The control API and the program itself. */

static const char program[] = "daemon";

static void tell_control(struct control *control, struct metrics_text *text) {
    const struct http_server_counters *http = http_server_counters(control->http);
    const struct {
        const char *cause;
        const struct counter *counter;
    } rows[] = {{"peer", &http->refused_peer},
                {"ambiguous", &http->refused_guard},
                {"deadline", &http->deadline},
                {"crowded", &http->crowded},
                {"too-large", &http->bodies_too_large}};
    metrics_count(text, METRIC_CONTROL_REQUESTS, counter_read(&http->requests), NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        metrics_count(text, METRIC_CONTROL_REFUSED, counter_read(rows[i].counter), "cause",
                      rows[i].cause, NULL);
    }
}

static int64_t time_ns(struct timeval time) {
    return (int64_t)time.tv_sec * NS_PER_S + (int64_t)time.tv_usec * NS_PER_US;
}

static void tell_memory(struct metrics_text *text) {
    unsigned long long pages = 0;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return;
    }
    const unsigned long long page_bytes = (unsigned long long)sysconf(_SC_PAGESIZE);
    if (fscanf(file, "%llu %llu", &pages, &resident) == 2) {
        metrics_count(text, METRIC_PROCESS_RESIDENT, resident * page_bytes, "program", program,
                      NULL);
        metrics_count(text, METRIC_PROCESS_VIRTUAL, pages * page_bytes, "program", program, NULL);
    }
    (void)fclose(file);
}

static void tell_descriptors(struct metrics_text *text) {
    struct rlimit limit;
    uint64_t open = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) {
        open++;
    }
    if (folder != NULL) {
        (void)closedir(folder);
        /* Not ".", ".." and the folder's own. */
        metrics_count(text, METRIC_PROCESS_FDS, open > 3 ? open - 3 : 0, "program", program, NULL);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        metrics_count(text, METRIC_PROCESS_FDS_MAX, limit.rlim_cur, "program", program, NULL);
    }
}

void metrics_tell_process(struct control *control, const struct engine_status *status,
                          uint64_t settings_version, struct metrics_text *text) {
    struct rusage usage;
    tell_control(control, text);
    metrics_count(text, METRIC_LOG_DROPPED, log_dropped(), NULL);
    metrics_count(text, METRIC_SETTINGS_VERSION, settings_version, NULL);
    metrics_seconds(text, METRIC_CLOCK_OFFSET, status->wall_ns - status->clock.now_ns, NULL);
    metrics_count(text, METRIC_BUILD_INFO, 1, "version", SECZIM_VERSION, NULL);
    metrics_seconds(text, METRIC_START_TIME, status->started_wall_ns, NULL);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        metrics_seconds(text, METRIC_PROCESS_CPU, time_ns(usage.ru_utime) + time_ns(usage.ru_stime),
                        "program", program, NULL);
    }
    tell_memory(text);
    tell_descriptors(text);
}
