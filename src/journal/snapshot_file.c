/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of the snapshot file; writing it is in snapshot_writer.c. */
#include "journal/snapshot_file.h"

#include <errno.h>

#include "base/crc32c.h"
#include "journal/little_endian.h"

enum { HEADER_COPY_BYTES = 256, AT_VERSION = 8, AT_SALT = 12, AT_KEY_CHECK = 16, AT_WALL = 24 };
enum { AT_TABLE_COUNT = 32, AT_TABLES = 40, TABLE_BYTES = 16, AT_CRC = 252 };
enum { CHUNK_CRC = 0, CHUNK_MAGIC = 4, CHUNK_BODY_CRC = 8, CHUNK_TABLE = 12, CHUNK_FIRST = 16 };
enum { CHUNK_GROUPS = 24, CHUNK_STAMP = 32, CHUNK_BODY_BYTES = 40 };
#define CHUNK_MAGIC_VALUE UINT32_C(0x31435a53) /* "SZC1" */

static const char snapshot_magic[8] = {'S', 'Z', 'S', 'N', 'A', 'P', '1', '\n'};

uint64_t snapshot_key_check(const struct sip_key *key) {
    static const char subject[] = "seczim snapshot";
    return sip_hash(key, subject, sizeof subject).high;
}

void snapshot_header_format(const struct snapshot_header *header,
                            unsigned char out[SNAPSHOT_HEADER_BYTES]) {
    CHECK(header->table_count <= SNAPSHOT_TABLES_MAX);
    memset(out, 0, SNAPSHOT_HEADER_BYTES);
    memcpy(out, snapshot_magic, sizeof snapshot_magic);
    put_u32(out + AT_VERSION, SNAPSHOT_VERSION);
    put_u32(out + AT_SALT, header->salt);
    put_u64(out + AT_KEY_CHECK, header->key_check);
    put_u64(out + AT_WALL, (uint64_t)header->wall_ns);
    put_u32(out + AT_TABLE_COUNT, header->table_count);
    for (unsigned i = 0; i < header->table_count; i++) {
        unsigned char *table = out + AT_TABLES + i * TABLE_BYTES;
        put_u32(table, header->tables[i].entry_bytes);
        put_u64(table + 8, header->tables[i].group_count);
    }
    put_u32(out + AT_CRC, crc32c(0, out, AT_CRC));
    memcpy(out + SNAPSHOT_SECOND_HEADER, out, HEADER_COPY_BYTES);
}

static int parse_copy(const unsigned char *copy, struct snapshot_header *ret_header) {
    struct snapshot_header header = {0};
    if (memcmp(copy, snapshot_magic, sizeof snapshot_magic) != 0 ||
        get_u32(copy + AT_CRC) != crc32c(0, copy, AT_CRC)) {
        return -EBADMSG;
    }
    if (get_u32(copy + AT_VERSION) > SNAPSHOT_VERSION) {
        return -EPROTONOSUPPORT;
    }
    header.salt = get_u32(copy + AT_SALT);
    header.key_check = get_u64(copy + AT_KEY_CHECK);
    header.wall_ns = (int64_t)get_u64(copy + AT_WALL);
    header.table_count = get_u32(copy + AT_TABLE_COUNT);
    if (header.table_count > SNAPSHOT_TABLES_MAX) {
        return -EBADMSG;
    }
    for (unsigned i = 0; i < header.table_count; i++) {
        const unsigned char *table = copy + AT_TABLES + i * TABLE_BYTES;
        header.tables[i].entry_bytes = get_u32(table);
        header.tables[i].group_count = get_u64(table + 8);
        if (header.tables[i].entry_bytes < sizeof(struct state_entry) ||
            header.tables[i].entry_bytes > SNAPSHOT_BODY_MAX / (2 * STATE_GROUP_SLOTS)) {
            return -EBADMSG;
        }
    }
    *ret_header = header;
    return 0;
}

int snapshot_header_parse(const unsigned char *bytes, size_t length,
                          struct snapshot_header *ret_header) {
    int result = -EBADMSG;
    if (length >= HEADER_COPY_BYTES) {
        result = parse_copy(bytes, ret_header);
    }
    if (result == -EBADMSG && length >= SNAPSHOT_SECOND_HEADER + HEADER_COPY_BYTES) {
        result = parse_copy(bytes + SNAPSHOT_SECOND_HEADER, ret_header);
    }
    return result;
}

void snapshot_chunk_format(const struct snapshot_chunk *chunk, uint32_t salt,
                           unsigned char out[SNAPSHOT_CHUNK_HEADER]) {
    memset(out, 0, SNAPSHOT_CHUNK_HEADER);
    put_u32(out + CHUNK_MAGIC, CHUNK_MAGIC_VALUE);
    put_u32(out + CHUNK_BODY_CRC, chunk->body_crc);
    put_u16(out + CHUNK_TABLE, (uint16_t)chunk->table);
    put_u64(out + CHUNK_FIRST, chunk->first_group);
    put_u32(out + CHUNK_GROUPS, chunk->group_count);
    put_u64(out + CHUNK_STAMP, chunk->stamp);
    put_u64(out + CHUNK_BODY_BYTES, chunk->body_bytes);
    put_u32(out + CHUNK_CRC, crc32c(salt, out + CHUNK_MAGIC, SNAPSHOT_CHUNK_HEADER - CHUNK_MAGIC));
}

bool snapshot_chunk_parse(const unsigned char in[SNAPSHOT_CHUNK_HEADER], uint32_t salt,
                          struct snapshot_chunk *ret_chunk) {
    if (get_u32(in + CHUNK_MAGIC) != CHUNK_MAGIC_VALUE ||
        get_u32(in + CHUNK_CRC) !=
            crc32c(salt, in + CHUNK_MAGIC, SNAPSHOT_CHUNK_HEADER - CHUNK_MAGIC)) {
        return false;
    }
    *ret_chunk = (struct snapshot_chunk){
        .table = get_u16(in + CHUNK_TABLE),
        .first_group = get_u64(in + CHUNK_FIRST),
        .group_count = get_u32(in + CHUNK_GROUPS),
        .stamp = get_u64(in + CHUNK_STAMP),
        .body_crc = get_u32(in + CHUNK_BODY_CRC),
        .body_bytes = get_u64(in + CHUNK_BODY_BYTES),
    };
    return true;
}
