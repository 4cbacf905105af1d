/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/file_attributes.h"

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What Linux allows of names and of one value (XATTR_LIST_MAX, XATTR_SIZE_MAX). */
enum { NAMES_MAX = 65536, VALUE_MAX = 65536 };

static void copy(int from, int to) {
    static char names[NAMES_MAX];
    static char value[VALUE_MAX];
    const ssize_t length = flistxattr(from, names, sizeof names);
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
        const ssize_t size = fgetxattr(from, names + at, value, sizeof value);
        if (size >= 0) {
            (void)fsetxattr(to, names + at, value, (size_t)size, 0);
        }
    }
}

void file_attributes_copy(int folder, const char *name, int to) {
    const int from = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from >= 0) {
        copy(from, to);
        (void)close(from);
    }
}
