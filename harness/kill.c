/* The real program on the real system, killed while it works: lines go into `import -` on
 * one pipe, the numbers of those that it acknowledges come back on another, then SIGKILL.
 * What it acknowledged must be there afterwards, and nothing but the first k lines, whole
 * batches of them. Several rounds go into one directory, the last to its end.
 *
 * Some rounds run under libfiu's POSIX preload instead, with one in a hundred transfers
 * failing: nothing in the program goes around the calls that the harness knows.
 *
 * A case is not a function of its tape alone: the time of a death is the system's. */
#include "check.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "real.h"

enum {
    LINES = 300, /* of a directory */
    ROUNDS_MAX = 4,
    EXIT_CODES = 8, /* 0 to 7 are documented */
    ARGUMENTS_MAX = 24
};

/* ---- a round --------------------------------------------------------------------- */

struct round {
    const char *durability, *region, *log_bytes, *batch;
    size_t batch_lines;
    size_t until; /* acknowledgements; more than there are lines: to the end */
    bool preload;
};

static struct round round_draw(struct tape *tape, bool preload) {
    static const char *const modes[] = {"always", "interval", "none"};
    static const char *const log_bytes[] = {"64m", "4096", "40000"};
    static const size_t batches[] = {1, 3, 8};
    static const char *const batch_words[] = {"1", "3", "8"};
    tape_begin(tape);
    size_t batch = (size_t)tape_choose(tape, 3);
    struct round round = {
        .durability = modes[tape_choose(tape, 3)],
        .region = tape_choose(tape, 2) == 0 ? "write" : "mapped",
        .log_bytes = log_bytes[tape_choose(tape, 3)],
        .batch = batch_words[batch],
        .batch_lines = batches[batch],
        .until = 1 + (size_t)tape_choose(tape, LINES),
        .preload = tape_choose(tape, 4) == 3 && preload,
    };
    round.until = round.preload ? LINES + 1 : round.until;
    tape_end(tape);
    return round;
}

/* A signal of ours, or an exit code of the table; without faults it is 0. */
static bool ends_as_documented(struct real *real, const struct round *round, int status) {
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
        return real_fails(real, "import died of signal %d", WTERMSIG(status));
    }
    if (WIFEXITED(status) && (WEXITSTATUS(status) >= EXIT_CODES ||
                              (WEXITSTATUS(status) != 0 && !round->preload))) {
        return real_fails(real, "import ended with the code %d", WEXITSTATUS(status));
    }
    return true;
}

/* Imports the lines from *k on; *k becomes what the store holds afterwards. */
static bool run_round(struct check_run *check, struct real *real,
                      const struct round *round, size_t *k) {
    const char *arguments[ARGUMENTS_MAX] = {
        "fiu-run",
        "-x",
        "-c",
        "enable_random name=posix/io/rw/*,probability=0.01,failinfo=5",
        real->program,
        "-d",
        real->directory,
        "--durability",
        round->durability,
        "--log-region",
        round->region,
        "--log-bytes",
        round->log_bytes,
        "import",
        "--acknowledge",
        "--batch",
        round->batch,
        "-",
        NULL};
    struct real_text input = {0}, said = {0};
    size_t from = *k;
    int status = 0;
    for (size_t line = from; line < LINES; line++) {
        real_add_line(&input, line);
    }
    bool holds = real_run(real, arguments + (round->preload ? 0 : 4), &input, &said,
                          round->until, &status);
    size_t acknowledged = real_count_lines(&said);
    holds = holds && ends_as_documented(real, round, status);
    holds = holds && real_holds_lines(real, from + acknowledged, k);
    if (holds && real_ended_well(status) && *k != LINES) {
        holds = real_fails(real, "import ended well, the store holds %zu lines of %d", *k,
                           LINES);
    }
    if (holds && *k != LINES && !round->preload &&
        (*k - from) % round->batch_lines != 0) {
        holds = real_fails(real, "the store holds %zu new lines, batches are of %zu",
                           *k - from, round->batch_lines);
    }
    if (check->story != NULL) {
        fprintf(
            check->story,
            "lines from %zu: durability %s, region %s, log-bytes %s, batch %s, %s "
            "after %zu acknowledgements; %zu came; wait status %d; then it held %zu\n",
            from, round->durability, round->region, round->log_bytes, round->batch,
            round->preload ? "transfers fail at random, killed at" : "killed at",
            round->until, acknowledged, status, *k);
    }
    free(input.bytes);
    free(said.bytes);
    return holds;
}

/* ---- the check ------------------------------------------------------------------- */

/* fiu-run is a script; the preload library cannot come before a sanitizer's. */
static bool preload_works(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    return access("/usr/bin/fiu-run", X_OK) == 0 ||
           access("/usr/local/bin/fiu-run", X_OK) == 0;
#endif
}

static bool kill_one(struct check_run *check, struct tape *tape) {
    struct real real;
    bool preload = preload_works();
    bool holds = real_begin(&real, false, false);
    size_t rounds = 1 + (size_t)tape_choose(tape, ROUNDS_MAX);
    size_t k = 0;
    for (size_t i = 0; i < rounds && holds; i++) {
        struct round round = round_draw(tape, preload);
        holds = run_round(check, &real, &round, &k);
        check->cases++;
    }
    const struct round last = {"interval", "write", "64m", "8", 8, LINES + 1, false};
    holds = holds && run_round(check, &real, &last, &k);
    real_end(&real);
    if (!holds && check->story != NULL) {
        fprintf(check->story, "%s\n", real.failure);
    }
    return holds;
}

const struct check kill_checks[] = {
    {"kill.import", CHECK_CHECK, 1, 0, 12, 2,
     "the program, killed at any time, has kept every line that it acknowledged",
     kill_one, NULL},
    {0}};
