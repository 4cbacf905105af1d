/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/rfc3339.h"
#include "daemon/control_api.h"
#include "store/list_entry.h"

static bool among(struct str name, const char *names) {
    struct str rest = str_from(names);
    while (rest.length > 0) {
        const size_t blank = str_find(rest, ' ');
        if (str_equal(str_slice(rest, 0, blank), name)) {
            return true;
        }
        rest = blank == SIZE_MAX ? STR("") : str_slice(rest, blank + 1, rest.length);
    }
    return false;
}

bool control_members(const struct http_request *request, struct http_response *response,
                     const char *names) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)request->json, name, value) {
        if (!among(str_from(name), names)) {
            char buffer[1024];
            struct text detail = TEXT_OVER(buffer);
            text_add(&detail, STR("There is no member \""));
            text_add_escaped(&detail, str_slice(str_from(name), 0, 64));
            text_add(&detail, STR("\" here; there may be: "));
            text_add(&detail, str_from(names));
            text_add_byte(&detail, '.');
            http_answer_problem(response, 400, name, text_str(&detail));
            return false;
        }
    }
    return true;
}

bool control_text(const struct http_request *request, struct http_response *response,
                  const char *name, struct str *ret_text) {
    const json_t *value = json_object_get(request->json, name);
    if (value == NULL || json_is_null(value)) {
        *ret_text = (struct str){0};
        return true;
    }
    if (!json_is_string(value)) {
        http_answer_problemf(response, 400, name, "%s must be a string.", name);
        return false;
    }
    *ret_text = json_str(value);
    return true;
}

bool control_needed_text(const struct http_request *request, struct http_response *response,
                         const char *name, struct str *ret_text) {
    if (!control_text(request, response, name, ret_text)) {
        return false;
    }
    if (ret_text->data == NULL) {
        http_answer_problemf(response, 400, name, "%s is missing; it must be a string.", name);
        return false;
    }
    return true;
}

bool control_expires(const struct http_request *request, struct http_response *response,
                     int64_t now_ns, struct text *buffer, struct str *ret_expires) {
    const json_t *value = json_object_get(request->json, "expires");
    if (!json_is_integer(value)) {
        return control_text(request, response, "expires", ret_expires);
    }
    const json_int_t seconds = json_integer_value(value);
    if (seconds < 1 || seconds > UINT32_MAX) {
        http_answer_problem(response, 400, "expires",
                            STR("expires must be a time, or 1 or more seconds from now."));
        return false;
    }
    /* Upwards, so that the entry lasts at least that long: entries know whole seconds. */
    rfc3339_format(now_ns + NS_PER_S - 1 + (int64_t)seconds * NS_PER_S, buffer);
    *ret_expires = text_str(buffer);
    return true;
}

bool control_why(const struct http_request *request, struct http_response *response,
                 struct str comment, struct text *why) {
    char sentence[LIST_PROBLEM_MAX];
    char checked[CONFIG_COMMENT_MAX];
    struct text problem = TEXT_OVER(sentence);
    const char *field;
    if (!list_entry_comment(comment, checked, &field, &problem)) {
        http_answer_problem(response, 400, field, text_str(&problem));
        return false;
    }
    text_add(why, STR(" by "));
    text_add(why, str_from(request->author));
    text_add(why, comment.length > 0 ? STR(": ") : STR(""));
    text_add(why, comment);
    return true;
}

void control_log_command(const char *module, bool done, const struct text *why) {
    char bytes[4 * EFFECTS_WHY_MAX];
    struct text line = TEXT_OVER(bytes);
    const struct str said = text_str(why);
    if (done) {
        /* Without its first word, which the module says. */
        text_add_escaped(&line, str_slice(said, str_find(said, ' ') + 1, said.length));
        log_line(LOG_INFO, module, 0, text_str(&line));
    }
}

bool control_address(struct http_response *response, const char *field, struct str text,
                     struct ip_address *ret_address) {
    if (ip_address_parse(text, ret_address)) {
        return true;
    }
    char buffer[256];
    struct text detail = TEXT_OVER(buffer);
    text_add_byte(&detail, '"');
    text_add_escaped(&detail, str_slice(text, 0, 64));
    text_add(&detail, STR("\" is not an IP address; write 192.0.2.1 or 2001:db8::1."));
    http_answer_problem(response, 400, field, text_str(&detail));
    return false;
}

json_t *control_address_text(struct ip_address address) {
    char buffer[IP_ADDRESS_TEXT_MAX];
    struct text out = TEXT_OVER(buffer);
    ip_address_format(address, &out);
    return json_text(text_str(&out));
}

json_t *control_prefix_text(struct ip_prefix prefix) {
    char buffer[IP_PREFIX_TEXT_MAX];
    struct text out = TEXT_OVER(buffer);
    ip_prefix_format(prefix, &out);
    return json_text(text_str(&out));
}

json_t *control_seconds(uint32_t unix_s) {
    return unix_s == 0 ? json_null() : json_time((int64_t)unix_s * NS_PER_S);
}
