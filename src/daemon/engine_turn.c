/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

/* The answering path: decide, apply and journal under one hold of the state lock. */

/* Counters are written under the state lock alone, so a load and a store are enough; readers see
 * either value. */
static void count(struct counter *counter) {
    atomic_store_explicit(&counter->value,
                          atomic_load_explicit(&counter->value, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

struct turn {
    struct engine *engine;
    const struct generation *generation;
    struct decision_source source;
    struct decision *decision;
    int64_t now_ns;
    int64_t wall_ns;
    int64_t boot_ns;
};

static void answer(struct turn_item *item, struct str action) {
    memcpy(item->reply, action.data, action.length);
    item->reply_length = (uint16_t)action.length;
    item->sequence = 0;
}

static void count_decision(struct engine_counters *counters, const struct decision *decision) {
    count(&counters->requests);
    switch (decision->verdict) {
    case VERDICT_DEFER:
        count(&counters->deferred);
        break;
    case VERDICT_REJECT:
        count(&counters->rejected);
        break;
    case VERDICT_NONE:
    case VERDICT_ACCEPT:
    case VERDICTS:
        count(&counters->accepted);
        break;
    }
    count(&counters->reasons[decision->reason]);
    count(&counters->decisions[POLICY_MODE_ENFORCE][decision->policy][decision->reason]
                              [decision->verdict]);
    for (size_t i = 0; i < decision->step_count; i++) {
        const struct decision_step *step = &decision->steps[i];
        if (!step->skipped && step->mode == POLICY_MODE_SHADOW && step->verdict != VERDICT_NONE) {
            count(&counters
                       ->decisions[POLICY_MODE_SHADOW][step->policy][step->reason][step->verdict]);
        }
        if (!step->skipped) {
            count(step->mode == POLICY_MODE_SHADOW
                      ? &counters->shadow_verdicts[step->policy][step->verdict]
                      : &counters->policy_verdicts[step->policy][step->verdict]);
        }
    }
}

/* Nobody can fetch any more: the policy's on_error decides. */
static void give_up_facts(struct turn *turn, struct turn_item *item) {
    for (unsigned fact = 0; fact < FACTS; fact++) {
        if ((turn->decision->facts_wanted & (1U << fact)) != 0) {
            item->facts.status[fact] = FACT_UNAVAILABLE;
        }
    }
    count(&turn->engine->counters.facts_unavailable);
    decide(&turn->generation->settings->policy, &turn->source, &item->request, &item->facts,
           turn->now_ns, turn->decision);
}

/* Applies and journals. Without room in the journal the answer stands all the same, counted: mail
 * does not wait for a disk. */
static uint64_t remember(struct turn *turn, const struct turn_item *item) {
    struct engine *engine = turn->engine;
    const struct settings *settings = turn->generation->settings;
    const uint64_t sequence = journal_next_sequence(engine->journal);
    decision_apply_soon(&engine->state, turn->decision);
    unsigned char *record = journal_reserve(engine->journal);
    if (record == NULL) {
        decision_apply(&engine->state, turn->decision, sequence);
        journal_skip(engine->journal);
        count(&engine->counters.unjournaled);
        return 0;
    }
    const int64_t duration_us = (turn->boot_ns - item->arrived_boot_ns) / NS_PER_US;
    const size_t length = decision_record_encode(
        &item->request, decision_identity(&settings->policy, &item->request), &item->facts,
        turn->generation->version, turn->wall_ns, (uint32_t)duration_us, turn->decision, record);
    decision_apply(&engine->state, turn->decision, sequence);
    journal_commit(engine->journal, RECORD_DECISION, DECISION_RECORD_VERSION, turn->now_ns, length);
    return sequence;
}

/* What was committed at once ended the message with it: then there is nothing to tell. */
static bool reserves(const struct decision *decision) {
    bool charged = false;
    bool ended = false;
    for (size_t i = 0; i < decision->effect_count; i++) {
        charged = charged || decision->effects[i].kind == EFFECT_MESSAGE_CHARGED;
        ended = ended || decision->effects[i].kind == EFFECT_MESSAGE_ENDED;
    }
    return charged && !ended;
}

/* A message that ended without END-OF-MESSAGE is no decision: only its effects are journaled. */
static void remember_end(struct turn *turn) {
    struct engine *engine = turn->engine;
    const struct decision *decision = turn->decision;
    const uint64_t sequence = journal_next_sequence(engine->journal);
    decision_apply(&engine->state, decision, sequence);
    unsigned char *record = journal_reserve(engine->journal);
    if (record == NULL) {
        journal_skip(engine->journal);
        count(&engine->counters.unjournaled);
        return;
    }
    const size_t length =
        effects_record_encode(decision->effects, decision->effect_count,
                              STR("the message ended without being sent"), record);
    journal_commit(engine->journal, RECORD_EFFECTS, DECISION_RECORD_VERSION, turn->now_ns, length);
}

/* Requests of the other states: settles what has to be settled. True when that is all. */
static bool settle_one(struct turn *turn, struct turn_item *item, bool strict) {
    const enum protocol_state state = item->request.state;
    if (state == PROTOCOL_STATE_RCPT) {
        return false;
    }
    count(&turn->engine->counters.other_states);
    answer(item, STR("DUNNO"));
    item->message = TURN_MESSAGE_SAME;
    if (state != PROTOCOL_STATE_END_OF_MESSAGE && state != PROTOCOL_STATE_ENDED) {
        return true;
    }
    decide(&turn->generation->settings->policy, &turn->source, &item->request, &item->facts,
           turn->now_ns, turn->decision);
    if (state == PROTOCOL_STATE_ENDED) {
        if (turn->decision->effect_count > 0) {
            remember_end(turn);
        }
        return true;
    }
    const uint64_t sequence = remember(turn, item);
    item->message = TURN_MESSAGE_SETTLED;
    item->sequence = strict ? sequence : 0;
    return true;
}

static void decide_one(struct turn *turn, struct turn_item *item, bool strict) {
    item->facts_wanted = 0;
    turn->source.ahead = &item->ahead;
    if (settle_one(turn, item, strict)) {
        return;
    }
    decide(&turn->generation->settings->policy, &turn->source, &item->request, &item->facts,
           turn->now_ns, turn->decision);
    if (turn->decision->facts_wanted != 0) {
        if (item->fetchable) {
            item->facts_wanted = turn->decision->facts_wanted;
            return;
        }
        give_up_facts(turn, item);
    }
    const uint64_t sequence = remember(turn, item);
    count_decision(&turn->engine->counters, turn->decision);
    answer(item, (struct str){turn->decision->reply, turn->decision->reply_length});
    item->message = reserves(turn->decision) ? TURN_MESSAGE_OPEN : TURN_MESSAGE_SAME;
    item->sequence = strict ? sequence : 0;
}

static struct decision_source source_of(const struct engine *engine,
                                        const struct generation *generation) {
    return (struct decision_source){
        .state = &engine->state, .lists = &generation->lists, .rules = generation->rules};
}

void engine_look_ahead(const struct engine *engine, unsigned worker, struct turn_item *item) {
    const struct generation_node *node =
        atomic_load_explicit(&engine->pins[worker].node, memory_order_relaxed);
    struct decision_source source = source_of(engine, &node->generation);
    source.memo = &engine->workers[worker]->memo;
    decision_look_ahead(&node->generation.settings->policy, &source, &item->request, &item->facts,
                        &item->ahead);
}

/* Entries are asked for so many requests before they are read: long enough for memory, and few
 * enough for the nearest cache. */
enum { CLOSER = 16 };

static void look_closer(const struct turn *turn, const struct turn_item *items, size_t item_count,
                        size_t at) {
    if (at < item_count) {
        decision_look_closer(turn->source.state, &items[at].ahead);
    }
}

void engine_turn(struct engine *engine, unsigned worker, struct turn_item *items,
                 size_t item_count) {
    const struct generation_node *node =
        atomic_load_explicit(&engine->pins[worker].node, memory_order_relaxed);
    struct turn turn = {
        .engine = engine,
        .generation = &node->generation,
        .source = source_of(engine, &node->generation),
        .decision = &engine->workers[worker]->decision,
        .wall_ns = clock_wall_ns(),
        .boot_ns = clock_boot_ns(),
    };
    turn.source.memo = &engine->workers[worker]->memo;
    const bool strict = atomic_load_explicit(&engine->strict, memory_order_relaxed);
    (void)pthread_mutex_lock(&engine->state_lock);
    turn.now_ns = decision_clock_step(&engine->clock, turn.wall_ns, turn.boot_ns);
    for (size_t i = 0; i < CLOSER; i++) {
        look_closer(&turn, items, item_count, i);
    }
    for (size_t i = 0; i < item_count; i++) {
        look_closer(&turn, items, item_count, i + CLOSER);
        decide_one(&turn, &items[i], strict);
    }
    (void)pthread_mutex_unlock(&engine->state_lock);
}

void engine_between_turns(struct engine *engine) {
    /* The pointer changes only while workers are parked, or under the lock below. */
    const struct snapshot *snapshot = engine->snapshot;
    if (snapshot == NULL || !snapshot_wants_chunk(snapshot)) {
        return;
    }
    (void)pthread_mutex_lock(&engine->state_lock);
    if (engine->snapshot != NULL && snapshot_wants_chunk(engine->snapshot)) {
        snapshot_copy_chunk(engine->snapshot);
        atomic_fetch_add_explicit(&engine->chunk_copies, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&engine->state_lock);
}

struct journal *engine_journal(struct engine *engine) {
    return engine->journal;
}
