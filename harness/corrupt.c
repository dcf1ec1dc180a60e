/* Damage behind the engine's back. A program runs and closes its store cleanly; then one
 * bit of one file is flipped, or one log is cut short, every bit and every length in
 * turn, and each time the store is verified, opened, and repaired.
 *
 * What is allowed after a flip. Exactly the right answer, or CORRUPT that names the file.
 * Nothing in between: the closing mark claims every change, so one that cannot be read is
 * missed. The right answer in spite of a flip is possible only where the bit belongs to
 * no change: in the zeros that fill up a block, in a mark while others (or nothing) need
 * it.
 *
 * What is allowed after a cut. A log that ends early looks as after a crash that lost its
 * tail, and that is no damage as long as no mark that is left claims what is missing. So:
 * the state after exactly the first k changes, k at least what the marks claim that are
 * left in all logs; or CORRUPT.
 *
 * A repair must succeed on all of them. A key then shows the newest of its changes, of
 * which those may be missing that the damage can have hit; nothing that was not written.
 *
 * On the tape: the program, then
 *
 *     damage := flip or cut, which file, which bit or length, whether repairs crash
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "records.h"

enum {
    FILES_MAX = 16,
    RECORDS_MAX = 64,
    PATH_BYTES = 256,
    LINES_BYTES = 8192,
    LOG_BLOCK = 32768,
    DAMAGE_CHOICES = 4,
    POSITIONS_MAX = 1 << 24,
    POSITIONS_OF_PROGRAM = 6000, /* beyond that every n-th only */
    CRASHED_REPAIRS = 12         /* of a program, spread over its positions */
};

enum { FLIP, CUT };

struct specimen {
    struct run *run;
    size_t file_count;
    struct {
        char path[PATH_BYTES];
        size_t bytes;
        struct record records[RECORDS_MAX];
        size_t record_count;
    } files[FILES_MAX];
};

struct damage {
    int kind;
    size_t file;
    uint64_t position; /* the bit, or the new length in bytes */
    bool crashes;      /* repairs are crashed at every operation */
};

static void note_file(void *context, const char *path) {
    struct specimen *specimen = context;
    struct slice contents;
    if (!disk_read_file(specimen->run->disk, path, &contents) || contents.length == 0 ||
        specimen->file_count == FILES_MAX) {
        return;
    }
    size_t index = specimen->file_count++;
    snprintf(specimen->files[index].path, PATH_BYTES, "%s", path);
    specimen->files[index].bytes = contents.length;
    specimen->files[index].record_count =
        records_read(contents, specimen->files[index].records, RECORDS_MAX);
}

/* Runs the program to its clean end. */
static bool specimen_make(struct specimen *specimen, struct check_run *check,
                          struct program *program, struct tape *tape) {
    struct program_limits limits = {.steps = 6, .value_bytes = 60};
    if (tape_choose(tape, 4) == 3) {
        limits.value_bytes = 0; /* block edges: sampled, not exhausted */
    }
    program_draw(program, tape, stage.number, &limits);
    run_begin(check->run, program, NULL);
    bool holds = run_steps(check->run);
    holds = run_end(check->run) && holds;
    *specimen = (struct specimen){.run = check->run};
    disk_list_files(check->run->disk, note_file, specimen);
    return holds;
}

static uint64_t positions(const struct specimen *specimen, size_t file, int kind) {
    return specimen->files[file].bytes * (kind == FLIP ? 8u : 1u);
}

static struct damage damage_draw(const struct specimen *specimen, struct tape *tape) {
    struct damage damage = {0};
    tape_begin(tape);
    damage.kind = (int)tape_choose(tape, 2);
    damage.file = (size_t)tape_choose(tape, FILES_MAX) % specimen->file_count;
    damage.position =
        tape_choose(tape, POSITIONS_MAX) % positions(specimen, damage.file, damage.kind);
    damage.crashes = tape_choose(tape, 2) != 0;
    tape_end(tape);
    return damage;
}

static struct disk *damaged_image(const struct specimen *specimen,
                                  const struct damage *damage) {
    struct disk *image = image_copy(specimen->run->disk);
    const char *path = specimen->files[damage->file].path;
    struct slice contents;
    if (damage->kind == FLIP) {
        disk_flip_bit(image, path, damage->position);
    } else if (disk_read_file(specimen->run->disk, path, &contents)) {
        disk_put_file(image, path, slice_make(contents.data, (size_t)damage->position));
    }
    return image;
}

/* ---- what the damage can have hit ----------------------------------------------------
 */

/* Where damage begins for whoever reads the log in order: at the record that holds the
 * byte, or at the byte itself where it fills up a block. */
static uint64_t damage_begin(const struct specimen *specimen,
                             const struct damage *damage) {
    uint64_t byte = damage->position / 8;
    for (size_t i = 0; i < specimen->files[damage->file].record_count; i++) {
        const struct record *record = &specimen->files[damage->file].records[i];
        if (record->begin <= byte && byte < record->end) {
            return record->begin;
        }
    }
    return byte;
}

/* Whether the record cannot be expected to be read any more. A flip may have hit a
 * length, and with it all that follows in the same block. */
static bool hit(const struct specimen *specimen, const struct damage *damage, size_t file,
                const struct record *record) {
    if (file != damage->file) {
        return false;
    }
    if (damage->kind == CUT) {
        return record->end > damage->position;
    }
    uint64_t block_end = (damage->position / 8 / LOG_BLOCK + 1) * LOG_BLOCK;
    return record->end > damage_begin(specimen, damage) && record->begin < block_end;
}

/* The law for an open: see the top. */
static struct law law_of(const struct specimen *specimen, const struct damage *damage) {
    const struct model *model = &specimen->run->model;
    uint64_t claimed = 0;
    if (damage->kind == FLIP) {
        return (struct law){model->change_count, model->change_count};
    }
    for (size_t f = 0; f < specimen->file_count; f++) {
        for (size_t i = 0; i < specimen->files[f].record_count; i++) {
            const struct record *record = &specimen->files[f].records[i];
            if (record->mark && !hit(specimen, damage, f, record) &&
                record->sequence > claimed + 1) {
                claimed = record->sequence - 1;
            }
        }
    }
    return (struct law){model_changes_at(model, claimed), model->change_count};
}

/* Whether the change with this sequence may be lost: no log holds it unharmed. */
static bool may_be_lost(const struct specimen *specimen, const struct damage *damage,
                        uint64_t sequence) {
    for (size_t f = 0; f < specimen->file_count; f++) {
        for (size_t i = 0; i < specimen->files[f].record_count; i++) {
            const struct record *record = &specimen->files[f].records[i];
            if (!record->mark && record->sequence <= sequence &&
                sequence < record->sequence + record->count &&
                !hit(specimen, damage, f, record)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- verify and open -----------------------------------------------------------------
 */

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

/* Whether the words name the damaged file; a log that was cut may be missed by another.
 */
static bool names_file(const struct specimen *specimen, const struct damage *damage,
                       const char *words) {
    const char *path = specimen->files[damage->file].path;
    const char *slash = strrchr(path, '/');
    return strstr(words, slash != NULL ? slash + 1 : path) != NULL ||
           (damage->kind == CUT && strstr(words, RUN_DIRECTORY) != NULL);
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
    if (*answer == STATUS_CORRUPT && (!names_file(specimen, damage, error.message) ||
                                      !names_file(specimen, damage, lines.text) ||
                                      strstr(lines.text, "offset") == NULL)) {
        return run_fails(run,
                         "verify does not name the file and the offset: \"%s\", and "
                         "reports: %s",
                         error.message, lines.text);
    }
    if (disk_fingerprint(image) != before) {
        return run_fails(run, "verify has changed the files");
    }
    return image_left_nothing(run, image, blocks, "verify");
}

/* Opens; a refusal must say why and change nothing, what opens must obey the law. */
static bool open_answers(const struct specimen *specimen, const struct damage *damage,
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
        char words[600] = "";
        size_t changes;
        enum status status = run_read_all(&run->model, kv, law_of(specimen, damage), true,
                                          &changes, words, sizeof words);
        if (status != STATUS_OK && status != STATUS_CORRUPT) {
            return run_fails(run, "it opens, and then: %s", words);
        }
        /* run_read_all says CORRUPT also of what is merely wrong: no excuse, since the
         * scan store reads all of it when it opens. */
        if (status == STATUS_CORRUPT) {
            return run_fails(run, "it opens with a wrong answer: %s", words);
        }
        status = kv_close(kv, &error);
        if (status != STATUS_OK) {
            return run_fails(run, "it opens, close: %s", error.message);
        }
    } else if (*answer != STATUS_CORRUPT ||
               !names_file(specimen, damage, error.message)) {
        return run_fails(run, "open refuses without naming the damage: %s: \"%s\"",
                         status_words(*answer), error.message);
    } else if (disk_fingerprint(image) != before) {
        return run_fails(run, "an open that was refused has changed the files");
    }
    return image_left_nothing(run, image, blocks, "open");
}

/* ---- repair --------------------------------------------------------------------------
 */

/* What a get after a repair may answer for the key; see the top. */
static bool key_is_saved(const struct specimen *specimen, const struct damage *damage,
                         struct slice key, bool found, struct slice value) {
    const struct model *model = &specimen->run->model;
    for (size_t i = 0; i < model->version_count; i++) {
        const struct model_version *version = &model->versions[i];
        if (!slice_equal(version->key, key)) {
            continue;
        }
        bool same = version->type == KV_PUT ? found && slice_equal(value, version->value)
                                            : !found;
        if (same) {
            return true;
        }
        if (!may_be_lost(specimen, damage, version->sequence)) {
            return false;
        }
    }
    return !found;
}

static bool all_is_saved(const struct specimen *specimen, const struct damage *damage,
                         struct kv *kv) {
    struct run *run = specimen->run;
    struct error error = {0};
    struct buf value = {0};
    struct iter *iter = NULL;
    bool holds = true;
    for (size_t i = 0; i < PROGRAM_KEYS && holds; i++) {
        struct slice key = program_key(i);
        enum status status = kv_get(kv, key, &value, NULL, &error);
        if ((status != STATUS_OK && status != STATUS_NOT_FOUND) ||
            !key_is_saved(specimen, damage, key, status == STATUS_OK,
                          buf_slice(&value))) {
            holds = run_fails(run, "get \"%.*s\" after the repair: %s, %zu bytes",
                              (int)key.length, (const char *)key.data,
                              status_words(status), value.length);
        }
    }
    if (holds && kv_iter(kv, &(struct kv_iter_options){0}, &iter, &error) != STATUS_OK) {
        holds = run_fails(run, "scan after the repair: %s", error.message);
    }
    for (holds ? iter_first(iter) : (void)0; holds && iter->valid; iter_next(iter)) {
        if (!key_is_saved(specimen, damage, iter->key, true, iter->value)) {
            holds =
                run_fails(run, "a scan after the repair shows what was never written");
        }
    }
    if (holds && iter->error.status != STATUS_OK) {
        holds = run_fails(run, "scan after the repair: %s", iter->error.message);
    }
    iter_close(iter);
    buf_free(&value);
    return holds;
}

/* Opens the repaired store, reads it, writes to it, and finds that again. */
static bool repaired_lives(const struct specimen *specimen, const struct damage *damage,
                           struct disk *image) {
    struct run *run = specimen->run;
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct kv *kv = NULL;
    enum status status = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    if (status != STATUS_OK) {
        return run_fails(run, "open after the repair: %s", error.message);
    }
    if (!all_is_saved(specimen, damage, kv)) {
        return false;
    }
    struct lines lines = {.length = 0};
    struct slice key = slice_of("after"), value = slice_of("the repair");
    struct buf found = {0};
    status = kv_put(kv, key, value, NULL, &error);
    enum status closed = kv_close(kv, &error);
    if (status != STATUS_OK || closed != STATUS_OK) {
        return run_fails(run, "put and close after the repair: %s", error.message);
    }
    status = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    if (status != STATUS_OK) {
        return run_fails(run, "second open after the repair: %s", error.message);
    }
    status = kv_get(kv, key, &found, NULL, &error);
    bool same = status == STATUS_OK && slice_equal(buf_slice(&found), value);
    buf_free(&found);
    closed = kv_close(kv, &error);
    if (!same || closed != STATUS_OK) {
        return run_fails(run, "what was put after the repair: %s", error.message);
    }
    status = kv_verify(RUN_DIRECTORY, &options, add_line, &lines, &error);
    return status == STATUS_OK || run_fails(run, "verify after the repair: %s: %s",
                                            status_words(status), error.message);
}

static bool repair(const struct specimen *specimen, struct disk *image,
                   const char *when) {
    struct run *run = specimen->run;
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct lines lines = {.length = 0};
    size_t blocks = counted_memory_blocks();
    enum status status = kv_repair(RUN_DIRECTORY, &options, add_line, &lines, &error);
    if (status != STATUS_OK) {
        return run_fails(run, "%s: %s: %s", when, status_words(status), error.message);
    }
    return image_left_nothing(run, image, blocks, when);
}

/* Opens what a repair that was cut off has left: it may refuse, in words. */
static bool unrepaired_is_fine(const struct specimen *specimen,
                               const struct damage *damage, struct disk *image) {
    struct run *run = specimen->run;
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct kv *kv = NULL;
    enum status status = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    if (status != STATUS_OK) {
        return error.message[0] != '\0' ||
               run_fails(run, "open after half a repair refuses without words");
    }
    bool holds = all_is_saved(specimen, damage, kv);
    status = kv_close(kv, &error);
    return holds && (status == STATUS_OK ||
                     run_fails(run, "close after half a repair: %s", error.message));
}

/* The repair that ran on the image from operation `begun` on, cut off before each of its
 * operations: what was pending then is kept, or lost. */
static bool repair_survives_crashes(const struct specimen *specimen,
                                    const struct damage *damage, struct disk *image,
                                    size_t begun) {
    bool holds = true;
    for (size_t at = begun; at <= disk_operations(image) && holds; at++) {
        for (int variant = 0; variant < 3 && holds; variant++) {
            struct crash crash = {.profile = variant == 2 ? DISK_EXT4 : DISK_POSIX,
                                  .operation = at};
            size_t pieces = disk_pending(image, crash.profile, at);
            crash.piece_count = pieces < CRASH_PIECES_MAX ? pieces : CRASH_PIECES_MAX;
            memset(crash.fates, variant == 0 ? FATE_KEPT : FATE_LOST, sizeof crash.fates);
            struct disk *found = disk_crash(image, &crash);
            struct disk *meanwhile = image_copy(found);
            holds = unrepaired_is_fine(specimen, damage, meanwhile) &&
                    repair(specimen, found, "repair after a repair that was cut off") &&
                    repaired_lives(specimen, damage, found);
            if (!holds) {
                run_fails(specimen->run, "(crash at operation %zu of the repair)",
                          at - begun);
                run_kill(specimen->run, found);
            }
            disk_free(meanwhile);
            disk_free(found);
        }
    }
    return holds;
}

/* ---- one damage ----------------------------------------------------------------------
 */

static void tell(const struct specimen *specimen, const struct damage *damage,
                 FILE *out) {
    const char *path = specimen->files[damage->file].path;
    if (damage->kind == FLIP) {
        fprintf(out, "flipped: bit %d of byte %llu of %s\n", (int)(damage->position % 8),
                (unsigned long long)damage->position / 8, path);
    } else {
        fprintf(out, "cut: %s to %llu bytes\n", path,
                (unsigned long long)damage->position);
    }
    for (size_t f = 0; f < specimen->file_count; f++) {
        for (size_t i = 0; i < specimen->files[f].record_count; i++) {
            const struct record *record = &specimen->files[f].records[i];
            fprintf(out, "    %s [%zu, %zu) %s %llu%s\n", specimen->files[f].path,
                    record->begin, record->end, record->mark ? "mark" : "change",
                    (unsigned long long)record->sequence,
                    hit(specimen, damage, f, record) ? "  <- hit" : "");
        }
    }
}

static bool judge(struct check_run *check, const struct specimen *specimen,
                  const struct damage *damage) {
    struct run *run = specimen->run;
    struct disk *image = damaged_image(specimen, damage);
    struct disk *second = image_copy(image);
    enum status verified = STATUS_OK, opened = STATUS_OK;
    bool holds = verify_tells(specimen, damage, image, &verified) &&
                 open_answers(specimen, damage, image, &opened);
    if (holds && opened == STATUS_CORRUPT && verified != STATUS_CORRUPT) {
        holds = run_fails(run, "open finds damage that verify does not");
    }
    size_t begun = disk_operations(second);
    holds = holds && repair(specimen, second, "repair");
    if (holds && damage->crashes) {
        holds = repair_survives_crashes(specimen, damage, second, begun);
    }
    holds = holds && repaired_lives(specimen, damage, second);
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
    struct program program;
    bool holds = specimen_make(&specimen, check, &program, tape);
    if (holds && specimen.file_count > 0) {
        struct damage damage = damage_draw(&specimen, tape);
        holds = judge(check, &specimen, &damage);
        if (check->story != NULL) {
            tell(&specimen, &damage, check->story);
        }
    }
    if (check->story != NULL) {
        run_print(check->run, check->story);
    }
    return holds;
}

/* ---- the campaign --------------------------------------------------------------------
 */

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
    choices[program->made + 3] = damage->crashes;
    tape_replay(&tape, choices, program->made + DAMAGE_CHOICES);
    if (check->check->one(check, &tape)) {
        tape_replay(&tape, choices, program->made + DAMAGE_CHOICES);
    }
    check_failed(check, &tape);
    tape_free(&tape);
    free(choices);
}

static void every_damage(struct check_run *check, const struct specimen *specimen,
                         const struct tape *program) {
    uint64_t all = 0, done = 0;
    for (size_t f = 0; f < specimen->file_count; f++) {
        all += positions(specimen, f, FLIP) + positions(specimen, f, CUT);
    }
    uint64_t stride = check->complete ? 1 : 1 + all / POSITIONS_OF_PROGRAM;
    uint64_t until_crash = 0;
    for (size_t f = 0; f < specimen->file_count; f++) {
        for (int kind = FLIP; kind <= CUT; kind++) {
            uint64_t count = positions(specimen, f, kind);
            for (uint64_t at = done % stride; at < count && !check->failed;
                 at += stride) {
                struct damage damage = {kind, f, at, until_crash == 0};
                until_crash =
                    until_crash == 0 ? all / stride / CRASHED_REPAIRS : until_crash - 1;
                if (!judge(check, specimen, &damage)) {
                    fail_with(check, program, &damage);
                }
                done++;
            }
        }
    }
}

static void corrupt_campaign(struct check_run *check) {
    struct tape tape = {0};
    while (check_goes_on(check)) {
        struct specimen specimen;
        struct program program;
        tape_seed(&tape, check_tape_seed(check, check->programs));
        check->programs++;
        if (!specimen_make(&specimen, check, &program, &tape)) {
            check_failed(check, &tape);
        } else {
            every_damage(check, &specimen, &tape);
        }
    }
    tape_free(&tape);
}

const struct check corrupt_checks[] = {
    {"corrupt.closed", CHECK_CORRUPT, 1, 0, 40, 1,
     "every flipped bit and cut log of a closed store: right, or CORRUPT; repairable",
     corrupt_one, corrupt_campaign},
    {0}};
