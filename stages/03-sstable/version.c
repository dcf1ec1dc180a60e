/* A version is one piece of memory:
 *
 *     struct version | its runs | the files of all runs, in the order of the runs
 *
 * To apply an edit is to go through the base's runs and copy what stays, with what comes
 * in its place. What comes and what goes is sorted first, so that each table is looked up
 * in both. References are taken at the end, when nothing can fail any more. */
#include "version.h"

#include <inttypes.h>
#include <stdlib.h>

#include "internal_key.h"
#include "memory.h"
#include "table_cache.h"
#include "table_file.h"

static struct version *make(size_t runs, size_t files) {
    struct version *version =
        memory_take_zeroed(sizeof *version + runs * sizeof(struct sorted_run) +
                           files * sizeof(struct table_file *));
    if (version != NULL) {
        atomic_u64_store(&version->references, 1, memory_order_relaxed);
        version->runs = (struct sorted_run *)(version + 1);
    }
    return version;
}

enum status version_empty(struct version **version, struct error *error) {
    struct version *empty = make(0, 0);
    if (empty == NULL) {
        return error_no_memory(error, "a version", sizeof *empty);
    }
    *version = empty;
    return STATUS_OK;
}

void version_ref(struct version *version) {
    atomic_u64_add(&version->references, 1, memory_order_relaxed);
}

/* Acquire and release: what any holder did with the version comes before its end. */
void version_unref(struct version *version) {
    if (version == NULL ||
        atomic_u64_add(&version->references, UINT64_MAX, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t f = 0; f < version->runs[i].count; f++) {
            table_file_unref(version->runs[i].files[f]);
        }
    }
    memory_give(version);
}

/* ---- sharing --------------------------------------------------------------------- */

static size_t count_files(const struct version *version) {
    size_t count = 0;
    for (size_t i = 0; i < version->run_count; i++) {
        count += version->runs[i].count;
    }
    return count;
}

static int compare_numbers(const void *left, const void *right) {
    struct table_file *const *a = left;
    struct table_file *const *b = right;
    return ((*a)->meta.number > (*b)->meta.number) -
           ((*a)->meta.number < (*b)->meta.number);
}

/* Of the same number as *file. */
static void take_from(struct table_file **file, struct table_file *const *others,
                      size_t count) {
    struct table_file **found =
        bsearch(file, others, count, sizeof(struct table_file *), compare_numbers);
    if (found != NULL) {
        table_file_ref(*found);
        table_file_unref(*file);
        *file = *found;
    }
}

enum status version_share(struct version *version, const struct version *other,
                          struct error *error) {
    const size_t count = count_files(other);
    if (count == 0) {
        return STATUS_OK;
    }
    const size_t bytes = count * sizeof(struct table_file *);
    struct table_file **others = memory_take(bytes);
    if (others == NULL) {
        return error_no_memory(error, "a list of tables", bytes);
    }
    size_t listed = 0;
    for (size_t i = 0; i < other->run_count; i++) {
        for (size_t f = 0; f < other->runs[i].count; f++) {
            others[listed++] = other->runs[i].files[f];
        }
    }
    qsort(others, count, sizeof(struct table_file *), compare_numbers);
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t f = 0; f < version->runs[i].count; f++) {
            take_from(&version->runs[i].files[f], others, count);
        }
    }
    memory_give(others);
    return STATUS_OK;
}

/* ---- what comes and what goes ---------------------------------------------------- */

/* Tables by level and number, sorted. */
struct names {
    struct edit_removed *items;
    size_t count;
};

static int compare_names(const void *left, const void *right) {
    const struct edit_removed *a = left;
    const struct edit_removed *b = right;
    if (a->level != b->level) {
        return a->level < b->level ? -1 : 1;
    }
    return (a->number > b->number) - (a->number < b->number);
}

static bool names_have(const struct names *names, unsigned level, uint64_t number) {
    const struct edit_removed wanted = {level, number};
    return names->count > 0 && bsearch(&wanted, names->items, names->count, sizeof wanted,
                                       compare_names) != NULL;
}

/* The name that is there twice, or NULL. */
static const struct edit_removed *names_sort(struct names *names) {
    if (names->count > 0) {
        qsort(names->items, names->count, sizeof *names->items, compare_names);
    }
    for (size_t i = 1; i < names->count; i++) {
        if (compare_names(&names->items[i - 1], &names->items[i]) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

struct build {
    const struct version *base;
    const struct edit *edit;
    struct names going;
    struct names coming; /* all as if in level 0: a number is there once */
    struct version *version;
    struct table_file **files; /* the end of those in the version */
    size_t gone;
};

static enum status take_names(struct build *build, struct error *error) {
    const struct edit *edit = build->edit;
    size_t bytes = (edit->removed_count + edit->added_count) * sizeof *build->going.items;
    build->going = (struct names){memory_take(bytes), edit->removed_count};
    if (build->going.items == NULL) {
        return error_no_memory(error, "an edit", bytes);
    }
    build->coming =
        (struct names){build->going.items + edit->removed_count, edit->added_count};
    for (size_t i = 0; i < edit->removed_count; i++) {
        build->going.items[i] = edit->removed[i];
    }
    for (size_t i = 0; i < edit->added_count; i++) {
        build->coming.items[i] =
            (struct edit_removed){0, edit->added[i].file->meta.number};
    }
    const struct edit_removed *twice = names_sort(&build->going);
    if (twice != NULL) {
        return error_set(error, STATUS_CORRUPT,
                         "table %06" PRIu64 " is removed from level %u twice",
                         twice->number, twice->level);
    }
    twice = names_sort(&build->coming);
    if (twice != NULL) {
        return error_set(error, STATUS_CORRUPT, "table %06" PRIu64 " is added twice",
                         twice->number);
    }
    return STATUS_OK;
}

/* What an edit brings may come from a disk. */
static enum status check_added(const struct edit *edit, struct error *error) {
    for (size_t i = 0; i < edit->added_count; i++) {
        const struct table_meta *meta = &edit->added[i].file->meta;
        struct slice smallest = buf_slice(&meta->smallest);
        struct slice largest = buf_slice(&meta->largest);
        if (edit->added[i].level >= LEVELS) {
            return error_set(error, STATUS_CORRUPT,
                             "table %06" PRIu64 " is added to level %u, which is none",
                             meta->number, edit->added[i].level);
        }
        if (!internal_key_legal(smallest) || !internal_key_legal(largest) ||
            internal_key_compare(smallest, largest) > 0) {
            return error_set(error, STATUS_CORRUPT,
                             "table %06" PRIu64
                             " has bounds that are no internal keys in order",
                             meta->number);
        }
    }
    return STATUS_OK;
}

static bool has(const struct version *version, unsigned level, uint64_t number) {
    for (size_t i = 0; i < version->run_count; i++) {
        const struct sorted_run *run = &version->runs[i];
        for (size_t f = 0; f < run->count; f++) {
            if (run->level == level && run->files[f]->meta.number == number) {
                return true;
            }
        }
    }
    return false;
}

/* Of the tables that go fewer were met than there should be. */
static enum status fail_missing(const struct build *build, struct error *error) {
    const struct edit_removed *item = build->going.items;
    while (has(build->base, item->level, item->number)) {
        item++;
    }
    return error_set(error, STATUS_CORRUPT,
                     "table %06" PRIu64 " is removed from level %u, where it is not",
                     item->number, item->level);
}

/* ---- building -------------------------------------------------------------------- */

static void add_run(struct build *build, unsigned level, size_t count) {
    build->version->runs[build->version->run_count++] =
        (struct sorted_run){level, build->files, count};
    build->files += count;
}

/* Copies to `to` what stays of a run; answers how many that are, and in *came_again a
 * file that comes though it stays. */
static size_t keep(struct build *build, const struct sorted_run *run,
                   struct table_file **to, const struct table_file **came_again) {
    size_t kept = 0;
    for (size_t i = 0; i < run->count; i++) {
        uint64_t number = run->files[i]->meta.number;
        if (names_have(&build->going, run->level, number)) {
            build->gone++;
            continue;
        }
        if (names_have(&build->coming, 0, number)) {
            *came_again = run->files[i];
        }
        to[kept++] = run->files[i];
    }
    return kept;
}

static int compare_files(const void *left, const void *right) {
    const struct table_file *a = *(const struct table_file *const *)left;
    const struct table_file *b = *(const struct table_file *const *)right;
    return internal_key_compare(buf_slice(&a->meta.smallest),
                                buf_slice(&b->meta.smallest));
}

static enum status check_order(struct table_file **files, size_t count, unsigned level,
                               struct error *error) {
    for (size_t i = 1; i < count; i++) {
        if (internal_key_compare(buf_slice(&files[i - 1]->meta.largest),
                                 buf_slice(&files[i]->meta.smallest)) >= 0) {
            return error_set(error, STATUS_CORRUPT,
                             "tables %06" PRIu64 " and %06" PRIu64 " overlap in level %u",
                             files[i - 1]->meta.number, files[i]->meta.number, level);
        }
    }
    return STATUS_OK;
}

/* Level 0: the newest of those that come is the last; behind them what stays. */
static void build_flushed(struct build *build, const struct table_file **came_again) {
    for (size_t i = build->edit->added_count; i-- > 0;) {
        if (build->edit->added[i].level == 0) {
            *build->files = build->edit->added[i].file;
            add_run(build, 0, 1);
        }
    }
    for (size_t i = 0; i < build->base->run_count; i++) {
        const struct sorted_run *run = &build->base->runs[i];
        if (run->level == 0 && keep(build, run, build->files, came_again) > 0) {
            add_run(build, 0, 1);
        }
    }
}

static enum status build_level(struct build *build, unsigned level,
                               const struct table_file **came_again,
                               struct error *error) {
    size_t kept = 0;
    for (size_t i = 0; i < build->base->run_count; i++) {
        if (build->base->runs[i].level == level) {
            kept = keep(build, &build->base->runs[i], build->files, came_again);
        }
    }
    size_t count = kept;
    for (size_t i = 0; i < build->edit->added_count; i++) {
        if (build->edit->added[i].level == level) {
            build->files[count++] = build->edit->added[i].file;
        }
    }
    enum status status = STATUS_OK;
    if (count > kept) { /* else they stand as they stood */
        qsort(build->files, count, sizeof(struct table_file *), compare_files);
        status = check_order(build->files, count, level, error);
    }
    if (status == STATUS_OK && count > 0) {
        add_run(build, level, count);
    }
    return status;
}

static enum status build_runs(struct build *build, struct error *error) {
    const struct table_file *came_again = NULL;
    enum status status = STATUS_OK;
    build_flushed(build, &came_again);
    for (unsigned level = 1; level < LEVELS && status == STATUS_OK; level++) {
        status = build_level(build, level, &came_again, error);
    }
    if (status == STATUS_OK && build->gone < build->going.count) {
        status = fail_missing(build, error);
    }
    if (status == STATUS_OK && came_again != NULL) {
        status = error_set(error, STATUS_CORRUPT,
                           "table %06" PRIu64 " is added and is there already",
                           came_again->meta.number);
    }
    return status;
}

static void take_references(const struct version *version) {
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t f = 0; f < version->runs[i].count; f++) {
            table_file_ref(version->runs[i].files[f]);
        }
    }
}

enum status version_apply(const struct version *base, const struct edit *edit,
                          struct version **version, struct error *error) {
    struct build build = {.base = base, .edit = edit};
    size_t runs = base->run_count + edit->added_count; /* and files: at most */
    size_t files = edit->added_count;
    for (size_t i = 0; i < base->run_count; i++) {
        files += base->runs[i].count;
    }
    enum status status = check_added(edit, error);
    if (status == STATUS_OK) {
        status = take_names(&build, error);
    }
    if (status == STATUS_OK) {
        build.version = make(runs, files);
        if (build.version == NULL) {
            status =
                error_no_memory(error, "a version", files * sizeof(struct table_file *));
        }
    }
    if (status == STATUS_OK) {
        build.files = (struct table_file **)(build.version->runs + runs);
        status = build_runs(&build, error);
    }
    if (status == STATUS_OK) {
        take_references(build.version);
        *version = build.version;
    } else {
        memory_give(build.version);
    }
    memory_give(build.going.items);
    return status;
}

/* ---- reading --------------------------------------------------------------------- */

enum { RUNS_AHEAD = 8 }; /* as many reads of memory as a core has under way at once */

/* Of the tables of level 0 most do not hold the key, and say so by their filter, of which
 * each has a line that the processor's caches do not. So filters are asked for ahead. */
static void prefetch(const struct version *version, size_t run,
                     const struct search_key *key) {
    if (run < version->run_count && version->runs[run].level == 0) {
        table_cache_prefetch(version->runs[run].files[0], key);
    }
}

enum status version_get(const struct version *version, struct table_cache *cache,
                        const struct search_key *key, struct buf *value,
                        enum lookup *answer, struct error *error) {
    enum lookup found = LOOKUP_ABSENT;
    for (size_t i = 0; i < RUNS_AHEAD; i++) {
        prefetch(version, i, key);
    }
    for (size_t i = 0; i < version->run_count && found == LOOKUP_ABSENT; i++) {
        prefetch(version, i + RUNS_AHEAD, key);
        enum status status =
            sorted_run_get(&version->runs[i], cache, key, value, &found, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *answer = found;
    return STATUS_OK;
}

enum status version_iters(struct version *version, struct table_cache *cache,
                          struct iter **children, size_t *count, struct error *error) {
    for (size_t i = 0; i < version->run_count; i++) {
        enum status status = sorted_run_iter(&version->runs[i], version, cache,
                                             &children[*count + i], error);
        if (status != STATUS_OK) {
            while (i-- > 0) {
                iter_close(children[*count + i]);
            }
            return status;
        }
    }
    *count += version->run_count;
    return STATUS_OK;
}
