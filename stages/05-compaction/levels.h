/* The command `levels`: draws the tree of tables, once, live, or out of an event log. */
#ifndef STRATA_LEVELS_H
#define STRATA_LEVELS_H

#include "program/command.h"

extern const struct command command_levels;

#endif
