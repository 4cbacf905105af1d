/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/punycode.h"

#include "base/utf8.h"
#include "testing/test.h"

static size_t points_of(struct str text, uint32_t points[static PUNYCODE_POINTS_MAX]) {
    size_t count = 0;
    for (size_t at = 0; at < text.length; count++) {
        const size_t length = utf8_decode(str_slice(text, at, SIZE_MAX), &points[count]);
        assert_true(length > 0);
        at += length;
    }
    return count;
}

TEST(punycode_gives_the_samples_of_rfc_3492) {
    static const struct {
        const char *label;
        const char *text;
        const char *encoded;
    } rows[] = {
        /* clang-format off */
        {"A Arabic", "\xd9\x84\xd9\x8a\xd9\x87\xd9\x85\xd8\xa7\xd8\xa8\xd8\xaa\xd9\x83\xd9\x84\xd9\x85\xd9\x88\xd8\xb4\xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a\xd8\x9f", "egbpdaj6bu4bxfgehfvwxn"},
        {"B Chinese", "\xe4\xbb\x96\xe4\xbb\xac\xe4\xb8\xba\xe4\xbb\x80\xe4\xb9\x88\xe4\xb8\x8d\xe8\xaf\xb4\xe4\xb8\xad\xe6\x96\x87", "ihqwcrb4cv8a8dqg056pqjye"},
        {"C Chinese, traditional", "\xe4\xbb\x96\xe5\x80\x91\xe7\x88\xb2\xe4\xbb\x80\xe9\xba\xbd\xe4\xb8\x8d\xe8\xaa\xaa\xe4\xb8\xad\xe6\x96\x87", "ihqwctvzc91f659drss3x8bo0yb"},
        {"D Czech", "\x50\x72\x6f\xc4\x8d\x70\x72\x6f\x73\x74\xc4\x9b\x6e\x65\x6d\x6c\x75\x76\xc3\xad\xc4\x8d\x65\x73\x6b\x79", "Proprostnemluvesky-uyb24dma41a"},
        {"E Hebrew", "\xd7\x9c\xd7\x9e\xd7\x94\xd7\x94\xd7\x9d\xd7\xa4\xd7\xa9\xd7\x95\xd7\x98\xd7\x9c\xd7\x90\xd7\x9e\xd7\x93\xd7\x91\xd7\xa8\xd7\x99\xd7\x9d\xd7\xa2\xd7\x91\xd7\xa8\xd7\x99\xd7\xaa", "4dbcagdahymbxekheh6e0a7fei0b"},
        {"F Hindi", "\xe0\xa4\xaf\xe0\xa4\xb9\xe0\xa4\xb2\xe0\xa5\x8b\xe0\xa4\x97\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xaf\xe0\xa5\x8b\xe0\xa4\x82\xe0\xa4\xa8\xe0\xa4\xb9\xe0\xa5\x80\xe0\xa4\x82\xe0\xa4\xac\xe0\xa5\x8b\xe0\xa4\xb2\xe0\xa4\xb8\xe0\xa4\x95\xe0\xa4\xa4\xe0\xa5\x87\xe0\xa4\xb9\xe0\xa5\x88\xe0\xa4\x82", "i1baa7eci9glrd9b2ae1bj0hfcgg6iyaf8o0a1dig0cd"},
        {"G Japanese", "\xe3\x81\xaa\xe3\x81\x9c\xe3\x81\xbf\xe3\x82\x93\xe3\x81\xaa\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x82\x92\xe8\xa9\xb1\xe3\x81\x97\xe3\x81\xa6\xe3\x81\x8f\xe3\x82\x8c\xe3\x81\xaa\xe3\x81\x84\xe3\x81\xae\xe3\x81\x8b", "n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa"},
        {"H Korean", "\xec\x84\xb8\xea\xb3\x84\xec\x9d\x98\xeb\xaa\xa8\xeb\x93\xa0\xec\x82\xac\xeb\x9e\x8c\xeb\x93\xa4\xec\x9d\xb4\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4\xeb\xa5\xbc\xec\x9d\xb4\xed\x95\xb4\xed\x95\x9c\xeb\x8b\xa4\xeb\xa9\xb4\xec\x96\xbc\xeb\xa7\x88\xeb\x82\x98\xec\xa2\x8b\xec\x9d\x84\xea\xb9\x8c", "989aomsvi5e83db1d2a355cv1e0vak1dwrv93d5xbh15a0dt30a5jpsd879ccm6fea98c"},
        {"I Russian", "\xd0\xbf\xd0\xbe\xd1\x87\xd0\xb5\xd0\xbc\xd1\x83\xd0\xb6\xd0\xb5\xd0\xbe\xd0\xbd\xd0\xb8\xd0\xbd\xd0\xb5\xd0\xb3\xd0\xbe\xd0\xb2\xd0\xbe\xd1\x80\xd1\x8f\xd1\x82\xd0\xbf\xd0\xbe\xd1\x80\xd1\x83\xd1\x81\xd1\x81\xd0\xba\xd0\xb8", "b1abfaaepdrnnbgefbadotcwatmq2g4l"},
        {"J Spanish", "\x50\x6f\x72\x71\x75\xc3\xa9\x6e\x6f\x70\x75\x65\x64\x65\x6e\x73\x69\x6d\x70\x6c\x65\x6d\x65\x6e\x74\x65\x68\x61\x62\x6c\x61\x72\x65\x6e\x45\x73\x70\x61\xc3\xb1\x6f\x6c", "PorqunopuedensimplementehablarenEspaol-fmd56a"},
        {"K Vietnamese", "\x54\xe1\xba\xa1\x69\x73\x61\x6f\x68\xe1\xbb\x8d\x6b\x68\xc3\xb4\x6e\x67\x74\x68\xe1\xbb\x83\x63\x68\xe1\xbb\x89\x6e\xc3\xb3\x69\x74\x69\xe1\xba\xbf\x6e\x67\x56\x69\xe1\xbb\x87\x74", "TisaohkhngthchnitingVit-kjcr8268qyxafd2f1b9g"},
        {"L 3-nen", "\x33\xe5\xb9\xb4\x42\xe7\xb5\x84\xe9\x87\x91\xe5\x85\xab\xe5\x85\x88\xe7\x94\x9f", "3B-ww4c5e180e575a65lsy2b"},
        {"M Amuro Namie", "\xe5\xae\x89\xe5\xae\xa4\xe5\xa5\x88\xe7\xbe\x8e\xe6\x81\xb5\x2d\x77\x69\x74\x68\x2d\x53\x55\x50\x45\x52\x2d\x4d\x4f\x4e\x4b\x45\x59\x53", "-with-SUPER-MONKEYS-pc58ag80a8qai00g7n9n"},
        {"N Hello Another Way", "\x48\x65\x6c\x6c\x6f\x2d\x41\x6e\x6f\x74\x68\x65\x72\x2d\x57\x61\x79\x2d\xe3\x81\x9d\xe3\x82\x8c\xe3\x81\x9e\xe3\x82\x8c\xe3\x81\xae\xe5\xa0\xb4\xe6\x89\x80", "Hello-Another-Way--fc4qua05auwb3674vfr0b"},
        {"O Hitotsu", "\xe3\x81\xb2\xe3\x81\xa8\xe3\x81\xa4\xe5\xb1\x8b\xe6\xa0\xb9\xe3\x81\xae\xe4\xb8\x8b\x32", "2-u9tlzr9756bt3uc0v"},
        {"P Maji", "\x4d\x61\x6a\x69\xe3\x81\xa7\x4b\x6f\x69\xe3\x81\x99\xe3\x82\x8b\x35\xe7\xa7\x92\xe5\x89\x8d", "MajiKoi5-783gue6qz075azm5e"},
        {"Q Pafii", "\xe3\x83\x91\xe3\x83\x95\xe3\x82\xa3\xe3\x83\xbc\x64\x65\xe3\x83\xab\xe3\x83\xb3\xe3\x83\x90", "de-jg4avhby1noc0d"},
        {"R Sono", "\xe3\x81\x9d\xe3\x81\xae\xe3\x82\xb9\xe3\x83\x94\xe3\x83\xbc\xe3\x83\x89\xe3\x81\xa7", "d9juau41awczczp"},
        {"S ASCII", "\x2d\x3e\x20\x24\x31\x2e\x30\x30\x20\x3c\x2d", "-> $1.00 <--"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t points[PUNYCODE_POINTS_MAX];
        char bytes[128];
        struct text out = TEXT_OVER(bytes);
        test_case(rows[i].label);
        punycode_encode(points, points_of(str_from(rows[i].text), points), &out);
        assert_string_equal(text_zero(&out), rows[i].encoded);
    }
}

/* The decoder of RFC 3492 section 6.2, for the property below. */
static size_t decode(struct str text, uint32_t *points) {
    const size_t dash = str_find_last(text, '-');
    size_t count = dash == SIZE_MAX ? 0 : dash;
    size_t at = dash == SIZE_MAX ? 0 : dash + 1;
    uint32_t n = 128;
    uint32_t bias = 72;
    uint32_t i = 0;
    for (size_t j = 0; j < count; j++) {
        points[j] = (unsigned char)text.data[j];
    }
    for (uint32_t old = 0; at < text.length; old = i) {
        uint32_t weight = 1;
        for (uint32_t k = 36;; k += 36) {
            assert_true(at < text.length);
            const char c = text.data[at++];
            const uint32_t value = (uint32_t)(c >= 'a' ? c - 'a' : c - '0' + 26);
            const uint32_t t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
            i += value * weight;
            if (value < t) {
                break;
            }
            weight *= 36 - t;
        }
        count++;
        uint32_t delta = old == 0 ? (i - old) / 700 : (i - old) / 2;
        delta += delta / (uint32_t)count;
        for (bias = 0; delta > 455; bias += 36) {
            delta /= 35;
        }
        bias += 36 * delta / (delta + 38);
        n += i / (uint32_t)count;
        i %= (uint32_t)count;
        for (size_t j = count - 1; j > i; j--) {
            points[j] = points[j - 1];
        }
        points[i++] = n;
    }
    return count;
}

TEST(punycode_can_be_decoded_again) {
    static const uint32_t tops[] = {0x80, 0x100, 0x500, 0x3000, 0xffff, 0x110000};
    uint64_t seed = 1;
    for (unsigned round = 0; round < 5000; round++) {
        uint32_t points[PUNYCODE_POINTS_MAX];
        uint32_t again[512];
        char bytes[512];
        struct text out = TEXT_OVER(bytes);
        const size_t count = 1 + round % PUNYCODE_POINTS_MAX;
        for (size_t i = 0; i < count; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            points[i] = 'a' + (uint32_t)((seed >> 33) % (tops[(seed >> 12) % 6] - 'a'));
        }
        punycode_encode(points, count, &out);
        assert_false(out.truncated);
        assert_int_equal(decode(text_str(&out), again), count);
        assert_memory_equal(again, points, count * sizeof points[0]);
    }
}

TEST(punycode_stays_within_the_room_it_is_given) {
    const uint32_t points[] = {'a', 0xe4, 0x10ffff};
    for (size_t size = 0; size < 12; size++) {
        char bytes[12] = "...........";
        struct text out = {.data = bytes, .size = size};
        punycode_encode(points, 3, &out);
        assert_true(out.length <= size);
        assert_true(size == 12 || bytes[size] == '.' || bytes[size] == '\0');
    }
}

/* 6291 is 9 * 699 but only 8 * 700: the bias after the first character depends on the division. */
TEST(punycode_damps_the_first_delta_by_700) {
    static const uint32_t firsts[] = {6290, 6291, 6292, 6299, 6300, 6301};
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        const uint32_t points[] = {0x80 + firsts[i], 0x80 + firsts[i] + 40};
        uint32_t again[8];
        char bytes[64];
        struct text out = TEXT_OVER(bytes);
        punycode_encode(points, 2, &out);
        assert_int_equal(decode(text_str(&out), again), 2);
        assert_memory_equal(again, points, sizeof points);
    }
}
