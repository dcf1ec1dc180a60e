/* Answers of a store held against the model. A part of run.h. */
#ifndef STRATA_RUN_READS_H
#define STRATA_RUN_READS_H

#include "run.h"

/* Where to write what is wrong. */
struct words {
    char *text;
    size_t bytes;
};

/* A get of the key, at the snapshot if that is not NULL. Its answer must be the model's
 * at the sequence that it observed, which must be the end of a change within the law.
 * CORRUPT, and words, if not; the store's own error, and words, if it failed. */
MUST_CHECK enum status read_key(const struct model *model, struct kv *kv, struct law law,
                                const struct kv_snapshot *snapshot, struct slice key,
                                struct words words);

/* The same for the scan of `step`: its drawn moves, then a walk from end to end each way.
 * *changes says how many changes it observed. */
MUST_CHECK enum status read_scan(const struct model *model, struct kv *kv, struct law law,
                                 const struct kv_snapshot *snapshot,
                                 const struct step *step, size_t *changes,
                                 struct words words);

#endif
