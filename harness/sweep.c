/* Sweeps: every call that a program makes of the disk, every allocation and every
 * failpoint is made to fail, one after the other: before its effect, after it, cut short;
 * once, or from then on; with EIO and with no space. Whatever fails, nothing crashes,
 * leaks or hangs, the error has words, no acknowledged write is lost, and the next open
 * without faults finds a state that the law allows.
 *
 * On the tape: the program, for recoveries the crash, and last what fails:
 *
 *     plan := call, allocation or failpoint; effect or point; errno; persistently; which
 */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "lives.h"

enum what { FILE_CALL, ALLOCATION, FAILPOINT, WHAT_COUNT };

enum { PLAN_CHOICES = 5, COUNTDOWN_MAX = 1 << 20 };

struct plan {
    enum what what;
    struct fault fault;   /* of an allocation: countdown and persistent only */
    enum failpoint point; /* of a failpoint: this and the countdown */
};

enum { VARIANTS = (int)FAULT_EFFECT_COUNT * (int)FAILPOINT_COUNT };

static const uint64_t plan_bounds[PLAN_CHOICES] = {WHAT_COUNT, VARIANTS, 2, 2,
                                                   COUNTDOWN_MAX};

static struct plan plan_draw(struct tape *tape) {
    uint64_t drawn[PLAN_CHOICES];
    tape_begin(tape);
    for (size_t i = 0; i < PLAN_CHOICES; i++) {
        drawn[i] = tape_choose(tape, plan_bounds[i]);
    }
    tape_end(tape);
    return (struct plan){(enum what)drawn[0],
                         {.effect = (enum fault_effect)(drawn[1] % FAULT_EFFECT_COUNT),
                          .errnum = drawn[2] == 0 ? EIO : ENOSPC,
                          .persistent = drawn[3] != 0,
                          .countdown = 1 + (size_t)drawn[4]},
                         (enum failpoint)(drawn[1] % FAILPOINT_COUNT)};
}

static void plan_print(const struct plan *plan, const char *struck, FILE *out) {
    static const char *const effects[FAULT_EFFECT_COUNT] = {
        "before its effect", "after its effect", "cut short, no error",
        "cut short, then an error"};
    if (plan->what == ALLOCATION) {
        fprintf(out, "fails: allocation %zu%s\n", plan->fault.countdown,
                plan->fault.persistent ? " and all later ones" : "");
        return;
    }
    if (plan->what == FAILPOINT) {
        fprintf(out, "fails: failpoint %s, pass %zu: %s\n", points_name(plan->point),
                plan->fault.countdown, points_story(plan->point));
        return;
    }
    fprintf(out, "fails: file call %zu (%s), %s, %s%s\n", plan->fault.countdown,
            struck != NULL ? struck : "not reached", effects[plan->fault.effect],
            strerror(plan->fault.errnum),
            plan->fault.persistent ? ", and all later calls of its kind" : "");
}

static void arm(struct disk *disk, const struct plan *plan) {
    if (plan->what == ALLOCATION) {
        counted_memory_fail(plan->fault.countdown, plan->fault.persistent);
    } else if (plan->what == FAILPOINT) {
        if (points_can_fail(plan->point)) {
            points_arm(plan->point, plan->fault.countdown);
        }
    } else {
        disk_set_fault(disk, &plan->fault);
    }
}

/* What it struck, in words; NULL: nothing yet. */
static const char *struck_at(struct disk *disk) {
    if (disk_fault_struck(disk) != NULL) {
        return disk_fault_struck(disk);
    }
    return counted_memory_failed() || points_struck() ? "struck" : NULL;
}

/* Ends it, and says whether it had struck. */
static bool disarm(struct disk *disk) {
    bool struck = struck_at(disk) != NULL;
    disk_set_fault(disk, &(struct fault){0});
    counted_memory_fail(0, false);
    points_arm(FAILPOINT_COUNT, 0);
    return struck;
}

/* ---- programs ------------------------------------------------------------------------
 */

enum { POWERLESS_STATES = 6 };

/* The power goes after all that: at least what was durable must come back. */
static bool survives_power_loss(struct run *run) {
    run_clear_faults(run);
    run->kv = NULL;
    run_kill(run, run->disk);
    size_t end = disk_operations(run->disk);
    struct law law = run_law(run, end);
    bool holds = true;
    for (int profile = DISK_POSIX; profile <= DISK_EXT4 && holds; profile++) {
        struct disk *found = image_powerless(run->disk, (enum disk_profile)profile);
        holds = image_holds(run, found, law, "after the fault and a loss of power", NULL);
        disk_free(found);
    }
    struct exploration exploration;
    disk_explore_begin(&exploration, DISK_POSIX, end);
    for (int i = 0; i < POWERLESS_STATES && holds; i++) {
        if (!disk_explore_next(run->disk, &exploration, NULL)) {
            break;
        }
        struct disk *found = disk_crash(run->disk, &exploration.crash);
        holds = image_holds(run, found, law, "after the fault and a loss of power", NULL);
        disk_free(found);
    }
    return holds;
}

static void tell(struct check_run *check, const struct plan *plan, const char *struck) {
    if (check->story != NULL) {
        plan_print(plan, struck, check->story);
        run_print(check->run, check->story);
        disk_print(check->run->disk, check->story);
    }
}

static bool sweep_program(struct check_run *check, struct tape *tape) {
    /* A loss of power inside the program would take the armed disk away: recoveries have
     * their own sweep. */
    const struct program_limits limits = {
        .operations = OPERATIONS_ALL & ~OPERATION_BIT(POWER), .steps = 6};
    struct run *run = check->run;
    struct program program;
    char struck[320] = "";
    program_draw(&program, tape, stage.number, &limits);
    struct plan plan = plan_draw(tape);
    run_begin(run, &program, NULL);
    arm(run->disk, &plan);
    bool holds = run_steps(run);
    if (disk_fault_struck(run->disk) != NULL) {
        snprintf(struck, sizeof struck, "%s", disk_fault_struck(run->disk));
    }
    if (holds && run_fault_struck(run) && plan.what != ALLOCATION) {
        holds = survives_power_loss(run);
    }
    holds = run_end(run) && holds;
    check->cases += run->struck;
    tell(check, &plan, struck[0] != '\0' ? struck : NULL);
    return holds;
}

/* ---- recoveries, verify, repair ------------------------------------------------------
 */

/* A program without faults; what its disk holds at some point is the image. */
static struct disk *draw_image(struct check_run *check, struct program *program,
                               struct tape *tape, bool crashed, struct law *law) {
    const struct program_limits limits = {
        .operations = OPERATIONS_ALL & ~OPERATION_BIT(POWER), .steps = 6};
    struct run *run = check->run;
    program_draw(program, tape, stage.number, &limits);
    run_begin(run, program, NULL);
    bool holds = run_steps(run);
    if (!crashed) { /* the process dies: all that was acknowledged is there */
        *law = (struct law){run->acknowledged, run->model.change_count};
        run->kv = NULL;
        run_kill(run, run->disk);
        return holds ? image_copy(run->disk) : NULL;
    }
    if (!run_end(run) || !holds) {
        return NULL;
    }
    tape_begin(tape);
    struct crash crash = crash_draw(run->disk, run->first_point, tape);
    tape_end(tape);
    *law = run_law(run, crash.operation);
    if (check->story != NULL) {
        crash_tell(run->disk, &crash, *law, check->story);
    }
    return disk_crash(run->disk, &crash);
}

/* An error must be one: an enum's member, with words. */
static bool well_told(struct run *run, const char *what, enum status status,
                      const struct error *error) {
    if (status == STATUS_OK) {
        return true;
    }
    return (status <= STATUS_LIMIT && status != STATUS_CORRUPT &&
            error->message[0] != '\0') ||
           run_fails(run, "%s under a fault answers %d (%s): \"%s\"", what, (int)status,
                     status_words(status), error->message);
}

/* Reads and closes what opened under a fault. Once open has returned a state, it is
 * final: the law becomes exactly that state. */
static bool use_opened(struct run *run, struct kv *kv, struct disk *disk,
                       struct law *law) {
    char words[600] = "";
    size_t changes = 0;
    struct error error = {0};
    enum status status =
        run_read_all(&run->model, kv, *law, true, &changes, words, sizeof words);
    if (status == STATUS_CORRUPT || (status != STATUS_OK && !disarm(disk))) {
        return run_fails(run, "after an open under a fault: %s", words);
    }
    if (status != STATUS_OK) {
        run->struck = true;
        status = run_read_all(&run->model, kv, *law, true, &changes, words, sizeof words);
        if (status != STATUS_OK) {
            return run_fails(run, "when the fault was gone: %s", words);
        }
    }
    *law = (struct law){changes, changes};
    status = kv_close(kv, &error);
    return well_told(run, "close", status, &error);
}

static bool recover_under_fault(struct run *run, struct disk *image, struct law *law,
                                const struct plan *plan) {
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct kv *kv = NULL;
    size_t blocks = counted_memory_blocks();
    arm(image, plan);
    enum status status = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    bool holds = well_told(run, "open", status, &error);
    if (holds && status == STATUS_OK) {
        holds = use_opened(run, kv, image, law);
    }
    bool known = struck_at(image) != NULL;
    if (holds && status != STATUS_OK && !known) {
        holds = run_fails(run, "open fails though nothing was made to fail: %s",
                          error.message);
    }
    return holds && image_left_nothing(run, image, blocks, "after an open under a fault");
}

static bool sweep_recovery(struct check_run *check, struct tape *tape) {
    struct run *run = check->run;
    struct program program;
    struct law law = {0, 0};
    struct disk *image = draw_image(check, &program, tape, true, &law);
    struct plan plan = plan_draw(tape);
    bool holds = image != NULL && recover_under_fault(run, image, &law, &plan);
    char struck[320] = "";
    if (image != NULL && disk_fault_struck(image) != NULL) {
        snprintf(struck, sizeof struck, "%s", disk_fault_struck(image));
    }
    run->struck = (image != NULL && disarm(image)) || run->struck;
    check->cases += run->struck;
    for (int profile = DISK_POSIX; profile <= DISK_EXT4 && holds; profile++) {
        struct disk *found = image_powerless(image, (enum disk_profile)profile);
        holds = image_holds(run, found, law,
                            "after a recovery under a fault and a loss of power", NULL);
        disk_free(found);
    }
    holds = holds &&
            image_holds(run, image, law, "the second open, when the fault is gone", NULL);
    tell(check, &plan, struck[0] != '\0' ? struck : NULL);
    if (image != NULL) {
        if (!holds) {
            run_kill(run, image);
        }
        disk_free(image);
    }
    return holds;
}

static void ignore_line(void *context, const char *line) {
    (void)context;
    (void)line;
}

typedef enum status offline(const char *dir, const struct kv_options *options,
                            kv_report *report, void *context, struct error *error);

/* verify or repair, on what a killed process left: all of it is intact. */
static bool sweep_offline(struct check_run *check, struct tape *tape, offline *work,
                          const char *what, bool reads_only) {
    struct run *run = check->run;
    struct program program;
    struct law law = {0, 0};
    struct disk *image = draw_image(check, &program, tape, false, &law);
    struct plan plan = plan_draw(tape);
    if (image == NULL) {
        tell(check, &plan, NULL);
        return false;
    }
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    size_t blocks = counted_memory_blocks();
    uint64_t before = disk_fingerprint(image);
    char struck[320] = "";
    arm(image, &plan);
    enum status status = work(RUN_DIRECTORY, &options, ignore_line, NULL, &error);
    if (disk_fault_struck(image) != NULL) {
        snprintf(struck, sizeof struck, "%s", disk_fault_struck(image));
    }
    run->struck = disarm(image);
    check->cases += run->struck;
    bool holds = well_told(run, what, status, &error) &&
                 image_left_nothing(run, image, blocks, what);
    if (holds && status != STATUS_OK && !run->struck) {
        holds = run_fails(run, "%s fails though nothing was made to fail: %s", what,
                          error.message);
    }
    if (holds && reads_only && disk_fingerprint(image) != before) {
        holds = run_fails(run, "%s has changed the files", what);
    }
    if (holds && status != STATUS_OK) {
        status = work(RUN_DIRECTORY, &options, ignore_line, NULL, &error);
        holds =
            status == STATUS_OK || run_fails(run, "%s again, without a fault: %s: %s",
                                             what, status_words(status), error.message);
    }
    holds = holds && image_holds(run, image, law, what, NULL);
    tell(check, &plan, struck[0] != '\0' ? struck : NULL);
    run_kill(run, image);
    disk_free(image);
    return holds;
}

static bool sweep_verify(struct check_run *check, struct tape *tape) {
    return sweep_offline(check, tape, kv_verify, "verify", true);
}

static bool sweep_repair(struct check_run *check, struct tape *tape) {
    return sweep_offline(check, tape, kv_repair, "repair", false);
}

/* ---- the campaign --------------------------------------------------------------------
 */

/* Every kind of fault: each effect with each errno, allocations, and each failpoint; each
 * once and persistently, but failpoints once. */
enum {
    CALL_ROWS = (int)FAULT_EFFECT_COUNT * 2 * 2,
    ALLOCATION_ROWS = 2,
    PLAN_ROWS = CALL_ROWS + ALLOCATION_ROWS + (int)FAILPOINT_COUNT
};

/* The row's choices, all but the last, which counts down. */
static void plan_row(size_t row, uint64_t plan[PLAN_CHOICES]) {
    memset(plan, 0, PLAN_CHOICES * sizeof *plan);
    if (row < CALL_ROWS) {
        plan[0] = FILE_CALL;
        plan[1] = row / 4;
        plan[2] = row / 2 % 2;
        plan[3] = row % 2;
    } else if (row < CALL_ROWS + ALLOCATION_ROWS) {
        plan[0] = ALLOCATION;
        plan[3] = row % 2;
    } else {
        plan[0] = FAILPOINT;
        plan[1] = row - CALL_ROWS - ALLOCATION_ROWS;
    }
}

/* Runs the base case with every plan in turn. The base's choices end with its own plan.
 */
static void every_plan(struct check_run *check, const struct tape *base,
                       struct tape *tape) {
    size_t prefix = base->made - PLAN_CHOICES;
    uint64_t *choices = calloc(base->made, sizeof *choices);
    if (choices == NULL) {
        perror("sweep");
        exit(EXIT_FAILURE);
    }
    memcpy(choices, base->choices, prefix * sizeof *choices);
    uint64_t *plan = choices + prefix;
    for (size_t row = 0; row < PLAN_ROWS; row++) {
        plan_row(row, plan);
        for (plan[PLAN_CHOICES - 1] = 0; !check->failed; plan[PLAN_CHOICES - 1]++) {
            tape_replay(tape, choices, base->made);
            if (!check->check->one(check, tape)) {
                check_failed(check, tape);
            } else if (!check->run->struck) {
                break;
            }
        }
    }
    free(choices);
}

static void sweep_campaign(struct check_run *check) {
    struct tape base = {0};
    struct tape tape = {0};
    while (check_goes_on(check)) {
        tape_seed(&base, check_tape_seed(check, check->programs));
        check->programs++;
        if (!check->check->one(check, &base)) {
            check_failed(check, &base);
            break;
        }
        every_plan(check, &base, &tape);
    }
    tape_free(&tape);
    tape_free(&base);
}

const struct check sweep_checks[] = {
    {"sweep.program", CHECK_SWEEP, 1, 0, 30, 1,
     "no failing file call or allocation in a program crashes, leaks or loses a write",
     sweep_program, sweep_campaign},
    {"sweep.recovery", CHECK_SWEEP, 1, 0, 30, 1,
     "a recovery in which anything fails leaves all for the next one", sweep_recovery,
     sweep_campaign},
    {"sweep.verify", CHECK_SWEEP, 1, 0, 20, 1,
     "a verify in which anything fails says so and changes nothing", sweep_verify,
     sweep_campaign},
    {"sweep.repair", CHECK_SWEEP, 1, 0, 20, 1,
     "a repair in which anything fails can be finished by another", sweep_repair,
     sweep_campaign},
    {0}};
