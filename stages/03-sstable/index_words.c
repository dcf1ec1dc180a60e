#include "index_words.h"

#include "internal_key.h"
#include "memory.h"
#include "shared_prefix.h"

/* ---- making words ------------------------------------------------------------------ */

/* Eight bytes from `at` on, or fewer and zeros, as a number. If the numbers of two keys
 * differ, the keys are in the order of the numbers; if not, nothing is known. */
static uint64_t word_of(struct slice key, size_t at) {
    unsigned char bytes[sizeof(uint64_t)] = {0};
    size_t left = key.length - at;
    memcpy(bytes, key.data + at, left < sizeof bytes ? left : sizeof bytes);
    uint64_t word = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        word = word << 8 | bytes[i];
    }
    return word;
}

/* Whether every entry is a restart point and has an internal key; and in *prefix what the
 * user keys of all but the last begin with. */
static bool is_regular(const struct block *index, struct slice *prefix) {
    struct block_iter iter;
    size_t end = 0;
    bool regular = true;
    block_iter_init(&iter, index);
    for (uint32_t i = 0; i < index->restart_count && regular; i++) {
        block_iter_restart(&iter, i);
        regular =
            iter.iter.valid && iter.entry == end && internal_key_legal(iter.iter.key);
        if (regular && (i == 0 || i + 1 < index->restart_count)) {
            struct slice user = internal_key_user(iter.iter.key);
            size_t both = user.length < prefix->length ? user.length : prefix->length;
            *prefix = i == 0 ? user
                             : slice_make(prefix->data,
                                          shared_prefix(prefix->data, user.data, both));
        }
        end = iter.next;
    }
    block_iter_free(&iter);
    return regular && end == index->restarts;
}

enum status index_words_init(struct index_words *words, const struct block *index) {
    *words = (struct index_words){.count = index->restart_count - 1};
    if (!is_regular(index, &words->prefix)) {
        return STATUS_OK;
    }
    words->array = memory_take(words->count * sizeof words->array[0]);
    if (words->array == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct block_iter iter;
    block_iter_init(&iter, index);
    for (uint32_t i = 0; i < words->count; i++) {
        block_iter_restart(&iter, i);
        words->array[i] = word_of(internal_key_user(iter.iter.key), words->prefix.length);
    }
    block_iter_free(&iter);
    return STATUS_OK;
}

void index_words_free(struct index_words *words) {
    memory_give(words->array);
    *words = (struct index_words){0};
}

/* ---- search ------------------------------------------------------------------------ */

/* The first word at or above `word`; count: none. No branch depends on what is found:
 * half of them would be foretold wrongly. So nothing is read ahead of the answer, unless
 * the two words of which the next step reads one are asked for. */
static size_t first_from(const struct index_words *words, uint64_t word) {
    const uint64_t *array = words->array;
    size_t at = 0;
    size_t left = words->count;
    while (left > 0) {
        size_t half = (left + 1) / 2;
        size_t quarter = (left - half) / 2;
        __builtin_prefetch(&array[at + quarter]);
        __builtin_prefetch(&array[at + half + quarter]);
        at += (size_t)(array[at + half - 1] < word) * half;
        left -= half;
    }
    return at;
}

/* The keys in [*low, *high) are those of which the words do not tell whether they are
 * before `user`; those that stand before are, those behind are not. */
static void narrow(const struct index_words *words, struct slice user, size_t *low,
                   size_t *high) {
    size_t length = words->prefix.length;
    size_t both = user.length < length ? user.length : length;
    size_t same = shared_prefix(user.data, words->prefix.data, both);
    if (same < length) {
        bool before = same == user.length || user.data[same] < words->prefix.data[same];
        *low = *high = before ? 0 : words->count;
    } else {
        uint64_t word = word_of(user, length);
        *low = *high = first_from(words, word);
        if (*low < words->count && words->array[*low] == word) {
            *high = word == UINT64_MAX ? words->count : first_from(words, word + 1);
        }
    }
    if (*high == words->count) {
        *high = words->count + 1; /* the last key has no word */
    }
}

uint32_t index_words_guess(const struct index_words *words, const struct block *index,
                           struct slice key) {
    if (words->array == NULL) {
        return index->restart_count;
    }
    size_t low;
    size_t high;
    narrow(words, internal_key_user(key), &low, &high);
    return (uint32_t)low;
}

void index_words_seek(const struct index_words *words, struct block_iter *iter,
                      struct slice key) {
    if (words->array == NULL) {
        block_iter_seek(iter, key);
        return;
    }
    size_t low;
    size_t high;
    narrow(words, internal_key_user(key), &low, &high);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        block_iter_restart(iter, (uint32_t)middle);
        if (internal_key_compare(iter->iter.key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    block_iter_restart(iter, (uint32_t)low);
}
