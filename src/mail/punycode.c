/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/punycode.h"

#include "base/check.h"

/* The parameters of RFC 3492 section 5. */
enum {
    BASE = 36,
    T_MIN = 1,
    T_MAX = 26,
    SKEW = 38,
    DAMP = 700,
    INITIAL_BIAS = 72,
    INITIAL_POINT = 0x80,
};

static char digit(uint32_t value) {
    return (char)(value < 26 ? 'a' + value : '0' + (value - 26));
}

static uint32_t adapt_bias(uint32_t delta, uint32_t points, bool first) {
    uint32_t bias = 0;
    delta = first ? delta / DAMP : delta / 2;
    delta += delta / points;
    for (; delta > ((BASE - T_MIN) * T_MAX) / 2; bias += BASE) {
        delta /= BASE - T_MIN;
    }
    return bias + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

/* `delta` as a number whose digits have the weights of RFC 3492 section 3.3. */
static void add_delta(uint32_t delta, uint32_t bias, struct text *out) {
    for (uint32_t k = BASE;; k += BASE) {
        const uint32_t t = k <= bias + T_MIN ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
        if (delta < t) {
            break;
        }
        text_add_byte(out, digit(t + (delta - t) % (BASE - t)));
        delta = (delta - t) / (BASE - t);
    }
    text_add_byte(out, digit(delta));
}

/* The smallest character that is not below `least`; the caller knows that there is one. */
static uint32_t next_point(const uint32_t *points, size_t count, uint32_t least) {
    uint32_t next = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        if (points[i] >= least && points[i] < next) {
            next = points[i];
        }
    }
    return next;
}

void punycode_encode(const uint32_t *points, size_t count, struct text *out) {
    CHECK(count <= PUNYCODE_POINTS_MAX);
    uint32_t done = 0;
    for (size_t i = 0; i < count; i++) {
        if (points[i] < INITIAL_POINT) {
            text_add_byte(out, (char)points[i]);
            done++;
        }
    }
    const uint32_t basic = done;
    if (basic > 0) {
        text_add_byte(out, '-');
    }
    uint32_t bias = INITIAL_BIAS;
    uint32_t delta = 0; /* At most 0x110000 * 64: no overflow. */
    uint32_t least = INITIAL_POINT;
    while (done < count) {
        const uint32_t point = next_point(points, count, least);
        delta += (point - least) * (done + 1);
        for (size_t i = 0; i < count; i++) {
            if (points[i] < point) {
                delta++;
            } else if (points[i] == point) {
                add_delta(delta, bias, out);
                bias = adapt_bias(delta, done + 1, done == basic);
                delta = 0;
                done++;
            }
        }
        delta++;
        least = point + 1;
    }
}
