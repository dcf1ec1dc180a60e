/* Lines that a person edits on the terminal, with libedit: history, completion of the
 * first word. Signals must be held (interrupt.h). For one thread. */
#ifndef STRATA_SHELL_EDIT_H
#define STRATA_SHELL_EDIT_H

#include <stdbool.h>

#include "slice.h"
#include "status.h"

struct shell_edit;

/* Receives one name that a first word may be. */
typedef void shell_edit_name(void *context, const char *name);
/* Hands all such names to `name`. */
typedef void shell_edit_names(void *context, shell_edit_name *name, void *name_context);

/* `program` (borrowed) stands in the prompt. IO, where the terminal cannot be used. */
MUST_CHECK enum status shell_edit_open(const char *program, shell_edit_names *names,
                                       void *names_context, struct shell_edit **edit,
                                       struct error *error);

/* The next line, without its line end; it dies at the next call. A line that Ctrl-C
 * cancelled is not handed out. What was typed before the call counts as if it were typed
 * now. False: Ctrl-D; or *interrupted, by a signal or because the terminal is gone. */
MUST_CHECK bool shell_edit_next(struct shell_edit *edit, struct slice *line,
                                bool *interrupted);

/* Leaves the terminal as it was. NULL is allowed. */
void shell_edit_close(struct shell_edit *edit);

#endif
