/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/api.h"
#include "api/users.h"

/* What the handlers of logins and of one's own account share. */

/* Sets the session cookie of the answer that was given; `secret` NULL: takes it away. */
struct secret;
void login_set_cookie(const struct http_request *request, struct http_response *response,
                      const struct secret *secret);
/* The caller's secret and user; false: answered with 403, because only a session has them. */
MUST_USE bool login_own_user(struct api *api, const struct http_request *request,
                             struct http_response *response, struct user *ret_user);
/* Whether `password` is right for a user, with the throttle before it. False: answered (429, 503,
 * `status` with `sentence` for a wrong one). A right one counts as a success. */
MUST_USE bool login_check_again(struct api *api, const struct http_request *request,
                                struct http_response *response, const struct user *user,
                                const char *field, struct str password);
/* One entry of the audit log that is no change of a thing: a login, a failure. */
void login_note(struct api *api, const struct http_request *request, struct str user,
                unsigned status, struct str after);
/* Asks the throttle for one try. False: answered (429; 503 when too many wait). */
MUST_USE bool login_may_try(struct api *api, const struct http_request *request,
                            struct http_response *response, struct str name);
/* 500 for an errno of api.db. */
void login_failed(struct http_response *response, const char *what, int error);
