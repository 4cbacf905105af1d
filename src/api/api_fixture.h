/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "api/users.h"
#include "testing/test.h"

/* For the tests of this folder: a database of its own, and hashing at the least cost there is, so
 * that a test takes no seconds. */

#define TEST_COST ((struct password_cost){.passes = 1, .memory_bytes = 8192})
/* 2026-01-01T00:00:00Z */
#define TEST_NOW_NS (INT64_C(1767225600) * 1000000000)
#define TEST_S      INT64_C(1000000000)

static inline const char *test_db_path(const char *name) {
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s.db", test_folder(), name);
    return path;
}

static inline struct api_db *test_db(const char *name) {
    char sentence[512];
    struct text problem = TEXT_OVER(sentence);
    struct api_db *db = NULL;
    assert_int_equal(api_db_open(test_db_path(name), &db, &problem), 0);
    return db;
}

static inline struct password_hasher *test_hasher(void) {
    struct password_hasher *hasher = password_hasher_new(TEST_COST);
    assert_non_null(hasher);
    return hasher;
}

/* "NAME has a password" is the password. */
static inline struct user test_user(struct api_db *db, struct password_hasher *hasher,
                                    const char *name, enum api_role role) {
    char password[128];
    struct user user;
    (void)snprintf(password, sizeof password, "%s has a password", name);
    assert_int_equal(users_create(db, hasher, str_from(name), role, str_from(password), false,
                                  TEST_NOW_NS, &user),
                     0);
    return user;
}
