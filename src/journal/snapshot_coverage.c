/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/snapshot_coverage.h"

#include <stdlib.h>

struct table_coverage {
    size_t file_groups;
    uint64_t *file_stamps; /* 0: not in the file, everything is wanted */
    size_t groups;
    uint64_t *stamps; /* the same array when the number of groups is the same */
};

struct snapshot_coverage {
    uint64_t lowest;
    struct table_coverage tables[STATE_TABLES];
};

void snapshot_coverage_free(struct snapshot_coverage *coverage) {
    if (coverage == NULL) {
        return;
    }
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        struct table_coverage *table = &coverage->tables[i];
        if (table->stamps != table->file_stamps) {
            free(table->stamps);
        }
        free(table->file_stamps);
    }
    free(coverage);
}

static bool table_new(struct table_coverage *table, size_t file_groups, size_t groups) {
    table->file_groups = file_groups;
    table->groups = groups;
    table->file_stamps = calloc(file_groups > 0 ? file_groups : 1, sizeof *table->file_stamps);
    table->stamps =
        file_groups == groups ? table->file_stamps : calloc(groups, sizeof *table->stamps);
    return table->file_stamps != NULL && table->stamps != NULL;
}

struct snapshot_coverage *snapshot_coverage_new(const struct snapshot_header *header,
                                                const struct state *state) {
    struct snapshot_coverage *coverage = calloc(1, sizeof *coverage);
    if (coverage == NULL) {
        return NULL;
    }
    coverage->lowest = UINT64_MAX;
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        const uint64_t file_groups = i < header->table_count ? header->tables[i].group_count : 0;
        if (!table_new(&coverage->tables[i], (size_t)file_groups, state->tables[i].group_count)) {
            snapshot_coverage_free(coverage);
            return NULL;
        }
    }
    return coverage;
}

void snapshot_coverage_add(struct snapshot_coverage *coverage, unsigned table, uint64_t first_group,
                           size_t group_count, uint64_t stamp) {
    struct table_coverage *of = &coverage->tables[table];
    CHECK(first_group <= of->file_groups && group_count <= of->file_groups - first_group);
    for (size_t i = 0; i < group_count; i++) {
        of->file_stamps[first_group + i] = stamp;
    }
    coverage->lowest = stamp < coverage->lowest ? stamp : coverage->lowest;
}

/* The smallest hash that belongs to `group` of `groups` (state_group_of() is monotonous). */
static uint64_t first_hash(size_t group, size_t groups) {
    return (uint64_t)((((__uint128_t)group << 64) + groups - 1) / groups);
}

/* A group of another capacity got its entries from one or more groups of the file. It holds for
 * certain what the least recent of them holds: of the rest a few effects are applied twice, where
 * two chunks meet in one group, rather than one not at all. */
static void convert(struct table_coverage *table) {
    const struct state_table file = {.group_count = table->file_groups};
    if (table->file_groups == 0) {
        return;
    }
    for (size_t group = 0; group < table->groups; group++) {
        const uint64_t low = first_hash(group, table->groups);
        const uint64_t high =
            group + 1 < table->groups ? first_hash(group + 1, table->groups) - 1 : UINT64_MAX;
        const size_t last = state_group_of(&file, (struct hash128){.high = high});
        size_t from = state_group_of(&file, (struct hash128){.high = low});
        uint64_t stamp = table->file_stamps[from];
        while (++from <= last) {
            stamp = table->file_stamps[from] < stamp ? table->file_stamps[from] : stamp;
        }
        table->stamps[group] = stamp;
    }
}

void snapshot_coverage_finish(struct snapshot_coverage *coverage, bool whole) {
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        if (coverage->tables[i].stamps != coverage->tables[i].file_stamps) {
            convert(&coverage->tables[i]);
        }
    }
    if (!whole || coverage->lowest == UINT64_MAX) {
        coverage->lowest = 0;
    }
}

uint64_t snapshot_coverage_lowest(const struct snapshot_coverage *coverage) {
    return coverage == NULL ? 0 : coverage->lowest;
}

static bool wanted(void *context, enum state_table_id table, size_t group, uint64_t sequence) {
    const struct snapshot_coverage *coverage = context;
    const struct table_coverage *of = &coverage->tables[table];
    CHECK(group < of->groups);
    return sequence > of->stamps[group];
}

static bool all_wanted(void *context, enum state_table_id table, size_t group, uint64_t sequence) {
    (void)context;
    (void)table;
    (void)group;
    (void)sequence;
    return true;
}

struct record_filter snapshot_coverage_filter(struct snapshot_coverage *coverage) {
    return (struct record_filter){
        .context = coverage,
        .wanted = coverage == NULL ? all_wanted : wanted,
    };
}
