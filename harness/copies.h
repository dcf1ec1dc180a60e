/* Copies that a program makes of its store (kv_checkpoint.h): what each must hold, and
 * what a loss of power may leave of it.
 *
 *     before the call            nothing has its name
 *     while it is made           nothing, or the whole; the same under the name with
 *                                ".unfinished" behind it, where it may also not open,
 *                                or be empty
 *     OK was returned            the whole, for ever
 *     it has failed              nothing, or the whole, or what does not open
 *
 * The whole is the model's state when the call was made. A part of run.h. */
#ifndef STRATA_COPIES_H
#define STRATA_COPIES_H

#include "run.h"

/* A copy that was made of the store, or was to be made. */
struct run_copy {
    char path[32];
    enum copy_kind kind;
    struct law may; /* what an attempt may have left there, and only that */
    size_t changes; /* that it holds, once it is there */
    size_t begun;   /* disk operations before the first attempt, */
    size_t ended;   /* and when OK was returned; SIZE_MAX: not yet */
    bool failed;    /* an attempt has */
};

/* Makes the step's copy; false, with run_fails, if the answer is not as it must be. */
bool run_copy_made(struct run *run, const struct step *step);

/* Whether the disk, found after a loss of power before operation `operation` of the run's
 * disk, holds of the copies what it must and may. *whole: the bits 1 << i of those that
 * are. Words if not. The disk stays as it is; no fault may be set. */
bool copies_hold(struct run *run, struct disk *found, size_t operation, unsigned *whole,
                 char *words, size_t bytes);

/* The bits of those that must be whole after a loss of power before that operation, and
 * of those that may be. */
unsigned copies_due(const struct run *run, size_t operation);
unsigned copies_begun(const struct run *run, size_t operation);

/* The run's disk is a new one. */
void copies_begin_anew(struct run *run);

/* All that were made are on the run's disk, and stay there if the power goes now. False,
 * with run_fails, if not. */
bool copies_are_there(struct run *run);

#endif
