/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/failpoint.h"
#include "base/random.h"
#include "journal/little_endian.h"
#include "journal/snapshot_file.h"

enum { BUFFER_BYTES = SNAPSHOT_CHUNK_HEADER + SNAPSHOT_CHUNK_BYTES + 4096 };

size_t snapshot_chunk_groups(const struct state_table *table) {
    const size_t groups = SNAPSHOT_CHUNK_BYTES / table->group_bytes;
    return groups > 0 ? groups : 1;
}

static int append(struct snapshot_writer *writer, const unsigned char *bytes, size_t length) {
    const struct file_operations *files = writer->files;
    const int result = files->write_at(files->context, writer->fd, bytes, length, writer->offset);
    if (result == 0) {
        writer->offset += length;
    }
    return result;
}

static int begin_file(struct snapshot_writer *writer, const struct state *state) {
    unsigned char page[SNAPSHOT_HEADER_BYTES];
    struct snapshot_header header = {
        .salt = writer->salt,
        .key_check = snapshot_key_check(&state->key),
        .wall_ns = clock_wall_ns(),
        .table_count = STATE_TABLES,
    };
    _Static_assert((int)STATE_TABLES <= (int)SNAPSHOT_TABLES_MAX, "the header has no room");
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        header.tables[i].entry_bytes = (uint32_t)state->tables[i].entry_bytes;
        header.tables[i].group_count = state->tables[i].group_count;
    }
    snapshot_header_format(&header, page);
    return append(writer, page, sizeof page);
}

int snapshot_writer_open(struct snapshot_writer *writer, const struct file_operations *files,
                         int folder_fd, const struct state *state) {
    *writer = (struct snapshot_writer){.files = files, .folder_fd = folder_fd, .fd = -1};
    writer->buffer = malloc(BUFFER_BYTES);
    if (writer->buffer == NULL) {
        return -ENOMEM;
    }
    const int fd = files->open(files->context, folder_fd, SNAPSHOT_TEMPORARY,
                               O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        free(writer->buffer);
        return fd;
    }
    writer->fd = fd;
    random_bytes(&writer->salt, sizeof writer->salt);
    const int result = begin_file(writer, state);
    if (result != 0) {
        snapshot_writer_done(writer);
    }
    return result;
}

static bool all_zero(const unsigned char *bytes, size_t length) {
    /* Each byte equals the one before it, and the first is 0. */
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

int snapshot_writer_chunk(struct snapshot_writer *writer, unsigned table, uint64_t first_group,
                          size_t group_count, size_t group_bytes, uint64_t stamp,
                          const unsigned char *groups) {
    const size_t bitmap_bytes = (group_count + 63) / 64 * 8;
    unsigned char *body = writer->buffer + SNAPSHOT_CHUNK_HEADER;
    size_t length = bitmap_bytes;
    CHECK(SNAPSHOT_CHUNK_HEADER + bitmap_bytes + group_count * group_bytes <= BUFFER_BYTES);
    memset(body, 0, bitmap_bytes);
    for (size_t i = 0; i < group_count; i++) {
        const unsigned char *group = groups + i * group_bytes;
        if (!all_zero(group, group_bytes)) {
            body[i / 8] = (unsigned char)(body[i / 8] | 1u << i % 8);
            memcpy(body + length, group, group_bytes);
            length += group_bytes;
        }
    }
    const struct snapshot_chunk chunk = {
        .table = table,
        .first_group = first_group,
        .group_count = (uint32_t)group_count,
        .stamp = stamp,
        .body_crc = crc32c(writer->salt, body, length),
        .body_bytes = length,
    };
    snapshot_chunk_format(&chunk, writer->salt, writer->buffer);
    const int result = append(writer, writer->buffer, SNAPSHOT_CHUNK_HEADER + length);
    if (result == 0) {
        writer->chunks++;
        writer->highest_stamp = stamp > writer->highest_stamp ? stamp : writer->highest_stamp;
        failpoint("snapshot.chunk");
    }
    return result;
}

int snapshot_writer_end(struct snapshot_writer *writer) {
    unsigned char bytes[SNAPSHOT_CHUNK_HEADER];
    const struct snapshot_chunk end = {
        .table = SNAPSHOT_END,
        .first_group = writer->chunks,
        .stamp = writer->highest_stamp,
        .body_crc = crc32c(writer->salt, NULL, 0),
    };
    snapshot_chunk_format(&end, writer->salt, bytes);
    return append(writer, bytes, sizeof bytes);
}

int snapshot_writer_commit(struct snapshot_writer *writer) {
    const struct file_operations *files = writer->files;
    failpoint("snapshot.written");
    const int result = files->commit(files->context, writer->folder_fd, writer->fd,
                                     SNAPSHOT_TEMPORARY, SNAPSHOT_NAME);
    if (result == 0) {
        failpoint("snapshot.renamed");
        files->close(files->context, writer->fd);
        writer->fd = -1;
    }
    return result;
}

void snapshot_writer_done(struct snapshot_writer *writer) {
    const struct file_operations *files = writer->files;
    if (writer->fd >= 0) {
        files->close(files->context, writer->fd);
        (void)files->unlink(files->context, writer->folder_fd, SNAPSHOT_TEMPORARY);
        writer->fd = -1;
    }
    free(writer->buffer);
    writer->buffer = NULL;
}

static int save_table(struct snapshot_writer *writer, unsigned table_id,
                      const struct state_table *table, uint64_t sequence) {
    const size_t step = snapshot_chunk_groups(table);
    unsigned char *groups = malloc(step * table->group_bytes);
    int result = groups != NULL ? 0 : -ENOMEM;
    for (size_t first = 0; result == 0 && first < table->group_count; first += step) {
        const size_t rest = table->group_count - first;
        const size_t count = rest < step ? rest : step;
        state_copy_groups(table, first, count, groups);
        result = snapshot_writer_chunk(writer, table_id, first, count, table->group_bytes, sequence,
                                       groups);
    }
    free(groups);
    return result;
}

int snapshot_save_sharp(const char *folder, const struct state *state, uint64_t sequence) {
    struct snapshot_writer writer;
    const int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        return -errno;
    }
    int result = snapshot_writer_open(&writer, &file_operations_real, folder_fd, state);
    if (result == 0) {
        for (unsigned i = 0; result == 0 && i < STATE_TABLES; i++) {
            result = save_table(&writer, i, &state->tables[i], sequence);
        }
        if (result == 0) {
            result = snapshot_writer_end(&writer);
        }
        if (result == 0) {
            result = snapshot_writer_commit(&writer);
        }
        snapshot_writer_done(&writer);
    }
    (void)close(folder_fd);
    return result;
}
