/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/check.h"
#include "base/str.h"

/* Passwords: which are taken, and their Argon2id hashes (libsodium). Hashing costs memory on
 * purpose, so a hasher does one at a time: many logins wait, they do not exhaust the machine. */

enum {
    PASSWORD_CHARACTERS_MIN = 12,
    PASSWORD_CHARACTERS_MAX = 128,
    PASSWORD_BYTES_MAX = 4 * PASSWORD_CHARACTERS_MAX, /* UTF-8 */
    PASSWORD_HASH_MAX = 128,                          /* with its zero byte */
    PASSWORD_WAITING_MAX = 16,                        /* see password_crowded() */
    PASSWORD_ONE_TIME_LENGTH = 20,                    /* 100 bits, without characters alike */
};

/* Why `password` is not taken for `user_name`, a sentence, or NULL. Pure. */
const char *password_problem(struct str password, struct str user_name);
/* A random password to be changed at the first login: groups of five joined by "-". */
enum { PASSWORD_ONE_TIME_MAX = PASSWORD_ONE_TIME_LENGTH + 4 };
void password_one_time(char ret_password[PASSWORD_ONE_TIME_MAX]);

struct password_cost {
    unsigned long long passes;
    size_t memory_bytes;
};
/* OWASP's advice for Argon2id with room to spare: about 0.1 s on one core. */
#define PASSWORD_COST ((struct password_cost){.passes = 3, .memory_bytes = (size_t)64 << 20})

/* Any thread may use it. */
struct password_hasher;
/* Hashes once, for password_verify() of users that do not exist. NULL when there is no memory. */
MUST_USE struct password_hasher *password_hasher_new(struct password_cost cost);
void password_hasher_free(struct password_hasher *hasher);

/* So many threads hash or wait for it that a login should be put off (503). */
MUST_USE bool password_crowded(struct password_hasher *hasher);
/* 0 or -ENOMEM. A string that ends in a zero byte, with salt and cost in it. */
MUST_USE int password_hash(struct password_hasher *hasher, struct str password,
                           char ret_hash[PASSWORD_HASH_MAX]);
/* `hash` NULL stands for a user that does not exist: costs as much, and is false. *ret_renew (may
 * be NULL): it is right, but of another cost than today's, so it should be hashed anew. */
MUST_USE bool password_verify(struct password_hasher *hasher, const char *hash, struct str password,
                              bool *ret_renew);
