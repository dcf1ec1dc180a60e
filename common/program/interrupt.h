/* Ctrl-C (SIGINT), SIGTERM and the terminal that hangs up (SIGHUP) as a question that
 * long work asks between two steps. The signals stay pending with the system and are
 * looked at there, so nothing is kept here, and no thread can take one away from the
 * thread that asks. */
#ifndef STRATA_INTERRUPT_H
#define STRATA_INTERRUPT_H

#include <stdbool.h>

/* From here on these signals wait instead of ending the process, in this thread and in
 * all that it creates later; so it is called before there are others. A SIGHUP that the
 * process was started to ignore, by nohup(1), stays ignored. */
void interrupt_hold(void);

/* Whether one of them has come; false before interrupt_hold(). One system call. */
bool interrupt_seen(void);

/* Takes a Ctrl-C that has come, so that it is not seen again; false if there is none.
 * The others stay. */
bool interrupt_take(void);

/* Waits until `fd` can be read, or is closed, or one of them has come. */
void interrupt_wait_readable(int fd);

/* Waits so long, or until one of them has come. */
void interrupt_wait(int millis);

#endif
