/* The rows of the table of commands, each beside the code that it runs. */
#ifndef STRATA_COMMANDS_H
#define STRATA_COMMANDS_H

#include "command.h"

extern const struct command command_put, command_get, command_del;        /* entry.c */
extern const struct command command_scan, command_export;                 /* scan.c */
extern const struct command command_import;                               /* import.c */
extern const struct command command_sync, command_stats;                  /* state.c */
extern const struct command command_verify, command_repair, command_dump; /* offline.c */
extern const struct command command_bench;                                /* bench.c */
/* Of later stages: a stage's `commands` names it. */
extern const struct command command_shell;   /* shell.c */
extern const struct command command_flush;   /* flush.c */
extern const struct command command_compact; /* compact.c */
extern const struct command command_checkpoint, command_backup,
    command_restore; /* copy.c */

#endif
