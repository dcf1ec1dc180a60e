/* Threads that write, read, walk and copy one store at the same time, in orders drawn
 * from the tape; what they were told must be linearizable (linear.h).
 *
 *     case     := store, fault?, plan of each thread, schedule
 *     plan     := (more (not 0), call)* 0
 *     schedule := for every decision of the scheduler, which of the threads that can run
 *                 goes on: 0 is the running one
 *
 * Where the tape has no choice left, a policy draws it and it is noted on the tape as the
 * plain answer, so whatever made a schedule, it replays and is made simple as one list:
 *
 *     uniform  any thread, at one decision of 1, 2, 8 or 32; else the running one
 *     PCT      each thread has a random priority, the highest that can run does; at d
 *              random decisions the running one falls below all. Finds a bug of depth d
 *              with a known probability (Burckhardt and others, ASPLOS 2010)
 *
 * Between its calls, and between the moves of an iterator, a thread passes a lock of no
 * other use: there is always a switch point.
 *
 * tidy: long because a race is drawn, run, judged and counted in one place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "grow.h"
#include "kv_checkpoint.h"
#include "linear.h"
#include "watch.h"

enum { THREADS = 5, ITERATOR = 4, WRITERS = 2, CALLS_MAX = 4, ITERS_MAX = 3 };

_Static_assert(ITERATOR *CALLS_MAX + ITERS_MAX <= HISTORY_CALLS, "histories have room");

enum {
    LONG = 12,       /* calls: only such histories count */
    GROUPS_IN = 100, /* programs a group must have been met */
    PCT_DEPTH_MAX = 3
};

struct policy {
    uint64_t random;
    uint64_t one_in; /* 0: PCT */
    uint64_t salt;   /* of the priorities */
    uint64_t changes[PCT_DEPTH_MAX];
    uint64_t fallen[PCT_DEPTH_MAX]; /* thread numbers; the latest is the lowest */
    size_t depth;
};

struct race {
    struct tape *tape;
    struct scheduler *scheduler;
    struct disk *disk;
    struct world world;
    struct kv_options options;
    struct kv *kv;
    struct mutex turn; /* a switch point */
    struct policy policy;
    bool racing;
    uint64_t decisions;
    uint64_t fingerprint; /* of who could go on and who did, at every decision */
    struct racer {
        struct race *race;
        unsigned thread; /* from 1 */
        struct call plan[CALLS_MAX];
        size_t count;
    } racers[THREADS];
    unsigned values; /* drawn */
    struct fault fault;
    struct history history;
    uint64_t largest_group; /* of changes written together */
    bool failed;
    char words[700];
};

static void fail(struct race *race, const char *what, enum status status,
                 const struct error *error) {
    if (!race->failed) {
        race->failed = true;
        snprintf(race->words, sizeof race->words, "%s: %s: %s", what,
                 status_words(status), error->message);
    }
}

/* ---- the schedule ---------------------------------------------------------------- */

static void draw_policy(struct policy *policy, uint64_t seed) {
    static const uint64_t one_in[] = {1, 2, 8, 32};
    *policy = (struct policy){.random = seed, .salt = seed};
    uint64_t kind = random_below(&policy->random, 8);
    if (kind < 4) {
        policy->one_in = one_in[kind];
        return;
    }
    policy->depth = 1 + random_below(&policy->random, PCT_DEPTH_MAX);
    for (size_t i = 0; i < policy->depth; i++) {
        uint64_t range = UINT64_C(16) << random_below(&policy->random, 7);
        policy->changes[i] = random_below(&policy->random, range);
    }
}

static uint64_t priority(const struct policy *policy, uint64_t thread) {
    for (size_t i = policy->depth; i-- > 0;) {
        if (policy->fallen[i] == thread && thread != 0) {
            return policy->depth - i;
        }
    }
    uint64_t state = policy->salt + thread;
    return random_next(&state) | UINT64_C(1) << 63;
}

static uint64_t decide(struct race *race, uint64_t bound) {
    struct policy *policy = &race->policy;
    if (policy->one_in > 0) {
        return random_below(&policy->random, policy->one_in) == 0
                   ? random_below(&policy->random, bound)
                   : 0;
    }
    for (size_t i = 0; i < policy->depth; i++) {
        if (policy->changes[i] == race->decisions) {
            policy->fallen[i] = scheduler_candidate(race->scheduler, 0);
        }
    }
    uint64_t best = 0, highest = 0;
    for (uint64_t i = 0; i < bound; i++) {
        uint64_t own = priority(policy, scheduler_candidate(race->scheduler, i));
        best = own > highest ? i : best;
        highest = own > highest ? own : highest;
    }
    return best;
}

static uint64_t choose(void *context, uint64_t bound) {
    struct race *race = context;
    struct tape *tape = race->tape;
    if (!race->racing) {
        return 0;
    }
    race->decisions++;
    race->fingerprint ^= scheduler_candidate(race->scheduler, 0) << 8 ^ bound;
    race->fingerprint = random_next(&race->fingerprint);
    if (!tape->random || tape->made < tape->given) {
        return tape_choose(tape, bound);
    }
    uint64_t choice = decide(race, bound);
    tape_note(tape, choice);
    return choice;
}

/* ---- drawing --------------------------------------------------------------------- */

static unsigned new_value(struct race *race) {
    return ++race->values;
}

/* The first writer erases, too. */
static void draw_write(struct race *race, struct call *call, bool first) {
    struct tape *tape = race->tape;
    uint64_t kind = tape_choose(tape, stage_has(FEATURE_ERASE)     ? 11
                                      : stage_has(FEATURE_COMPACT) ? 10
                                                                   : 8);
    unsigned key = (unsigned)tape_choose(tape, HISTORY_KEYS);
    call->kind = kind > 9 && first           ? CALL_ERASE
                 : kind > 7                  ? CALL_COMPACT
                 : kind != 7                 ? CALL_WRITE
                 : race->fault.countdown > 0 ? CALL_RESUME
                 : stage_has(FEATURE_FLUSH)  ? CALL_FLUSH
                                             : CALL_WRITE;
    call->op_count = kind < 4 ? 1 : 2;
    call->ops[0] = (struct history_op){key, kind == 3 ? VALUE_ABSENT : new_value(race)};
    unsigned other = (key + 1 + (unsigned)tape_choose(tape, 2)) % HISTORY_KEYS;
    bool deletes = kind == 5;
    call->ops[1] = (struct history_op){other, deletes ? VALUE_ABSENT : new_value(race)};
}

/* Of three, two can meet behind the third. */
static unsigned writers(void) {
    return stage_has(FEATURE_BATCH) ? WRITERS + 1 : WRITERS;
}

static void draw_plan(struct race *race, struct racer *racer) {
    struct tape *tape = race->tape;
    size_t most = racer->thread == ITERATOR + 1 ? ITERS_MAX : CALLS_MAX;
    bool more = true;
    while (more && racer->count < most) {
        struct call *call = &racer->plan[racer->count];
        tape_begin(tape);
        more = tape_choose(tape, 20) != 0;
        if (more && racer->thread <= writers()) {
            draw_write(race, call, racer->thread == 1);
        } else if (more && racer->thread <= ITERATOR) {
            call->kind = CALL_GET;
            call->key = (unsigned)tape_choose(tape, HISTORY_KEYS);
        } else if (more) {
            call->kind = CALL_ITER;
            call->walk_count = 1 + tape_choose(tape, HISTORY_WALKS);
            call->look = stage_has(FEATURE_SNAPSHOT) ? (enum look)tape_choose(tape, 4)
                                                     : LOOK_ITERATOR;
        }
        racer->count += more;
        tape_end(tape);
    }
}

/* Tables of an entry, levels that are full with one or two, writers that are stopped. */
static void draw_upkeep(struct race *race) {
    struct tape *tape = race->tape;
    struct kv_options *options = &race->options;
    options->write_buffers = 2 + (uint32_t)tape_choose(tape, 2);
    options->level0_tables = 1 + (uint32_t)tape_choose(tape, 2);
    options->table_bytes = tape_choose(tape, 2) == 0 ? 8 << 20 : 60;
    options->max_open_files = tape_choose(tape, 2) == 0 ? 100 : 1;
    options->compaction_threads = 1 + (uint32_t)tape_choose(tape, 2);
    if (tape_choose(tape, 2) != 0) {
        options->level0_slow_tables = 1;
        options->level0_stop_tables = options->level0_tables + 1;
    }
}

static void draw_race(struct race *race, bool faults) {
    static const enum durability modes[] = {DURABILITY_NONE, DURABILITY_ALWAYS,
                                            DURABILITY_INTERVAL};
    struct tape *tape = race->tape;
    race->options = kv_options_default();
    race->options.durability = modes[tape_choose(tape, 3)];
    race->options.interval_bytes = 64;
    race->options.log_region = tape_choose(tape, 2) == 0 ? APPEND_WRITE : APPEND_MAPPED;
    race->options.log_bytes = tape_choose(tape, 2) == 0 ? 1 << 20 : 60;
    race->options.log_step_bytes = 4096;
    if (stage_has(FEATURE_FLUSH)) {
        race->options.write_buffer_bytes = tape_choose(tape, 2) == 0 ? 1 << 20 : 60;
        race->options.block_cache_bytes = tape_choose(tape, 2) == 0 ? 16384 : 0;
    }
    if (stage_has(FEATURE_COMPACT)) {
        draw_upkeep(race);
    }
    if (faults) {
        race->fault.countdown = 1 + tape_choose(tape, 24);
        race->fault.effect = tape_choose(tape, 2) == 0 ? FAULT_BEFORE : FAULT_AFTER;
        race->fault.errnum = EIO;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        race->racers[i].race = race;
        race->racers[i].thread = i + 1;
        draw_plan(race, &race->racers[i]);
    }
}

/* ---- the threads ----------------------------------------------------------------- */

static struct slice value_of(unsigned value) {
    return program_value(value, 8 + value % 3);
}

static unsigned value_in(const struct race *race, struct slice bytes) {
    for (unsigned value = 1; value <= race->values; value++) {
        if (slice_equal(bytes, value_of(value))) {
            return value;
        }
    }
    return VALUE_STRANGE;
}

static void pause(struct race *race) {
    mutex_lock(&race->turn);
    mutex_unlock(&race->turn);
}

static enum status do_write(struct race *race, struct call *call, struct error *error) {
    struct kv_op ops[HISTORY_OPS];
    for (size_t i = 0; i < call->op_count; i++) {
        bool put = call->ops[i].value != VALUE_ABSENT;
        ops[i] = (struct kv_op){put ? KV_PUT : KV_DELETE, program_key(call->ops[i].key),
                                value_of(call->ops[i].value)};
    }
    const struct kv_write_options options = {.durability = DURABILITY_DEFAULT,
                                             .sequence = &call->sequence};
    return kv_write(race->kv, ops, call->op_count, &options, error);
}

static enum status do_get(struct race *race, struct call *call, struct error *error) {
    struct buf value = {0};
    const struct kv_read_options options = {.observed = &call->observed};
    enum status status =
        kv_get(race->kv, program_key(call->key), &value, &options, error);
    if (status == STATUS_OK) {
        call->found = value_in(race, buf_slice(&value));
    }
    buf_free(&value);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Notes the entry; an order that is none makes its key's value a strange one. */
static void note_entry(struct race *race, const struct iter *iter, bool forward,
                       struct slice last, unsigned *walk) {
    for (unsigned key = 0; key < HISTORY_KEYS; key++) {
        if (slice_equal(iter->key, program_key(key))) {
            int order = slice_present(last) ? slice_compare(last, iter->key) : 0;
            bool right = !slice_present(last) || (forward ? order < 0 : order > 0);
            walk[key] = right ? value_in(race, iter->value) : VALUE_STRANGE;
        }
    }
}

static enum status walk(struct race *race, struct call *call, size_t i, struct iter *iter,
                        struct error *error) {
    bool forward = i % 2 == 0;
    struct slice last = {0};
    pause(race);
    (forward ? iter_first : iter_last)(iter);
    for (int moves = 0; iter->valid && moves < 2 * HISTORY_KEYS; moves++) {
        note_entry(race, iter, forward, last, call->walks[i]);
        for (unsigned key = 0; key < HISTORY_KEYS; key++) {
            last = slice_equal(iter->key, program_key(key)) ? program_key(key) : last;
        }
        pause(race);
        (forward ? iter_next : iter_prev)(iter);
    }
    *error = iter->error;
    return iter->error.status;
}

static enum status do_iter(struct race *race, struct call *call, struct error *error) {
    struct iter *iter = NULL;
    const struct kv_iter_options options = {.observed = &call->observed};
    enum status status = kv_iter(race->kv, &options, &iter, error);
    for (size_t i = 0; status == STATUS_OK && i < call->walk_count; i++) {
        status = walk(race, call, i, iter, error);
    }
    iter_close(iter);
    return status;
}

/* What says that it observed another moment has shown strange values. */
static void hold_to_moment(struct call *call, size_t i, uint64_t observed) {
    for (unsigned key = 0; observed != call->observed && key < HISTORY_KEYS; key++) {
        call->walks[i][key] = VALUE_STRANGE;
    }
}

static enum status walk_at(struct race *race, struct call *call, size_t i,
                           const struct kv_snapshot *snapshot, struct error *error) {
    struct iter *iter = NULL;
    uint64_t observed = 0;
    const struct kv_iter_options options = {.observed = &observed, .snapshot = snapshot};
    enum status status = kv_iter(race->kv, &options, &iter, error);
    if (status == STATUS_OK) {
        status = walk(race, call, i, iter, error);
        hold_to_moment(call, i, observed);
    }
    iter_close(iter);
    return status;
}

static enum status keys_at(struct race *race, struct call *call, size_t i,
                           const struct kv_snapshot *snapshot, struct error *error) {
    enum status status = STATUS_OK;
    for (unsigned key = 0; status == STATUS_OK && key < HISTORY_KEYS; key++) {
        struct buf value = {0};
        uint64_t observed = 0;
        const struct kv_read_options options = {&observed, snapshot, false, 0};
        pause(race);
        status = kv_get(race->kv, program_key(key), &value, &options, error);
        if (status == STATUS_OK) {
            call->walks[i][key] = value_in(race, buf_slice(&value));
        }
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
        if (status == STATUS_OK) {
            hold_to_moment(call, i, observed);
        }
        buf_free(&value);
    }
    return status;
}

static enum status do_snapshot(struct race *race, struct call *call,
                               struct error *error) {
    struct kv_snapshot *snapshot = NULL;
    enum status status = kv_snapshot_take(race->kv, &snapshot, error);
    if (status != STATUS_OK) {
        return status;
    }
    call->observed = kv_snapshot_sequence(snapshot);
    for (size_t i = 0; status == STATUS_OK && i < call->walk_count; i++) {
        bool keys = call->look == LOOK_KEYS && i % 2 == 0;
        pause(race);
        status = (keys ? keys_at : walk_at)(race, call, i, snapshot, error);
    }
    kv_snapshot_release(snapshot);
    return status;
}

struct copy_path {
    char text[24];
};

static struct copy_path path_of(const struct race *race, const struct call *call) {
    struct copy_path path;
    snprintf(path.text, sizeof path.text, "checkpoint-%zu",
             (size_t)(call - race->history.calls));
    return path;
}

static enum status do_checkpoint(struct race *race, struct call *call,
                                 struct error *error) {
    const struct kv_copy_options options = {.sequence = &call->observed};
    call->walk_count = 1;
    return kv_checkpoint(race->kv, path_of(race, call).text, &options, error);
}

static enum status look_around(struct race *race, struct call *call,
                               struct error *error) {
    switch (call->look) {
    case LOOK_SNAPSHOT:
    case LOOK_KEYS:
        return do_snapshot(race, call, error);
    case LOOK_CHECKPOINT:
        return do_checkpoint(race, call, error);
    case LOOK_ITERATOR:
    default:
        return do_iter(race, call, error);
    }
}

/* Each checkpoint, as a store of its own. */
static void open_copies(struct race *race) {
    struct kv_options options = race->options;
    options.create = false;
    for (size_t i = 0; i < race->history.count; i++) {
        struct call *call = &race->history.calls[i];
        struct error error = {0};
        struct iter *iter = NULL;
        if (call->kind != CALL_ITER || call->look != LOOK_CHECKPOINT || call->failed) {
            continue;
        }
        enum status status =
            kv_open(path_of(race, call).text, &options, &race->kv, &error);
        if (status != STATUS_OK) {
            fail(race, "a checkpoint", status, &error);
            return;
        }
        status = kv_iter(race->kv, NULL, &iter, &error);
        if (status == STATUS_OK) {
            status = walk(race, call, 0, iter, &error);
        }
        iter_close(iter);
        enum status closed = kv_close(race->kv, &error);
        if (status != STATUS_OK || closed != STATUS_OK) {
            fail(race, "reading a checkpoint", status, &error);
        }
    }
}

static void do_call(struct race *race, struct call *call) {
    struct error error = {0};
    enum status status;
    switch (call->kind) {
    case CALL_WRITE:
        status = do_write(race, call, &error);
        break;
    case CALL_GET:
        status = do_get(race, call, &error);
        break;
    case CALL_ITER:
        status = look_around(race, call, &error);
        break;
    case CALL_FLUSH:
        status = kv_flush(race->kv, &error);
        break;
    case CALL_COMPACT:
        status = kv_compact(race->kv, (struct slice){0}, (struct slice){0}, &error);
        break;
    case CALL_ERASE:
        status = kv_erase_all(race->kv, &error);
        break;
    case CALL_RESUME:
    default:
        status = kv_resume(race->kv, &error);
        break;
    }
    call->failed = status != STATUS_OK;
    if (call->failed && disk_fault_struck(race->disk) == NULL) {
        fail(race, "a call failed though nothing was made to fail", status, &error);
    }
}

static void run_racer(void *argument) {
    struct racer *racer = argument;
    struct race *race = racer->race;
    for (size_t i = 0; i < racer->count; i++) {
        pause(race);
        struct call *call = &race->history.calls[race->history.count++];
        *call = racer->plan[i];
        call->thread = racer->thread;
        call->invoked = ++race->history.clock;
        pause(race);
        do_call(race, call);
        call->returned = ++race->history.clock;
    }
}

/* ---- a case ---------------------------------------------------------------------- */

static void run_threads(struct race *race) {
    struct thread threads[THREADS];
    size_t begun = 0;
    race->racing = true;
    while (begun < THREADS &&
           thread_create(&threads[begun], race->world.threads, run_racer,
                         &race->racers[begun]) == STATUS_OK) {
        begun++;
    }
    for (size_t i = 0; i < begun; i++) {
        thread_join(&threads[i]);
    }
    race->racing = false;
}

static void run_store(struct race *race) {
    struct error error = {0};
    size_t blocks = counted_memory_blocks();
    enum status status = kv_open("db", &race->options, &race->kv, &error);
    if (status != STATUS_OK) {
        fail(race, "open", status, &error);
        return;
    }
    disk_set_fault(race->disk, &race->fault);
    run_threads(race);
    struct kv_stats stats;
    kv_stats(race->kv, &stats);
    race->largest_group = stats.largest_write_group;
    bool struck = disk_fault_struck(race->disk) != NULL;
    status = kv_close(race->kv, &error);
    if (status != STATUS_OK && !struck && disk_fault_struck(race->disk) == NULL) {
        fail(race, "close", status, &error);
    }
    disk_set_fault(race->disk, &(struct fault){0});
    open_copies(race);
    if (counted_memory_blocks() != blocks || disk_open_handles(race->disk) != 0) {
        fail(race, "memory or files are left behind", STATUS_OK, &(struct error){0});
    }
}

/* Draws and runs; what happened is in *race. */
static void run_race(struct race *race, struct tape *tape, bool faults) {
    *race = (struct race){.tape = tape, .fingerprint = 1};
    race->scheduler = scheduler_new(choose, race);
    race->disk = disk_new();
    race->world =
        (struct world){disk_files(race->disk), scheduler_threads(race->scheduler),
                       scheduler_clock(race->scheduler)};
    draw_race(race, faults);
    race->options.world = &race->world;
    draw_policy(&race->policy, tape->state);
    if (mutex_init(&race->turn, race->world.threads) != STATUS_OK) {
        abort(); /* nothing was made to fail */
    }
    run_store(race);
    mutex_free(&race->turn);
    scheduler_free(race->scheduler);
    disk_free(race->disk);
}

static bool judge(struct race *race) {
    return !race->failed &&
           history_linear(&race->history, race->words, sizeof race->words);
}

static bool one_case(struct check_run *check, struct tape *tape, bool faults) {
    struct race race;
    run_race(&race, tape, faults);
    check->cases += race.history.count;
    bool holds = judge(&race);
    if (check->story != NULL) {
        history_print(&race.history, check->story);
        fprintf(check->story, "  %s\n", holds ? "some order explains it" : race.words);
    }
    return holds;
}

static bool one_store(struct check_run *check, struct tape *tape) {
    return one_case(check, tape, false);
}

static bool one_resume(struct check_run *check, struct tape *tape) {
    return one_case(check, tape, true);
}

/* ---- campaigns ------------------------------------------------------------------- */

struct fingerprints {
    uint64_t *all;
    size_t count, capacity;
};

static void keep(struct fingerprints *prints, uint64_t fingerprint) {
    prints->all =
        grow(prints->all, &prints->capacity, prints->count + 1, sizeof *prints->all);
    prints->all[prints->count++] = fingerprint;
}

static int compare(const void *a, const void *b) {
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* How many differ; frees them. */
static size_t distinct(struct fingerprints *prints) {
    size_t count = 0;
    if (prints->count > 0) {
        qsort(prints->all, prints->count, sizeof *prints->all, compare);
    }
    for (size_t i = 0; i < prints->count; i++) {
        count += i == 0 || prints->all[i] != prints->all[i - 1];
    }
    free(prints->all);
    *prints = (struct fingerprints){0};
    return count;
}

static void sample(struct check_run *check, bool faults) {
    struct tape tape = {0};
    struct fingerprints prints = {0};
    size_t calls = 0, groups = 0;
    while (check_goes_on(check)) {
        struct race race;
        tape_seed(&tape, check_tape_seed(check, check->programs));
        check->programs++;
        watch_case(check->check, watch_write_tape, &tape);
        watch_alive();
        run_race(&race, &tape, faults);
        calls += race.history.count;
        groups += race.largest_group > 1;
        check->cases += race.history.count;
        if (race.history.count >= LONG) {
            keep(&prints, race.fingerprint);
        }
        if (!judge(&race)) {
            check_failed(check, &tape);
        }
    }
    size_t histories = prints.count;
    fprintf(check->report,
            "%s: %zu programs, %zu histories of %d calls or more by %zu distinct "
            "schedules, %zu calls\n",
            check->check->name, check->programs, histories, LONG, distinct(&prints),
            calls);
    if (stage_has(FEATURE_BATCH)) {
        fprintf(check->report, "%s: %zu programs with groups of changes\n",
                check->check->name, groups);
        check->failed = check->failed || (groups == 0 && check->programs > GROUPS_IN);
    }
    watch_case(NULL, NULL, NULL);
    tape_free(&tape);
}

static void sample_store(struct check_run *check) {
    sample(check, false);
}

static void sample_resume(struct check_run *check) {
    sample(check, true);
}

/* ---- self checks ----------------------------------------------------------------- */

static bool overlaps(const struct history *history) {
    for (size_t i = 1; i < history->count; i++) {
        if (history->calls[i].invoked < history->calls[i - 1].returned) {
            return true;
        }
    }
    return false;
}

/* One program in many orders: they must be many, and calls overlap. */
static void schedules_differ(struct check_run *check) {
    struct tape program = {0}, tape = {0};
    struct fingerprints prints = {0};
    size_t overlapping = 0;
    struct race race = {.tape = &program};
    tape_seed(&program, check->seed);
    draw_race(&race, false);
    while (check_goes_on(check)) {
        tape_replay(&tape, program.choices, program.made);
        tape.random = true;
        tape.state = check_tape_seed(check, check->programs++);
        run_race(&race, &tape, false);
        check->cases += race.history.count;
        overlapping += overlaps(&race.history);
        keep(&prints, race.fingerprint);
    }
    size_t differ = distinct(&prints);
    check->failed =
        differ * 10 < check->programs * 9 || overlapping * 2 < check->programs;
    if (check->failed) {
        fprintf(check->report,
                "%s: FAILED: one program, run %zu times, took %zu schedules; calls "
                "overlapped in %zu runs\n",
                check->check->name, check->programs, differ, overlapping);
    }
    tape_free(&program);
    tape_free(&tape);
}

/* A history that was right, with one lie in it. Every lie must be noticed. */
static bool lie(struct history *history, size_t kind, size_t at) {
    struct call *call = &history->calls[at];
    bool write = call->kind == CALL_WRITE, iter = call->kind == CALL_ITER;
    switch (kind) {
    case 0:
        call->found += 100;
        return call->kind == CALL_GET;
    case 1:
        call->walks[0][at % HISTORY_KEYS] += 100;
        return iter;
    case 2:
        call->observed += 100;
        return iter || call->kind == CALL_GET;
    case 3:
        call->sequence++;
        return write;
    default:
        call->sequence = 0;
        return write;
    }
}

static bool one_lies(struct check_run *check, struct tape *tape) {
    enum { LIES = 5 };
    struct race race;
    run_race(&race, tape, false);
    bool holds = judge(&race);
    for (size_t kind = 0; holds && kind < LIES; kind++) {
        for (size_t at = 0; holds && at < race.history.count; at++) {
            struct history told = race.history;
            if (lie(&told, kind, at)) {
                holds = !history_linear(&told, race.words, sizeof race.words);
                check->cases++;
            }
            if (!holds && check->story != NULL) {
                history_print(&told, check->story);
                fputs("  was found linearizable\n", check->story);
            }
        }
    }
    return holds;
}

const struct check race_checks[] = {
    {"self.schedules", CHECK_CHECK, 1, 0, 200, 50,
     "the orders of threads do differ, and calls do overlap", one_store,
     schedules_differ},
    {"self.linear", CHECK_CHECK, 1, 0, 200, 20,
     "a lie in a history of overlapping calls is noticed", one_lies, NULL},
    {"races.store", CHECK_RACES, 1, 0, 20000, 4000,
     "what writers, readers and an iterator are told at the same time is linearizable",
     one_store, sample_store},
    {"races.resume", CHECK_RACES, 1, 0, 10000, 2000,
     "the same while a call to the disk fails, and the store is resumed", one_resume,
     sample_resume},
    {0},
};
