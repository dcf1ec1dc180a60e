#include "bench_command.h"

#include "bench.h"
#include "bench_load.h"
#include "bench_tables.h"
#include "program/bench_options.h"

static enum status run_bench(struct command_run *run) {
    const struct bench_values *values = run->values;
    const char *name = run->arguments[0];
    if (strcmp(name, "append") == 0 || strcmp(name, "memory") == 0) {
        return command_bench_memory.run(run);
    }
    if (strcmp(name, "load") == 0) {
        const struct bench_load bench = {
            values->count == 0 ? BENCH_LOAD_COUNT : values->count, values->json};
        return bench_load_run(&bench, run);
    }
    if (strcmp(name, "tables") == 0) {
        const struct bench_tables bench = {
            values->count == 0 ? BENCH_TABLES_COUNT : values->count,
            values->rounds == 0 ? BENCH_TABLES_ROUNDS : values->rounds, values->json};
        enum status status =
            bench_at_most(run, "rounds", bench.rounds, BENCH_TABLES_ROUNDS_MAX);
        return status == STATUS_OK ? bench_tables_run(&bench, run) : status;
    }
    return error_set(run->error, STATUS_INVALID,
                     "\"%s\": the benchmarks of this stage are append, memory, tables, "
                     "load",
                     name);
}

static const struct argp_option options[] = {
    {"count", BENCH_KEY_COUNT, "N", 0,
     "append: changes a round (default 100000; a hundredth of it where each waits for "
     "the disk). memory: entries (default 1000, 100000 and 1000000). tables: entries of "
     "a table (default 200000). load: entries (default 1000000)",
     0},
    {"rounds", BENCH_KEY_ROUNDS, "N", 0,
     "Rounds, of which the median is shown (default 5; load has one)", 0},
    {"json", BENCH_KEY_JSON, NULL, 0, "One JSON object instead of a table", 0},
    {0}};

const struct command command_bench_tables = {
    .name = "bench",
    .arguments = "append|memory|tables|load",
    .summary = "Measure what a change, the memtable, a table, or a database costs",
    .help = "append: puts of 16 + 100 bytes into fresh databases under DIR, through "
            "write(2) and through the mapped region, at each durability; and bare "
            "write(2) and append + fdatasync(2) of as many bytes beside them. "
            "Microseconds a change.\n\n"
            "memory: the memtable alone, without log or disk: nanoseconds for an insert "
            "of random and of ascending keys, for a lookup that hits and one that "
            "misses, for a step of a scan, and for insert and lookup in two threads "
            "side by side; bytes of memory beyond key and value.\n\n"
            "tables: one table, with a filter and without, under a block cache that "
            "holds nothing, a quarter of it, or all of it: nanoseconds for an entry "
            "that is written, for a lookup that hits and one that misses, and for a "
            "step of a scan either way; how many blocks the cache had, and how often "
            "the filter was wrong.\n\n"
            "load: databases under DIR that are filled with ascending and with random "
            "keys without syncs, opened again and read, with the settings that are "
            "given: nanoseconds for each step, and how much memory was in use at "
            "most.\n\n"
            "Examples:\n"
            "  $0 bench tables --filter-bits 8\n"
            "  $0 -d /mnt/disk/bench bench load --count 5000000 --write-buffer-bytes "
            "16m --block-cache-bytes 48m\n"
            "  $0 bench memory --count 50000 --json",
    .options = options,
    .parse = bench_parse,
    .values_bytes = sizeof(struct bench_values),
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_UNUSED,
    .interruptible = true,
    .run = run_bench};
