/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook_edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static struct str copy(struct str bytes) {
    char *data = malloc(bytes.length + 1);
    CHECK(data != NULL);
    if (bytes.length > 0) {
        memcpy(data, bytes.data, bytes.length);
    }
    data[bytes.length] = '\0';
    return (struct str){data, bytes.length};
}

static void release(struct str *bytes) {
    free((char *)(uintptr_t)bytes->data);
    *bytes = (struct str){0};
}

struct hook_files hook_files_copy(struct str main_cf, struct str master_cf) {
    return (struct hook_files){copy(main_cf), copy(master_cf)};
}

void hook_files_done(struct hook_files *files) {
    release(&files->main_cf);
    release(&files->master_cf);
}

static void replace(struct str *file, size_t start, size_t end, struct str with) {
    const size_t size = file->length - (end - start) + with.length;
    char *data = malloc(size + 1);
    CHECK(data != NULL);
    struct text out = {.data = data, .size = size};
    text_add(&out, str_slice(*file, 0, start));
    text_add(&out, with);
    text_add(&out, str_slice(*file, end, file->length));
    data[size] = '\0';
    release(file);
    *file = (struct str){data, size};
}

/* Inserting ----------------------------------------------------------------------------------- */

static bool insert(struct str *file, size_t start, size_t end, size_t index,
                   enum restriction_spacing spacing, const struct hook_identity *identity) {
    char element_room[RESTRICTION_ELEMENT_MAX];
    struct text element = TEXT_OVER(element_room);
    struct restriction_list list;
    restriction_format_timeout(identity->endpoint, identity->timeout_s, spacing, &element);
    if (element.truncated || restriction_list_parse(str_slice(*file, start, end), &list) != NULL ||
        index > list.count) {
        return false;
    }
    struct text out = {.size = end - start + (size_t)2 * RESTRICTION_ELEMENT_MAX};
    out.data = malloc(out.size);
    CHECK(out.data != NULL);
    restriction_list_insert(&list, index, text_str(&element), spacing, &out);
    if (!out.truncated) {
        replace(file, start, end, text_str(&out));
    }
    free(out.data);
    return !out.truncated;
}

static void append_parameter(struct str *file, struct str parameter) {
    char room[256];
    struct text line = TEXT_OVER(room);
    if (file->length > 0 && file->data[file->length - 1] != '\n') {
        text_add_byte(&line, '\n');
    }
    text_add(&line, parameter);
    text_add(&line, STR(" =\n"));
    replace(file, file->length, file->length, text_str(&line));
}

bool hook_edit_main(struct hook_files *files, struct str parameter, size_t index,
                    const struct hook_identity *identity) {
    struct main_cf_value value;
    if (!main_cf_find(files->main_cf, parameter, &value)) {
        append_parameter(&files->main_cf, parameter);
        CHECK(main_cf_find(files->main_cf, parameter, &value));
    }
    return insert(&files->main_cf, value.start, value.end, index, RESTRICTION_SPACED, identity);
}

bool hook_edit_service(struct hook_files *files, struct str service, struct str type,
                       struct str parameter, size_t index, const struct hook_identity *identity) {
    struct master_service found;
    struct master_option option;
    if (!master_cf_find(files->master_cf, service, type, &found) ||
        !master_option_find(files->master_cf, &found, parameter, &option)) {
        return false;
    }
    return insert(&files->master_cf, option.start, option.end, index,
                  option.in_braces ? RESTRICTION_SPACED : RESTRICTION_COMPACT, identity);
}

bool hook_edit_silence(struct hook_files *files, struct str service, struct str type,
                       struct str parameter) {
    struct master_service found;
    char room[256];
    struct text line = TEXT_OVER(room);
    if (!master_cf_find(files->master_cf, service, type, &found)) {
        return false;
    }
    text_add(&line, STR("\n  -o "));
    text_add(&line, parameter);
    text_add_byte(&line, '=');
    replace(&files->master_cf, found.end, found.end, text_str(&line));
    return true;
}

/* Taking out ---------------------------------------------------------------------------------- */

/* Removes our first element of the list there; false when there is none. */
static bool strip_list(struct str *file, size_t start, size_t end,
                       const struct hook_identity *identity) {
    struct restriction_list list;
    if (restriction_list_parse(str_slice(*file, start, end), &list) != NULL) {
        return false;
    }
    const size_t index =
        restriction_list_find(&list, 0, identity->endpoints, identity->endpoint_count);
    if (index == SIZE_MAX) {
        return false;
    }
    struct text out = {.size = end - start + 1};
    out.data = malloc(out.size);
    CHECK(out.data != NULL);
    restriction_list_remove(&list, index, &out);
    replace(file, start, end, text_str(&out));
    free(out.data);
    return true;
}

static bool is_empty(struct str value) {
    struct restriction_list list;
    return restriction_list_parse(value, &list) == NULL && list.count == 0;
}

static bool strip_main_once(struct hook_files *files, const struct hook_files *before,
                            const struct hook_identity *identity) {
    size_t at = 0;
    struct str name;
    struct main_cf_value value;
    struct main_cf_value earlier;
    while (main_cf_next(files->main_cf, &at, &name, &value)) {
        char kept[256];
        struct text parameter = TEXT_OVER(kept);
        text_add(&parameter, name);
        if (!strip_list(&files->main_cf, value.start, value.end, identity)) {
            continue;
        }
        const struct str stripped = text_str(&parameter);
        if (before != NULL && !main_cf_find(before->main_cf, stripped, &earlier) &&
            main_cf_find(files->main_cf, stripped, &value) &&
            is_empty(str_slice(files->main_cf, value.start, value.end))) {
            replace(&files->main_cf, value.line_start, value.line_end, STR(""));
        }
        return true;
    }
    return false;
}

/* Whether `before` has the service without this option: then it was us who added it. */
static bool is_added(const struct hook_files *before, const struct master_service *service,
                     const struct master_option *option) {
    struct master_service found;
    struct master_option earlier;
    return before != NULL &&
           master_cf_find(before->master_cf, service->name, service->type, &found) &&
           !master_option_find(before->master_cf, &found, option->name, &earlier);
}

/* The option with the line it stands on alone. */
static void remove_option(struct str *file, const struct master_option *option) {
    size_t start = option->whole_start;
    while (start > 0 && (file->data[start - 1] == ' ' || file->data[start - 1] == '\t')) {
        start--;
    }
    const bool line_end =
        option->whole_end == file->length || file->data[option->whole_end] == '\n';
    if (line_end && start > 0 && file->data[start - 1] == '\n') {
        start--;
    }
    replace(file, start, option->whole_end, STR(""));
}

static bool strip_option(struct hook_files *files, const struct hook_files *before,
                         const struct master_service *service, const struct master_option *option,
                         const struct hook_identity *identity) {
    const bool ours = str_equal(option->name, STR("smtpd_end_of_data_restrictions"));
    if (ours && option->start == option->end && is_added(before, service, option)) {
        remove_option(&files->master_cf, option);
        return true;
    }
    return strip_list(&files->master_cf, option->start, option->end, identity);
}

static bool strip_master_once(struct hook_files *files, const struct hook_files *before,
                              const struct hook_identity *identity) {
    size_t at = 0;
    struct master_service service;
    while (master_cf_next(files->master_cf, &at, &service)) {
        size_t option_at = service.options;
        struct master_option option;
        while (master_option_next(files->master_cf, &service, &option_at, &option)) {
            if (strip_option(files, before, &service, &option, identity)) {
                return true;
            }
        }
    }
    return false;
}

size_t hook_edit_strip(struct hook_files *files, const struct hook_files *before,
                       const struct hook_identity *identity) {
    size_t count = 0;
    /* Each pass takes one element out of the text, so it ends. */
    while (strip_main_once(files, before, identity) || strip_master_once(files, before, identity)) {
        count++;
    }
    return count;
}
