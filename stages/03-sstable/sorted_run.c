/* Both searches ask for the first file with a bound at or after a key. The last key of a
 * file tells which file a forward search begins in, the first key which one a backward
 * search begins before:
 *
 *     files        [a … c] [e … g] [g … k]
 *     seek f               ^                  the first with its last key at or after f
 *     seek_before g'               ^          the one before the first that begins at or
 *                                             after g'
 *
 * A lookup is a forward search: the first entry at or after (key, sequence) is in the
 * file that it finds, and is the newest version that the reader may see, or none is. So
 * it asks one file, also where a key's versions continue in the next. */
#include "sorted_run.h"

#include "internal_key.h"
#include "memory.h"
#include "table.h"
#include "table_cache.h"
#include "table_file.h"
#include "version.h"

enum bound { SMALLEST, LARGEST };

/* The first file with that bound at or after the key; run->count: there is none. */
static size_t find(const struct sorted_run *run, enum bound bound, struct slice key) {
    size_t low = 0;
    size_t high = run->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct table_meta *meta = &run->files[middle]->meta;
        const struct buf *of = bound == SMALLEST ? &meta->smallest : &meta->largest;
        if (internal_key_compare(buf_slice(of), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool begins_behind(const struct table_file *file, struct slice user) {
    return slice_compare(internal_key_user(buf_slice(&file->meta.smallest)), user) > 0;
}

struct table_file *sorted_run_file(const struct sorted_run *run,
                                   const struct search_key *key) {
    size_t at = find(run, LARGEST, key->internal);
    return at == run->count || begins_behind(run->files[at], search_key_user(key))
               ? NULL
               : run->files[at];
}

enum status sorted_run_get(const struct sorted_run *run, struct table_cache *cache,
                           const struct search_key *key, struct buf *value,
                           enum lookup *answer, struct error *error) {
    struct table_file *file = sorted_run_file(run, key);
    if (file == NULL) {
        *answer = LOOKUP_ABSENT;
        return STATUS_OK;
    }
    struct table *table = NULL;
    enum status status = STATUS_OK;
    if (key->no_wait) {
        table = table_cache_find(file);
        status = table != NULL ? STATUS_OK : search_key_must_wait(error);
    } else {
        status = table_cache_get(cache, file, &table, error);
    }
    return status == STATUS_OK ? table_get(table, key, value, answer, error) : status;
}

/* ---- the iterator ---------------------------------------------------------------- */

struct sorted_run_iter {
    struct iter iter; /* first: an iter is converted to its sorted_run_iter */
    struct version *version;
    struct sorted_run run;
    struct table_cache *cache;
    struct iter *inner; /* over the file at `at`; NULL: over none */
    size_t at;
};

/* A move that goes anywhere begins afresh, also after a failure. */
static struct sorted_run_iter *begin(struct iter *iter) {
    iter->error.status = STATUS_OK;
    return (struct sorted_run_iter *)iter;
}

static bool open_file(struct sorted_run_iter *iter, size_t at) {
    if (iter->inner != NULL && iter->at == at) {
        return true;
    }
    iter_close(iter->inner);
    iter->inner = NULL;
    iter->at = at;
    struct table *table;
    struct error *error = &iter->iter.error;
    enum status status = table_cache_pin(iter->cache, iter->run.files[at], &table, error);
    if (status == STATUS_OK) {
        status = table_iter(table, &iter->inner, error);
        table_unref(table);
    }
    return status == STATUS_OK;
}

/* Whether the inner iterator has come to the end of its file. */
static bool at_end(const struct sorted_run_iter *iter) {
    return !iter->inner->valid && iter->inner->error.status == STATUS_OK;
}

/* The inner iterator's entry, or failure, or end is this one's. */
static void show(struct sorted_run_iter *iter) {
    const struct iter *inner = iter->inner;
    if (inner->valid) {
        iter_show(&iter->iter, inner);
    } else if (inner->error.status != STATUS_OK) {
        iter->iter.error = inner->error;
    }
}

/* The inner iterator has moved forward; at the end of its file the next one begins. */
static void go_on(struct sorted_run_iter *iter) {
    while (at_end(iter) && iter->at + 1 < iter->run.count) {
        if (!open_file(iter, iter->at + 1)) {
            return;
        }
        iter_first(iter->inner);
    }
    show(iter);
}

static void go_back(struct sorted_run_iter *iter) {
    while (at_end(iter) && iter->at > 0) {
        if (!open_file(iter, iter->at - 1)) {
            return;
        }
        iter_last(iter->inner);
    }
    show(iter);
}

static void sorted_run_iter_first(struct iter *base) {
    struct sorted_run_iter *iter = begin(base);
    base->valid = false;
    if (open_file(iter, 0)) {
        iter_first(iter->inner);
        go_on(iter);
    }
}

static void sorted_run_iter_last(struct iter *base) {
    struct sorted_run_iter *iter = begin(base);
    base->valid = false;
    if (open_file(iter, iter->run.count - 1)) {
        iter_last(iter->inner);
        go_back(iter);
    }
}

static void sorted_run_iter_seek(struct iter *base, struct slice key) {
    struct sorted_run_iter *iter = begin(base);
    size_t at = find(&iter->run, LARGEST, key);
    base->valid = false;
    if (at < iter->run.count && open_file(iter, at)) {
        iter_seek(iter->inner, key);
        go_on(iter);
    }
}

static void sorted_run_iter_seek_before(struct iter *base, struct slice key) {
    struct sorted_run_iter *iter = begin(base);
    size_t behind = find(&iter->run, SMALLEST, key);
    base->valid = false;
    if (behind > 0 && open_file(iter, behind - 1)) {
        iter_seek_before(iter->inner, key);
        go_back(iter);
    }
}

static void sorted_run_iter_next(struct iter *base) {
    struct sorted_run_iter *iter = (struct sorted_run_iter *)base;
    base->valid = false;
    iter_next(iter->inner);
    go_on(iter);
}

static void sorted_run_iter_prev(struct iter *base) {
    struct sorted_run_iter *iter = (struct sorted_run_iter *)base;
    base->valid = false;
    iter_prev(iter->inner);
    go_back(iter);
}

static void sorted_run_iter_close(struct iter *base) {
    struct sorted_run_iter *iter = (struct sorted_run_iter *)base;
    iter_close(iter->inner);
    version_unref(iter->version);
    memory_give(iter);
}

static const struct iter_ops sorted_run_iter_ops = {
    sorted_run_iter_first,       sorted_run_iter_last, sorted_run_iter_seek,
    sorted_run_iter_seek_before, sorted_run_iter_next, sorted_run_iter_prev,
    sorted_run_iter_close};

enum status sorted_run_iter(const struct sorted_run *run, struct version *version,
                            struct table_cache *cache, struct iter **iter,
                            struct error *error) {
    struct sorted_run_iter *made = memory_take_zeroed(sizeof *made);
    if (made == NULL) {
        return error_no_memory(error, "an iterator", sizeof *made);
    }
    made->iter.ops = &sorted_run_iter_ops;
    made->run = *run;
    made->version = version;
    if (version != NULL) {
        version_ref(version);
    }
    made->cache = cache;
    *iter = &made->iter;
    return STATUS_OK;
}
