/* A directory of a benchmark's own, under -d. */
#ifndef STRATA_SCRATCH_H
#define STRATA_SCRATCH_H

#include "command.h"

struct scratch {
    char *dir;
    bool made; /* run->dir too, which goes with it */
};

/* Makes a fresh directory under run->dir, and that where it is missing. */
MUST_CHECK enum status scratch_open(struct scratch *scratch, struct command_run *run);

/* Removes a directory that holds files only, such as a database's. */
MUST_CHECK enum status scratch_remove(const struct command_run *run, const char *dir,
                                      struct error *error);

/* Removes the directory, which is empty again. Call it also after a failed open. */
MUST_CHECK enum status scratch_close(struct scratch *scratch,
                                     const struct command_run *run, struct error *error);

#endif
