/* One tape of choices: every decision of a case is drawn from it, so that a case is a
 * list of numbers that can be saved, replayed and made simpler.
 *
 * A tape begins with the choices that it was given; behind them it draws from its seed
 * (tape_seed) or answers 0 (tape_replay). Whatever was answered is recorded, so after a
 * case the tape holds exactly the choices that the case asked for, and replaying them
 * runs the same case. 0 is always the simplest choice: whoever draws arranges its
 * alternatives so. This and the shrinking follow D. MacIver and A. Donaldson, "Test-Case
 * Reduction via Test-Case Generation: Insights from the Hypothesis Reducer", ECOOP 2020.
 *
 * Zero-initialise, then tape_seed, tape_replay or tape_parse, any number of times. One
 * thread at a time. Out of memory ends the program. */
#ifndef STRATA_TAPE_H
#define STRATA_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Choices [begin, end) belong together, as those of one operation do: the shrinker may
 * delete them as a whole. Spans nest or are apart. */
struct tape_span {
    size_t begin;
    size_t end;
};

enum { TAPE_DEPTH_MAX = 8 };

struct tape {
    uint64_t *choices; /* those made, then those given and not yet asked for */
    size_t made;
    size_t given; /* end of the given ones; less than made if they are used up */
    size_t capacity;
    bool random; /* behind the given ones: draw (true) or 0 */
    uint64_t state;
    struct tape_span *spans; /* closed ones, in the order of their ends */
    size_t span_count;
    size_t span_capacity;
    size_t open[TAPE_DEPTH_MAX];
    size_t depth;
};

/* A new tape of choices drawn from the seed. */
void tape_seed(struct tape *tape, uint64_t seed);

/* A new tape that gives these choices (copied; may be tape->choices itself), then 0. */
void tape_replay(struct tape *tape, const uint64_t *choices, size_t count);

/* A new tape from the text that tape_print wrote; false, and an empty tape, if it is
 * none.
 */
bool tape_parse(struct tape *tape, const char *text);

void tape_free(struct tape *tape);

/* A number below `bound` (at least 1). A given choice that is too large counts as the
 * largest one. */
uint64_t tape_choose(struct tape *tape, uint64_t bound);

/* Records a choice that was made elsewhere, as if it had been drawn here. */
void tape_note(struct tape *tape, uint64_t choice);

void tape_begin(struct tape *tape);
void tape_end(struct tape *tape);

/* The choices made, without the zeros at their end: numbers in base 36 with dots between.
 */
void tape_print(const struct tape *tape, FILE *out);

/* ---- random numbers without a tape ----------------------------------------------- */

/* The next number of the sequence that *state stands in (splitmix64; S. Vigna,
 * https://prng.di.unimi.it/splitmix64.c, public domain). */
uint64_t random_next(uint64_t *state);

/* Below `bound`, at least 1. */
uint64_t random_below(uint64_t *state, uint64_t bound);

#endif
