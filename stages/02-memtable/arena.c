#include "arena.h"

#include <assert.h>

#include "memory.h"

struct arena_block {
    struct arena_block *older;
    size_t bytes; /* as charged */
    _Alignas(ARENA_ALIGNMENT) unsigned char space[];
};

/* The taker alone changes the counts, so a load and a store make an addition. */
static void count(struct atomic_u64 *counter, uint64_t bytes) {
    uint64_t now = atomic_u64_load(counter, memory_order_relaxed);
    atomic_u64_store(counter, now + bytes, memory_order_relaxed);
}

static struct arena_block *add_block(struct arena *arena, size_t bytes) {
    struct arena_block *block = memory_take(bytes);
    if (block != NULL) {
        block->older = arena->blocks;
        block->bytes = bytes;
        arena->blocks = block;
        count(&arena->charged, bytes);
    }
    return block;
}

/* Begins a block that pieces are cut off. */
static bool next_block(struct arena *arena) {
    size_t bytes = arena->block_bytes == 0                      ? ARENA_BLOCK_BYTES_MIN
                   : arena->block_bytes < ARENA_BLOCK_BYTES_MAX ? 2 * arena->block_bytes
                                                                : ARENA_BLOCK_BYTES_MAX;
    struct arena_block *block = add_block(arena, bytes);
    if (block == NULL) {
        return false;
    }
    arena->block_bytes = bytes;
    arena->at = block->space;
    arena->left = bytes - sizeof *block;
    return true;
}

static bool is_large(const struct arena *arena, size_t bytes) {
    size_t block = arena->block_bytes == 0 ? ARENA_BLOCK_BYTES_MIN : arena->block_bytes;
    return bytes > block / 4;
}

bool arena_take(struct arena *arena, size_t front_bytes, size_t back_bytes,
                struct arena_piece *piece) {
    assert(front_bytes % ARENA_ALIGNMENT == 0);
    size_t bytes = front_bytes + back_bytes;
    unsigned char *front;
    unsigned char *end;
    if (bytes > arena->left && is_large(arena, bytes)) {
        struct arena_block *block = add_block(arena, sizeof *block + bytes);
        if (block == NULL) {
            return false;
        }
        front = block->space;
        end = front + bytes;
    } else {
        if (bytes > arena->left && !next_block(arena)) {
            return false;
        }
        front = arena->at;
        end = front + arena->left;
        arena->at += front_bytes;
        arena->left -= bytes;
    }
    count(&arena->used, bytes);
    *piece = (struct arena_piece){front, end - back_bytes, front_bytes, back_bytes};
    return true;
}

void arena_give_back(struct arena *arena, const struct arena_piece *piece) {
    size_t bytes = piece->front_bytes + piece->back_bytes;
    count(&arena->used, -(uint64_t)bytes);
    if (arena->at != NULL && piece->front == arena->at - piece->front_bytes) {
        arena->at -= piece->front_bytes;
        arena->left += bytes;
        return;
    }
    struct arena_block *block = arena->blocks;
    assert(piece->front == block->space);
    arena->blocks = block->older;
    count(&arena->charged, -(uint64_t)block->bytes);
    memory_give(block);
}

void arena_free(struct arena *arena) {
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->older;
        memory_give(block);
    }
    *arena = (struct arena){0};
}
