/* An index as lookups search it. The keys of an index block lie apart, each beside the
 * place of its block: to halve them again and again is to wait for memory at every step.
 * So an open table keeps of each key one word in an array: the eight bytes of the user
 * key that follow what all of the keys begin with. Only where words are equal the keys
 * themselves are compared.
 *
 * The last key counts neither for what all begin with, nor has it a word: writers shorten
 * it to the shortest key above the table, which may have nothing in common with others.
 *
 * Any number of threads may search. */
#ifndef STRATA_INDEX_WORDS_H
#define STRATA_INDEX_WORDS_H

#include "block.h"

struct index_words {
    uint64_t *array;     /* NULL: the block is searched as any other is */
    size_t count;        /* of words: one less than keys */
    struct slice prefix; /* that the user keys begin with; in the block */
};

/* The block outlives the words. They are made where every entry is a restart point, as
 * writers of indexes leave it, and every key is an internal key. NO_MEMORY. */
MUST_CHECK enum status index_words_init(struct index_words *words,
                                        const struct block *index);
void index_words_free(struct index_words *words);

/* Bytes of memory that the words take. */
static inline size_t index_words_bytes(const struct index_words *words) {
    return words->array == NULL ? 0 : words->count * sizeof words->array[0];
}

/* What words alone tell of the entry that a seek will find: its number, or, where words
 * are equal, that of the first that it may be. Without words: the index's restart_count.
 * The block is not looked at. */
uint32_t index_words_guess(const struct index_words *words, const struct block *index,
                           struct slice key);

/* block_iter_seek for an iterator over the index. */
void index_words_seek(const struct index_words *words, struct block_iter *iter,
                      struct slice key);

#endif
