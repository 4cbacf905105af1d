/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules_rows.h"

/* Who asks, and what for. */
struct question {
    const struct rules *rules;
    struct str recipient; /* of an identity: the sender to be used */
    struct str recipient_domain;
    uint32_t now_s;
    const struct rule_entry *allows;
    const struct rule_entry *stops; /* a single address is let send nothing at all */
    const struct rule_entry *first; /* that speaks */
    bool any_line;                  /* one of them allows something */
};

struct str rule_without_extension(struct str address, char room[MAIL_ADDRESS_MAX]) {
    const size_t at = str_find_last(address, '@');
    const size_t plus = str_find(str_slice(address, 1, at), '+');
    if (plus == SIZE_MAX) {
        return address;
    }
    struct text out = {.data = room, .size = MAIL_ADDRESS_MAX};
    text_add(&out, str_slice(address, 0, plus + 1));
    text_add(&out, str_slice(address, at, address.length));
    return text_str(&out);
}

static bool has_line(const struct rules *rules, const struct rule_entry *entry,
                     enum rule_line_kind kind, struct str text) {
    const struct rule_slot *slots = rules->line_slots + entry->line_slots_at;
    const uint64_t hash = rule_line_hash(kind, text);
    const size_t mask = entry->line_slot_count - 1;
    for (size_t at = hash & mask; slots[at].number != 0; at = (at + 1) & mask) {
        if (slots[at].tag == (uint32_t)(hash >> 32)) {
            const char *found = rules->pool + slots[at].number;
            struct rule_line line;
            memcpy(&line, found, sizeof line);
            if (line.kind == kind &&
                str_equal((struct str){found + sizeof line, line.length}, text)) {
                return true;
            }
        }
    }
    return false;
}

static struct str parent_of(struct str domain) {
    const size_t dot = str_find(domain, '.');
    return dot == SIZE_MAX ? (struct str){NULL, 0} : str_slice(domain, dot + 1, domain.length);
}

static bool lists(const struct question *question, const struct rule_entry *entry) {
    const struct rules *rules = question->rules;
    const struct str domain = question->recipient_domain;
    if (domain.length == 0 || entry->line_slot_count == 0) {
        return false;
    }
    if (has_line(rules, entry, RULE_LINE_ADDRESS, question->recipient) ||
        has_line(rules, entry, RULE_LINE_DOMAIN, domain)) {
        return true;
    }
    for (struct str up = parent_of(domain); up.length > 0; up = parent_of(up)) {
        if (has_line(rules, entry, RULE_LINE_BELOW, up)) {
            return true;
        }
    }
    return false;
}

static void set_recipient(struct question *question, struct str recipient) {
    struct str local;
    question->recipient = recipient;
    mail_address_split(recipient, &local, &question->recipient_domain);
}

static bool has_rules(const struct question *question, enum rule_key key) {
    return (question->rules->present & UINT32_C(1) << key) != 0;
}

/* Hears all rules of one key. */
static void hear(struct question *question, enum rule_key key, struct str text) {
    if (!has_rules(question, key)) {
        return;
    }
    struct rule_search search = rule_search_begin(question->rules, key, 0, text);
    for (const struct rule_entry *entry = rule_search_next(&search); entry != NULL;
         entry = rule_search_next(&search)) {
        if (rule_has_expired(entry, question->now_s)) {
            continue;
        }
        question->first = question->first == NULL ? entry : question->first;
        question->any_line = question->any_line || entry->line_slot_count > 0;
        if (question->stops == NULL && entry->line_slot_count == 0 &&
            entry->key == RULE_KEY_SENDER_ADDRESS) {
            question->stops = entry;
        }
        if (question->allows == NULL && lists(question, entry)) {
            question->allows = entry;
        }
    }
}

/* The rules of the name itself, whose local part and domain these are. */
static void hear_name(struct question *question, struct str name, struct str local,
                      struct str domain) {
    if (local.length > 0 && domain.length == 0) {
        hear(question, RULE_KEY_SENDER_NAME, local);
    } else {
        hear(question, RULE_KEY_SENDER_ADDRESS, name);
    }
    hear(question, RULE_KEY_SENDER_LOCAL_PART, local);
}

static void hear_domain(struct question *question, struct str domain) {
    if (domain.length > 0) {
        hear(question, RULE_KEY_SENDER_DOMAIN, domain);
    }
    if (has_rules(question, RULE_KEY_SENDER_BELOW)) {
        for (struct str up = parent_of(domain); up.length > 0; up = parent_of(up)) {
            hear(question, RULE_KEY_SENDER_BELOW, up);
        }
    }
}

/* All rules of a user or envelope sender, the most specific first. */
static void hear_sender(struct question *question, struct str name) {
    char room[MAIL_ADDRESS_MAX];
    struct str local;
    struct str domain;
    mail_address_split(name, &local, &domain);
    hear_name(question, name, local, domain);
    const struct str plain = rule_without_extension(name, room);
    if (plain.length < name.length) {
        hear_name(question, plain, str_slice(plain, 0, plain.length - (name.length - local.length)),
                  domain);
    }
    hear_domain(question, domain);
}

static struct rule_answer answer_of(const struct question *question) {
    struct rule_answer answer = {.outcome = RULE_SILENT};
    const struct rule_entry *named = question->first;
    if (named == NULL) {
        return answer;
    }
    if (question->stops != NULL) {
        answer.outcome = RULE_REFUSES_ALL;
        named = question->stops;
    } else if (question->allows != NULL) {
        answer.outcome = RULE_ALLOWS;
        named = question->allows;
    } else {
        answer.outcome = question->any_line ? RULE_REFUSES : RULE_REFUSES_ALL;
    }
    const char *pool = question->rules->pool;
    answer.id = named->id;
    answer.subject = (struct str){pool + named->subject_at, named->subject_length};
    answer.text =
        (struct str){pool + named->subject_at + named->subject_length, named->text_length};
    return answer;
}

struct rule_answer rules_restriction_at(const struct rules *rules, const struct str *domains,
                                        size_t domain_count, struct str user, struct str sender,
                                        struct str recipient, uint32_t now_s) {
    struct question question = {.rules = rules, .now_s = now_s};
    if (rules_count(rules, RULE_RESTRICTION) == 0) {
        return (struct rule_answer){.outcome = RULE_SILENT};
    }
    set_recipient(&question, recipient);
    if (user.length > 0) {
        hear_sender(&question, user);
    }
    if (user.length > 0 && str_find(user, '@') == SIZE_MAX) {
        for (size_t i = 0; i < domain_count; i++) {
            hear_domain(&question, domains[i]);
        }
    }
    if (user.length == 0 || !str_equal(user, sender)) {
        hear_sender(&question, sender);
    }
    return answer_of(&question);
}

struct rule_answer rules_restriction(const struct rules *rules, struct str user, struct str sender,
                                     struct str recipient, uint32_t now_s) {
    return rules_restriction_at(rules, NULL, 0, user, sender, recipient, now_s);
}

static void hear_identities(struct question *question, struct str user) {
    char room[MAIL_ADDRESS_MAX];
    const struct str plain = rule_without_extension(user, room);
    hear(question, RULE_KEY_IDENTITY, user);
    if (plain.length < user.length) {
        hear(question, RULE_KEY_IDENTITY, plain);
    }
}

struct rule_answer rules_identity(const struct rules *rules, struct str user, struct str sender,
                                  uint32_t now_s) {
    char room[MAIL_ADDRESS_MAX];
    struct question question = {.rules = rules, .now_s = now_s};
    if (rules == NULL) {
        return (struct rule_answer){.outcome = RULE_SILENT};
    }
    set_recipient(&question, sender);
    hear_identities(&question, user);
    if (question.first != NULL && question.allows == NULL) {
        set_recipient(&question, rule_without_extension(sender, room));
        hear_identities(&question, user);
    }
    return answer_of(&question);
}
