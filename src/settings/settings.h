/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/log.h"
#include "mail/dns_address.h"
#include "policy/policy_settings.h"

/* One generation of settings: built whole from defaults, the run-time values of config.db and
 * seczim.yaml (a key set in the file wins and is fixed), checked whole, then never changed. A
 * change makes the next generation; requests already running finish on theirs. settings.def is the
 * one table: key, field, type, default, bounds, unit, when it applies, help. */

enum {
    LISTENERS_MAX = 16,
    UNIX_PATH_MAX = 107,            /* bytes: what a socket address holds */
    SETTINGS_FILE_MAX = 1024 * 1024 /* bytes of seczim.yaml */
};

/* What is set of a block list known by name. */
struct known_list_settings {
    bool enabled;
    int64_t weight;   /* 1 to 100 */
    struct str codes; /* dnsbl_codes_parse() */
    struct str key;   /* secret */
};

struct settings {
    struct policy_settings policy;
    struct {
        const struct str *listen; /* "127.0.0.1:10035", "[::1]:10035", "unix:/path" */
        size_t listen_count;
        int64_t workers;             /* 1; 1 to 64; restart */
        int64_t request_deadline_ns; /* 5 s */
        int64_t connections_max;     /* 8192; restart */
        int64_t request_bytes_max;   /* 32 KiB */
        int64_t attributes_max;      /* 256 */
        int64_t value_bytes_max;     /* 8 KiB */
        int64_t idle_close_ns;       /* 1020 s: only then, and only at the connection limit */
        int64_t unix_socket_mode;    /* permission bits of UNIX sockets; 438 is 0666 */
        int64_t hook_timeout_ns;     /* what the hook in Postfix says: 10 s; the deadline must be at
                                        least 2 s below it */
    } policy_server;
    struct {
        const struct str *servers; /* dns_address_parse(); none: /etc/resolv.conf */
        size_t server_count;
        int64_t timeout_ns;    /* of one try: 1 s */
        int64_t tries;         /* 2 */
        int64_t cache_bytes;   /* of each worker: 32 MiB */
        int64_t questions_max; /* of each worker: 5000 */
    } dns;                     /* all at restart */
    struct {
        int64_t greylist_capacity;        /* 1,000,000; restart */
        int64_t greylist_client_capacity; /* 250,000; restart */
        int64_t quota_capacity;           /* 20,000; restart; so are the following */
        int64_t message_capacity;         /* 50,000 */
        int64_t once_capacity;            /* 500,000 */
        int64_t correspondent_capacity;   /* 500,000 */
        int64_t reputation_capacity;      /* 500,000 */
        int64_t blacklist_capacity;       /* 50,000 */
        int64_t offence_capacity;         /* 50,000 */
        int64_t snapshot_interval_ns;     /* 15 min */
        int64_t snapshot_records_max;     /* 1,000,000 */
    } state;
    struct {
        int64_t ring_bytes;       /* 64 MiB; restart */
        int64_t segment_bytes;    /* 16 MiB; restart */
        int64_t max_backlog;      /* 2 GiB */
        int64_t durability;       /* enum journal_durability: relaxed, strict */
        int64_t sync_interval_ns; /* 1 s */
    } journal;
    struct {
        bool enabled;
        int64_t keep_s;            /* 90 days */
        int64_t rows_per_file_max; /* 500,000 */
        int64_t min_free_bytes;    /* below it history stops first: 256 MiB */
    } history;
    struct {
        int64_t memory_bytes; /* 128 MiB: of simulated tables while a replay runs */
    } replay;
    struct { /* settings_rbl.c makes policy.rbl.lists of it */
        struct known_list_settings known[DNSBL_KNOWN]; /* number i + 1 at i */
        const struct str *own_lists; /* "bl.example.com weight=2 codes=127.0.0.2 name=Ours" */
        size_t own_list_count;
        const struct str *own_keys; /* secrets: "bl.example.com KEY" */
        size_t own_key_count;
    } rbl;
    struct {
        struct str data;           /* /var/lib/seczim */
        struct str runtime;        /* /run/seczim */
        struct str control_socket; /* "" = runtime/control.sock */
        struct str control_group;  /* members may use the control socket: seczim */
        struct str api_data;       /* /var/lib/seczim-api */
        struct str api_socket;     /* /run/seczim-api/api.sock; "" is none */
    } paths;
    struct {                      /* seczim-api */
        const struct str *listen; /* "0.0.0.0:8880" */
        size_t listen_count;
        const struct str *metrics_listen; /* "0.0.0.0:8181" */
        size_t metrics_listen_count;
        const struct ip_prefix *metrics_networks; /* none: everybody */
        size_t metrics_network_count;
        const struct ip_prefix *trusted_networks;
        size_t trusted_network_count;
        const struct ip_prefix *trusted_proxies;
        size_t trusted_proxy_count;
        const struct str *host_names; /* for trusted networks, besides localhost and addresses */
        size_t host_name_count;
        struct str tls_certificate; /* PEM files; "" is plain HTTP */
        struct str tls_key;
        bool require_tls;
        int64_t connections_max;         /* 512 */
        int64_t connections_per_address; /* 128; 0 is no limit */
        int64_t rate_limit;              /* requests a second for each caller: 200 */
        int64_t audit_retention_s;       /* 365 d */
        struct str user;                 /* seczim-api: may name the author of a change */
    } api;
    struct {
        struct str api_path; /* of seczim-api */
        struct str path;     /* "" = standard error */
        int64_t level;       /* enum log_level */
        int64_t format;      /* enum log_format */
    } log;
    struct {
        struct str database;     /* "" = data/country.mmdb */
        struct str asn_database; /* "" = data/asn.mmdb */
        struct {
            struct str url;
            struct str account;
            struct str key_file; /* the secret stays there */
        } update;
    } geo;
    struct str time_zone; /* "" = the system's */
};

enum setting_type {
    SETTING_BOOL = 0,
    SETTING_INT,
    SETTING_DURATION_S,   /* int64 seconds;     YAML: 300, 300s, 5m, 48h, 35d, 2w */
    SETTING_DURATION_NS,  /* int64 nanoseconds; YAML: as above and 500ms */
    SETTING_SIZE,         /* int64 bytes;       YAML: 32768, 32KiB, 64MiB, 2GiB */
    SETTING_ENUM,         /* int64 index into `choices` */
    SETTING_TEXT,         /* struct str */
    SETTING_TEXT_LIST,    /* const struct str * + size_t */
    SETTING_NETWORK_LIST, /* const struct ip_prefix * + size_t */
    SETTING_MODE,         /* int64 permission bits; YAML: octal, 0660 */
    SETTING_SECRET,       /* struct str; shown as SETTING_HIDDEN wherever values are shown */
    SETTING_SECRET_LIST   /* as TEXT_LIST; shown as SETTING_HIDDEN alone, for each item */
};

/* Bootstrap settings stand only in the file (paths, listeners ...). */
enum setting_apply { SETTING_AT_ONCE = 0, SETTING_AT_RESTART, SETTING_BOOTSTRAP };
enum setting_origin { SETTING_FROM_DEFAULT = 0, SETTING_FROM_DATABASE, SETTING_FROM_FILE };

struct setting_info {
    const char *key; /* "greylisting.defer_time" */
    const char *help;
    const char *fallback; /* default, as text that the parser takes */
    const char *choices;  /* ENUM: "relaxed strict" */
    int64_t min;          /* numbers; TEXT: least length */
    int64_t max;          /* numbers; TEXT: greatest length in bytes; lists: most items */
    size_t offset;
    size_t size;         /* of the field in bytes: ENUM is int64_t or an enum of C */
    size_t count_offset; /* lists: of the size_t */
    enum setting_type type;
    enum setting_apply apply;
};

/* What stands for a secret that is set; one that is not set is shown as it is: empty. */
#define SETTING_HIDDEN "***"
static inline bool setting_is_secret(const struct setting_info *info) {
    return info->type == SETTING_SECRET || info->type == SETTING_SECRET_LIST;
}

extern const struct setting_info settings_table[];
extern const size_t settings_count;

/* NULL when there is none of that key. */
const struct setting_info *setting_find(struct str key);
/* The known key nearest to `key`, for "did you mean", or NULL. */
const char *setting_nearest(struct str key);
const char *setting_apply_name(enum setting_apply apply);    /* "at once" "at restart" "file" */
const char *setting_origin_name(enum setting_origin origin); /* "default" "database" "file" */
const char *setting_type_name(enum setting_type type);       /* "duration" ... for JSON and docs */

/* A mistake in settings, for the person who wrote them. line and column are 0 when the value does
 * not come from a file. */
struct setting_problem {
    unsigned line;
    unsigned column;
    char text[512]; /* `greylisting.defer_time must be 1 s to 1 day, not "5 minutse"` */
};
/* Appends "seczim.yaml:12:15: greylisting.defer_time must be ...". Without a line only the text. */
void setting_problem_format(const struct setting_problem *problem, struct str file,
                            struct text *out);

/* Builds one generation. Values are added in any order; the file wins over the database.
 * Not thread safe. */
struct settings_builder;
struct settings_builder *settings_builder_new(void);
void settings_builder_free(struct settings_builder *builder);
/* `value` is text as in YAML ("300s"); lists: items separated by newlines. False fills *problem and
 * leaves the builder as it was. */
bool settings_builder_set(struct settings_builder *builder, struct str key, struct str value,
                          enum setting_origin origin, unsigned line,
                          struct setting_problem *problem);
/* Parses YAML text: sections as maps (`greylisting:` / `  defer_time: 300s`), policies as
 * `policies:` / `  greylisting: {enabled: true, priority: 300, mode: shadow}`. Unknown keys, wrong
 * types, duplicates and syntax errors are problems with line and column. The first is reported. */
bool settings_builder_read_yaml(struct settings_builder *builder, struct str yaml,
                                struct setting_problem *problem);
/* Checks rules between settings and makes the generation; the builder can go on being used. The
 * result owns all memory it points to; free with settings_free(). NULL fills *problem. */
struct settings *settings_builder_finish(struct settings_builder *builder, uint64_t generation,
                                         struct setting_problem *problem);
void settings_free(struct settings *settings);
enum setting_origin settings_builder_origin(const struct settings_builder *builder,
                                            const struct setting_info *info);
/* The line of seczim.yaml that set it; 0 when it does not come from the file. */
unsigned settings_builder_line(const struct settings_builder *builder,
                               const struct setting_info *info);
/* True when the two generations hold different values of that setting. */
bool setting_differs(const struct settings *a, const struct settings *b,
                     const struct setting_info *info);
/* As setting_differs(), of a setting that only a restart puts in force. */
bool settings_needs_restart(const struct settings *in_force, const struct settings *stored,
                            const struct setting_info *info);
/* The list of that number as it is asked, or would be when a known one is off. False: there is no
 * such own list. */
bool settings_rbl_list(const struct settings *settings, uint8_t number,
                       struct rbl_list_settings *ret_list);
/* What is allowed and yet nobody should want, as sentences: number i; false when there are fewer.
 * Those who change or check settings are told, and the log. */
bool settings_warning(const struct settings *settings, size_t i, struct text *out);
/* The value of one setting as text: canonical ("5m", "32KiB"); lists joined with newlines; secrets
 * hidden. */
void setting_format(const struct settings *settings, const struct setting_info *info,
                    struct text *out);
/* The same by meaning: seconds, bytes, 0/1 as plain numbers; for the API. Lists and text as above.
 */
void setting_format_plain(const struct settings *settings, const struct setting_info *info,
                          struct text *out);
/* The sample seczim.yaml: every setting with help and default, commented out. Taking away each "#"
 * that has no blank after it gives a file that sets every default. */
void settings_write_sample(struct text *out);
/* The manual page seczim.yaml(5). */
void settings_write_manual(struct text *out);
