/* Every case runs once in each round, so that a change of the machine's mood meets all of
 * them. A case's time is that of its puts alone: opening and closing are outside. */
#include "bench_append.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bench_floor.h"
#include "interrupt.h"
#include "memory.h"
#include "output.h"
#include "scratch.h"

enum {
    KEY_BYTES = 16,
    VALUE_BYTES = 100,
    /* The log's bytes for one such put: record header 7, sequence 8, count 4, type 1,
     * lengths 1 and 1 (LevelDB's log and write batch formats). */
    LOG_BYTES = 7 + 8 + 4 + 1 + 1 + KEY_BYTES + 1 + VALUE_BYTES,
    LONG_BYTES = 100000,
    VALUES = 64,
    SYNCED_SHARE = 100, /* a case that waits for the disk does this part of the count */
    LONG_SHARE = 500,   /* a case of long values */
    NO_FLOOR = -1
};

enum case_kind { CASE_FLOOR, CASE_STORE };

struct bench_case {
    const char *name;
    enum case_kind kind;
    enum floor_kind floor_kind;
    enum append_kind region;
    enum durability durability;
    unsigned share;     /* 1, SYNCED_SHARE or LONG_SHARE */
    int against, other; /* indices of the floors that it is held against, or NO_FLOOR */
};

static const struct bench_case cases[] = {
    {"write(2)", CASE_FLOOR, FLOOR_WRITE, 0, 0, 1, NO_FLOOR, NO_FLOOR},
    {"append + fdatasync", CASE_FLOOR, FLOOR_SYNC, 0, 0, SYNCED_SHARE, NO_FLOOR,
     NO_FLOOR},
    {"preallocated + fdatasync", CASE_FLOOR, FLOOR_PREALLOCATED, 0, 0, SYNCED_SHARE,
     NO_FLOOR, NO_FLOOR},
    {"put, write, none", CASE_STORE, 0, APPEND_WRITE, DURABILITY_NONE, 1, 0, NO_FLOOR},
    {"put, mapped, none", CASE_STORE, 0, APPEND_MAPPED, DURABILITY_NONE, 1, 0, NO_FLOOR},
    {"put, write, interval", CASE_STORE, 0, APPEND_WRITE, DURABILITY_INTERVAL, 1, 0,
     NO_FLOOR},
    {"put, mapped, interval", CASE_STORE, 0, APPEND_MAPPED, DURABILITY_INTERVAL, 1, 0,
     NO_FLOOR},
    {"put, write, always", CASE_STORE, 0, APPEND_WRITE, DURABILITY_ALWAYS, SYNCED_SHARE,
     1, 2},
    {"put, mapped, always", CASE_STORE, 0, APPEND_MAPPED, DURABILITY_ALWAYS, SYNCED_SHARE,
     1, 2},
    {"long put, write, none", CASE_STORE, 0, APPEND_WRITE, DURABILITY_NONE, LONG_SHARE,
     NO_FLOOR, NO_FLOOR},
    {"long put, mapped, none", CASE_STORE, 0, APPEND_MAPPED, DURABILITY_NONE, LONG_SHARE,
     NO_FLOOR, NO_FLOOR},
};

enum { CASES = sizeof cases / sizeof cases[0] };

struct results {
    double micros[CASES][BENCH_ROUNDS_MAX]; /* per change, sorted once all are in */
    uint64_t rounds;
    bool lacks[CASES]; /* the file system cannot do it */
};

/* ---- the data --------------------------------------------------------------- */

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003), from a fixed seed: the same bytes in
 * every run. */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Half of each hundred bytes repeats the other half. */
static void fill_values(uint64_t *random, unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bytes[i] = i % VALUE_BYTES < VALUE_BYTES / 2 ? (unsigned char)next_random(random)
                                                     : bytes[i - VALUE_BYTES / 2];
    }
}

/* ---- one case, one round ---------------------------------------------------- */

/* Values begin at VALUES places of what they are taken from. */
static enum status put_all(struct kv *kv, uint64_t count, const unsigned char *values,
                           size_t value_bytes, struct error *error) {
    uint64_t random = 88172645463325252u;
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        char key[KEY_BYTES + 16];
        snprintf(key, sizeof key, "%016" PRIu64, next_random(&random) % 10000000);
        status = kv_put(kv, slice_make(key, KEY_BYTES),
                        slice_make(values + i % VALUES, value_bytes), NULL, error);
    }
    return status;
}

static enum status run_store(const struct command_run *run,
                             const struct bench_case *bench_case, const char *path,
                             uint64_t count, uint64_t *micros) {
    struct kv_options options = *run->options;
    options.create = true;
    options.durability = bench_case->durability;
    options.log_region = bench_case->region;
    struct kv *kv = NULL;
    struct error *error = run->error, later = {0};
    size_t value_bytes = bench_case->share == LONG_SHARE ? LONG_BYTES : VALUE_BYTES;
    unsigned char *values = memory_take(value_bytes + VALUES);
    if (values == NULL) {
        return error_no_memory(error, "values", value_bytes + VALUES);
    }
    uint64_t random = 362436069;
    fill_values(&random, values, value_bytes + VALUES);
    enum status status = kv_open(path, &options, &kv, error);
    if (status == STATUS_OK) {
        uint64_t began = clock_monotonic_micros(options.world->clock);
        status = put_all(kv, count, values, value_bytes, error);
        *micros = clock_monotonic_micros(options.world->clock) - began;
    }
    memory_give(values);
    enum status closed = kv_close(kv, status == STATUS_OK ? error : &later);
    enum status removed = scratch_remove(
        run, path, status == STATUS_OK && closed == STATUS_OK ? error : &later);
    return status != STATUS_OK ? status : closed != STATUS_OK ? closed : removed;
}

static enum status run_case(const struct bench_append *bench,
                            const struct command_run *run, const char *dir, size_t index,
                            struct results *results) {
    const struct bench_case *bench_case = &cases[index];
    uint64_t count = bench->count / bench_case->share;
    count = count == 0 ? 1 : count;
    char *path = path_join(dir, bench_case->kind == CASE_STORE ? "store" : "floor");
    if (path == NULL) {
        return error_no_memory(run->error, "a path", 100);
    }
    uint64_t micros = 0;
    enum status status = bench_case->kind == CASE_STORE
                             ? run_store(run, bench_case, path, count, &micros)
                             : floor_run(bench_case->floor_kind, path, count, LOG_BYTES,
                                         run->options->world->clock, &micros, run->error);
    memory_give(path);
    if (status == STATUS_UNSUPPORTED) {
        results->lacks[index] = true;
        return STATUS_OK;
    }
    results->micros[index][results->rounds] = (double)micros / (double)count;
    return status;
}

/* ---- results ---------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(const struct results *results, size_t index) {
    uint64_t middle = results->rounds / 2;
    const double *sorted = results->micros[index];
    return results->rounds % 2 == 1 ? sorted[middle]
                                    : (sorted[middle - 1] + sorted[middle]) / 2;
}

static double ratio(const struct results *results, size_t index, int floor_index) {
    double under = median(results, (size_t)floor_index);
    return under > 0 ? median(results, index) / under : 0;
}

static enum status print_table(const struct bench_append *bench, const char *dir,
                               const struct results *results, struct buf *out) {
    enum status status = buf_printf(
        out,
        "puts of %d+%d bytes in %s, %" PRIu64 " a round (%" PRIu64
        " where each waits for the disk, %" PRIu64 " of values of %d bytes), %" PRIu64
        " rounds; us a change\n%-26s %9s %9s %9s  %s\n",
        KEY_BYTES, VALUE_BYTES, dir, bench->count, bench->count / SYNCED_SHARE,
        bench->count / LONG_SHARE, LONG_BYTES, results->rounds, "", "median", "least",
        "most", "ratio");
    for (size_t i = 0; i < CASES && status == STATUS_OK; i++) {
        const double *sorted = results->micros[i];
        if (results->lacks[i]) {
            status = buf_printf(out, "%-26s not on this file system\n", cases[i].name);
            continue;
        }
        status = buf_printf(out, "%-26s %9.2f %9.2f %9.2f", cases[i].name,
                            median(results, i), sorted[0], sorted[results->rounds - 1]);
        if (status == STATUS_OK && cases[i].against != NO_FLOOR) {
            status = buf_printf(out, "  %.2f x %s", ratio(results, i, cases[i].against),
                                cases[cases[i].against].name);
        }
        if (status == STATUS_OK && cases[i].other != NO_FLOOR) {
            status = buf_printf(out, ", %.2f x %s", ratio(results, i, cases[i].other),
                                cases[cases[i].other].name);
        }
        if (status == STATUS_OK) {
            status = buf_append_text(out, "\n");
        }
    }
    return status;
}

static enum status print_json(const struct bench_append *bench,
                              const struct results *results, struct buf *out) {
    enum status status = buf_printf(
        out,
        "{\"benchmark\":\"append\",\"stage\":\"%s\",\"key_bytes\":%d,\"value_bytes\":%d,"
        "\"log_bytes\":%d,\"count\":%" PRIu64 ",\"rounds\":%" PRIu64 ",\"cases\":[",
        stage.name, KEY_BYTES, VALUE_BYTES, LOG_BYTES, bench->count, results->rounds);
    bool first = true;
    for (size_t i = 0; i < CASES && status == STATUS_OK; i++) {
        const double *sorted = results->micros[i];
        if (results->lacks[i]) {
            continue;
        }
        status = buf_printf(out,
                            "%s{\"name\":\"%s\",\"median_micros\":%.3f,\"least_micros\":"
                            "%.3f,\"most_micros\":%.3f",
                            first ? "" : ",", cases[i].name, median(results, i),
                            sorted[0], sorted[results->rounds - 1]);
        first = false;
        if (status == STATUS_OK && cases[i].against != NO_FLOOR) {
            status = buf_printf(out, ",\"against\":\"%s\",\"ratio\":%.3f",
                                cases[cases[i].against].name,
                                ratio(results, i, cases[i].against));
        }
        if (status == STATUS_OK) {
            status = buf_append_text(out, "}");
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "]}\n") : status;
}

static enum status print_results(const struct bench_append *bench,
                                 const struct command_run *run, struct results *results) {
    struct buf out = {0};
    for (size_t i = 0; i < CASES; i++) {
        qsort(results->micros[i], results->rounds, sizeof(double), compare_doubles);
    }
    enum status status = bench->json ? print_json(bench, results, &out)
                                     : print_table(bench, run->dir, results, &out);
    status = status == STATUS_OK ? output_write(buf_slice(&out), run->error)
                                 : error_no_memory(run->error, "the table", out.length);
    buf_free(&out);
    return status;
}

/* ---- the whole -------------------------------------------------------------- */

static enum status run_rounds(const struct bench_append *bench, struct command_run *run,
                              const char *dir, struct results *results) {
    enum status status = STATUS_OK;
    while (results->rounds < bench->rounds && status == STATUS_OK && !run->interrupted) {
        for (size_t i = 0; i < CASES && status == STATUS_OK && !run->interrupted; i++) {
            status = run_case(bench, run, dir, i, results);
            run->interrupted = interrupt_seen();
        }
        results->rounds++;
    }
    return status;
}

enum status bench_append_run(const struct bench_append *bench, struct command_run *run) {
    struct results *results = memory_take_zeroed(sizeof *results);
    if (results == NULL) {
        return error_no_memory(run->error, "the results", sizeof *results);
    }
    struct scratch scratch;
    enum status status = scratch_open(&scratch, run);
    if (status == STATUS_OK) {
        status = run_rounds(bench, run, scratch.dir, results);
    }
    struct error later = {0};
    enum status closed =
        scratch_close(&scratch, run, status == STATUS_OK ? run->error : &later);
    status = status == STATUS_OK ? closed : status;
    if (status == STATUS_OK && !run->interrupted) {
        status = print_results(bench, run, results);
    }
    memory_give(results);
    return status;
}
