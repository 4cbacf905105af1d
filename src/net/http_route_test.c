/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_route.h"

#include <string.h>

#include "testing/test.h"

static void no_handler(void *context, const struct http_request *request,
                       struct http_response *response) {
    (void)context;
    (void)request;
    (void)response;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/v1/lists/{list}", no_handler, "contains limit", HTTP_BODY_NONE, 0},
    {HTTP_POST, "/v1/lists/{list}", no_handler, "", HTTP_BODY_JSON, 100},
    {HTTP_DELETE, "/v1/lists/{list}/{id}", no_handler, "", HTTP_BODY_NONE, 0},
    {HTTP_GET, "/v1/lists/match", no_handler, "client", HTTP_BODY_NONE, 0},
};
enum { ROUTES = sizeof routes / sizeof routes[0] };

static struct http_target parse(const char *text, char *storage, size_t size) {
    struct http_target target;
    char buffer[256];
    struct text problem = TEXT_OVER(buffer);
    (void)snprintf(storage, size, "%s", text);
    assert_true(http_target_parse(storage, &target, &problem));
    return target;
}

static void assert_str(struct str actual, const char *expected) {
    assert_int_equal(actual.length, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.length);
}

TEST(http_target_is_split_and_decoded) {
    char storage[256];
    const struct http_target target =
        parse("/v1/a%2Fb/%3c%3E?name=a+b%2B%26&empty=&u=%C3%BC", storage, sizeof storage);
    assert_int_equal(target.part_count, 3);
    assert_str(target.parts[0], "v1");
    assert_str(target.parts[1], "a/b");
    assert_str(target.parts[2], "<>");
    assert_int_equal(target.parameter_count, 3);
    assert_str(target.parameters[0].name, "name");
    assert_str(target.parameters[0].value, "a b+&");
    assert_str(target.parameters[1].value, "");
    assert_str(target.parameters[2].value, "\xc3\xbc");
}

TEST(http_target_refuses_what_is_ambiguous) {
    static const struct {
        const char *target;
        const char *problem;
    } rows[] = {
        {"*", "must be a path"},
        {"http://host/v1", "must be a path"},
        {"/v1/%", "percent code"},
        {"/v1/%2", "percent code"},
        {"/v1/%zz", "percent code"},
        {"/v1/%00", "percent code"},
        {"/v1?a=%00", "percent code"},
        {"/v1?a=1&a=2", "\"a\" is given twice"},
        {"/v1?a", "name=value"},
        {"/v1?a=1&&b=2", "name=value"},
        {"/1/2/3/4/5/6/7/8/9", "too many parts"},
        {"/v1?1=&2=&3=&4=&5=&6=&7=&8=&9=&10=&11=&12=&13=&14=&15=&16=&17=&18=&19=&20=&21=&22=&23=&"
         "24=&25=&26=&27=&28=&29=&30=&31=&32=&33=",
         "too many query"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].target);
        char storage[512];
        char buffer[256];
        struct text problem = TEXT_OVER(buffer);
        struct http_target target;
        (void)snprintf(storage, sizeof storage, "%s", rows[i].target);
        assert_false(http_target_parse(storage, &target, &problem));
        assert_non_null(strstr(text_zero(&problem), rows[i].problem));
    }
}

TEST(http_routes_are_found_by_method_and_path) {
    static const struct {
        enum http_method method;
        const char *path;
        const struct http_route *route;
        unsigned methods;
    } rows[] = {
        {HTTP_GET, "/v1/lists/allow", &routes[0], 1U << HTTP_GET | 1U << HTTP_POST},
        {HTTP_POST, "/v1/lists/allow", &routes[1], 1U << HTTP_GET | 1U << HTTP_POST},
        {HTTP_DELETE, "/v1/lists/allow/17", &routes[2], 1U << HTTP_DELETE},
        {HTTP_GET, "/v1/lists/match", &routes[3], 1U << HTTP_GET | 1U << HTTP_POST},
        {HTTP_PUT, "/v1/lists/allow", NULL, 1U << HTTP_GET | 1U << HTTP_POST},
        {HTTP_GET, "/v1/lists/", NULL, 0},
        {HTTP_GET, "/v1/lists", NULL, 0},
        {HTTP_GET, "/v1/lists/allow/", NULL, 0},
        {HTTP_GET, "/v1/lists/allow/17/x", NULL, 0},
        {HTTP_GET, "/", NULL, 0},
        {HTTP_GET, "//v1/lists/allow", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        test_case(rows[i].path);
        char storage[128];
        const struct http_target target = parse(rows[i].path, storage, sizeof storage);
        struct str parts[HTTP_PLACEHOLDERS_MAX] = {{0}};
        unsigned methods = 99;
        assert_ptr_equal(http_route_find(routes, ROUTES, rows[i].method, &target, parts, &methods),
                         rows[i].route);
        assert_int_equal(methods, rows[i].methods);
    }
}

TEST(http_route_fills_its_placeholders) {
    char storage[128];
    const struct http_target target = parse("/v1/lists/allow/17", storage, sizeof storage);
    struct str parts[HTTP_PLACEHOLDERS_MAX] = {{0}};
    unsigned methods;
    assert_non_null(http_route_find(routes, ROUTES, HTTP_DELETE, &target, parts, &methods));
    assert_str(parts[0], "allow");
    assert_str(parts[1], "17");
}

TEST(http_route_knows_its_parameters) {
    assert_true(http_route_knows(&routes[0], STR("contains")));
    assert_true(http_route_knows(&routes[0], STR("limit")));
    assert_false(http_route_knows(&routes[0], STR("lim")));
    assert_false(http_route_knows(&routes[0], STR("contains limit")));
    assert_false(http_route_knows(&routes[1], STR("")));
}
