/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "journal/snapshot_coverage.h"
#include "journal/snapshot_file.h"

enum { BUFFER_BYTES = SNAPSHOT_CHUNK_HEADER + SNAPSHOT_BODY_MAX, CHUNK_ALIGN = 8 };

/* The file while it is loaded, read through a window. */
struct loader {
    int fd;
    uint64_t size;
    struct snapshot_header header;
    struct state *state;
    struct snapshot_coverage *coverage;
    unsigned char *buffer;
    uint64_t offset; /* of the chunk looked at */
    uint64_t buffer_offset;
    size_t buffer_length;
    uint64_t chunks;  /* loaded */
    uint64_t damaged; /* stretches skipped */
    bool ended;       /* the last chunk was found */
    uint64_t expected;
};

static int look(struct loader *loader, size_t length, const unsigned char **ret_bytes,
                size_t *ret_length) {
    const uint64_t end = loader->buffer_offset + loader->buffer_length;
    if (loader->offset < loader->buffer_offset || loader->offset + length > end) {
        loader->buffer_offset = loader->offset;
        loader->buffer_length = 0;
        while (loader->buffer_length < BUFFER_BYTES) {
            const ssize_t got = pread(loader->fd, loader->buffer + loader->buffer_length,
                                      BUFFER_BYTES - loader->buffer_length,
                                      (off_t)(loader->offset + loader->buffer_length));
            if (got < 0 && errno != EINTR) {
                return -errno;
            }
            if (got == 0) {
                break;
            }
            loader->buffer_length += got > 0 ? (size_t)got : 0;
        }
    }
    *ret_bytes = loader->buffer + (loader->offset - loader->buffer_offset);
    *ret_length = loader->buffer_length - (size_t)(loader->offset - loader->buffer_offset);
    return 0;
}

static bool geometry_equal(const struct loader *loader, unsigned table) {
    const struct snapshot_geometry *old = &loader->header.tables[table];
    const struct state_table *now = &loader->state->tables[table];
    return old->entry_bytes == now->entry_bytes && old->group_count == now->group_count;
}

static size_t group_bytes_of(const struct snapshot_geometry *geometry) {
    return STATE_GROUP_SLOTS * (1 + (size_t)geometry->entry_bytes);
}

/* A group of another geometry: its entries find new places. What an entry has more than ours is
 * left out, what it has less stays zero. */
static void place_entries(struct loader *loader, unsigned table, const unsigned char *group) {
    const size_t old_bytes = loader->header.tables[table].entry_bytes;
    const size_t now_bytes = loader->state->tables[table].entry_bytes;
    const size_t common = old_bytes < now_bytes ? old_bytes : now_bytes;
    for (size_t slot = 0; slot < STATE_GROUP_SLOTS; slot++) {
        const unsigned char *entry = group + STATE_GROUP_SLOTS + slot * old_bytes;
        struct state_entry head;
        if (group[slot] == 0) {
            continue;
        }
        memcpy(&head, entry, sizeof head);
        /* At time 0 nothing counts as expired: where there is no room, the oldest use goes. */
        memcpy(state_place(loader->state, (enum state_table_id)table, head.key, 0), entry, common);
    }
}

static bool chunk_sound(const struct loader *loader, const struct snapshot_chunk *chunk,
                        const unsigned char *body) {
    if (chunk->table >= loader->header.table_count) {
        return false;
    }
    const struct snapshot_geometry *geometry = &loader->header.tables[chunk->table];
    const size_t bitmap_bytes = ((size_t)chunk->group_count + 63) / 64 * 8;
    if (chunk->group_count == 0 || chunk->first_group > geometry->group_count ||
        chunk->group_count > geometry->group_count - chunk->first_group ||
        bitmap_bytes > chunk->body_bytes) {
        return false;
    }
    size_t present = 0;
    for (size_t i = 0; i < chunk->group_count; i++) {
        present += body[i / 8] >> i % 8 & 1;
    }
    return chunk->body_bytes == bitmap_bytes + present * group_bytes_of(geometry);
}

static void load_chunk(struct loader *loader, const struct snapshot_chunk *chunk,
                       const unsigned char *body) {
    const unsigned table = chunk->table;
    const struct snapshot_geometry *geometry = &loader->header.tables[table];
    const size_t bytes = group_bytes_of(geometry);
    const unsigned char *group = body + ((size_t)chunk->group_count + 63) / 64 * 8;
    for (size_t i = 0; i < chunk->group_count; i++) {
        if ((body[i / 8] >> i % 8 & 1) == 0) {
            continue;
        }
        if (geometry_equal(loader, table)) {
            state_put_group(&loader->state->tables[table], chunk->first_group + i, group);
        } else {
            place_entries(loader, table, group);
        }
        group += bytes;
    }
    snapshot_coverage_add(loader->coverage, table, chunk->first_group, chunk->group_count,
                          chunk->stamp);
}

/* Loads the chunk at loader->offset. 1 and past it, 0 when there is no whole chunk, -errno. */
static int try_chunk(struct loader *loader) {
    struct snapshot_chunk chunk;
    const unsigned char *bytes;
    size_t length;
    int result = look(loader, SNAPSHOT_CHUNK_HEADER, &bytes, &length);
    if (result != 0 || length < SNAPSHOT_CHUNK_HEADER) {
        return result;
    }
    if (!snapshot_chunk_parse(bytes, loader->header.salt, &chunk) ||
        chunk.body_bytes > SNAPSHOT_BODY_MAX) {
        return 0;
    }
    const size_t whole = SNAPSHOT_CHUNK_HEADER + (size_t)chunk.body_bytes;
    result = look(loader, whole, &bytes, &length);
    if (result != 0 || length < whole ||
        crc32c(loader->header.salt, bytes + SNAPSHOT_CHUNK_HEADER, (size_t)chunk.body_bytes) !=
            chunk.body_crc) {
        return result;
    }
    if (chunk.table == SNAPSHOT_END) {
        loader->ended = true;
        loader->expected = chunk.first_group;
    } else if (chunk.table < STATE_TABLES) {
        if (!chunk_sound(loader, &chunk, bytes + SNAPSHOT_CHUNK_HEADER)) {
            return 0;
        }
        load_chunk(loader, &chunk, bytes + SNAPSHOT_CHUNK_HEADER);
        loader->chunks++;
    } else {
        loader->chunks++; /* a table that this release does not have */
    }
    loader->offset += whole;
    return 1;
}

static int load_chunks(struct loader *loader) {
    bool skipping = false;
    loader->offset = SNAPSHOT_HEADER_BYTES;
    while (!loader->ended && loader->offset + SNAPSHOT_CHUNK_HEADER <= loader->size) {
        const int result = try_chunk(loader);
        if (result < 0) {
            return result;
        }
        if (result == 0) {
            /* Chunks are found again at a multiple of 8 bytes. */
            loader->damaged += !skipping;
            loader->offset += CHUNK_ALIGN;
        }
        skipping = result == 0;
    }
    if (!loader->ended) {
        loader->damaged++;
    } else if (loader->expected > loader->chunks &&
               loader->expected - loader->chunks > loader->damaged) {
        loader->damaged = loader->expected - loader->chunks;
    }
    return 0;
}

static int read_header(struct loader *loader) {
    const unsigned char *bytes;
    size_t length;
    struct stat status;
    if (fstat(loader->fd, &status) != 0) {
        return -errno;
    }
    loader->size = (uint64_t)status.st_size;
    const int result = look(loader, SNAPSHOT_HEADER_BYTES, &bytes, &length);
    if (result != 0) {
        return result;
    }
    return snapshot_header_parse(
        bytes, length < SNAPSHOT_HEADER_BYTES ? length : SNAPSHOT_HEADER_BYTES, &loader->header);
}

static int load(struct loader *loader) {
    int result = read_header(loader);
    if (result != 0) {
        return result;
    }
    if (loader->header.key_check != snapshot_key_check(&loader->state->key)) {
        return -EKEYREJECTED;
    }
    loader->coverage = snapshot_coverage_new(&loader->header, loader->state);
    if (loader->coverage == NULL) {
        return -ENOMEM;
    }
    result = load_chunks(loader);
    if (result == 0) {
        snapshot_coverage_finish(loader->coverage, loader->damaged == 0);
        for (unsigned i = 0; i < STATE_TABLES; i++) {
            state_table_recount(&loader->state->tables[i]);
        }
    }
    return result;
}

static void say(struct text *problem, const char *folder, int error) {
    const char *why = strerror(-error);
    if (error == -EKEYREJECTED) {
        why = "it was written under another hash key; put the key back or move the file away";
    } else if (error == -EPROTONOSUPPORT) {
        why = "a newer release wrote it; run that release or move the file away";
    } else if (error == -EBADMSG) {
        why = "its header is damaged; move it away, what the journal still has is then replayed";
    }
    text_add(problem, STR("cannot load "));
    text_add_escaped(problem, str_from(folder));
    text_add(problem, STR("/" SNAPSHOT_NAME ": "));
    text_add(problem, str_from(why));
}

int snapshot_load(const char *folder, struct state *state, struct snapshot_coverage **ret_coverage,
                  uint64_t *ret_damaged, struct text *problem) {
    char path[4096];
    struct loader loader = {.state = state};
    const int length = snprintf(path, sizeof path, "%s/%s", folder, SNAPSHOT_NAME);
    if (length < 0 || (size_t)length >= sizeof path) {
        say(problem, folder, -ENAMETOOLONG);
        return -ENAMETOOLONG;
    }
    *ret_coverage = NULL;
    *ret_damaged = 0;
    loader.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (loader.fd < 0 && errno == ENOENT) {
        return 0;
    }
    int result = loader.fd >= 0 ? 0 : -errno;
    if (result == 0 && (loader.buffer = malloc(BUFFER_BYTES)) == NULL) {
        result = -ENOMEM;
    }
    if (result == 0) {
        result = load(&loader);
    }
    if (loader.fd >= 0) {
        (void)close(loader.fd);
    }
    free(loader.buffer);
    if (result != 0) {
        snapshot_coverage_free(loader.coverage);
        say(problem, folder, result);
        return result;
    }
    *ret_coverage = loader.coverage;
    *ret_damaged = loader.damaged;
    return 0;
}
