/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* One configuration folder of Postfix, read: the bytes of main.cf and master.cf, and what Postfix's
 * own `postconf` makes of them. All memory belongs to the configuration. */

enum {
    POSTFIX_FILE_MAX = 1048576, /* bytes of main.cf or master.cf */
    POSTFIX_PROBLEM_MAX = 1024,
    POSTFIX_SECONDS_MAX = 30, /* a run of postconf or postfix */
};

struct postfix_programs {
    char postconf[512];
    char postfix[512]; /* "" when there is none: nothing is reloaded then */
};

/* `given`: --postconf, or NULL for the places where it is installed. NULL, or a sentence in `room`
 * (POSTFIX_PROBLEM_MAX bytes). */
const char *postfix_programs_find(const char *given, struct postfix_programs *ret_programs,
                                  char *room);
/* The folder that Postfix itself uses. */
const char *postfix_folder_find(const struct postfix_programs *programs, char *ret_folder,
                                size_t size, char *room);

struct postfix_config {
    char folder[512];
    struct str main_cf; /* the files' bytes */
    struct str master_cf;
    struct str main_set;   /* postconf -n: what main.cf sets */
    struct str master_set; /* postconf -P: what master.cf sets, "smtp/inet/name = value" */
    struct str main_used;  /* postconf -x: of the parameters we ask about, references resolved */
    struct str master_used;
    struct str services; /* postconf -M */
    struct str warnings; /* what postconf said besides */
};

/* NULL, or why the configuration cannot be used: missing, unreadable, or Postfix's postconf
 * complains. Nothing is kept then. */
const char *postfix_config_load(const struct postfix_programs *programs, const char *folder,
                                struct postfix_config *ret_config, char *room);
void postfix_config_done(struct postfix_config *config);

/* The first line of what postconf warned of that means a broken configuration (a copy in `room`),
 * or NULL: unused names, settings given twice and deprecated ones do no harm. */
const char *postfix_warning_problem(struct str warnings, char *room);

/* The value in a list of "name = value" lines; *ret_value is left alone when there is none. */
bool postfix_value(struct str lines, struct str name, struct str *ret_value);
/* The next line: false at the end. */
bool postfix_next_value(struct str lines, size_t *at, struct str *ret_name, struct str *ret_value);
/* "SERVICE/TYPE/NAME". */
bool postfix_service_value(struct str lines, struct str service, struct str type, struct str name,
                           struct str *ret_value);
/* What is in force for a service: its own setting or that of main.cf, references resolved. */
struct str postfix_used(const struct postfix_config *config, struct str service, struct str type,
                        struct str name);
