/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <string.h>

#include "daemon/control.h"
#include "net/json_text.h"
#include "testing/test.h"

/* The control API over a real engine and HTTP, without workers: decisions are made with
 * engine_turn(), questions asked with the command line's own client. */

extern char socket_path[108]; /* of the service that runs */
extern bool restart_asked;    /* through its API */

/* A service in a folder of its own; `more` is added to its seczim.yaml. */
void start(const char *more);
/* Fails when anything of it is left. */
void stop(void);

/* Asks and checks the status; the reply stays until the next call. */
const char *ask(const char *method, const char *target, const char *body, long status);

#define assert_has(reply, part)                                                                    \
    do {                                                                                           \
        const char *const reply_ = (reply);                                                        \
        if (strstr(reply_, (part)) == NULL) {                                                      \
            fail_msg("%s\nis not in\n%s", (part), reply_);                                         \
        }                                                                                          \
    } while (0)

/* The same with status 200; the caller's. */
json_t *ask_json(const char *method, const char *target, const char *body);

/* "(none)" when it is no text. */
const char *member(const json_t *object, const char *name);

/* What Postfix would be told. */
const char *decide_mail(const char *client, struct str sender, const char *recipient);

/* Waits until history has everything that was decided. */
void settle(void);

/* One greylist key. */
#define KEY_QUERY "client=192.0.2.1&sender=a%40example.org&recipient=b%40example.net"
#define KEY_BODY                                                                                   \
    "{\"client\":\"192.0.2.1\",\"sender\":\"a@example.org\",\"recipient\":\"b@example.net\"}"
