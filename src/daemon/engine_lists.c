/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/engine_internal.h"

/* Lists in memory: a base of everything that was in config.db at some moment, and a delta of what
 * was changed since. One entry more costs a small delta; when that has grown, a thread builds the
 * next base from its own connection to config.db, and answers go on meanwhile. Imports are stored
 * part by part and come into memory with one base at their end. */

enum {
    REBUILD_AT = LIST_DELTA_MAX / 2,   /* changes in the delta */
    DELTA_LIMIT = 16 * LIST_DELTA_MAX, /* beyond it (large imports) the base is loaded anew */
    LARGE_BYTES_MIN = 4 << 20,
    SMALL_PAGE_BYTES = 4096, /* madvise() begins at one */
    CATCH_UP_TRIES = 4,      /* others may import too; then housekeeping goes on */
};
/* An import ends with a new base; when it takes longer, a part of it is in force after this. */
#define IMPORT_WAIT_NS (INT64_C(10) * NS_PER_S)

/* The index of a list of a million is read at random: large pages, where there are any. */
static void *allocate(void *context, size_t bytes) {
    (void)context;
    char *memory = calloc(1, bytes);
    if (memory != NULL && bytes >= LARGE_BYTES_MIN) {
        const size_t skipped = -(uintptr_t)memory % SMALL_PAGE_BYTES;
        (void)madvise(memory + skipped, bytes - skipped, MADV_HUGEPAGE);
    }
    return memory;
}

static void release(void *context, void *memory) {
    (void)context;
    free(memory);
}

const struct list_memory engine_heap = {.allocate = allocate, .release = release};

/* --- the base -----------------------------------------------------------------------------------
 */

struct loading {
    struct list_builder *builder;
    uint64_t counts[LISTS];
    bool failed;
};

static bool load_one(void *context, const struct config_list_entry *entry) {
    struct loading *loading = context;
    loading->counts[entry->item.list]++;
    loading->failed = !list_builder_add(loading->builder, &entry->item);
    return !loading->failed;
}

static int build_base(struct config_db *db, size_t expected, struct shared_base **ret_base,
                      uint64_t *ret_counts) {
    struct shared_base *base = calloc(1, sizeof *base);
    struct loading loading = {.builder = list_builder_new(&engine_heap, expected)};
    if (base == NULL || loading.builder == NULL) {
        free(base);
        return -ENOMEM;
    }
    const int error = config_db_each_entry(db, 0, true, load_one, &loading);
    base->references = 1;
    base->index = list_builder_finish(loading.builder);
    if (error != 0 || loading.failed || base->index == NULL) {
        if (base->index != NULL) {
            list_index_free(base->index);
        }
        free(base);
        return error != 0 ? error : -ENOMEM;
    }
    memcpy(ret_counts, loading.counts, sizeof loading.counts);
    *ret_base = base;
    return 0;
}

/* Of all lists together, with some to spare. */
static size_t expected_items(const struct engine *engine) {
    size_t count = LIST_DELTA_MAX;
    for (unsigned list = 0; list < LISTS; list++) {
        count += engine->list_counts[list];
    }
    return count;
}

/* --- the delta ----------------------------------------------------------------------------------
 */

bool lists_have_room(const struct engine *engine, size_t more) {
    return more <= DELTA_LIMIT && engine->changes.count <= DELTA_LIMIT - more;
}

int lists_note(struct engine *engine, const struct list_item *item) {
    struct list_changes *changes = &engine->changes;
    if (changes->count == changes->size) {
        const size_t size = changes->size > 0 ? 2 * changes->size : 64;
        struct list_change *items = realloc(changes->items, size * sizeof *items);
        if (items == NULL) {
            return -ENOMEM;
        }
        changes->items = items;
        changes->size = size;
    }
    changes->items[changes->count++] = (struct list_change){.item = *item, .mark = ++changes->mark};
    return 0;
}

static void forget_changes(struct list_changes *changes, uint64_t until_mark) {
    size_t kept = 0;
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->items[i].mark > until_mark) {
            changes->items[kept++] = changes->items[i];
        }
    }
    changes->count = kept;
}

static int build_delta(const struct list_changes *changes, struct list_index **ret_delta) {
    *ret_delta = NULL;
    if (changes->count == 0) {
        return 0;
    }
    struct list_builder *builder = list_builder_new(&engine_heap, changes->count);
    if (builder == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < changes->count; i++) {
        (void)list_builder_add(builder, &changes->items[i].item); /* finish() tells of a failure */
    }
    *ret_delta = list_builder_finish(builder);
    return *ret_delta != NULL ? 0 : -ENOMEM;
}

/* --- publishing ---------------------------------------------------------------------------------
 */

static int publish(struct engine *engine, struct generation_parts parts, uint64_t version) {
    const int error = build_delta(&engine->changes, &parts.delta);
    if (error == 0) {
        generation_publish(engine, &parts, version);
    }
    return error;
}

int lists_publish(struct engine *engine, struct shared_settings *settings,
                  struct shared_rules *rules, uint64_t version) {
    return publish(engine, (struct generation_parts){.settings = settings, .rules = rules},
                   version);
}

static void free_base(struct shared_base *base) {
    list_index_free(base->index);
    free(base);
}

int lists_load(struct engine *engine, struct shared_settings *settings, struct shared_rules *rules,
               uint64_t version) {
    struct shared_base *base;
    const int error =
        build_base(engine->config_db, expected_items(engine), &base, engine->list_counts);
    if (error != 0) {
        return error;
    }
    forget_changes(&engine->changes, engine->changes.mark);
    engine->imports.in_base = engine->imports.stored;
    engine->imports.bases++;
    return publish(engine,
                   (struct generation_parts){.settings = settings, .base = base, .rules = rules},
                   version);
}

/* --- in the background --------------------------------------------------------------------------
 */

/* The base may hold later changes than `mark` too; those stay in the delta, which says the same,
 * or what was said before an import that is to follow. */
static int publish_rebuilt(struct engine *engine, struct shared_base *base, uint64_t mark,
                           uint64_t stored) {
    struct list_imports *imports = &engine->imports;
    const bool all = stored == imports->stored;
    forget_changes(&engine->changes, mark);
    const int error = publish(engine, (struct generation_parts){.base = base},
                              all ? config_db_version(engine->config_db)
                                  : generation_current(engine)->generation.version);
    if (error != 0) {
        free_base(base);
        lists_note_import(engine); /* Of what was forgotten the next base has to tell. */
        return error;
    }
    imports->in_base = stored;
    imports->bases++;
    imports->due_boot_ns = clock_boot_ns() + IMPORT_WAIT_NS;
    return 0;
}

static int rebuild(struct engine *engine) {
    (void)pthread_mutex_lock(&engine->config_lock);
    const uint64_t mark = engine->changes.mark;
    const struct list_imports imports = engine->imports;
    const size_t expected = expected_items(engine);
    (void)pthread_mutex_unlock(&engine->config_lock);

    char bytes[256];
    struct text problem = TEXT_OVER(bytes);
    struct config_db *db;
    int error = config_db_open(engine->config_db_path, &db, &problem);
    if (error != 0) {
        return error;
    }
    struct shared_base *base;
    uint64_t counts[LISTS];
    error = build_base(db, expected, &base, counts);
    config_db_close(db);
    if (error != 0) {
        return error;
    }
    (void)pthread_mutex_lock(&engine->config_lock);
    if (engine->imports.bases != imports.bases) {
        free_base(base); /* Another was made meanwhile, perhaps of more than this one. */
    } else {
        error = publish_rebuilt(engine, base, mark, imports.stored);
    }
    (void)pthread_mutex_unlock(&engine->config_lock);
    return error;
}

void lists_note_import(struct engine *engine) {
    struct list_imports *imports = &engine->imports;
    if (imports->stored++ == imports->in_base) {
        imports->due_boot_ns = clock_boot_ns() + IMPORT_WAIT_NS;
    }
}

static bool imports_wait(struct engine *engine, uint64_t until) {
    (void)pthread_mutex_lock(&engine->config_lock);
    const bool wait = engine->imports.in_base < until;
    (void)pthread_mutex_unlock(&engine->config_lock);
    return wait;
}

int lists_catch_up(struct engine *engine) {
    (void)pthread_mutex_lock(&engine->config_lock);
    const uint64_t until = engine->imports.stored;
    (void)pthread_mutex_unlock(&engine->config_lock);
    int error = 0;
    for (int i = 0; i < CATCH_UP_TRIES && error == 0 && imports_wait(engine, until); i++) {
        error = rebuild(engine);
    }
    return error;
}

static void *run_rebuild(void *context) {
    struct engine *engine = context;
    (void)pthread_setname_np(pthread_self(), "lists");
    (void)setpriority(PRIO_PROCESS, 0, 10); /* Linux: of this thread. */
    const int error = rebuild(engine);
    if (error != 0) {
        log_write(LOG_ERROR, "Lists", "Cannot rebuild the lists in memory: %s; trying again",
                  strerror(-error));
    }
    atomic_store(&engine->rebuild_done, true);
    return NULL;
}

void lists_join_rebuilder(struct engine *engine) {
    if (engine->rebuilding) {
        (void)pthread_join(engine->rebuilder, NULL);
        engine->rebuilding = false;
    }
}

void lists_maintain(struct engine *engine) {
    if (engine->rebuilding) {
        if (!atomic_load(&engine->rebuild_done)) {
            return;
        }
        lists_join_rebuilder(engine);
    }
    (void)pthread_mutex_lock(&engine->config_lock);
    const struct list_imports *imports = &engine->imports;
    const bool import_due =
        imports->in_base < imports->stored && clock_boot_ns() >= imports->due_boot_ns;
    const bool due = (engine->changes.count > REBUILD_AT || import_due) && !engine->changes_closed;
    (void)pthread_mutex_unlock(&engine->config_lock);
    if (due) {
        atomic_store(&engine->rebuild_done, false);
        engine->rebuilding = pthread_create(&engine->rebuilder, NULL, run_rebuild, engine) == 0;
    }
}
