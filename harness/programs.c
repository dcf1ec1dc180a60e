/* Programs without faults, held to the model at every step. */
#include "check.h"

static bool run_drawn(struct check_run *check, struct tape *tape, bool switching) {
    const struct program_limits limits = {.profiles = check->profiles};
    struct program program;
    program_draw(&program, tape, stage.number, &limits);
    run_begin(check->run, &program, switching ? tape : NULL);
    bool holds = run_steps(check->run);
    holds = run_end(check->run) && holds;
    check->cases += program.count;
    if (!holds && check->story != NULL) {
        run_print(check->run, check->story);
        fputs("the disk at the end:\n", check->story);
        disk_print(check->run->disk, check->story);
    }
    return holds;
}

static bool one_model(struct check_run *check, struct tape *tape) {
    return run_drawn(check, tape, false);
}

static bool one_switching(struct check_run *check, struct tape *tape) {
    return run_drawn(check, tape, true);
}

const struct check program_checks[] = {
    {"program.model", CHECK_CHECK, 1, 0, 3000, 30,
     "every read of a program shows the model's state, through reopening, the death of "
     "the process and a loss of power",
     one_model, NULL},
    {"program.threads", CHECK_CHECK, 1, 0, 1000, 10,
     "the same with the order of the store's own threads drawn", one_switching, NULL},
    {0},
};
