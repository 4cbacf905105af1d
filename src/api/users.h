/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/access.h"
#include "api/api_db.h"
#include "api/password.h"
#include "api/totp.h"

/* Users of dashboard and API. There is always an administrator who can log in: the last one cannot
 * be deleted, disabled or given a lower role. Times are Unix time in nanoseconds. Any thread. */

enum { USER_NAME_MAX = 63, USERS_MAX = 1000, USER_FIRST_PASSWORD_DAYS = 7 };

struct user {
    int64_t id;
    char name[USER_NAME_MAX + 1];
    enum api_role role;
    bool disabled;
    bool totp;                 /* a code is asked for */
    bool must_change_password; /* it was chosen by us or by somebody else */
    int64_t created_ns;
    int64_t last_login_ns; /* 0: never */
    int64_t revision;      /* raised by each change of the above but last_login_ns */
};

/* Why a name is not taken, a sentence, or NULL: 1 to 63 of a-z 0-9 . _ - @, first a letter or a
 * digit. Pure. */
const char *user_name_problem(struct str name);

/* Whether the password is the one with which the account was made, was to be changed, and has not
 * been for USER_FIRST_PASSWORD_DAYS: it may lie in a log or a mail, and opens nothing any more.
 * Pure.
 */
bool user_first_password_expired(const struct user *user, int64_t now_ns);

/* Makes `admin` with a one-time password when there is no user at all, or gives it a new one when
 * it is the only user and the old one has expired. 1: made, and ret_password is to be shown once;
 * 0: there are users; negative errno. */
MUST_USE int users_make_first(struct api_db *db, struct password_hasher *hasher, int64_t now_ns,
                              char ret_password[PASSWORD_ONE_TIME_MAX]);

/* -ENOENT: there is none. */
MUST_USE int users_find(struct api_db *db, struct str name, struct user *ret_user);
MUST_USE int users_get(struct api_db *db, int64_t id, struct user *ret_user);
typedef bool user_visit(void *context, const struct user *user); /* false: stop */
/* By name, those after `after_name` (may be empty). `visit` must not use the database. */
MUST_USE int users_each(struct api_db *db, struct str after_name, user_visit *visit, void *context);

/* The caller has asked user_name_problem() and password_problem(). -EEXIST: the name is taken;
 * -EDQUOT: there are USERS_MAX. `must_change_password` is for a password that the user did not
 * choose. */
MUST_USE int users_create(struct api_db *db, struct password_hasher *hasher, struct str name,
                          enum api_role role, struct str password, bool must_change_password,
                          int64_t now_ns, struct user *ret_user);

/* What an administrator changes. Members that are not set stay as they are. */
struct user_change {
    bool set_role;
    enum api_role role;
    bool set_disabled;
    bool disabled;       /* ends the user's sessions */
    bool totp_off;       /* for somebody who has lost the device */
    struct str password; /* data NULL: stays. A new one must be changed, and ends all sessions */
    int64_t if_revision; /* 0: whatever it is; else -ESTALE when it is another one */
};
/* All or nothing. -EPERM: it would leave no administrator who can log in. */
MUST_USE int users_change(struct api_db *db, struct password_hasher *hasher, struct str name,
                          const struct user_change *change, struct user *ret_user);
/* With sessions and tokens; their rows in the audit log stay. -EPERM as above. */
MUST_USE int users_delete(struct api_db *db, struct str name);

/* --- what a user does --- */

/* Whether name and password are right; costs the same time when there is no such user, or a
 * disabled one. 0, -EACCES, or another negative errno when it could not be found out. */
MUST_USE int users_check_password(struct api_db *db, struct password_hasher *hasher,
                                  struct str name, struct str password, struct user *ret_user);
/* Whether a code is right now; it will not be right a second time. 0 or -EACCES. */
MUST_USE int users_take_code(struct api_db *db, int64_t id, struct str code, int64_t now_ns);
MUST_USE int users_note_login(struct api_db *db, int64_t id, int64_t now_ns);
/* A password of the user's own choice; ends all sessions but `session_id`. */
MUST_USE int users_set_password(struct api_db *db, struct password_hasher *hasher, int64_t id,
                                struct str password, int64_t session_id);
/* A new secret, which asks for codes once users_totp_on() has seen one of it. -EEXIST: codes are
 * asked for already; switch them off first. */
MUST_USE int users_totp_begin(struct api_db *db, int64_t id, struct totp_secret *ret_secret);
/* 0, -EACCES (the code is not right), or -ENOENT (users_totp_begin() first). */
MUST_USE int users_totp_on(struct api_db *db, int64_t id, struct str code, int64_t now_ns);
MUST_USE int users_totp_off(struct api_db *db, int64_t id);
