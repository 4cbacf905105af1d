/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/ip_address.h"
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
    struct str text;          /* "Greylisted, please try again in {retry_in} seconds" */
};

struct access_list_settings {
    struct str block_text; /* "Access denied" ... */
};

struct policy_settings {
    uint64_t generation; /* Number of this generation, for records. */
    struct policy_common_settings policies[POLICY_LIMIT];
    struct access_list_settings access_list;
    struct greylisting_settings greylisting;
    const struct ip_prefix *trusted_networks;
    size_t trusted_network_count;
    const struct str *local_domains; /* normalised, ascending */
    size_t local_domain_count;
};
