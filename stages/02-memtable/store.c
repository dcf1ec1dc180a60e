/* Stage 02: the log makes durable, the memtable answers. */
#include "bench.h"
#include "buffer_store.h"

const struct stage stage = {
    .number = 2,
    .name = "02-memtable",
    .store = &buffer_store_ops,
    .commands = bench_commands,
    .command_count = 1,
};
