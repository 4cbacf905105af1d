/* SPDX-License-Identifier: Apache-2.0 */
#include "api/access_fixture.h"

#include <string.h>

struct ip_address scene_address(const char *text) {
    struct ip_address result;
    assert_true(ip_address_parse(str_from(text), &result));
    return result;
}

struct ip_prefix scene_prefix(const char *text) {
    struct ip_prefix result;
    assert_true(ip_prefix_parse(str_from(text), &result, NULL));
    return result;
}

void scene_init(struct scene *scene) {
    *scene = (struct scene){
        .trusted = {scene_prefix("127.0.0.0/8"), scene_prefix("::1"), scene_prefix("10.1.0.0/16")},
        .proxies = {scene_prefix("192.0.2.80"), scene_prefix("2001:db8:80::/48")},
        .names = {STR("mail.example.org")},
    };
    scene->policy = (struct access_policy){
        .trusted_networks = scene->trusted,
        .trusted_network_count = 3,
        .trusted_proxies = scene->proxies,
        .trusted_proxy_count = 2,
        .host_names = scene->names,
        .host_name_count = 1,
    };
    scene->request = (struct access_request){
        .peer = scene_address("198.51.100.7"),
        .host = STR("mail.example.org:8880"),
        .role_needed = API_ROLE_VIEWER,
        .scope_needed = API_SCOPE_READ,
    };
}

struct access_decision scene_decide(const struct scene *scene) {
    struct access_decision decision;
    memset(&decision, 0xff, sizeof decision);
    access_decide(&scene->policy, &scene->request, &decision);
    assert_true(decision.status == 0 || decision.status == 401 || decision.status == 403);
    assert_int_equal(decision.status == 0, decision.sentence[0] == '\0');
    assert_true(strlen(decision.sentence) < ACCESS_SENTENCE_MAX - 1);
    return decision;
}

void scene_give_session(struct scene *scene, enum api_role role) {
    scene->request.session = ACCESS_VALID;
    scene->request.session_role = role;
    scene->request.csrf_right = true;
}

void scene_give_token(struct scene *scene, enum api_role role, unsigned scopes) {
    scene->request.bearer = ACCESS_VALID;
    scene->request.bearer_role = role;
    scene->request.bearer_scopes = scopes;
}
