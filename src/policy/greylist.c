/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist.h"

#include <string.h>

#include "mail/mail_address.h"
#include "policy/decision_ahead.h"
#include "policy/greylist_correspondents.h"
#include "policy/greylist_suspicious.h"
#include "policy/policy_run.h"
#include "policy/trust_run.h"

/* Entries die in the second after the last one that counts. */
static uint32_t last_second(uint32_t time_s, int64_t duration_s) {
    const int64_t last = (int64_t)time_s + duration_s + 1;
    return last < (int64_t)UINT32_MAX ? (uint32_t)last : UINT32_MAX;
}

static uint32_t age_s(uint32_t since_s, uint32_t now_s) {
    /* Another node's clock may be ahead of ours by a second or two. */
    return now_s > since_s ? now_s - since_s : 0;
}

enum greylist_standing greylist_standing(const struct greylisting_settings *settings,
                                         const struct greylist_entry *entry, uint32_t now_s) {
    if (entry == NULL || entry->first_s == 0) {
        return GREYLIST_ABSENT;
    }
    const bool alive = now_s < entry->head.expires_s;
    if (entry->passed_s != 0) {
        return alive ? GREYLIST_PASSED : GREYLIST_EXPIRED;
    }
    return alive && age_s(entry->first_s, now_s) <= settings->retry_window_s ? GREYLIST_WAITING
                                                                             : GREYLIST_LATE;
}

const char *greylist_standing_name(enum greylist_standing standing) {
    static const char *const names[] = {
        [GREYLIST_ABSENT] = "absent", [GREYLIST_WAITING] = "waiting", [GREYLIST_PASSED] = "passed",
        [GREYLIST_LATE] = "late",     [GREYLIST_EXPIRED] = "expired",
    };
    return names[standing];
}

size_t greylist_client_passes(const struct greylist_client_entry *entry, uint32_t now_s) {
    size_t passes = 0;
    if (entry == NULL || entry->head.expires_s <= now_s) {
        return 0;
    }
    while (passes < STATE_FINGERPRINTS_MAX && entry->fingerprints[passes] != 0) {
        passes++;
    }
    return passes;
}

bool greylist_client_trusted(const struct greylisting_settings *settings,
                             const struct greylist_client_entry *entry, uint32_t now_s) {
    const int64_t needed = settings->client_passes < STATE_FINGERPRINTS_MAX
                               ? settings->client_passes
                               : STATE_FINGERPRINTS_MAX;
    return needed > 0 && (int64_t)greylist_client_passes(entry, now_s) >= needed;
}

/* --- keys ------------------------------------------------------------------------------------- */

struct ip_prefix greylist_network(const struct greylisting_settings *settings,
                                  struct ip_address client_address) {
    const int64_t bits = ip_address_is_v4(client_address) ? 96 + settings->ipv4_prefix_bits
                                                          : settings->ipv6_prefix_bits;
    return (struct ip_prefix){.address = ip_address_mask(client_address, (unsigned)bits),
                              .bits = (uint8_t)bits};
}

/* Its size belongs to a network: 2001:db8::/32 and /64 begin with the same bytes. */
enum { NETWORK_PART_BYTES = 17 };
struct network_part {
    char bytes[NETWORK_PART_BYTES];
};

static struct network_part network_part(const struct greylisting_settings *settings,
                                        struct ip_address client_address) {
    const struct ip_prefix network = greylist_network(settings, client_address);
    struct network_part part;
    memcpy(part.bytes, network.address.bytes, 16);
    part.bytes[16] = (char)network.bits;
    return part;
}

/* The parts of keys, normalised. */
struct key_parts {
    struct network_part network;
    struct text sender; /* "<>" and the HELO domain for a null sender */
    struct text recipient;
    char sender_room[ADDRESS_ROOM];
    char recipient_room[ADDRESS_ROOM];
};

static void fill_parts(const struct greylisting_settings *settings,
                       const struct policy_request *request, struct key_parts *parts) {
    parts->network = network_part(settings, request->client_address);
    parts->sender = (struct text){.data = parts->sender_room, .size = ADDRESS_ROOM};
    parts->recipient = (struct text){.data = parts->recipient_room, .size = ADDRESS_ROOM};
    if (request->sender.length == 0) {
        text_add(&parts->sender, STR("<>"));
        mail_domain_normalise(decision_value(request->helo_name), &parts->sender);
    } else {
        mail_sender_normalise_for_greylisting(decision_value(request->sender), &parts->sender);
    }
    mail_recipient_normalise_for_greylisting(decision_value(request->recipient), &parts->recipient);
}

static struct str source_part(const struct network_part *network, struct str spf_domain) {
    return spf_domain.length > 0 ? spf_domain : (struct str){network->bytes, NETWORK_PART_BYTES};
}

/* The first part tells a network from a domain of 17 letters. */
static struct str source_kind(struct str spf_domain) {
    return spf_domain.length > 0 ? STR("d") : STR("n");
}

static struct hash128 key_of(const struct sip_key *key, const struct key_parts *parts,
                             struct str spf_domain) {
    const struct str all[] = {source_kind(spf_domain), source_part(&parts->network, spf_domain),
                              text_str(&parts->sender), text_str(&parts->recipient)};
    return state_key(key, STATE_GREYLIST, all, sizeof all / sizeof all[0]);
}

static struct hash128 client_key_of(const struct sip_key *key, const struct network_part *network,
                                    struct str spf_domain) {
    const struct str all[] = {source_kind(spf_domain), source_part(network, spf_domain)};
    return state_key(key, STATE_GREYLIST_CLIENT, all, sizeof all / sizeof all[0]);
}

struct hash128 greylist_key(const struct sip_key *key, const struct greylisting_settings *settings,
                            const struct policy_request *request, struct str spf_domain) {
    struct key_parts parts;
    fill_parts(settings, request, &parts);
    return key_of(key, &parts, spf_domain);
}

struct hash128 greylist_client_key(const struct sip_key *key,
                                   const struct greylisting_settings *settings,
                                   struct ip_address client_address, struct str spf_domain) {
    const struct network_part network = network_part(settings, client_address);
    return client_key_of(key, &network, spf_domain);
}

void greylist_keys(const struct sip_key *key, const struct greylisting_settings *settings,
                   const struct policy_request *request, const struct facts *facts,
                   struct greylist_keys *ret) {
    struct str domains[GREYLIST_HOSTS_MAX] = {{NULL, 0}}; /* none: by network */
    struct key_parts parts;
    ret->count = 1;
    if (facts->status[FACT_SPF] == FACT_KNOWN && facts->spf_result == SPF_PASS &&
        facts->spf_domain_length > 0) {
        domains[ret->count++] = (struct str){facts->spf_domain, facts->spf_domain_length};
    }
    fill_parts(settings, request, &parts);
    ret->has_sender = request->sender.length > 0;
    if (ret->has_sender) {
        ret->correspondent = greylist_correspondent_key(key, text_str(&parts.sender));
    }
    for (size_t i = 0; i < ret->count; i++) {
        ret->client_key[i] = client_key_of(key, &parts.network, domains[i]);
        ret->key[i] = key_of(key, &parts, domains[i]);
    }
}

/* --- the policy ------------------------------------------------------------------------------- */

/* One way to name the sender's host: by network, or by SPF domain. */
struct host {
    struct hash128 key;
    struct hash128 client_key;
    const struct greylist_entry *entry;
    const struct greylist_client_entry *client;
    enum greylist_standing standing;
};

struct hosts {
    size_t count;
    struct host at[GREYLIST_HOSTS_MAX];
};

/* What all entries together say: the older first contact counts. */
struct history {
    enum greylist_standing standing;
    uint32_t first_s;
    uint32_t passed_s;
};

static void take_keys(const struct policy_run *run, struct hosts *hosts) {
    const struct decision_ahead *ahead = run->source->ahead;
    struct greylist_keys made;
    const struct greylist_keys *keys = &made;
    if (ahead != NULL && ahead->hosts_known) {
        keys = &ahead->hosts;
    } else {
        greylist_keys(&run->source->state->key, &run->settings->greylisting, run->request,
                      run->facts, &made);
    }
    hosts->count = keys->count;
    for (size_t i = 0; i < hosts->count; i++) {
        hosts->at[i].key = keys->key[i];
        hosts->at[i].client_key = keys->client_key[i];
    }
}

static void read_hosts(struct policy_run *run, struct hosts *hosts) {
    const struct greylisting_settings *settings = &run->settings->greylisting;
    take_keys(run, hosts);
    for (size_t i = 0; i < hosts->count; i++) {
        struct host *host = &hosts->at[i];
        host->client = settings->client_passes > 0
                           ? decision_read_entry(run, STATE_GREYLIST_CLIENT, host->client_key)
                           : NULL;
        host->entry = decision_read_entry(run, STATE_GREYLIST, host->key);
        host->standing = greylist_standing(settings, host->entry, run->now_s);
    }
}

static bool is_alive(enum greylist_standing standing) {
    return standing == GREYLIST_WAITING || standing == GREYLIST_PASSED;
}

/* Smaller of two times, where 0 means none. */
static uint32_t earlier(uint32_t a, uint32_t b) {
    if (a == 0 || b == 0) {
        return a + b;
    }
    return a < b ? a : b;
}

static struct history history_of(const struct hosts *hosts) {
    struct history history = {.standing = GREYLIST_ABSENT};
    bool late = false;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *host = &hosts->at[i];
        late = late || host->standing == GREYLIST_LATE;
        if (!is_alive(host->standing)) {
            continue;
        }
        history.first_s = earlier(history.first_s, host->entry->first_s);
        history.passed_s = earlier(history.passed_s, host->entry->passed_s);
        if (history.standing != GREYLIST_PASSED) {
            history.standing = host->standing;
        }
    }
    if (history.standing == GREYLIST_ABSENT && late) {
        history.standing = GREYLIST_LATE;
    }
    return history;
}

/* An entry that is alive, or was forgotten and not seen since, goes on; else history begins anew.
 */
static uint32_t epoch_for(const struct host *host, uint32_t now_s) {
    if (host->entry == NULL) {
        return effect_new_epoch(0, now_s);
    }
    const bool forgotten = host->entry->first_s == 0 && host->entry->head.expires_s > now_s;
    return is_alive(host->standing) || forgotten ? host->entry->epoch_s
                                                 : effect_new_epoch(host->entry->epoch_s, now_s);
}

static void note_seen(struct policy_run *run, const struct host *host, uint32_t first_s,
                      uint32_t passed_s) {
    const struct greylisting_settings *settings = &run->settings->greylisting;
    decision_add_effect(run, (struct effect){
                                 .kind = EFFECT_GREYLIST_SEEN,
                                 .key = host->key,
                                 .time_s = run->now_s,
                                 .expires_s = passed_s != 0
                                                  ? last_second(run->now_s, settings->known_ttl_s)
                                                  : last_second(first_s, settings->retry_window_s),
                                 .epoch_s = epoch_for(host, run->now_s),
                                 .first_s = first_s,
                                 .passed_s = passed_s,
                             });
}

static void note_all_seen(struct policy_run *run, const struct hosts *hosts, uint32_t first_s,
                          uint32_t passed_s) {
    for (size_t i = 0; i < hosts->count; i++) {
        note_seen(run, &hosts->at[i], first_s, passed_s);
    }
}

/* `fingerprint` 0: a use of a trusted client. */
static void note_client(struct policy_run *run, const struct host *host, uint32_t fingerprint) {
    const struct greylist_client_entry *client = host->client;
    const uint32_t old_epoch_s = client != NULL ? client->epoch_s : 0;
    const bool alive = client != NULL && client->head.expires_s > run->now_s;
    decision_add_effect(
        run, (struct effect){
                 .kind = EFFECT_GREYLIST_CLIENT_SEEN,
                 .key = host->client_key,
                 .time_s = run->now_s,
                 .expires_s = last_second(run->now_s, run->settings->greylisting.client_ttl_s),
                 .epoch_s = alive ? old_epoch_s : effect_new_epoch(old_epoch_s, run->now_s),
                 .fingerprint = fingerprint,
             });
}

static void note_client_passes(struct policy_run *run, const struct hosts *hosts) {
    if (run->settings->greylisting.client_passes == 0) {
        return;
    }
    for (size_t i = 0; i < hosts->count; i++) {
        /* Never 0, which would be a mere use. */
        note_client(run, &hosts->at[i], (uint32_t)hosts->at[i].key.low | 1);
    }
}

static struct policy_answer let_in(enum reason reason) {
    return (struct policy_answer){.verdict = VERDICT_NONE, .reason = reason};
}

static struct policy_answer hold_back(const struct policy_run *run, enum reason reason,
                                      uint32_t retry_in_s) {
    if (run->settings->greylisting.learning) {
        return let_in(REASON_GREYLIST_LEARNING);
    }
    return (struct policy_answer){
        .verdict = VERDICT_DEFER, .reason = reason, .retry_in_s = retry_in_s};
}

static bool use_trusted_clients(struct policy_run *run, const struct hosts *hosts) {
    bool trusted = false;
    for (size_t i = 0; i < hosts->count; i++) {
        if (greylist_client_trusted(&run->settings->greylisting, hosts->at[i].client, run->now_s)) {
            note_client(run, &hosts->at[i], 0);
            trusted = true;
        }
    }
    return trusted;
}

static struct policy_answer judge(struct policy_run *run, const struct hosts *hosts) {
    const struct greylisting_settings *settings = &run->settings->greylisting;
    const struct history history = history_of(hosts);
    const uint32_t now_s = run->now_s;
    const uint32_t waited_s =
        history.standing == GREYLIST_WAITING ? age_s(history.first_s, now_s) : 0;
    if (history.standing == GREYLIST_PASSED) {
        note_all_seen(run, hosts, history.first_s, history.passed_s);
        return let_in(REASON_GREYLIST_KNOWN);
    }
    if (history.standing == GREYLIST_WAITING && waited_s >= settings->defer_time_s) {
        note_all_seen(run, hosts, history.first_s, now_s);
        note_client_passes(run, hosts);
        return let_in(REASON_GREYLIST_RETRIED);
    }
    /* Asked last, so that whom greylisting lets in by itself costs no look-up. */
    if (greylist_is_correspondent(run)) {
        return let_in(REASON_GREYLIST_CORRESPONDENT);
    }
    if (history.standing == GREYLIST_WAITING) {
        note_all_seen(run, hosts, history.first_s, 0);
        return hold_back(run, REASON_GREYLIST_TOO_EARLY,
                         (uint32_t)(settings->defer_time_s - waited_s));
    }
    note_all_seen(run, hosts, now_s, 0);
    return hold_back(run,
                     history.standing == GREYLIST_LATE ? REASON_GREYLIST_TOO_LATE
                                                       : REASON_GREYLIST_FIRST_CONTACT,
                     (uint32_t)settings->defer_time_s);
}

/* In shadow reputation answers nothing, and so lets nobody in. */
static bool is_reputable(struct policy_run *run) {
    const struct policy_common_settings *reputation =
        &run->settings->policies[POLICY_IP_REPUTATION];
    const int64_t threshold = run->settings->ip_reputation.skip_greylist_threshold;
    return reputation->enabled && reputation->mode == POLICY_MODE_ENFORCE && threshold > 0 &&
           trust_reputation(run).score >= threshold;
}

/* As in access_list.c: SPF is asked for only when an entry hangs on it. */
static const struct list_match *find_exemption(struct policy_run *run, bool *ret_asked) {
    const enum fact_status spf = run->facts->status[FACT_SPF];
    const bool open = spf == FACT_UNASKED || spf == FACT_WANTED;
    const struct list_match *exempt = decision_read_list(run, LIST_GREYLIST_EXEMPT, LIST_PART_ALL,
                                                         open || policy_run_spf_pass(run));
    const bool hangs_on_spf = exempt != NULL && exempt->require == LIST_PROOF_SPF;
    if (hangs_on_spf) {
        (void)policy_run_fact(run, FACT_SPF);
    }
    *ret_asked = hangs_on_spf && open;
    return exempt;
}

/* True when SPF is on its way: then both keys can be looked up. Greylisting alone is no reason to
 * ask for it. */
static bool awaits_spf(struct policy_run *run) {
    return run->settings->policies[POLICY_SPF].enabled && !policy_run_fact(run, FACT_SPF) &&
           run->facts->status[FACT_SPF] == FACT_WANTED;
}

struct policy_answer greylist_run(struct policy_run *run) {
    bool asked = false;
    const struct list_match *exempt = find_exemption(run, &asked);
    if (asked) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    if (exempt != NULL) {
        return (struct policy_answer){.verdict = VERDICT_NONE,
                                      .reason = REASON_GREYLIST_EXEMPT,
                                      .match = exempt,
                                      .match_list = LIST_GREYLIST_EXEMPT};
    }
    /* Strangers without an address would share one network, and vouch for each other. */
    if (ip_address_is_none(run->request->client_address)) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    const struct list_match *allowed = trust_allowed(run);
    if (allowed != NULL) {
        return (struct policy_answer){.verdict = VERDICT_NONE,
                                      .reason = REASON_GREYLIST_ADDRESS_ALLOWED,
                                      .match = allowed,
                                      .match_list = LIST_REPUTATION_ALLOW};
    }
    if (run->settings->greylisting.only_suspicious &&
        !greylist_suspicious(policy_run_client_name(run), decision_value(run->request->helo_name),
                             run->request->client_address)) {
        return let_in(REASON_GREYLIST_NOT_SUSPICIOUS);
    }
    if (is_reputable(run)) {
        return let_in(REASON_GREYLIST_REPUTABLE);
    }
    if (awaits_spf(run)) {
        return (struct policy_answer){.verdict = VERDICT_NONE};
    }
    struct hosts hosts;
    read_hosts(run, &hosts);
    if (use_trusted_clients(run, &hosts)) {
        /* The key need not be kept, but one that is known stays known. */
        const struct history history = history_of(&hosts);
        if (history.standing == GREYLIST_PASSED) {
            note_all_seen(run, &hosts, history.first_s, history.passed_s);
        }
        return let_in(REASON_GREYLIST_CLIENT_TRUSTED);
    }
    return judge(run, &hosts);
}

/* --- an administrator's commands ---------------------------------------------------------------
 */

struct effect greylist_forget_effect(const struct greylisting_settings *settings,
                                     struct hash128 key, const struct greylist_entry *entry,
                                     uint32_t now_s) {
    return (struct effect){
        .kind = EFFECT_GREYLIST_FORGOTTEN,
        .key = key,
        .time_s = now_s,
        .expires_s = last_second(now_s, settings->known_ttl_s),
        .epoch_s = entry != NULL ? entry->epoch_s + 1 : 1,
    };
}

struct effect greylist_forget_client_effect(const struct greylisting_settings *settings,
                                            struct hash128 key,
                                            const struct greylist_client_entry *entry,
                                            uint32_t now_s) {
    return (struct effect){
        .kind = EFFECT_GREYLIST_CLIENT_FORGOTTEN,
        .key = key,
        .time_s = now_s,
        .expires_s = last_second(now_s, settings->client_ttl_s),
        .epoch_s = entry != NULL ? entry->epoch_s + 1 : 1,
    };
}

struct effect greylist_pass_effect(const struct greylisting_settings *settings, struct hash128 key,
                                   const struct greylist_entry *entry, uint32_t now_s) {
    const struct host host = {
        .key = key, .entry = entry, .standing = greylist_standing(settings, entry, now_s)};
    return (struct effect){
        .kind = EFFECT_GREYLIST_SEEN,
        .quiet = true,
        .key = key,
        .time_s = now_s,
        .expires_s = last_second(now_s, settings->known_ttl_s),
        .epoch_s = epoch_for(&host, now_s),
        .first_s = is_alive(host.standing) ? entry->first_s : now_s,
        .passed_s = now_s,
    };
}
