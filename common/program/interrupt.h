/* Ctrl-C (SIGINT) and SIGTERM as a question that long work asks between two steps. The
 * process has one such flag, since a signal has no other place to write to. Main thread
 * only; other threads must have both signals blocked (main.c sees to it). */
#ifndef STRATA_INTERRUPT_H
#define STRATA_INTERRUPT_H

#include <stdbool.h>

/* From here on the two signals are noted instead of ending the process. */
void interrupt_catch(void);

bool interrupt_seen(void);

/* Keep the two signals from this thread, and from all that it creates meanwhile. */
void interrupt_block(void);
void interrupt_unblock(void);

/* Waits until `fd` can be read or a signal came; a signal that came just before the wait
 * ends it as well. */
void interrupt_wait_readable(int fd);

#endif
