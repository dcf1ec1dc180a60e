/* Stage 01: the log is the database. */
#include "scan_store.h"

const struct stage stage = {
    .number = 1,
    .name = "01-wal",
    .store = &scan_store_ops,
    .commands = NULL,
    .command_count = 0,
};
