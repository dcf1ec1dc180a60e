/* Random edits, good and bad, against an array: the state follows each good one, and a
 * bad one, or a lack of memory, changes nothing. */
#include "../01-wal/simulation.h"

#include "internal_key.h"
#include "manifest_state.h"

enum { NUMBERS = 30, RUNS = 300, EDITS = 30 };

struct model {
    bool there[NUMBERS];
    unsigned level[NUMBERS];
};

/* Table n holds the one key "\n" at sequence n + 1. */
static struct slice key_of(uint64_t number) {
    static unsigned char keys[NUMBERS][1 + TAG_BYTES];
    keys[number][0] = (unsigned char)number;
    encode_fixed64(keys[number] + 1, tag_make(number + 1, KV_PUT));
    return slice_make(keys[number], 1 + TAG_BYTES);
}

static bool draw_removal(struct manifest_edit *edit, struct model *model,
                         uint64_t *seed) {
    uint64_t number = random_below(seed, NUMBERS);
    bool any = random_below(seed, 12) == 0;
    for (uint64_t i = 0; i < NUMBERS && !model->there[number] && !any; i++) {
        number = (number + 1) % NUMBERS;
    }
    unsigned level = random_below(seed, 12) == 0
                         ? (unsigned)random_below(seed, MANIFEST_LEVELS)
                         : model->level[number];
    assert_ok(manifest_edit_remove(edit, (struct manifest_removed){level, number}));
    bool good = model->there[number] && model->level[number] == level;
    model->there[number] = false;
    return good;
}

static bool draw_addition(struct manifest_edit *edit, struct model *model,
                          uint64_t *seed) {
    uint64_t number = random_below(seed, NUMBERS);
    bool any = random_below(seed, 12) == 0;
    for (uint64_t i = 0; i < NUMBERS && model->there[number] && !any; i++) {
        number = (number + 1) % NUMBERS;
    }
    unsigned level = (unsigned)random_below(seed, MANIFEST_LEVELS);
    struct manifest_added added = {level, number, 7 * number, key_of(number),
                                   key_of(number)};
    assert_ok(manifest_edit_add(edit, added));
    bool good = !model->there[number];
    model->there[number] = true;
    model->level[number] = level;
    return good;
}

/* Makes *model what a good edit leads to; whether it is one. */
static bool draw_edit(struct manifest_edit *edit, struct model *model, uint64_t *seed) {
    bool good = true;
    for (uint64_t n = random_below(seed, 5); n > 0; n--) {
        good = draw_removal(edit, model, seed) && good;
    }
    for (uint64_t n = random_below(seed, 6); n > 0; n--) {
        good = draw_addition(edit, model, seed) && good;
    }
    return good;
}

static void assert_model(const struct model *model, const struct manifest_state *state) {
    size_t at = 0;
    for (uint64_t number = 0; number < NUMBERS; number++) {
        assert_int_equal(manifest_state_find(state, number),
                         model->there[number] ? at : state->table_count);
        if (model->there[number]) {
            const struct manifest_table *table = state->tables[at++];
            assert_int_equal(table->meta.number, number);
            assert_int_equal(table->level, model->level[number]);
            assert_int_equal(table->meta.bytes, 7 * number);
            assert_true(slice_equal(buf_slice(&table->meta.smallest), key_of(number)));
            assert_true(slice_equal(buf_slice(&table->meta.largest), key_of(number)));
        }
    }
    assert_int_equal(at, state->table_count);
}

/* The snapshot of a state makes the same state. */
static void assert_snapshot(const struct model *model,
                            const struct manifest_state *state) {
    struct manifest_edit snapshot = {0};
    struct manifest_state again = {0};
    const char *why = NULL;
    assert_ok(manifest_state_snapshot(state, &snapshot));
    assert_true(slice_equal(snapshot.comparator, slice_of(MANIFEST_COMPARATOR)));
    assert_ok(manifest_state_apply(&again, &snapshot, &why));
    assert_model(model, &again);
    assert_true(again.next_number == state->next_number);
    assert_true(
        slice_equal(buf_slice(&again.pointers[3]), buf_slice(&state->pointers[3])));
    manifest_edit_free(&snapshot);
    manifest_state_free(&again);
}

static void edits_against_an_array(void **unused) {
    (void)unused;
    uint64_t seed = test_seed();
    size_t blocks = counted_memory_blocks();
    size_t bad = 0, refused = 0;
    for (int run = 0; run < RUNS; run++) {
        struct manifest_state state = {.next_number = 1};
        struct model model = {0};
        for (uint64_t i = 0; i < EDITS; i++) {
            struct manifest_edit edit = {.has_next_number = true, .next_number = 1 + i};
            struct model next = model;
            const char *why = NULL;
            bool good = draw_edit(&edit, &next, &seed);
            struct manifest_pointer pointer = {3, key_of(i)};
            assert_ok(manifest_edit_point(&edit, pointer));
            counted_memory_fail(random_below(&seed, 20), false);
            enum status status = manifest_state_apply(&state, &edit, &why);
            bool failed = counted_memory_failed();
            counted_memory_fail(0, false);
            assert_int_equal(status, failed ? STATUS_NO_MEMORY
                                     : good ? STATUS_OK
                                            : STATUS_CORRUPT);
            assert_true((why != NULL) == (status == STATUS_CORRUPT));
            if (status == STATUS_OK) {
                model = next;
                assert_int_equal(state.next_number, 1 + i);
                assert_true(slice_equal(buf_slice(&state.pointers[3]), key_of(i)));
            }
            bad += status == STATUS_CORRUPT;
            refused += failed;
            assert_model(&model, &state);
            manifest_edit_free(&edit);
        }
        assert_snapshot(&model, &state);
        manifest_state_free(&state);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_true(bad > 1000 && refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(edits_against_an_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
