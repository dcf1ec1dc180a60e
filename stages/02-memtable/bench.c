#include "bench.h"

#include "bench_memory.h"
#include "program/bench_options.h"
#include "program/commands.h"

static enum status run_bench(struct command_run *run) {
    const struct bench_values *values = run->values;
    if (strcmp(run->arguments[0], "append") == 0) {
        return command_bench.run(run);
    }
    if (strcmp(run->arguments[0], "memory") != 0) {
        return error_set(run->error, STATUS_INVALID,
                         "\"%s\": the benchmarks of this stage are append, memory",
                         run->arguments[0]);
    }
    const struct bench_memory bench = {
        values->count, values->rounds == 0 ? BENCH_MEMORY_ROUNDS : values->rounds,
        values->json};
    enum status status =
        bench_at_most(run, "rounds", values->rounds, BENCH_MEMORY_ROUNDS_MAX);
    if (status == STATUS_OK) {
        status = bench_at_most(run, "count", values->count, BENCH_MEMORY_ENTRIES_MAX);
    }
    return status == STATUS_OK ? bench_memory_run(&bench, run) : status;
}

static const struct argp_option options[] = {
    {"count", BENCH_KEY_COUNT, "N", 0,
     "append: changes a round (default 100000; a hundredth of it where each waits for "
     "the disk). memory: entries (default 1000, 100000 and 1000000)",
     0},
    {"rounds", BENCH_KEY_ROUNDS, "N", 0,
     "Rounds, of which the median is shown (default 5)", 0},
    {"json", BENCH_KEY_JSON, NULL, 0, "One JSON object instead of a table", 0},
    {0}};

const struct command command_bench_memory = {
    .name = "bench",
    .arguments = "append|memory",
    .summary = "Measure what a change, or the memtable, costs",
    .help = "append: puts of 16 + 100 bytes into fresh databases under DIR, through "
            "write(2) and through the mapped region, at each durability, and of 100,000 "
            "bytes; and bare "
            "write(2) and append + fdatasync(2) of as many bytes beside them. "
            "Microseconds a change.\n\n"
            "memory: the memtable alone, without log or disk: nanoseconds for an insert "
            "of random and of ascending keys, for a lookup that hits and one that "
            "misses, for a step of a scan, and for insert and lookup in two threads "
            "side by side; bytes of memory beyond key and value.\n\n"
            "Examples:\n"
            "  $0 bench memory\n"
            "  $0 bench memory --count 50000 --json\n"
            "  $0 -d /mnt/disk/bench bench append --count 20000",
    .options = options,
    .parse = bench_parse,
    .values_bytes = sizeof(struct bench_values),
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_UNUSED,
    .interruptible = true,
    .run = run_bench};
