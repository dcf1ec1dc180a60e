/* A copy is looked at on a copy of the disk, so that a program may make one, and go on as
 * if nobody had looked.
 *
 * Each copy has a name of its own, but for one that failed: the next of its kind takes
 * its name again, so that what was left there has to be cleared away. A backup gets its
 * name from the store, and here it is known beforehand. */
#include "copies.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "kv_checkpoint.h"
#include "run_reads.h"

static bool made(const struct run_copy *copy) {
    return copy->ended != SIZE_MAX;
}

/* ---- looking ---------------------------------------------------------------------- */

static void ignore_name(void *context, const char *name) {
    (void)context;
    (void)name;
}

static bool is_there(const struct world *world, const char *path) {
    return directory_list(world->files, path, ignore_name, NULL, NULL) == STATUS_OK;
}

enum sight { ABSENT, REFUSED, WHOLE, WRONG };

/* REFUSED and WRONG leave words. */
static enum sight look(struct run *run, struct disk *disk, const char *path,
                       struct law law, struct words words) {
    struct world world = run_world_on(run, disk);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct kv *kv = NULL;
    size_t changes;
    char text[600] = "";
    if (!is_there(&world, path)) {
        snprintf(words.text, words.bytes, "%s is not there", path);
        return ABSENT;
    }
    options.create = false;
    enum status status = kv_open(path, &options, &kv, &error);
    if (status != STATUS_OK) {
        snprintf(words.text, words.bytes, "%s does not open: %s", path, error.message);
        return REFUSED;
    }
    status = run_read_all(&run->model, kv, law, true, &changes, text, sizeof text);
    enum status closed = kv_close(kv, &error);
    if (status == STATUS_OK && closed != STATUS_OK) {
        snprintf(text, sizeof text, "close: %s", error.message);
    }
    snprintf(words.text, words.bytes, "%s: %s", path, text);
    return status == STATUS_OK && closed == STATUS_OK ? WHOLE : WRONG;
}

/* One copy, under both names. */
static bool holds(struct run *run, struct disk *disk, const struct run_copy *copy,
                  bool must, bool *whole, struct words words) {
    char unfinished[sizeof copy->path + 16];
    const struct law exactly = {copy->changes, copy->changes};
    enum sight sight = look(run, disk, copy->path, must ? exactly : copy->may, words);
    *whole = sight == WHOLE;
    if (sight == WRONG || (must && sight != WHOLE) ||
        (sight == REFUSED && !copy->failed)) {
        return false;
    }
    snprintf(unfinished, sizeof unfinished, "%s.unfinished", copy->path);
    /* A directory with a LOCK alone is an empty database. */
    return look(run, disk, unfinished, copy->may, words) != WRONG ||
           look(run, disk, unfinished, (struct law){0, 0}, words) == WHOLE;
}

unsigned copies_due(const struct run *run, size_t operation) {
    unsigned due = 0;
    for (size_t i = 0; i < run->copy_count; i++) {
        due |= (unsigned)(run->copies[i].ended <= operation) << i;
    }
    return due;
}

unsigned copies_begun(const struct run *run, size_t operation) {
    unsigned begun = 0;
    for (size_t i = 0; i < run->copy_count; i++) {
        begun |= (unsigned)(run->copies[i].begun <= operation) << i;
    }
    return begun;
}

bool copies_hold(struct run *run, struct disk *found, size_t operation, unsigned *whole,
                 char *words, size_t bytes) {
    unsigned begun = copies_begun(run, operation), due = copies_due(run, operation);
    bool good = true;
    *whole = 0;
    if (begun == 0) {
        return true;
    }
    struct disk *disk = image_copy(found);
    struct tape *schedule = run->schedule;
    run->schedule = NULL; /* whether anybody looks decides nothing */
    for (size_t i = 0; i < run->copy_count && good; i++) {
        bool there = false;
        if ((begun >> i & 1) != 0) {
            good = holds(run, disk, &run->copies[i], (due >> i & 1) != 0, &there,
                         (struct words){words, bytes});
        }
        *whole |= (unsigned)there << i;
    }
    run->schedule = schedule;
    disk_free(disk);
    return good;
}

struct row {
    const struct run *run;
    size_t next; /* of the run's copies */
    size_t listed;
    bool right;
};

static void compare_backup(void *context, const struct kv_backup *backup) {
    struct row *row = context;
    const struct run *run = row->run;
    while (row->next < run->copy_count && (run->copies[row->next].kind != COPY_BACKUP ||
                                           !made(&run->copies[row->next]))) {
        row->next++;
    }
    row->right =
        row->right && row->next < run->copy_count &&
        model_sequence(&run->model, run->copies[row->next].changes) == backup->sequence;
    row->next++;
    row->listed++;
}

/* The row of backups lists them in their order; one that failed may stand among them, and
 * then nothing is asked. */
static bool are_listed(struct run *run) {
    struct world world = run_world_on(run, run->disk);
    const struct kv_options options = image_options(run, &world);
    struct row row = {.run = run, .right = true};
    size_t backups = 0;
    struct error error = {0};
    for (size_t i = 0; i < run->copy_count; i++) {
        if (run->copies[i].kind == COPY_BACKUP && run->copies[i].failed) {
            return true;
        }
        backups += run->copies[i].kind == COPY_BACKUP;
    }
    enum status status =
        backups == 0 ? STATUS_OK
                     : kv_backups("backups", &options, compare_backup, &row, &error);
    return (status == STATUS_OK && row.right && row.listed == backups) ||
           run_fails(run, "the list of backups is not right: %s", error.message);
}

bool copies_are_there(struct run *run) {
    char words[RUN_FAILURE_BYTES] = "";
    unsigned whole;
    if (run->copy_count == 0) {
        return true;
    }
    if (!are_listed(run)) {
        return false;
    }
    struct disk *powerless = image_powerless(run->disk, DISK_POSIX);
    bool good = copies_hold(run, run->disk, SIZE_MAX - 1, &whole, words, sizeof words) &&
                copies_hold(run, powerless, SIZE_MAX - 1, &whole, words, sizeof words);
    disk_free(powerless);
    return good || run_fails(run, "a copy: %s", words);
}

void copies_begin_anew(struct run *run) {
    for (size_t i = 0; i < run->copy_count; i++) {
        struct run_copy *copy = &run->copies[i];
        copy->begun = 0;
        copy->ended = made(copy) ? 0 : SIZE_MAX;
    }
}

/* ---- making ----------------------------------------------------------------------- */

struct search {
    const char *path;
    bool found;
};

static void match_path(void *context, const char *path) {
    struct search *search = context;
    size_t length = strlen(search->path);
    search->found = search->found ||
                    (strncmp(path, search->path, length) == 0 && path[length] == '/');
}

/* Whether a copy that failed has its name all the same: it is asked of the disk itself,
 * whose calls may be failing. */
static bool has_its_name(const struct run *run, const struct run_copy *copy) {
    struct search search = {copy->path, false};
    disk_list_files(run->disk, match_path, &search);
    return search.found;
}

static struct run_copy *new_copy(struct run *run, enum copy_kind kind, size_t number) {
    struct run_copy *copy = &run->copies[run->copy_count++];
    *copy = (struct run_copy){.kind = kind, .may = {SIZE_MAX, 0}, .ended = SIZE_MAX};
    copy->begun = disk_operations(run->disk);
    if (kind == COPY_BACKUP) {
        snprintf(copy->path, sizeof copy->path, "backups/%06zu", number);
    } else {
        snprintf(copy->path, sizeof copy->path, "%s-%zu",
                 kind == COPY_CHECKPOINT ? "checkpoint" : "restored", number);
    }
    return copy;
}

/* The one that is to be tried again, or a new one; NULL: there have been enough. */
static struct run_copy *next_copy(struct run *run, enum copy_kind kind) {
    size_t number = 1;
    for (size_t i = 0; i < run->copy_count; i++) {
        struct run_copy *copy = &run->copies[i];
        if (copy->kind == kind && !made(copy) && !has_its_name(run, copy)) {
            return copy;
        }
        number += copy->kind == kind;
    }
    return run->copy_count < PROGRAM_COPIES_MAX ? new_copy(run, kind, number) : NULL;
}

/* The index-th of those made, in turn; NULL: there are none. */
static const struct run_copy *source_of(const struct run *run, size_t index) {
    const struct run_copy *sources[PROGRAM_COPIES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < run->copy_count; i++) {
        if (made(&run->copies[i])) {
            sources[count++] = &run->copies[i];
        }
    }
    return count > 0 ? sources[index % count] : NULL;
}

static enum status make(struct run *run, const struct run_copy *copy,
                        const struct run_copy *source, uint64_t *sequence,
                        struct error *error) {
    const struct kv_copy_options options = {.sequence = sequence};
    uint64_t number = 0;
    enum status status;
    switch (copy->kind) {
    case COPY_CHECKPOINT:
        return kv_checkpoint(run->kv, copy->path, &options, error);
    case COPY_BACKUP:
        status = kv_backup(run->kv, "backups", &options, &number, error);
        if (status == STATUS_OK &&
            number != strtoull(strrchr(copy->path, '/') + 1, NULL, 10)) {
            run_fails(run, "the backup is number %" PRIu64 ", not %s", number,
                      copy->path);
        }
        return status;
    case COPY_RESTORE:
    case COPY_KIND_COUNT:
    default:
        *sequence = model_sequence(&run->model, source->changes);
        return kv_restore(source->path, copy->path, &run->options, NULL, error);
    }
}

/* It holds what was acknowledged, whole changes, and all that is durable from now on. */
static bool judge(struct run *run, struct run_copy *copy, struct law law,
                  uint64_t sequence) {
    size_t changes = model_changes_at(&run->model, sequence, law.most);
    if (model_sequence(&run->model, changes) != sequence || changes < law.least ||
        changes > law.most) {
        return run_fails(run, "%s is of sequence %" PRIu64, copy->path, sequence);
    }
    copy->changes = changes;
    copy->ended = disk_operations(run->disk);
    if (copy->kind == COPY_RESTORE) {
        return true;
    }
    if (run->stopped) {
        return run_fails(run, "a copy was made though an earlier write or sync failed");
    }
    run->durable = run->acknowledged > run->durable ? run->acknowledged : run->durable;
    return true;
}

bool run_copy_made(struct run *run, const struct step *step) {
    const struct run_copy *source = source_of(run, step->source);
    if (step->copy == COPY_RESTORE && source == NULL) {
        return true;
    }
    struct run_copy *copy = next_copy(run, step->copy);
    if (copy == NULL) {
        return true;
    }
    struct law law = run_visible(run);
    if (step->copy == COPY_RESTORE) {
        law = (struct law){source->changes, source->changes};
    }
    copy->may.least = law.least < copy->may.least ? law.least : copy->may.least;
    copy->may.most = law.most > copy->may.most ? law.most : copy->may.most;
    uint64_t sequence = 0;
    struct error error = {0};
    enum status status = make(run, copy, source, &sequence, &error);
    if (status != STATUS_OK) {
        copy->failed = true;
        return run_excuses(run, "a copy", status, &error);
    }
    return !run->failed && judge(run, copy, law, sequence);
}
