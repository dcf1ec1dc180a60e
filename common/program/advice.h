/* What a person can do about an error, where there is something to do. */
#ifndef STRATA_ADVICE_H
#define STRATA_ADVICE_H

#include "command.h"

/* Whole lines for stderr behind the message of a command that failed with `status` on
 * the database run->dir; may append none. `opening`: the directory could not be opened.
 */
MUST_CHECK enum status advice_print(const struct command_run *run, enum status status,
                                    bool opening, struct buf *out);

#endif
