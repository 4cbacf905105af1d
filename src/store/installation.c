/* SPDX-License-Identifier: Apache-2.0 */
#include "store/installation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/durable_file.h"
#include "base/random.h"

/* Text, so that a person can see what it is:
 *
 *      seczim-installation 1
 *      id 00112233445566778899aabbccddeeff
 *      key 00112233445566778899aabbccddeeff
 *      crc32c 01234567
 *
 * The checksum covers the bytes before its line. */
#define FILE_NAME  "installation"
#define FIRST_LINE "seczim-installation 1\n"
#define FIRST_WORD "seczim-installation "

enum { VERSION = 1, FILE_MAX = 4096 };

#define DAMAGED                                                                                    \
    STR("is damaged or cut short: restore it from a backup (without its key the state on disk is " \
        "lost)")

static int say(struct text *problem, const char *folder, struct str sentence, int result) {
    text_add_escaped(problem, str_from(folder));
    text_add(problem, STR("/" FILE_NAME " "));
    text_add(problem, sentence);
    if (result != -EPERM && result != -EUCLEAN && result != -EPROTONOSUPPORT) {
        text_add(problem, STR(": "));
        text_add(problem, str_from(strerror(-result)));
    }
    return result;
}

/* --- text of the file ----------------------------------------------------------------------- */

static void add_hex(struct text *out, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        text_add_byte(out, "0123456789abcdef"[bytes[i] >> 4]);
        text_add_byte(out, "0123456789abcdef"[bytes[i] & 15]);
    }
}

static void format(const struct installation *installation, struct text *out) {
    text_add(out, STR(FIRST_LINE "id "));
    add_hex(out, installation->id, sizeof installation->id);
    text_add(out, STR("\nkey "));
    add_hex(out, installation->key.bytes, sizeof installation->key.bytes);
    text_add_byte(out, '\n');
    const uint32_t sum = crc32c(0, out->data, out->length);
    const uint8_t bytes[] = {(uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8),
                             (uint8_t)sum};
    text_add(out, STR("crc32c "));
    add_hex(out, bytes, sizeof bytes);
    text_add_byte(out, '\n');
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(struct str hex, uint8_t *ret_bytes, size_t count) {
    if (hex.length != count * 2) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const int high = hex_digit(hex.data[2 * i]);
        const int low = hex_digit(hex.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* What stands after `name` on the line that begins at *at, which moves behind the line. */
static struct str take_line(struct str file, struct str name, size_t *at) {
    const struct str rest = str_slice(file, *at, file.length);
    const size_t newline = str_find(rest, '\n');
    if (newline == SIZE_MAX || !str_starts(rest, name)) {
        return STR("");
    }
    *at += newline + 1;
    return str_slice(rest, name.length, newline);
}

static bool parse(struct str file, struct installation *ret_installation) {
    struct installation found;
    size_t at = sizeof FIRST_LINE - 1;
    if (!str_starts(file, STR(FIRST_LINE)) ||
        !parse_hex(take_line(file, STR("id "), &at), found.id, sizeof found.id) ||
        !parse_hex(take_line(file, STR("key "), &at), found.key.bytes, sizeof found.key.bytes)) {
        return false;
    }
    char again[FILE_MAX];
    struct text out = TEXT_OVER(again);
    format(&found, &out);
    if (!str_equal(file, text_str(&out))) { /* the checksum, and nothing behind it */
        return false;
    }
    *ret_installation = found;
    return true;
}

static bool is_newer(struct str file) {
    const struct str first = str_slice(file, 0, str_find(file, '\n'));
    uint64_t version = 0;
    return str_starts(first, STR(FIRST_WORD)) &&
           str_parse_u64(str_slice(first, sizeof FIRST_WORD - 1, first.length), UINT64_MAX,
                         &version) &&
           version > VERSION;
}

/* --- the file ------------------------------------------------------------------------------- */

/* 1: there is one, and it is its owner's secret; 0: there is none. */
static int check_file(int folder_fd, const char *folder, struct text *problem) {
    struct stat status;
    if (fstatat(folder_fd, FILE_NAME, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : say(problem, folder, STR("cannot be looked at"), -errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return say(problem, folder, STR("is not a file: move it away and restore the backup"),
                   -EUCLEAN);
    }
    if (status.st_uid != geteuid()) {
        return say(problem, folder,
                   STR("is not owned by the user that runs this service: chown it to that user "
                       "(normally seczim), or run the service as its owner"),
                   -EPERM);
    }
    if ((status.st_mode & 077) != 0) {
        return say(problem, folder,
                   STR("can be read by others and holds a secret key: run `chmod 600` on it"),
                   -EPERM);
    }
    return 1;
}

static int read_file(int folder_fd, const char *folder, struct installation *ret_installation,
                     struct text *problem) {
    char *bytes = NULL;
    size_t length = 0;
    const int result = durable_file_load(folder_fd, FILE_NAME, FILE_MAX, &bytes, &length);
    if (result == -EFBIG) {
        return say(problem, folder, DAMAGED, -EUCLEAN);
    }
    if (result < 0) {
        return say(problem, folder, STR("cannot be read"), result);
    }
    const struct str file = {bytes, length};
    const bool good = parse(file, ret_installation);
    const bool newer = !good && is_newer(file);
    free(bytes);
    if (newer) {
        return say(problem, folder,
                   STR("was written by a newer release: install that release, or restore the "
                       "backup made before it"),
                   -EPROTONOSUPPORT);
    }
    return good ? 0 : say(problem, folder, DAMAGED, -EUCLEAN);
}

/* A new key would make all of it unreadable for ever. */
static bool has_state(int folder_fd) {
    return faccessat(folder_fd, "state.snapshot", F_OK, 0) == 0 ||
           faccessat(folder_fd, "journal/run", F_OK, 0) == 0;
}

static int make_file(int folder_fd, const char *folder, struct installation *ret_installation,
                     struct text *problem) {
    struct installation made;
    char file[FILE_MAX];
    struct text out = TEXT_OVER(file);
    if (has_state(folder_fd)) {
        return say(problem, folder,
                   STR("is missing beside a snapshot or journal, which cannot be read without its "
                       "key: restore it from a backup, or move snapshot and journal away to "
                       "begin with empty state"),
                   -EUCLEAN);
    }
    random_init();
    random_bytes(made.id, sizeof made.id);
    random_bytes(made.key.bytes, sizeof made.key.bytes);
    format(&made, &out);
    const int result = durable_file_save(folder_fd, FILE_NAME, out.data, out.length, 0600);
    if (result < 0) {
        return say(problem, folder, STR("cannot be made"), result);
    }
    *ret_installation = made;
    return 0;
}

int installation_open(const char *folder, struct installation *ret_installation,
                      struct text *problem) {
    const int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        const int error = errno;
        text_add(problem, STR("the data folder "));
        text_add_escaped(problem, str_from(folder));
        text_add(problem, STR(" cannot be opened: "));
        text_add(problem, str_from(strerror(error)));
        text_add(problem, STR("; create it, owned by the user of the service, or set paths.data"));
        return -error;
    }
    /* One process at a time, so that a second start never replaces a key that is in use. The lock
     * ends with the descriptor. */
    int result = flock(folder_fd, LOCK_EX) == 0
                     ? check_file(folder_fd, folder, problem)
                     : say(problem, folder, STR("cannot be locked"), -errno);
    if (result == 0) {
        result = make_file(folder_fd, folder, ret_installation, problem);
    } else if (result > 0) {
        result = read_file(folder_fd, folder, ret_installation, problem);
    }
    (void)close(folder_fd);
    return result;
}

int installation_load(const char *folder, struct sip_key *ret_key, struct text *problem) {
    struct installation installation;
    const int result = installation_open(folder, &installation, problem);
    if (result == 0) {
        *ret_key = installation.key;
    }
    return result;
}
