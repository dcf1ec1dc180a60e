/* Standard output as a person's terminal. */
#ifndef STRATA_SCREEN_H
#define STRATA_SCREEN_H

#include <stdbool.h>

/* Whether it is one. */
bool screen_shown(void);

/* Its columns; 80 where it is none or does not say. */
unsigned screen_columns(void);

#endif
