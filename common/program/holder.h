/* Which process has a file open, as far as /proc shows it (proc(5), /proc/PID/fd): its
 * own user's processes, for root all. */
#ifndef STRATA_HOLDER_H
#define STRATA_HOLDER_H

#include <stdbool.h>

struct holder {
    long process;
    char name[32];
};

/* Whether somebody holds the lock on that file, this process too; the lock is asked
 * about, and not taken (F_OFD_GETLK, fcntl(2)). */
bool holder_locked(const char *path);

/* The first that is found, other than this process; false if none shows. */
bool holder_find(const char *path, struct holder *holder);

#endif
