/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "daemon/control.h"
#include "daemon/replay.h"
#include "net/http_input.h"
#include "net/http_server.h"
#include "net/json_text.h"

/* Inside of the control API: what its files share. One file per resource, handlers thin: read the
 * request strictly, ask the engine, write JSON. */

enum {
    CONTROL_READERS_MAX = 8,    /* history readers kept open for the next request */
    CONTROL_FOLLOWERS_MAX = 16, /* streams at a time; above: 503 */
    CONTROL_BODY_MAX = 1024 * 1024,
    CONTROL_IMPORT_MAX = 64 * 1024 * 1024,
};

struct control {
    struct engine *engine;
    struct server *server;
    struct control_actions actions;
    struct http_server *http;
    struct settings *defaults; /* every setting at its default, to be shown */
    int listen_fd;
    char socket_path[108]; /* "" when the socket was handed over */
    pthread_mutex_t readers_lock;
    struct history_reader *readers[CONTROL_READERS_MAX];
    size_t reader_count;
    atomic_uint followers;
    struct metrics_periods *periods;
    struct history_live *live; /* statistics of the history files that are still written */
    struct replay *replay;
};

/* --- reading a request; false: it was answered with 400 --- */

/* All members of the body are among `names`, which blanks separate. */
MUST_USE bool control_members(const struct http_request *request, struct http_response *response,
                              const char *names);
/* A member that is a string; data NULL when absent or null. */
MUST_USE bool control_text(const struct http_request *request, struct http_response *response,
                           const char *name, struct str *ret_text);
/* The same, that must be there. */
MUST_USE bool control_needed_text(const struct http_request *request,
                                  struct http_response *response, const char *name,
                                  struct str *ret_text);
/* The member `expires`: RFC 3339, or seconds from now as a number; `buffer` keeps the text of the
 * latter. data NULL when absent. */
MUST_USE bool control_expires(const struct http_request *request, struct http_response *response,
                              int64_t now_ns, struct text *buffer, struct str *ret_expires);
/* For engine_command(): adds " by AUTHOR" and ": COMMENT" (data NULL: none). */
MUST_USE bool control_why(const struct http_request *request, struct http_response *response,
                          struct str comment, struct text *why);
/* Says in the log that an administrator's command was done. */
void control_log_command(const char *module, bool done, const struct text *why);
/* An address given by a person: `text` must be one. */
MUST_USE bool control_address(struct http_response *response, const char *field, struct str text,
                              struct ip_address *ret_address);

/* --- writing JSON --- */

json_t *control_address_text(struct ip_address address);
json_t *control_prefix_text(struct ip_prefix prefix);
/* Decision seconds as RFC 3339; 0 is null. */
json_t *control_seconds(uint32_t unix_s);

/* --- shared by resources --- */

/* A reader of history for this request; give it back. NULL: answered with 500. */
struct history_reader *control_reader_take(struct control *control, struct http_response *response);
void control_reader_give(struct control *control, struct history_reader *reader);
json_t *control_clock_json(struct control *control);
/* Every live alert (control_alerts.h), as an array. */
json_t *control_all_alerts(struct control *control, const struct engine_status *status,
                           const struct settings *settings);
/* "nul", "too-long": what is wrong with a request (enum policy_request_result); NULL: nothing. */
const char *control_malformed_word(unsigned result);
/* Reads `members` (NULL: none), whose names are keys of settings, as a change, and gives it to
 * `make`; what is wrong with it, also by what `make` returns, is answered: false. */
typedef int control_make_change(void *context, const struct config_setting_change *changes,
                                size_t count, struct engine_problem *problem);
MUST_USE bool control_with_change(const json_t *members, struct http_response *response,
                                  control_make_change *make, void *context);
/* The warnings of the settings in force (settings_warning()), as an array of sentences. */
json_t *control_warnings(const struct settings *settings);
/* Makes the change of `members`, whose names are keys of settings; false: it was answered. */
MUST_USE bool control_change(struct control *control, const struct http_request *request,
                             struct http_response *response, const json_t *members,
                             uint64_t *ret_version);

/* --- handlers; `context` is the struct control --- */

http_handler control_get_status, control_get_counters, control_get_stats;
http_handler control_get_top, control_get_summary, control_get_metrics;
http_handler control_get_spf;
http_handler control_get_settings, control_get_setting, control_put_settings;
http_handler control_get_policies, control_get_policy, control_put_policy;
http_handler control_get_list, control_get_entry, control_post_entry, control_delete_entry;
http_handler control_match;
http_handler control_import, control_export;
http_handler control_get_greylist, control_get_greylist_entries, control_get_greylist_clients;
http_handler control_get_greylist_stats, control_post_forget, control_post_pass;
http_handler control_get_one_of_quotas;
http_handler control_get_quotas, control_post_quotas, control_put_quotas, control_delete_quotas;
http_handler control_get_quota_usage, control_get_quota_users, control_post_quota_reset;
http_handler control_get_reputation, control_get_reputation_of, control_post_reputation_reset;
http_handler control_get_blacklist, control_get_blacklist_of, control_post_blacklist;
http_handler control_delete_blacklist, control_put_permanent;
http_handler control_get_one_of_restrictions;
http_handler control_get_restrictions, control_post_restrictions, control_put_restrictions;
http_handler control_delete_restrictions;
http_handler control_get_one_of_identities;
http_handler control_get_identities, control_post_identities, control_put_identities;
http_handler control_delete_identities;
http_handler control_get_geo, control_get_geo_of;
http_handler control_get_rbl, control_get_rbl_check;
http_handler control_post_explain;
http_handler control_post_replay, control_get_replay, control_delete_replay;
http_handler control_get_sessions, control_get_session, control_follow;
http_handler control_get_changes, control_get_clock, control_post_clock_accept;
http_handler control_post_snapshot, control_post_backup, control_post_reload, control_post_restart;
