/* Each round writes the table anew, once with a filter and once without, and reads it
 * through a cache of each size; so that a change of the machine's mood meets all cases.
 * The file stays in the system's page cache: what a disk adds is not measured. Keys are
 * the even numbers, so that the odd ones are missed between them. */
#include "bench_tables.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bench_entries.h"
#include "flush.h"
#include "memory.h"
#include "program/interrupt.h"
#include "program/output.h"
#include "program/scratch.h"
#include "table.h"
#include "table_writer.h"

enum { FILTER_BITS_DEFAULT = 10, SEEK_STEPS = 10, SEEKS_PART = 10 };

enum cache_size { CACHE_NONE, CACHE_QUARTER, CACHE_ALL, CACHES };

static const char *const cache_names[CACHES] = {"none", "quarter", "all"};

enum figure {
    WRITE,
    GET_HIT,
    GET_MISS,
    FORWARD,
    BACKWARD,
    SEEK,
    CACHE_HITS,
    FALSE_POSITIVES,
    FIGURES
};

static const char *const figure_names[FIGURES] = {
    [WRITE] = "write_nanos",
    [GET_HIT] = "get_hit_nanos",
    [GET_MISS] = "get_miss_nanos",
    [FORWARD] = "step_forward_nanos",
    [BACKWARD] = "step_backward_nanos",
    [SEEK] = "seek_10_nanos",
    [CACHE_HITS] = "cache_hits_percent",
    [FALSE_POSITIVES] = "false_positives_percent",
};

struct case_results {
    double figures[FIGURES][BENCH_TABLES_ROUNDS_MAX];
};

struct results {
    struct case_results cases[2][CACHES]; /* without a filter, and with */
};

/* A table at work. */
struct bed {
    struct command_run *run;
    const struct world *world;
    const char *path;
    uint64_t count;
    struct bench_entries entries;
    uint64_t file_bytes;
    double write_nanos;
    struct table *table;
    struct buf value;
    uint64_t begun;
};

static void begin(struct bed *bed) {
    bed->begun = clock_monotonic_micros(bed->world->clock);
}

/* Nanoseconds since begin, for each entry. */
static double spent(const struct bed *bed) {
    uint64_t micros = clock_monotonic_micros(bed->world->clock) - bed->begun;
    return (double)micros * 1000 / (double)bed->count;
}

static enum status wrong(const struct bed *bed, const char *what) {
    return error_set(bed->run->error, STATUS_CORRUPT,
                     "%s: what was written is not what is read: %s", bed->path, what);
}

/* ---- writing --------------------------------------------------------------------- */

static enum status write_entries(struct bed *bed, struct table_writer *writer,
                                 struct error *error) {
    struct table_meta meta = {0};
    struct buf key = {0};
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < bed->count && status == STATUS_OK; i++) {
        status = internal_key_build(&key, bench_key(&bed->entries, 2 * i),
                                    tag_make(i + 1, KV_PUT));
        if (status == STATUS_OK) {
            status = table_writer_add(writer, buf_slice(&key),
                                      bench_value(&bed->entries, i), error);
        }
    }
    if (status == STATUS_OK) {
        status = table_writer_finish(writer, 0, 0, 0, &meta, error);
        bed->file_bytes = meta.bytes;
    }
    table_meta_free(&meta);
    buf_free(&key);
    return status;
}

static enum status write_table(struct bed *bed, bool filter) {
    struct error *error = bed->run->error;
    struct table_options options = flush_table_options(bed->run->options);
    options.filter_bits = !filter                    ? 0
                          : options.filter_bits == 0 ? FILTER_BITS_DEFAULT
                                                     : options.filter_bits;
    struct table_writer *writer = NULL;
    struct file *file = NULL;
    enum status status =
        file_open(bed->world->files, bed->path, FILE_OVERWRITE, &file, error);
    if (status == STATUS_OK) {
        begin(bed);
        status = table_writer_open(file, &options, &writer, error);
    }
    if (status == STATUS_OK) {
        status = write_entries(bed, writer, error);
    }
    bed->write_nanos = spent(bed);
    table_writer_close(writer);
    struct error later = {0};
    enum status closed = file_close(file, status == STATUS_OK ? error : &later);
    return status == STATUS_OK ? closed : status;
}

/* ---- reading --------------------------------------------------------------------- */

/* One lookup for each entry; `odd`: of a key that is not there. */
static enum status get_all(struct bed *bed, uint64_t odd, struct search_counts *counts) {
    enum lookup expected = odd == 0 ? LOOKUP_FOUND : LOOKUP_ABSENT;
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < bed->count && status == STATUS_OK; i++) {
        struct search_key key;
        enum lookup answer;
        uint64_t entry = bench_scattered(i) % bed->count;
        status = search_key_init(&key, bench_key(&bed->entries, 2 * entry + odd),
                                 SEQUENCE_MAX, bed->run->error);
        if (status == STATUS_OK) {
            key.counts = counts;
            status = table_get(bed->table, &key, &bed->value, &answer, bed->run->error);
            search_key_free(&key);
        }
        if (status == STATUS_OK && answer != expected) {
            status = wrong(bed, "a lookup");
        }
    }
    return status;
}

static enum status scan(struct bed *bed, bool forward) {
    struct iter *iter;
    uint64_t steps = 0;
    enum status status = table_iter(bed->table, &iter, bed->run->error);
    if (status != STATUS_OK) {
        return status;
    }
    if (forward) {
        for (iter_first(iter); iter->valid; iter_next(iter)) {
            steps++;
        }
    } else {
        for (iter_last(iter); iter->valid; iter_prev(iter)) {
            steps++;
        }
    }
    iter_close(iter);
    return steps == bed->count ? STATUS_OK : wrong(bed, "a scan");
}

/* A seek for every SEEKS_PART-th entry, and SEEK_STEPS steps from each. */
static enum status seek_all(struct bed *bed) {
    struct iter *iter;
    struct buf target = {0};
    enum status status = table_iter(bed->table, &iter, bed->run->error);
    if (status != STATUS_OK) {
        return status;
    }
    for (uint64_t i = 0; i < bed->count && status == STATUS_OK; i += SEEKS_PART) {
        uint64_t entry = bench_scattered(i) % bed->count;
        status = internal_key_build(&target, bench_key(&bed->entries, 2 * entry),
                                    tag_seek(SEQUENCE_MAX));
        if (status == STATUS_OK) {
            iter_seek(iter, buf_slice(&target));
            for (int steps = 0; steps < SEEK_STEPS && iter->valid; steps++) {
                iter_next(iter);
            }
            status = iter->error.status;
        }
    }
    if (status != STATUS_OK) {
        status = error_set(bed->run->error, status, "%s",
                           iter->error.status != STATUS_OK ? iter->error.message
                                                           : "out of memory: a key");
    }
    iter_close(iter);
    buf_free(&target);
    return status;
}

static enum status read_all(struct bed *bed, struct block_cache *cache,
                            double figures[FIGURES]) {
    struct search_counts counts = {0};
    struct block_cache_stats stats;
    figures[WRITE] = bed->write_nanos;
    begin(bed);
    enum status status = scan(bed, true); /* first, so that it fills the cache */
    figures[FORWARD] = spent(bed);
    if (status == STATUS_OK) {
        begin(bed);
        status = scan(bed, false);
        figures[BACKWARD] = spent(bed);
    }
    if (status == STATUS_OK) {
        begin(bed);
        status = seek_all(bed);
        figures[SEEK] = spent(bed) * SEEKS_PART;
    }
    block_cache_stats(cache, &stats);
    uint64_t hits = stats.hits, misses = stats.misses;
    if (status == STATUS_OK) {
        begin(bed);
        status = get_all(bed, 0, &counts);
        figures[GET_HIT] = spent(bed);
        block_cache_stats(cache, &stats);
        figures[CACHE_HITS] = (double)(stats.hits - hits) * 100 /
                              (double)(stats.hits - hits + stats.misses - misses);
        counts = (struct search_counts){0};
    }
    if (status == STATUS_OK) {
        begin(bed);
        status = get_all(bed, 1, &counts);
        figures[GET_MISS] = spent(bed);
        figures[FALSE_POSITIVES] =
            (double)(counts.filters_asked - counts.filters_denied) * 100 /
            (double)bed->count;
    }
    return status;
}

static enum status read_through(struct bed *bed, enum cache_size size,
                                double figures[FIGURES]) {
    uint64_t raw = bed->count * (BENCH_KEY_BYTES + BENCH_VALUE_BYTES);
    const uint64_t capacities[CACHES] = {0, raw / 4, raw * 4};
    struct error *error = bed->run->error;
    struct block_cache *cache = NULL;
    struct file *file = NULL;
    enum status status =
        block_cache_open(capacities[size], bed->world->threads, &cache, error);
    if (status == STATUS_OK) {
        status = file_open(bed->world->files, bed->path, FILE_READ, &file, error);
    }
    if (status == STATUS_OK) {
        status = table_open(file, 1, cache, &bed->table, error);
        file = status == STATUS_OK ? NULL : file;
    }
    if (status == STATUS_OK) {
        status = read_all(bed, cache, figures);
    }
    file_release(file);
    table_unref(bed->table);
    bed->table = NULL;
    block_cache_close(cache);
    return status;
}

/* ---- rounds ---------------------------------------------------------------------- */

static enum status run_round(struct bed *bed, struct results *results, uint64_t round) {
    double figures[FIGURES];
    enum status status = STATUS_OK;
    for (int filter = 0; filter < 2 && status == STATUS_OK; filter++) {
        status = write_table(bed, filter);
        for (enum cache_size size = 0; size < CACHES && status == STATUS_OK; size++) {
            status = read_through(bed, size, figures);
            for (size_t i = 0; i < FIGURES && status == STATUS_OK; i++) {
                results->cases[filter][size].figures[i][round] = figures[i];
            }
        }
    }
    return status;
}

static enum status run_rounds(const struct bench_tables *bench, struct command_run *run,
                              const char *path, struct results *results) {
    struct bed *bed = memory_take(sizeof *bed);
    enum status status = STATUS_OK;
    if (bed == NULL) {
        return error_no_memory(run->error, "a benchmark", sizeof *bed);
    }
    *bed = (struct bed){
        .run = run, .world = run->options->world, .path = path, .count = bench->count};
    bench_entries_init(&bed->entries);
    for (uint64_t round = 0;
         round < bench->rounds && status == STATUS_OK && !run->interrupted; round++) {
        status = run_round(bed, results, round);
        run->interrupted = interrupt_seen();
    }
    struct error later = {0};
    enum status removed =
        file_remove(bed->world->files, path, status == STATUS_OK ? run->error : &later);
    buf_free(&bed->value);
    memory_give(bed);
    return status == STATUS_OK ? removed : status;
}

/* ---- results --------------------------------------------------------------------- */

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(struct case_results *results, size_t figure, uint64_t rounds) {
    qsort(results->figures[figure], rounds, sizeof(double), compare_doubles);
    return results->figures[figure][rounds / 2];
}

static enum status print_table(const struct bench_tables *bench, struct results *results,
                               struct buf *out) {
    enum status status =
        buf_printf(out,
                   "tables of %" PRIu64 " entries of %d+%d bytes, %" PRIu64
                   " rounds, median\n%-24s %26s %32s\n%-24s",
                   bench->count, BENCH_KEY_BYTES, BENCH_VALUE_BYTES, bench->rounds, "",
                   "no filter", "filter", "blocks in the cache");
    for (size_t i = 0; i < (size_t)2 * CACHES && status == STATUS_OK; i++) {
        status = buf_printf(out, " %10s", cache_names[i % CACHES]);
    }
    for (size_t figure = 0; figure < FIGURES && status == STATUS_OK; figure++) {
        status = buf_printf(out, "\n%-24s", figure_names[figure]);
        for (size_t i = 0; i < (size_t)2 * CACHES && status == STATUS_OK; i++) {
            status = buf_printf(
                out, " %10.2f",
                median(&results->cases[i / CACHES][i % CACHES], figure, bench->rounds));
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}

static enum status print_json(const struct bench_tables *bench, struct results *results,
                              struct buf *out) {
    enum status status = buf_printf(
        out,
        "{\"benchmark\":\"tables\",\"stage\":\"%s\",\"key_bytes\":%d,\"value_bytes\":%d,"
        "\"count\":%" PRIu64 ",\"rounds\":%" PRIu64 ",\"cases\":[",
        stage.name, BENCH_KEY_BYTES, BENCH_VALUE_BYTES, bench->count, bench->rounds);
    for (size_t i = 0; i < (size_t)2 * CACHES && status == STATUS_OK; i++) {
        status = buf_printf(out, "%s{\"filter\":%s,\"cache\":\"%s\"", i == 0 ? "" : ",",
                            i < CACHES ? "false" : "true", cache_names[i % CACHES]);
        for (size_t figure = 0; figure < FIGURES && status == STATUS_OK; figure++) {
            status = buf_printf(
                out, ",\"%s\":%.3f", figure_names[figure],
                median(&results->cases[i / CACHES][i % CACHES], figure, bench->rounds));
        }
        if (status == STATUS_OK) {
            status = buf_append_text(out, "}");
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "]}\n") : status;
}

static enum status print_results(const struct bench_tables *bench,
                                 struct results *results, struct error *error) {
    struct buf out = {0};
    enum status status = bench->json ? print_json(bench, results, &out)
                                     : print_table(bench, results, &out);
    status = status == STATUS_OK ? output_write(buf_slice(&out), error)
                                 : error_no_memory(error, "the table", out.length);
    buf_free(&out);
    return status;
}

enum status bench_tables_run(const struct bench_tables *bench, struct command_run *run) {
    struct results *results = memory_take_zeroed(sizeof *results);
    if (results == NULL) {
        return error_no_memory(run->error, "the results", sizeof *results);
    }
    struct scratch scratch;
    enum status status = scratch_open(&scratch, run);
    char *path = status == STATUS_OK ? path_join(scratch.dir, "table") : NULL;
    if (status == STATUS_OK) {
        status = path == NULL ? error_no_memory(run->error, "a path", 100)
                              : run_rounds(bench, run, path, results);
    }
    memory_give(path);
    struct error later = {0};
    enum status closed =
        scratch_close(&scratch, run, status == STATUS_OK ? run->error : &later);
    status = status == STATUS_OK ? closed : status;
    if (status == STATUS_OK && !run->interrupted) {
        status = print_results(bench, results, run->error);
    }
    memory_give(results);
    return status;
}
