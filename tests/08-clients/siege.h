/* A server that some clients treat badly, and a witness: a client of another kind, who is
 * there all the time and must never notice. Whatever cannot be fails the test. */
#ifndef STRATA_TESTS_SIEGE_H
#define STRATA_TESTS_SIEGE_H

#include "caller.h"

struct siege {
    struct served served;
    struct caller witness;
    size_t steps;
    uint64_t memory; /* as it was at the beginning, or when it was marked */
};

/* Starts a server in a directory of its own, with `more` arguments (NULL: none). */
void siege_begin(struct siege *siege, const char *const *more);

/* The same with so many descriptors at most. */
void siege_begin_with(struct siege *siege, unsigned descriptors, const char *const *more);

/* The witness asks, and gets what is right. Where there is one loop (io-threads 1) it has
 * seen by then all that other clients sent before. */
void siege_step(struct siege *siege);

/* The same, and so does somebody who comes now. */
void siege_check(struct siege *siege);

/* Checks it once more; then it ends with 0 by SIGTERM. */
void siege_end(struct siege *siege);

/* Steps until there are so many clients, the witness with them. */
void siege_await_clients(struct siege *siege, size_t clients);

/* The number that a line of INFO has; fails if there is no such line. */
uint64_t siege_info(struct siege *siege, const char *section, const char *name);

/* From here on memory is measured anew. */
void siege_mark_memory(struct siege *siege);

/* The most memory that the server has had in use since (VmHWM) may be so much more than
 * it was then; logs that are mapped count. Sanitizers have more of their own than can be bounded: there
 * nothing is demanded. */
void siege_check_memory(const struct siege *siege, uint64_t more_bytes);

/* Whether there is something to be read, or the end, without waiting. */
bool is_readable(const struct caller *caller);

#endif
