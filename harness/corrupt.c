/* Damage behind the engine's back. A program runs and closes its store cleanly; then one
 * bit of one file is flipped, or one file is cut short, every bit and every length in
 * turn, and each time the store is verified, opened, and repaired.
 *
 * What is allowed after a flip. Exactly the right answer, or CORRUPT that names the file.
 * Nothing in between: the closing mark claims every change, so one that cannot be read is
 * missed. The right answer in spite of a flip is possible only where the bit belongs to
 * no change: in the zeros that fill up a block, in a mark while others (or nothing) need
 * it. A damaged table, cut ones too, may let open succeed: then each read, for itself, is
 * right, or CORRUPT and names file and offset; a scan is right up to there.
 *
 * What is allowed after a cut: the state after exactly the first k changes, or CORRUPT
 * (damage.h: damage_law).
 *
 * A repair must succeed on all of them, and save what it can (repairs.h). */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "damage.h"
#include "image.h"
#include "repairs.h"
#include "watch.h"

enum {
    LINES_BYTES = 8192,
    POSITIONS_OF_PROGRAM = 6000 /* beyond that every n-th only */
};

/* ---- verify and open ------------------------------------------------------------- */

struct lines {
    char text[LINES_BYTES];
    size_t length;
};

static void add_line(void *context, const char *line) {
    struct lines *lines = context;
    int count =
        snprintf(lines->text + lines->length, LINES_BYTES - lines->length, "%s\n", line);
    lines->length += (size_t)count;
    lines->length = lines->length < LINES_BYTES ? lines->length : LINES_BYTES - 1;
}

static bool verify_tells(const struct specimen *specimen, const struct damage *damage,
                         struct disk *image, enum status *answer) {
    struct run *run = specimen->run;
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct lines lines = {.length = 0};
    size_t blocks = counted_memory_blocks();
    uint64_t before = disk_fingerprint(image);
    *answer = kv_verify(RUN_DIRECTORY, &options, add_line, &lines, &error);
    if (*answer != STATUS_OK && *answer != STATUS_CORRUPT) {
        return run_fails(run, "verify: %s: %s", status_words(*answer), error.message);
    }
    if (*answer == STATUS_CORRUPT &&
        (!damage_is_named(specimen, damage, error.message) ||
         !damage_is_named(specimen, damage, lines.text) ||
         (damage->kind == DAMAGE_FLIP && strstr(lines.text, "offset") == NULL))) {
        return run_fails(run,
                         "verify does not name the file, or where: \"%s\", and "
                         "reports: %s",
                         error.message, lines.text);
    }
    if (disk_fingerprint(image) != before) {
        return run_fails(run, "verify has changed the files");
    }
    return image_left_nothing(run, image, blocks, "verify");
}

/* A read that fails must say where the damage is. */
static bool read_tells(const struct specimen *specimen, const struct damage *damage,
                       enum status status, const char *message) {
    return (status == STATUS_CORRUPT && damage_is_named(specimen, damage, message) &&
            strstr(message, "offset") != NULL) ||
           run_fails(specimen->run, "a read of what is damaged answers %s: \"%s\"",
                     status_words(status), message);
}

static struct model_at now(const struct model *model) {
    return (struct model_at){model->change_count, model_millis(model)};
}

/* Gets; *intact: none has failed. Notes in the damage which could be answered. */
static bool gets_are_right(const struct specimen *specimen, struct damage *damage,
                           struct kv *kv, bool *intact) {
    const struct model *model = &specimen->run->model;
    struct buf value = {0};
    bool holds = true;
    for (size_t i = 0; i < PROGRAM_KEYS && holds; i++) {
        struct error error = {0};
        const struct model_version *expected =
            model_get(model, program_key(i), now(model));
        enum status status = kv_get(kv, program_key(i), &value, NULL, &error);
        if (status == STATUS_OK &&
            model_is_over(buf_slice(&value), model_millis(model))) {
            status = STATUS_NOT_FOUND;
        }
        damage->readable[i] = status == STATUS_OK || status == STATUS_NOT_FOUND;
        if (!damage->readable[i]) {
            holds = read_tells(specimen, damage, status, error.message);
            *intact = false;
        } else if ((expected != NULL) != (status == STATUS_OK) ||
                   (expected != NULL &&
                    !slice_equal(expected->value, buf_slice(&value)))) {
            holds = run_fails(specimen->run, "a get of key %zu is wrong", i);
        }
    }
    buf_free(&value);
    return holds;
}

/* A scan in one direction. */
static bool scan_is_right(const struct specimen *specimen, const struct damage *damage,
                          struct kv *kv, bool forward, bool *intact) {
    const struct model *model = &specimen->run->model;
    struct error error = {0};
    struct iter *iter = NULL;
    struct slice at = {0};
    bool holds = true;
    const struct model_version *expected;
    enum status status = kv_iter(kv, &(struct kv_iter_options){0}, &iter, &error);
    if (status != STATUS_OK) {
        *intact = false;
        return read_tells(specimen, damage, status, error.message);
    }
    for (forward ? iter_first(iter) : iter_last(iter); iter->valid && holds;
         forward ? iter_next(iter) : iter_prev(iter)) {
        if (model_is_over(iter->value, model_millis(model))) {
            continue;
        }
        expected = forward ? model_next(model, at, !slice_present(at), now(model))
                           : model_previous(model, at, now(model));
        holds = expected != NULL && slice_equal(expected->key, iter->key) &&
                slice_equal(expected->value, iter->value);
        at = holds ? expected->key : at;
    }
    if (holds && iter->error.status != STATUS_OK) {
        holds = read_tells(specimen, damage, iter->error.status, iter->error.message);
        *intact = false;
    } else if (holds) {
        expected = forward ? model_next(model, at, !slice_present(at), now(model))
                           : model_previous(model, at, now(model));
        holds = expected == NULL;
    }
    iter_close(iter);
    return holds || specimen->run->failure[0] != '\0' ||
           run_fails(specimen->run, "a scan of what is damaged shows something wrong");
}

/* Nothing is behind an erasure, no table and no log: a manifest that has lost it may be
 * taken for that of a store that never held anything. That is right, but for the
 * sequences. */
static bool ends_erased(const struct model *model) {
    size_t all = model->change_count;
    return all > 0 && model_sequence(model, all) == model_sequence(model, all - 1);
}

/* Reads all. CORRUPT in *answer: some reads have failed, as they may. */
static bool reads_are_right(const struct specimen *specimen, struct damage *damage,
                            struct kv *kv, enum status *answer) {
    struct run *run = specimen->run;
    char words[600] = "";
    size_t changes;
    bool intact = true;
    if (!damage_is_of_table(specimen, damage) && !ends_erased(&run->model)) {
        /* Where it is not, all is read at open: CORRUPT from here means wrong. */
        return run_read_all(&run->model, kv, damage_law(specimen, damage), true, &changes,
                            words, sizeof words) == STATUS_OK ||
               run_fails(run, "it opens with a wrong answer: %s", words);
    }
    bool holds = gets_are_right(specimen, damage, kv, &intact) &&
                 scan_is_right(specimen, damage, kv, true, &intact) &&
                 scan_is_right(specimen, damage, kv, false, &intact);
    *answer = intact ? STATUS_OK : STATUS_CORRUPT;
    return holds;
}

/* Opens; a refusal must say why and change nothing, what opens must obey the law. */
static bool open_answers(const struct specimen *specimen, struct damage *damage,
                         struct disk *image, enum status *answer) {
    struct run *run = specimen->run;
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct kv *kv = NULL;
    size_t blocks = counted_memory_blocks();
    uint64_t before = disk_fingerprint(image);
    *answer = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    if (*answer == STATUS_OK) {
        if (!reads_are_right(specimen, damage, kv, answer)) {
            return false;
        }
        enum status status = kv_close(kv, &error);
        if (status != STATUS_OK) {
            return run_fails(run, "it opens, close: %s", error.message);
        }
    } else if (*answer != STATUS_CORRUPT ||
               !damage_is_named(specimen, damage, error.message)) {
        return run_fails(run, "open refuses without naming the damage: %s: \"%s\"",
                         status_words(*answer), error.message);
    } else if (disk_fingerprint(image) != before) {
        return run_fails(run, "an open that was refused has changed the files");
    }
    return image_left_nothing(run, image, blocks, "open");
}

/* ---- one damage ---- */

static bool judge(struct check_run *check, const struct specimen *specimen,
                  const struct damage *drawn) {
    struct run *run = specimen->run;
    struct damage noted = *drawn;
    struct damage *damage = &noted;
    struct disk *image = damage_image(specimen, damage);
    struct disk *second = image_copy(image);
    enum status verified = STATUS_OK, opened = STATUS_OK;
    bool holds = verify_tells(specimen, damage, image, &verified) &&
                 open_answers(specimen, damage, image, &opened);
    if (holds && opened == STATUS_CORRUPT && verified != STATUS_CORRUPT) {
        holds = run_fails(run, "open, or a read, finds damage that verify does not");
    }
    holds = holds && repair_holds(specimen, damage, second, "repair");
    check->cases++;
    if (!holds) {
        run_kill(run, image);
        run_kill(run, second);
    }
    disk_free(second);
    disk_free(image);
    return holds;
}

static bool corrupt_one(struct check_run *check, struct tape *tape) {
    struct specimen specimen;
    bool holds = specimen_make(&specimen, check, tape);
    if (holds && specimen.file_count > 0) {
        struct damage damage = damage_draw(&specimen, tape);
        holds = judge(check, &specimen, &damage);
        if (check->story != NULL) {
            damage_print(&specimen, &damage, check->story);
        }
    }
    if (check->story != NULL) {
        run_print(check->run, check->story);
    }
    return holds;
}

/* ---- the campaign ---------------------------------------------------------------- */

static void fail_with(struct check_run *check, const struct tape *program,
                      const struct damage *damage) {
    struct tape tape = {0};
    uint64_t *choices = calloc(program->made + DAMAGE_CHOICES, sizeof *choices);
    if (choices == NULL) {
        perror("corrupt");
        exit(EXIT_FAILURE);
    }
    memcpy(choices, program->choices, program->made * sizeof *choices);
    choices[program->made] = (uint64_t)damage->kind;
    choices[program->made + 1] = damage->file;
    choices[program->made + 2] = damage->position;
    tape_replay(&tape, choices, program->made + DAMAGE_CHOICES);
    if (check->check->one(check, &tape)) {
        tape_replay(&tape, choices, program->made + DAMAGE_CHOICES);
    }
    check_failed(check, &tape);
    tape_free(&tape);
    free(choices);
}

/* The damage under way, for the watch. */
struct damaging {
    const struct tape *program;
    struct damage damage;
};

static void write_damage(void *context, struct tape *out) {
    const struct damaging *damaging = context;
    tape_replay(out, NULL, 0);
    for (size_t i = 0; i < damaging->program->made; i++) {
        tape_note(out, damaging->program->choices[i]);
    }
    tape_note(out, (uint64_t)damaging->damage.kind);
    tape_note(out, damaging->damage.file);
    tape_note(out, damaging->damage.position);
}

static void every_damage(struct check_run *check, const struct specimen *specimen,
                         const struct tape *program) {
    uint64_t all = 0, done = 0;
    for (size_t f = 0; f < specimen->file_count; f++) {
        all += damage_positions(specimen, f, DAMAGE_FLIP) +
               damage_positions(specimen, f, DAMAGE_CUT);
    }
    uint64_t stride = check->complete ? 1 : 1 + all / POSITIONS_OF_PROGRAM;
    for (size_t f = 0; f < specimen->file_count; f++) {
        for (int kind = DAMAGE_FLIP; kind <= DAMAGE_CUT; kind++) {
            uint64_t count = damage_positions(specimen, f, (enum damage_kind)kind);
            for (uint64_t at = done % stride; at < count && !check->failed;
                 at += stride) {
                struct damage damage = {(enum damage_kind)kind, f, at, {false}};
                struct damaging damaging = {program, damage};
                watch_case(check->check, write_damage, &damaging);
                if (!judge(check, specimen, &damage)) {
                    fail_with(check, program, &damage);
                }
                done++;
            }
        }
    }
    watch_case(NULL, NULL, NULL);
}

static void corrupt_campaign(struct check_run *check) {
    struct tape tape = {0};
    while (check_goes_on(check)) {
        struct specimen specimen;
        tape_seed(&tape, check_tape_seed(check, check->programs));
        check->programs++;
        watch_case(check->check, watch_write_tape, &tape);
        if (!specimen_make(&specimen, check, &tape)) {
            check_failed(check, &tape);
        } else {
            every_damage(check, &specimen, &tape);
        }
    }
    tape_free(&tape);
}

const struct check corrupt_checks[] = {
    {"corrupt.closed", CHECK_CORRUPT, 1, 0, 40, 3,
     "every flipped bit and cut file of a closed store: right, or CORRUPT; repairable",
     corrupt_one, corrupt_campaign},
    {0}};
