/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "api/access.h"
#include "testing/test.h"

/* Loopback and an office are trusted, a proxy at 192.0.2.80 is believed. */
struct scene {
    struct ip_prefix trusted[3];
    struct ip_prefix proxies[2];
    struct str names[1];
    struct access_policy policy;
    struct access_request request;
};

struct ip_address scene_address(const char *text);
struct ip_prefix scene_prefix(const char *text);
/* A stranger reads, without any credential. */
void scene_init(struct scene *scene);
void scene_give_session(struct scene *scene, enum api_role role);
void scene_give_token(struct scene *scene, enum api_role role, unsigned scopes);
/* A refusal says why, what is allowed says nothing; that is looked at each time. */
struct access_decision scene_decide(const struct scene *scene);
