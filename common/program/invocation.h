/* One call of a command: its options parsed, its failure told on standard error. Used by
 * the main function for the command that it was called with, and by the shell for each
 * line; so nothing here ends the process. */
#ifndef STRATA_INVOCATION_H
#define STRATA_INVOCATION_H

#include "command.h"
#include "globals.h"

/* Fills run->count, run->arguments (room for `count`) and run->values from the line whose
 * first argument is the command's name; that one is replaced while it works. True: the
 * command is to be run. False: it asked for help, or was wrong; that was said, and *code
 * is the exit code. globals->title is of no use afterwards. */
MUST_CHECK bool invocation_parse(struct command_run *run, struct globals *globals,
                                 int count, char **arguments, int *code);

/* "PROGRAM: COMMAND: message" and a line of advice where there is something to do.
 * Returns the exit code. `opening`: the directory could not be opened. */
int invocation_report(const struct command_run *run, enum status status, bool opening);

/* Says that there is no command of that name, or with which stage it comes. Returns the
 * exit code. */
int invocation_unknown(const char *program, bool in_shell, const char *name);

#endif
