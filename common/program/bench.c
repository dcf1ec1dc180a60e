/* bench: measurements that a person can repeat. */
#include "bench_append.h"
#include "bench_options.h"
#include "commands.h"

static enum status run_bench(struct command_run *run) {
    const struct bench_values *values = run->values;
    if (strcmp(run->arguments[0], "append") != 0) {
        return error_set(run->error, STATUS_INVALID,
                         "\"%s\": the one benchmark of this stage is append",
                         run->arguments[0]);
    }
    const struct bench_append bench = {
        values->count == 0 ? BENCH_COUNT : values->count,
        values->rounds == 0 ? BENCH_ROUNDS : values->rounds, values->json};
    enum status status = bench_at_most(run, "rounds", bench.rounds, BENCH_ROUNDS_MAX);
    return status == STATUS_OK ? bench_append_run(&bench, run) : status;
}

static const struct argp_option options[] = {
    {"count", BENCH_KEY_COUNT, "N", 0,
     "Changes a round (default 100000; a hundredth of it where each waits for the disk, "
     "a five-hundredth of long values)",
     0},
    {"rounds", BENCH_KEY_ROUNDS, "N", 0,
     "Rounds, of which the median is shown (default 5)", 0},
    {"json", BENCH_KEY_JSON, NULL, 0, "One JSON object instead of a table", 0},
    {0}};

const struct command command_bench = {
    .name = "bench",
    .arguments = "append",
    .summary = "Measure what a change costs",
    .help =
        "append: puts of 16 + 100 bytes into fresh databases under DIR, through "
        "write(2) and through the mapped region, at each durability, and of 100,000 "
        "bytes without waiting; in between, in "
        "the same rounds on the same directory, bare write(2) of as many bytes as the "
        "log gets, and append + fdatasync(2), growing and into preallocated space. "
        "Microseconds a change, median and spread of the rounds, and the ratio to "
        "what it cannot undercut. Its files are removed again.\n\n"
        "Examples:\n"
        "  $0 bench append\n"
        "  $0 -d /mnt/disk/bench bench append --count 20000 --json",
    .options = options,
    .parse = bench_parse,
    .values_bytes = sizeof(struct bench_values),
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_UNUSED,
    .interruptible = true,
    .run = run_bench};
