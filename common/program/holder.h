/* Which process has a file open, as far as /proc shows it (proc(5), /proc/PID/fd): its
 * own user's processes, for root all. */
#ifndef STRATA_HOLDER_H
#define STRATA_HOLDER_H

#include <stdbool.h>

struct holder {
    long process;
    char name[32];
};

/* The first that is found, other than this process; false if none shows. */
bool holder_find(const char *path, struct holder *holder);

#endif
