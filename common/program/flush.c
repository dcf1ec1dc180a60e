/* flush: from stage 03 on. */
#include "commands.h"

static enum status run_flush(struct command_run *run) {
    return kv_flush(run->kv, run->error);
}

const struct command command_flush = {
    .name = "flush",
    .arguments = "",
    .summary = "Move what is in memory into a table",
    .help = "Writes the entries that are in memory, and so far in the log only, to a "
            "table, and removes the logs that held them: the next open has nothing to "
            "replay. A database does this by itself whenever write-buffer-bytes are "
            "full. Where nothing is in memory it does nothing.\n\n"
            "Examples:\n"
            "  $0 flush\n"
            "  $0 -d /srv/fruit flush && $0 -d /srv/fruit stats\n\n"
            "Exit code 6: there is no room for the table; nothing is lost, and it may be "
            "tried again.",
    .directory = DIRECTORY_OPEN,
    .run = run_flush};
