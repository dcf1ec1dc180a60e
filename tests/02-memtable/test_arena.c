/* Pieces are apart, aligned and whole; what is taken is counted and comes back. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "arena.h"
#include "counted_memory.h"

enum { PIECES = 3000 };

struct piece {
    unsigned char *at;
    size_t bytes;
};

/* Every piece keeps its pattern, whatever is written into the others. */
static void pieces_are_apart(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct piece pieces[PIECES];
    struct arena arena = {0};
    size_t blocks = counted_memory_blocks();
    size_t before = counted_memory_bytes();
    uint64_t used = 0;
    for (size_t i = 0; i < PIECES; i++) {
        size_t bytes = 1 + random_below(&random, i % 50 == 0 ? 40000 : 300);
        pieces[i] = (struct piece){arena_take(&arena, bytes), bytes};
        assert_non_null(pieces[i].at);
        assert_int_equal((uintptr_t)pieces[i].at % ARENA_ALIGNMENT, 0);
        memset(pieces[i].at, (int)(i % 251), arena_rounded(bytes));
        used += arena_rounded(bytes);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t j = 0; j < arena_rounded(pieces[i].bytes); j++) {
            assert_int_equal(pieces[i].at[j], i % 251);
        }
    }
    assert_int_equal(arena_used(&arena), used);
    assert_int_equal(arena_charged(&arena), counted_memory_bytes() - before);
    assert_in_range(arena_charged(&arena), used, used + used / 3 + ARENA_BLOCK_BYTES_MAX);
    arena_free(&arena);
    assert_int_equal(counted_memory_blocks(), blocks);
    assert_int_equal(arena_charged(&arena), 0);
}

static void small_arenas_are_small(void **state) {
    (void)state;
    struct arena arena = {0};
    assert_int_equal(arena_charged(&arena), 0);
    assert_non_null(arena_take(&arena, 100));
    assert_int_equal(arena_charged(&arena), ARENA_BLOCK_BYTES_MIN);
    arena_free(&arena);
}

/* Of every size: what is taken again is in the same place, or in a block of its own. */
static void the_latest_piece_can_go_back(void **state) {
    (void)state;
    struct arena arena = {0};
    assert_non_null(arena_take(&arena, 100));
    for (size_t bytes = 1; bytes < 100000; bytes = bytes * 3 + 1) {
        uint64_t used = arena_used(&arena);
        unsigned char *kept = arena_take(&arena, 16);
        memset(kept, 7, 16);
        void *piece = arena_take(&arena, bytes);
        memset(piece, 1, bytes);
        arena_give_back(&arena, piece, bytes);
        assert_int_equal(arena_used(&arena), used + 16);
        unsigned char *again = arena_take(&arena, bytes);
        memset(again, 2, bytes);
        for (size_t i = 0; i < 16; i++) {
            assert_int_equal(kept[i], 7);
        }
        if (bytes < 1000) {
            assert_ptr_equal(again, piece);
        }
    }
    arena_free(&arena);
}

static void no_memory_changes_nothing(void **state) {
    (void)state;
    struct arena arena = {0};
    assert_non_null(arena_take(&arena, 100));
    uint64_t charged = arena_charged(&arena);
    for (size_t bytes = 5000; bytes < 50000; bytes += 20000) {
        counted_memory_fail(1, false);
        assert_null(arena_take(&arena, bytes));
        assert_true(counted_memory_failed());
        counted_memory_fail(0, false);
        assert_int_equal(arena_used(&arena), arena_rounded(100));
        assert_int_equal(arena_charged(&arena), charged);
    }
    assert_non_null(arena_take(&arena, 5000));
    arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_apart),
        cmocka_unit_test(small_arenas_are_small),
        cmocka_unit_test(the_latest_piece_can_go_back),
        cmocka_unit_test(no_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
