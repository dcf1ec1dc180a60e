/* The model: what the database should be, as an ordered map that keeps all versions. It
 * is short on purpose, so that a person can check it by eye: it is what the engine is
 * held against.
 *
 * Changes are applied in order; each takes as many consecutive sequences as it has
 * operations, from 1. "After exactly k changes" (k from 0) is a state; so is "at sequence
 * s", which includes every operation up to s. Slices are borrowed: keys and values must
 * outlive the model (programs draw them from static tables). One thread at a time; out of
 * memory ends the program. */
#ifndef STRATA_MODEL_H
#define STRATA_MODEL_H

#include "kv.h"

struct model_version {
    struct slice key;
    uint64_t sequence;
    enum kv_op_type type;
    struct slice value; /* puts only */
};

/* Zero-initialised it is the empty database. */
struct model {
    struct model_version *versions; /* by key, then newest first */
    size_t version_count;
    size_t version_capacity;
    uint64_t *ends; /* ends[k]: the last sequence of change k, counted from 0 */
    size_t change_count;
    size_t change_capacity;
};

void model_free(struct model *model);

/* Forgets all; keeps the memory. */
void model_clear(struct model *model);

/* Makes `to` what `from` is after its first `changes` changes. */
void model_copy(struct model *to, const struct model *from, size_t changes);

/* One more change of at least one operation. Answers its last sequence. */
uint64_t model_apply(struct model *model, const struct kv_op *ops, size_t count);

/* Forgets every change but the first `changes`. */
void model_truncate(struct model *model, size_t changes);

/* The last sequence of the first `changes` changes; 0 for none. */
uint64_t model_sequence(const struct model *model, size_t changes);

/* How many changes lie wholly at or below the sequence. */
size_t model_changes_at(const struct model *model, uint64_t sequence);

/* Whether a change ends there (or nothing: sequence 0). */
bool model_is_boundary(const struct model *model, uint64_t sequence);

/* The newest version of the key at or below the sequence if it is a put, else NULL. Valid
 * until the model changes. */
const struct model_version *model_get(const struct model *model, struct slice key,
                                      uint64_t sequence);

/* The visible put with the smallest key at or after `key` (after it, if !inclusive) at
 * the sequence; NULL if there is none. An absent key is before all. */
const struct model_version *model_next(const struct model *model, struct slice key,
                                       bool inclusive, uint64_t sequence);

/* The visible put with the largest key before `key`; an absent key is behind all. */
const struct model_version *model_previous(const struct model *model, struct slice key,
                                           uint64_t sequence);

/* Whether the iterator stands at the expected version (NULL: at the end), without an
 * error. If not, says in words what differs. */
bool model_shows(const struct model_version *expected, const struct iter *iter,
                 char *words, size_t words_bytes);

/* Whether a walk of the iterator from first to last, and the same backwards, shows
 * exactly the state at the sequence within [from, to) (absent: no bound). If not, says in
 * words what differs. */
bool model_matches(const struct model *model, uint64_t sequence, struct slice from,
                   struct slice to, struct iter *iter, char *words, size_t words_bytes);

#endif
