/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"

void bench_state_init(struct state *state, struct sip_key key, const struct settings *settings,
                      uint64_t greylist_capacity, uint64_t client_capacity) {
    const uint64_t capacities[STATE_TABLES] = {
        [STATE_GREYLIST] = greylist_capacity,
        [STATE_GREYLIST_CLIENT] = client_capacity,
        [STATE_QUOTA] = (uint64_t)settings->state.quota_capacity,
        [STATE_MESSAGE] = (uint64_t)settings->state.message_capacity,
        [STATE_ONCE] = (uint64_t)settings->state.once_capacity,
        [STATE_CORRESPONDENT] = (uint64_t)settings->state.correspondent_capacity,
        [STATE_REPUTATION] = (uint64_t)settings->state.reputation_capacity,
        [STATE_BLACKLIST] = (uint64_t)settings->state.blacklist_capacity,
        [STATE_OFFENCE] = (uint64_t)settings->state.offence_capacity,
    };
    *state = (struct state){.key = key};
    for (unsigned table = 0; table < STATE_TABLES; table++) {
        const size_t groups = state_group_count(capacities[table]);
        const size_t bytes = groups * state_group_bytes((enum state_table_id)table);
        void *memory =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(memory != MAP_FAILED);
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* As in engine_state.c. */
        state_table_init(&state->tables[table], (enum state_table_id)table, memory, groups);
    }
}

static struct settings *build(bool all) {
    struct settings_builder *builder = settings_builder_new();
    struct setting_problem problem;
    /* What the DNS knows costs a second decision: `bench/run facts` measures that. */
    CHECK(settings_builder_set(builder, STR("policies.rbl.enabled"), STR("false"),
                               SETTING_FROM_DATABASE, 0, &problem) &&
          settings_builder_set(builder, STR("policies.spf.enabled"), STR("false"),
                               SETTING_FROM_DATABASE, 0, &problem));
    CHECK(!all || settings_builder_set(builder, STR("policies.sender_identity.enabled"),
                                       STR("true"), SETTING_FROM_DATABASE, 0, &problem));
    struct settings *settings = settings_builder_finish(builder, 1, &problem);
    settings_builder_free(builder);
    CHECK(settings != NULL);
    return settings;
}

struct settings *bench_settings(void) {
    return build(false);
}

struct settings *bench_settings_all(void) {
    return build(true);
}

static void *allocate(void *context, size_t bytes) {
    (void)context;
    return calloc(1, bytes);
}

static void release(void *context, void *memory) {
    (void)context;
    free(memory);
}

static struct rule_row quota(uint64_t id, struct str subject, struct str value) {
    return (struct rule_row){.id = id, .kind = RULE_QUOTA, .subject = subject, .value = value};
}

struct rules *bench_rules(void) {
    const struct rule_row rows[] = {
        quota(1, STR("user *"), STR("1000000 recipients/day")),
        quota(2, STR("user *"), STR("100000 messages/hour")),
        quota(3, STR("ip *"), STR("1000000 recipients/hour")),
        quota(4, STR("global"), STR("1000000000 recipients/day")),
        {.id = 5,
         .kind = RULE_RESTRICTION,
         .subject = STR("robot@example.com"),
         .value = STR("*@example.com")},
    };
    const struct list_memory memory = {.allocate = allocate, .release = release};
    struct rules *rules = rules_build(&memory, rows, sizeof rows / sizeof rows[0]);
    CHECK(rules != NULL);
    return rules;
}

static void add_listed(struct list_builder *builder, uint64_t id, enum pattern_type type,
                       const char *pattern) {
    char room[256];
    struct text problem = TEXT_OVER(room);
    struct list_item item = {.id = id, .list = LIST_BLOCK};
    CHECK(address_pattern_parse(type, str_from(pattern), &item.pattern, &problem) == NULL);
    CHECK(list_builder_add(builder, &item));
}

struct list_index *bench_list(void) {
    const struct list_memory memory = {.allocate = allocate, .release = release};
    struct list_builder *builder = list_builder_new(&memory, 0);
    for (unsigned i = 0; i < 256; i++) {
        char pattern[64];
        (void)snprintf(pattern, sizeof pattern, "d%u.block.example", i);
        add_listed(builder, 3 * i + 1, PATTERN_DOMAIN, pattern);
        (void)snprintf(pattern, sizeof pattern, "u%u@block.example", i);
        add_listed(builder, 3 * i + 2, PATTERN_EMAIL, pattern);
        (void)snprintf(pattern, sizeof pattern, "100.64.%u.0/24", i);
        add_listed(builder, 3 * i + 3, PATTERN_IP, pattern);
    }
    struct list_index *index = list_builder_finish(builder);
    CHECK(index != NULL);
    return index;
}
