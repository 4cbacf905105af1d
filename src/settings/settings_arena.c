/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings_arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { BLOCK_BYTES = 8192, ALIGNMENT = 16 };

struct settings_block {
    struct settings_block *next;
    size_t used;
    size_t size;
    size_t unused; /* keeps data aligned */
    unsigned char data[];
};

static struct settings_block *block_add(struct settings_arena *arena, size_t bytes) {
    const size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    CHECK(size <= SIZE_MAX - sizeof(struct settings_block));
    struct settings_block *block = calloc(1, sizeof *block + size);
    CHECK(block != NULL);
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *settings_arena_allocate(struct settings_arena *arena, size_t bytes) {
    CHECK(bytes <= SIZE_MAX / 2);
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct settings_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < rounded) {
        block = block_add(arena, rounded);
    }
    void *memory = block->data + block->used;
    block->used += rounded;
    return memory;
}

struct str settings_arena_copy(struct settings_arena *arena, struct str text) {
    char *copy = settings_arena_allocate(arena, text.length + 1);
    if (text.length > 0) {
        memcpy(copy, text.data, text.length);
    }
    return (struct str){copy, text.length};
}

void settings_arena_done(struct settings_arena *arena) {
    struct settings_block *block = arena->blocks;
    arena->blocks = NULL;
    while (block != NULL) {
        struct settings_block *next = block->next;
        free(block);
        block = next;
    }
}
