/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What every command of `seczim` shares: its arguments, the control API, and printing. Commands are
 * thin: they turn arguments into one request and the answer into text. With --json the answer goes
 * out as it came. Bytes from outside are escaped before they reach a terminal.
 *
 * Exit status: 0 done; 1 the answer is no (refused, not found, a mistake in a file); 2 the command
 * line is wrong; 3 the daemon cannot be reached. */

enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

#define CLI_DEFAULT_CONFIG "/etc/seczim/seczim.yaml"

struct cli {
    bool json;
    const char *socket;     /* of the control API; of seczim-api in its commands */
    const char *api_socket; /* of seczim-api */
    const char *config;     /* seczim.yaml, for commands that work without the daemon */
    const char *command;    /* the name in use, for messages */
    int argument_count;     /* without options and the command's own name */
    char **arguments;
};

struct cli_command {
    const char *name;
    const char *summary; /* one line */
    const char *usage;   /* lines of the forms it takes, options and examples */
    int (*run)(struct cli *cli);
};

extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

/* Options ------------------------------------------------------------------------------------- */

/* Takes `--name VALUE`, `--name=VALUE` or `name=VALUE` out of the arguments: the value, or NULL. Of
 * several the last counts. Names are written with `-` and match `_` too. */
const char *cli_take_value(struct cli *cli, const char *name);
/* Takes `--name` out of the arguments. */
bool cli_take_flag(struct cli *cli, const char *name);
/* The next argument that is no option, or NULL. */
const char *cli_take_word(struct cli *cli);
/* Says what is not understood and how the command is used when anything is left: EXIT_USAGE, else
 * EXIT_DONE. */
int cli_no_more(struct cli *cli);
int cli_usage(const struct cli *cli, const char *problem);

/* Control API --------------------------------------------------------------------------------- */

/* A path with query parameters, percent-encoded. Heap memory of the caller. Values that are NULL
 * are left out. */
struct cli_parameter {
    const char *name;
    const char *value;
};
char *cli_path(const char *path, const struct cli_parameter *parameters, size_t count);

/* A part of a path, percent-encoded. Heap memory of the caller. */
char *cli_escape(const char *part);

/* Asks and returns the answer (owned by the caller). NULL when it failed: the reason has been
 * printed and *ret_exit set. `body` is stolen; NULL for none. */
json_t *cli_ask(struct cli *cli, const char *method, const char *path, json_t *body, int *ret_exit);
/* The same with a body of bytes (NULL: none). */
json_t *cli_ask_bytes(struct cli *cli, const char *method, const char *path, const void *bytes,
                      size_t length, int *ret_exit);
/* GET of what is good to know and not needed: NULL, and not a word, when it cannot be had within
 * two seconds. */
json_t *cli_ask_quietly(const struct cli *cli, const char *path);
/* Asks for something that is not JSON and writes it to standard output. Returns the exit status. */
int cli_copy(struct cli *cli, const char *path);
/* Calls `line` for each JSON object of an endless answer. Returns the exit status. */
int cli_follow(struct cli *cli, const char *path, void (*line)(struct cli *cli, json_t *object));

/* Printing ------------------------------------------------------------------------------------ */

/* With --json prints `answer` and returns true: nothing else is to be printed. */
bool cli_print_json(const struct cli *cli, const json_t *answer);
/* Escaped; standard output. */
void cli_print_text(const char *text);
/* For the person, not for a pipe: one line on standard error. */
__attribute__((format(printf, 1, 2))) void cli_hint(const char *format, ...);
/* Each of the answer's `warnings`, on standard error. */
void cli_print_warnings(const json_t *answer);
/* "label:  value", the value escaped; nothing when value is NULL or "". */
void cli_print_field(const char *label, const char *value);
/* The member as text: strings as they are, numbers in decimal, booleans yes/no, null "". The result
 * lives until sixteen calls later. A dotted name walks into objects. */
const char *cli_text(const json_t *object, const char *member);
/* RFC 3339 as local time "2026-02-01 10:23:45"; other text unchanged. Result as cli_text(). */
const char *cli_local_time(const char *rfc3339);
/* "3 d 4 h", "5 min", "12 s". Result as cli_text(). */
const char *cli_duration(double seconds);

/* "17 B", "1.5 KiB", "2.0 GiB". Result as cli_text(). */
const char *cli_size(double bytes);

/* A table: columns as wide as their widest cell; numbers (`right`) to the right. */
struct cli_column {
    const char *title;
    bool right;
};
struct cli_table;
struct cli_table *cli_table_new(const struct cli_column *columns, size_t count);
/* Copies `cells` (count of the table). NULL is an empty cell. */
void cli_table_add(struct cli_table *table, const char *const *cells);
/* Prints and frees. An empty table prints `when_empty`. */
void cli_table_print(struct cli_table *table, const char *when_empty);
void cli_table_free(struct cli_table *table);

/* Listings ------------------------------------------------------------------------------------ */

/* Takes --limit: 50 unless given. False: it is not a number above 0. */
bool cli_take_limit(struct cli *cli, long *ret_limit);
/* Calls `item` for the items of a listing, page after page, `limit` at most. *ret_more: there are
 * more. With --json the first page goes out as it came, and no item is told. */
typedef void cli_item(void *context, const json_t *item);
int cli_each_item(struct cli *cli, const char *path, const struct cli_parameter *parameters,
                  size_t count, long limit, cli_item *item, void *context, bool *ret_more);
/* The same as a table; `add` gets it as its context. */
struct cli_listing {
    const struct cli_column *columns;
    size_t column_count;
    cli_item *add;
    const char *when_empty;
};
int cli_print_items(struct cli *cli, const char *path, const struct cli_parameter *parameters,
                    size_t count, const struct cli_listing *listing);
/* Of `by_hand` in an answer: who did what when, and why. */
void cli_print_by_hand(const json_t *commands);
/* PUT of settings, `body` is stolen; prints what each is now, and from when on. */
int cli_put_settings(struct cli *cli, json_t *body);
/* "7d", "12h", "3600" as seconds from now; anything else as a string: a time. */
json_t *cli_expiry(const char *value);

/* Commands ------------------------------------------------------------------------------------ */

int command_status(struct cli *cli);
int command_check_config(struct cli *cli);
int command_setting(struct cli *cli);
int command_policy(struct cli *cli);
int command_explain(struct cli *cli);
int command_replay(struct cli *cli);
int command_acl(struct cli *cli);
int command_greylist(struct cli *cli);
int command_quota(struct cli *cli);
int command_restriction(struct cli *cli);
int command_identity(struct cli *cli);
int command_reputation(struct cli *cli);
int command_blacklist(struct cli *cli);
int command_rbl(struct cli *cli);
int command_spf(struct cli *cli);
int command_session(struct cli *cli);
int command_stats(struct cli *cli);
int command_audit(struct cli *cli);
int command_clock(struct cli *cli);
int command_reload(struct cli *cli);
int command_restart(struct cli *cli);
int command_backup(struct cli *cli);
int command_restore(struct cli *cli);
int command_postfix(struct cli *cli);
int command_completion(struct cli *cli);
int command_geo(struct cli *cli);
int command_zimbra(struct cli *cli);
int command_version(struct cli *cli);
int command_user(struct cli *cli);
int command_token(struct cli *cli);

/* Verbs of `audit` that ask seczim-api. */
int cli_audit_log(struct cli *cli);
int cli_audit_verify(struct cli *cli);

/* The two list commands share their verbs: list, import, export, remove. */
int cli_list_entries(struct cli *cli, const char *list);
int cli_list_add(struct cli *cli, const char *list);
int cli_list_remove(struct cli *cli, const char *list);
int cli_list_import(struct cli *cli, const char *list, const char *default_format);
int cli_list_export(struct cli *cli, const char *list);
