/* On the tape:
 *
 *     crash := profile, operations back from the end, how, [fates], split?, [piece,
 * sectors] life  := gets?, write?, [key, size], again?, [crash life]
 *
 * The law after a crash inside a life, before its operation p:
 *
 *     open had not returned            the law that this life began with
 *     open had returned k              exactly k
 *     … and a change was being written k or k + 1
 *     … and was acknowledged           exactly k + 1
 */
#include "lives.h"

#include <stdarg.h>

#include "audit.h"
#include "watch.h"

enum { LIVES_MAX = 4, AGAIN = 4, SECTORS_MAX = 256, VALUE_IDS = 7000 };

enum how { ALL_KEPT, ALL_LOST, PREFIX_KEPT, EACH, HOW_COUNT };

static size_t pieces_of(struct disk *disk, const struct crash *crash) {
    size_t pieces = disk_pending(disk, crash->profile, crash->operation);
    return pieces < CRASH_PIECES_MAX ? pieces : CRASH_PIECES_MAX;
}

struct crash crash_draw(struct disk *disk, unsigned profiles, size_t first,
                        struct tape *tape) {
    struct crash crash = {.profile = profile_draw(tape, profiles)};
    size_t last = disk_operations(disk);
    crash.operation = last - (size_t)tape_choose(tape, last - first + 1);
    crash.piece_count = pieces_of(disk, &crash);
    enum how how = (enum how)tape_choose(tape, HOW_COUNT);
    size_t kept = how == ALL_LOST ? 0 : crash.piece_count;
    if (how == PREFIX_KEPT) {
        kept = (size_t)tape_choose(tape, crash.piece_count + 1);
    }
    for (size_t i = 0; i < crash.piece_count; i++) {
        crash.fates[i] = i < kept ? FATE_KEPT : FATE_LOST;
        if (how == EACH) {
            crash.fates[i] = (unsigned char)tape_choose(tape, FATE_COUNT);
        }
    }
    if (tape_choose(tape, 4) == 3 && crash.piece_count > 0) {
        crash.split_piece = (size_t)tape_choose(tape, crash.piece_count);
        crash.split_sectors = (size_t)tape_choose(tape, SECTORS_MAX);
    }
    return crash;
}

void crash_note(const struct crash *crash, struct disk *disk, struct tape *tape) {
    tape_note(tape, crash->profile == DISK_POSIX ? 0 : 1);
    tape_note(tape, disk_operations(disk) - crash->operation);
    tape_note(tape, EACH);
    size_t pieces = pieces_of(disk, crash);
    for (size_t i = 0; i < pieces; i++) {
        tape_note(tape, crash->fates[i]);
    }
    bool split = crash->split_sectors > 0;
    tape_note(tape, split ? 3 : 0);
    if (split && pieces > 0) {
        tape_note(tape, crash->split_piece);
        tape_note(tape, crash->split_sectors);
    }
}

/* ---- one life -------------------------------------------------------------------- */

struct life {
    struct disk *disk;
    const struct model *model;
    struct law law;
    struct world world;
    struct kv_options options;
    struct kv *kv;
    size_t changes; /* k */
    size_t opened;  /* disk operations when open had returned */
    bool wrote;     /* one more change: */
    struct kv_op op;
    size_t begun, acknowledged; /* disk operations before and after it */
};

static bool fails(struct lives *lives, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fails(struct lives *lives, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(lives->failure, sizeof lives->failure, format, arguments);
    va_end(arguments);
    return false;
}

static bool recover(struct lives *lives, struct life *life, bool gets) {
    struct error error = {0};
    enum status status = kv_open(RUN_DIRECTORY, &life->options, &life->kv, &error);
    if (status != STATUS_OK) {
        life->kv = NULL;
        return fails(
            lives,
            "recovery refuses: %s: %s; the law allows the state after %zu to %zu "
            "changes",
            status_words(status), error.message, life->law.least, life->law.most);
    }
    life->opened = disk_operations(life->disk);
    char words[600];
    status = run_read_all(life->model, life->kv, life->law, gets, &life->changes, words,
                          sizeof words);
    return status == STATUS_OK || fails(lives, "after recovery %s", words);
}

static bool write_more(struct lives *lives, struct life *life, struct tape *tape) {
    struct slice key = program_key((size_t)tape_choose(tape, PROGRAM_KEYS));
    size_t bytes = (size_t)tape_choose(tape, 600);
    uint64_t sequence = 0;
    uint64_t last = model_sequence(life->model, life->changes) + 1;
    life->op = (struct kv_op){KV_PUT, key, program_value(VALUE_IDS + last, bytes)};
    life->wrote = true;
    life->begun = disk_operations(life->disk);
    struct kv_write_options options = {.durability = DURABILITY_ALWAYS,
                                       .sequence = &sequence};
    struct error error = {0};
    enum status status = kv_put(life->kv, key, life->op.value, &options, &error);
    life->acknowledged = disk_operations(life->disk);
    if (status != STATUS_OK || sequence != last) {
        return fails(lives, "a put after recovery: %s: %s, sequence %llu instead of %llu",
                     status_words(status), error.message, (unsigned long long)sequence,
                     (unsigned long long)last);
    }
    return true;
}

static bool end_life(struct lives *lives, struct life *life, size_t blocks) {
    struct error error = {0};
    struct kv *kv = life->kv;
    life->kv = NULL;
    enum status status = kv_close(kv, &error);
    if (status != STATUS_OK) {
        return fails(lives, "close after recovery: %s: %s", status_words(status),
                     error.message);
    }
    if (counted_memory_blocks() != blocks || disk_open_handles(life->disk) != 0 ||
        scheduler_objects(lives->run->scheduler) != 0) {
        return fails(lives,
                     "recovery and close leave behind: %zu allocations, %zu "
                     "files, mappings or locks, %zu mutexes or conditions",
                     counted_memory_blocks() - blocks, disk_open_handles(life->disk),
                     scheduler_objects(lives->run->scheduler));
    }
    return true;
}

/* Not after every life: an audit takes as long as a life does. */
static bool lead_one(struct lives *lives, struct life *life, struct tape *tape) {
    watch_alive();
    counted_memory_mark();
    size_t blocks = counted_memory_blocks();
    life->options = lives->run->options;
    life->options.world = &life->world;
    life->world = run_world_on(lives->run, life->disk);
    bool gets = tape_choose(tape, 8) == 7;
    bool writes = tape_choose(tape, 4) == 3;
    return recover(lives, life, gets) && (!writes || write_more(lives, life, tape)) &&
           end_life(lives, life, blocks) &&
           (!gets ||
            audit(lives->run, life->disk, lives->failure, sizeof lives->failure));
}

static struct law law_after(const struct life *life, size_t operation) {
    if (operation < life->opened) {
        return life->law;
    }
    size_t least = life->changes, most = life->changes;
    if (life->wrote && operation > life->begun) {
        most++;
    }
    if (life->wrote && operation >= life->acknowledged) {
        least++;
        most = least;
    }
    return (struct law){least, most};
}

static void tell(const struct lives *lives, const struct life *life, size_t number) {
    fprintf(lives->story, "recovery %zu found the state after %zu changes", number + 1,
            life->changes);
    if (life->wrote) {
        fputs(" and then put ", lives->story);
        slice_print(life->op.key, lives->story);
        fprintf(lives->story, " = %zu bytes, always", life->op.value.length);
    }
    fputs("; closed\n", lives->story);
}

void crash_tell(struct disk *disk, const struct crash *crash, struct law law, FILE *out) {
    enum { BEFORE = 24 };
    size_t from = crash->operation > BEFORE ? crash->operation - BEFORE : 0;
    fputs("the disk saw:\n", out);
    for (size_t i = from; i < crash->operation; i++) {
        fputs("    ", out);
        disk_print_operation(disk, i, out);
        fputc('\n', out);
    }
    disk_print_crash(disk, crash, out);
    fprintf(out, "the law: after %zu to %zu changes, whole\n", law.least, law.most);
}

/* The power goes in this life; what the next one finds, and its law. False: it does not.
 */
static bool crash_again(struct lives *lives, struct life *life, size_t number,
                        struct tape *tape) {
    bool again = number == 0 && lives->again;
    if (again) {
        tape_note(tape, AGAIN - 1);
    } else {
        again = tape_choose(tape, AGAIN) == AGAIN - 1;
    }
    if (!again || number + 1 == LIVES_MAX) {
        return false;
    }
    struct crash crash = crash_draw(life->disk, lives->profiles, 0, tape);
    struct law law = law_after(life, crash.operation);
    if (lives->story != NULL) {
        crash_tell(life->disk, &crash, law, lives->story);
    }
    if (life->wrote && crash.operation > life->begun) {
        struct model next = {0};
        model_copy(&next, life->model, life->changes);
        model_apply(&next, &life->op, 1);
        model_free(&lives->model);
        lives->model = next;
        life->model = &lives->model;
    }
    struct disk *found = disk_crash(life->disk, &crash);
    disk_free(life->disk);
    *life = (struct life){.disk = found, .model = life->model, .law = law};
    lives->crashes++;
    return true;
}

bool lives_lead(struct lives *lives, struct disk *image, struct law law,
                struct tape *tape) {
    struct life life = {.disk = image, .model = &lives->run->model, .law = law};
    bool holds = true;
    for (size_t number = 0; holds; number++) {
        if (lives->story != NULL) {
            fputs("the files found:\n", lives->story);
            disk_print(life.disk, lives->story);
        }
        tape_begin(tape);
        holds = lead_one(lives, &life, tape);
        tape_end(tape);
        lives->changes = number == 0 ? life.changes : lives->changes;
        if (holds && lives->story != NULL) {
            tell(lives, &life, number);
        }
        if (!holds || !crash_again(lives, &life, number, tape)) {
            break;
        }
    }
    if (!holds) {
        run_kill(lives->run, life.disk);
    }
    disk_free(life.disk);
    return holds;
}

void lives_free(struct lives *lives) {
    model_free(&lives->model);
}
