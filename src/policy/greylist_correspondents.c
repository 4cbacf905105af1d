/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/greylist_correspondents.h"

#include "mail/mail_address.h"
#include "policy/decision_ahead.h"

enum { REFRESH_MAX_S = 86400 };

struct hash128 greylist_correspondent_key(const struct sip_key *key, struct str sender) {
    return state_key(key, STATE_CORRESPONDENT, &sender, 1);
}

static struct hash128 key_of(const struct policy_run *run, struct str address) {
    char room[ADDRESS_ROOM];
    struct text normalised = TEXT_OVER(room);
    mail_sender_normalise_for_greylisting(decision_value(address), &normalised);
    return greylist_correspondent_key(&run->source->state->key, text_str(&normalised));
}

bool greylist_is_correspondent(struct policy_run *run) {
    if (!run->settings->greylisting.skip_correspondents || run->request->sender.length == 0) {
        return false;
    }
    const struct decision_ahead *ahead = run->source->ahead;
    const struct once_entry *entry = decision_read_entry(run, STATE_CORRESPONDENT,
                                                         ahead != NULL && ahead->hosts_known
                                                             ? ahead->hosts.correspondent
                                                             : key_of(run, run->request->sender));
    return entry != NULL && entry->head.expires_s > run->now_s;
}

static struct str domain_of(struct str address) {
    struct str local;
    struct str domain;
    mail_address_split(address, &local, &domain);
    return domain;
}

static bool is_local(const struct policy_settings *settings, struct str domain) {
    size_t low = 0;
    size_t high = settings->local_domain_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = str_compare(domain, settings->local_domains[middle]);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}

/* Somebody of another domain, written to by a person here. */
static bool is_written_to(struct policy_run *run) {
    if (run->decision->direction != DIRECTION_OUTBOUND || run->request->sender.length == 0 ||
        run->decision->verdict == VERDICT_DEFER || run->decision->verdict == VERDICT_REJECT) {
        return false;
    }
    const struct str domain = domain_of(policy_run_recipient(run));
    return domain.length > 0 && !str_equal(domain, domain_of(policy_run_sender(run))) &&
           !is_local(run->settings, domain);
}

void greylist_learn(struct policy_run *run) {
    const struct greylisting_settings *settings = &run->settings->greylisting;
    if (!settings->skip_correspondents || !is_written_to(run)) {
        return;
    }
    /* Not written again at each mail, so it is kept so much longer. */
    const int64_t part_s = settings->correspondent_ttl_s / 24;
    const int64_t refresh_s = part_s < REFRESH_MAX_S ? part_s : REFRESH_MAX_S;
    const struct hash128 key = key_of(run, run->request->recipient);
    const struct once_entry *entry = decision_read_entry(run, STATE_CORRESPONDENT, key);
    if (entry != NULL && entry->head.expires_s > run->now_s &&
        (int64_t)run->now_s - entry->head.last_used_s < refresh_s) {
        return;
    }
    const int64_t expires_s = run->now_s + settings->correspondent_ttl_s + refresh_s;
    decision_add_effect(
        run, (struct effect){
                 .kind = EFFECT_CORRESPONDENT_SEEN,
                 .key = key,
                 .time_s = run->now_s,
                 .expires_s = expires_s < (int64_t)UINT32_MAX ? (uint32_t)expires_s : UINT32_MAX,
             });
}
