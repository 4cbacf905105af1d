/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
#include "mail/dnsbl.h"
#include "mail/spf.h"
#include "policy/verdict.h"

/* What the policies are told; settings/ fills it from its table. Immutable once in a generation. */

enum { POLICY_TEXT_MAX = 240, TRUSTED_NETWORKS_MAX = 256, LOCAL_DOMAINS_MAX = 4096 };

/* The settings that every policy has, at policies[POLICY_x]. */
struct policy_common_settings {
    bool enabled;
    int64_t priority; /* 0 to 1000, highest first; ties in the order of policies.def */
    enum policy_mode mode;
    enum policy_on_error on_error;
};

struct greylisting_settings {
    int64_t defer_time_s;
    int64_t retry_window_s;
    int64_t known_ttl_s;      /* known since last use: 35 days */
    int64_t client_passes;    /* different keys that make a client trusted: 5; 0 = never */
    int64_t client_ttl_s;     /* 35 days */
    int64_t ipv4_prefix_bits; /* 24; 8 to 32 */
    int64_t ipv6_prefix_bits; /* 64; 16 to 128 */
    bool only_suspicious;     /* greylist only: no confirmed client name, or HELO unqualified or an
                                 address literal, or client name that looks dynamic */
    bool learning;            /* record, and let all pass */
    bool skip_correspondents; /* people the local users wrote to are let in */
    int64_t correspondent_ttl_s; /* since they were last written to: 35 days */
    struct str text;             /* "Greylisted, please try again in {retry_in} seconds" */
};

struct access_list_settings {
    struct str block_text; /* "Access denied" ... */
};

struct sender_restrictions_settings {
    struct str text; /* unless the restriction has its own */
};

struct sender_identity_settings {
    struct str text;
};

/* How a request that would exceed a limit is refused. AUTO: deferred by windows up to an hour,
 * rejected by longer ones (SPEC 4.6). */
enum quota_refusal { QUOTA_REFUSAL_AUTO = 0, QUOTA_REFUSAL_DEFER, QUOTA_REFUSAL_REJECT };
/* Whether Postfix asks at the end of the data too. AUTO: on once that service has. */
enum end_of_data_hook { END_OF_DATA_AUTO = 0, END_OF_DATA_ON, END_OF_DATA_OFF };

struct quotas_settings {
    enum end_of_data_hook end_of_data_hook;
    enum quota_refusal refusal;
    bool exempt_local; /* mail from a user to one of local_domains is not charged */
    struct str text;
};

struct ip_reputation_settings {
    int64_t initial_score;           /* 50 */
    int64_t min_score;               /* 0 */
    int64_t max_score;               /* 100 */
    int64_t accepted;                /* +1 */
    int64_t rejected;                /* -5 */
    int64_t deferred;                /* -2 */
    int64_t block_threshold;         /* 10: at or below it refused; 0: never */
    int64_t skip_greylist_threshold; /* 80: at or above it greylisting is skipped; 0: never */
    int64_t decay_amount;            /* 5 ... */
    int64_t decay_interval_s;        /* ... every 6 h ... */
    int64_t decay_days;              /* ... after 7 days without activity, up to initial_score */
    int64_t known_ttl_s;             /* forgotten after so long without activity: 180 days */
    struct str text;
};

/* Numbers are part of the state's format: append. */
enum blacklist_trigger {
    BLACKLIST_BY_HAND = 0,
    BLACKLIST_REJECTIONS,
    BLACKLIST_RBL_HITS,
    BLACKLIST_SPF_FAILURES,
    BLACKLIST_GEO_BLOCKED,
    BLACKLIST_FAILED_LOGINS,
    BLACKLIST_SPAM_SCORE,
    BLACKLIST_TRIGGERS,
};

struct blacklist_rule_settings {
    bool enabled;
    int64_t threshold;
    int64_t window_s;
    int64_t duration_s;
};

struct auto_blacklist_settings {
    struct blacklist_rule_settings rules[BLACKLIST_TRIGGERS]; /* [0] is none */
    bool double_duration; /* each further block of a network lasts twice as long */
    struct str text;
};

/* One block list that is on. The key is a secret: it is part of the name asked, and shown nowhere.
 */
struct rbl_list_settings {
    uint8_t number;     /* dnsbl.h */
    uint8_t covered_by; /* number of a list that is on too and has this one's data; 0: none */
    bool has_ipv6;      /* IPv6 clients are asked about too */
    int64_t weight;     /* 1 to 100 */
    struct str name;
    struct str zone; /* with a key: that of subscribers */
    struct str key;  /* "": none */
    struct dnsbl_codes codes;
};

struct rbl_settings {
    int64_t threshold; /* sum of the weights of the lists that list it, that refuses */
    struct rbl_list_settings lists[DNSBL_LISTS_MAX]; /* those that are on, by number, ascending */
    size_t list_count;
    const struct ip_prefix *exempt_networks;
    size_t exempt_network_count;
    struct str text;
};

/* What the policy does on a result. ACCEPT: no objection. */
enum spf_action { SPF_ACTION_ACCEPT = 0, SPF_ACTION_DEFER, SPF_ACTION_REJECT };

struct spf_settings {
    enum spf_action on[SPF_RESULTS]; /* of the MAIL FROM identity; pass: always accept */
    enum spf_action helo_fail;       /* of the HELO identity: a fail; other results do nothing */
    bool add_header;                 /* Received-SPF */
    bool explanation;                /* a fail tells what the domain's exp= says */
    struct str receiver;             /* name of this host for %{r} and Received-SPF; "": unknown */
    struct str text;
};

enum geo_mode { GEO_MODE_BLOCK = 0, GEO_MODE_ALLOW };
enum geo_unknown { GEO_UNKNOWN_ACCEPT = 0, GEO_UNKNOWN_DEFER, GEO_UNKNOWN_REJECT };

/* Of one direction. Countries are ISO 3166-1 alpha-2, upper case; all lists are ascending. Of an
 * empty list of countries, in either mode: no objection. */
enum { GEO_COUNTRIES_MAX = 250, GEO_LIST_MAX = 1024 };
struct geo_rule_settings {
    enum geo_mode mode;
    const struct str *countries;
    size_t country_count;
    const struct str *block_asns; /* "AS64496" */
    size_t block_asn_count;
};

struct geo_settings {
    struct geo_rule_settings inbound;
    struct geo_rule_settings outbound;
    const struct ip_prefix *exempt_networks;
    size_t exempt_network_count;
    const struct str *exempt_senders; /* addresses and domains, normalised */
    size_t exempt_sender_count;
    enum geo_unknown unknown;     /* a public address that the database does not have */
    enum geo_unknown for_private; /* not a public address (dnsbl_is_public()) */
    struct str text;
};

/* Local time for calendar windows: from `from_s` (Unix time) on it is UTC + offset_s. Ascending;
 * before the first: offset 0. Offsets are multiples of 900. */
struct zone_change {
    int64_t from_s;
    int32_t offset_s;
};
enum { ZONE_CHANGES_MAX = 64 };
struct zone {
    size_t change_count;
    struct zone_change changes[ZONE_CHANGES_MAX];
};

struct policy_settings {
    uint64_t generation; /* Number of this generation, for records. */
    struct policy_common_settings policies[POLICY_LIMIT];
    struct access_list_settings access_list;
    struct greylisting_settings greylisting;
    struct sender_restrictions_settings sender_restrictions;
    struct sender_identity_settings sender_identity;
    struct quotas_settings quotas;
    struct ip_reputation_settings ip_reputation;
    struct auto_blacklist_settings auto_blacklist;
    struct rbl_settings rbl;
    struct spf_settings spf;
    struct geo_settings geo;
    struct zone zone;
    const struct ip_prefix *trusted_networks;
    size_t trusted_network_count;
    const struct str *local_domains; /* normalised, ascending */
    size_t local_domain_count;
};
