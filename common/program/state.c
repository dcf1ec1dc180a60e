/* sync and stats. */
#include "commands.h"
#include "output.h"

struct stats_values {
    bool json;
};

enum { KEY_JSON = 0x100 };

static error_t parse_option(int key, char *argument, struct argp_state *state) {
    struct command_run *run = state->input;
    struct stats_values *values = run->values;
    (void)argument;
    if (key != KEY_JSON) {
        return ARGP_ERR_UNKNOWN;
    }
    values->json = true;
    return 0;
}

static enum status run_stats(struct command_run *run) {
    const struct stats_values *values = run->values;
    struct kv_stats stats;
    struct buf text = {0};
    kv_stats(run->kv, &stats);
    enum status status = kv_stats_print(&stats, values->json, &text);
    status = status == STATUS_OK ? output_write(buf_slice(&text), run->error)
                                 : error_no_memory(run->error, "the statistics", 4096);
    if (status == STATUS_OK && text.length > 0 && text.data[text.length - 1] != '\n') {
        status = output_write(slice_of("\n"), run->error);
    }
    buf_free(&text);
    return status;
}

static enum status run_sync(struct command_run *run) {
    return kv_sync(run->kv, run->error);
}

static const struct argp_option stats_options[] = {
    {"json", KEY_JSON, NULL, 0, "One JSON object instead of lines", 0}, {0}};

const struct command command_stats = {
    .name = "stats",
    .arguments = "",
    .summary = "Print the statistics of the database",
    .help = "Counters count since this command opened the database; so what they show "
            "here is the work of the last recovery, and the sequences: the last one "
            "issued, W (handed to the operating system, survives the process) and D "
            "(durable, survives a power cut).\n\n"
            "Three figures tell what a tree of tables costs: write_amplification, bytes "
            "that flushes and compactions wrote for each byte of keys and values that "
            "was put in; space_amplification, bytes of all tables for each byte of the "
            "deepest level, which would do if nothing were stored twice; and "
            "read_amplification, runs of tables that a lookup may have to ask. A - "
            "stands where that cannot be told. Where there are levels a table of them "
            "follows, with the work of the compactions that wrote into each.\n\n"
            "Examples:\n"
            "  $0 stats\n"
            "  $0 stats --json",
    .options = stats_options,
    .parse = parse_option,
    .values_bytes = sizeof(struct stats_values),
    .directory = DIRECTORY_OPEN,
    .run = run_stats};

const struct command command_sync = {
    .name = "sync",
    .arguments = "",
    .summary = "Make everything durable that was written before",
    .help = "Returns when every change that the database holds survives a power cut. For "
            "use behind writes with --durability none or interval.\n\n"
            "Example:\n"
            "  $0 import --durability none entries.tsv && $0 sync",
    .directory = DIRECTORY_OPEN,
    .run = run_sync};
