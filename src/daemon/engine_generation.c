/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "daemon/engine_internal.h"

/* Who holds a generation: workers by a pin (one slot each, no lock, no shared write), other threads
 * by a reference under generation_lock. One that is not current and that nobody holds is freed. */

struct generation_node *generation_current(struct engine *engine) {
    return atomic_load_explicit(&engine->current, memory_order_acquire);
}

const struct generation *engine_pin(struct engine *engine, unsigned worker) {
    _Atomic(struct generation_node *) *slot = &engine->pins[worker].node;
    struct generation_node *node = generation_current(engine);
    for (;;) {
        /* The store must be seen before `current` is looked at again: whoever retires a generation
         * changes `current` first and reads the slots after. */
        atomic_store_explicit(slot, node, memory_order_seq_cst);
        struct generation_node *now = atomic_load_explicit(&engine->current, memory_order_seq_cst);
        if (now == node) {
            return &node->generation;
        }
        node = now;
    }
}

void engine_unpin(struct engine *engine, unsigned worker) {
    atomic_store_explicit(&engine->pins[worker].node, NULL, memory_order_release);
}

const struct generation *engine_generation_acquire(struct engine *engine) {
    (void)pthread_mutex_lock(&engine->generation_lock);
    struct generation_node *node = generation_current(engine);
    node->references++;
    (void)pthread_mutex_unlock(&engine->generation_lock);
    return &node->generation;
}

void engine_generation_release(struct engine *engine, const struct generation *generation) {
    /* The node begins with what callers see. */
    struct generation_node *node = (struct generation_node *)(uintptr_t)generation;
    (void)pthread_mutex_lock(&engine->generation_lock);
    CHECK(node->references > 0);
    node->references--;
    (void)pthread_mutex_unlock(&engine->generation_lock);
}

/* --- shared parts; generation_lock held ---------------------------------------------------------
 */

struct shared_settings *shared_settings_new(struct settings *settings) {
    struct shared_settings *shared = calloc(1, sizeof *shared);
    if (shared != NULL) {
        shared->settings = settings;
        shared->references = 1;
    }
    return shared;
}

static void drop_settings(struct shared_settings *shared) {
    if (shared != NULL && --shared->references == 0) {
        settings_free(shared->settings);
        free(shared);
    }
}

static void drop_base(struct shared_base *base) {
    if (base != NULL && --base->references == 0) {
        list_index_free(base->index);
        free(base);
    }
}

static void drop_rules(struct shared_rules *shared) {
    if (shared != NULL && --shared->references == 0) {
        rules_free(shared->rules);
        free(shared);
    }
}

void shared_rules_release(struct engine *engine, struct shared_rules *shared) {
    (void)pthread_mutex_lock(&engine->generation_lock);
    drop_rules(shared);
    (void)pthread_mutex_unlock(&engine->generation_lock);
}

void shared_settings_release(struct engine *engine, struct shared_settings *shared) {
    (void)pthread_mutex_lock(&engine->generation_lock);
    drop_settings(shared);
    (void)pthread_mutex_unlock(&engine->generation_lock);
}

static void free_node(struct generation_node *node) {
    drop_settings(node->settings);
    drop_base(node->base);
    drop_rules(node->rules);
    list_index_free(node->delta);
    free(node);
}

static bool is_pinned(struct engine *engine, const struct generation_node *node) {
    for (unsigned i = 0; i < ENGINE_WORKERS_MAX; i++) {
        if (atomic_load_explicit(&engine->pins[i].node, memory_order_seq_cst) == node) {
            return true;
        }
    }
    return false;
}

void generation_collect(struct engine *engine) {
    (void)pthread_mutex_lock(&engine->generation_lock);
    struct generation_node **link = &engine->retired;
    while (*link != NULL) {
        struct generation_node *node = *link;
        if (node->references == 0 && !is_pinned(engine, node)) {
            *link = node->next;
            free_node(node);
        } else {
            link = &node->next;
        }
    }
    (void)pthread_mutex_unlock(&engine->generation_lock);
}

/* --- publishing ---------------------------------------------------------------------------------
 */

static void take_from_current(struct engine *engine, struct generation_node *node) {
    struct generation_node *current = generation_current(engine);
    if (current == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&engine->generation_lock);
    if (node->settings == NULL) {
        node->settings = current->settings;
        node->settings->references++;
    }
    if (node->base == NULL && current->base != NULL) {
        node->base = current->base;
        node->base->references++;
    }
    if (node->rules == NULL && current->rules != NULL) {
        node->rules = current->rules;
        node->rules->references++;
    }
    (void)pthread_mutex_unlock(&engine->generation_lock);
}

void generation_publish(struct engine *engine, const struct generation_parts *parts,
                        uint64_t version) {
    struct generation_node *node = calloc(1, sizeof *node);
    CHECK(node != NULL);
    node->settings = parts->settings;
    node->base = parts->base;
    node->rules = parts->rules;
    node->delta = parts->delta;
    take_from_current(engine, node);
    node->generation = (struct generation){
        .version = version,
        .settings = node->settings->settings,
        .lists = {.base = node->base != NULL ? node->base->index : NULL, .delta = node->delta},
        .rules = node->rules != NULL ? node->rules->rules : NULL,
    };
    struct generation_node *old =
        atomic_exchange_explicit(&engine->current, node, memory_order_seq_cst);
    if (old != NULL) {
        (void)pthread_mutex_lock(&engine->generation_lock);
        old->next = engine->retired;
        engine->retired = old;
        (void)pthread_mutex_unlock(&engine->generation_lock);
    }
    generation_collect(engine);
}

void generation_free_all(struct engine *engine) {
    generation_collect(engine);
    CHECK(engine->retired == NULL);
    struct generation_node *node = generation_current(engine);
    if (node != NULL) {
        free_node(node);
    }
}
