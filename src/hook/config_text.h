/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Where things stand in the text of main.cf and master.cf, by Postfix's rules for logical lines: a
 * line that starts with a blank continues the one before; lines of blanks, and lines whose first
 * other byte is `#`, belong to nothing, also between continuation lines. postconf shows values, not
 * places, and its edits fold a list into one line: places are needed to change one element and keep
 * every other byte. Offsets into the file's text. Pure; owns no memory. */

/* A logical line of main.cf that sets the parameter: the last one, which counts. */
struct main_cf_value {
    size_t line_start; /* of the name */
    size_t start, end; /* the value: from behind `=` to the end of the last line's text */
    size_t line_end;   /* behind the newline, or the end of the file */
};
bool main_cf_find(struct str file, struct str name, struct main_cf_value *ret_value);
/* The name of each parameter set in the file, in order: starts at *at = 0; false at the end. */
bool main_cf_next(struct str file, size_t *at, struct str *ret_name,
                  struct main_cf_value *ret_value);

/* An entry of master.cf. */
struct master_service {
    struct str name;    /* "smtp", "127.0.0.1:10025" */
    struct str type;    /* "inet", "unix", "pass", "fifo" */
    struct str command; /* "smtpd" */
    size_t options;     /* behind the command */
    size_t end;         /* of the last line's text, its newline not included */
};
/* The entries in order: starts at *at = 0; false at the end. An entry that has no command is left
 * out. */
bool master_cf_next(struct str file, size_t *at, struct master_service *ret_service);
bool master_cf_find(struct str file, struct str name, struct str type,
                    struct master_service *ret_service);

/* `-o name=value`, `-oname=value` or `-o { name = value }`. */
struct master_option {
    struct str name;
    size_t start, end;             /* the value */
    bool in_braces;                /* outside of braces a value holds no blanks */
    size_t whole_start, whole_end; /* with `-o` and braces */
};
/* The options in order: starts at *at = service->options; false at the end. */
bool master_option_next(struct str file, const struct master_service *service, size_t *at,
                        struct master_option *ret_option);
/* The last of that name, which counts. */
bool master_option_find(struct str file, const struct master_service *service, struct str name,
                        struct master_option *ret_option);
