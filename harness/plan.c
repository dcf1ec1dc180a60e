#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

enum {
    COUNTDOWN_MAX = 1 << 20,
    LATER_MAX = 12,
    VARIANTS = (int)FAULT_EFFECT_COUNT * (int)FAILPOINT_COUNT
};

enum second { NO_SECOND, SECOND_CALL, SECOND_ALLOCATION, SECOND_COUNT };

/* The places of the choices. */
enum { WHAT, VARIANT, ERRNO, PERSISTENT, SECOND, LATER, WHICH };

static const uint64_t bounds[PLAN_CHOICES] = {
    WHAT_COUNT, VARIANTS, 2, 2, SECOND_COUNT, LATER_MAX, COUNTDOWN_MAX};

struct plan plan_draw(struct tape *tape) {
    uint64_t drawn[PLAN_CHOICES];
    tape_begin(tape);
    for (size_t i = 0; i < PLAN_CHOICES; i++) {
        drawn[i] = tape_choose(tape, bounds[i]);
    }
    tape_end(tape);
    size_t later = 1 + (size_t)drawn[LATER];
    return (struct plan){
        .what = (enum what)drawn[WHAT],
        .fault = {.effect = (enum fault_effect)(drawn[VARIANT] % FAULT_EFFECT_COUNT),
                  .errnum = drawn[ERRNO] == 0 ? EIO : ENOSPC,
                  .persistent = drawn[PERSISTENT] != 0,
                  .countdown = 1 + (size_t)drawn[WHICH]},
        .second_call = drawn[SECOND] == SECOND_CALL ? later : 0,
        .second_allocation = drawn[SECOND] == SECOND_ALLOCATION ? later : 0,
        .point = (enum failpoint)(drawn[VARIANT] % FAILPOINT_COUNT)};
}

bool plan_row(size_t row, uint64_t which, uint64_t choices[PLAN_CHOICES]) {
    uint64_t later = choices[LATER];
    memset(choices, 0, PLAN_CHOICES * sizeof *choices);
    choices[WHICH] = which;
    if (row < PLAN_CALL_ROWS) {
        choices[WHAT] = FAIL_CALL;
        choices[VARIANT] = row / 4;
        choices[ERRNO] = row / 2 % 2;
        choices[PERSISTENT] = row % 2;
        return true;
    }
    row -= PLAN_CALL_ROWS;
    choices[PERSISTENT] = row % 2;
    if (row < PLAN_ALLOCATION_ROWS) {
        choices[WHAT] = FAIL_ALLOCATION;
        return true;
    }
    row -= PLAN_ALLOCATION_ROWS;
    if (row < PLAN_POINT_ROWS) {
        choices[WHAT] = FAIL_POINT;
        choices[VARIANT] = row / 2;
        return points_can_fail((enum failpoint)(row / 2));
    }
    row -= PLAN_POINT_ROWS;
    choices[WHAT] = FAIL_CALL;
    choices[VARIANT] = row / 2 % 2 == 0 ? FAULT_BEFORE : FAULT_AFTER;
    choices[PERSISTENT] = 0;
    choices[SECOND] = row % 2 == 0 ? SECOND_CALL : SECOND_ALLOCATION;
    choices[LATER] = row < PLAN_SECOND_ROWS / 2 ? 0 : later;
    return true;
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
        fprintf(out, "fails: failpoint %s, pass %zu%s: %s\n", points_name(plan->point),
                fault->countdown, fault->persistent ? " and all later ones" : "",
                points_story(plan->point));
    } else {
        fprintf(out, "fails: file call %zu (%s), %s, %s%s\n", fault->countdown, struck,
                effects[fault->effect], strerror(fault->errnum),
                fault->persistent ? ", and all later calls of its kind" : "");
        if (plan->second_call + plan->second_allocation > 0) {
            fprintf(out, "and then fails: %s %zu from there\n",
                    plan->second_call > 0 ? "file call" : "allocation",
                    plan->second_call + plan->second_allocation);
        }
    }
}

void plan_arm(const struct plan *plan, struct disk *disk) {
    switch (plan->what) {
    case FAIL_ALLOCATION:
        counted_memory_fail(plan->fault.countdown, plan->fault.persistent);
        break;
    case FAIL_POINT:
        if (points_can_fail(plan->point)) {
            points_arm(plan->point, plan->fault.countdown, plan->fault.persistent);
        }
        break;
    case FAIL_CALL:
    case WHAT_COUNT:
    default:
        disk_set_fault(disk, &plan->fault);
        disk_set_second_fault(disk, plan->second_call, plan->second_allocation);
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
    points_arm(FAILPOINT_COUNT, 0, false);
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
        choices[prefix + LATER] = base->choices[prefix + LATER];
        for (uint64_t which = 0; check->run->struck && !check->failed; which++) {
            if (!plan_row(row, which, choices + prefix)) {
                break;
            }
            tape_replay(tape, choices, base->made);
            watch_case(check->check, watch_write_tape, tape);
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
        watch_case(check->check, watch_write_tape, &base);
        if (!check->check->one(check, &base)) {
            check_failed(check, &base);
            break;
        }
        every_plan(check, &base, &tape);
    }
    watch_case(NULL, NULL, NULL);
    tape_free(&tape);
    tape_free(&base);
}
