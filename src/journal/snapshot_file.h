/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "journal/file_operations.h"
#include "journal/snapshot.h"

/* The file of a snapshot (docs/internals/snapshot-format.md): a header page (the same 256 bytes at
 * 0 and 2048), chunks, and a last chunk without groups that tells how many there were. */

enum { SNAPSHOT_HEADER_BYTES = 4096, SNAPSHOT_SECOND_HEADER = 2048, SNAPSHOT_VERSION = 1 };
enum { SNAPSHOT_TABLES_MAX = 12, SNAPSHOT_CHUNK_HEADER = 48, SNAPSHOT_BODY_MAX = 1 << 20 };
#define SNAPSHOT_NAME      "state.snapshot"
#define SNAPSHOT_TEMPORARY "state.snapshot.tmp"

struct snapshot_geometry {
    uint32_t entry_bytes;
    uint64_t group_count;
};

struct snapshot_header {
    uint32_t salt;
    uint64_t key_check; /* tells whether the hash key is the same, without giving it away */
    int64_t wall_ns;
    unsigned table_count;
    struct snapshot_geometry tables[SNAPSHOT_TABLES_MAX];
};

uint64_t snapshot_key_check(const struct sip_key *key);
void snapshot_header_format(const struct snapshot_header *header,
                            unsigned char out[SNAPSHOT_HEADER_BYTES]);
/* From whichever copy is whole. -EBADMSG, -EPROTONOSUPPORT. */
MUST_USE int snapshot_header_parse(const unsigned char *bytes, size_t length,
                                   struct snapshot_header *ret_header);

/* The last chunk has this number for its table, and the number of chunks for first_group. */
enum { SNAPSHOT_END = 0xffff };
struct snapshot_chunk {
    unsigned table;
    uint64_t first_group;
    uint32_t group_count;
    uint64_t stamp;
    uint32_t body_crc;
    uint64_t body_bytes; /* a bit per group (rounded up to 8 bytes), then the groups not all zero */
};
void snapshot_chunk_format(const struct snapshot_chunk *chunk, uint32_t salt,
                           unsigned char out[SNAPSHOT_CHUNK_HEADER]);
bool snapshot_chunk_parse(const unsigned char in[SNAPSHOT_CHUNK_HEADER], uint32_t salt,
                          struct snapshot_chunk *ret_chunk);

/* --- writing ------------------------------------------------------------------------------------
 */

struct snapshot_writer {
    const struct file_operations *files;
    int folder_fd;
    int fd; /* -1: not open */
    uint32_t salt;
    uint64_t offset;
    uint64_t chunks;
    uint64_t highest_stamp;
    unsigned char *buffer;
};

/* How many groups of a table make a chunk. */
size_t snapshot_chunk_groups(const struct state_table *table);
/* Begins SNAPSHOT_TEMPORARY. */
MUST_USE int snapshot_writer_open(struct snapshot_writer *writer,
                                  const struct file_operations *files, int folder_fd,
                                  const struct state *state);
/* `groups` is group_count * group_bytes. */
MUST_USE int snapshot_writer_chunk(struct snapshot_writer *writer, unsigned table,
                                   uint64_t first_group, size_t group_count, size_t group_bytes,
                                   uint64_t stamp, const unsigned char *groups);
MUST_USE int snapshot_writer_end(struct snapshot_writer *writer);
/* Syncs it and renames it to its final name. */
MUST_USE int snapshot_writer_commit(struct snapshot_writer *writer);
/* Closes; removes the temporary file unless it was committed. */
void snapshot_writer_done(struct snapshot_writer *writer);
