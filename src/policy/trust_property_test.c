/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "policy/auto_blacklist.h"
#include "policy/ip_reputation.h"
#include "policy/policy_run.h"
#include "policy/world_fixture.h"
#include "testing/test.h"

/* A million random mails and commands, each compared with a model that keeps every event in lists
 * and recovers scores step by step. All effects also go through journal records into a second
 * world, whose tables must stay the same. */

enum {
    OPERATIONS = 1000000,
    PLACES = 6, /* networks */
    REASONS = 3,
    INSTANCES = 10, /* the first is none */
    EVENTS_KEPT = 4000,
    HOUR_S = 3600,
    DAY_S = 86400,
};

static const char *const addresses[PLACES][2] = {
    {"192.0.2.1", "192.0.2.1"},
    {"192.0.2.2", "192.0.2.2"},
    {"203.0.113.9", "203.0.113.9"},
    {"2001:db8::1", "2001:db8::2"},
    {"2001:db8:0:1::1", "2001:db8:0:1:ffff::"},
    {"198.51.100.7", "198.51.100.7"},
};
static const enum reason reasons[REASONS] = {REASON_QUOTA_EXCEEDED, REASON_IDENTITY_NOT_OWNED,
                                             REASON_NONE};

struct model_place {
    /* reputation */
    bool known;
    int64_t score;
    int64_t seen_s;
    int64_t forgotten_at_s; /* first second at which it is not known any more */
    /* block */
    bool listed;
    int64_t until_s;
    int64_t remembered_until_s;
    unsigned offences;
    unsigned trigger;
    /* causes */
    int64_t width_s;
    size_t event_count;
    int64_t events[EVENTS_KEPT];
    /* what happened once: [instance][reason, or REASONS: accepted] */
    int64_t happened_s[INSTANCES][REASONS + 1];
};

struct model {
    struct model_place places[PLACES];
};

struct stream {
    struct dice dice;
    struct world *world;
    struct world *replayed;
    struct model model;
    size_t place;
    size_t instance;
    unsigned seen[12]; /* how often each thing happened, so that none is missed */
};

enum {
    SEEN_BLOCKED,
    SEEN_LOW,
    SEEN_RULE_BLOCK,
    SEEN_RELEASE,
    SEEN_RESET,
    SEEN_DOUBLED,
    SEEN_RECOVERED,
    SEEN_PERMANENT
};

/* --- the model ---------------------------------------------------------------------------------
 */

static int64_t model_clamp(const struct ip_reputation_settings *settings, int64_t score) {
    score = score < settings->min_score ? settings->min_score : score;
    return score > settings->max_score ? settings->max_score : score;
}

static bool model_known(const struct stream *stream) {
    const struct model_place *place = &stream->model.places[stream->place];
    return place->known && stream->world->now_s < place->forgotten_at_s;
}

/* Step by step, as the documentation says it. */
static int64_t model_score(struct stream *stream) {
    const struct ip_reputation_settings *settings = &stream->world->settings.ip_reputation;
    const struct model_place *place = &stream->model.places[stream->place];
    if (!model_known(stream)) {
        return settings->initial_score;
    }
    int64_t score = model_clamp(settings, place->score);
    int64_t next_s = place->seen_s + settings->decay_days * DAY_S + settings->decay_interval_s;
    while (next_s <= stream->world->now_s && score < settings->initial_score &&
           settings->decay_amount > 0) {
        score += settings->decay_amount;
        score = score < settings->initial_score ? score : settings->initial_score;
        next_s += settings->decay_interval_s;
        stream->seen[SEEN_RECOVERED]++;
    }
    return score;
}

static void model_move(struct stream *stream, int64_t by) {
    const struct ip_reputation_settings *settings = &stream->world->settings.ip_reputation;
    struct model_place *place = &stream->model.places[stream->place];
    place->score = model_clamp(settings, model_score(stream) + by);
    place->known = true;
    place->seen_s = stream->world->now_s;
    /* A shorter life that was set meanwhile shortens no life that was given before. */
    const int64_t until_s = stream->world->now_s + settings->known_ttl_s + 1;
    place->forgotten_at_s = until_s > place->forgotten_at_s ? until_s : place->forgotten_at_s;
}

static bool model_blocked(const struct stream *stream) {
    const struct model_place *place = &stream->model.places[stream->place];
    return place->listed && stream->world->now_s < place->until_s;
}

static unsigned model_offences(const struct stream *stream) {
    const struct model_place *place = &stream->model.places[stream->place];
    return place->listed && stream->world->now_s < place->remembered_until_s ? place->offences : 0;
}

static void model_block(struct stream *stream, int64_t until_s, unsigned trigger,
                        unsigned offences) {
    struct model_place *place = &stream->model.places[stream->place];
    place->listed = true;
    place->until_s = until_s;
    place->remembered_until_s =
        until_s == BLACKLIST_FOR_GOOD ? until_s : until_s + BLACKLIST_REMEMBER_S;
    place->trigger = trigger;
    place->offences = offences;
}

static int64_t model_width(const struct stream *stream) {
    const int64_t window_s =
        stream->world->settings.auto_blacklist.rules[BLACKLIST_REJECTIONS].window_s;
    return window_s / 60 + (window_s % 60 != 0);
}

static int64_t model_count(const struct stream *stream) {
    const struct model_place *place = &stream->model.places[stream->place];
    const int64_t now = stream->world->now_s / model_width(stream);
    int64_t count = 0;
    for (size_t i = 0; i < place->event_count; i++) {
        count += now - place->events[i] / place->width_s < 60;
    }
    return count;
}

static void model_reject(struct stream *stream) {
    const struct auto_blacklist_settings *settings = &stream->world->settings.auto_blacklist;
    const struct blacklist_rule_settings *rule = &settings->rules[BLACKLIST_REJECTIONS];
    struct model_place *place = &stream->model.places[stream->place];
    if (place->width_s != model_width(stream)) {
        place->event_count = 0;
        place->width_s = model_width(stream);
    }
    assert_true(place->event_count < EVENTS_KEPT);
    place->events[place->event_count++] = stream->world->now_s;
    if (model_count(stream) < rule->threshold) {
        return;
    }
    unsigned offences = model_offences(stream) + 1;
    offences = offences < 15 ? offences : 15;
    int64_t duration_s = rule->duration_s;
    for (unsigned i = 1; i < offences && settings->double_duration; i++) {
        duration_s = duration_s * 2 < 365 * DAY_S ? duration_s * 2 : 365 * DAY_S;
        stream->seen[SEEN_DOUBLED]++;
    }
    model_block(stream, stream->world->now_s + duration_s, BLACKLIST_REJECTIONS, offences);
    place->event_count = 0;
    stream->seen[SEEN_RULE_BLOCK]++;
}

/* True the first time within an hour; `what` is a reason, or REASONS for an acceptance. */
static bool model_first_time(struct stream *stream, size_t what) {
    int64_t *happened_s =
        &stream->model.places[0].happened_s[stream->instance][what]; /* of the message */
    if (stream->instance == 0) {
        return true;
    }
    if (*happened_s != 0 && stream->world->now_s < *happened_s + HOUR_S) {
        return false;
    }
    *happened_s = stream->world->now_s;
    return true;
}

/* --- the stream --------------------------------------------------------------------------------
 */

static uint32_t now_of(const struct stream *stream) {
    return (uint32_t)stream->world->now_s;
}

/* Through a journal record, as recovery reads it. */
static void apply(struct stream *stream, const struct effect *effects, size_t count) {
    static unsigned char body[DECISION_RECORD_MAX];
    uint64_t unknown = 0;
    const uint64_t sequence = ++stream->world->sequence;
    for (size_t i = 0; i < count; i++) {
        assert_true(effects[i].expires_s > effects[i].time_s);
        effect_apply(&stream->world->state, &effects[i], sequence);
    }
    const size_t length = effects_record_encode(effects, count, STR(""), body);
    assert_int_equal(record_apply_effects(&stream->replayed->state, RECORD_EFFECTS,
                                          DECISION_RECORD_VERSION, body, length, sequence, NULL,
                                          &unknown),
                     count);
}

static struct policy_run run_of(struct stream *stream, const struct decision_source *source) {
    struct world *world = stream->world;
    world->decision.effect_count = 0;
    world->decision.read_count = 0;
    world->decision.direction = DIRECTION_INBOUND;
    return (struct policy_run){.settings = &world->settings,
                               .source = source,
                               .request = &world->request,
                               .decision = &world->decision,
                               .now_s = now_of(stream)};
}

static void answer(struct stream *stream, enum policy_id policy, enum verdict verdict,
                   enum reason reason) {
    stream->world->decision.policy = policy;
    stream->world->decision.verdict = verdict;
    stream->world->decision.reason = reason;
}

/* What happens to the mail unless the two policies refuse it. */
static void draw_outcome(struct stream *stream, size_t *ret_what) {
    *ret_what = REASONS;
    if (dice_below(&stream->dice, 3) == 0) {
        answer(stream, POLICY_NONE, VERDICT_NONE, REASON_NONE);
    } else if (dice_below(&stream->dice, 8) == 0) {
        answer(stream, POLICY_GREYLISTING, VERDICT_DEFER, REASON_GREYLIST_FIRST_CONTACT);
    } else if (dice_below(&stream->dice, 8) == 0) {
        answer(stream, POLICY_ACL_BLOCK, VERDICT_REJECT, REASON_ACL_BLOCKED);
    } else {
        *ret_what = dice_below(&stream->dice, REASONS - 1);
        answer(stream, POLICY_QUOTAS,
               dice_below(&stream->dice, 3) == 0 ? VERDICT_DEFER : VERDICT_REJECT,
               reasons[*ret_what]);
    }
}

/* The decision's effects as the model has them. */
static void expect(struct stream *stream, size_t what) {
    const struct ip_reputation_settings *settings = &stream->world->settings.ip_reputation;
    const enum verdict verdict = stream->world->decision.verdict;
    if (what < REASONS) {
        if (model_first_time(stream, what)) {
            if (verdict == VERDICT_REJECT) {
                model_reject(stream);
            }
            model_move(stream,
                       verdict == VERDICT_REJECT ? -settings->rejected : -settings->deferred);
        }
    } else if (verdict == VERDICT_NONE && model_first_time(stream, REASONS)) {
        model_move(stream, settings->accepted);
    }
}

static void send_mail(struct stream *stream) {
    struct world *world = stream->world;
    const struct decision_source source = {.state = &world->state};
    struct policy_run run = run_of(stream, &source);
    size_t what = REASONS;
    const bool blocked = model_blocked(stream);
    const bool low = model_score(stream) <= world->settings.ip_reputation.block_threshold &&
                     world->settings.ip_reputation.block_threshold > 0;
    assert_int_equal(auto_blacklist_run(&run).verdict, blocked ? VERDICT_REJECT : VERDICT_NONE);
    assert_int_equal(ip_reputation_run(&run).verdict, low ? VERDICT_REJECT : VERDICT_NONE);
    stream->seen[SEEN_BLOCKED] += blocked;
    stream->seen[SEEN_LOW] += low;
    if (blocked) {
        answer(stream, POLICY_AUTO_BLACKLIST, VERDICT_REJECT, REASON_AUTO_BLACKLISTED);
    } else if (low) {
        answer(stream, POLICY_IP_REPUTATION, VERDICT_REJECT, REASON_REPUTATION_TOO_LOW);
    } else {
        draw_outcome(stream, &what);
    }
    auto_blacklist_learn(&run);
    ip_reputation_learn(&run);
    expect(stream, what);
    apply(stream, world->decision.effects, world->decision.effect_count);
}

static void release(struct stream *stream) {
    struct world *world = stream->world;
    struct model_place *place = &stream->model.places[stream->place];
    struct effect effects[BLACKLIST_RELEASE_EFFECTS_MAX];
    const size_t count =
        blacklist_release_effects(&world->state, &world->settings.auto_blacklist,
                                  world->request.client_address, now_of(stream), effects);
    apply(stream, effects, count);
    place->listed = false;
    place->event_count = 0;
    stream->seen[SEEN_RELEASE] += count > 0;
}

static void reset(struct stream *stream) {
    struct world *world = stream->world;
    const struct hash128 key = reputation_key(&world->state.key, world->request.client_address);
    const struct effect effect = reputation_reset_effect(
        &world->settings.ip_reputation, &world->state.key, world->request.client_address,
        state_find(&world->state, STATE_REPUTATION, key), now_of(stream));
    apply(stream, &effect, 1);
    model_move(stream, 0);
    stream->model.places[stream->place].known = false;
    stream->seen[SEEN_RESET]++;
}

static void block_by_hand(struct stream *stream) {
    struct world *world = stream->world;
    const bool for_good = dice_below(&stream->dice, 4) == 0;
    const uint32_t until_s =
        for_good ? BLACKLIST_FOR_GOOD : now_of(stream) + 1 + dice_below(&stream->dice, DAY_S);
    const struct effect effect = blacklist_block_effect(
        &world->state, world->request.client_address, until_s, now_of(stream));
    apply(stream, &effect, 1);
    model_block(stream, until_s, BLACKLIST_BY_HAND, model_offences(stream));
}

static void make_permanent(struct stream *stream) {
    struct world *world = stream->world;
    struct effect effect;
    const bool blocked = blacklist_permanent_effect(&world->state, world->request.client_address,
                                                    now_of(stream), &effect);
    assert_int_equal(blocked, model_blocked(stream));
    if (blocked) {
        apply(stream, &effect, 1);
        model_block(stream, BLACKLIST_FOR_GOOD, stream->model.places[stream->place].trigger,
                    model_offences(stream));
        stream->seen[SEEN_PERMANENT]++;
    }
}

static void check(struct stream *stream) {
    struct world *world = stream->world;
    const struct ip_reputation_settings *settings = &world->settings.ip_reputation;
    const struct ip_address client = world->request.client_address;
    const struct sip_key *key = &world->state.key;
    const struct reputation_standing reputation = reputation_standing(
        settings, state_find(&world->state, STATE_REPUTATION, reputation_key(key, client)),
        now_of(stream));
    assert_int_equal(reputation.known, model_known(stream));
    assert_int_equal(reputation.score, model_score(stream));
    assert_in_range(reputation.score, settings->min_score, settings->max_score);
    const struct blacklist_standing standing = blacklist_standing(
        state_find(&world->state, STATE_BLACKLIST, blacklist_key(key, client)), now_of(stream));
    assert_int_equal(standing.blocked, model_blocked(stream));
    assert_int_equal(standing.offences, model_offences(stream));
    if (standing.blocked) {
        assert_int_equal(standing.until_s, stream->model.places[stream->place].until_s);
        assert_int_equal(standing.trigger, stream->model.places[stream->place].trigger);
    }
    if (stream->model.places[stream->place].width_s == model_width(stream)) {
        const struct hash128 offence_key = blacklist_offence_key(key, client, BLACKLIST_REJECTIONS);
        assert_int_equal(blacklist_offence_count(
                             state_find(&world->state, STATE_OFFENCE, offence_key), now_of(stream)),
                         model_count(stream));
    }
}

static void shuffle_settings(struct stream *stream) {
    struct dice *dice = &stream->dice;
    struct ip_reputation_settings *reputation = &stream->world->settings.ip_reputation;
    *reputation = (struct ip_reputation_settings){
        .min_score = dice_below(dice, 20),
        .initial_score = 40 + dice_below(dice, 20),
        .max_score = 80 + dice_below(dice, 21),
        .accepted = dice_below(dice, 3),
        .rejected = dice_below(dice, 7),
        .deferred = dice_below(dice, 4),
        .block_threshold = dice_below(dice, 30),
        .decay_amount = dice_below(dice, 8),
        .decay_interval_s = 60 + dice_below(dice, 6 * HOUR_S),
        .decay_days = dice_below(dice, 8),
        .known_ttl_s = HOUR_S + dice_below(dice, 180 * DAY_S),
    };
    struct auto_blacklist_settings *blacklist = &stream->world->settings.auto_blacklist;
    blacklist->double_duration = dice_below(dice, 2) == 0;
    blacklist->rules[BLACKLIST_REJECTIONS] = (struct blacklist_rule_settings){
        .enabled = true,
        .threshold = 1 + dice_below(dice, 30),
        .window_s = 60 + dice_below(dice, HOUR_S),
        .duration_s = 60 + dice_below(dice, DAY_S),
    };
}

static void advance(struct stream *stream) {
    struct dice *dice = &stream->dice;
    uint32_t seconds = dice_below(dice, 12);
    if (dice_below(dice, 200) == 0) {
        seconds = dice_below(dice, 12 * HOUR_S);
    }
    if (dice_below(dice, 3000) == 0) {
        seconds = dice_below(dice, 20 * DAY_S);
    }
    if (dice_below(dice, 40000) == 0) {
        seconds = dice_below(dice, 400 * DAY_S);
    }
    stream->world->now_s += seconds;
}

static void step(struct stream *stream) {
    static const char *const instances[INSTANCES] = {"",      "1.1.2", "1.1.3", "1.1.4", "1.1.5",
                                                     "1.1.6", "1.1.7", "1.1.8", "1.1.9", "1.2.0"};
    struct world *world = stream->world;
    advance(stream);
    stream->place = dice_below(&stream->dice, PLACES);
    stream->instance = dice_below(&stream->dice, 2) * dice_below(&stream->dice, INSTANCES);
    world_set_client(world, addresses[stream->place][dice_below(&stream->dice, 2)], "");
    world->request.instance = str_from(instances[stream->instance]);
    switch (dice_below(&stream->dice, 300)) {
    case 0:
    case 1:
        release(stream);
        break;
    case 2:
        reset(stream);
        break;
    case 3:
        block_by_hand(stream);
        break;
    case 4:
        make_permanent(stream);
        break;
    default:
        send_mail(stream);
        break;
    }
    check(stream);
}

static void assert_same_tables(const struct stream *stream) {
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        const struct state_table *table = &stream->world->state.tables[i];
        assert_memory_equal(table->groups, stream->replayed->state.tables[i].groups,
                            table->group_count * table->group_bytes);
    }
}

TEST(a_million_mails_and_commands_go_as_the_model_says) {
    static struct stream stream;
    stream = (struct stream){.dice = {2026}};
    stream.world = world_new(300);
    stream.replayed = world_new(300);
    world_enable(stream.world, POLICY_AUTO_BLACKLIST);
    world_enable(stream.world, POLICY_IP_REPUTATION);
    stream.world->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    for (int i = 0; i < OPERATIONS; i++) {
        if (i % 5000 == 0) {
            shuffle_settings(&stream);
            assert_same_tables(&stream);
        }
        step(&stream);
    }
    assert_same_tables(&stream);
    assert_true(stream.world->now_s < (int64_t)UINT32_MAX - 2 * 365 * DAY_S);
    for (unsigned i = SEEN_BLOCKED; i <= SEEN_PERMANENT; i++) {
        assert_true(stream.seen[i] > 100);
    }
    world_free(stream.world);
    world_free(stream.replayed);
}
