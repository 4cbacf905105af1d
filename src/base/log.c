/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/utf8.h"

enum { PATH_LENGTH_MAX = 4095, MODULE_LENGTH_MAX = 64, THROTTLE_S = 60 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* Guards the three below. */
static char log_path[PATH_LENGTH_MAX + 1];
static int log_fd = STDERR_FILENO;
static bool with_priority;

static _Atomic int least_level = LOG_INFO;
static _Atomic int line_format = LOG_TEXT;
static struct counter dropped;

static const struct {
    const char *name;
    char priority; /* syslog(3) */
} levels[] = {
    [LOG_DEBUG] = {"DEBUG", '7'},
    [LOG_INFO] = {"INFO", '6'},
    [LOG_WARN] = {"WARN", '4'},
    [LOG_ERROR] = {"ERROR", '3'},
};

/* systemd names the device and inode of its socket, so that a redirected standard error is not
 * taken for the journal. */
static bool stderr_is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    unsigned long device = 0;
    unsigned long inode = 0;
    return stream != NULL && sscanf(stream, "%lu:%lu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static int open_path(const char *path) {
    const int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    return fd < 0 ? -errno : fd;
}

/* The caller holds the lock. */
static void use_fd(int fd) {
    if (log_fd != STDERR_FILENO) {
        (void)close(log_fd);
    }
    log_fd = fd;
    with_priority = fd == STDERR_FILENO && stderr_is_journal();
}

int log_open(const char *path, enum log_level level, enum log_format format) {
    int result = 0;
    int fd = STDERR_FILENO;
    struct text kept = TEXT_OVER(log_path);
    (void)pthread_mutex_lock(&lock);
    text_add(&kept, str_from(path));
    (void)text_zero(&kept);
    if (kept.truncated) {
        log_path[0] = '\0';
        result = -ENAMETOOLONG;
    } else if (log_path[0] != '\0') {
        const int opened = open_path(log_path);
        fd = opened < 0 ? STDERR_FILENO : opened;
        result = opened < 0 ? opened : 0;
    }
    use_fd(fd);
    (void)pthread_mutex_unlock(&lock);
    log_set(level, format);
    return result;
}

void log_set(enum log_level level, enum log_format format) {
    least_level = (int)level;
    line_format = (int)format;
}

int log_reopen(void) {
    int result = 0;
    (void)pthread_mutex_lock(&lock);
    if (log_path[0] != '\0') {
        const int fd = open_path(log_path);
        if (fd < 0) {
            result = fd;
        } else {
            use_fd(fd);
        }
    }
    (void)pthread_mutex_unlock(&lock);
    return result;
}

bool log_enabled(enum log_level level) {
    return (int)level >= least_level;
}

uint64_t log_dropped(void) {
    return counter_read(&dropped);
}

static bool local_time(int64_t time_ns, struct tm *ret_parts) {
    const time_t seconds = (time_t)((time_ns == 0 ? clock_wall_ns() : time_ns) / NS_PER_S);
    return localtime_r(&seconds, ret_parts) != NULL;
}

static void add_text_time(struct text *line, int64_t time_ns) {
    char stamp[32];
    struct tm parts;
    if (local_time(time_ns, &parts)) {
        const size_t length = strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S ", &parts);
        text_add(line, (struct str){stamp, length});
    }
}

/* RFC 3339 wants +01:00 where strftime writes +0100. */
static void add_json_time(struct text *line, int64_t time_ns) {
    char stamp[32];
    struct tm parts;
    if (local_time(time_ns, &parts)) {
        const size_t length = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S%z", &parts);
        const struct str whole = {stamp, length};
        text_add(line, str_slice(whole, 0, length - 2));
        text_add_byte(line, ':');
        text_add(line, str_slice(whole, length - 2, length));
    }
}

static void add_text_message(struct text *line, struct str message) {
    for (size_t i = 0; i < message.length; i++) {
        text_add_byte(line, (unsigned char)message.data[i] < 0x20 ? '?' : message.data[i]);
    }
}

/* Inside a JSON string. Stops before a character that does not fit whole; the caller has kept the
 * room that closes the object. */
static void add_json_message(struct text *line, struct str message) {
    size_t at = 0;
    while (at < message.length) {
        uint32_t point = 0;
        size_t length = utf8_decode(str_slice(message, at, message.length), &point);
        struct str piece = str_slice(message, at, at + length);
        if (length == 0 || point < 0x20) {
            piece = STR("?");
            length = 1;
        } else if (point == '"') {
            piece = STR("\\\"");
        } else if (point == '\\') {
            piece = STR("\\\\");
        }
        if (piece.length > line->size - line->length) {
            return;
        }
        text_add(line, piece);
        at += length;
    }
}

static void format_text(struct text *line, enum log_level level, const char *module,
                        int64_t time_ns, struct str message) {
    add_text_time(line, time_ns);
    text_add(line, str_from(levels[level].name));
    text_add_byte(line, ' ');
    add_text_message(line, str_slice(str_from(module), 0, MODULE_LENGTH_MAX));
    text_add(line, STR(": "));
    line->size = LOG_LINE_MAX - 1;
    add_text_message(line, message);
    line->size = LOG_LINE_MAX;
    line->truncated = false;
    text_add_byte(line, '\n');
}

static void format_json(struct text *line, enum log_level level, const char *module,
                        int64_t time_ns, struct str message) {
    static const struct str end = {"\"}\n", 3};
    text_add(line, STR("{\"time\":\""));
    add_json_time(line, time_ns);
    text_add(line, STR("\",\"level\":\""));
    text_add(line, str_from(levels[level].name));
    text_add(line, STR("\",\"module\":\""));
    add_json_message(line, str_slice(str_from(module), 0, MODULE_LENGTH_MAX));
    text_add(line, STR("\",\"message\":\""));
    line->size = LOG_LINE_MAX - end.length;
    add_json_message(line, message);
    line->size = LOG_LINE_MAX;
    text_add(line, end);
}

/* Never waits: a file of ours is opened O_NONBLOCK, and on a standard error that others share (so
 * that its flags are not ours to change) a line of up to PIPE_BUF bytes fits when poll says so. */
static bool write_line(struct str line) {
    ssize_t written;
    (void)pthread_mutex_lock(&lock);
    if (log_fd == STDERR_FILENO) {
        struct pollfd ready = {.fd = log_fd, .events = POLLOUT};
        written = send(log_fd, line.data, line.length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (written < 0 && errno == ENOTSOCK && poll(&ready, 1, 0) == 1 &&
            (ready.revents & POLLOUT) != 0) {
            written = write(log_fd, line.data, line.length);
        }
    } else {
        written = write(log_fd, line.data, line.length);
    }
    (void)pthread_mutex_unlock(&lock);
    return written == (ssize_t)line.length;
}

void log_line(enum log_level level, const char *module, int64_t time_ns, struct str message) {
    char bytes[LOG_LINE_MAX];
    struct text line = TEXT_OVER(bytes);
    if (!log_enabled(level)) {
        return;
    }
    (void)pthread_mutex_lock(&lock);
    if (with_priority) {
        text_add_byte(&line, '<');
        text_add_byte(&line, levels[level].priority);
        text_add_byte(&line, '>');
    }
    (void)pthread_mutex_unlock(&lock);
    if (line_format == LOG_JSON) {
        format_json(&line, level, module, time_ns, message);
    } else {
        format_text(&line, level, module, time_ns, message);
    }
    if (!write_line(text_str(&line))) {
        counter_add(&dropped, 1);
    }
}

void log_write(enum log_level level, const char *module, const char *format, ...) {
    char bytes[LOG_LINE_MAX];
    va_list arguments;
    if (!log_enabled(level)) {
        return;
    }
    va_start(arguments, format);
    const int length = vsnprintf(bytes, sizeof bytes, format, arguments);
    va_end(arguments);
    if (length > 0) {
        const size_t whole = (size_t)length;
        log_line(level, module, 0,
                 (struct str){bytes, whole < sizeof bytes ? whole : sizeof bytes - 1});
    }
}

bool log_throttle_pass(struct log_throttle *throttle, uint64_t *ret_suppressed) {
    static pthread_mutex_t throttle_lock = PTHREAD_MUTEX_INITIALIZER;
    const int64_t now_ns = clock_boot_ns();
    (void)pthread_mutex_lock(&throttle_lock);
    const bool pass = now_ns >= throttle->next_boot_ns;
    if (pass) {
        *ret_suppressed = throttle->suppressed;
        throttle->suppressed = 0;
        throttle->next_boot_ns = now_ns + (int64_t)THROTTLE_S * NS_PER_S;
    } else {
        throttle->suppressed++;
    }
    (void)pthread_mutex_unlock(&throttle_lock);
    return pass;
}
