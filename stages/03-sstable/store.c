/* Stage 03. */
#include "bench.h"
#include "buffer_store.h"
#include "program/commands.h"

static const struct command *const commands[] = {&command_bench_memory, &command_shell};

const struct stage stage = {
    .number = 3,
    .name = "03-sstable",
    .store = &buffer_store_ops,
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
};
