/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/quota_model_fixture.h"
#include "testing/test.h"

/* Quotas against a small model: what it adds up by looking at everything, the policy keeps in
 * rings. Each effect is applied to a second state too, from its packed form. */

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
    const unsigned pairs = model_limited_pairs(model, message);
    const bool blocked = dice_below(&model->dice, 6) == 0;
    const bool repeated = message->asked[at] && pairs != 0;
    bool fits = true;
    for (unsigned pair = 0; pair < QUOTA_SCOPES * QUOTA_UNITS; pair++) {
        fits = fits && ((pairs & 1u << pair) == 0 || model_would_fit(model, message, pair));
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
        model_charge(model, message, pairs | message->pairs);
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
    model_commit(model, message, model_limited_pairs(model, message) | message->pairs,
                 model->shadow ? message->recipients : accepted, size);
}

static void lose_message(struct model *model, struct message *message) {
    struct message *place = &model->lost[model->lost_at++ % (LOST)];
    /* The place may be needed again only when its reservation has ended. */
    if (!place->open || !message_is_live(place, model->world->now_s)) {
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
        const unsigned place = model_subject(row->scope, user, address);
        uint64_t limit = 0;
        assert_true(model_limit(model, row->scope, place, row->unit, row->window, &limit));
        assert_int_equal(row->limit, limit);
        assert_int_equal(row->used,
                         ledger_sum(&model->ledgers[place][row->unit], row->window, now_s));
        const unsigned pair = quota_pair_number(row->scope, row->unit);
        assert_int_equal(row->reserved, none_reserved ? 0 : model_reserved(model, pair, place));
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
        lost =
            lost || (model->lost[i].open && message_is_live(&model->lost[i], model->world->now_s));
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
