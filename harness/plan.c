#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    COUNTDOWN_MAX = 1 << 20,
    VARIANTS = (int)FAULT_EFFECT_COUNT * (int)FAILPOINT_COUNT
};

static const uint64_t bounds[PLAN_CHOICES] = {WHAT_COUNT, VARIANTS, 2, 2, COUNTDOWN_MAX};

struct plan plan_draw(struct tape *tape) {
    uint64_t drawn[PLAN_CHOICES];
    tape_begin(tape);
    for (size_t i = 0; i < PLAN_CHOICES; i++) {
        drawn[i] = tape_choose(tape, bounds[i]);
    }
    tape_end(tape);
    return (struct plan){(enum what)drawn[0],
                         {.effect = (enum fault_effect)(drawn[1] % FAULT_EFFECT_COUNT),
                          .errnum = drawn[2] == 0 ? EIO : ENOSPC,
                          .persistent = drawn[3] != 0,
                          .countdown = 1 + (size_t)drawn[4]},
                         (enum failpoint)(drawn[1] % FAILPOINT_COUNT)};
}

void plan_row(size_t row, uint64_t which, uint64_t choices[PLAN_CHOICES]) {
    memset(choices, 0, PLAN_CHOICES * sizeof *choices);
    choices[PLAN_CHOICES - 1] = which;
    if (row < PLAN_CALL_ROWS) {
        choices[0] = FAIL_CALL;
        choices[1] = row / 4;
        choices[2] = row / 2 % 2;
        choices[3] = row % 2;
    } else if (row < PLAN_CALL_ROWS + PLAN_ALLOCATION_ROWS) {
        choices[0] = FAIL_ALLOCATION;
        choices[3] = row % 2;
    } else {
        choices[0] = FAIL_POINT;
        choices[1] = row - PLAN_CALL_ROWS - PLAN_ALLOCATION_ROWS;
    }
}

void plan_print(const struct plan *plan, const char *struck, FILE *out) {
    static const char *const effects[FAULT_EFFECT_COUNT] = {
        "before its effect", "after its effect", "cut short, no error",
        "cut short, then an error"};
    const struct fault *fault = &plan->fault;
    if (plan->what == FAIL_ALLOCATION) {
        fprintf(out, "fails: allocation %zu%s\n", fault->countdown,
                fault->persistent ? " and all later ones" : "");
    } else if (plan->what == FAIL_POINT) {
        fprintf(out, "fails: failpoint %s, pass %zu: %s\n", points_name(plan->point),
                fault->countdown, points_story(plan->point));
    } else {
        fprintf(out, "fails: file call %zu (%s), %s, %s%s\n", fault->countdown, struck,
                effects[fault->effect], strerror(fault->errnum),
                fault->persistent ? ", and all later calls of its kind" : "");
    }
}

void plan_arm(const struct plan *plan, struct disk *disk) {
    switch (plan->what) {
    case FAIL_ALLOCATION:
        counted_memory_fail(plan->fault.countdown, plan->fault.persistent);
        break;
    case FAIL_POINT:
        if (points_can_fail(plan->point)) {
            points_arm(plan->point, plan->fault.countdown);
        }
        break;
    case FAIL_CALL:
    case WHAT_COUNT:
    default:
        disk_set_fault(disk, &plan->fault);
        break;
    }
}

bool plan_struck(struct disk *disk, char *struck) {
    const char *call = disk_fault_struck(disk);
    bool other = counted_memory_failed() || points_struck();
    snprintf(struck, PLAN_STRUCK_BYTES, "%s",
             call != NULL ? call
             : other      ? "struck"
                          : "");
    return call != NULL || other;
}

bool plan_disarm(struct disk *disk) {
    char struck[PLAN_STRUCK_BYTES];
    bool had = plan_struck(disk, struck);
    disk_set_fault(disk, &(struct fault){0});
    counted_memory_fail(0, false);
    points_arm(FAILPOINT_COUNT, 0);
    return had;
}

static bool in_time(const struct check_run *check) {
    return check->deadline <= 0 || check_seconds() < check->deadline;
}

/* The base's choices end with a plan of its own; the others take its place. */
static void every_plan(struct check_run *check, const struct tape *base,
                       struct tape *tape) {
    size_t prefix = base->made - PLAN_CHOICES;
    uint64_t *choices = calloc(base->made, sizeof *choices);
    if (choices == NULL) {
        perror("plan");
        exit(EXIT_FAILURE);
    }
    memcpy(choices, base->choices, prefix * sizeof *choices);
    for (size_t row = 0; row < PLAN_ROWS && in_time(check); row++) {
        check->run->struck = true;
        for (uint64_t which = 0; check->run->struck && !check->failed; which++) {
            plan_row(row, which, choices + prefix);
            tape_replay(tape, choices, base->made);
            if (!check->check->one(check, tape)) {
                check_failed(check, tape);
            }
        }
    }
    free(choices);
}

void plan_campaign(struct check_run *check) {
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
