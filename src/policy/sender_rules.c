/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/explain_parts.h"
#include "policy/policy_run.h"
#include "policy/rules_rows.h"

/* Whom a sender may write to (SPEC 4.7), and as whom a user may send (SPEC 4.8).
 *
 * Restrictions look at the user that logged in and at the envelope sender, each with and without
 * its +extension: neither another sender nor an extension is a way round the restriction of the
 * account. (Restrictions are united, so a user that may write as somebody with a longer list has
 * that list too; sender_identity is what keeps users from that.)
 *
 * Identity looks at users that logged in, never at trusted networks without a login: they relay for
 * many. A user owns its own address, that with any +extension, and what an identity rule lists. A
 * user without a domain (SASL name "alice") owns alice at each of the local domains, and, as long
 * as these are not set, at any domain: better than to refuse all its mail. A sender without a
 * domain is owned only by the user of that very name, since Postfix may add any domain to it. The
 * null sender is everybody's: notifications that a message was read, and bounces, must be sent with
 * it (RFC 5321 4.5.5, RFC 8098 2.1), and it claims to be nobody.
 *
 * Addresses that are longer than a decision looks at are in no list and nobody's own: what was cut
 * off might be another domain. */

/* What is kept of an answer in the decision's record. */
struct sender_rule {
    uint32_t outcome; /* enum rule_outcome */
    uint32_t id;
};
_Static_assert(sizeof(struct sender_rule) <= STATE_ENTRY_MAX, "kept in records");

/* Empty when it is too long. */
static struct str whole(struct str value, struct str normalised) {
    return value.length < DECISION_VALUE_MAX && normalised.length < ADDRESS_ROOM
               ? normalised
               : (struct str){"", 0};
}

static struct str user_of(const struct policy_run *run, char room[ADDRESS_ROOM]) {
    struct text out = {.data = room, .size = ADDRESS_ROOM};
    mail_address_normalise(decision_value(run->request->sasl_username), &out);
    return text_str(&out);
}

static bool keep_answer(struct policy_run *run, enum rule_kind kind, struct rule_answer answer,
                        void *ret_answer) {
    const struct sender_rule kept = {(uint32_t)answer.outcome, answer.id};
    if (answer.outcome == RULE_SILENT) {
        return false;
    }
    memcpy(ret_answer, &kept, sizeof kept);
    policy_run_name_rule(run, kind, answer.id, answer.subject, answer.text);
    return true;
}

/* The outcome of the rules of one kind; they are asked by `find`. */
static enum rule_outcome read_rules(struct policy_run *run, enum rule_kind kind,
                                    decision_find_rule *find) {
    struct sender_rule rule = {.outcome = RULE_SILENT};
    const void *answer = decision_read_rule(run, kind, 0, find, NULL);
    if (answer != NULL) {
        memcpy(&rule, answer, sizeof rule);
    }
    return (enum rule_outcome)rule.outcome;
}

static struct policy_answer refuse(const struct policy_run *run, enum reason reason) {
    return (struct policy_answer){.verdict = VERDICT_REJECT,
                                  .reason = reason,
                                  .rule = run->rule_name,
                                  .text = run->rule_text};
}

static bool find_restriction(struct policy_run *run, const void *query, void *ret_answer) {
    (void)query;
    char room[ADDRESS_ROOM];
    /* One that Postfix may route elsewhere is in no list, whatever its domain looks like. */
    const bool routed = mail_address_is_routed(decision_value(run->request->recipient));
    const struct str recipient =
        routed ? (struct str){"", 0} : whole(run->request->recipient, policy_run_recipient(run));
    const struct rule_answer answer = rules_restriction_at(
        run->source->rules, run->settings->local_domains, run->settings->local_domain_count,
        user_of(run, room), policy_run_sender(run), recipient, run->now_s);
    return keep_answer(run, RULE_RESTRICTION, answer, ret_answer);
}

struct policy_answer sender_restrictions_run(struct policy_run *run) {
    switch (read_rules(run, RULE_RESTRICTION, find_restriction)) {
    case RULE_REFUSES:
        return refuse(run, REASON_RESTRICTION_RECIPIENT);
    case RULE_REFUSES_ALL:
        return refuse(run, REASON_RESTRICTION_NOTHING);
    case RULE_SILENT:
    case RULE_ALLOWS:
        break;
    }
    return (struct policy_answer){.verdict = VERDICT_NONE};
}

static bool is_local(const struct policy_settings *settings, struct str domain) {
    size_t from = 0;
    size_t until = settings->local_domain_count;
    while (from < until) {
        const size_t middle = from + (until - from) / 2;
        const int order = str_compare(settings->local_domains[middle], domain);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            from = middle + 1;
        } else {
            until = middle;
        }
    }
    return false;
}

static bool is_own(const struct policy_settings *settings, struct str user, struct str sender) {
    char user_room[ADDRESS_ROOM];
    char sender_room[ADDRESS_ROOM];
    struct str local;
    struct str domain;
    const struct str user_plain = rule_without_extension(user, user_room);
    const struct str sender_plain = rule_without_extension(sender, sender_room);
    if (str_equal(user_plain, sender_plain)) {
        return true;
    }
    mail_address_split(sender_plain, &local, &domain);
    return domain.length > 0 && str_equal(user_plain, local) &&
           (settings->local_domain_count == 0 || is_local(settings, domain));
}

static bool find_identity(struct policy_run *run, const void *query, void *ret_answer) {
    (void)query;
    char room[ADDRESS_ROOM];
    const struct str sender = whole(run->request->sender, policy_run_sender(run));
    const struct str user = whole(run->request->sasl_username, user_of(run, room));
    const struct rule_answer answer = rules_identity(run->source->rules, user, sender, run->now_s);
    return keep_answer(run, RULE_IDENTITY, answer, ret_answer);
}

struct policy_answer sender_identity_run(struct policy_run *run) {
    const struct policy_answer abstain = {.verdict = VERDICT_NONE};
    char room[ADDRESS_ROOM];
    if (run->request->sasl_username.length == 0 || run->request->sender.length == 0) {
        return abstain;
    }
    const struct str user = whole(run->request->sasl_username, user_of(run, room));
    const struct str sender = whole(run->request->sender, policy_run_sender(run));
    if (user.length > 0 && is_own(run->settings, user, sender)) {
        return abstain;
    }
    return read_rules(run, RULE_IDENTITY, find_identity) == RULE_ALLOWS
               ? abstain
               : refuse(run, REASON_IDENTITY_NOT_OWNED);
}

void explain_sender_rule(const struct read *read, struct text *out) {
    struct sender_rule rule;
    memcpy(&rule, read->entry, sizeof rule);
    const bool identity = read->source == RULE_IDENTITY;
    text_add(out, STR("rule "));
    text_add_u64(out, rule.id);
    switch ((enum rule_outcome)rule.outcome) {
    case RULE_ALLOWS:
        text_add(out, identity ? STR(" lets this user send as this sender")
                               : STR(" lets this sender write to this recipient"));
        return;
    case RULE_REFUSES:
        text_add(out, identity
                          ? STR(" lists whom this user may send as, and not this sender")
                          : STR(" lists whom this sender may write to, and not this recipient"));
        return;
    case RULE_REFUSES_ALL:
        text_add(out, STR(" lets this sender write to nobody"));
        return;
    case RULE_SILENT:
        break;
    }
    text_add(out, STR(" has no say"));
}
