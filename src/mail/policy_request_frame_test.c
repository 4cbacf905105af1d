/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "mail/policy_request.h"
#include "testing/test.h"

/* Where a request ends, however its bytes arrive. */

static const struct policy_request_limits limits = {
    .request_bytes_max = 4096,
    .attributes_max = 64,
    .value_bytes_max = 1024,
};

static struct policy_request_frame frame_of(struct str input) {
    size_t scanned = 0;
    return policy_request_frame(input, &scanned, &limits);
}

TEST(policy_request_frame_finds_the_end) {
    const struct {
        struct str input;
        enum policy_request_result result;
        size_t length;
    } rows[] = {
        {{NULL, 0}, POLICY_REQUEST_MORE, 0},           {STR("a=b"), POLICY_REQUEST_MORE, 0},
        {STR("a=b\n"), POLICY_REQUEST_MORE, 0},        {STR("a=b\n\n"), POLICY_REQUEST_OK, 5},
        {STR("a=b\n\nc=d\n\n"), POLICY_REQUEST_OK, 5}, {STR("a=b\r\n\r\n"), POLICY_REQUEST_OK, 7},
        {STR("a=b\n\r\n"), POLICY_REQUEST_OK, 6},      {STR("a=b\r\n\n"), POLICY_REQUEST_OK, 6},
        {STR("a=b\n\r"), POLICY_REQUEST_MORE, 0},      {STR("a=b\n\r\r\n"), POLICY_REQUEST_MORE, 0},
        {STR("a=b\n \n"), POLICY_REQUEST_MORE, 0},     {STR("\n\n\n"), POLICY_REQUEST_MORE, 0},
        {STR("\r\n\r\n\n"), POLICY_REQUEST_MORE, 0},   {STR("\n\n\na=b\n\n"), POLICY_REQUEST_OK, 8},
        {STR("\r\n\na=b\n\n"), POLICY_REQUEST_OK, 8},  {STR("\n\r\na=b\n\n"), POLICY_REQUEST_OK, 8},
        {STR("\r\r\n\n"), POLICY_REQUEST_OK, 4},       {STR("a=b\0c\n\n"), POLICY_REQUEST_NUL, 0},
        {STR("a=b\0"), POLICY_REQUEST_NUL, 0},         {STR("a=b\n\n\0"), POLICY_REQUEST_OK, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].input.data);
        const struct policy_request_frame frame = frame_of(rows[i].input);
        assert_int_equal(frame.result, rows[i].result);
        assert_int_equal(frame.length, rows[i].length);
    }
}

/* The reference: line by line, as the header says it, without any memory between calls. */
static size_t plain_end(struct str input) {
    bool filled = false;
    size_t start = 0;
    for (size_t i = 0; i < input.length; i++) {
        if (input.data[i] == '\n') {
            const struct str line = str_slice(input, start, i);
            const bool empty = line.length == 0 || str_equal(line, STR("\r"));
            if (empty && filled) {
                return i + 1;
            }
            filled = filled || !empty;
            start = i + 1;
        }
    }
    return 0;
}

/* Whatever the bytes and wherever they are cut: the frame ends where the plain reading says. */
TEST(policy_request_frame_is_the_same_however_it_arrives) {
    uint64_t seed = 7;
    for (unsigned round = 0; round < 10000; round++) {
        char bytes[80];
        const size_t filler = round % 3 == 0 ? 40 : 0; /* Several blocks without a newline. */
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            bytes[i] = "\n\n\rab="[(seed >> 33) % 6];
            if (i >= 5 && i < 5 + filler) {
                bytes[i] = 'f';
            }
        }
        const struct str input = {bytes, (seed >> 40) % (sizeof bytes + 1)};
        const size_t end = plain_end(input);
        struct policy_request_frame frame = frame_of(input);
        assert_int_equal(frame.result, end == 0 ? POLICY_REQUEST_MORE : POLICY_REQUEST_OK);
        assert_int_equal(frame.length, end);
        size_t scanned = 0;
        size_t given = 0;
        do {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            given += 1 + (seed >> 33) % (round % 20 + 1);
            frame = policy_request_frame(str_slice(input, 0, given), &scanned, &limits);
        } while (frame.result == POLICY_REQUEST_MORE && given < input.length);
        assert_int_equal(frame.length, end);
    }
}

TEST(policy_request_frame_too_long_however_it_arrives) {
    char bytes[4200];
    memset(bytes, 'x', sizeof bytes);
    size_t scanned = 0;
    for (size_t length = 1; length < 4096; length++) {
        const struct policy_request_frame frame =
            policy_request_frame((struct str){bytes, length}, &scanned, &limits);
        assert_int_equal(frame.result, POLICY_REQUEST_MORE);
        assert_int_equal(scanned, length);
    }
    assert_int_equal(policy_request_frame((struct str){bytes, 4096}, &scanned, &limits).result,
                     POLICY_REQUEST_TOO_LONG);
    assert_int_equal(frame_of((struct str){bytes, 4200}).result, POLICY_REQUEST_TOO_LONG);
    memset(bytes, '\n', sizeof bytes);
    assert_int_equal(frame_of((struct str){bytes, 4200}).result, POLICY_REQUEST_TOO_LONG);
    bytes[4095] = '\0';
    assert_int_equal(frame_of((struct str){bytes, 4200}).result, POLICY_REQUEST_NUL);
    bytes[4095] = '\n';
    bytes[4096] = '\0';
    assert_int_equal(frame_of((struct str){bytes, 4200}).result, POLICY_REQUEST_TOO_LONG);
}

/* Bytes are looked at in stretches; the end of a request is found wherever in them it lies, however
 * much stands behind it, and however much of it was scanned before. */
TEST(policy_request_ends_anywhere_in_a_stretch) {
    static const struct {
        const char *text;
        size_t length;
    } ends[] = {{"\n\n", 2}, {"\r\n\r\n", 4}, {"\n\r\n", 3}};
    for (size_t filled = 1; filled < 200; filled++) {
        for (size_t i = 0; i < 3; i++) {
            for (size_t behind = 0; behind <= 300; behind += 100) {
                char bytes[600];
                memset(bytes, 'x', filled);
                memcpy(bytes + filled, ends[i].text, ends[i].length);
                const size_t end = filled + ends[i].length;
                memset(bytes + end, 'y', behind);
                /* The bytes alone, so that the sanitizer sees a read past their end. */
                char *copy = malloc(end + behind);
                assert_non_null(copy);
                memcpy(copy, bytes, end + behind);
                for (size_t before = 0; before <= ends[i].length; before++) {
                    size_t scanned = 0;
                    struct policy_request_frame frame = policy_request_frame(
                        (struct str){copy, before == 0 ? end + behind : end - before}, &scanned,
                        &limits);
                    if (before > 0) {
                        assert_int_equal(frame.result, POLICY_REQUEST_MORE);
                        frame = policy_request_frame((struct str){copy, end + behind}, &scanned,
                                                     &limits);
                    }
                    assert_int_equal(frame.result, POLICY_REQUEST_OK);
                    assert_int_equal(frame.length, end);
                }
                free(copy);
            }
        }
    }
}
