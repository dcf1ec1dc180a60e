/* For each order of keys a database of its own: filled, closed, opened again, read at
 * random places, and scanned both ways. What is read is compared with what was written.
 */
#include "bench_load.h"

#include <inttypes.h>

#include "bench_entries.h"
#include "memory.h"
#include "program/interrupt.h"
#include "program/output.h"
#include "program/resident.h"
#include "program/scratch.h"

enum { LOOKUPS_MAX = 100000 };

enum order { ASCENDING, RANDOM, ORDERS };

static const char *const order_names[ORDERS] = {
    [ASCENDING] = "ascending",
    [RANDOM] = "random",
};

#define FIGURES_TABLE(X)                                                                 \
    X(put_nanos, "put, ns")                                                              \
    X(close_seconds, "close, s")                                                         \
    X(open_seconds, "open again, s")                                                     \
    X(get_nanos, "get, ns")                                                              \
    X(miss_nanos, "get of a missing key, ns")                                            \
    X(iterator_nanos, "open an iterator and seek, ns")                                   \
    X(forward_nanos, "step of a scan, ns")                                               \
    X(backward_nanos, "step of a scan backward, ns")                                     \
    X(cache_hits_percent, "blocks that random gets found in the cache, %")               \
    X(tables, "tables")                                                                  \
    X(table_megabytes, "tables, MB")                                                     \
    X(loaded_megabytes, "peak of anonymous memory while loading, MB")                    \
    X(read_megabytes, "peak of anonymous memory while reading, MB")

struct figures {
#define FIGURES_FIELD(name, words) double name;
    FIGURES_TABLE(FIGURES_FIELD)
#undef FIGURES_FIELD
};

/* One order at work. */
struct load {
    struct command_run *run;
    struct kv_options options;
    enum order order;
    uint64_t count;
    const char *path;
    struct kv *kv;
    struct bench_entries entries;
    struct buf value;
    uint64_t begun;
    struct figures figures;
};

/* ---- steps ----------------------------------------------------------------------- */

static void begin(struct load *load) {
    load->begun = clock_monotonic_micros(load->options.world->clock);
}

/* Nanoseconds since begin, for each of `operations`. */
static double spent(const struct load *load, uint64_t operations) {
    uint64_t micros = clock_monotonic_micros(load->options.world->clock) - load->begun;
    return (double)micros * 1000 / (double)(operations == 0 ? 1 : operations);
}

/* The i-th key that is written; with `odd`, one that is not. */
static struct slice key_of(struct load *load, uint64_t i, uint64_t odd) {
    uint64_t number =
        load->order == ASCENDING ? i : bench_scattered(i) % (UINT64_C(1) << 52);
    return bench_key(&load->entries, 2 * number + odd);
}

static enum status open_store(struct load *load) {
    begin(load);
    enum status status = kv_open(load->path, &load->options, &load->kv, load->run->error);
    load->figures.open_seconds = spent(load, 1) / 1e9;
    return status;
}

static enum status close_store(struct load *load) {
    begin(load);
    enum status status = kv_close(load->kv, load->run->error);
    load->kv = NULL;
    load->figures.close_seconds = spent(load, 1) / 1e9;
    return status;
}

static enum status put_all(struct load *load) {
    enum status status = STATUS_OK;
    begin(load);
    for (uint64_t i = 0; i < load->count && status == STATUS_OK; i++) {
        status = kv_put(load->kv, key_of(load, i, 0), bench_value(&load->entries, i),
                        NULL, load->run->error);
    }
    load->figures.put_nanos = spent(load, load->count);
    return status;
}

static enum status wrong(struct load *load, const char *what) {
    return error_set(load->run->error, STATUS_CORRUPT,
                     "%s: what was written is not what is read: %s", load->path, what);
}

static enum status get_some(struct load *load, uint64_t odd, double *nanos) {
    uint64_t lookups = load->count < LOOKUPS_MAX ? load->count : LOOKUPS_MAX;
    begin(load);
    for (uint64_t i = 0; i < lookups; i++) {
        uint64_t entry = bench_scattered(i) % load->count;
        enum status status = kv_get(load->kv, key_of(load, entry, odd), &load->value,
                                    NULL, load->run->error);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        if (odd == 0
                ? status != STATUS_OK || !slice_equal(buf_slice(&load->value),
                                                      bench_value(&load->entries, entry))
                : status != STATUS_NOT_FOUND) {
            return wrong(load, "a get");
        }
    }
    *nanos = spent(load, lookups);
    return STATUS_OK;
}

static enum status open_iterators(struct load *load) {
    static const struct kv_iter_options all = {0};
    uint64_t lookups = load->count < LOOKUPS_MAX / 100 ? load->count : LOOKUPS_MAX / 100;
    enum status status = STATUS_OK;
    begin(load);
    for (uint64_t i = 0; i < lookups && status == STATUS_OK; i++) {
        struct iter *iter;
        status = kv_iter(load->kv, &all, &iter, load->run->error);
        if (status == STATUS_OK) {
            iter_seek(iter, key_of(load, bench_scattered(i) % load->count, 0));
            status = iter->valid ? STATUS_OK : wrong(load, "a seek");
            iter_close(iter);
        }
    }
    load->figures.iterator_nanos = spent(load, lookups);
    return status;
}

static enum status scan(struct load *load, bool forward, double *nanos) {
    static const struct kv_iter_options all = {0};
    struct iter *iter;
    enum status status = kv_iter(load->kv, &all, &iter, load->run->error);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t steps = 0;
    begin(load);
    if (forward) {
        for (iter_first(iter); iter->valid; iter_next(iter)) {
            steps++;
        }
    } else {
        for (iter_last(iter); iter->valid; iter_prev(iter)) {
            steps++;
        }
    }
    *nanos = spent(load, steps);
    if (iter->error.status != STATUS_OK) {
        *load->run->error = iter->error;
        status = iter->error.status;
    } else if (steps != load->count) {
        status = wrong(load, "a scan");
    }
    iter_close(iter);
    return status;
}

/* ---- one order ------------------------------------------------------------------- */

static enum status fill(struct load *load) {
    enum status status = open_store(load);
    if (status == STATUS_OK) {
        status = put_all(load);
    }
    return status == STATUS_OK ? close_store(load) : status;
}

static enum status read_back(struct load *load) {
    struct figures *figures = &load->figures;
    struct kv_stats stats;
    enum status status = open_store(load);
    if (status == STATUS_OK) {
        status = get_some(load, 0, &figures->get_nanos);
    }
    if (status == STATUS_OK) {
        kv_stats(load->kv, &stats);
        uint64_t blocks = stats.block_cache_hits + stats.block_cache_misses;
        figures->cache_hits_percent =
            blocks == 0 ? 0 : (double)stats.block_cache_hits * 100 / (double)blocks;
        figures->tables = (double)stats.tables;
        figures->table_megabytes = (double)stats.table_bytes / 1e6;
        status = get_some(load, 1, &figures->miss_nanos);
    }
    if (status == STATUS_OK) {
        status = open_iterators(load);
    }
    if (status == STATUS_OK) {
        status = scan(load, true, &figures->forward_nanos);
    }
    if (status == STATUS_OK) {
        status = scan(load, false, &figures->backward_nanos);
    }
    return status;
}

typedef enum status load_part(struct load *load);

/* Does the part, and tells what memory it took. */
static enum status watched(struct load *load, load_part *part, double *megabytes) {
    struct resident_watch watch;
    enum status status =
        resident_watch_begin(&watch, load->options.world, load->run->error);
    if (status == STATUS_OK) {
        status = part(load);
        *megabytes = (double)resident_watch_end(&watch) / 1e6;
        load->run->interrupted = interrupt_seen();
    }
    return status;
}

static enum status run_order(struct load *load) {
    enum status status = watched(load, fill, &load->figures.loaded_megabytes);
    if (status == STATUS_OK && !load->run->interrupted) {
        status = watched(load, read_back, &load->figures.read_megabytes);
    }
    struct error later = {0};
    enum status closed =
        kv_close(load->kv, status == STATUS_OK ? load->run->error : &later);
    status = status == STATUS_OK ? closed : status;
    enum status removed = scratch_remove(load->run, load->path,
                                         status == STATUS_OK ? load->run->error : &later);
    buf_free(&load->value);
    return status == STATUS_OK ? removed : status;
}

static enum status run_orders(const struct bench_load *bench, struct command_run *run,
                              const char *path, struct figures results[ORDERS]) {
    struct load *load = memory_take(sizeof *load);
    enum status status = STATUS_OK;
    if (load == NULL) {
        return error_no_memory(run->error, "a benchmark", sizeof *load);
    }
    for (enum order order = 0; order < ORDERS && status == STATUS_OK && !run->interrupted;
         order++) {
        *load = (struct load){.run = run,
                              .options = *run->options,
                              .order = order,
                              .count = bench->count,
                              .path = path};
        load->options.create = true;
        load->options.durability = DURABILITY_NONE;
        bench_entries_init(&load->entries);
        status = run_order(load);
        results[order] = load->figures;
    }
    memory_give(load);
    return status;
}

/* ---- results --------------------------------------------------------------------- */

static const char *const figure_words[] = {
#define FIGURES_WORDS(name, words) words,
    FIGURES_TABLE(FIGURES_WORDS)
#undef FIGURES_WORDS
};

static const char *const figure_names[] = {
#define FIGURES_NAME(name, words) #name,
    FIGURES_TABLE(FIGURES_NAME)
#undef FIGURES_NAME
};

enum { FIGURES = sizeof figure_words / sizeof figure_words[0] };

_Static_assert(sizeof(struct figures) == FIGURES * sizeof(double),
               "figures are an array");

static double figure(const struct figures *figures, size_t i) {
    double value;
    memcpy(&value, (const unsigned char *)figures + i * sizeof value, sizeof value);
    return value;
}

static enum status print_table(const struct bench_load *bench,
                               const struct figures results[ORDERS], struct buf *out) {
    enum status status = buf_printf(out, "%" PRIu64 " entries of %d+%d bytes\n%-52s",
                                    bench->count, BENCH_KEY_BYTES, BENCH_VALUE_BYTES, "");
    for (size_t order = 0; order < ORDERS && status == STATUS_OK; order++) {
        status = buf_printf(out, " %12s", order_names[order]);
    }
    for (size_t i = 0; i < FIGURES && status == STATUS_OK; i++) {
        status = buf_printf(out, "\n%-52s", figure_words[i]);
        for (size_t order = 0; order < ORDERS && status == STATUS_OK; order++) {
            double value = figure(&results[order], i);
            status = buf_printf(out, " %12.*f", value < 10 ? 3 : 1, value);
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}

static enum status print_json(const struct bench_load *bench,
                              const struct figures results[ORDERS], struct buf *out) {
    enum status status = buf_printf(
        out,
        "{\"benchmark\":\"load\",\"stage\":\"%s\",\"key_bytes\":%d,\"value_bytes\":%d,"
        "\"count\":%" PRIu64 ",\"orders\":[",
        stage.name, BENCH_KEY_BYTES, BENCH_VALUE_BYTES, bench->count);
    for (size_t order = 0; order < ORDERS && status == STATUS_OK; order++) {
        status = buf_printf(out, "%s{\"order\":\"%s\"", order == 0 ? "" : ",",
                            order_names[order]);
        for (size_t i = 0; i < FIGURES && status == STATUS_OK; i++) {
            status = buf_printf(out, ",\"%s\":%.4f", figure_names[i],
                                figure(&results[order], i));
        }
        if (status == STATUS_OK) {
            status = buf_append_text(out, "}");
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "]}\n") : status;
}

static enum status print_results(const struct bench_load *bench,
                                 const struct figures results[ORDERS],
                                 struct error *error) {
    struct buf out = {0};
    enum status status = bench->json ? print_json(bench, results, &out)
                                     : print_table(bench, results, &out);
    status = status == STATUS_OK ? output_write(buf_slice(&out), error)
                                 : error_no_memory(error, "the table", out.length);
    buf_free(&out);
    return status;
}

enum status bench_load_run(const struct bench_load *bench, struct command_run *run) {
    struct figures results[ORDERS] = {0};
    struct error later = {0};
    struct scratch scratch;
    enum status status = scratch_open(&scratch, run);
    char *path = status == STATUS_OK ? path_join(scratch.dir, "store") : NULL;
    if (status == STATUS_OK) {
        status = path == NULL ? error_no_memory(run->error, "a path", 100)
                              : run_orders(bench, run, path, results);
    }
    memory_give(path);
    enum status closed =
        scratch_close(&scratch, run, status == STATUS_OK ? run->error : &later);
    status = status == STATUS_OK ? closed : status;
    return status == STATUS_OK && !run->interrupted
               ? print_results(bench, results, run->error)
               : status;
}
