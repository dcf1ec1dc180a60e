/* The model: what the database should be, as an ordered map that keeps all versions. It
 * is short on purpose, so that a person can check it by eye: it is what the engine is
 * held against.
 *
 * Changes are applied in order; each takes as many consecutive sequences as it has
 * operations, from 1, and an erasure of everything takes none. "After exactly k changes"
 * (k from 0) is a state. Values may end (from stage 08): a reader does not find what is
 * over by his time. Slices are borrowed: keys and values must outlive the model (programs
 * draw them from static tables). One thread at a time; out of memory ends the program. */
#ifndef STRATA_MODEL_H
#define STRATA_MODEL_H

#include "kv.h"

struct model_version {
    struct slice key;
    size_t change;     /* counted from 1 */
    uint64_t sequence; /* an erasure's: the last one before it */
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
    const struct clock *clock; /* of those who read now; NULL: no value is over */
};

/* What a reader goes by: the state, and the time, in milliseconds since 1970; 0: no value
 * is over. */
struct model_at {
    size_t changes;
    uint64_t millis;
};

void model_free(struct model *model);

/* Of who reads now. */
uint64_t model_millis(const struct model *model);

/* Forgets all; keeps the memory and the clock. */
void model_clear(struct model *model);

/* Makes `to` what `from` is after its first `changes` changes. */
void model_copy(struct model *to, const struct model *from, size_t changes);

/* One more change of at least one operation. Answers its last sequence. */
uint64_t model_apply(struct model *model, const struct kv_op *ops, size_t count);

/* One more change: no key is there. */
void model_erase(struct model *model);

/* Forgets every change but the first `changes`. */
void model_truncate(struct model *model, size_t changes);

/* The last sequence of the first `changes` changes; 0 for none. */
uint64_t model_sequence(const struct model *model, size_t changes);

/* How many changes lie wholly at or below the sequence, erasures behind them too; at most
 * `most`. */
size_t model_changes_at(const struct model *model, uint64_t sequence, size_t most);

/* Whether a change ends there (or nothing: sequence 0). */
bool model_is_boundary(const struct model *model, uint64_t sequence);

/* Whether the stored value is over, by the rule of stage 08 (notes/formats.md). Never at
 * time 0. */
bool model_is_over(struct slice stored, uint64_t millis);

/* The key's value in that state, if there is one, else NULL. Valid until the model
 * changes. */
const struct model_version *model_get(const struct model *model, struct slice key,
                                      struct model_at at);

/* The value with the smallest key at or after `key` (after it, if !inclusive); NULL if
 * there is none. An absent key is before all. */
const struct model_version *model_next(const struct model *model, struct slice key,
                                       bool inclusive, struct model_at at);

/* The value with the largest key before `key`; an absent key is behind all. */
const struct model_version *model_previous(const struct model *model, struct slice key,
                                           struct model_at at);

/* Moves on to a value that is not over: the store need not bury what is. */
void model_skip_over(struct iter *iter, bool forward, struct model_at at);

/* Whether the iterator stands at the expected version (NULL: at the end), without an
 * error. If not, says in words what differs. */
bool model_shows(const struct model_version *expected, const struct iter *iter,
                 char *words, size_t words_bytes);

/* Whether a walk of the iterator from first to last, and the same backwards, shows
 * exactly that state within [from, to) (absent: no bound). If not, says in words what
 * differs. */
bool model_matches(const struct model *model, struct model_at at, struct slice from,
                   struct slice to, struct iter *iter, char *words, size_t words_bytes);

#endif
