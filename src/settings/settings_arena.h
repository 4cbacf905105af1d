/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/str.h"

/* Memory that lives and dies as a whole: all that one generation of settings points to. An empty
 * arena is all zero. Without memory the process stops (CHECK): this is not the answering path. */
struct settings_arena {
    struct settings_block *blocks;
};

/* Zeroed, 16-byte aligned, valid until settings_arena_done(). */
void *settings_arena_allocate(struct settings_arena *arena, size_t bytes);
/* A copy in the arena; a zero byte follows it. */
struct str settings_arena_copy(struct settings_arena *arena, struct str text);
/* Frees all and leaves an empty arena; the arena itself may lie in its own memory. */
void settings_arena_done(struct settings_arena *arena);
