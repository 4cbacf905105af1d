/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/segment.h"

#include <fcntl.h>

#include "base/failpoint.h"
#include "base/random.h"

static const char next_name[] = "next.tmp";
static const unsigned char zeroes[SEGMENT_STEP_BYTES];

void segment_writer_init(struct segment_writer *writer, const struct file_operations *files,
                         int folder_fd, uint64_t segment_bytes) {
    *writer = (struct segment_writer){
        .files = files,
        .folder_fd = folder_fd,
        .segment_bytes = segment_bytes,
        .fd = -1,
        .next_fd = -1,
    };
}

void segment_drop_next(struct segment_writer *writer) {
    const struct file_operations *files = writer->files;
    if (writer->next_fd < 0) {
        return;
    }
    files->close(files->context, writer->next_fd);
    (void)files->unlink(files->context, writer->folder_fd, next_name);
    writer->next_fd = -1;
    writer->next_zeroed = 0;
}

static int open_next(struct segment_writer *writer) {
    const struct file_operations *files = writer->files;
    const int fd = files->open(files->context, writer->folder_fd, next_name,
                               O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return fd;
    }
    writer->next_fd = fd;
    writer->next_zeroed = 0;
    const int result = files->allocate(files->context, fd, writer->segment_bytes);
    if (result != 0) {
        segment_drop_next(writer);
    }
    return result;
}

int segment_prepare_step(struct segment_writer *writer, bool zeroed) {
    const struct file_operations *files = writer->files;
    if (writer->next_fd < 0) {
        return open_next(writer);
    }
    const uint64_t rest = writer->segment_bytes - writer->next_zeroed;
    if (!zeroed || rest == 0) {
        return 0;
    }
    const size_t step = rest < sizeof zeroes ? (size_t)rest : sizeof zeroes;
    int result =
        files->write_at(files->context, writer->next_fd, zeroes, step, writer->next_zeroed);
    writer->next_zeroed += step;
    /* After each step: one sync of a whole segment would hold up the records' syncs. */
    if (result == 0) {
        result = files->sync_data(files->context, writer->next_fd);
    }
    if (result != 0) {
        segment_drop_next(writer);
    }
    return result;
}

int segment_begin(struct segment_writer *writer, struct segment_name name) {
    const struct file_operations *files = writer->files;
    unsigned char header[SEGMENT_HEADER_BYTES];
    char final_name[SEGMENT_NAME_BYTES];
    uint32_t salt;
    CHECK(writer->fd < 0);
    if (writer->next_fd < 0) {
        const int opened = open_next(writer);
        if (opened != 0) {
            return opened;
        }
    }
    random_bytes(&salt, sizeof salt);
    segment_name_format(name, final_name);
    segment_header_format(
        &(struct segment_header){.salt = salt, .first = name.first, .bytes = writer->segment_bytes},
        header);
    int result = files->write_at(files->context, writer->next_fd, header, sizeof header, 0);
    if (result == 0) {
        failpoint("journal.segment-change");
        result = files->rename(files->context, writer->folder_fd, next_name, final_name);
    }
    if (result != 0) {
        segment_drop_next(writer);
        return result;
    }
    writer->fd = writer->next_fd;
    writer->name = name;
    writer->salt = salt;
    writer->offset = SEGMENT_HEADER_BYTES;
    writer->folder_dirty = true;
    writer->next_fd = -1;
    writer->next_zeroed = 0;
    return 0;
}

uint64_t segment_room(const struct segment_writer *writer) {
    return writer->segment_bytes - writer->offset;
}

int segment_append(struct segment_writer *writer, const unsigned char *records, size_t length) {
    const struct file_operations *files = writer->files;
    CHECK(length <= segment_room(writer));
    const int result = files->write_at(files->context, writer->fd, records, length, writer->offset);
    if (result == 0) {
        writer->offset += length;
        failpoint("journal.segment-write");
    }
    return result;
}

int segment_sync(struct segment_writer *writer) {
    const struct file_operations *files = writer->files;
    int result = files->sync_data(files->context, writer->fd);
    if (result == 0 && writer->folder_dirty) {
        result = files->sync(files->context, writer->folder_fd);
        writer->folder_dirty = result != 0;
    }
    return result;
}

void segment_give_up(struct segment_writer *writer, uint64_t good_offset) {
    const struct file_operations *files = writer->files;
    CHECK(writer->fd >= 0);
    /* To save space and to leave nothing behind that is not known to be good. Readers do not depend
     * on it: they stop where the next segment begins. */
    (void)files->truncate(files->context, writer->fd, good_offset);
    files->close(files->context, writer->fd);
    writer->fd = -1;
}

void segment_end(struct segment_writer *writer) {
    const struct file_operations *files = writer->files;
    files->uncache(files->context, writer->fd);
    segment_give_up(writer, writer->offset);
}
