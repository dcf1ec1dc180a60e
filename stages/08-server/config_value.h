/* The values of settings as text (config.h), by the kinds of the table. */
#ifndef STRATA_CONFIG_VALUE_H
#define STRATA_CONFIG_VALUE_H

#include "config.h"

/* For rows of the table's own kinds, that is all but CONFIG_ENGINE. As config_set and
 * config_print; what depends on other settings is not looked at. */
MUST_CHECK enum status config_value_set(struct config *config,
                                        const struct config_row *row, struct slice text,
                                        struct error *error);
MUST_CHECK enum status config_value_print(const struct config *config,
                                          const struct config_row *row, struct buf *out);

/* The next word of a value of several; false behind the last. */
bool config_next_word(struct slice *rest, struct slice *word);

#endif
