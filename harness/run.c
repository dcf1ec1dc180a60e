/* The law is kept as moments: after every step, what had been issued, and what had to be
 * durable. A change is issued once its step has begun to change the disk; it is durable
 * once the store has said so: by acknowledging a write that asked for it, by an
 * acknowledged sync, by D in kv_progress, by a close, by returning from open; or when
 * `interval` has had twice its time. A loss of power before operation i is held to the
 * last moment that ended at or before i and to the last one that began before it.
 *
 * Reads say what sequence they observed. It must be the end of a change, all that was
 * acknowledged must be in it and nothing that was not issued, and the answer must be the
 * model's at that sequence.
 *
 * tidy: long because a step is run, judged and remembered in one breath. */
#include "run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "audit.h"
#include "copies.h"
#include "notices.h"
#include "run_reads.h"
#include "stage.h"
#include "watch.h"

static uint64_t choose_thread(void *context, uint64_t bound) {
    struct run *run = context;
    return run->schedule != NULL ? tape_choose(run->schedule, bound) : 0;
}

void run_init(struct run *run) {
    *run = (struct run){0};
    run->scheduler = scheduler_new(choose_thread, run);
    run->iters = calloc(PROGRAM_ITERS_MAX, sizeof *run->iters);
    run->copies = calloc(PROGRAM_COPIES_MAX, sizeof *run->copies);
    if (run->iters == NULL || run->copies == NULL) {
        fputs("harness: out of memory\n", stderr);
        abort();
    }
}

void run_free(struct run *run) {
    if (run->scheduler == NULL) {
        return;
    }
    if (run->disk != NULL) {
        run_kill(run, run->disk);
        disk_free(run->disk);
    }
    scheduler_free(run->scheduler);
    model_free(&run->model);
    free(run->iters);
    free(run->copies);
    *run = (struct run){0};
}

struct world run_world_on(struct run *run, struct disk *disk) {
    return (struct world){disk_files(disk), scheduler_threads(run->scheduler),
                          scheduler_clock(run->scheduler)};
}

void run_kill(struct run *run, struct disk *disk) {
    run->snapshot_count = 0; /* they are of its memory */
    run->notice_count = 0;   /* nobody is left to be told */
    memset(run->iters, 0, PROGRAM_ITERS_MAX * sizeof *run->iters);
    scheduler_kill(run->scheduler);
    counted_memory_reclaim();
    disk_kill(disk);
}

bool run_fails(struct run *run, const char *format, ...) {
    if (run->failed) {
        return false;
    }
    run->failed = true;
    int length = snprintf(run->failure, sizeof run->failure, "step %zu: ", run->step + 1);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->failure + length, sizeof run->failure - (size_t)length, format,
              arguments);
    va_end(arguments);
    return false;
}

/* ---- faults ---------------------------------------------------------------------- */

bool run_fault_struck(struct run *run) {
    bool now = disk_fault_struck(run->disk) != NULL || counted_memory_failed() ||
               points_struck();
    run->struck = run->struck || now;
    run->excused = run->excused || now;
    return run->struck;
}

void run_clear_faults(struct run *run) {
    run_fault_struck(run);
    disk_set_fault(run->disk, &(struct fault){0});
    disk_set_capacity(run->disk, SIZE_MAX);
    counted_memory_fail(0, false);
    points_arm(FAILPOINT_COUNT, 0, false);
}

/* The store is well again: what fails from now on has no excuse. */
static void recovered(struct run *run) {
    run_fault_struck(run);
    if (run->excused) {
        run_clear_faults(run);
    }
    run->excused = false;
    run->stopped = false;
}

bool run_excuses(struct run *run, const char *what, enum status status,
                 const struct error *error) {
    run_fault_struck(run);
    if (!run->excused) {
        return run_fails(run, "%s failed though nothing was made to fail: %s: %s", what,
                         status_words(status), error->message);
    }
    if (error->message[0] == '\0') {
        return run_fails(run, "%s failed without a message: %s", what,
                         status_words(status));
    }
    return true;
}

/* ---- reading all ----------------------------------------------------------------- */

/* The state of the open store must lie within the law; *changes says which it is. Faults
 * that strike a read are cleared, and then it must succeed. */
static bool read_all(struct run *run, struct law law, size_t *changes) {
    char words[600] = "";
    for (int attempt = 0; attempt < 2; attempt++) {
        enum status status =
            run_read_all(&run->model, run->kv, law, true, changes, words, sizeof words);
        if (status == STATUS_OK) {
            return true;
        }
        run_fault_struck(run);
        if (status == STATUS_CORRUPT || !run->excused) {
            break;
        }
        run_clear_faults(run);
    }
    return run_fails(run, "%s", words);
}

/* What a recovery may find of what the process wrote. */
static struct law written(const struct run *run) {
    return (struct law){run->acknowledged, run->model.change_count};
}

struct law run_visible(const struct run *run) {
    struct law law = written(run);
    law.most -= run->erasing;
    return law;
}

/* ---- the law --------------------------------------------------------------------- */

static void note(struct run *run, size_t begun) {
    if (run->moment_count < RUN_MOMENTS_MAX) {
        run->moments[run->moment_count++] = (struct moment){
            begun, disk_operations(run->disk), run->model.change_count, run->durable};
    }
}

struct law run_law(const struct run *run, size_t operation) {
    struct law law = run->base;
    for (size_t i = 0; i < run->moment_count; i++) {
        const struct moment *moment = &run->moments[i];
        if (moment->ended <= operation && moment->durable > law.least) {
            law.least = moment->durable;
        }
        if (moment->begun < operation && moment->issued > law.most) {
            law.most = moment->issued;
        }
    }
    law.most = law.most < law.least ? law.least : law.most;
    return law;
}

/* A recovery has shown the state after `changes` changes: it is final. Where it has
 * dropped a change the model forgets it too, and crash points before this one would need
 * the model of then. */
static void settle_on(struct run *run, size_t changes, bool durable) {
    bool forgets = changes < run->model.change_count;
    for (size_t i = 0; i < PROGRAM_ITERS_MAX; i++) {
        if (run->iters[i].sees.changes > changes) {
            reader_close(
                &run->iters[i]); /* what it shows never was, and cannot be asked */
        }
    }
    model_truncate(&run->model, changes);
    run->erasing = false;
    run->acknowledged = changes;
    run->timed = run->timed < changes ? run->timed : changes;
    run->durable = durable || run->durable > changes ? changes : run->durable;
    if (forgets) {
        run->first_point = disk_operations(run->disk);
        run->base = (struct law){run->durable, changes};
        run->moment_count = 0;
    }
}

/* Takes what the store says of its progress into the account, and checks it. */
static bool check_progress(struct run *run) {
    size_t must = run->durable; /* somebody may be told of more meanwhile */
    struct kv_progress progress = {0};
    kv_progress(run->kv, &progress);
    uint64_t acknowledged = model_sequence(&run->model, run->acknowledged);
    uint64_t issued = model_sequence(&run->model, run->model.change_count);
    if (progress.issued < progress.written || progress.written < progress.durable ||
        progress.written < acknowledged || progress.issued > issued ||
        progress.durable < run->reported) {
        return run_fails(run,
                         "progress says issued %" PRIu64 ", W %" PRIu64 ", D %" PRIu64
                         " (was %" PRIu64 "); acknowledged are %" PRIu64
                         ", issued %" PRIu64,
                         progress.issued, progress.written, progress.durable,
                         run->reported, acknowledged, issued);
    }
    run->reported = progress.durable;
    if (progress.durable < model_sequence(&run->model, must)) {
        return run_fails(run, "D is %" PRIu64 ", but durable must be %" PRIu64,
                         progress.durable, model_sequence(&run->model, must));
    }
    size_t durable =
        model_changes_at(&run->model, progress.durable, run_visible(run).most);
    run->durable = durable > run->durable ? durable : run->durable;
    return true;
}

static void must_be_durable(struct run *run, size_t changes) {
    run->durable = changes > run->durable ? changes : run->durable;
}

/* ---- opening and closing --------------------------------------------------------- */

static bool nothing_left(struct run *run, const char *after) {
    size_t blocks = counted_memory_blocks() - run->blocks;
    size_t handles = disk_open_handles(run->disk);
    size_t objects = scheduler_objects(run->scheduler);
    if (blocks + handles + objects > 0) {
        return run_fails(run,
                         "%s leaves behind: %zu allocations, %zu files, mappings or "
                         "locks, %zu mutexes or conditions",
                         after, blocks, handles, objects);
    }
    return true;
}

static bool open_store(struct run *run, struct law law) {
    size_t begun = disk_operations(run->disk);
    run->world = run_world_on(run, run->disk);
    run->reported = 0;
    struct error error = {0};
    enum status status = kv_open(RUN_DIRECTORY, &run->options, &run->kv, &error);
    if (status != STATUS_OK) {
        run->kv = NULL;
        if (!run_excuses(run, "open", status, &error) ||
            !nothing_left(run, "an open that failed")) {
            return false;
        }
        run_clear_faults(run);
        status = kv_open(RUN_DIRECTORY, &run->options, &run->kv, &error);
    }
    if (status != STATUS_OK) {
        run->kv = NULL;
        return run_fails(run, "open failed: %s: %s", status_words(status), error.message);
    }
    size_t changes;
    if (!read_all(run, law, &changes)) {
        return false;
    }
    if (run->program->later_buffer_bytes > 0) {
        run->options.write_buffer_bytes = run->program->later_buffer_bytes;
    }
    recovered(run);
    settle_on(run, changes, true);
    if (!check_progress(run)) {
        return false;
    }
    note(run, begun);
    return true;
}

static bool close_store(struct run *run) {
    size_t begun = disk_operations(run->disk);
    struct error error = {0};
    struct kv *kv = run->kv;
    run->kv = NULL;
    for (size_t i = 0; i < PROGRAM_ITERS_MAX; i++) {
        reader_close(&run->iters[i]);
    }
    enum status status = kv_close(kv, &error);
    while (run->snapshot_count > 0) { /* the close has let go of them */
        kv_snapshot_release(run->snapshots[--run->snapshot_count].snapshot);
    }
    if (status != STATUS_OK && !run_excuses(run, "close", status, &error)) {
        return false;
    }
    if (status == STATUS_OK) {
        must_be_durable(run, run->acknowledged);
    }
    note(run, begun);
    return notices_are_told(run) && nothing_left(run, "close");
}

/* ---- the operations -------------------------------------------------------------- */

static enum durability effective(const struct run *run, const struct step *step) {
    return step->durability != DURABILITY_DEFAULT ? step->durability
                                                  : run->options.durability;
}

/* An erasure has failed without a trace, as what succeeds after it shows. */
static void withdraw_erasure(struct run *run) {
    if (!run->erasing) {
        return;
    }
    run->erasing = false;
    model_truncate(&run->model, run->acknowledged);
    for (size_t i = 0; i < run->moment_count; i++) {
        struct moment *moment = &run->moments[i];
        moment->issued =
            moment->issued < run->acknowledged ? moment->issued : run->acknowledged;
    }
}

static bool write_failed(struct run *run, const struct step *step, uint64_t sequence,
                         enum status status, const struct error *error) {
    if (status == STATUS_STALLED && run->options.compaction_bytes_per_second > 0 &&
        sequence == 0) {
        return true; /* compactions were told to take their time */
    }
    if (!run_excuses(run, "a write", status, error)) {
        return false;
    }
    if (sequence == 0) {
        return true; /* never issued: it is not there */
    }
    withdraw_erasure(run);
    if (run->stopped || run->acknowledged < run->model.change_count) {
        return run_fails(run, "a write was issued after another had failed");
    }
    run->stopped = true;
    uint64_t last = model_apply(&run->model, step->ops, step->op_count);
    return last == sequence ||
           run_fails(run, "the failed write got sequence %" PRIu64 ", not %" PRIu64,
                     sequence, last);
}

/* `interval` promises a time, and that no more than interval_bytes are at risk once a
 * write is acknowledged. */
static bool hold_to_interval(struct run *run, const struct step *step) {
    run->timed = run->acknowledged;
    run->timed_at = clock_monotonic_micros(run->world.clock);
    uint64_t *at_risk = &run->at_risk[run->acknowledged - 1];
    for (size_t i = 0; i < step->op_count; i++) {
        *at_risk += step->ops[i].key.length + step->ops[i].value.length;
    }
    struct kv_progress progress = {0};
    kv_progress(run->kv, &progress);
    uint64_t bytes = 0;
    for (size_t i = model_changes_at(&run->model, progress.durable, SIZE_MAX);
         i < run->acknowledged; i++) {
        bytes += run->at_risk[i];
    }
    return bytes <= run->options.interval_bytes ||
           run_fails(run, "%" PRIu64 " bytes are at risk, `interval` allows %" PRIu64,
                     bytes, run->options.interval_bytes);
}

static bool run_write(struct run *run, const struct step *step) {
    uint64_t sequence = 0;
    struct kv_write_options options = {.durability = step->durability,
                                       .sequence = &sequence};
    struct error error = {0};
    enum status status;
    if (step->operation == OPERATION_PUT) {
        status = kv_put(run->kv, step->ops[0].key, step->ops[0].value, &options, &error);
    } else if (step->operation == OPERATION_DELETE) {
        status = kv_delete(run->kv, step->ops[0].key, &options, &error);
    } else {
        status = kv_write(run->kv, step->ops, step->op_count, &options, &error);
    }
    run->first_sequences[run->step] =
        model_sequence(&run->model, run->model.change_count) + 1;
    if (status != STATUS_OK) {
        return write_failed(run, step, sequence, status, &error);
    }
    if (run->stopped) {
        return run_fails(run, "a write was taken though an earlier one, or a sync, had "
                              "failed");
    }
    withdraw_erasure(run);
    uint64_t last = model_apply(&run->model, step->ops, step->op_count);
    if (sequence != last) {
        return run_fails(run, "the write got sequence %" PRIu64 ", not %" PRIu64,
                         sequence, last);
    }
    run->acknowledged = run->model.change_count;
    run->at_risk[run->acknowledged - 1] = 0;
    if (effective(run, step) == DURABILITY_ALWAYS) {
        must_be_durable(run, run->acknowledged);
    }
    return effective(run, step) != DURABILITY_INTERVAL || hold_to_interval(run, step);
}

static bool run_put(struct run *run, const struct step *step) {
    return run_write(run, step);
}

static bool run_delete(struct run *run, const struct step *step) {
    return run_write(run, step);
}

static bool run_change(struct run *run, const struct step *step) {
    return run_write(run, step);
}

static bool run_sync(struct run *run, const struct step *step) {
    (void)step;
    struct error error = {0};
    enum status status = kv_sync(run->kv, &error);
    if (status == STATUS_OK && run->stopped) {
        return run_fails(run, "a sync succeeded though an earlier write or sync failed");
    }
    if (status == STATUS_OK) {
        must_be_durable(run, run->acknowledged);
        return true;
    }
    run->stopped = run->stopped || status == STATUS_IO;
    return run_excuses(run, "sync", status, &error);
}

/* An error that something made to fail excuses; a wrong answer nothing does. */
static bool answered(struct run *run, enum status status, const char *words) {
    run_fault_struck(run);
    return status == STATUS_OK || (status != STATUS_CORRUPT && run->excused) ||
           run_fails(run, "%s", words);
}

static bool run_get(struct run *run, const struct step *step) {
    char text[600] = "";
    struct words words = {text, sizeof text};
    return answered(
        run, read_key(&run->model, run->kv, run_visible(run), NULL, step->key, words),
        text);
}

static bool run_scan(struct run *run, const struct step *step) {
    char text[600] = "";
    struct words words = {text, sizeof text};
    size_t changes;
    enum status status =
        read_scan(&run->model, run->kv, run_visible(run), NULL, step, &changes, words);
    return answered(run, status, text);
}

static bool run_advance(struct run *run, const struct step *step) {
    scheduler_advance(run->scheduler, step->micros);
    run_fault_struck(run);
    uint64_t now = clock_monotonic_micros(run->world.clock);
    if (!run->excused && now - run->timed_at >= 2000 * run->options.interval_millis) {
        must_be_durable(run, run->timed);
    }
    return true;
}

static bool run_reopen(struct run *run, const struct step *step) {
    (void)step;
    return close_store(run) && open_store(run, written(run));
}

static bool run_process_death(struct run *run, const struct step *step) {
    (void)step;
    run_fault_struck(run);
    run->kv = NULL;
    run_kill(run, run->disk);
    return open_store(run, written(run));
}

static bool run_power(struct run *run, const struct step *step) {
    run_fault_struck(run);
    struct crash crash = {.profile = run->program->profile};
    crash.operation = disk_operations(run->disk);
    crash.piece_count = disk_pending(run->disk, crash.profile, crash.operation);
    crash.piece_count =
        crash.piece_count < CRASH_PIECES_MAX ? crash.piece_count : CRASH_PIECES_MAX;
    for (size_t i = 0; i < crash.piece_count; i++) {
        crash.fates[i] = step->fates[i % POWER_FATES];
    }
    struct law law = run_law(run, crash.operation);
    run->kv = NULL;
    run_kill(run, run->disk);
    struct disk *found = disk_crash(run->disk, &crash);
    disk_free(run->disk);
    run->disk = found;
    run->first_step = run->step + 1;
    copies_begin_anew(run);
    if (!copies_are_there(run)) {
        return false;
    }
    if (!open_store(run, law)) {
        return false;
    }
    /* The disk is new, so its journal is this recovery's. What was found is the most that
     * a recovery of the same disk that is cut off may leave. */
    run->first_point = 0;
    run->base = (struct law){law.least, run->acknowledged};
    run->moment_count = 0;
    note(run, 0);
    return true;
}

static bool run_flush(struct run *run, const struct step *step) {
    (void)step;
    struct error error = {0};
    enum status status = kv_flush(run->kv, &error);
    if (status == STATUS_OK && run->stopped) {
        return run_fails(run, "a flush succeeded though an earlier write or sync failed");
    }
    if (status == STATUS_OK) {
        must_be_durable(run, run->acknowledged);
        return true;
    }
    return run_excuses(run, "flush", status, &error);
}

/* All that the store shows. *changes stays where a fault excuses that it shows nothing. */
static bool shows(struct run *run, struct law law, size_t *changes) {
    static const struct step everything = {.operation = OPERATION_SCAN};
    char text[600] = "";
    struct words words = {text, sizeof text};
    size_t observed = *changes;
    enum status status =
        read_scan(&run->model, run->kv, law, NULL, &everything, &observed, words);
    *changes = status == STATUS_OK ? observed : *changes;
    return answered(run, status, text);
}

/* It moves what is there, and changes nothing of it: before, after, and for those who read
 * meanwhile: an iterator that is open when it begins holds what it reads, whatever becomes
 * of its tables. */
static bool run_compact(struct run *run, const struct step *step) {
    static const struct step everything = {.operation = OPERATION_SCAN};
    char text[600] = "";
    struct words words = {text, sizeof text};
    struct reader held = {0};
    struct error error = {0};
    size_t before = SIZE_MAX, after;
    if (!shows(run, run_visible(run), &before) ||
        !answered(run,
                  reader_open(&held, &run->model, run->kv, run_visible(run), NULL,
                              &everything, words),
                  text)) {
        return false;
    }
    enum status status = kv_compact(run->kv, step->from, step->to, &error);
    enum status held_status =
        held.iter != NULL ? reader_walk(&held, &run->model, words) : STATUS_OK;
    reader_close(&held);
    after = before;
    if (!answered(run, held_status, text) ||
        !shows(run, before == SIZE_MAX ? run_visible(run) : (struct law){before, before},
               &after)) {
        return false;
    }
    if (status == STATUS_OK && run->stopped) {
        return run_fails(run,
                         "a compaction succeeded though an earlier write or sync failed");
    }
    if (status == STATUS_OK) {
        must_be_durable(run, run->acknowledged);
        return true;
    }
    return run_excuses(run, "compact", status, &error);
}

/* Everything goes, and durably so; or nothing, but where writes are refused from then on:
 * then a resume or reopen shows which it is. */
static bool run_erase(struct run *run, const struct step *step) {
    (void)step;
    struct error error = {0};
    enum status status = kv_erase_all(run->kv, &error);
    if (status == STATUS_OK && run->stopped) {
        return run_fails(run,
                         "an erasure succeeded though an earlier write or sync failed");
    }
    if (status != STATUS_OK) {
        if (!run->stopped && !run->erasing) {
            model_erase(&run->model);
            run->erasing = true;
        }
        return run_excuses(run, "erase", status, &error);
    }
    withdraw_erasure(run);
    model_erase(&run->model);
    run->acknowledged = run->model.change_count;
    run->at_risk[run->acknowledged - 1] = 0;
    must_be_durable(run, run->acknowledged);
    return true;
}

/* ---- snapshots and iterators ----------------------------------------------------- */

/* What is visible is in it, whole changes only. */
static bool run_snapshot(struct run *run, const struct step *step) {
    struct run_snapshot *held = &run->snapshots[run->snapshot_count];
    struct error error = {0};
    (void)step;
    if (run->snapshot_count == PROGRAM_SNAPSHOTS_MAX) {
        return true;
    }
    enum status status = kv_snapshot_take(run->kv, &held->snapshot, &error);
    if (status != STATUS_OK) {
        return run_excuses(run, "a snapshot", status, &error);
    }
    uint64_t sequence = kv_snapshot_sequence(held->snapshot);
    const struct law law = run_visible(run);
    run->snapshot_count++;
    held->changes = model_changes_at(&run->model, sequence, law.most);
    held->millis = model_millis(&run->model);
    return (model_sequence(&run->model, held->changes) == sequence &&
            held->changes >= law.least && held->changes <= law.most) ||
           run_fails(run, "the snapshot is of sequence %" PRIu64, sequence);
}

static bool run_release(struct run *run, const struct step *step) {
    if (run->snapshot_count > 0) {
        size_t i = step->snapshot % run->snapshot_count;
        kv_snapshot_release(run->snapshots[i].snapshot);
        run->snapshots[i] = run->snapshots[--run->snapshot_count];
    }
    return true;
}

/* A snapshot shows what it showed when it was taken. */
static bool run_look_back(struct run *run, const struct step *step) {
    char text[600] = "";
    struct words words = {text, sizeof text};
    if (run->snapshot_count == 0) {
        return true;
    }
    const struct run_snapshot *held =
        &run->snapshots[step->snapshot % run->snapshot_count];
    const struct law law = {held->changes, held->changes};
    size_t changes;
    enum status status =
        read_scan(&run->model, run->kv, law, held, step, &changes, words);
    for (size_t i = 0; i < PROGRAM_KEYS && status == STATUS_OK; i++) {
        status = read_key(&run->model, run->kv, law, held, program_key(i), words);
    }
    return answered(run, status, text);
}

/* An iterator goes on where an earlier step has left it. */
static bool run_walk(struct run *run, const struct step *step) {
    struct reader *reader = &run->iters[step->iter];
    char text[600] = "";
    struct words words = {text, sizeof text};
    enum status status = STATUS_OK;
    if (reader->iter == NULL) {
        struct law law = run_visible(run);
        const struct run_snapshot *held = NULL;
        if (step->snapshot > 0 && run->snapshot_count > 0) {
            held = &run->snapshots[(step->snapshot - 1) % run->snapshot_count];
            law = (struct law){held->changes, held->changes};
        }
        status = reader_open(reader, &run->model, run->kv, law, held, step, words);
    }
    if (status == STATUS_OK) {
        status = reader_move(reader, &run->model, step, words);
    }
    if (status == STATUS_OK && step->last) {
        status = reader_walk(reader, &run->model, words);
    }
    if (status != STATUS_OK || step->last) {
        reader_close(reader);
    }
    return answered(run, status, text);
}

static bool run_resume(struct run *run, const struct step *step) {
    (void)step;
    struct error error = {0};
    enum status status = kv_resume(run->kv, &error);
    if (status != STATUS_OK) {
        return run_excuses(run, "resume", status, &error);
    }
    size_t changes;
    if (!read_all(run, written(run), &changes)) {
        return false;
    }
    recovered(run);
    settle_on(run, changes, false);
    return true;
}

/* ---- the program ----------------------------------------------------------------- */

static bool (*const runners[OPERATION_COUNT])(struct run *, const struct step *) = {
    [OPERATION_PUT] = run_put,
    [OPERATION_DELETE] = run_delete,
    [OPERATION_CHANGE] = run_change,
    [OPERATION_SYNC] = run_sync,
    [OPERATION_GET] = run_get,
    [OPERATION_SCAN] = run_scan,
    [OPERATION_ADVANCE] = run_advance,
    [OPERATION_REOPEN] = run_reopen,
    [OPERATION_KILL] = run_process_death,
    [OPERATION_POWER] = run_power,
    [OPERATION_RESUME] = run_resume,
    [OPERATION_FLUSH] = run_flush,
    [OPERATION_COMPACT] = run_compact,
    [OPERATION_SNAPSHOT] = run_snapshot,
    [OPERATION_RELEASE] = run_release,
    [OPERATION_LOOK_BACK] = run_look_back,
    [OPERATION_WALK] = run_walk,
    [OPERATION_COPY] = run_copy_made,
    [OPERATION_NOTIFY] = run_notify,
    [OPERATION_ERASE] = run_erase,
};

void run_begin(struct run *run, const struct program *program, struct tape *schedule) {
    if (run->disk != NULL) {
        run_kill(run, run->disk);
        disk_free(run->disk);
    }
    struct run fresh = {.scheduler = run->scheduler,
                        .model = run->model,
                        .iters = run->iters,
                        .copies = run->copies,
                        .program = program,
                        .options = program->options,
                        .schedule = schedule};
    *run = fresh;
    scheduler_rewind(run->scheduler);
    run->disk = disk_new();
    model_clear(&run->model);
    run->model.clock = stage_has(FEATURE_SERVER) ? scheduler_clock(run->scheduler) : NULL;
    run_clear_faults(run);
    run->struck = false;
    run->excused = false;
    counted_memory_mark();
    run->blocks = counted_memory_blocks();
    run->options.world = &run->world;
}

bool run_steps(struct run *run) {
    if (!open_store(run, (struct law){0, 0})) {
        return false;
    }
    run->ends[0] = disk_operations(run->disk);
    run->step = 0;
    return run_more(run);
}

bool run_more(struct run *run) {
    for (; run->step < run->program->count; run->step++) {
        const struct step *step = &run->program->steps[run->step];
        watch_alive();
        size_t begun = disk_operations(run->disk);
        size_t dropped = run->first_point;
        if (!runners[step->operation](run, step) || !check_progress(run)) {
            return false;
        }
        /* A step that began a new account of the law has made its own moments. */
        bool own = run->first_point != dropped || step->operation == OPERATION_POWER;
        note(run, own ? disk_operations(run->disk) : begun);
        run->ends[run->step + 1] = disk_operations(run->disk);
    }
    return true;
}

/* A store that a fault has met, if only in its close, may leave files to the next open:
 * so it is opened and closed once more, without faults, and then held to account. */
static bool ends_well(struct run *run) {
    bool opened = run->kv != NULL;
    run_fault_struck(run);
    if (opened && !close_store(run)) {
        return false;
    }
    run_fault_struck(run);
    bool again = !opened || run->stopped || run->struck;
    run_clear_faults(run);
    if (again && !(open_store(run, written(run)) && close_store(run))) {
        return false;
    }
    run->schedule = NULL;
    char words[600] = "";
    return copies_are_there(run) &&
           (audit(run, run->disk, words, sizeof words) || run_fails(run, "%s", words));
}

bool run_end(struct run *run) {
    bool good = !run->failed && ends_well(run);
    run->schedule = NULL;
    if (!good) {
        run->kv = NULL;
        run_kill(run, run->disk);
    }
    return good;
}

void run_print(const struct run *run, FILE *out) {
    program_print_steps(run->program, run->first_sequences, run->step + 1, out);
    if (run->failed) {
        fprintf(out, "  %s\n", run->failure);
    }
}
