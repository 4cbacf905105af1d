/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/mmdb_writer.h"

#include <string.h>

#include "base/check.h"

enum {
    NODES_MAX = 4096,
    ROWS_MAX = 128,
    ADDRESS_BITS = 128,
    RECORD_BITS = 28,
    NODE_BYTES = 2 * RECORD_BITS / 8,
    SEPARATOR_BYTES = 16,
    V4_BITS = 96, /* an IPv4 network stands at ::/96 */
};

/* Control bytes of the format: type in the upper three bits. */
enum {
    TYPE_TEXT = 2,
    TYPE_UINT16 = 5,
    TYPE_UINT32 = 6,
    TYPE_MAP = 7,
    TYPE_UINT64 = 9,
    TYPE_ARRAY = 11
};

enum { CHILD_NONE = 0, CHILD_NODE, CHILD_ROW };
struct child {
    int kind;
    uint32_t number;
};
struct tree {
    struct child nodes[NODES_MAX][2];
    uint32_t count;
};

struct output {
    unsigned char *bytes;
    size_t length;
};

static void put(struct output *out, const void *bytes, size_t length) {
    CHECK(out->length + length <= MMDB_FILE_MAX);
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

static void put_byte(struct output *out, unsigned byte) {
    const unsigned char one = (unsigned char)byte;
    put(out, &one, 1);
}

/* Sizes from 29 on are 29 and what is above it in a byte of its own. */
static void put_control(struct output *out, unsigned type, size_t size) {
    const unsigned first = size < 29 ? (unsigned)size : 29;
    CHECK(size < 29 + 256);
    put_byte(out, type < 8 ? type << 5 | first : first);
    if (type >= 8) {
        put_byte(out, type - 7);
    }
    if (first == 29) {
        put_byte(out, (unsigned)size - 29);
    }
}

static void put_text(struct output *out, const char *text) {
    put_control(out, TYPE_TEXT, strlen(text));
    put(out, text, strlen(text));
}

static void put_number(struct output *out, unsigned type, uint64_t value) {
    unsigned char big[8];
    size_t size = 0;
    for (unsigned i = 0; i < 8; i++) {
        const unsigned char byte = (unsigned char)(value >> (56 - 8 * i));
        if (byte != 0 || size > 0) {
            big[size++] = byte;
        }
    }
    put_control(out, type, size);
    put(out, big, size);
}

/* --- the tree ------------------------------------------------------------------------------------
 */

static unsigned bit_of(const struct ip_prefix *prefix, unsigned at) {
    return (unsigned)prefix->address.bytes[at / 8] >> (7 - at % 8) & 1U;
}

static uint32_t new_node(struct tree *tree, struct child filling) {
    CHECK(tree->count < NODES_MAX);
    tree->nodes[tree->count][0] = filling;
    tree->nodes[tree->count][1] = filling;
    return tree->count++;
}

static void insert(struct tree *tree, const char *network, uint32_t row) {
    struct ip_prefix prefix;
    CHECK(ip_prefix_parse(str_from(network), &prefix, NULL));
    if (ip_address_is_v4(prefix.address) && prefix.bits >= V4_BITS) {
        memset(prefix.address.bytes, 0, V4_BITS / 8); /* not ::ffff:0:0/96 */
    }
    CHECK(prefix.bits > 0 && prefix.bits <= ADDRESS_BITS);
    uint32_t node = 0;
    for (unsigned at = 0; at + 1 < prefix.bits; at++) {
        struct child *child = &tree->nodes[node][bit_of(&prefix, at)];
        if (child->kind != CHILD_NODE) {
            const uint32_t made = new_node(tree, *child);
            *child = (struct child){CHILD_NODE, made};
        }
        node = child->number;
    }
    tree->nodes[node][bit_of(&prefix, prefix.bits - 1U)] = (struct child){CHILD_ROW, row};
}

/* --- records
 * --------------------------------------------------------------------------------------
 */

static void put_nested(struct output *out, const struct mmdb_row *row) {
    const bool has_country = row->country != NULL && row->country[0] != '\0';
    put_control(out, TYPE_MAP, (has_country ? 2U : 0U) + (row->asn != 0 ? 2U : 0U));
    if (row->asn != 0) {
        put_text(out, "autonomous_system_number");
        put_number(out, TYPE_UINT32, row->asn);
        put_text(out, "autonomous_system_organization");
        put_control(out, TYPE_TEXT, 13);
        put(out, "Example N\xc3\xa9t 1", 13);
    }
    if (has_country) {
        put_text(out, "continent");
        put_control(out, TYPE_MAP, 1);
        put_text(out, "code");
        put_text(out, "EU");
        put_text(out, "country");
        put_control(out, TYPE_MAP, 1);
        put_text(out, "iso_code");
        put_text(out, row->country);
    }
}

static void put_flat(struct output *out, const struct mmdb_row *row) {
    const bool has_country = row->country != NULL && row->country[0] != '\0';
    put_control(out, TYPE_MAP, (has_country ? 1U : 0U) + (row->asn != 0 ? 1U : 0U));
    if (row->asn != 0) {
        char name[24];
        struct text text = TEXT_OVER(name);
        text_add(&text, STR("AS"));
        text_add_u64(&text, row->asn);
        put_text(out, "asn");
        put_text(out, text_zero(&text));
    }
    if (has_country) {
        put_text(out, "country_code");
        put_text(out, row->country);
    }
}

static void put_metadata(struct output *out, const struct mmdb_file *file, uint32_t nodes) {
    put(out, "\xab\xcd\xefMaxMind.com", 14);
    put_control(out, TYPE_MAP, 9);
    put_text(out, "binary_format_major_version");
    put_number(out, TYPE_UINT16, 2);
    put_text(out, "binary_format_minor_version");
    put_number(out, TYPE_UINT16, 0);
    put_text(out, "build_epoch");
    put_number(out, TYPE_UINT64, file->built_s);
    put_text(out, "database_type");
    put_text(out, file->type);
    put_text(out, "description");
    put_control(out, TYPE_MAP, 1);
    put_text(out, "en");
    put_text(out, "For tests");
    put_text(out, "ip_version");
    put_number(out, TYPE_UINT16, 6);
    put_text(out, "languages");
    put_control(out, TYPE_ARRAY, 1);
    put_text(out, "en");
    put_text(out, "node_count");
    put_number(out, TYPE_UINT32, nodes);
    put_text(out, "record_size");
    put_number(out, TYPE_UINT16, RECORD_BITS);
}

static uint32_t record_of(const struct tree *tree, struct child child, const uint32_t *offsets) {
    switch (child.kind) {
    case CHILD_NODE:
        return child.number;
    case CHILD_ROW:
        return tree->count + SEPARATOR_BYTES + offsets[child.number];
    default:
        return tree->count;
    }
}

static void put_tree(struct output *out, const struct tree *tree, const uint32_t *offsets) {
    for (uint32_t i = 0; i < tree->count; i++) {
        const uint32_t left = record_of(tree, tree->nodes[i][0], offsets);
        const uint32_t right = record_of(tree, tree->nodes[i][1], offsets);
        const unsigned char node[NODE_BYTES] = {
            (unsigned char)(left >> 16),  (unsigned char)(left >> 8),
            (unsigned char)left,          (unsigned char)((left >> 24) << 4 | right >> 24),
            (unsigned char)(right >> 16), (unsigned char)(right >> 8),
            (unsigned char)right,
        };
        put(out, node, sizeof node);
    }
}

size_t mmdb_write(const struct mmdb_file *file, unsigned char bytes[MMDB_FILE_MAX]) {
    static unsigned char data_bytes[MMDB_FILE_MAX];
    static struct tree tree;
    static const unsigned char separator[SEPARATOR_BYTES];
    uint32_t offsets[ROWS_MAX];
    struct output data = {.bytes = data_bytes};
    struct output out = {.bytes = bytes};
    CHECK(file->row_count <= ROWS_MAX);
    tree.count = 0;
    (void)new_node(&tree, (struct child){CHILD_NONE, 0});
    for (uint32_t i = 0; i < file->row_count; i++) {
        offsets[i] = (uint32_t)data.length;
        (file->shape == MMDB_SHAPE_FLAT ? put_flat : put_nested)(&data, &file->rows[i]);
        insert(&tree, file->rows[i].network, i);
    }
    put_tree(&out, &tree, offsets);
    put(&out, separator, sizeof separator);
    put(&out, data.bytes, data.length);
    put_metadata(&out, file, tree.count);
    return out.length;
}
