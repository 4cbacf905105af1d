/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>

#include "base/clock.h"
#include "net/http_server.h"

/* A small service in the test's folder: it echoes, is silent, streams. */

#define LONG  INT64_C(30) * NS_PER_S
#define CLOSE "Host: x\r\nConnection: close\r\n"

extern atomic_int service_streams_closed;
extern char service_path[108];
extern int service_fd; /* it listens there */
extern struct http_server *service_server;

void service_start(int64_t deadline_ns);
void service_start_for_group(int64_t deadline_ns, gid_t group);
void service_start_with(struct http_server_options options);
struct http_server_options every_deadline(int64_t deadline_ns);
void service_stop(void);

int service_dial(void);
void send_all(int fd, const char *bytes, size_t length);
/* Everything until the other side closes. */
const char *read_all(int fd);
/* The answer to one request on a connection of its own. */
const char *service_ask(const char *request);
