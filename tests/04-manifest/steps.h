/* What an engine does to its manifest, step by step: tables are written and named, an
 * edit is appended, what it removes is removed; now and then a new manifest is written
 * and CURRENT is pointed at it. Beside it a model, an array, of what must be read back.
 *
 * tidy: long because it is functions that every test of writing includes. */
#ifndef STRATA_TESTS_STEPS_H
#define STRATA_TESTS_STEPS_H

#include "../01-wal/simulation.h"

#include "current.h"
#include "directory.h"
#include "internal_key.h"
#include "manifest.h"

enum { NUMBERS = 300, STEPS_MAX = 24, LONG_KEY_BYTES = 15000 };

/* After step k the last sequence is 1000 + k: so a state tells which it is. */
enum { FIRST_SEQUENCE = 1000 };

struct model {
    bool there[NUMBERS];
    unsigned level[NUMBERS];
    uint64_t log_number, next_number;
};

struct steps {
    struct simulation sim;
    uint64_t seed;
    struct model models[STEPS_MAX + 1]; /* after each step */
    size_t done;                        /* steps whose edit was acknowledged */
    bool unknown;                       /* the next one's edit may be there */
    bool impatient;                     /* an edit that was refused is given up */
    bool stopped;
    struct manifest *manifest;
    uint64_t manifest_number;
    bool in_force;                         /* CURRENT names one */
    size_t acknowledged_at[STEPS_MAX + 1]; /* operation of the disk */
};

/* ---- tables ---------------------------------------------------------------------- */

/* No two tables overlap. Some have keys so long that an edit does not fit a block. */
static inline struct slice table_key(uint64_t number, bool largest) {
    static unsigned char keys[2][LONG_KEY_BYTES + 32];
    unsigned char *bytes = keys[largest];
    size_t length = number % 9 == 5 ? LONG_KEY_BYTES : 8;
    memset(bytes, largest ? 'z' : 'a', length);
    char digits[8];
    snprintf(digits, sizeof digits, "t%05" PRIu64, number);
    memcpy(bytes, digits, 6);
    encode_fixed64(bytes + length, tag_make(number, KV_PUT));
    return slice_make(bytes, length + TAG_BYTES);
}

/* The slices of an edit live until the next table_key: so each table has its copy. */
struct step {
    struct manifest_edit edit;
    struct buf keys[16];
    size_t key_count;
    uint64_t made[4]; /* tables */
    size_t made_count;
    uint64_t gone[4];
    size_t gone_count;
    uint64_t new_log, old_log; /* 0: none */
};

static inline struct slice keep_key(struct step *step, uint64_t number, bool largest) {
    struct buf *key = &step->keys[step->key_count++];
    assert_ok(buf_assign(key, table_key(number, largest)));
    return buf_slice(key);
}

static inline void step_free(struct step *step) {
    manifest_edit_free(&step->edit);
    for (size_t i = 0; i < step->key_count; i++) {
        buf_free(&step->keys[i]);
    }
}

static inline void step_add(struct step *step, struct model *model, unsigned level,
                            uint64_t number) {
    struct manifest_added added = {level, number, 1000 + number,
                                   keep_key(step, number, false),
                                   keep_key(step, number, true)};
    assert_ok(manifest_edit_add(&step->edit, added));
    model->there[number] = true;
    model->level[number] = level;
}

static inline void step_remove(struct step *step, struct model *model, uint64_t number) {
    struct manifest_removed removed = {model->level[number], number};
    assert_ok(manifest_edit_remove(&step->edit, removed));
    model->there[number] = false;
}

/* A live table at random; 0 if there is none. */
static inline uint64_t pick_table(const struct model *model, uint64_t *seed) {
    uint64_t start = random_below(seed, NUMBERS);
    for (uint64_t i = 0; i < NUMBERS; i++) {
        uint64_t number = (start + i) % NUMBERS;
        if (model->there[number]) {
            return number;
        }
    }
    return 0;
}

/* A flush, a compaction of up to three tables, or the move of one. */
static inline void draw_step(struct step *step, struct model *model, size_t index,
                             uint64_t *seed) {
    *step = (struct step){0};
    uint64_t kind = random_below(seed, 4);
    uint64_t picked = pick_table(model, seed);
    if (picked == 0 || kind < 2) {
        step->old_log = model->log_number;
        step->new_log = model->log_number = model->next_number++;
        step->edit.has_log_number = true;
        step->edit.log_number = step->new_log;
        step->made[step->made_count++] = model->next_number++;
        step_add(step, model, 0, step->made[0]);
    } else if (kind == 2) {
        unsigned level = 1 + (unsigned)random_below(seed, MANIFEST_LEVELS - 1);
        for (; picked != 0 && step->gone_count < 3; picked = pick_table(model, seed)) {
            step_remove(step, model, picked);
            step->gone[step->gone_count++] = picked;
        }
        for (uint64_t n = random_below(seed, 3); n > 0; n--) {
            step->made[step->made_count++] = model->next_number;
            step_add(step, model, level, model->next_number++);
        }
    } else {
        unsigned level = (model->level[picked] + 1) % MANIFEST_LEVELS;
        step_remove(step, model, picked);
        step_add(step, model, level, picked);
    }
    step->edit.has_next_number = step->edit.has_last_sequence = true;
    step->edit.next_number = model->next_number;
    step->edit.last_sequence = FIRST_SEQUENCE + index;
}

/* ---- the engine's order ---------------------------------------------------------- */

static inline enum status make_file(struct steps *steps, enum name_kind kind,
                                    uint64_t number) {
    struct file *file = NULL;
    enum status status =
        directory_file("db", &steps->sim.world, kind, number, FILE_CREATE, &file, NULL);
    if (status == STATUS_OK) {
        status = file_write(file, 0, "contents", 8, NULL);
    }
    if (status == STATUS_OK) {
        status = file_sync(file, NULL);
    }
    enum status closed = file_close(file, NULL);
    return status != STATUS_OK ? status : closed;
}

static inline enum status make_files(struct steps *steps, const struct step *step) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < step->made_count && status == STATUS_OK; i++) {
        status = make_file(steps, NAME_TABLE, step->made[i]);
    }
    if (status == STATUS_OK && step->new_log != 0) {
        status = make_file(steps, NAME_LOG, step->new_log);
    }
    return status == STATUS_OK ? directory_sync(steps->sim.world.files, "db", NULL)
                               : status;
}

static inline void remove_file(struct steps *steps, enum name_kind kind,
                               uint64_t number) {
    enum status status = directory_remove("db", &steps->sim.world, kind, number, NULL);
    (void)status; /* one that stays harms nobody */
}

static inline void stop(struct steps *steps, bool unknown) {
    steps->stopped = true;
    steps->unknown |= unknown;
}

/* One edit; one that an error left unwritten is tried again once, or given up. */
static inline enum status append(struct steps *steps, const struct manifest_edit *edit) {
    struct error first = {0};
    bool begun = true;
    enum status status = manifest_append(steps->manifest, edit, &begun, &first);
    if (status != STATUS_OK && !begun && !steps->impatient) {
        assert_true(first.message[0] != '\0');
        status = manifest_append(steps->manifest, edit, &begun, &first);
    }
    if (status != STATUS_OK) {
        struct error second = {0};
        stop(steps, begun);
        if (begun) {
            assert_int_equal(manifest_append(steps->manifest, edit, &begun, &second),
                             status);
            assert_false(begun);
            assert_message_has(second, "the manifest failed");
            assert_message_has(second, first.message);
        }
    }
    return status;
}

/* The step after those that are done. */
static inline void run_step(struct steps *steps) {
    struct step step;
    size_t index = steps->done + 1;
    struct model model = steps->models[steps->done];
    draw_step(&step, &model, index, &steps->seed);
    steps->models[index] = model;
    if (make_files(steps, &step) != STATUS_OK) {
        stop(steps, false);
    } else if (append(steps, &step.edit) == STATUS_OK) {
        steps->done = index;
        steps->acknowledged_at[index] = disk_operations(steps->sim.disk);
        for (size_t i = 0; i < step.gone_count; i++) {
            remove_file(steps, NAME_TABLE, step.gone[i]);
        }
        if (step.old_log != 0) {
            remove_file(steps, NAME_LOG, step.old_log);
        }
    }
    step_free(&step);
}

/* The model's state, to be written as a snapshot. */
static inline void model_state(const struct model *model, size_t index,
                               struct manifest_state *state) {
    const char *why = NULL;
    struct model copy = {0};
    *state = (struct manifest_state){.log_number = model->log_number,
                                     .next_number = model->next_number,
                                     .last_sequence = FIRST_SEQUENCE + index};
    for (uint64_t number = 0; number < NUMBERS; number++) {
        struct step step = {0};
        if (model->there[number]) {
            step_add(&step, &copy, model->level[number], number);
            assert_ok(manifest_state_apply(state, &step.edit, &why));
        }
        step_free(&step);
    }
}

/* A new manifest, in force; the old one goes. */
static inline void rotate(struct steps *steps) {
    struct model *model = &steps->models[steps->done];
    uint64_t number = model->next_number++;
    struct current current = {CURRENT_MANIFEST, number};
    struct manifest_state state;
    struct manifest *manifest = NULL;
    bool begun = false;
    model_state(model, steps->done, &state);
    enum status status =
        manifest_create("db", &steps->sim.world, number, &state, &manifest, NULL);
    manifest_state_free(&state);
    if (status != STATUS_OK) {
        steps->stopped |= !steps->in_force;
        return;
    }
    status = current_write("db", &steps->sim.world, &current, number, &begun, NULL);
    struct manifest *other = status == STATUS_OK ? steps->manifest : manifest;
    enum status closed = manifest_close(other, NULL);
    (void)closed; /* whatever it holds is written elsewhere */
    if (status == STATUS_OK) {
        if (steps->in_force) {
            remove_file(steps, NAME_MANIFEST, steps->manifest_number);
        }
        steps->manifest = manifest;
        steps->manifest_number = number;
        steps->in_force = true;
    } else if (begun) {
        stop(steps, false); /* either has the same state */
    } else {
        remove_file(steps, NAME_MANIFEST, number);
        steps->stopped |= !steps->in_force;
    }
}

static inline void steps_begin(struct steps *steps, uint64_t seed) {
    *steps = (struct steps){.seed = seed};
    simulation_begin(&steps->sim);
    assert_ok(directory_make(steps->sim.world.files, "db", NULL));
    assert_ok(directory_sync(steps->sim.world.files, ".", NULL));
    steps->models[0] = (struct model){.log_number = 1, .next_number = 2};
    disk_put_file(steps->sim.disk, "db/000001.log", slice_of("x"));
}

static inline void steps_run(struct steps *steps, size_t count) {
    rotate(steps);
    while (steps->done < count && !steps->stopped) {
        run_step(steps);
        if (!steps->stopped && random_below(&steps->seed, 5) == 0) {
            rotate(steps);
        }
    }
}

static inline void steps_end(struct steps *steps) {
    enum status closed = manifest_close(steps->manifest, NULL);
    (void)closed; /* some tests have it failed */
    simulation_end(&steps->sim);
}

/* ---- what is read back ----------------------------------------------------------- */

static inline void assert_model(const struct model *model,
                                const struct manifest_state *state) {
    size_t count = 0;
    for (uint64_t number = 0; number < NUMBERS; number++) {
        size_t index = manifest_state_find(state, number);
        assert_int_equal(index < state->table_count, model->there[number]);
        if (model->there[number]) {
            const struct manifest_table *table = state->tables[index];
            assert_int_equal(table->level, model->level[number]);
            assert_int_equal(table->meta.bytes, 1000 + number);
            assert_true(
                slice_equal(buf_slice(&table->meta.smallest), table_key(number, false)));
            assert_true(
                slice_equal(buf_slice(&table->meta.largest), table_key(number, true)));
            count++;
        }
    }
    assert_int_equal(count, state->table_count);
    assert_int_equal(state->log_number, model->log_number);
}

/* Every file that the state names is on the disk. */
static inline void assert_files(struct simulation *sim,
                                const struct manifest_state *state) {
    char name[NAME_BYTES], path[NAME_BYTES + 4];
    for (size_t i = 0; i <= state->table_count; i++) {
        bool log = i == state->table_count;
        name_print(name, log ? NAME_LOG : NAME_TABLE,
                   log ? state->log_number : state->tables[i]->meta.number);
        snprintf(path, sizeof path, "db/%s", name);
        assert_true(has_file(sim, path));
    }
}

/* Reads what CURRENT names. Answers how many steps it holds; SIZE_MAX if there is no
 * CURRENT. *state may be NULL. */
static inline size_t read_back(const struct steps *steps, struct simulation *sim,
                               struct manifest_state *out) {
    struct manifest_state state = {0};
    struct manifest_tail tail;
    struct current current;
    struct error error = {0};
    if (current_read("db", &sim->world, &current, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    if (current.kind == CURRENT_NONE) {
        return SIZE_MAX;
    }
    assert_int_equal(current.kind, CURRENT_MANIFEST);
    if (manifest_load("db", &sim->world, current.number, &state, &tail, &error) !=
        STATUS_OK) {
        fail_msg("%s", error.message);
    }
    size_t index = (size_t)state.last_sequence - FIRST_SEQUENCE;
    assert_true(index <= steps->done + 1 && index <= STEPS_MAX);
    assert_model(&steps->models[index], &state);
    assert_true(current.number < state.next_number);
    assert_files(sim, &state);
    if (out != NULL) {
        *out = state;
    } else {
        manifest_state_free(&state);
    }
    return index;
}

#endif
