/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* TEST(name) { ... } registers itself; testing/test_main.c runs every test of the program through
 * cmocka and prints TAP. Inside a test use cmocka's assert_*; in a table of rows name the row first
 * with test_case(label), so that a failure says which one it was. Never installed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST(name)                                                                                 \
    static void test_##name(void **state);                                                         \
    __attribute__((constructor)) static void register_##name(void) {                               \
        test_register(#name, test_##name);                                                         \
    }                                                                                              \
    static void test_##name(__attribute__((unused)) void **state)

void test_register(const char *name, void (*run)(void **state));
void test_case(const char *label);

/* A fresh folder for this test, removed when the test ends; the path lives as long. */
const char *test_folder(void);
/* The folder of the real inputs (environment SECZIM_DATA, else ../shared/data beside the source
 * tree), or NULL: then skip(). */
const char *test_data(void);
