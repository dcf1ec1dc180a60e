/* The checks of the harness, as one table, and how they are run.
 *
 * A check is a property with a name. Its `one` runs a single case that is determined by a
 * tape, and its campaign runs many; without a campaign, cases are drawn from seeds until
 * the budget is spent. When a case fails the tape is made simple with `one` and the check
 * reports: the story of the simplest case in words, and the line that replays it.
 *
 * Modules keep their rows in their own array, ended by a row without a name; the arrays
 * are listed at one place in check.c. `harness-NN list` runs every check of the stage
 * briefly and prints its cases; a check without cases fails. */
#ifndef STRATA_CHECK_H
#define STRATA_CHECK_H

#include "program.h"
#include "run.h"
#include "stage.h"
#include "tape.h"

enum check_kind {
    CHECK_CHECK,
    CHECK_CRASH,
    CHECK_SWEEP,
    CHECK_CORRUPT,
    CHECK_RACES,
    CHECK_KIND_COUNT
};

/* A schedule is one of its flavour's switch points, and replays only there. */
#ifdef STRATA_SIM
#define CHECK_PROGRAM "build/sim/harness"
#else
#define CHECK_PROGRAM "build/harness"
#endif

struct check;

/* What a check is given, and what it counts. */
struct check_run {
    const struct check *check;
    uint64_t seed;     /* of this check */
    size_t runs;       /* tapes or programs at most */
    double deadline;   /* in seconds of CLOCK_MONOTONIC; 0: none */
    unsigned profiles; /* the bits 1 << DISK_POSIX, 1 << DISK_EXT4 */
    bool complete;     /* --complete: enumerations in full */
    struct run *run;   /* a world to use */

    size_t programs; /* counted by the check: programs run, */
    size_t states;   /* distinct states after a crash, opened and checked, */
    size_t cases;    /* and whatever the check calls a case; 0 is a failure */

    FILE *story;  /* a failing case tells its story here, unless NULL */
    bool failed;  /* set by check_failed */
    FILE *report; /* where check_failed writes */
};

/* One case. False if the property does not hold; it has then told its story: the program
 * in words, what the files held, what came out against what the law allows. */
typedef bool check_case(struct check_run *run, struct tape *tape);

/* Many cases, until check_goes_on says no or one has failed (check_failed). */
typedef void check_campaign(struct check_run *run);

struct check {
    const char *name; /* "crash.power": the module's noun first */
    enum check_kind kind;
    int first, last;   /* stages; last 0: all later ones */
    size_t runs;       /* the budget in `harness-NN check` and, where it is not crash's */
    size_t list_runs;  /* the budget in `harness-NN list` */
    const char *shows; /* one line */
    check_case *one;
    check_campaign *campaign; /* NULL: check_tapes */
};

/* Rows of the modules. */
extern const struct check self_checks[];
extern const struct check program_checks[];
extern const struct check crash_checks[];
extern const struct check group_checks[];
extern const struct check sweep_checks[];
extern const struct check corrupt_checks[];
extern const struct check repair_checks[];
extern const struct check kill_checks[];
extern const struct check race_checks[];
extern const struct check preload_checks[];

/* The index-th check of stage `number`; NULL behind the last. */
const struct check *check_at(size_t index, int number);
const struct check *check_find(const char *name);
const char *check_kind_name(enum check_kind kind);

/* Runs the check's campaign. False if it failed, or ran no case. */
bool check_perform(struct check_run *run);

/* The default campaign: `runs` tapes, the i-th from random numbers of seed and i. */
void check_tapes(struct check_run *run);

/* The seed of the index-th tape of a campaign. */
uint64_t check_tape_seed(const struct check_run *run, size_t index);

/* Seconds of CLOCK_MONOTONIC. */
double check_seconds(void);

/* Whether the budget allows another program after `programs` of them. */
bool check_goes_on(const struct check_run *run);

/* The case of this tape has failed: makes it simple, tells its story, prints the line
 * that replays it. The tape is changed. */
void check_failed(struct check_run *run, struct tape *tape);

/* Runs the one case of `text` ("CHECK:TAPE") and tells its story. 0: it holds; 1: it
 * fails; 2: the text is no case. */
int check_replay(const char *text, struct check_run *run);

#endif
