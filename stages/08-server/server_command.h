/* `server`, a command of the program (server_command.c). */
#ifndef STRATA_SERVER_COMMAND_H
#define STRATA_SERVER_COMMAND_H

#include "program/command.h"

extern const struct command command_server;

#endif
