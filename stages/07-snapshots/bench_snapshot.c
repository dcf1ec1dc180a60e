/* A database is filled; a snapshot is taken; its entries are overwritten many times, at
 * random; all is compacted; then the snapshot is released, and all is compacted again.
 *
 *     fill, compact ─▶ take the snapshot ─▶ overwrite ─▶ compact ─▶ release, compact
 *     size: before                       overwritten       held          released
 *
 * A value says of which entry and of which write it is, so what is read can be told from
 * every other thing that was ever written. Each entry is read while the snapshot is held,
 * at it and as it is now, by a scan and by a lookup, and once more after the release. */
#include "bench_snapshot.h"

#include <inttypes.h>

#include "bench_entries.h"
#include "bench_fillsync.h"
#include "kv_snapshot.h"
#include "memory.h"
#include "names.h"
#include "program/interrupt.h"
#include "program/output.h"
#include "program/scratch.h"

enum {
    COUNT = 1000000,
    SHARE = 10,    /* overwrites for each entry */
    STRIDE = 7919, /* a prime */
    SIGNAL_WRITES = 4096,
    SETTLE_MILLIS = 10
};

/* name, words; of the tables in the directory */
#define STEPS_TABLE(X)                                                                   \
    X(before, "filled and compacted")                                                    \
    X(overwritten, "overwritten, the snapshot held")                                     \
    X(held, "compacted, the snapshot held")                                              \
    X(released, "released and compacted")

enum step {
#define STEP_MEMBER(name, words) STEP_##name,
    STEPS_TABLE(STEP_MEMBER)
#undef STEP_MEMBER
        STEPS
};

static const char *const step_names[][2] = {
#define STEP_NAMES(name, words) {#name, words},
    STEPS_TABLE(STEP_NAMES)
#undef STEP_NAMES
};

struct size {
    uint64_t tables;
    uint64_t bytes;
};

struct bench {
    struct command_run *run;
    const char *path; /* of the database */
    struct kv *kv;
    struct kv_snapshot *snapshot;
    uint64_t count;   /* overwrites */
    uint64_t entries; /* keys from 0 on */
    uint64_t *latest; /* of each entry, the number of its last write */
    struct bench_entries words;
    unsigned char value[BENCH_VALUE_BYTES];
    struct buf found;
    struct size sizes[STEPS];
    double snapshot_nanos, now_nanos; /* a lookup */
    bool json;
};

/* ---- entries --------------------------------------------------------------------- */

/* What the entry is given by the write of that number; the first is 0. Lives until the
 * next call. */
static struct slice value_of(struct bench *bench, uint64_t entry, uint64_t write) {
    char head[33];
    struct slice rest = bench_value(&bench->words, entry + write);
    snprintf(head, sizeof head, "%016" PRIu64 "%016" PRIu64, entry, write);
    memcpy(bench->value, rest.data, BENCH_VALUE_BYTES);
    memcpy(bench->value, head, sizeof head - 1);
    return slice_make(bench->value, BENCH_VALUE_BYTES);
}

static enum status put(struct bench *bench, uint64_t entry, uint64_t write) {
    bench->latest[entry] = write;
    return kv_put(bench->kv, bench_key(&bench->words, entry),
                  value_of(bench, entry, write), NULL, bench->run->error);
}

static enum status fill(struct bench *bench) {
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < bench->entries && status == STATUS_OK; i++) {
        status = put(bench, i, 0);
    }
    return status;
}

static enum status overwrite(struct bench *bench) {
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < bench->count && status == STATUS_OK; i++) {
        status = put(bench, bench_scattered(i) % bench->entries, i + 1);
        if (i % SIGNAL_WRITES == 0 && interrupt_seen()) {
            bench->run->interrupted = true;
            break;
        }
    }
    return status;
}

/* ---- reading it all -------------------------------------------------------------- */

static uint64_t write_seen(const struct bench *bench, uint64_t entry,
                           const struct kv_snapshot *snapshot) {
    return snapshot != NULL ? 0 : bench->latest[entry];
}

static enum status wrong(struct bench *bench, const char *how, uint64_t entry,
                         const struct kv_snapshot *snapshot) {
    return error_set(bench->run->error, STATUS_CORRUPT,
                     "%s: %s at entry %" PRIu64 "%s: that is not what was written",
                     bench->path, how, entry,
                     snapshot != NULL ? ", at the snapshot" : "");
}

static enum status scan(struct bench *bench, const struct kv_snapshot *snapshot) {
    const struct kv_iter_options options = {.snapshot = snapshot};
    struct iter *iter;
    uint64_t entry = 0;
    enum status status = kv_iter(bench->kv, &options, &iter, bench->run->error);
    if (status != STATUS_OK) {
        return status;
    }
    for (iter_first(iter); iter->valid && status == STATUS_OK; iter_next(iter), entry++) {
        bool right =
            entry < bench->entries &&
            slice_equal(iter->key, bench_key(&bench->words, entry)) &&
            slice_equal(iter->value,
                        value_of(bench, entry, write_seen(bench, entry, snapshot)));
        status = right ? STATUS_OK : wrong(bench, "a scan", entry, snapshot);
    }
    if (status == STATUS_OK && iter->error.status != STATUS_OK) {
        *bench->run->error = iter->error;
        status = iter->error.status;
    }
    iter_close(iter);
    return status == STATUS_OK && entry != bench->entries
               ? wrong(bench, "the end of a scan", entry, snapshot)
               : status;
}

static enum status look_up(struct bench *bench, const struct kv_snapshot *snapshot,
                           double *nanos) {
    const struct kv_read_options options = {.snapshot = snapshot};
    const struct clock *clock = bench->run->options->world->clock;
    const uint64_t stride = bench->entries % STRIDE == 0 ? 1 : STRIDE; /* meets all */
    enum status status = STATUS_OK;
    uint64_t begun = clock_monotonic_micros(clock);
    for (uint64_t i = 0; i < bench->entries && status == STATUS_OK; i++) {
        uint64_t entry = i * stride % bench->entries;
        status = kv_get(bench->kv, bench_key(&bench->words, entry), &bench->found,
                        &options, bench->run->error);
        bool right =
            status == STATUS_OK &&
            slice_equal(buf_slice(&bench->found),
                        value_of(bench, entry, write_seen(bench, entry, snapshot)));
        if ((status == STATUS_OK || status == STATUS_NOT_FOUND) && !right) {
            status = wrong(bench, "a lookup", entry, snapshot);
        }
    }
    uint64_t micros = clock_monotonic_micros(clock) - begun;
    *nanos = (double)micros * 1000 / (double)bench->entries;
    return status;
}

static enum status read_all(struct bench *bench, const struct kv_snapshot *snapshot,
                            double *nanos) {
    enum status status = scan(bench, snapshot);
    return status == STATUS_OK ? look_up(bench, snapshot, nanos) : status;
}

/* ---- sizes ----------------------------------------------------------------------- */

struct count {
    struct bench *bench;
    struct size size;
    enum status status;
};

static void count_one(void *context, const char *name) {
    struct count *count = context;
    const struct file_system *files = count->bench->run->options->world->files;
    struct error *error = count->bench->run->error;
    struct file *file = NULL;
    uint64_t bytes = 0;
    if (count->status != STATUS_OK || name_parse(name).kind != NAME_TABLE) {
        return;
    }
    char *path = path_join(count->bench->path, name);
    count->status = path == NULL ? error_no_memory(error, "a path", 100)
                                 : file_open(files, path, FILE_READ, &file, error);
    if (count->status == STATUS_OK) {
        count->status = file_size(file, &bytes, error);
        file_release(file);
    }
    memory_give(path);
    count->size.tables++;
    count->size.bytes += bytes;
}

/* Of the tables that are in the directory, once those are gone that nobody needs. */
static enum status measure(struct bench *bench, enum step step) {
    struct kv_stats stats;
    struct count count = {.bench = bench};
    for (kv_stats(bench->kv, &stats); stats.obsolete_tables > 0 && !interrupt_seen();
         kv_stats(bench->kv, &stats)) {
        interrupt_wait(SETTLE_MILLIS);
    }
    enum status status = directory_list(bench->run->options->world->files, bench->path,
                                        count_one, &count, bench->run->error);
    bench->sizes[step] = count.size;
    return status == STATUS_OK ? count.status : status;
}

static enum status compact(struct bench *bench, enum step step) {
    enum status status =
        kv_compact(bench->kv, (struct slice){0}, (struct slice){0}, bench->run->error);
    return status == STATUS_OK ? measure(bench, step) : status;
}

/* ---- the course ------------------------------------------------------------------ */

static enum status hold(struct bench *bench) {
    enum status status = kv_snapshot_take(bench->kv, &bench->snapshot, bench->run->error);
    if (status == STATUS_OK) {
        status = overwrite(bench);
    }
    if (status != STATUS_OK || bench->run->interrupted) {
        return status;
    }
    status = kv_flush(bench->kv, bench->run->error);
    if (status == STATUS_OK) {
        status = measure(bench, STEP_overwritten);
    }
    if (status == STATUS_OK) {
        status = compact(bench, STEP_held);
    }
    if (status == STATUS_OK) {
        status = read_all(bench, bench->snapshot, &bench->snapshot_nanos);
    }
    return status == STATUS_OK ? read_all(bench, NULL, &bench->now_nanos) : status;
}

static enum status run_course(struct bench *bench) {
    double nanos;
    enum status status = fill(bench);
    if (status == STATUS_OK) {
        status = compact(bench, STEP_before);
    }
    if (status == STATUS_OK) {
        status = hold(bench);
    }
    kv_snapshot_release(bench->snapshot);
    if (status == STATUS_OK && !bench->run->interrupted) {
        status = compact(bench, STEP_released);
    }
    if (status == STATUS_OK && !bench->run->interrupted) {
        status = read_all(bench, NULL, &nanos);
    }
    bench->run->interrupted = bench->run->interrupted || interrupt_seen();
    return status;
}

static enum status run_store(struct bench *bench) {
    struct kv_options options = *bench->run->options;
    struct error later = {0};
    struct error *error = bench->run->error;
    options.create = true;
    options.durability = DURABILITY_NONE;
    bench_entries_init(&bench->words);
    bench->latest = memory_take_zeroed(bench->entries * sizeof *bench->latest);
    enum status status =
        bench->latest == NULL
            ? error_no_memory(error, "the entries", bench->entries * sizeof(uint64_t))
            : kv_open(bench->path, &options, &bench->kv, error);
    if (status == STATUS_OK) {
        status = run_course(bench);
    }
    enum status closed = kv_close(bench->kv, status == STATUS_OK ? error : &later);
    status = status == STATUS_OK ? closed : status;
    enum status removed =
        scratch_remove(bench->run, bench->path, status == STATUS_OK ? error : &later);
    memory_give(bench->latest);
    buf_free(&bench->found);
    return status == STATUS_OK ? removed : status;
}

/* ---- results --------------------------------------------------------------------- */

static enum status print_table(const struct bench *bench, struct buf *out) {
    enum status status =
        buf_printf(out,
                   "%" PRIu64 " entries of %d+%d bytes, a snapshot of them, %" PRIu64
                   " overwrites\n%-32s %8s %12s\n",
                   bench->entries, BENCH_KEY_BYTES, BENCH_VALUE_BYTES, bench->count, "",
                   "tables", "bytes");
    for (size_t i = 0; i < STEPS && status == STATUS_OK; i++) {
        status = buf_printf(out, "%-32s %8" PRIu64 " %12" PRIu64 "\n", step_names[i][1],
                            bench->sizes[i].tables, bench->sizes[i].bytes);
    }
    return status == STATUS_OK
               ? buf_printf(out,
                            "all %" PRIu64 " entries read at the snapshot as when it was "
                            "taken, %.0f ns a lookup\n"
                            "all %" PRIu64 " read as last written, %.0f ns a lookup\n",
                            bench->entries, bench->snapshot_nanos, bench->entries,
                            bench->now_nanos)
               : status;
}

static enum status print_json(const struct bench *bench, struct buf *out) {
    enum status status =
        buf_printf(out,
                   "{\"benchmark\":\"snapshot\",\"stage\":\"%s\",\"key_bytes\":%d,"
                   "\"value_bytes\":%d,\"count\":%" PRIu64 ",\"entries\":%" PRIu64
                   ",\"get_at_snapshot_nanos\":%.1f,\"get_nanos\":%.1f,\"steps\":{",
                   stage.name, BENCH_KEY_BYTES, BENCH_VALUE_BYTES, bench->count,
                   bench->entries, bench->snapshot_nanos, bench->now_nanos);
    for (size_t i = 0; i < STEPS && status == STATUS_OK; i++) {
        status =
            buf_printf(out, "%s\"%s\":{\"tables\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
                       i == 0 ? "" : ",", step_names[i][0], bench->sizes[i].tables,
                       bench->sizes[i].bytes);
    }
    return status == STATUS_OK ? buf_append_text(out, "}}\n") : status;
}

static enum status print_results(const struct bench *bench) {
    struct buf out = {0};
    struct error *error = bench->run->error;
    enum status status = bench->json ? print_json(bench, &out) : print_table(bench, &out);
    status = status == STATUS_OK ? output_write(buf_slice(&out), error)
                                 : error_no_memory(error, "the table", out.length);
    buf_free(&out);
    return status;
}

/* ---- the command ----------------------------------------------------------------- */

static enum status run_in(struct command_run *run, const char *path) {
    const struct bench_writers *values = run->values;
    struct bench *bench = memory_take_zeroed(sizeof *bench);
    if (bench == NULL) {
        return error_no_memory(run->error, "a benchmark", sizeof *bench);
    }
    bench->run = run;
    bench->path = path;
    bench->json = values->common.json;
    bench->count = values->common.count == 0 ? COUNT : values->common.count;
    bench->entries = bench->count < SHARE ? 1 : bench->count / SHARE;
    enum status status = run_store(bench);
    if (status == STATUS_OK && !run->interrupted) {
        status = print_results(bench);
    }
    memory_give(bench);
    return status;
}

static enum status run_snapshot(struct command_run *run) {
    struct scratch scratch;
    struct error later = {0};
    enum status status = scratch_open(&scratch, run);
    char *path = status == STATUS_OK ? path_join(scratch.dir, "store") : NULL;
    if (status == STATUS_OK) {
        status =
            path == NULL ? error_no_memory(run->error, "a path", 100) : run_in(run, path);
    }
    memory_give(path);
    enum status closed =
        scratch_close(&scratch, run, status == STATUS_OK ? run->error : &later);
    return status == STATUS_OK ? closed : status;
}

static enum status run_bench(struct command_run *run) {
    return strcmp(run->arguments[0], "snapshot") == 0 ? run_snapshot(run)
                                                      : command_bench_fillsync.run(run);
}

static const struct argp_option options[] = {
    {"count", BENCH_KEY_COUNT, "N", 0,
     "append: changes a round (default 100000; a hundredth of it where each waits for "
     "the disk). memory: entries (default 1000, 100000 and 1000000). tables: entries of "
     "a table (default 200000). load: entries (default 1000000). fillsync: changes of "
     "one writer a round (default 1000); several share four times as many. snapshot: "
     "overwrites (default 1000000), of a tenth as many entries",
     0},
    {"rounds", BENCH_KEY_ROUNDS, "N", 0,
     "Rounds, of which the median is shown (default 5; load and snapshot have one)", 0},
    {"threads", BENCH_KEY_THREADS, "LIST", 0,
     "fillsync: numbers of writers (default 1,4,16,64)", 0},
    {"json", BENCH_KEY_JSON, NULL, 0, "One JSON object instead of a table", 0},
    {0}};

const struct command command_bench_snapshot = {
    .name = "bench",
    .arguments = "append|memory|tables|load|fillsync|snapshot",
    .summary = "Measure what a change, a table, a database, or a snapshot costs",
    .help = "append, memory, tables, load, fillsync: as in the stages before, which "
            "describe them.\n\n"
            "snapshot: a fresh database under DIR is filled with entries of 16 + 100 "
            "bytes; a snapshot is taken, they are overwritten at random, and all is "
            "compacted; then the snapshot is released, and all is compacted again. It "
            "prints the size of the tables on disk at each step. Each entry is read at "
            "the snapshot and as it is now, by a scan and by a lookup, and compared with "
            "what was written; one that differs is an error.\n\n"
            "Examples:\n"
            "  $0 bench snapshot\n"
            "  $0 -d /mnt/disk/bench bench snapshot --count 100000 --json\n\n"
            "Exit code 3: an entry was not read as it was written.",
    .options = options,
    .parse = bench_writers_parse,
    .values_bytes = sizeof(struct bench_writers),
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_UNUSED,
    .interruptible = true,
    .run = run_bench};
