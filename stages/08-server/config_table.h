/* The rows of the server's own settings (config.h); those of the engine follow them. */
#ifndef STRATA_CONFIG_TABLE_H
#define STRATA_CONFIG_TABLE_H

#include "config.h"

extern const struct config_row config_rows[];
extern const size_t config_row_count;

#endif
