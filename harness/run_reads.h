/* Answers of a store held against the model. A part of run.h. */
#ifndef STRATA_RUN_READS_H
#define STRATA_RUN_READS_H

#include "run.h"

/* Where to write what is wrong. */
struct words {
    char *text;
    size_t bytes;
};

/* A get of the key, at what is held if that is not NULL. Its answer must be the model's
 * at the sequence that it observed, which must be the end of a change within the law; if
 * that leaves the choice, after as many changes as may be. CORRUPT, and words, if not;
 * the store's own error, and words, if it failed. */
MUST_CHECK enum status read_key(const struct model *model, struct kv *kv, struct law law,
                                const struct run_snapshot *held, struct slice key,
                                struct words words);

/* An open iterator, and where it must stand. Zeroed: none is open. */
struct reader {
    struct iter *iter;
    struct model_at sees;
    struct slice from, to;
    struct slice at; /* the key; absent: nowhere */
};

/* Opens one with the bounds of `step`, at what is held if that is not NULL; what it
 * observes is checked as that of a get. After an error there is none. */
MUST_CHECK enum status reader_open(struct reader *reader, const struct model *model,
                                   struct kv *kv, struct law law,
                                   const struct run_snapshot *held,
                                   const struct step *step, struct words words);

/* It still shows what it showed; then the drawn moves of `step`. */
MUST_CHECK enum status reader_move(struct reader *reader, const struct model *model,
                                   const struct step *step, struct words words);

/* A walk from end to end each way. */
MUST_CHECK enum status reader_walk(struct reader *reader, const struct model *model,
                                   struct words words);

/* Also where none is open. */
void reader_close(struct reader *reader);

/* The same for the scan of `step`: its drawn moves, then a walk from end to end each way.
 * *changes says how many changes it observed. */
MUST_CHECK enum status read_scan(const struct model *model, struct kv *kv, struct law law,
                                 const struct run_snapshot *held, const struct step *step,
                                 size_t *changes, struct words words);

#endif
