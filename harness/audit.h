/* The structural audit: what must be true of the files of a store that was closed well,
 * whatever it went through before.
 *
 * The store's own verify finds no fault, here and after a loss of power: so whatever the
 * database refers to is synced, bytes and names; its tables hold what the manifest says
 * of them, and those of a level from 1 on share no user key. And nothing lies about that
 * it does not refer to: no temporary file, no table and no log that verify has not told
 * of, and no manifest beside the one in force. */
#ifndef STRATA_AUDIT_H
#define STRATA_AUDIT_H

#include "run.h"

/* Looks at a disk on which no store is open and nothing is made to fail, with the options
 * of the run. False, and words, where something is not as it must be. Changes nothing on
 * the disk. */
bool audit(struct run *run, struct disk *disk, char *words, size_t bytes);

#endif
