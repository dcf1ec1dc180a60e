/* Stage 02: the log makes durable, the memtable answers. */
#include "buffer_store.h"

const struct stage stage = {
    .number = 2,
    .name = "02-memtable",
    .store = &buffer_store_ops,
    .commands = NULL,
    .command_count = 0,
};
