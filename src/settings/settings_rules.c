/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mail/dns_address.h"
#include "mail/mail_address.h"
#include "policy/reply.h"
#include "settings/setting_value.h"
#include "settings/settings_builder.h"
#include "settings/settings_geo_rules.h"
#include "settings/time_zone.h"

enum { DOMAIN_MAX = 255 };
static const int64_t deadline_margin_ns = INT64_C(2000000000);

struct blame {
    const struct setting_info *at;
    const struct setting_info *other; /* the setting it does not agree with, or NULL */
    struct text *problem;
};

static bool blame(struct blame *out, const char *key, const char *sentence) {
    out->at = setting_find(str_from(key));
    text_add(out->problem, str_from(key));
    text_add(out->problem, str_from(sentence));
    return false;
}

static bool blame_both(struct blame *out, const char *key, const char *other,
                       const char *sentence) {
    out->other = setting_find(str_from(other));
    return blame(out, key, sentence);
}

/* `key: "item" sentence` */
static bool blame_item(struct blame *out, const char *key, struct str item, const char *sentence) {
    (void)blame(out, key, ": \"");
    text_add_escaped(out->problem, str_slice(item, 0, 100));
    text_add(out->problem, STR("\" "));
    text_add(out->problem, str_from(sentence));
    return false;
}

static bool greylisting_holds(const struct settings *settings, struct blame *out) {
    if (settings->policy.greylisting.defer_time_s >= settings->policy.greylisting.retry_window_s) {
        return blame_both(out, "greylisting.defer_time", "greylisting.retry_window",
                          " must be shorter than greylisting.retry_window, or no retry can pass");
    }
    return true;
}

static bool reputation_holds(const struct settings *settings, struct blame *out) {
    const struct ip_reputation_settings *scores = &settings->policy.ip_reputation;
    if (scores->min_score > scores->initial_score) {
        return blame_both(out, "ip_reputation.min_score", "ip_reputation.initial_score",
                          " must not be above ip_reputation.initial_score");
    }
    if (scores->max_score < scores->initial_score) {
        return blame_both(out, "ip_reputation.max_score", "ip_reputation.initial_score",
                          " must not be below ip_reputation.initial_score");
    }
    if (scores->block_threshold > 0 && scores->block_threshold >= scores->initial_score) {
        return blame_both(out, "ip_reputation.block_threshold", "ip_reputation.initial_score",
                          " must be below ip_reputation.initial_score, or every address never "
                          "seen before is refused");
    }
    return true;
}

static bool deadline_holds(const struct settings *settings, struct blame *out) {
    if (settings->policy_server.request_deadline_ns >
        settings->policy_server.hook_timeout_ns - deadline_margin_ns) {
        return blame_both(
            out, "policy_server.request_deadline", "policy_server.hook_timeout",
            " must be at least 2 s below policy_server.hook_timeout, or Postfix gives up "
            "before the answer");
    }
    return true;
}

static bool request_limits_hold(const struct settings *settings, struct blame *out) {
    if (settings->policy_server.value_bytes_max >= settings->policy_server.request_bytes_max) {
        return blame_both(
            out, "policy_server.value_bytes_max", "policy_server.request_bytes_max",
            " must be less than policy_server.request_bytes_max, which holds the value");
    }
    return true;
}

static bool texts_hold(const struct settings *settings, struct blame *out) {
    const struct {
        const char *key;
        struct str text;
    } texts[] = {
        {"access_list.block_text", settings->policy.access_list.block_text},
        {"greylisting.text", settings->policy.greylisting.text},
        {"sender_restrictions.text", settings->policy.sender_restrictions.text},
        {"sender_identity.text", settings->policy.sender_identity.text},
        {"quotas.text", settings->policy.quotas.text},
        {"ip_reputation.text", settings->policy.ip_reputation.text},
        {"auto_blacklist.text", settings->policy.auto_blacklist.text},
        {"rbl.text", settings->policy.rbl.text},
        {"geo.text", settings->policy.geo.text},
        {"spf.text", settings->policy.spf.text},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char words[256];
        struct text sentence = TEXT_OVER(words);
        if (reply_text_problem(texts[i].text, &sentence) != NULL) {
            (void)blame(out, texts[i].key, ": ");
            text_add(out->problem, text_str(&sentence));
            return false;
        }
    }
    return true;
}

/* --- listeners ------------------------------------------------------------------------------ */

/* "127.0.0.1:10035" or "[::1]:10035" */
static bool is_ip_and_port(struct str text) {
    const size_t colon = str_find_last(text, ':');
    uint64_t port = 0;
    if (colon == SIZE_MAX ||
        !str_parse_u64(str_slice(text, colon + 1, text.length), 65535, &port) || port == 0) {
        return false;
    }
    struct str address = str_slice(text, 0, colon);
    const bool bracketed = str_starts(address, STR("[")) && str_ends(address, STR("]"));
    if (bracketed) {
        address = str_slice(address, 1, address.length - 1);
    }
    struct ip_address parsed;
    return ip_address_parse(address, &parsed) && bracketed == (str_find(address, ':') != SIZE_MAX);
}

/* "./" says on purpose: from the folder in which the daemon is started, for trying out. */
static bool is_path(struct str path) {
    return str_starts(path, STR("/")) || str_starts(path, STR("./"));
}

static const char *listen_problem(struct str text) {
    if (str_starts(text, STR("unix:"))) {
        const struct str path = str_slice(text, 5, text.length);
        if (!is_path(path)) {
            return "must name the socket by its whole path, such as unix:/run/seczim/policy.sock";
        }
        return path.length > UNIX_PATH_MAX ? "is longer than a socket's path may be (107 bytes)"
                                           : NULL;
    }
    return is_ip_and_port(text) ? NULL
                                : "is not an address to listen on; write 127.0.0.1:10035, "
                                  "[::1]:10035 or unix:/path";
}

static bool listeners_hold(const struct settings *settings, struct blame *out) {
    const char *key = "policy_server.listen";
    const struct str *listen = settings->policy_server.listen;
    const size_t count = settings->policy_server.listen_count;
    if (count == 0) {
        return blame(out, key, " must name at least one address, or Postfix cannot reach us");
    }
    for (size_t i = 0; i < count; i++) {
        const char *sentence = listen_problem(listen[i]);
        if (sentence != NULL) {
            return blame_item(out, key, listen[i], sentence);
        }
        for (size_t j = 0; j < i; j++) {
            if (str_equal(listen[i], listen[j])) {
                return blame_item(out, key, listen[i], "stands there twice; take one out");
            }
        }
    }
    return true;
}

static bool dns_servers_hold(const struct settings *settings, struct blame *out) {
    const char *key = "dns.servers";
    struct dns_address servers[DNS_SERVERS_MAX];
    for (size_t i = 0; i < settings->dns.server_count; i++) {
        const struct str server = settings->dns.servers[i];
        if (!dns_address_parse(server, &servers[i])) {
            return blame_item(out, key, server,
                              "is not an address of a DNS server; write 192.0.2.53, 2001:db8::53, "
                              "or with a port 192.0.2.53:5353 or [2001:db8::53]:5353");
        }
        for (size_t j = 0; j < i; j++) {
            if (servers[i].port == servers[j].port &&
                ip_address_equal(servers[i].ip, servers[j].ip)) {
                return blame_item(out, key, server, "stands there twice; take one out");
            }
        }
    }
    return true;
}

/* --- lists ---------------------------------------------------------------------------------- */

static bool networks_hold(const struct settings *settings, struct blame *out) {
    const struct ip_prefix *networks = settings->policy.trusted_networks;
    for (size_t i = 0; i < settings->policy.trusted_network_count; i++) {
        char shown[IP_PREFIX_TEXT_MAX];
        struct text network = TEXT_OVER(shown);
        ip_prefix_format(networks[i], &network);
        /* IPv4 lies within the IPv6 space: /0 and ::/0 would make every stranger a local sender. */
        if (networks[i].bits == 0 ||
            (ip_address_is_v4(networks[i].address) && networks[i].bits <= 96)) {
            return blame_item(out, "trusted_networks", text_str(&network),
                              "would trust the whole Internet; name your own servers' networks");
        }
        for (size_t j = 0; j < i; j++) {
            if (memcmp(&networks[i], &networks[j], sizeof networks[i]) == 0) {
                return blame_item(out, "trusted_networks", text_str(&network),
                                  "stands there twice; take one out");
            }
        }
    }
    return true;
}

static bool is_domain(struct str domain) {
    bool after_dot = true;
    for (size_t i = 0; i < domain.length; i++) {
        const char c = domain.data[i];
        const bool letter =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!letter && (c != '.' || after_dot)) {
            return false;
        }
        after_dot = c == '.';
    }
    return domain.length > 0 && domain.length <= DOMAIN_MAX && !after_dot;
}

static int compare_str(const void *a, const void *b) {
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static bool local_domains_hold(struct settings *settings, struct settings_arena *arena,
                               struct blame *out) {
    const size_t count = settings->policy.local_domain_count;
    struct str *domains = settings_arena_allocate(arena, count * sizeof *domains + 1);
    for (size_t i = 0; i < count; i++) {
        const struct str written = settings->policy.local_domains[i];
        char normal[MAIL_ADDRESS_MAX];
        struct text text = TEXT_OVER(normal);
        mail_domain_normalise(written, &text);
        if (text.truncated || !is_domain(text_str(&text))) {
            return blame_item(out, "local_domains", written,
                              "is not a domain; write one such as example.com");
        }
        domains[i] = settings_arena_copy(arena, text_str(&text));
    }
    if (count > 1) {
        qsort(domains, count, sizeof *domains, compare_str);
    }
    for (size_t i = 1; i < count; i++) {
        if (str_equal(domains[i - 1], domains[i])) {
            return blame_item(out, "local_domains", domains[i], "stands there twice; take one out");
        }
    }
    settings->policy.local_domains = domains;
    return true;
}

static bool rbl_holds(struct settings *settings, struct settings_arena *arena, struct blame *out) {
    const char *key = settings_rbl_build(settings, arena, out->problem);
    out->at = key != NULL ? setting_find(str_from(key)) : out->at;
    return key == NULL;
}

static bool geo_holds(struct settings *settings, struct settings_arena *arena, struct blame *out) {
    const char *key = settings_geo_rules_apply(settings, arena, out->problem);
    out->at = key != NULL ? setting_find(str_from(key)) : out->at;
    return key == NULL;
}

/* --- paths and zone ------------------------------------------------------------------------- */

static bool paths_hold(const struct settings *settings, struct blame *out) {
    const struct {
        const char *key;
        struct str path;
    } paths[] = {
        {"paths.data", settings->paths.data},
        {"paths.runtime", settings->paths.runtime},
        {"paths.control_socket", settings->paths.control_socket},
        {"paths.api_data", settings->paths.api_data},
        {"paths.api_socket", settings->paths.api_socket},
        {"api.tls_certificate", settings->api.tls_certificate},
        {"api.tls_key", settings->api.tls_key},
        {"log.path", settings->log.path},
        {"log.api_path", settings->log.api_path},
        {"geo.database", settings->geo.database},
        {"geo.asn_database", settings->geo.asn_database},
        {"geo.update.key_file", settings->geo.update.key_file},
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (paths[i].path.length > 0 && !is_path(paths[i].path)) {
            return blame_item(out, paths[i].key, paths[i].path,
                              "is not a whole path; begin it with a slash");
        }
    }
    /* The longest socket name below it is control.sock. */
    if (settings->paths.control_socket.length == 0 &&
        settings->paths.runtime.length + sizeof "/control.sock" - 1 > UNIX_PATH_MAX) {
        return blame(out, "paths.runtime",
                     " is too long for the control socket in it (107 bytes); shorten it, or set "
                     "paths.control_socket");
    }
    return true;
}

/* An unknown zone would quietly be UTC. */
static bool time_zone_holds(struct settings *settings, struct blame *out) {
    const char *sentence = time_zone_load(settings->time_zone, &settings->policy.zone);
    if (sentence == NULL) {
        return true;
    }
    return settings->time_zone.length > 0
               ? blame_item(out, "time_zone", settings->time_zone, sentence)
               : blame_item(out, "time_zone", STR("/etc/localtime"), sentence);
}

bool settings_rules_apply(struct settings *settings, struct settings_arena *arena,
                          const struct setting_info **ret_at, const struct setting_info **ret_other,
                          struct text *problem) {
    struct blame out = {NULL, NULL, problem};
    const bool hold = greylisting_holds(settings, &out) && reputation_holds(settings, &out) &&
                      deadline_holds(settings, &out) && request_limits_hold(settings, &out) &&
                      texts_hold(settings, &out) && listeners_hold(settings, &out) &&
                      dns_servers_hold(settings, &out) && networks_hold(settings, &out) &&
                      local_domains_hold(settings, arena, &out) &&
                      rbl_holds(settings, arena, &out) && geo_holds(settings, arena, &out) &&
                      paths_hold(settings, &out) && time_zone_holds(settings, &out);
    CHECK(hold || out.at != NULL);
    *ret_at = out.at;
    *ret_other = out.other;
    return hold;
}
