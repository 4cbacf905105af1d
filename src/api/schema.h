/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "base/str.h"

/* What a request body must look like, as constant tables that tools/generate-api makes of
 * api/openapi.yaml: the part of JSON Schema that bodies need. Pure. */

enum api_type {
    API_TYPE_NULL = 1 << 0,
    API_TYPE_BOOLEAN = 1 << 1,
    API_TYPE_INTEGER = 1 << 2, /* 5.0 is one too, as JSON Schema has it */
    API_TYPE_NUMBER = 1 << 3,
    API_TYPE_STRING = 1 << 4,
    API_TYPE_ARRAY = 1 << 5,
    API_TYPE_OBJECT = 1 << 6,
};

struct api_schema;
struct api_member {
    const char *name; /* NULL ends the table */
    bool required;
    const struct api_schema *schema;
};

/* A limit says something about values of its type alone; zeroes say nothing. */
struct api_schema {
    unsigned types;             /* bits of enum api_type; never 0 */
    const char *const *choices; /* NULL ends the table; of strings. NULL: any */
    const char *pattern;        /* extended regular expression of strings, or NULL */
    bool has_min;
    bool has_max;
    double min; /* of numbers, inclusive */
    double max;
    size_t length_min; /* characters of a string, items of an array, members of an object */
    size_t length_max; /* 0: no limit */
    const struct api_member *members;    /* NULL: none are named */
    const struct api_schema *additional; /* of members that are not named; NULL: there are none */
    const struct api_schema *items;      /* NULL: any */
};

/* True when `value` fits. Else the first fault: `field` gets its path ("settings.time_zone",
 * "lists[2].pattern", empty for the whole body), `problem` a sentence that says what was found and
 * what is allowed. Both are empty before; what comes from the value is escaped in them. */
bool api_schema_check(const struct api_schema *schema, const json_t *value, struct text *field,
                      struct text *problem);
