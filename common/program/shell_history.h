/* The lines of earlier shells, and of those that run now: one file for all of them, as
 * text, a line each. A line is added to the file when it is entered, so shells side by
 * side, and shells that are killed, lose none. For one thread. */
#ifndef STRATA_SHELL_HISTORY_H
#define STRATA_SHELL_HISTORY_H

#include <limits.h>

#include <histedit.h>

struct shell_history {
    const char *program; /* for messages; borrowed */
    History *lines;      /* libedit's list, which its keys walk; borrowed */
    char path[PATH_MAX]; /* empty: lines are not kept */
};

/* Finds the file, $XDG_STATE_HOME/strata/history or ~/.local/state/strata/history, makes
 * it where missing, for its owner alone, and puts its last lines into `lines`. Where it
 * cannot be used that is told on standard error, and the shell goes on without. */
void shell_history_open(struct shell_history *history, const char *program,
                        History *lines);

/* Adds a line, with its line end, unless it is the same as the one before. The first
 * failure to write is told on standard error; then lines are kept no longer. */
void shell_history_add(struct shell_history *history, const char *line);

#endif
