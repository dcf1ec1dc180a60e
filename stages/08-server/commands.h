/* The groups of commands: each is an array of rows at the end of its own file. */
#ifndef STRATA_REDIS_COMMANDS_H
#define STRATA_REDIS_COMMANDS_H

#include "redis_command.h"

extern const struct command_rows commands_client;
extern const struct command_rows commands_config;
extern const struct command_rows commands_connection;
extern const struct command_rows commands_expire;
extern const struct command_rows commands_keys;
extern const struct command_rows commands_scan;
extern const struct command_rows commands_string;
extern const struct command_rows commands_number;
extern const struct command_rows commands_server;
extern const struct command_rows commands_table; /* COMMAND itself */

/* The run function of a subcommand HELP: its container's subcommands, from the table. */
command_run command_help;

#endif
