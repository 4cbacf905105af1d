/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, making and resizing the ring at the start. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/durable_file.h"
#include "base/random.h"
#include "journal/journal_core.h"

enum { SENTENCE_MAX = 512 };

void journal_explain(struct text *problem, const char *format, ...) {
    char sentence[SENTENCE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    text_add(problem, str_from(sentence));
}

/* What ties a ring to this folder: 16 random bytes in both. */
static int load_identity(struct journal *journal, unsigned char identity[RING_IDENTITY_BYTES]) {
    char *bytes = NULL;
    size_t length = 0;
    int result =
        durable_file_load(journal->folder_fd, "ring-id", RING_IDENTITY_BYTES, &bytes, &length);
    if (result == 0 && length == RING_IDENTITY_BYTES) {
        memcpy(identity, bytes, RING_IDENTITY_BYTES);
        free(bytes);
        return 0;
    }
    free(bytes);
    if (result != 0 && result != -ENOENT && result != -EFBIG) {
        return result;
    }
    random_bytes(identity, RING_IDENTITY_BYTES);
    return journal->files->save(journal->files->context, journal->folder_fd, "ring-id", identity,
                                RING_IDENTITY_BYTES, 0600);
}

static void set_aside(const char *path, enum ring_finding finding) {
    char aside[4096];
    const int length = snprintf(aside, sizeof aside, "%s.set-aside", path);
    if (length > 0 && (size_t)length < sizeof aside && rename(path, aside) == 0) {
        log_write(LOG_WARN, "Journal", "%s %s; moved to %s, starting with an empty one", path,
                  finding == RING_FOREIGN ? "belongs to another installation"
                                          : "is not a whole ring",
                  aside);
    }
}

int journal_ring_open(struct journal *journal, bool must_exist, struct text *problem) {
    unsigned char identity[RING_IDENTITY_BYTES];
    const char *path = journal->options.ring_path;
    enum ring_finding finding = RING_ABSENT;
    int result = load_identity(journal, identity);
    if (result != 0) {
        journal_explain(problem, "cannot read or write %s/ring-id: %s", journal->options.folder,
                        strerror(-result));
        return result;
    }
    result = ring_open(path, identity, &journal->ring, &finding);
    if (result == 0 && finding != RING_USABLE && must_exist) {
        journal_explain(problem, "%s is not the ring of the journal in %s", path,
                        journal->options.folder);
        return -EBADMSG;
    }
    if (result == 0 && finding != RING_USABLE) {
        if (finding != RING_ABSENT) {
            set_aside(path, finding);
        }
        result = ring_create(path, identity, journal->options.ring_bytes, &journal->ring);
    }
    if (result == -EWOULDBLOCK) {
        journal_explain(problem, "another process uses the ring %s: stop it or set another path",
                        path);
    } else if (result != 0) {
        journal_explain(problem, "cannot open the ring %s: %s", path, strerror(-result));
    } else if (!ring_on_tmpfs(&journal->ring)) {
        log_write(LOG_WARN, "Journal",
                  "%s is not on tmpfs: a slow disk can delay answers, and a crash of the system "
                  "may leave it half written; put it below /run",
                  path);
    }
    return result;
}

int journal_ring_resize(struct journal *journal, struct text *problem) {
    struct ring *ring = &journal->ring;
    struct ring larger;
    const uint64_t wanted = (journal->options.ring_bytes + RING_HEADER_BYTES - 1) /
                            RING_HEADER_BYTES * RING_HEADER_BYTES;
    if (ring->size == wanted || ring_synced(ring) != ring_head(ring)) {
        return 0;
    }
    unsigned char identity[RING_IDENTITY_BYTES];
    int result = load_identity(journal, identity);
    if (result == 0) {
        result = ring_create(journal->options.ring_path, identity, wanted, &larger);
    }
    if (result != 0) {
        journal_explain(problem, "cannot make the ring %s anew: %s", journal->options.ring_path,
                        strerror(-result));
        return result;
    }
    ring_close(ring);
    *ring = larger;
    return 0;
}
