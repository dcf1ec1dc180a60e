/* A command in a shell: its options parsed, run on the store that the shell holds open,
 * its failure told on standard error; at once, or beside the lines that follow. */
#ifndef STRATA_SHELL_CALL_H
#define STRATA_SHELL_CALL_H

#include "command.h"

struct globals;
struct shell_call;

/* Whether the command is one for a shell: it works on a store that is open. */
bool shell_call_possible(const struct command *command);

/* Runs the command named in words[0]. `shell` is the shell's own run, with the batch and
 * the snapshot that the command is to use; help is what it is told beside its own
 * options. The exit code. */
int shell_call_now(const struct command_run *shell, struct globals *help,
                   const struct command *command, int count, char **words);

/* Begins it in a thread of its own, in front of *calls; the words are copied. If that
 * cannot be it is told, and its exit code returned; else 0. */
int shell_call_start(const struct command_run *shell, struct globals *help,
                     const struct command *command, int count, char **words,
                     struct shell_call **calls);

/* Waits until all have ended, and empties the list. The exit code of one that failed, or
 * 0. */
int shell_call_wait(struct shell_call **calls);

#endif
