/* The world: all that the engine asks of the operating system, as a parameter. A store is
 * opened in one world and stays in it. Memory is the exception: it is chosen when a
 * program is linked (memory.h). The real world is world_system; the harness builds
 * simulated ones, in which it loses power, fails calls and chooses the order of threads.
 */
#ifndef STRATA_WORLD_H
#define STRATA_WORLD_H

#include "clock.h"
#include "file.h"
#include "thread.h"

struct world {
    const struct file_system *files;
    const struct threads *threads;
    const struct clock *clock;
};

extern const struct world world_system;

#endif
