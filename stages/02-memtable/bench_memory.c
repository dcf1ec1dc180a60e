/* Each round builds memtables anew and measures all cases on them, so that a change of
 * the machine's mood meets all of them; small sizes are built several times a round.
 * Keys are 16 decimal digits, as those of LevelDB's db_bench: of the even numbers, so
 * that the odd ones are missed, each search ending in its own place. */
#include "bench_memory.h"

#include <inttypes.h>
#include <stdlib.h>

#include "atomic.h"
#include "memory.h"
#include "memtable.h"
#include "program/interrupt.h"
#include "program/output.h"
#include "user_iter.h"

enum {
    KEY_BYTES = 16,
    VALUE_BYTES = 100,
    OPERATIONS_MIN = 200000 /* of each kind, a round */
};

enum figure {
    INSERT_RANDOM,
    INSERT_ASCENDING,
    GET_HIT,
    GET_MISS,
    SCAN_STEP,
    BESIDE_INSERT,
    BESIDE_GET,
    FIGURES
};

static const char *const figure_names[FIGURES] = {
    [INSERT_RANDOM] = "insert_random",
    [INSERT_ASCENDING] = "insert_ascending",
    [GET_HIT] = "get_hit",
    [GET_MISS] = "get_miss",
    [SCAN_STEP] = "scan_step",
    [BESIDE_INSERT] = "insert_beside_reader",
    [BESIDE_GET] = "get_beside_writer",
};

struct size_results {
    uint64_t entries;
    double nanos[FIGURES][BENCH_MEMORY_ROUNDS_MAX]; /* an operation */
    double overhead_bytes;                          /* an entry */
};

/* One size at work. */
struct bed {
    const struct world *world;
    uint64_t entries;
    char *keys;      /* of all numbers below 2 * entries */
    uint32_t *order; /* a permutation of the entries */
    struct memtable *memtable;
    uint64_t begun;
    double spent[FIGURES]; /* microseconds in this round */
    uint64_t operations[FIGURES];
    struct atomic_u64 written; /* the thread that writes has ended */
};

static const unsigned char value_bytes[VALUE_BYTES] = {'v'};

/* ---- the bed ------------------------------------------------------------------------
 */

static struct slice key_at(const struct bed *bed, uint64_t number) {
    return slice_make(bed->keys + number * KEY_BYTES, KEY_BYTES);
}

/* splitmix64 (Steele, Lea, Flood 2014), to shuffle (Fisher, Yates). */
static void shuffle(uint32_t *order, uint64_t count) {
    uint64_t state = 1;
    for (uint64_t i = 0; i < count; i++) {
        order[i] = (uint32_t)i;
    }
    for (uint64_t i = count; i > 1; i--) {
        uint64_t mixed = state += 0x9e3779b97f4a7c15u;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
        uint64_t other = (mixed ^ (mixed >> 31)) % i;
        uint32_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

static enum status bed_init(struct bed *bed, const struct world *world,
                            uint64_t entries) {
    *bed = (struct bed){.world = world, .entries = entries};
    bed->keys = memory_take(2 * entries * KEY_BYTES);
    bed->order = memory_take(entries * sizeof *bed->order);
    if (bed->keys == NULL || bed->order == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (uint64_t i = 0; i < 2 * entries; i++) {
        uint64_t rest = i;
        for (size_t digit = KEY_BYTES; digit > 0; digit--, rest /= 10) {
            bed->keys[i * KEY_BYTES + digit - 1] = (char)('0' + rest % 10);
        }
    }
    shuffle(bed->order, entries);
    return STATUS_OK;
}

static void bed_free(struct bed *bed) {
    memtable_unref(bed->memtable);
    memory_give(bed->keys);
    memory_give(bed->order);
}

static enum status fresh(struct bed *bed) {
    memtable_unref(bed->memtable);
    bed->memtable = memtable_open(0);
    return bed->memtable == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

static void begin(struct bed *bed) {
    bed->begun = clock_monotonic_micros(bed->world->clock);
}

static void end(struct bed *bed, enum figure figure, uint64_t operations) {
    bed->spent[figure] +=
        (double)(clock_monotonic_micros(bed->world->clock) - bed->begun);
    bed->operations[figure] += operations;
}

/* ---- the cases ----------------------------------------------------------------------
 */

static enum status insert(struct bed *bed, uint64_t entry, uint64_t sequence) {
    const struct kv_op op = {KV_PUT, key_at(bed, 2 * entry),
                             slice_make(value_bytes, VALUE_BYTES)};
    struct memtable_room room;
    enum status status = memtable_reserve(bed->memtable, &op, 1, &room);
    if (status == STATUS_OK) {
        memtable_insert(bed->memtable, &room, &op, 1, sequence);
    }
    return status;
}

/* Inserts the entries from `from` to before `to`, shuffled or not. */
static enum status insert_all(struct bed *bed, bool shuffled, uint64_t from,
                              uint64_t to) {
    enum status status = STATUS_OK;
    for (uint64_t i = from; i < to && status == STATUS_OK; i++) {
        status = insert(bed, shuffled ? bed->order[i] : i, i + 1);
    }
    return status;
}

/* Looks up, in another order than that of insertion, the numbers 2i + odd. */
static uint64_t get_all(struct bed *bed, uint64_t odd) {
    uint64_t found = 0;
    for (uint64_t i = 0; i < bed->entries; i++) {
        struct slice value;
        uint64_t entry = bed->order[bed->entries - 1 - i];
        found += memtable_get(bed->memtable, key_at(bed, 2 * entry + odd), bed->entries,
                              &value) == LOOKUP_FOUND;
    }
    return found;
}

static enum status scan_all(struct bed *bed, struct error *error) {
    const struct user_iter_options options = {.sequence = bed->entries};
    struct iter *iter = memtable_iter(bed->memtable);
    uint64_t steps = 0;
    if (iter == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = user_iter_open(iter, &options, &iter, error);
    if (status != STATUS_OK) {
        return status;
    }
    begin(bed);
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        steps++;
    }
    end(bed, SCAN_STEP, steps);
    status = iter->error.status;
    iter_close(iter);
    return status;
}

static void read_beside(void *argument) {
    struct bed *bed = argument;
    const struct clock *clock = bed->world->clock;
    uint64_t begun = clock_monotonic_micros(clock);
    uint64_t reads = 0;
    while (atomic_u64_load(&bed->written, memory_order_acquire) == 0) {
        struct slice value;
        uint64_t entry = bed->order[reads % (bed->entries / 2)];
        (void)memtable_get(bed->memtable, key_at(bed, 2 * entry), bed->entries, &value);
        reads++;
    }
    bed->spent[BESIDE_GET] += (double)(clock_monotonic_micros(clock) - begun);
    bed->operations[BESIDE_GET] += reads;
}

/* A thread reads the first half of the entries while the second half is inserted. */
static enum status write_beside(struct bed *bed) {
    struct thread reader;
    uint64_t half = bed->entries / 2;
    enum status status = fresh(bed);
    if (status == STATUS_OK) {
        status = insert_all(bed, true, 0, half);
    }
    atomic_u64_store(&bed->written, 0, memory_order_relaxed);
    if (status == STATUS_OK) {
        status = thread_create(&reader, bed->world->threads, read_beside, bed);
    }
    if (status != STATUS_OK) {
        return status;
    }
    begin(bed);
    status = insert_all(bed, true, half, bed->entries);
    end(bed, BESIDE_INSERT, bed->entries - half);
    atomic_u64_store(&bed->written, 1, memory_order_release);
    thread_join(&reader);
    return status;
}

static enum status measure_once(struct bed *bed, struct size_results *results,
                                struct error *error) {
    enum status status = fresh(bed);
    if (status == STATUS_OK) {
        begin(bed);
        status = insert_all(bed, false, 0, bed->entries);
        end(bed, INSERT_ASCENDING, bed->entries);
    }
    if (status == STATUS_OK) {
        status = fresh(bed);
    }
    if (status == STATUS_OK) {
        begin(bed);
        status = insert_all(bed, true, 0, bed->entries);
        end(bed, INSERT_RANDOM, bed->entries);
    }
    if (status != STATUS_OK) {
        return status;
    }
    results->overhead_bytes =
        (double)memtable_charged(bed->memtable) / (double)bed->entries -
        (KEY_BYTES + VALUE_BYTES);
    begin(bed);
    uint64_t found = get_all(bed, 0);
    end(bed, GET_HIT, bed->entries);
    begin(bed);
    found += get_all(bed, 1);
    end(bed, GET_MISS, bed->entries);
    if (found != bed->entries) {
        return error_set(error, STATUS_CORRUPT,
                         "%" PRIu64 " of %" PRIu64 " entries were found", found,
                         bed->entries);
    }
    status = scan_all(bed, error);
    return status == STATUS_OK ? write_beside(bed) : status;
}

/* ---- rounds and results -------------------------------------------------------------
 */

static enum status measure_size(const struct bench_memory *bench, struct command_run *run,
                                struct size_results *results) {
    struct bed bed;
    uint64_t times = 1 + (OPERATIONS_MIN - 1) / results->entries;
    enum status status = bed_init(&bed, run->options->world, results->entries);
    for (uint64_t round = 0;
         round < bench->rounds && status == STATUS_OK && !run->interrupted; round++) {
        for (size_t i = 0; i < FIGURES; i++) {
            bed.spent[i] = 0;
            bed.operations[i] = 0;
        }
        for (uint64_t i = 0; i < times && status == STATUS_OK; i++) {
            status = measure_once(&bed, results, run->error);
        }
        for (size_t i = 0; i < FIGURES; i++) {
            uint64_t operations = bed.operations[i] == 0 ? 1 : bed.operations[i];
            results->nanos[i][round] = bed.spent[i] * 1000 / (double)operations;
        }
        run->interrupted = interrupt_seen();
    }
    bed_free(&bed);
    return status == STATUS_NO_MEMORY
               ? error_no_memory(run->error, "a memtable", results->entries * KEY_BYTES)
               : status;
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static enum status print_table(const struct size_results *results, size_t sizes,
                               uint64_t rounds, struct buf *out) {
    enum status status = buf_printf(
        out, "entries of %d+%d bytes, %" PRIu64 " rounds, median; ns an operation\n%-22s",
        KEY_BYTES, VALUE_BYTES, rounds, "entries");
    for (size_t i = 0; i < sizes && status == STATUS_OK; i++) {
        status = buf_printf(out, " %10" PRIu64, results[i].entries);
    }
    for (size_t figure = 0; figure < FIGURES && status == STATUS_OK; figure++) {
        status = buf_printf(out, "\n%-22s", figure_names[figure]);
        for (size_t i = 0; i < sizes && status == STATUS_OK; i++) {
            status = buf_printf(out, " %10.1f", results[i].nanos[figure][rounds / 2]);
        }
    }
    if (status == STATUS_OK) {
        status = buf_printf(out, "\n%-22s", "overhead bytes");
    }
    for (size_t i = 0; i < sizes && status == STATUS_OK; i++) {
        status = buf_printf(out, " %10.1f", results[i].overhead_bytes);
    }
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}

static enum status print_json(const struct size_results *results, size_t sizes,
                              uint64_t rounds, struct buf *out) {
    enum status status =
        buf_printf(out,
                   "{\"benchmark\":\"memory\",\"stage\":\"%s\",\"key_bytes\":%d,"
                   "\"value_bytes\":%d,\"rounds\":%" PRIu64 ",\"sizes\":[",
                   stage.name, KEY_BYTES, VALUE_BYTES, rounds);
    for (size_t i = 0; i < sizes && status == STATUS_OK; i++) {
        status =
            buf_printf(out, "%s{\"entries\":%" PRIu64 ",\"overhead_bytes\":%.2f",
                       i == 0 ? "" : ",", results[i].entries, results[i].overhead_bytes);
        for (size_t figure = 0; figure < FIGURES && status == STATUS_OK; figure++) {
            status = buf_printf(out, ",\"%s_nanos\":%.1f", figure_names[figure],
                                results[i].nanos[figure][rounds / 2]);
        }
        if (status == STATUS_OK) {
            status = buf_append_text(out, "}");
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "]}\n") : status;
}

static enum status print_results(const struct bench_memory *bench,
                                 const struct command_run *run,
                                 struct size_results *results, size_t sizes) {
    struct buf out = {0};
    for (size_t i = 0; i < sizes; i++) {
        for (size_t figure = 0; figure < FIGURES; figure++) {
            qsort(results[i].nanos[figure], bench->rounds, sizeof(double),
                  compare_doubles);
        }
    }
    enum status status = bench->json ? print_json(results, sizes, bench->rounds, &out)
                                     : print_table(results, sizes, bench->rounds, &out);
    status = status == STATUS_OK ? output_write(buf_slice(&out), run->error)
                                 : error_no_memory(run->error, "the table", out.length);
    buf_free(&out);
    return status;
}

enum status bench_memory_run(const struct bench_memory *bench, struct command_run *run) {
    static const uint64_t standard[] = {1000, 100000, 1000000};
    const uint64_t *entries = bench->count == 0 ? standard : &bench->count;
    size_t sizes = bench->count == 0 ? sizeof standard / sizeof standard[0] : 1;
    struct size_results *results = memory_take_zeroed(sizes * sizeof *results);
    enum status status = STATUS_OK;
    if (results == NULL) {
        return error_no_memory(run->error, "the results", sizes * sizeof *results);
    }
    for (size_t i = 0; i < sizes && status == STATUS_OK && !run->interrupted; i++) {
        results[i].entries = entries[i];
        status = measure_size(bench, run, &results[i]);
    }
    if (status == STATUS_OK && !run->interrupted) {
        status = print_results(bench, run, results, sizes);
    }
    memory_give(results);
    return status;
}
