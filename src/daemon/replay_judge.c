/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/replay_judge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct side {
    struct decision_source source;
    struct policy_settings settings;
    struct state state; /* simulated */
    size_t table_bytes[STATE_TABLES];
    struct decision_record record; /* that is being judged */
    struct decision decision;
    bool facts_unknown;
    uint64_t evicted; /* of the simulated state, so far */
};

/* Each side belongs to its thread; the report to that of the proposal. */
struct replay_judge {
    struct replay_judge_options options;
    struct side today;
    struct side proposed;
    struct replay_report *report;
    bool own_messages; /* see side_init() */
    uint64_t dice;     /* chooses samples; the same rows give the same samples */
};

/* --- simulated state ----------------------------------------------------------------------------
 */

uint64_t replay_bytes(const uint64_t capacities[STATE_TABLES]) {
    uint64_t bytes = 0;
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        bytes += state_group_count(capacities[id]) * state_group_bytes((enum state_table_id)id);
    }
    return 2 * bytes;
}

/* Memory is taken up as entries come: an unused table costs next to nothing. */
static int state_new(struct side *side, const struct replay_judge_options *options) {
    side->state.key = options->key;
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        const size_t groups = state_group_count(options->capacities[id]);
        const size_t bytes = groups * state_group_bytes((enum state_table_id)id);
        void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            return -ENOMEM;
        }
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* Fewer TLB misses; does without. */
        side->table_bytes[id] = bytes;
        state_table_init(&side->state.tables[id], (enum state_table_id)id, memory, groups);
    }
    return 0;
}

static void state_free(struct side *side) {
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        if (side->state.tables[id].groups != NULL) {
            (void)munmap(side->state.tables[id].groups, side->table_bytes[id]);
        }
    }
}

static void apply(struct side *side, uint64_t sequence) {
    decision_apply(&side->state, &side->decision, sequence);
    side->evicted = 0;
    for (unsigned id = 0; id < STATE_TABLES; id++) {
        side->evicted += side->state.tables[id].evicted;
    }
}

/* --- the judge ----------------------------------------------------------------------------------
 */

static bool quotas_differ(const struct replay_side *a, const struct replay_side *b) {
    const struct policy_common_settings *one = &a->settings->policies[POLICY_QUOTAS];
    const struct policy_common_settings *other = &b->settings->policies[POLICY_QUOTAS];
    return a->rules != b->rules || one->enabled != other->enabled || one->mode != other->mode ||
           a->settings->quotas.refusal != b->settings->quotas.refusal ||
           a->settings->quotas.exempt_local != b->settings->quotas.exempt_local;
}

/* Recipients are charged when they are accepted: what Postfix says at the end of a message is not
 * replayed. Where quotas differ, each side goes by its own account of a message, and not by the
 * recorded one, which does not know what a new limit has charged for it. */
static int side_init(struct replay_judge *judge, struct side *side,
                     const struct replay_side *given) {
    const unsigned own = 1u << STATE_MESSAGE | 1u << STATE_ONCE;
    side->settings = *given->settings;
    side->settings.quotas.end_of_data_hook = END_OF_DATA_OFF;
    side->source = (struct decision_source){
        .state = &side->state,
        .lists = given->lists,
        .rules = given->rules,
        .recorded = &side->record.decision,
        .live_lists = true,
        .live_rules = true,
        .live_absent_entries = true,
        .live_first = judge->own_messages ? own : 0,
    };
    return state_new(side, &judge->options);
}

static void judge_free(struct replay_judge *judge) {
    state_free(&judge->today);
    state_free(&judge->proposed);
    free(judge);
}

int replay_judge_new(const struct replay_judge_options *options, struct replay_judge **ret_judge) {
    struct replay_judge *judge = calloc(1, sizeof *judge);
    if (judge == NULL) {
        return -ENOMEM;
    }
    judge->options = *options;
    judge->own_messages = quotas_differ(&options->today, &options->proposed);
    judge->report = calloc(1, sizeof *judge->report);
    int error = judge->report == NULL ? -ENOMEM : 0;
    error = error != 0 ? error : side_init(judge, &judge->today, &options->today);
    error = error != 0 ? error : side_init(judge, &judge->proposed, &options->proposed);
    if (error != 0) {
        free(judge->report);
        judge_free(judge);
        return error;
    }
    *ret_judge = judge;
    return 0;
}

const struct replay_totals *replay_judge_totals(const struct replay_judge *judge) {
    return &judge->report->totals;
}

static int by_sequence(const void *a, const void *b) {
    const struct replay_sample *one = a;
    const struct replay_sample *other = b;
    return one->sequence < other->sequence ? -1 : one->sequence > other->sequence;
}

struct replay_report *replay_judge_finish(struct replay_judge *judge) {
    struct replay_report *report = judge->report;
    for (size_t i = 0; i < REPLAY_CHANGES_MAX; i++) {
        struct replay_change *change = &report->changes[i];
        if (change->sample_count > 0) {
            qsort(change->samples, change->sample_count, sizeof *change->samples, by_sequence);
        }
    }
    judge_free(judge);
    return report;
}

void replay_report_free(struct replay_report *report) {
    if (report == NULL) {
        return;
    }
    for (size_t i = 0; i < REPLAY_CHANGES_MAX; i++) {
        free(report->changes[i].samples);
    }
    free(report);
}

/* --- one decision -------------------------------------------------------------------------------
 */

/* A fact that was never fetched cannot be had any more. */
static bool give_up_facts(struct facts *facts) {
    bool any = false;
    for (unsigned fact = 0; fact < FACTS; fact++) {
        if (facts->status[fact] == FACT_WANTED || facts->status[fact] == FACT_UNASKED) {
            facts->status[fact] = FACT_UNAVAILABLE;
            any = true;
        }
    }
    return any;
}

/* Names in a record are numbers: those of a newer release mean nothing here. */
static bool names_known(const struct decision *decision) {
    return (unsigned)decision->policy < POLICY_LIMIT && (unsigned)decision->reason < REASON_LIMIT;
}

/* False: it cannot be read. */
static bool read_record(struct side *side, const struct history_scan_row *row) {
    return decision_record_decode((const unsigned char *)row->record.data, row->record.length,
                                  row->record_version, &side->record) &&
           names_known(&side->record.decision);
}

static void judge_side(struct side *side, const struct history_scan_row *row) {
    const struct decision_record *record = &side->record;
    struct decision *decision = &side->decision;
    struct facts facts = record->facts;
    decide(&side->settings, &side->source, &record->request, &facts, row->decision_ns, decision);
    side->facts_unknown = decision->facts_wanted != 0 && give_up_facts(&facts);
    if (side->facts_unknown) {
        decide(&side->settings, &side->source, &record->request, &facts, row->decision_ns,
               decision);
    }
}

static struct replay_outcome outcome_of(const struct decision *decision) {
    return (struct replay_outcome){
        .verdict = decision->verdict == VERDICT_NONE ? VERDICT_ACCEPT : decision->verdict,
        .policy = decision->policy,
        .reason = decision->reason,
    };
}

static bool outcome_equal(struct replay_outcome a, struct replay_outcome b) {
    return a.verdict == b.verdict && a.policy == b.policy && a.reason == b.reason;
}

static uint16_t keep(char *room, size_t size, struct str value) {
    const size_t length = value.length < size ? value.length : size;
    if (length > 0) {
        memcpy(room, value.data, length);
    }
    return (uint16_t)length;
}

static void fill_sample(const struct replay_judge *judge, const struct history_scan_row *row,
                        struct replay_outcome today, struct replay_sample *sample) {
    const struct policy_request *request = &judge->proposed.record.request;
    const struct decision *proposed = &judge->proposed.decision;
    sample->sequence = row->sequence;
    sample->time_ns = row->time_ns;
    sample->today = today;
    sample->proposed = outcome_of(proposed);
    sample->client_length =
        keep(sample->client, sizeof sample->client, request->client_address_text);
    sample->sender_length = keep(sample->sender, sizeof sample->sender, request->sender);
    sample->recipient_length =
        keep(sample->recipient, sizeof sample->recipient, request->recipient);
    sample->reply_length = keep(sample->reply, sizeof sample->reply,
                                (struct str){proposed->reply, proposed->reply_length});
}

static uint64_t next_dice(struct replay_judge *judge) {
    judge->dice = judge->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return judge->dice >> 33;
}

/* Each of the rows so far has the same chance to be among the samples. */
static struct replay_sample *place_for_sample(struct replay_judge *judge,
                                              struct replay_change *change) {
    const size_t most = judge->options.samples_max;
    if (change->samples == NULL && most > 0) {
        change->samples = calloc(most, sizeof *change->samples);
    }
    if (change->samples == NULL) {
        return NULL; /* Without memory the count alone is told. */
    }
    if (change->sample_count < most) {
        return &change->samples[change->sample_count++];
    }
    const uint64_t place = next_dice(judge) % change->rows;
    return place < most ? &change->samples[place] : NULL;
}

static void note_change(struct replay_judge *judge, const struct history_scan_row *row,
                        struct replay_outcome today, struct replay_outcome proposed) {
    const enum policy_id policy =
        proposed.verdict != VERDICT_ACCEPT ? proposed.policy : today.policy;
    const size_t kind =
        ((size_t)policy * REPLAY_VERDICTS + (size_t)(today.verdict - VERDICT_ACCEPT)) *
            REPLAY_VERDICTS +
        (size_t)(proposed.verdict - VERDICT_ACCEPT);
    struct replay_change *change = &judge->report->changes[kind];
    change->policy = policy;
    change->from = today.verdict;
    change->to = proposed.verdict;
    change->count += row->count;
    change->rows++;
    struct replay_sample *sample = place_for_sample(judge, change);
    if (sample != NULL) {
        fill_sample(judge, row, today, sample);
    }
}

static void compare(struct replay_judge *judge, const struct history_scan_row *row,
                    const struct replay_today *today) {
    struct replay_totals *totals = &judge->report->totals;
    const struct decision_record *record = &judge->proposed.record;
    const struct replay_outcome recorded = outcome_of(&record->decision);
    const struct replay_outcome proposed = outcome_of(&judge->proposed.decision);
    if (today->facts_unknown || judge->proposed.facts_unknown) {
        totals->facts_unknown += row->count;
    }
    if (record->generation == judge->options.generation &&
        !outcome_equal(recorded, today->outcome)) {
        totals->not_comparable += row->count;
        return;
    }
    if (recorded.verdict != today->outcome.verdict) {
        totals->since_changed += row->count;
    }
    if (today->outcome.verdict != proposed.verdict) {
        totals->changed += row->count;
        note_change(judge, row, today->outcome, proposed);
    } else if (!outcome_equal(today->outcome, proposed)) {
        totals->reasons += row->count;
    }
}

void replay_judge_today(struct replay_judge *judge, const struct history_scan_row *row,
                        struct replay_today *ret_today) {
    struct side *side = &judge->today;
    *ret_today = (struct replay_today){.readable = read_record(side, row)};
    if (!ret_today->readable || side->record.request.state != PROTOCOL_STATE_RCPT) {
        return;
    }
    judge_side(side, row);
    ret_today->outcome = outcome_of(&side->decision);
    ret_today->facts_unknown = side->facts_unknown;
    /* Records of today's generation have all that this side reads, and so have those to come. */
    if (judge->own_messages || side->record.generation != judge->options.generation) {
        apply(side, row->sequence);
    }
    ret_today->evicted = side->evicted;
}

void replay_judge_proposed(struct replay_judge *judge, const struct history_scan_row *row,
                           const struct replay_today *today) {
    struct side *side = &judge->proposed;
    struct replay_totals *totals = &judge->report->totals;
    if (!today->readable) {
        totals->decisions += row->count;
        totals->unreadable += row->count;
        return;
    }
    CHECK(read_record(side, row));
    if (side->record.request.state != PROTOCOL_STATE_RCPT) {
        return;
    }
    judge_side(side, row);
    totals->decisions += row->count;
    compare(judge, row, today);
    apply(side, row->sequence);
    totals->evicted = today->evicted + side->evicted;
}
