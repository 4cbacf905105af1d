/* SPDX-License-Identifier: Apache-2.0 */
#include "api/schema.h"

#include <string.h>

#include "testing/test.h"

/* A schema of every kind that the generator writes. */

static const struct api_schema flag = {.types = API_TYPE_BOOLEAN};
static const struct api_schema name = {.types = API_TYPE_STRING, .length_min = 1, .length_max = 5};
static const char *const colours[] = {"red", "green", "blue", NULL};
static const struct api_schema colour = {.types = API_TYPE_STRING, .choices = colours};
static const char *const proofs[] = {"", "spf", NULL};
static const struct api_schema proof = {.types = API_TYPE_STRING, .choices = proofs};
static const struct api_schema code = {.types = API_TYPE_STRING, .pattern = "^[0-9]{6}$"};
static const struct api_schema priority = {
    .types = API_TYPE_INTEGER, .has_min = true, .min = 0, .has_max = true, .max = 1000};
static const struct api_schema share = {.types = API_TYPE_NUMBER, .has_max = true, .max = 0.5};
static const struct api_schema many = {.types = API_TYPE_INTEGER, .has_min = true, .min = 1};
static const struct api_schema expires = {
    .types = API_TYPE_STRING | API_TYPE_INTEGER | API_TYPE_NULL, .has_min = true, .min = 1};
static const struct api_schema names = {
    .types = API_TYPE_ARRAY, .length_min = 1, .length_max = 2, .items = &name};
static const struct api_member inner_members[] = {
    {"list", true, &colour}, {"pattern", false, &name}, {NULL, false, NULL}};
static const struct api_schema inner = {.types = API_TYPE_OBJECT, .members = inner_members};
static const struct api_schema inners = {.types = API_TYPE_ARRAY, .items = &inner};
static const struct api_schema map = {.types = API_TYPE_OBJECT, .additional = &priority};
static const struct api_member members[] = {
    {"name", true, &name},    {"colour", false, &colour}, {"flag", false, &flag},
    {"proof", false, &proof}, {"code", false, &code},     {"priority", false, &priority},
    {"share", false, &share}, {"many", false, &many},     {"expires", false, &expires},
    {"names", false, &names}, {"lists", false, &inners},  {"map", false, &map},
    {NULL, false, NULL},
};
static const struct api_schema whole = {.types = API_TYPE_OBJECT, .members = members};
static const struct api_schema not_empty = {
    .types = API_TYPE_OBJECT, .length_min = 1, .additional = &flag};

static bool check(const struct api_schema *schema, const char *json, char ret_field[128],
                  char ret_problem[512]) {
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    struct text field = {.data = ret_field, .size = 128};
    struct text problem = {.data = ret_problem, .size = 512};
    const bool good = api_schema_check(schema, value, &field, &problem);
    (void)text_zero(&field);
    (void)text_zero(&problem);
    json_decref(value);
    return good;
}

TEST(what_fits_passes_without_a_word) {
    static const char *const good[] = {
        "{\"name\":\"a\"}",
        "{\"name\":\"abcde\",\"colour\":\"blue\",\"flag\":false,\"proof\":\"\",\"code\":"
        "\"012345\"}",
        "{\"name\":\"\\u00e4\\u00f6\\u00fc\\u20ac\\ud83d\\ude00\"}", /* five characters */
        "{\"name\":\"a\",\"priority\":0,\"share\":-3,\"many\":1}",
        "{\"name\":\"a\",\"priority\":1000,\"share\":0.5,\"many\":9007199254740993}",
        "{\"name\":\"a\",\"priority\":7.0}",
        "{\"name\":\"a\",\"expires\":null}",
        "{\"name\":\"a\",\"expires\":1}",
        "{\"name\":\"a\",\"expires\":\"\"}",
        "{\"name\":\"a\",\"names\":[\"x\",\"y\"],\"lists\":[{\"list\":\"red\"},{\"list\":\"red\","
        "\"pattern\":\"p\"}]}",
        "{\"name\":\"a\",\"lists\":[],\"map\":{}}",
        "{\"name\":\"a\",\"map\":{\"x\":1,\"y\":1000}}",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char field[128];
        char problem[512];
        test_case(good[i]);
        assert_true(check(&whole, good[i], field, problem));
        assert_string_equal(field, "");
        assert_string_equal(problem, "");
    }
}

TEST(what_does_not_fit_is_said_with_place_finding_and_what_is_allowed) {
    static const struct {
        const char *json;
        const char *field;
        const char *problem;
    } rows[] = {
        {"[]", "", "The body is an array; it must be an object."},
        {"{}", "name", "name is missing; there must be: name."},
        {"{\"name\":\"a\",\"nome\":1}", "nome",
         "There is no member \"nome\" here; there may be: name, colour, flag, proof, code, "
         "priority, share, many, expires, names, lists, map."},
        {"{\"name\":7}", "name", "name is a whole number; it must be a string."},
        {"{\"name\":null}", "name", "name is null; it must be a string."},
        {"{\"name\":\"\"}", "name", "name has 0 characters; it may have 1 to 5."},
        {"{\"name\":\"\\u00e4\\u00f6\\u00fc\\u00df!!\"}", "name",
         "name has 6 characters; it may have 1 to 5."},
        {"{\"name\":\"a\",\"colour\":\"pink\"}", "colour",
         "colour is \"pink\"; it must be red, green or blue."},
        {"{\"name\":\"a\",\"proof\":\"dkim\"}", "proof",
         "proof is \"dkim\"; it must be empty or spf."},
        {"{\"name\":\"a\",\"flag\":0}", "flag",
         "flag is a whole number; it must be true or false."},
        {"{\"name\":\"a\",\"code\":\"12345\"}", "code",
         "code is \"12345\"; it must match ^[0-9]{6}$."},
        {"{\"name\":\"a\",\"priority\":-1}", "priority", "priority is -1; it must be 0 to 1000."},
        {"{\"name\":\"a\",\"priority\":1001}", "priority",
         "priority is 1001; it must be 0 to 1000."},
        {"{\"name\":\"a\",\"priority\":0.5}", "priority",
         "priority is a number; it must be a whole number."},
        {"{\"name\":\"a\",\"priority\":\"7\"}", "priority",
         "priority is a string; it must be a whole number."},
        {"{\"name\":\"a\",\"share\":0.75}", "share", "share is 0.75; it must be 0.5 or less."},
        {"{\"name\":\"a\",\"many\":0}", "many", "many is 0; it must be 1 or more."},
        {"{\"name\":\"a\",\"expires\":0}", "expires", "expires is 0; it must be 1 or more."},
        {"{\"name\":\"a\",\"expires\":true}", "expires",
         "expires is true or false; it must be a whole number, a string or null."},
        {"{\"name\":\"a\",\"names\":[]}", "names", "names has 0 items; it may have 1 to 2."},
        {"{\"name\":\"a\",\"names\":[\"a\",\"b\",\"c\"]}", "names",
         "names has 3 items; it may have 1 to 2."},
        {"{\"name\":\"a\",\"names\":[\"a\",1]}", "names[1]",
         "names[1] is a whole number; it must be a string."},
        {"{\"name\":\"a\",\"lists\":[{\"list\":\"red\"},{\"list\":\"red\",\"pattern\":[]}]}",
         "lists[1].pattern", "lists[1].pattern is an array; it must be a string."},
        {"{\"name\":\"a\",\"lists\":[{\"pattern\":\"x\"}]}", "lists[0].list",
         "list is missing; there must be: list."},
        {"{\"name\":\"a\",\"lists\":[{\"list\":\"red\",\"colour\":1}]}", "lists[0].colour",
         "There is no member \"colour\" here; there may be: list, pattern."},
        {"{\"name\":\"a\",\"map\":{\"x.y\":1001}}", "map.x.y",
         "map.x.y is 1001; it must be 0 to 1000."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char field[128];
        char problem[512];
        test_case(rows[i].json);
        assert_false(check(&whole, rows[i].json, field, problem));
        assert_string_equal(field, rows[i].field);
        assert_string_equal(problem, rows[i].problem);
    }
}

TEST(an_object_may_have_to_have_a_member) {
    char field[128];
    char problem[512];
    assert_true(check(&not_empty, "{\"a\":true}", field, problem));
    assert_false(check(&not_empty, "{}", field, problem));
    assert_string_equal(problem, "The body has 0 members; it must have at least 1.");
}

TEST(what_comes_from_outside_is_escaped_and_cut) {
    char field[128];
    char problem[512];
    assert_false(check(&whole, "{\"name\":\"a\",\"\\u001b[1m\\n\":1}", field, problem));
    assert_string_equal(field, "\\x1b[1m\\x0a");
    assert_null(strpbrk(problem, "\x1b\n"));
    char json[400] = "{\"name\":\"a\",\"colour\":\"";
    memset(json + strlen(json), 'x', 300);
    memcpy(json + strlen(json), "\"}", 3);
    assert_false(check(&whole, json, field, problem));
    char shown[65] = {0};
    memset(shown, 'x', 64);
    char expected[200] = "colour is \"";
    strcat(expected, shown);
    strcat(expected, "...\"; it must be red, green or blue.");
    assert_string_equal(problem, expected);
}

TEST(a_place_that_does_not_fit_is_cut_not_overrun) {
    json_t *value = json_loads("{\"name\":\"a\",\"lists\":[{\"list\":\"pink\"}]}", 0, NULL);
    char bytes[8] = "#####!!";
    struct text field = {.data = bytes, .size = 5};
    struct text problem = {.data = bytes + 5, .size = 1};
    assert_false(api_schema_check(&whole, value, &field, &problem));
    assert_memory_equal(bytes, "lists", 5);
    assert_true(field.truncated && problem.truncated);
    assert_memory_equal(bytes + 6, "!", 2);
    json_decref(value);
}
