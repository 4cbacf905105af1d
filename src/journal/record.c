/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/record.h"

#include "base/crc32c.h"
#include "journal/little_endian.h"

enum { AT_CRC = 0, AT_LENGTH = 4, AT_SEQUENCE = 8, AT_TIME = 16, AT_TYPE = 24, AT_VERSION = 26 };
enum { AT_MAGIC = 28 };

void record_header_format(unsigned char *out, enum record_type type, unsigned version,
                          uint64_t sequence, int64_t time_ns, size_t body_length) {
    CHECK(body_length <= RECORD_BODY_MAX);
    const size_t end = JOURNAL_RECORD_HEADER + body_length;
    put_u32(out + AT_CRC, 0);
    put_u32(out + AT_LENGTH, (uint32_t)body_length);
    put_u64(out + AT_SEQUENCE, sequence);
    put_u64(out + AT_TIME, (uint64_t)time_ns);
    put_u16(out + AT_TYPE, (uint16_t)type);
    put_u16(out + AT_VERSION, (uint16_t)version);
    put_u32(out + AT_MAGIC, RECORD_MAGIC);
    memset(out + end, 0, record_bytes(body_length) - end);
}

void record_seal(unsigned char *record, uint32_t salt) {
    const size_t covered = JOURNAL_RECORD_HEADER - AT_LENGTH + get_u32(record + AT_LENGTH);
    put_u32(record + AT_CRC, crc32c(salt, record + AT_LENGTH, covered));
}

bool record_header_parse(const unsigned char *bytes, struct journal_record *ret_record) {
    const uint32_t length = get_u32(bytes + AT_LENGTH);
    const uint16_t type = get_u16(bytes + AT_TYPE);
    if (get_u32(bytes + AT_MAGIC) != RECORD_MAGIC || length > RECORD_BODY_MAX ||
        type == RECORD_NONE) {
        return false;
    }
    *ret_record = (struct journal_record){
        .type = (enum record_type)type,
        .version = get_u16(bytes + AT_VERSION),
        .sequence = get_u64(bytes + AT_SEQUENCE),
        .time_ns = (int64_t)get_u64(bytes + AT_TIME),
        .body = bytes + JOURNAL_RECORD_HEADER,
        .length = length,
    };
    return true;
}

enum record_check record_parse(const unsigned char *bytes, size_t length, uint32_t salt,
                               struct journal_record *ret_record) {
    struct journal_record record;
    if (length < JOURNAL_RECORD_HEADER) {
        return RECORD_SHORT;
    }
    if (!record_header_parse(bytes, &record)) {
        return RECORD_DAMAGED;
    }
    /* The padding may be cut off: nothing stands in it. */
    if (length < JOURNAL_RECORD_HEADER + record.length) {
        return RECORD_SHORT;
    }
    const size_t covered = JOURNAL_RECORD_HEADER - AT_LENGTH + record.length;
    if (get_u32(bytes + AT_CRC) != crc32c(salt, bytes + AT_LENGTH, covered)) {
        return RECORD_DAMAGED;
    }
    *ret_record = record;
    return RECORD_WHOLE;
}

void gap_body_format(unsigned char out[GAP_BODY_BYTES], uint64_t missed, enum gap_cause cause) {
    put_u64(out, missed);
    put_u32(out + 8, (uint32_t)cause);
}
