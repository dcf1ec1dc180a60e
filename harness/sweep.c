/* Sweeps: every call that a program makes of the disk, every allocation and every
 * failpoint is made to fail, one after the other: before its effect, after it, cut short;
 * once, or from then on; with EIO and with no space; followed by a second fault; followed
 * by a loss of power, at a drawn operation. Whatever fails, nothing crashes,
 * leaks or hangs, the error has words, no acknowledged write is lost, and the next open
 * without faults finds a state that the law allows.
 *
 * On the tape: the program, for recoveries the crash, and last what fails (plan.h). */
#include "check.h"

#include <errno.h>

#include "copies.h"
#include "image.h"
#include "lives.h"
#include "plan.h"

/* ---- programs -------------------------------------------------------------------- */

enum {
    POWERLESS_STATES = 6,
    DRAWN_CRASHES = 2,
    CRASH_SEEDS = 1 << 16,
    TOLD_OPERATIONS = 30,
    SCHEDULES = 1 << 16,
    OPEN_CALLS = 6,
    SHORT_BYTES = 20
};

/* A loss of power inside the program would take the armed disk away: recoveries have
 * their own sweep. */
static const struct program_limits limits = {
    .operations = OPERATIONS_ALL & ~OPERATION_BIT(POWER), .steps = 6};

/* What a disk holds that was found after a loss of power: the store, and its copies. */
static bool found_holds(struct run *run, struct disk *found, size_t operation,
                        const char *when) {
    char words[RUN_FAILURE_BYTES] = "";
    unsigned whole;
    if (!copies_hold(run, found, operation, &whole, words, sizeof words)) {
        run_kill(run, found);
        return run_fails(run, "%s: %s", when, words);
    }
    return image_holds(run, found, run_law(run, operation), when, NULL);
}

/* The power goes at any operation, most often behind the fault: the drawn states are
 * those of crash_draw. */
static bool survives_crashes(struct run *run, uint64_t seed) {
    struct tape tape = {0};
    bool holds = true;
    tape_seed(&tape, seed);
    for (int i = 0; i < DRAWN_CRASHES && holds; i++) {
        struct crash crash = crash_draw(run->disk, 1u << DISK_POSIX | 1u << DISK_EXT4,
                                        run->first_point, &tape);
        struct disk *found = disk_crash(run->disk, &crash);
        holds = found_holds(run, found, crash.operation,
                            "after a loss of power during or after the fault");
        disk_free(found);
    }
    tape_free(&tape);
    return holds;
}

/* The power goes after all that: at least what was durable must come back. */
static bool survives_power_loss(struct run *run, uint64_t seed) {
    run_clear_faults(run);
    run->kv = NULL;
    run_kill(run, run->disk);
    size_t end = disk_operations(run->disk);
    bool holds = true;
    for (int profile = DISK_POSIX; profile <= DISK_EXT4 && holds; profile++) {
        struct disk *found = image_powerless(run->disk, (enum disk_profile)profile);
        holds = found_holds(run, found, end, "after the fault and a loss of power");
        disk_free(found);
    }
    struct exploration exploration;
    disk_explore_begin(&exploration, DISK_POSIX, end);
    for (int i = 0; i < POWERLESS_STATES && holds; i++) {
        if (!disk_explore_next(run->disk, &exploration, NULL)) {
            break;
        }
        struct disk *found = disk_crash(run->disk, &exploration.crash);
        holds = found_holds(run, found, end, "after the fault and a loss of power");
        disk_free(found);
    }
    return holds && survives_crashes(run, seed);
}

/* Fail-stop or not: without new faults, reads serve all that was acknowledged. */
static bool reads_serve(struct run *run, const char *when, size_t *changes) {
    const struct law visible = run_visible(run);
    char words[600] = "";
    run_clear_faults(run);
    return run_read_all(&run->model, run->kv, visible, true, changes, words,
                        sizeof words) == STATUS_OK ||
           run_fails(run, "%s: %s", when, words);
}

static void tell(struct check_run *check, const struct plan *plan, const char *struck) {
    FILE *out = check->story;
    if (out == NULL) {
        return;
    }
    struct disk *disk = check->run->disk;
    size_t end = disk_operations(disk);
    plan_print(plan,
               struck[0] != '\0'    ? struck
               : check->run->struck ? "struck"
                                    : "not reached",
               out);
    run_print(check->run, out);
    fputs("the disk saw:\n", out);
    for (size_t i = end > TOLD_OPERATIONS ? end - TOLD_OPERATIONS : 0; i < end; i++) {
        fputs("    ", out);
        disk_print_operation(disk, i, out);
        fputc('\n', out);
    }
    disk_print(disk, out);
}

static bool sweep_program(struct check_run *check, struct tape *tape) {
    struct run *run = check->run;
    struct program program;
    struct tape schedule = {0};
    char struck[PLAN_STRUCK_BYTES] = "";
    program_draw(&program, tape, stage.number, &limits);
    tape_seed(&schedule, tape_choose(tape, SCHEDULES));
    bool scheduled = tape_choose(tape, 2) != 0;
    uint64_t crashes = tape_choose(tape, CRASH_SEEDS);
    struct plan plan = plan_draw(tape);
    run_begin(run, &program, scheduled ? &schedule : NULL);
    plan_arm(&plan, run->disk);
    bool holds = run_steps(run);
    plan_struck(run->disk, struck);
    size_t changes;
    if (holds && run_fault_struck(run) && run->kv != NULL) {
        holds = reads_serve(run, "reads after the fault", &changes);
    }
    if (holds && run->struck && plan.what != FAIL_ALLOCATION) {
        holds = survives_power_loss(run, crashes);
    }
    holds = run_end(run) && holds;
    tape_free(&schedule);
    check->cases += run->struck;
    tell(check, &plan, struck);
    return holds;
}

/* ---- copies ---------------------------------------------------------------------- */

static void add_step(struct program *program, enum operation operation,
                     enum copy_kind kind) {
    program->steps[program->count++] =
        (struct step){.operation = operation, .copy = kind};
}

/* The power goes while the copy is made or behind it, or not; in any case the store is
 * resumed, and then the copy is made. */
static bool copies_again(struct run *run, struct program *program, enum copy_kind kind,
                         bool power, uint64_t seed) {
    size_t changes;
    if (run->struck && !reads_serve(run, "reads after a copy under a fault", &changes)) {
        return false;
    }
    if (run->struck && power) {
        return survives_power_loss(run, seed);
    }
    add_step(program, OPERATION_RESUME, kind);
    add_step(program, OPERATION_COPY, kind);
    return run_more(run);
}

/* Only the copy is under the fault. A backup stands before it, for a restore to have a
 * source, and the next backup one to share with. */
static bool sweep_copy(struct check_run *check, struct tape *tape) {
    static const struct program_limits writes = {.operations = OPERATION_BIT(CHANGE) |
                                                               OPERATION_BIT(FLUSH) |
                                                               OPERATION_BIT(COMPACT),
                                                 .steps = 4,
                                                 .value_bytes = 600};
    struct run *run = check->run;
    struct program program;
    char struck[PLAN_STRUCK_BYTES] = "";
    program_draw(&program, tape, stage.number, &writes);
    enum copy_kind kind = (enum copy_kind)tape_choose(tape, COPY_KIND_COUNT);
    bool power = tape_choose(tape, 2) != 0;
    uint64_t crashes = tape_choose(tape, CRASH_SEEDS);
    struct plan plan = plan_draw(tape);
    run_begin(run, &program, NULL);
    bool holds = run_steps(run);
    if (holds && kind != COPY_CHECKPOINT) {
        add_step(&program, OPERATION_COPY, COPY_BACKUP);
        add_step(&program, OPERATION_CHANGE, kind);
        program.steps[program.count - 1].ops[0] =
            (struct kv_op){KV_PUT, program_key(0), program_value(1, SHORT_BYTES)};
        program.steps[program.count - 1].op_count = 1;
        holds = run_more(run);
    }
    plan_arm(&plan, run->disk);
    if (holds) {
        add_step(&program, OPERATION_COPY, kind);
        holds = run_more(run);
    }
    plan_struck(run->disk, struck);
    run_fault_struck(run);
    run_clear_faults(run);
    holds = holds && copies_again(run, &program, kind, power, crashes);
    holds = run_end(run) && holds;
    check->cases += run->struck;
    tell(check, &plan, struck);
    return holds;
}

/* ---- resume ---------------------------------------------------------------------- */

/* One durable write after the resume that found `changes`, and a loss of power. */
static bool writes_again(struct run *run, size_t changes) {
    struct kv_op op = {KV_PUT, program_key(0), program_value(changes, SHORT_BYTES)};
    uint64_t sequence = 0;
    struct kv_write_options options = {.durability = DURABILITY_ALWAYS,
                                       .sequence = &sequence};
    struct error error = {0};
    enum status status = kv_put(run->kv, op.key, op.value, &options, &error);
    model_truncate(&run->model, changes);
    if (status != STATUS_OK || sequence != model_apply(&run->model, &op, 1)) {
        return run_fails(run, "a put after the resume: %s: %s, sequence %llu",
                         status_words(status), error.message,
                         (unsigned long long)sequence);
    }
    run->acknowledged = run->durable = run->model.change_count;
    run->kv = NULL;
    run_kill(run, run->disk);
    bool holds = true;
    for (int profile = DISK_POSIX; profile <= DISK_EXT4 && holds; profile++) {
        struct disk *found = image_powerless(run->disk, (enum disk_profile)profile);
        holds = image_holds(run, found, (struct law){changes + 1, changes + 1},
                            "after resume, a put and a loss of power", NULL);
        disk_free(found);
    }
    return holds;
}

/* The store is fail-stop; its resume is under a fault of its own. */
static bool resumes(struct run *run, const struct plan *plan, char *struck) {
    struct error error = {0};
    size_t changes = 0;
    plan_arm(plan, run->disk);
    enum status status = kv_resume(run->kv, &error);
    if (status != STATUS_OK && !plan_struck(run->disk, struck)) {
        return run_fails(run, "resume fails though nothing was made to fail: %s",
                         error.message);
    }
    plan_struck(run->disk, struck);
    if (!image_error_told(run, "resume", status, &error) ||
        !reads_serve(run, "reads after a resume under a fault", &changes)) {
        return false;
    }
    if (status != STATUS_OK && kv_resume(run->kv, &error) != STATUS_OK) {
        return run_fails(run, "resume, when the fault is gone: %s", error.message);
    }
    return reads_serve(run, "reads after the resume", &changes) &&
           writes_again(run, changes);
}

static bool sweep_resume(struct check_run *check, struct tape *tape) {
    static const struct program_limits writes = {
        .operations = OPERATION_BIT(PUT) | OPERATION_BIT(DELETE) | OPERATION_BIT(CHANGE) |
                      OPERATION_BIT(SYNC) | OPERATION_BIT(ADVANCE),
        .steps = 5};
    struct run *run = check->run;
    struct program program;
    char struck[PLAN_STRUCK_BYTES] = "";
    program_draw(&program, tape, stage.number, &writes);
    struct plan stop = {.what = FAIL_CALL, .fault = {.errnum = EIO}};
    stop.fault.countdown = OPEN_CALLS + (size_t)tape_choose(tape, 32);
    stop.fault.effect = tape_choose(tape, 2) == 0 ? FAULT_BEFORE : FAULT_AFTER;
    struct plan plan = plan_draw(tape);
    run_begin(run, &program, NULL);
    plan_arm(&stop, run->disk);
    bool holds = run_steps(run);
    run_clear_faults(run);
    if (holds && run->stopped && run->kv != NULL) {
        holds = resumes(run, &plan, struck);
    }
    holds = run_end(run) && holds;
    run->struck = struck[0] != '\0';
    check->cases += run->struck;
    tell(check, &plan, struck);
    return holds;
}

/* ---- recoveries ------------------------------------------------------------------ */

/* Reads and closes what opened under a fault. Once open has returned a state, it is
 * final: the law becomes exactly that state. */
static bool use_opened(struct run *run, struct kv *kv, struct disk *disk,
                       struct law *law) {
    char words[600] = "";
    size_t changes = 0;
    struct error error = {0};
    enum status status =
        run_read_all(&run->model, kv, *law, true, &changes, words, sizeof words);
    if (status != STATUS_OK && status != STATUS_CORRUPT && plan_disarm(disk)) {
        run->struck = true;
        status = run_read_all(&run->model, kv, *law, true, &changes, words, sizeof words);
    }
    if (status != STATUS_OK) {
        return run_fails(run, "after an open under a fault: %s", words);
    }
    *law = (struct law){changes, changes};
    status = kv_close(kv, &error);
    return image_error_told(run, "close", status, &error);
}

static bool recover_under_fault(struct run *run, struct disk *image, struct law *law,
                                size_t *opened) {
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct kv *kv = NULL;
    char struck[PLAN_STRUCK_BYTES];
    size_t blocks = counted_memory_blocks();
    enum status status = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    bool holds = image_error_told(run, "open", status, &error);
    *opened = status == STATUS_OK ? disk_operations(image) : SIZE_MAX;
    if (status == STATUS_OK) {
        holds = use_opened(run, kv, image, law);
    } else if (holds && !plan_struck(image, struck)) {
        holds = run_fails(run, "open fails though nothing was made to fail: %s",
                          error.message);
    }
    return holds && image_left_nothing(run, image, blocks, "after an open under a fault");
}

/* The power goes during that recovery, before, at or after the fault: until open has
 * returned the law is what it was. */
static bool recovers_cut_off(struct run *run, struct disk *image, struct law before,
                             struct law after, size_t opened, uint64_t seed) {
    struct tape tape = {0};
    bool holds = true;
    tape_seed(&tape, seed);
    for (int i = 0; i < DRAWN_CRASHES && holds; i++) {
        struct crash crash =
            crash_draw(image, 1u << DISK_POSIX | 1u << DISK_EXT4, 0, &tape);
        struct disk *found = disk_crash(image, &crash);
        holds = image_holds(run, found, crash.operation < opened ? before : after,
                            "after a recovery under a fault, cut off by a loss of power",
                            NULL);
        disk_free(found);
    }
    tape_free(&tape);
    return holds;
}

/* The image of a crash is recovered under a fault; then the power goes again, or not;
 * then it is recovered without. */
static bool recovers(struct run *run, struct disk *image, struct law law,
                     const struct plan *plan, uint64_t crashes, char *struck) {
    const struct law before = law;
    size_t opened = SIZE_MAX;
    plan_arm(plan, image);
    bool holds = recover_under_fault(run, image, &law, &opened);
    plan_struck(image, struck);
    run->struck = plan_disarm(image) || run->struck;
    holds = holds &&
            (!run->struck || recovers_cut_off(run, image, before, law, opened, crashes));
    for (int profile = DISK_POSIX; profile <= DISK_EXT4 && holds; profile++) {
        struct disk *found = image_powerless(image, (enum disk_profile)profile);
        holds = image_holds(run, found, law,
                            "after a recovery under a fault and a loss of power", NULL);
        disk_free(found);
    }
    holds = holds &&
            image_holds(run, image, law, "the second open, when the fault is gone", NULL);
    if (!holds) {
        run_kill(run, image);
    }
    return holds;
}

static bool sweep_recovery(struct check_run *check, struct tape *tape) {
    struct run *run = check->run;
    struct program program;
    char struck[PLAN_STRUCK_BYTES] = "";
    program_draw(&program, tape, stage.number, &limits);
    run_begin(run, &program, NULL);
    bool holds = run_steps(run);
    holds = run_end(run) && holds;
    tape_begin(tape);
    struct crash crash = crash_draw(run->disk, check->profiles, run->first_point, tape);
    tape_end(tape);
    uint64_t crashes = tape_choose(tape, CRASH_SEEDS);
    struct plan plan = plan_draw(tape);
    struct law law = run_law(run, crash.operation);
    if (check->story != NULL) {
        crash_tell(run->disk, &crash, law, check->story);
    }
    if (holds) {
        struct disk *image = disk_crash(run->disk, &crash);
        holds = recovers(run, image, law, &plan, crashes, struck);
        disk_free(image);
    }
    check->cases += run->struck;
    tell(check, &plan, struck);
    return holds;
}

/* ---- verify ---------------------------------------------------------------------- */

static void ignore_line(void *context, const char *line) {
    (void)context;
    (void)line;
}

static enum status verify(struct run *run, struct disk *image, struct error *error) {
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    return kv_verify(RUN_DIRECTORY, &options, ignore_line, NULL, error);
}

/* On what a killed process left: without a fault it answers the same before and after. */
static bool verifies(struct run *run, struct disk *image, const struct plan *plan,
                     char *struck) {
    struct error error = {0};
    size_t blocks = counted_memory_blocks();
    enum status expected = verify(run, image, &error);
    uint64_t before = disk_fingerprint(image);
    plan_arm(plan, image);
    enum status status = verify(run, image, &error);
    plan_struck(image, struck);
    run->struck = plan_disarm(image);
    if (!image_error_told(run, "verify", status, &error) ||
        !image_left_nothing(run, image, blocks, "verify")) {
        return false;
    }
    if (status != expected && !run->struck) {
        return run_fails(run, "verify fails though nothing was made to fail: %s",
                         error.message);
    }
    if (disk_fingerprint(image) != before) {
        return run_fails(run, "verify has changed the files");
    }
    status = verify(run, image, &error);
    return status == expected || run_fails(run, "verify, when the fault is gone: %s: %s",
                                           status_words(status), error.message);
}

static bool sweep_verify(struct check_run *check, struct tape *tape) {
    struct run *run = check->run;
    struct program program;
    char struck[PLAN_STRUCK_BYTES] = "";
    program_draw(&program, tape, stage.number, &limits);
    struct plan plan = plan_draw(tape);
    run_begin(run, &program, NULL);
    bool holds = run_steps(run);
    run->kv = NULL;
    run_kill(run, run->disk);
    if (holds) {
        struct disk *image = image_copy(run->disk);
        holds = verifies(run, image, &plan, struck);
        run_kill(run, image);
        disk_free(image);
    }
    check->cases += run->struck;
    tell(check, &plan, struck);
    return holds;
}

const struct check sweep_checks[] = {
    {"sweep.program", CHECK_SWEEP, 1, 0, 12, 1,
     "no failing file call or allocation in a program crashes, leaks or loses a write",
     sweep_program, plan_campaign},
    {"sweep.copy", CHECK_SWEEP, 7, 0, 6, 1,
     "a checkpoint, a backup or a restore in which anything fails leaves no half of one, "
     "the store unharmed, and can be made again",
     sweep_copy, plan_campaign},
    {"sweep.resume", CHECK_SWEEP, 1, 0, 40, 24,
     "a resume in which anything fails can be tried again; reads serve meanwhile",
     sweep_resume, plan_campaign},
    {"sweep.recovery", CHECK_SWEEP, 1, 0, 12, 1,
     "a recovery in which anything fails leaves all for the next one", sweep_recovery,
     plan_campaign},
    {"sweep.verify", CHECK_SWEEP, 1, 0, 20, 1,
     "a verify in which anything fails says so and changes nothing", sweep_verify,
     plan_campaign},
    {0}};
