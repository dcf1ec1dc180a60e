/* SIGTERM, SIGINT and SIGHUP as bytes of a descriptor that a loop can watch
 * (signalfd(2)). Requires that all threads hold these signals back
 * (program/interrupt.h). */
#ifndef STRATA_STOP_SIGNAL_H
#define STRATA_STOP_SIGNAL_H

#include <stdbool.h>

#include "status.h"

/* Does not block. IO. */
MUST_CHECK enum status stop_signal_open(int *descriptor, struct error *error);
void stop_signal_close(int descriptor);

/* Takes one that has come; its name, or NULL if there is none. */
const char *stop_signal_take(int descriptor);

#endif
