/* Several writers at once, in an order drawn from the tape, and then the power goes: at
 * any operation of the disk, so also in the middle of what a group writes or syncs.
 *
 *     case   := store, plan of each writer, schedule, crash
 *     plan   := (more (not 0), durability, ops)* 0
 *
 * Every change was given its sequences, so the order is known, and the law is short: the
 * state is that after the changes up to some sequence k, all of each of them; k is no
 * less than that of any change that was acknowledged as durable before the power went.
 *
 * In the sweep something fails meanwhile instead:
 *
 *     case   := store, plan of each writer, seed of the schedule, dies?, what fails
 *
 * and what is left is asked for three times. For each k is no less than
 *
 *     visible        in the store, that goes on       any change that was acknowledged
 *     W              after the death of the process   the same, and W as it was told
 *     D              after a loss of power            any that was acknowledged as
 *                                                     durable, and D as it was told
 *
 * A change that failed and has a sequence is in doubt: it may be there, but only whole,
 * and only behind all that come before it. One that has none is not there.
 *
 * tidy: long because a crash and a fault are two ends of the same story. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "image.h"
#include "lives.h"
#include "plan.h"
#include "watch.h"

enum { WRITERS = 4, CHANGES_MAX = 3, OPS_MAX = 3, KEYS = 3 };

enum { WITNESSED_IN = 100 /* stores */, SCHEDULES = 1 << 16 };

enum { MODES = DURABILITY_ALWAYS + 1 };

static const char *const mode_names[MODES] = {"default", "none", "interval", "always"};

struct written {
    enum durability durability;
    size_t op_count;
    unsigned keys[OPS_MAX];
    uint64_t ids[OPS_MAX]; /* of the values; 0: a delete */
    size_t bytes[OPS_MAX]; /* of the values */
    enum status status;    /* what the writer was told */
    uint64_t sequence;     /* of its last operation; 0: it was never issued */
    size_t operations;     /* of the disk when it was acknowledged */
};

struct crowd {
    struct tape *tape;
    struct tape *schedule;
    struct scheduler *scheduler;
    struct disk *disk;
    struct world world;
    struct kv_options options;
    struct kv *kv;
    bool racing;
    bool faults; /* something may fail */
    uint64_t ids;
    struct crowd_writer {
        struct crowd *crowd;
        struct written changes[CHANGES_MAX];
        size_t count;
    } writers[WRITERS];
    const struct written *order[WRITERS * CHANGES_MAX]; /* by sequence */
    size_t count;
    uint64_t largest; /* group */
    uint64_t found;   /* the sequence up to which changes are there */
    char words[300];
};

/* One decision in eight is not to stay. */
static uint64_t choose(void *context, uint64_t bound) {
    struct crowd *crowd = context;
    return crowd->racing && tape_choose(crowd->schedule, 8) == 7
               ? tape_choose(crowd->schedule, bound)
               : 0;
}

/* ---- drawing --------------------------------------------------------------------- */

static void draw_change(struct crowd *crowd, struct written *change) {
    static const enum durability modes[] = {DURABILITY_ALWAYS, DURABILITY_NONE,
                                            DURABILITY_INTERVAL};
    struct tape *tape = crowd->tape;
    change->durability = modes[tape_choose(tape, 3)];
    change->op_count = 1 + (size_t)tape_choose(tape, OPS_MAX);
    for (size_t i = 0; i < change->op_count; i++) {
        change->keys[i] = (unsigned)tape_choose(tape, KEYS);
        change->ids[i] = tape_choose(tape, 4) == 3 ? 0 : ++crowd->ids;
        change->bytes[i] = 8 + (size_t)tape_choose(tape, 900);
    }
}

static void draw(struct crowd *crowd) {
    struct tape *tape = crowd->tape;
    crowd->options = kv_options_default();
    crowd->options.world = &crowd->world;
    crowd->options.log_region = tape_choose(tape, 2) == 0 ? APPEND_WRITE : APPEND_MAPPED;
    crowd->options.log_bytes = tape_choose(tape, 2) == 0 ? 1 << 20 : 1000;
    crowd->options.log_step_bytes = 4096;
    crowd->options.interval_bytes = 64;
    crowd->options.write_buffer_bytes = tape_choose(tape, 4) == 3 ? 2000 : 1 << 20;
    for (size_t i = 0; i < WRITERS; i++) {
        struct crowd_writer *writer = &crowd->writers[i];
        bool more = true;
        writer->crowd = crowd;
        while (more && writer->count < CHANGES_MAX) {
            tape_begin(tape);
            more = tape_choose(tape, 8) != 0;
            if (more) {
                draw_change(crowd, &writer->changes[writer->count++]);
            }
            tape_end(tape);
        }
    }
}

/* ---- the writers ----------------------------------------------------------------- */

static bool object(struct crowd *crowd, const char *what, enum status status,
                   const struct error *error) {
    if (crowd->words[0] == '\0') {
        snprintf(crowd->words, sizeof crowd->words, "%s: %s: %.200s", what,
                 status_words(status), error->message);
    }
    return false;
}

static struct slice value_of(const struct written *change, size_t op) {
    return program_value(change->ids[op], change->bytes[op]);
}

static void run_writer(void *argument) {
    struct crowd_writer *writer = argument;
    struct crowd *crowd = writer->crowd;
    for (size_t i = 0; i < writer->count; i++) {
        struct written *change = &writer->changes[i];
        struct kv_op ops[OPS_MAX];
        struct error error = {0};
        for (size_t j = 0; j < change->op_count; j++) {
            bool put = change->ids[j] != 0;
            ops[j] = (struct kv_op){put ? KV_PUT : KV_DELETE,
                                    program_key(change->keys[j]), value_of(change, j)};
        }
        const struct kv_write_options how = {.durability = change->durability,
                                             .sequence = &change->sequence};
        change->status = kv_write(crowd->kv, ops, change->op_count, &how, &error);
        if (change->status != STATUS_OK && (!crowd->faults || error.message[0] == '\0')) {
            object(crowd, "a write", change->status, &error);
        }
        change->operations = disk_operations(crowd->disk);
    }
}

/* A writer whose thread there is no memory for writes nothing. */
static void run_writers(struct crowd *crowd) {
    struct thread threads[WRITERS];
    bool begun[WRITERS];
    crowd->racing = true;
    for (size_t i = 0; i < WRITERS; i++) {
        begun[i] = thread_create(&threads[i], crowd->world.threads, run_writer,
                                 &crowd->writers[i]) == STATUS_OK;
        if (!begun[i]) {
            crowd->writers[i].count = 0;
        }
    }
    for (size_t i = 0; i < WRITERS; i++) {
        if (begun[i]) {
            thread_join(&threads[i]);
        }
    }
    crowd->racing = false;
}

static void sort_in(struct crowd *crowd, const struct written *change) {
    size_t at = crowd->count++;
    for (; at > 0 && crowd->order[at - 1]->sequence > change->sequence; at--) {
        crowd->order[at] = crowd->order[at - 1];
    }
    crowd->order[at] = change;
}

/* Sequences from 1 on, without a hole, and each writer's in its own order. Of changes in
 * doubt those that stand behind a hole never were. */
static bool order(struct crowd *crowd) {
    uint64_t last = 0;
    size_t kept = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        const struct crowd_writer *writer = &crowd->writers[i];
        uint64_t before = 0;
        for (size_t j = 0; j < writer->count; j++) {
            const struct written *change = &writer->changes[j];
            if (change->sequence > 0) {
                sort_in(crowd, change);
            }
            if ((change->status == STATUS_OK && change->sequence == 0) ||
                (change->sequence > 0 && change->sequence < before)) {
                return object(crowd, "a writer's order", STATUS_OK, &(struct error){0});
            }
            before = change->sequence > 0 ? change->sequence : before;
        }
    }
    for (size_t i = 0; i < crowd->count; i++) {
        const struct written *change = crowd->order[i];
        if (change->sequence == last + change->op_count) {
            last = change->sequence;
            crowd->order[kept++] = change;
        } else if (change->status == STATUS_OK) {
            return object(crowd, "sequences", STATUS_OK, &(struct error){0});
        }
    }
    crowd->count = kept;
    return true;
}

static bool run_store(struct crowd *crowd) {
    struct error error = {0};
    struct kv_stats stats;
    enum status status = kv_open("db", &crowd->options, &crowd->kv, &error);
    if (status != STATUS_OK) {
        return object(crowd, "open", status, &error);
    }
    run_writers(crowd);
    kv_stats(crowd->kv, &stats);
    crowd->largest = stats.largest_write_group;
    status = kv_close(crowd->kv, &error);
    return status == STATUS_OK ? crowd->words[0] == '\0' && order(crowd)
                               : object(crowd, "close", status, &error);
}

/* ---- after the crash ------------------------------------------------------------- */

/* Whether the key is what the changes up to `found` made it. */
static bool check_key(struct crowd *crowd, struct kv *kv, unsigned key) {
    struct slice expected = {0};
    struct buf value = {0};
    struct error error = {0};
    for (size_t i = 0; i < crowd->count && crowd->order[i]->sequence <= crowd->found;
         i++) {
        const struct written *change = crowd->order[i];
        for (size_t j = 0; j < change->op_count; j++) {
            if (change->keys[j] == key) {
                expected = change->ids[j] == 0 ? (struct slice){0} : value_of(change, j);
            }
        }
    }
    enum status status = kv_get(kv, program_key(key), &value, NULL, &error);
    bool good = slice_present(expected)
                    ? status == STATUS_OK && slice_equal(buf_slice(&value), expected)
                    : status == STATUS_NOT_FOUND;
    buf_free(&value);
    return good || object(crowd, "a key is not what the changes made it", status, &error);
}

/* The highest sequence of those that were acknowledged, before that operation of the
 * disk: with that durability, or with any (DURABILITY_DEFAULT). */
static uint64_t acknowledged(const struct crowd *crowd, enum durability durability,
                             size_t operation) {
    uint64_t least = 0;
    for (size_t i = 0; i < crowd->count; i++) {
        const struct written *change = crowd->order[i];
        if (change->status == STATUS_OK && change->operations <= operation &&
            (durability == DURABILITY_DEFAULT || change->durability == durability)) {
            least = change->sequence;
        }
    }
    return least;
}

/* What the open store shows: whole changes, up to `least` at least. */
static bool check_state(struct crowd *crowd, struct kv *kv, uint64_t least) {
    bool end = crowd->found == 0;
    for (size_t i = 0; i < crowd->count; i++) {
        end = end || crowd->order[i]->sequence == crowd->found;
    }
    if (!end) {
        return object(crowd, "a part of a change", STATUS_OK, &(struct error){0});
    }
    if (crowd->found < least) {
        return object(crowd, "an acknowledged change is gone", STATUS_OK,
                      &(struct error){0});
    }
    bool holds = true;
    for (unsigned key = 0; holds && key < KEYS; key++) {
        holds = check_key(crowd, kv, key);
    }
    return holds;
}

static bool recover(struct crowd *crowd, struct disk *image, uint64_t least) {
    struct world world = crowd->world;
    struct kv_options options = crowd->options;
    struct kv_progress progress;
    struct error error = {0};
    struct kv *kv;
    world.files = disk_files(image);
    options.world = &world;
    enum status status = kv_open("db", &options, &kv, &error);
    bool holds = status == STATUS_OK || object(crowd, "reopen", status, &error);
    if (status == STATUS_OK) {
        kv_progress(kv, &progress);
        crowd->found = progress.written;
        holds = check_state(crowd, kv, least);
        status = kv_close(kv, &error);
        holds = holds && (status == STATUS_OK || object(crowd, "close", status, &error));
    }
    return holds;
}

static void tell(const struct crowd *crowd, const struct crash *crash, FILE *story) {
    for (size_t i = 0; i < WRITERS; i++) {
        for (size_t j = 0; j < crowd->writers[i].count; j++) {
            const struct written *change = &crowd->writers[i].changes[j];
            fprintf(story,
                    "  writer %zu: %s, %zu operations, up to sequence %llu, %s at %zu\n",
                    i + 1, mode_names[change->durability], change->op_count,
                    (unsigned long long)change->sequence,
                    change->status == STATUS_OK ? "acknowledged" : "FAILED",
                    change->operations);
        }
    }
    if (crash != NULL) {
        disk_print_crash(crowd->disk, crash, story);
    }
    fprintf(story, "  found up to sequence %llu%s%s\n", (unsigned long long)crowd->found,
            crowd->words[0] == '\0' ? "" : ": ", crowd->words);
}

/* ---- the check ------------------------------------------------------------------- */

struct witness {
    size_t groups; /* stores with a group of several changes */
    size_t lost;   /* crashes that took some of the changes, and not all */
    size_t acknowledged[MODES], taken[MODES]; /* changes, and of them those not found */
};

static void count(const struct crowd *crowd, const struct crash *crash,
                  struct witness *witness) {
    uint64_t last = crowd->count == 0 ? 0 : crowd->order[crowd->count - 1]->sequence;
    witness->groups += crowd->largest > 1;
    witness->lost += crowd->found > 0 && crowd->found < last;
    for (size_t i = 0; i < crowd->count; i++) {
        const struct written *change = crowd->order[i];
        if (change->operations <= crash->operation) {
            witness->acknowledged[change->durability]++;
            witness->taken[change->durability] += change->sequence > crowd->found;
        }
    }
}

static void begin(struct crowd *crowd) {
    crowd->scheduler = scheduler_new(choose, crowd);
    crowd->disk = disk_new();
    crowd->world =
        (struct world){disk_files(crowd->disk), scheduler_threads(crowd->scheduler),
                       scheduler_clock(crowd->scheduler)};
    draw(crowd);
}

static bool run_case(struct check_run *check, struct tape *tape,
                     struct witness *witness) {
    struct crowd crowd = {.tape = tape, .schedule = tape};
    struct crash crash = {0};
    begin(&crowd);
    bool holds = run_store(&crowd);
    if (holds) {
        tape_begin(tape);
        crash = crash_draw(crowd.disk, check->profiles, 0, tape);
        tape_end(tape);
        struct disk *image = disk_crash(crowd.disk, &crash);
        holds = recover(&crowd, image,
                        acknowledged(&crowd, DURABILITY_ALWAYS, crash.operation));
        disk_free(image);
        check->cases++;
        count(&crowd, &crash, witness);
    }
    if (check->story != NULL) {
        tell(&crowd, &crash, check->story);
    }
    scheduler_free(crowd.scheduler);
    disk_free(crowd.disk);
    return holds;
}

static bool one_case(struct check_run *check, struct tape *tape) {
    struct witness witness = {0};
    return run_case(check, tape, &witness);
}

static void sample(struct check_run *check) {
    struct witness witness = {0};
    struct tape tape = {0};
    while (check_goes_on(check)) {
        tape_seed(&tape, check_tape_seed(check, check->programs++));
        watch_case(check->check, watch_write_tape, &tape);
        watch_alive();
        if (!run_case(check, &tape, &witness)) {
            check_failed(check, &tape);
        }
    }
    fprintf(check->report,
            "%s: %zu stores, %zu with groups of several changes; %zu crashes took some "
            "changes and left some\n",
            check->check->name, check->programs, witness.groups, witness.lost);
    for (size_t i = DURABILITY_NONE; i < MODES; i++) {
        fprintf(check->report, "%s: %s: %zu changes acknowledged, %zu of them lost\n",
                check->check->name, mode_names[i], witness.acknowledged[i],
                witness.taken[i]);
    }
    if (!check->failed && check->programs > WITNESSED_IN &&
        (witness.groups == 0 || witness.lost == 0)) {
        check->failed = true;
        fputs("FAILED: no writers met, or no crash was in their midst\n", check->report);
    }
    watch_case(NULL, NULL, NULL);
    tape_free(&tape);
}

/* ---- the sweep ------------------------------------------------------------------- */

/* The store goes on: reads show all that was acknowledged, before and after a resume. */
static bool shows(struct crowd *crowd) {
    struct error error = {0};
    for (int resumed = 0; resumed < 2; resumed++) {
        struct iter *iter = NULL;
        const struct kv_iter_options options = {.observed = &crowd->found};
        enum status status = resumed == 0 ? STATUS_OK : kv_resume(crowd->kv, &error);
        if (status == STATUS_OK) {
            status = kv_iter(crowd->kv, &options, &iter, &error);
        }
        iter_close(iter);
        if (status != STATUS_OK) {
            return object(crowd, "going on", status, &error);
        }
        if (!check_state(crowd, crowd->kv,
                         acknowledged(crowd, DURABILITY_DEFAULT, SIZE_MAX))) {
            return false;
        }
    }
    enum status status = kv_close(crowd->kv, &error);
    crowd->kv = NULL;
    return status == STATUS_OK || object(crowd, "close", status, &error);
}

static bool powerless(struct crowd *crowd, uint64_t durable) {
    uint64_t least = acknowledged(crowd, DURABILITY_ALWAYS, SIZE_MAX);
    bool holds = true;
    for (int profile = DISK_POSIX; profile <= DISK_EXT4 && holds; profile++) {
        struct disk *image = image_powerless(crowd->disk, (enum disk_profile)profile);
        holds = recover(crowd, image, least > durable ? least : durable);
        disk_free(image);
    }
    return holds;
}

static void die(struct crowd *crowd) {
    scheduler_kill(crowd->scheduler);
    counted_memory_reclaim();
    disk_kill(crowd->disk);
    crowd->kv = NULL;
}

static bool judge(struct crowd *crowd, bool dies) {
    struct kv_progress progress;
    uint64_t least = acknowledged(crowd, DURABILITY_DEFAULT, SIZE_MAX);
    kv_progress(crowd->kv, &progress);
    if (!powerless(crowd, progress.durable)) {
        return false;
    }
    if (dies) {
        die(crowd);
        least = progress.written > least ? progress.written : least;
    } else if (!shows(crowd)) {
        return false;
    }
    return recover(crowd, crowd->disk, least);
}

static bool sweep_group(struct check_run *check, struct tape *tape) {
    struct tape schedule = {0};
    struct crowd crowd = {.tape = tape, .schedule = &schedule, .faults = true};
    struct error error = {0};
    char struck[PLAN_STRUCK_BYTES] = "";
    counted_memory_mark();
    size_t blocks = counted_memory_blocks();
    begin(&crowd);
    tape_seed(&schedule, tape_choose(tape, SCHEDULES));
    bool dies = tape_choose(tape, 2) != 0;
    struct plan plan = plan_draw(tape);
    enum status status = kv_open("db", &crowd.options, &crowd.kv, &error);
    bool holds = status == STATUS_OK || object(&crowd, "open", status, &error);
    if (holds) {
        plan_arm(&plan, crowd.disk);
        run_writers(&crowd);
        plan_struck(crowd.disk, struck);
        check->run->struck = plan_disarm(crowd.disk);
        holds = crowd.words[0] == '\0' && order(&crowd) && judge(&crowd, dies);
    }
    if (!holds) {
        die(&crowd);
    } else if (counted_memory_blocks() != blocks || disk_open_handles(crowd.disk) != 0) {
        holds = object(&crowd, "memory or files are left behind", STATUS_OK, &error);
    }
    check->cases += check->run->struck;
    if (check->story != NULL) {
        plan_print(&plan, struck, check->story);
        tell(&crowd, NULL, check->story);
    }
    tape_free(&schedule);
    scheduler_free(crowd.scheduler);
    disk_free(crowd.disk);
    return holds;
}

const struct check group_checks[] = {
    {"crash.group", CHECK_CRASH, 6, 0, 6000, 300,
     "several writers at once, the power goes: an order of whole changes is there",
     one_case, sample},
    {"sweep.group", CHECK_SWEEP, 6, 0, 4, 1,
     "several writers at once, anything fails: what was acknowledged is visible, and "
     "there "
     "as far as was promised, after the death of the process and a loss of power",
     sweep_group, plan_campaign},
    {0},
};
