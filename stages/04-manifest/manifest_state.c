/* An edit is applied by merging: the tables that are there and those that it adds, both
 * ordered by number, go into a new array, without those that it removes. So an edit that
 * turns out not to fit has changed nothing, and its cost does not depend on the order in
 * which a snapshot lists a hundred thousand tables. What the edit does not touch is
 * copied in runs. */
#include "manifest_state.h"

#include <stdlib.h>
#include <string.h>

#include "internal_key.h"
#include "memory.h"

static void table_free(struct manifest_table *table) {
    if (table != NULL) {
        table_meta_free(&table->meta);
        memory_give(table);
    }
}

void manifest_state_free(struct manifest_state *state) {
    for (size_t i = 0; i < state->table_count; i++) {
        table_free(state->tables[i]);
    }
    memory_give(state->tables);
    for (size_t i = 0; i < MANIFEST_LEVELS; i++) {
        buf_free(&state->pointers[i]);
    }
    *state = (struct manifest_state){0};
}

/* ---- apply ----------------------------------------------------------------------- */

/* An edit, made ready to be merged: ordered by number, tables and pointers copied. */
struct step {
    struct manifest_table **added;
    size_t added_count;
    struct manifest_removed *removed;
    size_t removed_count;
    struct manifest_table **gone; /* the state's tables that they name */
    struct buf pointers[MANIFEST_LEVELS];
    struct manifest_table **merged;
    size_t merged_count;
};

/* `taken`: the added tables have gone into the state. */
static void step_free(struct step *step, bool taken) {
    for (size_t i = 0; i < step->added_count && !taken; i++) {
        table_free(step->added[i]);
    }
    for (size_t i = 0; i < MANIFEST_LEVELS; i++) {
        buf_free(&step->pointers[i]);
    }
    memory_give(step->added);
    memory_give(step->removed);
    memory_give(step->gone);
    memory_give(step->merged);
}

static struct manifest_table *table_new(const struct manifest_added *added) {
    struct manifest_table *table = memory_take_zeroed(sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    table->level = added->level;
    table->meta.number = added->number;
    table->meta.bytes = added->bytes;
    if (buf_assign(&table->meta.smallest, added->smallest) != STATUS_OK ||
        buf_assign(&table->meta.largest, added->largest) != STATUS_OK) {
        table_free(table);
        return NULL;
    }
    return table;
}

static int compare_numbers(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

static int compare_tables(const void *a, const void *b) {
    const struct manifest_table *const *left = a;
    const struct manifest_table *const *right = b;
    return compare_numbers((*left)->meta.number, (*right)->meta.number);
}

static int compare_removed(const void *a, const void *b) {
    const struct manifest_removed *left = a;
    const struct manifest_removed *right = b;
    return compare_numbers(left->number, right->number);
}

static enum status step_make(struct step *step, const struct manifest_state *state,
                             const struct manifest_edit *edit) {
    step->added = memory_take(edit->added_count * sizeof *step->added);
    step->removed = memory_take(edit->removed_count * sizeof *step->removed);
    step->gone = memory_take(edit->removed_count * sizeof *step->gone);
    step->merged =
        memory_take((state->table_count + edit->added_count) * sizeof *step->merged);
    if (step->added == NULL || step->removed == NULL || step->gone == NULL ||
        step->merged == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (; step->added_count < edit->added_count; step->added_count++) {
        struct manifest_table *table = table_new(&edit->added[step->added_count]);
        if (table == NULL) {
            return STATUS_NO_MEMORY;
        }
        step->added[step->added_count] = table;
    }
    for (; step->removed_count < edit->removed_count; step->removed_count++) {
        step->removed[step->removed_count] = edit->removed[step->removed_count];
    }
    for (size_t i = 0; i < edit->pointer_count; i++) {
        const struct manifest_pointer *pointer = &edit->pointers[i];
        if (buf_assign(&step->pointers[pointer->level], pointer->key) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    qsort(step->added, step->added_count, sizeof(struct manifest_table *),
          compare_tables);
    qsort(step->removed, step->removed_count, sizeof *step->removed, compare_removed);
    return STATUS_OK;
}

/* The first table at or behind `from` whose number is not below this one. */
static size_t lower_bound(const struct manifest_state *state, size_t from,
                          uint64_t number) {
    size_t low = from;
    size_t high = state->table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (state->tables[middle]->meta.number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct manifest_state *state, size_t index, uint64_t number) {
    return index < state->table_count && state->tables[index]->meta.number == number;
}

static void merge_run(struct step *step, const struct manifest_state *state, size_t from,
                      size_t to) {
    if (to > from) {
        memcpy(step->merged + step->merged_count, state->tables + from,
               (to - from) * sizeof *step->merged);
        step->merged_count += to - from;
    }
}

/* Goes from one number that the edit names to the next; the tables between them stay. */
static enum status step_merge(struct step *step, const struct manifest_state *state,
                              const char **why) {
    size_t added = 0;
    size_t removed = 0;
    size_t from = 0;
    while (added < step->added_count || removed < step->removed_count) {
        bool adds = removed == step->removed_count ||
                    (added < step->added_count &&
                     step->added[added]->meta.number < step->removed[removed].number);
        uint64_t number =
            adds ? step->added[added]->meta.number : step->removed[removed].number;
        size_t to = lower_bound(state, from, number);
        merge_run(step, state, from, to);
        from = to;
        if (!adds) {
            if (!is_at(state, from, number) ||
                state->tables[from]->level != step->removed[removed].level) {
                *why = "it removes a table that is not there";
                return STATUS_CORRUPT;
            }
            step->gone[removed++] = state->tables[from++];
            continue;
        }
        bool twice = added > 0 && step->added[added - 1]->meta.number == number;
        if (twice || is_at(state, from, number)) {
            *why = "it adds a table that is there already";
            return STATUS_CORRUPT;
        }
        step->merged[step->merged_count++] = step->added[added++];
    }
    merge_run(step, state, from, state->table_count);
    return STATUS_OK;
}

static void take_numbers(struct manifest_state *state, const struct manifest_edit *edit) {
    if (edit->has_log_number) {
        state->log_number = edit->log_number;
    }
    state->foreign = edit->has_previous_log_number;
    if (edit->has_previous_log_number) {
        state->previous_log_number = edit->previous_log_number;
    }
    if (edit->has_next_number) {
        state->next_number = edit->next_number;
    }
    if (edit->has_last_sequence) {
        state->last_sequence = edit->last_sequence;
    }
}

/* Nothing can fail any more: the merged array becomes the state's. */
static void step_take(struct step *step, struct manifest_state *state,
                      const struct manifest_edit *edit) {
    for (size_t i = 0; i < step->removed_count; i++) {
        table_free(step->gone[i]);
    }
    memory_give(state->tables);
    state->tables = step->merged;
    state->table_count = step->merged_count;
    step->merged = NULL;
    for (size_t i = 0; i < MANIFEST_LEVELS; i++) {
        if (step->pointers[i].length > 0) {
            struct buf old = state->pointers[i];
            state->pointers[i] = step->pointers[i];
            step->pointers[i] = old;
        }
    }
    take_numbers(state, edit);
}

bool manifest_state_precedes(const struct manifest_state *state,
                             const struct manifest_edit *edit) {
    return (!edit->has_log_number || edit->log_number >= state->log_number) &&
           (!edit->has_next_number || edit->next_number >= state->next_number) &&
           (!edit->has_last_sequence || edit->last_sequence >= state->last_sequence);
}

enum status manifest_state_apply(struct manifest_state *state,
                                 const struct manifest_edit *edit, const char **why) {
    if (!manifest_state_precedes(state, edit)) {
        *why = "its numbers go back";
        return STATUS_CORRUPT;
    }
    struct step step = {0};
    enum status status = step_make(&step, state, edit);
    if (status == STATUS_OK) {
        status = step_merge(&step, state, why);
    }
    if (status == STATUS_OK) {
        step_take(&step, state, edit);
    }
    step_free(&step, status == STATUS_OK);
    return status;
}

/* ---- the whole ------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b) {
    const struct manifest_table *left = *(const struct manifest_table *const *)a;
    const struct manifest_table *right = *(const struct manifest_table *const *)b;
    return left->level != right->level
               ? compare_numbers(left->level, right->level)
               : internal_key_compare(buf_slice(&left->meta.smallest),
                                      buf_slice(&right->meta.smallest));
}

/* Levels compare internal keys, not user keys: LevelDB may let the versions of one key
 * end a table and begin the next. */
static enum status check_levels(const struct manifest_state *state, const char **why) {
    size_t bytes = state->table_count * sizeof(struct manifest_table *);
    struct manifest_table **tables = memory_take(bytes);
    if (tables == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < state->table_count; i++) {
        tables[i] = state->tables[i];
    }
    qsort(tables, state->table_count, sizeof(struct manifest_table *), compare_places);
    enum status status = STATUS_OK;
    for (size_t i = 1; i < state->table_count; i++) {
        const struct manifest_table *before = tables[i - 1];
        const struct manifest_table *table = tables[i];
        if (table->level > 0 && before->level == table->level &&
            internal_key_compare(buf_slice(&before->meta.largest),
                                 buf_slice(&table->meta.smallest)) >= 0) {
            *why = "two tables of a level above 0 overlap";
            status = STATUS_CORRUPT;
        }
    }
    memory_give(tables);
    return status;
}

enum status manifest_state_check(const struct manifest_state *state, const char **why) {
    uint64_t highest = state->log_number > state->previous_log_number
                           ? state->log_number
                           : state->previous_log_number;
    if (state->table_count > 0) {
        const struct manifest_table *last = state->tables[state->table_count - 1];
        highest = last->meta.number > highest ? last->meta.number : highest;
    }
    /* A number that is given out again would let a new file take a live one's name. */
    if (highest >= state->next_number) {
        *why = "a table or log has a number that is still to be given out";
        return STATUS_CORRUPT;
    }
    return check_levels(state, why);
}

enum status manifest_state_snapshot(const struct manifest_state *state,
                                    struct manifest_edit *edit) {
    struct manifest_edit snapshot = {
        .comparator = slice_of(MANIFEST_COMPARATOR),
        .has_log_number = true,
        .has_next_number = true,
        .has_last_sequence = true,
        .has_previous_log_number = state->foreign,
        .log_number = state->log_number,
        .previous_log_number = state->previous_log_number,
        .next_number = state->next_number,
        .last_sequence = state->last_sequence,
    };
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < MANIFEST_LEVELS && status == STATUS_OK; i++) {
        if (state->pointers[i].length > 0) {
            struct manifest_pointer pointer = {i, buf_slice(&state->pointers[i])};
            status = manifest_edit_point(&snapshot, pointer);
        }
    }
    for (size_t i = 0; i < state->table_count && status == STATUS_OK; i++) {
        const struct manifest_table *table = state->tables[i];
        struct manifest_added added = {
            table->level, table->meta.number, table->meta.bytes,
            buf_slice(&table->meta.smallest), buf_slice(&table->meta.largest)};
        status = manifest_edit_add(&snapshot, added);
    }
    if (status == STATUS_OK) {
        *edit = snapshot;
    } else {
        manifest_edit_free(&snapshot);
    }
    return status;
}

size_t manifest_state_find(const struct manifest_state *state, uint64_t number) {
    size_t index = lower_bound(state, 0, number);
    return is_at(state, index, number) ? index : state->table_count;
}
