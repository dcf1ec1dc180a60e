/* An openable copy of a database that is open and goes on (kv_checkpoint.h). */
#ifndef STRATA_CHECKPOINT_H
#define STRATA_CHECKPOINT_H

#include "copying.h"
#include "engine.h"

/* As store_ops has it. */
enum status engine_checkpoint(void *engine, const char *path,
                              const struct kv_copy_options *options, struct error *error);

/* Fills an empty directory with the copy; all that is in it is durable then, with its
 * name. Tables are links to those of the store; or, with `shared`, to those of that
 * directory that are the same (nowhere, if it is ""), and copies else. */
MUST_CHECK enum status checkpoint_fill(struct engine *engine, const char *dir,
                                       const char *shared, struct copying *copying,
                                       struct error *error);

#endif
