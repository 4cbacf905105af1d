/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/quotas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mail/mail_address.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* Quotas against a small model: a list of what was committed for each subject and unit, and a list
 * of messages under way. What the model adds up by looking at all of it, the policy keeps in rings.
 * Each effect is applied to a second state too, from its packed form. */

/* Under a sanitizer a third of the million will do. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
enum { SHARE = 3 };
#else
enum { SHARE = 1 };
#endif

enum {
    USERS = 12,
    DOMAINS = 3,
    ADDRESSES = 4,
    SUBJECTS = USERS + DOMAINS + ADDRESSES + 1,
    FIRST_DOMAIN = USERS,
    FIRST_ADDRESS = USERS + DOMAINS,
    EVERYBODY = SUBJECTS - 1,
    MESSAGES = 20, /* connections */
    LOST = 12,
    NAMES = 6, /* recipients of a message */
    START_S = 1700000000,
    RESERVATION_MINUTES = 16,
    CHECKED_EACH = 32,
    RECIPIENT_PAIRS = 01111, /* bit of recipients in each scope */
};

struct ledger {
    size_t count;
    size_t capacity;
    int64_t *times_s;
    uint64_t *amounts;
    size_t begin[QUOTA_WINDOWS]; /* first that lies in the window now */
    uint64_t sum[QUOTA_WINDOWS];
};

struct message {
    bool open;
    bool left; /* nobody will end it */
    bool sent; /* settled; kept to ask again */
    unsigned user;
    unsigned address;
    unsigned serial;
    uint64_t size;
    uint64_t bytes; /* reserved */
    uint64_t recipients;
    uint64_t refused;
    uint64_t minute;
    unsigned pairs;
    enum verdict said[NAMES]; /* with `asked` */
    bool asked[NAMES];
};

struct model {
    struct world *world;
    struct state mirror;
    struct dice dice;
    bool at_once;
    bool shadow;
    unsigned serial;
    struct ledger ledgers[SUBJECTS][QUOTA_UNITS];
    struct message messages[MESSAGES];
    struct message lost[LOST];
    size_t lost_at;
    /* By subject of the rule: the users and so on, then "user *", the domains' users, "ip *". */
    uint64_t limits[SUBJECTS + 1 + DOMAINS + 1][QUOTA_UNITS][QUOTA_WINDOWS];
    bool limited[SUBJECTS + 1 + DOMAINS + 1][QUOTA_UNITS][QUOTA_WINDOWS];
    char texts[WORLD_RULES_MAX][2][64];
    uint64_t accepted;
    uint64_t refused;
};
enum {
    ALL_USERS = SUBJECTS,
    USERS_OF_DOMAIN = SUBJECTS + 1,
    ALL_ADDRESSES = SUBJECTS + 1 + DOMAINS
};

/* --- time: half past five ahead, and an hour more for a while ----------------------------------
 */

#define SUMMER_S (START_S + INT64_C(9) * 86400 + 5555)
#define WINTER_S (START_S + INT64_C(20) * 86400 + 7777)

static int64_t local_of(int64_t time_s) {
    return time_s + 19800 + (time_s >= SUMMER_S && time_s < WINTER_S ? 3600 : 0);
}

static int64_t number_of(enum quota_window window, int64_t time_s) {
    const time_t local = (time_t)local_of(time_s);
    struct tm parts;
    assert_non_null(gmtime_r(&local, &parts));
    if (window == QUOTA_MONTH) {
        return (int64_t)parts.tm_year * 12 + parts.tm_mon;
    }
    const int64_t day = (int64_t)local / 86400;
    return window == QUOTA_DAY ? day : day - (parts.tm_wday + 6) % 7; /* its Monday */
}

static bool in_window(enum quota_window window, int64_t time_s, int64_t now_s) {
    if (window == QUOTA_MINUTE) {
        return time_s > now_s - 60;
    }
    if (window == QUOTA_HOUR) {
        return time_s / 60 > now_s / 60 - 60;
    }
    return number_of(window, time_s) >= number_of(window, now_s);
}

/* --- what was committed ------------------------------------------------------------------------
 */

static void ledger_add(struct ledger *ledger, int64_t now_s, uint64_t amount) {
    if (amount == 0) {
        return;
    }
    if (ledger->count == ledger->capacity) {
        ledger->capacity = ledger->capacity * 2 + 64;
        ledger->times_s = realloc(ledger->times_s, ledger->capacity * sizeof *ledger->times_s);
        ledger->amounts = realloc(ledger->amounts, ledger->capacity * sizeof *ledger->amounts);
        assert_true(ledger->times_s != NULL && ledger->amounts != NULL);
    }
    ledger->times_s[ledger->count] = now_s;
    ledger->amounts[ledger->count++] = amount;
    for (unsigned i = 0; i < QUOTA_WINDOWS; i++) {
        ledger->sum[i] += amount;
    }
}

static uint64_t ledger_sum(struct ledger *ledger, enum quota_window window, int64_t now_s) {
    size_t *begin = &ledger->begin[window];
    while (*begin < ledger->count && !in_window(window, ledger->times_s[*begin], now_s)) {
        ledger->sum[window] -= ledger->amounts[(*begin)++];
    }
    return ledger->sum[window];
}

static void ledger_forget(struct ledger *ledger) {
    for (unsigned i = 0; i < QUOTA_WINDOWS; i++) {
        ledger->begin[i] = ledger->count;
        ledger->sum[i] = 0;
    }
}

/* --- subjects, limits, reservations ------------------------------------------------------------
 */

static unsigned subject_of(enum quota_scope scope, unsigned user, unsigned address) {
    const unsigned subjects[QUOTA_SCOPES] = {user, FIRST_DOMAIN + user % DOMAINS,
                                             FIRST_ADDRESS + address, EVERYBODY};
    return subjects[scope];
}

static bool limit_of(const struct model *model, enum quota_scope scope, unsigned subject,
                     unsigned unit, unsigned window, uint64_t *ret_limit) {
    unsigned places[3] = {subject, subject, subject};
    if (scope == QUOTA_USER) {
        places[1] = USERS_OF_DOMAIN + subject % DOMAINS;
        places[2] = ALL_USERS;
    } else if (scope == QUOTA_IP) {
        places[1] = ALL_ADDRESSES;
    }
    for (size_t i = 0; i < 3; i++) {
        if (model->limited[places[i]][unit][window]) {
            *ret_limit = model->limits[places[i]][unit][window];
            return true;
        }
    }
    return false;
}

static unsigned limited_pairs(const struct model *model, const struct message *message) {
    unsigned pairs = 0;
    for (unsigned i = 0; i < QUOTA_SCOPES * QUOTA_UNITS * QUOTA_WINDOWS; i++) {
        const unsigned pair = i / QUOTA_WINDOWS;
        const enum quota_scope scope = (enum quota_scope)(pair / QUOTA_UNITS);
        uint64_t limit;
        if (limit_of(model, scope, subject_of(scope, message->user, message->address),
                     pair % QUOTA_UNITS, i % QUOTA_WINDOWS, &limit)) {
            pairs |= 1u << pair;
        }
    }
    return pairs;
}

static uint64_t amount_of(unsigned unit, uint64_t recipients, uint64_t bytes) {
    if (recipients == 0) {
        return 0;
    }
    return unit == QUOTA_RECIPIENTS ? recipients : unit == QUOTA_MESSAGES ? 1 : bytes;
}

static bool is_live(const struct message *message, int64_t now_s) {
    return message->minute + RESERVATION_MINUTES > (uint64_t)now_s / 60;
}

static uint64_t reserved_by(const struct model *model, const struct message *message, unsigned pair,
                            unsigned subject) {
    const enum quota_scope scope = (enum quota_scope)(pair / QUOTA_UNITS);
    if (model->at_once || !message->open || (message->pairs & 1u << pair) == 0 ||
        subject_of(scope, message->user, message->address) != subject ||
        !is_live(message, model->world->now_s)) {
        return 0;
    }
    return amount_of(pair % QUOTA_UNITS, message->recipients, message->bytes);
}

static uint64_t reserved_of(const struct model *model, unsigned pair, unsigned subject) {
    uint64_t sum = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        sum += reserved_by(model, &model->messages[i], pair, subject);
    }
    for (size_t i = 0; i < LOST; i++) {
        sum += reserved_by(model, &model->lost[i], pair, subject);
    }
    return sum;
}

static bool would_fit(struct model *model, const struct message *message, unsigned pair) {
    const enum quota_scope scope = (enum quota_scope)(pair / QUOTA_UNITS);
    const unsigned unit = pair % QUOTA_UNITS;
    const unsigned subject = subject_of(scope, message->user, message->address);
    const bool has = (message->pairs & 1u << pair) != 0 &&
                     (model->at_once || is_live(message, model->world->now_s));
    const uint64_t before = has ? amount_of(unit, message->recipients, message->bytes) : 0;
    const bool alone = model->at_once && (message->pairs & 1u << pair) == 0;
    const uint64_t bytes = message->recipients > 0 ? message->bytes : message->size;
    const uint64_t change = amount_of(unit, alone ? 1 : message->recipients + 1, bytes) - before;
    const uint64_t reserved = reserved_of(model, pair, subject);
    for (unsigned window = 0; change > 0 && window < QUOTA_WINDOWS; window++) {
        uint64_t limit;
        if (limit_of(model, scope, subject, unit, window, &limit) &&
            ledger_sum(&model->ledgers[subject][unit], (enum quota_window)window,
                       model->world->now_s) +
                    reserved + change >
                limit) {
            return false;
        }
    }
    return true;
}

static void commit(struct model *model, const struct message *message, unsigned pairs,
                   uint64_t recipients, uint64_t bytes) {
    for (unsigned pair = 0; pair < QUOTA_SCOPES * QUOTA_UNITS; pair++) {
        const enum quota_scope scope = (enum quota_scope)(pair / QUOTA_UNITS);
        if ((pairs & 1u << pair) != 0) {
            const unsigned subject = subject_of(scope, message->user, message->address);
            ledger_add(&model->ledgers[subject][pair % QUOTA_UNITS], model->world->now_s,
                       amount_of(pair % QUOTA_UNITS, recipients, bytes));
        }
    }
}

static void charge(struct model *model, struct message *message, unsigned pairs) {
    if (model->at_once) {
        commit(model, message, pairs & RECIPIENT_PAIRS, 1, 0); /* recipients each, */
        commit(model, message, pairs & ~message->pairs & ~(unsigned)RECIPIENT_PAIRS, 1,
               message->size);
        /* ... messages and bytes once */
    }
    message->bytes = message->recipients > 0 ? message->bytes : message->size;
    message->recipients++;
    message->pairs |= pairs;
    message->minute = (uint64_t)model->world->now_s / 60;
}

/* --- the policy ---------------------------------------------------------------------------------
 */

static const char *const addresses[ADDRESSES] = {"198.51.100.1", "198.51.100.2", "2001:db8:1::1",
                                                 "2001:db8:2::1"};

static void mirror_effects(struct model *model, const struct effect *effects, size_t count) {
    for (size_t i = 0; i < count; i++) {
        unsigned char packed[EFFECT_BYTES];
        struct effect effect;
        effect_encode(&effects[i], packed);
        assert_true(effect_decode(packed, &effect));
        effect_apply(&model->mirror, &effect, model->world->sequence);
    }
}

static const struct decision *ask(struct model *model, const struct message *message,
                                  enum protocol_state state, const char *recipient,
                                  uint32_t recipients, uint64_t size, bool blocked) {
    struct world *world = model->world;
    static char user[32];
    static char instance[32];
    (void)snprintf(user, sizeof user, "u%u@d%u.example", message->user, message->user % DOMAINS);
    (void)snprintf(instance, sizeof instance, "%x.7f", message->serial);
    world_set_client(world, addresses[message->address], "host.example.org");
    world->request.state = state;
    world->request.sasl_username = str_from(user);
    world->request.instance = str_from(instance);
    world->request.sender = blocked ? STR("spammer@evil.example") : STR("any@d0.example");
    world->request.recipient = str_from(recipient);
    world->request.recipient_count = recipients;
    world->request.size = size;
    if (dice_below(&model->dice, CHECKED_EACH) == 0) {
        (void)world_send(world); /* and decides again from the record */
    } else {
        const struct decision_source source = {
            .state = &world->state, .lists = &world->lists, .rules = world->rules};
        decide(&world->settings, &source, &world->request, &world->facts,
               world->now_s * INT64_C(1000000000), &world->decision);
        decision_apply(&world->state, &world->decision, ++world->sequence);
    }
    mirror_effects(model, world->decision.effects, world->decision.effect_count);
    return &world->decision;
}

static enum verdict verdict_of_quotas(const struct decision *decision) {
    for (size_t i = 0; i < decision->step_count; i++) {
        if (decision->steps[i].policy == POLICY_QUOTAS) {
            return decision->steps[i].verdict;
        }
    }
    return VERDICT_NONE;
}

/* --- what happens -------------------------------------------------------------------------------
 */

static void new_message(struct model *model, struct message *message) {
    *message = (struct message){
        .open = true,
        .user = dice_below(&model->dice, USERS),
        .address = dice_below(&model->dice, ADDRESSES),
        .serial = ++model->serial,
        .size = 1 + dice_below(&model->dice, 3000),
    };
}

static void tell_recipient(struct model *model, struct message *message) {
    if (!message->open) {
        new_message(model, message);
    }
    const unsigned at = dice_below(&model->dice, NAMES);
    char recipient[32];
    (void)snprintf(recipient, sizeof recipient, "r%u@far.example", at);
    const unsigned pairs = limited_pairs(model, message);
    const bool blocked = dice_below(&model->dice, 6) == 0;
    const bool repeated = message->asked[at] && pairs != 0;
    bool fits = true;
    for (unsigned pair = 0; pair < QUOTA_SCOPES * QUOTA_UNITS; pair++) {
        fits = fits && ((pairs & 1u << pair) == 0 || would_fit(model, message, pair));
    }
    const struct decision *decision =
        ask(model, message, PROTOCOL_STATE_RCPT, recipient, 0, message->size, blocked);
    const enum verdict verdict = verdict_of_quotas(decision);
    if (repeated) {
        assert_int_equal(verdict, message->said[at]);
        return;
    }
    assert_int_equal(verdict == VERDICT_NONE, fits);
    if (pairs == 0) {
        return;
    }
    if (!fits) {
        model->refused++;
        message->asked[at] = true;
        message->said[at] = verdict;
        message->refused += !blocked;
    } else if (!blocked) {
        model->accepted++;
        message->asked[at] = true;
        message->said[at] = VERDICT_NONE;
        charge(model, message, pairs | message->pairs);
    }
}

static void end_message(struct model *model, struct message *message, bool sent) {
    const uint64_t size = 1 + dice_below(&model->dice, 3500);
    uint64_t accepted = message->recipients;
    if (model->shadow) {
        accepted += message->refused;
    } else if (dice_below(&model->dice, 3) == 0 && accepted > 0) {
        accepted -= dice_below(&model->dice, (uint32_t)accepted); /* refused after us */
    } else if (dice_below(&model->dice, 10) == 0) {
        accepted++; /* postmaster */
    }
    const unsigned again = dice_below(&model->dice, 8) == 0 ? 2 : 1;
    for (unsigned i = 0; i < again; i++) {
        (void)ask(model, message, sent ? PROTOCOL_STATE_END_OF_MESSAGE : PROTOCOL_STATE_ENDED, "",
                  (uint32_t)accepted, size, false);
    }
    /* Of a message with nothing but refusals nothing is kept, unless they were let in. */
    const bool known = message->recipients + (model->shadow ? message->refused : 0) > 0;
    message->open = false;
    if (!sent || (model->at_once && known)) {
        return;
    }
    commit(model, message, limited_pairs(model, message) | message->pairs,
           model->shadow ? message->recipients : accepted, size);
}

static void lose_message(struct model *model, struct message *message) {
    struct message *place = &model->lost[model->lost_at++ % (LOST)];
    /* The place may be needed again only when its reservation has ended. */
    if (!place->open || !is_live(place, model->world->now_s)) {
        *place = *message;
        message->open = false;
    }
}

static void reset_usage(struct model *model) {
    const unsigned user = dice_below(&model->dice, USERS);
    struct effect effects[QUOTA_UNITS];
    char name[32];
    char room[MAIL_ADDRESS_MAX];
    struct text names = TEXT_OVER(room);
    (void)snprintf(name, sizeof name, "U%u+x@D%u.example", user, user % DOMAINS);
    const struct quota_subject subject =
        quota_subject_of(str_from(name), (struct ip_address){{0}}, &names);
    const size_t count = quota_forget_effects(&model->world->state, QUOTA_USER, &subject,
                                              (uint32_t)model->world->now_s, effects);
    model->world->sequence++;
    for (size_t i = 0; i < count; i++) {
        effect_apply(&model->world->state, &effects[i], model->world->sequence);
    }
    mirror_effects(model, effects, count);
    for (unsigned unit = 0; unit < QUOTA_UNITS; unit++) {
        ledger_forget(&model->ledgers[user][unit]);
    }
}

static void name_subject(unsigned subject, char out[64]) {
    if (subject < USERS) {
        (void)snprintf(out, 64, "user u%u@d%u.example", subject, subject % DOMAINS);
    } else if (subject < FIRST_ADDRESS) {
        (void)snprintf(out, 64, "domain d%u.example", subject - FIRST_DOMAIN);
    } else if (subject < EVERYBODY) {
        (void)snprintf(out, 64, "ip %s", addresses[subject - FIRST_ADDRESS]);
    } else if (subject >= USERS_OF_DOMAIN && subject < ALL_ADDRESSES) {
        (void)snprintf(out, 64, "user *@d%u.example", subject - USERS_OF_DOMAIN);
    } else {
        (void)snprintf(out, 64, "%s",
                       subject == EVERYBODY   ? "global"
                       : subject == ALL_USERS ? "user *"
                                              : "ip *");
    }
}

/* About twenty limits of all kinds, some of them tight. */
static void change_limits(struct model *model) {
    static const uint64_t usual[QUOTA_WINDOWS] = {6, 30, 90, 300, 900};
    struct world *world = model->world;
    struct dice *dice = &model->dice;
    memset(model->limited, 0, sizeof model->limited);
    world->rule_count = 0;
    const unsigned wanted = dice_below(dice, 12) == 0 ? 0 : 8 + dice_below(dice, 20);
    for (unsigned tries = 0; tries < wanted; tries++) {
        /* Rules that many are under come more often. */
        const unsigned place =
            dice_below(dice, 2) == 0 ? ALL_USERS + dice_below(dice, 5) : dice_below(dice, SUBJECTS);
        const unsigned unit = dice_below(dice, QUOTA_UNITS);
        const unsigned window = dice_below(dice, QUOTA_WINDOWS);
        if (model->limited[place][unit][window]) {
            continue;
        }
        const uint64_t many = place == EVERYBODY                               ? 8
                              : place >= FIRST_DOMAIN && place < FIRST_ADDRESS ? 4
                                                                               : 2;
        uint64_t limit = usual[window] * many / (unit == QUOTA_MESSAGES ? 3 : 1);
        limit = limit * (unit == QUOTA_BYTES ? 700 : 1) / (1 + dice_below(dice, 3));
        model->limited[place][unit][window] = true;
        model->limits[place][unit][window] = limit;
        char(*texts)[64] = model->texts[world->rule_count];
        name_subject(place, texts[0]);
        (void)snprintf(texts[1], 64, "%llu %s/%s", (unsigned long long)limit,
                       quota_unit_name((enum quota_unit)unit),
                       quota_window_name((enum quota_window)window));
        world->rule_rows[world->rule_count] = (struct rule_row){
            .id = world->rule_count + 1,
            .kind = RULE_QUOTA,
            .subject = str_from(texts[0]),
            .value = str_from(texts[1]),
        };
        world->rule_count++;
    }
    world_set_rules(world);
    assert_int_equal(rules_count(world->rules, RULE_QUOTA), world->rule_count);
}

static void assert_usage(struct model *model, unsigned user, unsigned address, bool none_reserved) {
    struct quota_usage usage;
    char name[32];
    char room[MAIL_ADDRESS_MAX];
    struct text names = TEXT_OVER(room);
    const int64_t now_s = model->world->now_s;
    (void)snprintf(name, sizeof name, "u%u@d%u.example", user, user % DOMAINS);
    const struct quota_subject subject =
        quota_subject_of(str_from(name), world_address(addresses[address]), &names);
    quota_usage_read(&model->world->state, model->world->rules, &model->world->settings.zone,
                     &subject, (uint32_t)now_s, &usage);
    for (size_t i = 0; i < usage.count; i++) {
        const struct quota_usage_row *row = &usage.rows[i];
        const unsigned place = subject_of(row->scope, user, address);
        uint64_t limit = 0;
        assert_true(limit_of(model, row->scope, place, row->unit, row->window, &limit));
        assert_int_equal(row->limit, limit);
        assert_int_equal(row->used,
                         ledger_sum(&model->ledgers[place][row->unit], row->window, now_s));
        const unsigned pair = (unsigned)row->scope * QUOTA_UNITS + (unsigned)row->unit;
        assert_int_equal(row->reserved, none_reserved ? 0 : reserved_of(model, pair, place));
    }
}

static void assert_nothing_reserved(struct model *model) {
    for (unsigned user = 0; user < USERS; user++) {
        assert_usage(model, user, user % ADDRESSES, true);
    }
}

static void everybody_leaves(struct model *model) {
    if (dice_below(&model->dice, 2) == 0) {
        model->world->now_s += RESERVATION_MINUTES * 60;
        assert_nothing_reserved(model);
        return;
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        if (model->messages[i].open) {
            end_message(model, &model->messages[i], false);
        }
    }
    bool lost = false;
    for (size_t i = 0; i < LOST; i++) {
        lost = lost || (model->lost[i].open && is_live(&model->lost[i], model->world->now_s));
    }
    if (!lost) {
        assert_nothing_reserved(model);
    }
}

static void pass_time(struct model *model) {
    static const unsigned steps_s[] = {1, 3, 10, 60, 300, 5000};
    const unsigned kind = dice_below(&model->dice, 1000);
    const unsigned step_s = kind < 600   ? 0
                            : kind < 800 ? steps_s[0]
                            : kind < 930 ? steps_s[1]
                            : kind < 980 ? steps_s[2]
                            : kind < 996 ? steps_s[3]
                            : kind < 999 ? steps_s[4]
                                         : steps_s[5];
    model->world->now_s += dice_below(&model->dice, step_s + 1);
}

static void step(struct model *model) {
    struct message *message = &model->messages[dice_below(&model->dice, MESSAGES)];
    const unsigned what = dice_below(&model->dice, 100000);
    if (what < 75000) {
        tell_recipient(model, message);
    } else if (what < 91000) {
        if (message->open) {
            end_message(model, message, true);
        }
    } else if (what < 97000) {
        if (message->open) {
            end_message(model, message, false);
        }
    } else if (what < 97500) {
        if (message->open) {
            lose_message(model, message);
        }
    } else if (what < 97600) {
        reset_usage(model);
    } else if (what < 97700) {
        change_limits(model);
    } else if (what < 97720) {
        everybody_leaves(model);
    } else {
        assert_usage(model, dice_below(&model->dice, USERS), dice_below(&model->dice, ADDRESSES),
                     false);
    }
    pass_time(model);
}

static void state_copy(struct state *to, const struct state *from) {
    *to = *from;
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        const struct state_table *table = &from->tables[i];
        void *memory = aligned_alloc(64, table->group_count * table->group_bytes);
        assert_non_null(memory);
        memset(memory, 0, table->group_count * table->group_bytes);
        state_table_init(&to->tables[i], (enum state_table_id)i, memory, table->group_count);
    }
}

static struct model *model_new(uint64_t seed, bool at_once, bool shadow) {
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    struct world *world = world_new(6000);
    model->world = world;
    model->dice.state = seed;
    model->at_once = at_once;
    model->shadow = shadow;
    world->now_s = START_S;
    world_enable(world, POLICY_QUOTAS);
    world->settings.quotas.end_of_data_hook = at_once ? END_OF_DATA_OFF : END_OF_DATA_ON;
    world->settings.policies[POLICY_QUOTAS].mode =
        shadow ? POLICY_MODE_SHADOW : POLICY_MODE_ENFORCE;
    world->settings.policies[POLICY_ACL_BLOCK].priority = 10; /* refuses after the quotas */
    world->settings.zone = (struct zone){
        .change_count = 3, .changes = {{0, 19800}, {SUMMER_S, 23400}, {WINTER_S, 19800}}};
    struct list_item item = world_item(world, LIST_BLOCK, PATTERN_EMAIL, "spammer@evil.example");
    item.direction = LIST_OUTBOUND;
    world_add_item(world, item);
    state_copy(&model->mirror, &world->state);
    change_limits(model);
    (void)world_ask(world); /* finishes the lists */
    return model;
}

static void model_free(struct model *model) {
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        free(model->mirror.tables[i].groups);
    }
    for (unsigned i = 0; i < SUBJECTS * QUOTA_UNITS; i++) {
        free(model->ledgers[i / QUOTA_UNITS][i % QUOTA_UNITS].times_s);
        free(model->ledgers[i / QUOTA_UNITS][i % QUOTA_UNITS].amounts);
    }
    world_free(model->world);
    free(model);
}

static void run_model(uint64_t seed, unsigned steps, bool at_once, bool shadow) {
    struct model *model = model_new(seed, at_once, shadow);
    for (unsigned i = 0; i < steps; i++) {
        step(model);
    }
    model->world->now_s += RESERVATION_MINUTES * 60;
    assert_nothing_reserved(model);
    assert_true(model->refused > steps / 20 && model->accepted > steps / 20);
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        const struct state_table *table = &model->world->state.tables[i];
        assert_memory_equal(table->groups, model->mirror.tables[i].groups,
                            table->group_count * table->group_bytes);
    }
    assert_int_equal(model->world->state.tables[STATE_QUOTA].evicted, 0);
    model_free(model);
}

TEST(a_million_operations_with_the_end_of_messages_told) {
    run_model(1, 700000 / SHARE, false, false);
}

TEST(recipients_that_are_committed_at_once) {
    run_model(2, 200000 / SHARE, true, false);
}

TEST(quotas_in_shadow) {
    run_model(3, 100000 / SHARE, false, true);
}
