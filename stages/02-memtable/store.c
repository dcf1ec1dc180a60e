/* Stage 02: the log makes durable, the memtable answers. */
#include "bench.h"
#include "buffer_store.h"
#include "program/commands.h"

static const struct command *const commands[] = {&command_bench_memory, &command_shell};

const struct stage stage = {
    .number = 2,
    .name = "02-memtable",
    .store = &buffer_store_ops,
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
};
