#include "damage.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"

enum { LOG_BLOCK = 32768, POSITIONS_MAX = 1 << 24 };

static bool ends_with(const char *path, const char *suffix) {
    size_t length = strlen(path), bytes = strlen(suffix);
    return length >= bytes && strcmp(path + length - bytes, suffix) == 0;
}

static void note_file(void *context, const char *path) {
    struct specimen *specimen = context;
    struct slice contents;
    if (!disk_read_file(specimen->run->disk, path, &contents) || contents.length == 0 ||
        specimen->file_count == SPECIMEN_FILES_MAX) {
        return;
    }
    size_t index = specimen->file_count++;
    struct record *records = specimen->files[index].records;
    snprintf(specimen->files[index].path, SPECIMEN_PATH_BYTES, "%s", path);
    specimen->files[index].bytes = contents.length;
    if (ends_with(path, ".log")) {
        specimen->files[index].record_count =
            records_read(contents, records, SPECIMEN_RECORDS_MAX);
    } else if (ends_with(path, ".ldb")) {
        specimen->files[index].table = records_read_table(contents, records);
        specimen->files[index].record_count = specimen->files[index].table;
    }
}

bool specimen_make(struct specimen *specimen, struct check_run *check,
                   struct tape *tape) {
    struct program_limits limits = {.operations = OPERATIONS_ALL & ~OPERATION_BIT(COPY),
                                    .steps = 6,
                                    .value_bytes = 60};
    if (tape_choose(tape, 4) == 3) {
        limits.value_bytes = 0; /* block edges: sampled, not exhausted */
    }
    *specimen = (struct specimen){.run = check->run};
    program_draw(&specimen->program, tape, stage.number, &limits);
    run_begin(check->run, &specimen->program, NULL);
    bool holds = run_steps(check->run);
    holds = run_end(check->run) && holds;
    disk_list_files(check->run->disk, note_file, specimen);
    return holds;
}

uint64_t damage_positions(const struct specimen *specimen, size_t file,
                          enum damage_kind kind) {
    return specimen->files[file].bytes * (kind == DAMAGE_FLIP ? 8u : 1u);
}

struct damage damage_draw(const struct specimen *specimen, struct tape *tape) {
    struct damage damage = {0};
    tape_begin(tape);
    damage.kind = tape_choose(tape, 2) == 0 ? DAMAGE_FLIP : DAMAGE_CUT;
    damage.file = (size_t)tape_choose(tape, SPECIMEN_FILES_MAX) % specimen->file_count;
    damage.position = tape_choose(tape, POSITIONS_MAX) %
                      damage_positions(specimen, damage.file, damage.kind);
    tape_end(tape);
    return damage;
}

struct disk *damage_image(const struct specimen *specimen, const struct damage *damage) {
    struct disk *image = image_copy(specimen->run->disk);
    const char *path = specimen->files[damage->file].path;
    struct slice contents;
    if (damage->kind == DAMAGE_FLIP) {
        disk_flip_bit(image, path, damage->position);
    } else if (disk_read_file(specimen->run->disk, path, &contents)) {
        disk_put_file(image, path, slice_make(contents.data, (size_t)damage->position));
    }
    return image;
}

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
    if (damage->kind == DAMAGE_CUT) {
        return record->end > damage->position;
    }
    if (specimen->files[file].table) {
        return damage->position / 8 < record->end;
    }
    uint64_t block_end = (damage->position / 8 / LOG_BLOCK + 1) * LOG_BLOCK;
    return record->end > damage_begin(specimen, damage) && record->begin < block_end;
}

struct law damage_law(const struct specimen *specimen, const struct damage *damage) {
    const struct model *model = &specimen->run->model;
    uint64_t claimed = 0;
    if (damage->kind == DAMAGE_FLIP) {
        return (struct law){model->change_count, model->change_count};
    }
    for (size_t f = 0; f < specimen->file_count; f++) {
        for (size_t i = 0; i < specimen->files[f].record_count; i++) {
            const struct record *record = &specimen->files[f].records[i];
            if (specimen->files[f].table &&
                record->sequence + record->count > claimed + 1) {
                claimed = record->sequence + record->count - 1;
            }
            if (record->mark && !hit(specimen, damage, f, record) &&
                record->sequence > claimed + 1) {
                claimed = record->sequence - 1;
            }
        }
    }
    return (struct law){model_changes_at(model, claimed, SIZE_MAX), model->change_count};
}

bool damage_is_of_table(const struct specimen *specimen, const struct damage *damage) {
    return specimen->files[damage->file].table;
}

bool damage_may_lose(const struct specimen *specimen, const struct damage *damage,
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

/* Whether the words name the damaged file; what was cut off without a trace, a log or an
 * edit, may be missed by another file, which they name then. */
bool damage_is_named(const struct specimen *specimen, const struct damage *damage,
                     const char *words) {
    const char *path = specimen->files[damage->file].path;
    const char *slash = strrchr(path, '/');
    return strstr(words, slash != NULL ? slash + 1 : path) != NULL ||
           (damage->kind == DAMAGE_CUT && (strstr(words, RUN_DIRECTORY) != NULL ||
                                           strstr(words, ".log: offset") != NULL));
}

void damage_print(const struct specimen *specimen, const struct damage *damage,
                  FILE *out) {
    const char *path = specimen->files[damage->file].path;
    if (damage->kind == DAMAGE_FLIP) {
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
