/* compact: from stage 05 on. */
#include <inttypes.h>
#include <unistd.h>

#include "commands.h"

struct compact_values {
    const char *from, *to; /* as given; NULL: no bound */
};

enum { KEY_FROM = 0x100, KEY_TO };

static error_t parse_option(int key, char *argument, struct argp_state *state) {
    struct command_run *run = state->input;
    struct compact_values *values = run->values;
    switch (key) {
    case KEY_FROM:
        values->from = argument;
        return 0;
    case KEY_TO:
        values->to = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What it gave back, for a person who watches. */
static void tell(const struct kv_stats *before, const struct kv_stats *after) {
    if (isatty(STDERR_FILENO) == 1) {
        fprintf(stderr,
                "%" PRIu64 " bytes in %" PRIu64 " table%s → %" PRIu64 " in %" PRIu64
                " table%s\n",
                before->table_bytes, before->tables, before->tables == 1 ? "" : "s",
                after->table_bytes, after->tables, after->tables == 1 ? "" : "s");
    }
}

static enum status run_compact(struct command_run *run) {
    const struct compact_values *values = run->values;
    struct slice from = {0}, to = {0};
    if (values->from != NULL) {
        from = slice_of(values->from);
    }
    if (values->to != NULL) {
        to = slice_of(values->to);
    }
    struct kv_stats before, after;
    enum status status = kv_flush(run->kv, run->error);
    if (status == STATUS_OK) {
        kv_stats(run->kv, &before);
        status = kv_compact(run->kv, from, to, run->error);
    }
    if (status == STATUS_OK) {
        kv_stats(run->kv, &after);
        tell(&before, &after);
    }
    return status;
}

static const struct argp_option options[] = {
    {"from", KEY_FROM, "KEY", 0, "Only tables with keys from KEY on", 0},
    {"to", KEY_TO, "KEY", 0, "Only tables with keys before KEY", 0},
    {0}};

const struct command command_compact = {
    .name = "compact",
    .arguments = "",
    .summary = "Merge all tables, and give back what was overwritten",
    .help = "A value that is overwritten or deleted stays in its table until that is "
            "merged with the table that says so. A database merges by itself when a "
            "level has grown past its target, so that some such values are always "
            "there. This command merges all levels, one into the next, down to the "
            "deepest that has tables: of each key the newest version is left, and of a "
            "deleted one nothing. What is in memory goes into a table first.\n\n"
            "It reads and writes the whole database, or the tables that hold keys from "
            "--from on and before --to, while others go on reading and writing. "
            "Until it is done it may need as much room again. On a terminal it says "
            "what it gave back.\n\n"
            "Examples:\n"
            "  $0 compact\n"
            "  $0 -d /srv/fruit compact --from a --to b && $0 -d /srv/fruit levels\n\n"
            "Exit code 6: there is no room for the new tables; nothing is lost, and it "
            "may be tried again.",
    .options = options,
    .parse = parse_option,
    .values_bytes = sizeof(struct compact_values),
    .directory = DIRECTORY_OPEN,
    .run = run_compact};
