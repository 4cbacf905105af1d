/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

size_t utf8_decode(struct str text, uint32_t *ret_point) {
    /* By number of bytes: the smallest character that may be written with so many. */
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (text.length == 0) {
        return 0;
    }
    const unsigned char first = (unsigned char)text.data[0];
    if (first < 0x80) {
        *ret_point = first;
        return 1;
    }
    const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc0 || first > 0xf4 || text.length < length) {
        return 0;
    }
    uint32_t point = first & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        const unsigned char next = (unsigned char)text.data[i];
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (next & 0x3fU);
    }
    if (point < smallest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    *ret_point = point;
    return length;
}
