/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/access.h"
#include "api/api_db.h"
#include "api/secret.h"

/* API tokens: `szt_`, 43 characters of base64url (256 random bits), 6 of a checksum (CRC-32C of the
 * bits), so that a mistyped one is told without asking the database. Shown once; kept hashed.
 * Any thread. Times are Unix time in nanoseconds. */

enum {
    TOKEN_TEXT_LENGTH = 4 + SECRET_TEXT_LENGTH + 6,
    TOKEN_PREFIX_LENGTH = 4 + 6, /* kept to know a token by; 36 of the 256 bits */
    TOKEN_NAME_MAX = 63,         /* bytes */
    TOKENS_PER_USER_MAX = 100,
    TOKEN_USED_EVERY_S = 60, /* last_used is written at most as often */
};

/* --- as text; pure --- */

void token_format(const struct secret *secret, struct text *out);
/* False: not a token at all, or a character is wrong. */
bool token_parse(struct str text, struct secret *ret_secret);

/* --- kept --- */

struct token {
    int64_t id;
    char name[TOKEN_NAME_MAX + 1];
    char prefix[TOKEN_PREFIX_LENGTH + 1];
    char user[64];
    int64_t user_id;
    enum api_role role; /* at most this, and at most the user's */
    unsigned scopes;
    int64_t created_ns;
    int64_t expires_ns;   /* 0: never */
    int64_t last_used_ns; /* 0: never */
};

/* What is wrong with a token to be made, a sentence, or NULL; *ret_field names the member. */
struct token_draft {
    struct str name;
    unsigned scopes;
    enum api_role role;      /* of the token; NONE: the user's */
    enum api_role user_role; /* of the user it is for */
    int64_t expires_ns;
};
const char *token_problem(const struct token_draft *draft, int64_t now_ns, const char **ret_field);

/* Makes one for a user. `text`, at least TOKEN_TEXT_LENGTH bytes, gets what is shown once.
 * -EDQUOT: the user has TOKENS_PER_USER_MAX. -ENOENT: there is no such user. */
MUST_USE int tokens_create(struct api_db *db, int64_t user_id, const struct token_draft *draft,
                           int64_t now_ns, struct token *ret_token, struct text *text);
/* Who sent it, with its role as it is now: the lesser of the token's and the user's. -ENOENT:
 * unknown, expired, or its user is disabled. Writes last_used now and then. */
MUST_USE int tokens_find(struct api_db *db, const struct secret *secret, int64_t now_ns,
                         struct token *ret_token);
MUST_USE int tokens_get(struct api_db *db, int64_t id, struct token *ret_token); /* -ENOENT */
typedef bool token_visit(void *context, const struct token *token);              /* false: stop */
/* Newest first, id < before_id (0: from the top), also those that have expired. user_id 0: of all.
 * `visit` runs under the lock of the database: it must not use it. */
MUST_USE int tokens_each(struct api_db *db, int64_t user_id, int64_t before_id, token_visit *visit,
                         void *context);
MUST_USE int tokens_delete(struct api_db *db, int64_t id); /* -ENOENT */
