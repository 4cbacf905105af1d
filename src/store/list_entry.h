/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/config_db.h"

/* One list entry between people and program: made of what somebody wrote, and written back. Pure
 * but for jansson's memory. */

/* As written; empty means the default. */
struct list_entry_fields {
    struct str pattern;
    struct str type;      /* "email" "domain" "ip" "recipient" "client"; default: by the pattern */
    struct str direction; /* "inbound" (default) "outbound" "both" */
    struct str require;   /* "" or "fcrdns" */
    struct str comment;   /* UTF-8 without control characters */
    struct str expires;   /* RFC 3339 */
};

enum { LIST_PROBLEM_MAX = 512 };

/* Fills item (but its id) and comment. False with a sentence and the name of the field at fault.
 * `now_s` is decision time: an entry that is over already is refused. */
bool list_entry_make(enum list_id list, const struct list_entry_fields *fields, uint32_t now_s,
                     struct config_list_entry *ret_entry, const char **ret_field,
                     struct text *problem);

/* What is written of any entry or rule: a comment of at most 511 bytes; when it ends ("": never,
 * 0). False as above. */
bool list_entry_comment(struct str comment, char ret_comment[CONFIG_COMMENT_MAX],
                        const char **ret_field, struct text *problem);
bool list_entry_expires(struct str expires, uint32_t now_s, uint32_t *ret_expires_s,
                        const char **ret_field, struct text *problem);

#define LIST_CSV_HEADER "pattern,type,direction,require,comment,expires\n"
enum { LIST_LINE_MAX = 4096 };
/* One line each, with its newline; at most LIST_LINE_MAX bytes. Importing them gives the same entry
 * again, but for its id, author and time. */
void list_entry_format_csv(const struct config_list_entry *entry, struct text *out);
void list_entry_format_json(const struct config_list_entry *entry, struct text *out);
