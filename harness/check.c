#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shrink.h"
#include "watch.h"

/* Every module's rows; a new module adds its array here. */
static const struct check *const tables[] = {
    self_checks,    program_checks, crash_checks, group_checks, sweep_checks,
    corrupt_checks, repair_checks,  kill_checks,  race_checks,  preload_checks};

enum { SHRINK_RUNS = 20000, SHRINK_SECONDS = 20 };

static bool stage_runs(const struct check *check, int number) {
    return check->first <= number && (check->last == 0 || check->last >= number);
}

const struct check *check_at(size_t index, int number) {
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct check *check = tables[i]; check->name != NULL; check++) {
            if (stage_runs(check, number) && index-- == 0) {
                return check;
            }
        }
    }
    return NULL;
}

const struct check *check_find(const char *name) {
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct check *check = tables[i]; check->name != NULL; check++) {
            if (strcmp(check->name, name) == 0) {
                return check;
            }
        }
    }
    return NULL;
}

const char *check_kind_name(enum check_kind kind) {
    static const char *const names[CHECK_KIND_COUNT] = {"check", "crash", "sweep",
                                                        "corrupt", "races"};
    return names[kind];
}

double check_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool check_goes_on(const struct check_run *run) {
    return !run->failed && run->programs < run->runs &&
           (run->deadline <= 0 || check_seconds() < run->deadline);
}

uint64_t check_tape_seed(const struct check_run *run, size_t index) {
    uint64_t state = run->seed;
    state = random_next(&state) + index;
    return random_next(&state);
}

void check_tapes(struct check_run *run) {
    struct tape tape = {0};
    while (check_goes_on(run)) {
        tape_seed(&tape, check_tape_seed(run, run->programs));
        run->programs++;
        watch_case(run->check, watch_write_tape, &tape);
        if (!run->check->one(run, &tape)) {
            check_failed(run, &tape);
        }
    }
    watch_case(NULL, NULL, NULL);
    tape_free(&tape);
}

bool check_perform(struct check_run *run) {
    if (run->check->campaign != NULL) {
        run->check->campaign(run);
    } else {
        check_tapes(run);
    }
    if (!run->failed && run->cases == 0) {
        run->failed = true;
        fprintf(run->report, "%s: no case was run, so nothing was shown\n",
                run->check->name);
    }
    return !run->failed;
}

/* ---- failures -------------------------------------------------------------------- */

struct shrinking {
    struct check_run run;
    double deadline;
};

static bool still_fails(void *context, struct tape *tape) {
    struct shrinking *shrinking = context;
    watch_case(shrinking->run.check, watch_write_tape, tape);
    return check_seconds() < shrinking->deadline &&
           !shrinking->run.check->one(&shrinking->run, tape);
}

void check_failed(struct check_run *run, struct tape *tape) {
    run->failed = true;
    struct shrinking shrinking = {*run, check_seconds() + SHRINK_SECONDS};
    shrinking.run.story = NULL;
    shrinking.run.deadline = 0;
    tape_replay(tape, tape->choices, tape->made);
    if (run->check->one(&shrinking.run, tape)) {
        fprintf(run->report,
                "%s: FAILED, but the case does not fail when it is run again: it depends "
                "on something that is not on its tape\n",
                run->check->name);
        return;
    }
    watch_case(run->check, watch_write_tape, tape);
    size_t runs = shrink(tape, still_fails, &shrinking, SHRINK_RUNS);
    fprintf(run->report, "%s: FAILED: %s\n(the simplest case found in %zu runs)\n",
            run->check->name, run->check->shows, runs);
    tape_replay(tape, tape->choices, tape->made);
    shrinking.run.story = run->report;
    run->check->one(&shrinking.run, tape);
    fprintf(run->report, "replay: " CHECK_PROGRAM "-%02d replay '%s:", stage.number,
            run->check->name);
    tape_print(tape, run->report);
    fputs("'\n", run->report);
    watch_case(NULL, NULL, NULL);
    fflush(run->report);
}

int check_replay(const char *text, struct check_run *run) {
    char name[64];
    const char *colon = strchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof name) {
        return 2;
    }
    memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = '\0';
    run->check = check_find(name);
    struct tape tape = {0};
    if (run->check == NULL || !stage_runs(run->check, stage.number) ||
        !tape_parse(&tape, colon + 1)) {
        return 2;
    }
    run->programs = 1;
    watch_case(run->check, watch_write_tape, &tape);
    bool holds = run->check->one(run, &tape);
    watch_case(NULL, NULL, NULL);
    tape_free(&tape);
    fprintf(run->report, "%s: the case %s\n", name, holds ? "holds" : "FAILS");
    return holds ? 0 : 1;
}
