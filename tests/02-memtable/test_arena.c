/* Pieces are apart, aligned and whole; what is taken is counted and comes back. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "arena.h"
#include "counted_memory.h"

enum { PIECES = 3000 };

/* Sizes of a piece; fronts are a multiple of the alignment. */
static size_t front_of(size_t bytes) {
    return (bytes / 3 + ARENA_ALIGNMENT) & ~(size_t)(ARENA_ALIGNMENT - 1);
}

static struct arena_piece take(struct arena *arena, size_t front, size_t back) {
    struct arena_piece piece;
    assert_true(arena_take(arena, front, back, &piece));
    assert_int_equal((uintptr_t)piece.front % ARENA_ALIGNMENT, 0);
    assert_true(piece.front + front <= piece.back);
    assert_int_equal(piece.front_bytes, front);
    assert_int_equal(piece.back_bytes, back);
    return piece;
}

static void fill(const struct arena_piece *piece, int byte) {
    memset(piece->front, byte, piece->front_bytes);
    memset(piece->back, byte, piece->back_bytes);
}

static void assert_filled(const struct arena_piece *piece, int byte) {
    for (size_t i = 0; i < piece->front_bytes; i++) {
        assert_int_equal(piece->front[i], byte);
    }
    for (size_t i = 0; i < piece->back_bytes; i++) {
        assert_int_equal(piece->back[i], byte);
    }
}

/* Every piece keeps its pattern, whatever is written into the others. */
static void pieces_are_apart(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct arena_piece pieces[PIECES];
    struct arena arena = {0};
    size_t blocks = counted_memory_blocks();
    size_t before = counted_memory_bytes();
    uint64_t used = 0;
    for (size_t i = 0; i < PIECES; i++) {
        size_t bytes = 1 + random_below(&random, i % 50 == 0 ? 40000 : 300);
        pieces[i] = take(&arena, front_of(bytes), bytes % 4 == 0 ? 0 : bytes);
        fill(&pieces[i], (int)(i % 251));
        used += pieces[i].front_bytes + pieces[i].back_bytes;
    }
    for (size_t i = 0; i < PIECES; i++) {
        assert_filled(&pieces[i], (int)(i % 251));
    }
    assert_int_equal(arena_used(&arena), used);
    assert_int_equal(arena_charged(&arena), counted_memory_bytes() - before);
    assert_in_range(arena_charged(&arena), used, used + used / 3 + ARENA_BLOCK_BYTES_MAX);
    arena_free(&arena);
    assert_int_equal(counted_memory_blocks(), blocks);
    assert_int_equal(arena_charged(&arena), 0);
}

/* Fronts stand beside fronts, though each has a long back. */
static void fronts_are_together(void **state) {
    (void)state;
    struct arena arena = {0};
    struct arena_piece last = take(&arena, 24, 200);
    for (size_t i = 0; i < 17; i++) {
        struct arena_piece piece = take(&arena, 24, 200);
        assert_ptr_equal(piece.front, last.front + 24);
        last = piece;
    }
    assert_int_equal(arena_charged(&arena), ARENA_BLOCK_BYTES_MIN);
    arena_free(&arena);
}

static void small_arenas_are_small(void **state) {
    (void)state;
    struct arena arena = {0};
    assert_int_equal(arena_charged(&arena), 0);
    (void)take(&arena, 80, 20);
    assert_int_equal(arena_charged(&arena), ARENA_BLOCK_BYTES_MIN);
    arena_free(&arena);
}

/* Of every size: what is taken again is in the same place, or in a block of its own. */
static void the_latest_piece_can_go_back(void **state) {
    (void)state;
    struct arena arena = {0};
    (void)take(&arena, 96, 4);
    for (size_t bytes = 1; bytes < 100000; bytes = bytes * 3 + 1) {
        uint64_t used = arena_used(&arena);
        struct arena_piece kept = take(&arena, 16, 5);
        fill(&kept, 7);
        struct arena_piece piece = take(&arena, front_of(bytes), bytes);
        fill(&piece, 1);
        arena_give_back(&arena, &piece);
        assert_int_equal(arena_used(&arena), used + 21);
        struct arena_piece again = take(&arena, front_of(bytes), bytes);
        fill(&again, 2);
        assert_filled(&kept, 7);
        if (bytes < 700) {
            assert_ptr_equal(again.front, piece.front);
            assert_ptr_equal(again.back, piece.back);
        }
    }
    arena_free(&arena);
}

static void no_memory_changes_nothing(void **state) {
    (void)state;
    struct arena arena = {0};
    struct arena_piece piece;
    (void)take(&arena, 96, 4);
    uint64_t charged = arena_charged(&arena);
    for (size_t bytes = 5000; bytes < 50000; bytes += 20000) {
        counted_memory_fail(1, false);
        assert_false(arena_take(&arena, bytes, 0, &piece));
        assert_true(counted_memory_failed());
        counted_memory_fail(0, false);
        assert_int_equal(arena_used(&arena), 100);
        assert_int_equal(arena_charged(&arena), charged);
    }
    (void)take(&arena, 4000, 1000);
    arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_apart),
        cmocka_unit_test(fronts_are_together),
        cmocka_unit_test(small_arenas_are_small),
        cmocka_unit_test(the_latest_piece_can_go_back),
        cmocka_unit_test(no_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
