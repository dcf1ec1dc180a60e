/* In each round a fresh database for each number of writers, so that a change of the
 * machine's mood meets all of them. The time is from the moment in which all writers are
 * let go to that in which the last has ended, for each of the changes that they wrote
 * together: with N writers one of them waits N times as long for its change. */
#include "bench_fillsync.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bench_command.h"
#include "bench_entries.h"
#include "memory.h"
#include "program/interrupt.h"
#include "program/output.h"
#include "program/scratch.h"

enum {
    WRITERS_MAX = 256,
    COUNT = 1000,
    ROUNDS = 5,
    ROUNDS_MAX = 100,
    MORE = 4 /* times as many changes where more than one writer shares them */
};

/* name, words; of a number of writers, in one round */
#define FIGURES_TABLE(X)                                                                 \
    X(micros_per_op, "us a change")                                                      \
    X(mean_group, "changes a group")                                                     \
    X(ops_per_sync, "changes a sync")                                                    \
    X(micros_per_sync, "us a sync")

enum figure {
#define FIGURE_MEMBER(name, words) FIGURE_##name,
    FIGURES_TABLE(FIGURE_MEMBER)
#undef FIGURE_MEMBER
        FIGURES
};

static const char *const figure_names[][2] = {
#define FIGURE_NAMES(name, words) {#name, words},
    FIGURES_TABLE(FIGURE_NAMES)
#undef FIGURE_NAMES
};

struct results {
    double figures[BENCH_WRITERS_CASES_MAX][FIGURES][ROUNDS_MAX];
};

/* ---- writers --------------------------------------------------------------------- */

struct start {
    struct mutex lock;
    struct condition changed;
    bool given; /* guarded by lock */
};

struct writer {
    struct kv *kv;
    struct start *start;
    uint64_t number; /* its keys are below and above those of others */
    uint64_t count;
    struct bench_entries entries;
    struct thread thread;
    enum status status;
    struct error error;
};

static void write_all(void *argument) {
    static const struct kv_write_options always = {.durability = DURABILITY_ALWAYS};
    struct writer *writer = argument;
    mutex_lock(&writer->start->lock);
    while (!writer->start->given) {
        condition_wait(&writer->start->changed, &writer->start->lock);
    }
    mutex_unlock(&writer->start->lock);
    for (uint64_t i = 0; i < writer->count && writer->status == STATUS_OK; i++) {
        uint64_t number = bench_scattered(writer->number << 32 | i) % (UINT64_C(1) << 52);
        writer->status =
            kv_put(writer->kv, bench_key(&writer->entries, number),
                   bench_value(&writer->entries, i), &always, &writer->error);
    }
}

/* Lets the writers go, and waits for all; of those who failed, the first is told. */
static enum status let_go(struct writer *writers, size_t count, struct start *start,
                          struct error *error) {
    enum status status = STATUS_OK;
    mutex_lock(&start->lock);
    start->given = true;
    condition_broadcast(&start->changed);
    mutex_unlock(&start->lock);
    for (size_t i = 0; i < count; i++) {
        thread_join(&writers[i].thread);
        if (status == STATUS_OK && writers[i].status != STATUS_OK) {
            status = writers[i].status;
            *error = writers[i].error;
        }
    }
    return status;
}

static enum status start_init(struct start *start, const struct threads *threads) {
    *start = (struct start){0};
    enum status status = mutex_init(&start->lock, threads);
    if (status == STATUS_OK) {
        status = condition_init(&start->changed, threads);
        if (status != STATUS_OK) {
            mutex_free(&start->lock);
        }
    }
    return status;
}

static enum status run_writers(struct writer *writers, uint64_t count,
                               const struct world *world, uint64_t *micros,
                               struct error *error) {
    struct start start;
    size_t begun = 0;
    if (start_init(&start, world->threads) != STATUS_OK) {
        return error_no_memory(error, "a lock", sizeof start);
    }
    while (begun < count) {
        writers[begun].start = &start;
        if (thread_create(&writers[begun].thread, world->threads, write_all,
                          &writers[begun]) != STATUS_OK) {
            break;
        }
        begun++;
    }
    *micros = clock_monotonic_micros(world->clock);
    enum status status = let_go(writers, begun, &start, error);
    *micros = clock_monotonic_micros(world->clock) - *micros;
    condition_free(&start.changed);
    mutex_free(&start.lock);
    return status == STATUS_OK && begun < count ? error_no_memory(error, "a thread", 0)
                                                : status;
}

/* ---- a case ---------------------------------------------------------------------- */

static double ratio(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : (double)part / (double)whole;
}

/* `total` changes by so many writers, who get equal shares of them, at least one. */
static enum status fill(struct kv *kv, uint64_t count, uint64_t total,
                        const struct world *world, double figures[FIGURES],
                        struct error *error) {
    struct kv_stats stats;
    uint64_t micros = 0;
    struct writer *writers = memory_take_zeroed(count * sizeof *writers);
    if (writers == NULL) {
        return error_no_memory(error, "writers", count * sizeof *writers);
    }
    for (uint64_t i = 0; i < count; i++) {
        writers[i].kv = kv;
        writers[i].number = i;
        writers[i].count = total < count ? 1 : total / count;
        bench_entries_init(&writers[i].entries);
    }
    enum status status = run_writers(writers, count, world, &micros, error);
    memory_give(writers);
    kv_stats(kv, &stats);
    figures[FIGURE_micros_per_op] = ratio(micros, stats.writes);
    figures[FIGURE_mean_group] = ratio(stats.writes, stats.write_groups);
    figures[FIGURE_ops_per_sync] = ratio(stats.writes, stats.syncs);
    figures[FIGURE_micros_per_sync] = ratio(stats.sync_micros, stats.syncs);
    return status;
}

static enum status run_case(struct command_run *run, const char *path, uint64_t writers,
                            uint64_t total, double figures[FIGURES]) {
    struct kv_options options = *run->options;
    struct kv *kv = NULL;
    struct error later = {0};
    options.create = true;
    options.durability = DURABILITY_ALWAYS;
    enum status status = kv_open(path, &options, &kv, run->error);
    if (status == STATUS_OK) {
        status = fill(kv, writers, total, options.world, figures, run->error);
    }
    enum status closed = kv_close(kv, status == STATUS_OK ? run->error : &later);
    status = status == STATUS_OK ? closed : status;
    enum status removed =
        scratch_remove(run, path, status == STATUS_OK ? run->error : &later);
    return status == STATUS_OK ? removed : status;
}

static enum status run_rounds(struct command_run *run, const char *path,
                              struct results *results) {
    const struct bench_writers *values = run->values;
    enum status status = STATUS_OK;
    for (size_t round = 0; round < values->common.rounds; round++) {
        for (size_t i = 0; i < values->cases; i++) {
            double figures[FIGURES] = {0};
            uint64_t writers = values->writers[i];
            status = run_case(run, path, writers,
                              values->common.count * (writers > 1 ? MORE : 1), figures);
            run->interrupted = interrupt_seen();
            if (status != STATUS_OK || run->interrupted) {
                return status;
            }
            for (size_t j = 0; j < FIGURES; j++) {
                results->figures[i][j][round] = figures[j];
            }
        }
    }
    return status;
}

/* ---- results --------------------------------------------------------------------- */

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(struct results *results, size_t i, size_t figure, size_t rounds) {
    double *figures = results->figures[i][figure];
    qsort(figures, rounds, sizeof *figures, compare_doubles);
    return figures[rounds / 2];
}

static enum status print_table(const struct bench_writers *values,
                               struct results *results, struct buf *out) {
    enum status status = buf_printf(
        out, "changes of %d+%d bytes, each on disk, %" PRIu64 " rounds, median\nwriters",
        BENCH_KEY_BYTES, BENCH_VALUE_BYTES, values->common.rounds);
    for (size_t j = 0; j < FIGURES && status == STATUS_OK; j++) {
        status = buf_printf(out, " %16s", figure_names[j][1]);
    }
    for (size_t i = 0; i < values->cases && status == STATUS_OK; i++) {
        status = buf_printf(out, "\n%7" PRIu64, values->writers[i]);
        for (size_t j = 0; j < FIGURES && status == STATUS_OK; j++) {
            status =
                buf_printf(out, " %16.2f", median(results, i, j, values->common.rounds));
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}

static enum status print_json(const struct bench_writers *values, struct results *results,
                              struct buf *out) {
    enum status status = buf_printf(
        out,
        "{\"benchmark\":\"fillsync\",\"stage\":\"%s\",\"key_bytes\":%d,"
        "\"value_bytes\":%d,\"count\":%" PRIu64 ",\"rounds\":%" PRIu64 ",\"rows\":[",
        stage.name, BENCH_KEY_BYTES, BENCH_VALUE_BYTES, values->common.count,
        values->common.rounds);
    for (size_t i = 0; i < values->cases && status == STATUS_OK; i++) {
        status = buf_printf(out, "%s{\"threads\":%" PRIu64, i == 0 ? "" : ",",
                            values->writers[i]);
        for (size_t j = 0; j < FIGURES && status == STATUS_OK; j++) {
            status = buf_printf(out, ",\"%s\":%.3f", figure_names[j][0],
                                median(results, i, j, values->common.rounds));
        }
        if (status == STATUS_OK) {
            status = buf_append_text(out, "}");
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "]}\n") : status;
}

static enum status print_results(const struct bench_writers *values,
                                 struct results *results, struct error *error) {
    struct buf out = {0};
    enum status status = values->common.json ? print_json(values, results, &out)
                                             : print_table(values, results, &out);
    status = status == STATUS_OK ? output_write(buf_slice(&out), error)
                                 : error_no_memory(error, "the table", out.length);
    buf_free(&out);
    return status;
}

/* ---- the command ----------------------------------------------------------------- */

static enum status run_fillsync(struct command_run *run) {
    struct scratch scratch;
    struct error later = {0};
    struct results *results = memory_take_zeroed(sizeof *results);
    if (results == NULL) {
        return error_no_memory(run->error, "the results", sizeof *results);
    }
    enum status status = scratch_open(&scratch, run);
    char *path = status == STATUS_OK ? path_join(scratch.dir, "store") : NULL;
    if (status == STATUS_OK) {
        status = path == NULL ? error_no_memory(run->error, "a path", 100)
                              : run_rounds(run, path, results);
    }
    memory_give(path);
    enum status closed =
        scratch_close(&scratch, run, status == STATUS_OK ? run->error : &later);
    status = status == STATUS_OK ? closed : status;
    if (status == STATUS_OK && !run->interrupted) {
        status = print_results(run->values, results, run->error);
    }
    memory_give(results);
    return status;
}

static enum status run_bench(struct command_run *run) {
    static const uint64_t writers[] = {1, 4, 16, 64};
    struct bench_writers *values = run->values;
    if (strcmp(run->arguments[0], "fillsync") != 0) {
        return command_bench_tables.run(run);
    }
    if (values->cases == 0) {
        memcpy(values->writers, writers, sizeof writers);
        values->cases = sizeof writers / sizeof writers[0];
    }
    values->common.count = values->common.count == 0 ? COUNT : values->common.count;
    values->common.rounds = values->common.rounds == 0 ? ROUNDS : values->common.rounds;
    enum status status = bench_at_most(run, "rounds", values->common.rounds, ROUNDS_MAX);
    return status == STATUS_OK ? run_fillsync(run) : status;
}

/* "1,4,16" */
static error_t parse_threads(struct command_run *run, char *list) {
    struct bench_writers *values = run->values;
    char *rest = list;
    error_t result = 0;
    values->cases = 0;
    while (result == 0 && rest != NULL) {
        const char *one = strsep(&rest, ",");
        result = values->cases == BENCH_WRITERS_CASES_MAX
                     ? command_usage_error(run, "--threads: at most %d numbers",
                                           BENCH_WRITERS_CASES_MAX)
                     : command_number(run, "threads", one, 1, WRITERS_MAX,
                                      &values->writers[values->cases++]);
    }
    return result;
}

error_t bench_writers_parse(int key, char *argument, struct argp_state *state) {
    return key == BENCH_KEY_THREADS ? parse_threads(state->input, argument)
                                    : bench_parse(key, argument, state);
}

static const struct argp_option options[] = {
    {"count", BENCH_KEY_COUNT, "N", 0,
     "append: changes a round (default 100000; a hundredth of it where each waits for "
     "the disk). memory: entries (default 1000, 100000 and 1000000). tables: entries of "
     "a table (default 200000). load: entries (default 1000000). fillsync: changes of "
     "one writer a round (default 1000); several share four times as many",
     0},
    {"rounds", BENCH_KEY_ROUNDS, "N", 0,
     "Rounds, of which the median is shown (default 5; load has one)", 0},
    {"threads", BENCH_KEY_THREADS, "LIST", 0,
     "fillsync: numbers of writers (default 1,4,16,64)", 0},
    {"json", BENCH_KEY_JSON, NULL, 0, "One JSON object instead of a table", 0},
    {0}};

const struct command command_bench_fillsync = {
    .name = "bench",
    .arguments = "append|memory|tables|load|fillsync",
    .summary = "Measure what a change, the memtable, a table, or a database costs",
    .help = "append, memory, tables, load: as in the stages before, which describe "
            "them.\n\n"
            "fillsync: puts of 16 + 100 bytes into fresh databases under DIR by so many "
            "writers at once, each of which waits until its change is on disk: "
            "microseconds for each of the changes that they write together, how many "
            "changes went into the log in one piece, and how many shared a sync.\n\n"
            "Examples:\n"
            "  $0 bench fillsync --threads 1,4,16,64 --json\n"
            "  $0 -d /mnt/disk/bench bench fillsync --threads 32 --rounds 9",
    .options = options,
    .parse = bench_writers_parse,
    .values_bytes = sizeof(struct bench_writers),
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_UNUSED,
    .interruptible = true,
    .run = run_bench};
