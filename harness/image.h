/* What the disk holds when no store is open on it, as the next process finds it: opened
 * by the real kv_open, read in full, closed. Shared by the campaigns that damage or fail
 * something and then ask what is left. */
#ifndef STRATA_IMAGE_H
#define STRATA_IMAGE_H

#include "run.h"

/* Opens the store on the disk without faults, reads all and closes it; its state must lie
 * within the law, by the run's model. *changes (may be NULL) says which state it is.
 * False, with run_fails, if not; what the store held is then killed. `when` says in words
 * what went before. */
bool image_holds(struct run *run, struct disk *disk, struct law law, const char *when,
                 size_t *changes);

/* The run's options in a world on this disk. */
struct kv_options image_options(const struct run *run, const struct world *world);

/* Nothing is left behind of a store that was closed or did not open; `blocks` were
 * outstanding before. False, with run_fails, if there is. */
bool image_left_nothing(struct run *run, struct disk *disk, size_t blocks,
                        const char *when);

/* An error under a fault must be one: a member of the enum, with words; and a fault is no
 * corruption. OK passes too. False, with run_fails, if not. */
bool image_error_told(struct run *run, const char *what, enum status status,
                      const struct error *error);

/* A copy of the disk as a restart finds it with everything kept. */
struct disk *image_copy(struct disk *disk);

/* A copy with everything lost that was pending at its end. */
struct disk *image_powerless(struct disk *disk, enum disk_profile profile);

#endif
