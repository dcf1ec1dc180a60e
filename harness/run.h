/* Runs a program on a simulated world (disk, threads, clock, counted memory), in step
 * with the model, checks every answer, and keeps the law: what every later state must
 * hold.
 *
 *     struct run run;
 *     run_init(&run);                          once, the world is used again
 *     run_begin(&run, &program, tape);         a new disk; nothing is open yet
 *     disk_set_fault(run.disk, …);             faults, if any
 *     if (!run_steps(&run) || !run_end(&run)) { puts(run.failure); }
 *     … crash run.disk at operation i: run_law(&run, i, &law) …
 *     run_free(&run);
 *
 * Faults. An error from the store is a failure of the run unless something was made to
 * fail: run_fault_struck(). After a fault the run holds the store to fail-stop: a change
 * that failed with a sequence is in doubt, writes must be refused until resume or reopen,
 * reads show what was acknowledged, and the next recovery shows the doubtful change whole
 * or not at all. An open that a fault made fail is tried again without faults
 * (run_clear_faults) and must succeed. run_end reopens a store that is fail-stop, not
 * open or was closed with an error, without faults, and reads all of it, before it
 * closes. So a sweep needs no more than the lines above.
 *
 * tidy: long because it is the contract of one object, whose parts are used together. */
#ifndef STRATA_RUN_H
#define STRATA_RUN_H

#include "counted_memory.h"
#include "disk.h"
#include "model.h"
#include "points.h"
#include "program.h"
#include "scheduler.h"

/* The directory of the store on the simulated disk. */
#define RUN_DIRECTORY "db"

/* Changes: after a crash the state is that after exactly k changes of the model, for one
 * k with least <= k <= most. */
struct law {
    size_t least;
    size_t most;
};

/* What was known when the steps of the program ended. */
struct moment {
    size_t begun; /* disk operations before the step began, and after it ended */
    size_t ended;
    size_t issued;  /* changes issued when it ended: the most that a crash behind `begun`
                       may  leave */
    size_t durable; /* changes that had to be durable when it ended: the least that a
                       crash at or behind `ended` may leave */
};

/* A snapshot that is held, of the state after so many changes, and when it was taken. */
struct run_snapshot {
    struct kv_snapshot *snapshot;
    size_t changes;
    uint64_t millis;
};

/* Who asked to be told when so many changes are as durable as `durability` says. */
struct notice {
    struct run *run;
    size_t changes;
    enum durability durability;
    bool waits;
};

struct reader;
struct run_copy;

enum { RUN_MOMENTS_MAX = 3 * PROGRAM_STEPS_MAX + 8, RUN_FAILURE_BYTES = 1024 };

struct run {
    struct scheduler *scheduler;
    struct disk *disk; /* the run's own; replaced by a loss of power in the program */
    struct world world;
    struct kv *kv;             /* NULL while not open */
    struct kv_options options; /* the program's, in this world, for the next open */
    const struct program *program;
    struct tape *schedule; /* draws the order of threads; NULL: always stay */
    size_t step;           /* the step being run */

    struct model model;  /* all changes issued; the last one may be in doubt */
    size_t acknowledged; /* of them: W at least */
    size_t durable;      /* of them: D at least */
    size_t timed;        /* of them: the last that `interval` promises to sync */
    uint64_t at_risk[PROGRAM_STEPS_MAX]; /* bytes of the i-th change, if `interval` */
    uint64_t timed_at;                   /* when that was acknowledged, in micros */
    uint64_t reported; /* the highest D that the store has reported since it was opened */
    bool stopped;      /* a write or sync failed: fail-stop until resume or reopen */
    bool erasing;      /* the last change is an erasure that failed: it is there if writes
                          are refused, perhaps, and is seen after a resume or reopen */
    struct law base;   /* the law at first_point, before all moments */
    struct moment moments[RUN_MOMENTS_MAX];
    size_t moment_count;
    size_t ends[PROGRAM_STEPS_MAX + 1]; /* disk operations after the open, and after each
                                           step */
    size_t first_step;  /* ends before this one count operations of an older disk */
    size_t first_point; /* crash points before this one belong to shorter programs */

    struct run_snapshot snapshots[PROGRAM_SNAPSHOTS_MAX];
    size_t snapshot_count;
    struct notice notices[PROGRAM_STEPS_MAX];
    size_t notice_count;
    struct reader *iters;    /* PROGRAM_ITERS_MAX, that live across steps: run_reads.h */
    struct run_copy *copies; /* PROGRAM_COPIES_MAX: copies.h */
    size_t copy_count;

    size_t blocks; /* allocations outstanding when the run began */
    bool struck;   /* a fault has struck in this run, */
    bool excused;  /* and since the last open or resume that succeeded */
    uint64_t first_sequences[PROGRAM_STEPS_MAX]; /* of the steps that write; else 0 */
    bool failed;
    char failure[RUN_FAILURE_BYTES]; /* words; empty unless failed */
};

void run_init(struct run *run);
void run_free(struct run *run);

/* The program is borrowed until run_end. The schedule (may be NULL) is too. */
void run_begin(struct run *run, const struct program *program, struct tape *schedule);

/* Opens the store and runs all steps; false if a check failed. The store may be open
 * afterwards, for more checks, or for run_end, or for run_more, which goes on with steps
 * that were added to the program. */
bool run_steps(struct run *run);
bool run_more(struct run *run);

/* Closes the store, and checks that it left nothing behind: no memory, handles, locks or
 * threads, and in its directory what audit.h demands. After a failure it kills what is
 * left instead and answers false. The disk stays until the next run_begin. */
bool run_end(struct run *run);

/* The law for a loss of power before disk operation `operation`, from run->first_point to
 * disk_operations(run->disk). */
struct law run_law(const struct run *run, size_t operation);

/* The states that a read of the open store may show. */
struct law run_visible(const struct run *run);

/* ---- pieces, for checks that open stores themselves ------------------------------ */

/* The same world with another disk. */
struct world run_world_on(struct run *run, struct disk *disk);

/* The process dies: its threads, memory, handles and locks are gone. */
void run_kill(struct run *run, struct disk *disk);

/* Whether anything was made to fail since run_begin: a file operation, an allocation, a
 * failpoint. */
bool run_fault_struck(struct run *run);
void run_clear_faults(struct run *run);

/* Whether an error of the open store may be: a fault has struck, and it has words. False,
 * and noted as a failure, if not. */
bool run_excuses(struct run *run, const char *what, enum status status,
                 const struct error *error);

/* The program in words, with the sequences that its changes took, up to where it stopped,
 * and the failure if there is one. */
void run_print(const struct run *run, FILE *out);

/* Notes a failure, in words; the first one counts. Always false. */
bool run_fails(struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reads all that the store holds, by a scan in both directions, and by a get of each key
 * if `gets`. It must be the model's state after exactly k changes for one k within the
 * law, which goes into *changes. If not OK: words; CORRUPT for a state that the law does
 * not allow, otherwise the store's own error. */
MUST_CHECK enum status run_read_all(const struct model *model, struct kv *kv,
                                    struct law law, bool gets, size_t *changes,
                                    char *words, size_t words_bytes);

#endif
