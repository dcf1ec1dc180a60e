/* bench: Strata, LevelDB and RocksDB on the same work, side by side. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "campaign.h"
#include "memory.h"
#include "program/interrupt.h"
#include "program/output.h"
#include "report.h"
#include "settings.h"

enum { COUNT = 2 * 1000 * 1000, ROUNDS = 3, COUNT_QUICK = 50 * 1000 };
enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* ---- options --------------------------------------------------------------------- */

enum {
    KEY_COUNT = 0x100,
    KEY_ROUNDS,
    KEY_QUICK,
    KEY_CONTENDERS,
    KEY_ROWS,
    KEY_WRITE_BUFFER_BYTES,
    KEY_BLOCK_CACHE_BYTES,
    KEY_FILTER_BITS,
    KEY_COMPRESSION,
    KEY_STRATA,
    KEY_DIR,
    KEY_SEED,
    KEY_JSON
};

static const struct argp_option options[] = {
    {"count", KEY_COUNT, "N", 0, "Entries (default 2000000)", 1},
    {"rounds", KEY_ROUNDS, "N", 0, "Rounds, of which the median is shown (default 3)", 1},
    {"quick", KEY_QUICK, NULL, 0, "One round with 50000 entries, for a first look", 1},
    {"engines", KEY_CONTENDERS, "LIST", 0, "Of strata,leveldb,rocksdb (default all)", 1},
    {"workloads", KEY_ROWS, "LIST", 0, "Of those below (default all)", 1},
    {"seed", KEY_SEED, "N", 0, "Of keys, values and order (default 1)", 1},
    {"dir", KEY_DIR, "DIR", 0,
     "Where a directory is made for the databases, and removed again (default .)", 1},
    {"json", KEY_JSON, NULL, 0, "One JSON object instead of tables", 1},
    {"write-buffer-bytes", KEY_WRITE_BUFFER_BYTES, "SIZE", 0,
     "Of each engine (default 16m)", 2},
    {"block-cache-bytes", KEY_BLOCK_CACHE_BYTES, "SIZE", 0,
     "Of each engine (default 64m)", 2},
    {"filter-bits", KEY_FILTER_BITS, "N", 0, "For each key; 0: no filters (default 10)",
     2},
    {"compression", KEY_COMPRESSION, "KIND", 0, "snappy or none (default snappy)", 2},
    {"strata", KEY_STRATA, "NAME=VALUE", 0,
     "A setting of Strata alone, such as log-region=mapped; may be repeated", 3},
    {0}};

static uint64_t parse_number(struct argp_state *state, const char *text, uint64_t most) {
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || number == 0 || number > most) {
        argp_error(state, "\"%s\" is not a number from 1 to %" PRIu64, text, most);
    }
    return number;
}

typedef const char *name_of(size_t index);

static const char *contender_name(size_t index) {
    return contenders[index]->name;
}

static const char *row_name(size_t index) {
    return rows[index].name;
}

/* Sets those that the list names, and clears all others. */
static void parse_list(struct argp_state *state, const char *list, bool *chosen,
                       size_t count, name_of *name) {
    for (size_t i = 0; i < count; i++) {
        chosen[i] = false;
    }
    for (;;) {
        size_t length = strcspn(list, ",");
        size_t i = 0;
        while (i < count && !slice_equal(slice_of(name(i)), slice_make(list, length))) {
            i++;
        }
        if (i == count) {
            argp_error(state, "\"%.*s\" is not one of those that --help lists",
                       (int)length, list);
            return;
        }
        chosen[i] = true;
        if (list[length] == '\0') {
            return;
        }
        list += length + 1;
    }
}

static void parse_setting(struct argp_state *state, const char *name, const char *value) {
    struct campaign *campaign = state->input;
    struct error error = {0};
    if (settings_set(&campaign->options, name, value, &error) != STATUS_OK) {
        argp_error(state, "%s", error.message);
    }
    if (campaign->options.compression != TABLE_COMPRESSION_NONE &&
        campaign->options.compression != TABLE_COMPRESSION_SNAPPY) {
        argp_error(state, "compression: Debian's LevelDB has none and snappy only");
    }
}

static void parse_strata(struct argp_state *state, char *argument) {
    char *equals = strchr(argument, '=');
    if (equals == NULL) {
        argp_error(state, "\"%s\" is not NAME=VALUE", argument);
        return;
    }
    *equals = '\0';
    parse_setting(state, argument, equals + 1);
}

/* Options of these keys are named like the settings. */
static const char *option_name(int key) {
    size_t i = 0;
    while (options[i].key != key) {
        i++;
    }
    return options[i].name;
}

static error_t parse_option(int key, char *argument, struct argp_state *state) {
    struct campaign *campaign = state->input;
    switch (key) {
    case KEY_COUNT:
        campaign->count = parse_number(state, argument, UINT32_MAX);
        return 0;
    case KEY_ROUNDS:
        campaign->rounds = parse_number(state, argument, ROUNDS_MAX);
        return 0;
    case KEY_QUICK:
        campaign->count = COUNT_QUICK;
        campaign->rounds = 1;
        return 0;
    case KEY_CONTENDERS:
        parse_list(state, argument, campaign->contenders, CONTENDERS, contender_name);
        return 0;
    case KEY_ROWS:
        parse_list(state, argument, campaign->rows, ROWS, row_name);
        return 0;
    case KEY_SEED:
        campaign->seed = parse_number(state, argument, UINT32_MAX);
        return 0;
    case KEY_DIR:
        campaign->dir = argument;
        return 0;
    case KEY_JSON:
        campaign->json = true;
        return 0;
    case KEY_STRATA:
        parse_strata(state, argument);
        return 0;
    case KEY_WRITE_BUFFER_BYTES:
    case KEY_BLOCK_CACHE_BYTES:
    case KEY_FILTER_BITS:
    case KEY_COMPRESSION:
        parse_setting(state, option_name(key), argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- help ------------------------------------------------------------------------ */

static const char before_options[] =
    "Measures Strata beside LevelDB and RocksDB, which are linked in: the same keys, "
    "values, order, buffers and durability for all of them, checksums verified by all.\v";

static const char after_options[] =
    "\n"
    "Each round runs every engine, taking turns in who is first, each in a process of "
    "its own. The time of a row that writes ends when the last write has returned; what "
    "the engine put off until later shows in the CPU seconds of all its threads and in "
    "compact. Rows that read or seek do so on the database of fillrandom and overwrite, "
    "after compact, opened afresh; readwhilewriting and reopen go on with it. compact, "
    "compactdeleted and itswriter are shown, and do not count in the mean. What the "
    "system holds back of written files is written out before each turn. Making keys "
    "and values, some 25 nanoseconds an operation, is in all times.\n"
    "\n"
    "CPU s: of all threads, while the row ran. Peak MB: anonymous resident memory. Disk "
    "MB: as the row ended, with what is allocated ahead.\n"
    "\n"
    "How each engine is set up stands at the top of harness/bench/strata.c, leveldb.c "
    "and rocksdb.c.\n"
    "\n"
    "Examples:\n"
    "  bench --quick\n"
    "  bench --workloads fillrandom,readrandom --engines strata,leveldb\n"
    "  bench --count 500000 --strata log-region=mapped --json >figures.json\n";

static enum status print_help(struct buf *help) {
    enum status status = buf_append_text(help, before_options);
    if (status == STATUS_OK) {
        status = buf_append_text(help, "Workloads:\n");
    }
    for (enum row row = 0; row < ROWS && status == STATUS_OK; row++) {
        status = buf_printf(help, "  %-17s %s", rows[row].name, rows[row].words);
        if (status == STATUS_OK && rows[row].share > 1) {
            status = buf_printf(help, "; count / %" PRIu64, rows[row].share);
        }
        if (status == STATUS_OK) {
            status = buf_append_text(help, "\n");
        }
    }
    return status == STATUS_OK ? buf_append(help, after_options, sizeof after_options)
                               : status;
}

/* ---- main ------------------------------------------------------------------------ */

static enum status print_report(const struct campaign *campaign,
                                const struct findings *findings, struct error *error) {
    struct buf out = {0};
    enum status status = campaign->json ? report_json(campaign, findings, &out)
                                        : report_text(campaign, findings, &out);
    status = status == STATUS_OK ? output_write(buf_slice(&out), error)
                                 : error_no_memory(error, "the report", out.length);
    buf_free(&out);
    return status == STATUS_OK ? output_flush(error) : status;
}

static int run(const struct campaign *campaign) {
    struct error error = {0};
    bool interrupted = false;
    struct findings *findings = memory_take_zeroed(sizeof *findings);
    enum status status = findings == NULL
                             ? error_no_memory(&error, "the findings", sizeof *findings)
                             : campaign_run(campaign, findings, &interrupted, &error);
    if (status == STATUS_OK && !interrupted) {
        status = print_report(campaign, findings, &error);
    }
    memory_give(findings);
    if (status != STATUS_OK) {
        fprintf(stderr, "bench: %s\n", error.message);
        return status_exit_code(status);
    }
    return interrupted ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}

int main(int count, char **arguments) {
    struct campaign campaign = {.count = COUNT,
                                .rounds = ROUNDS,
                                .seed = 1,
                                .dir = ".",
                                .options = kv_options_default()};
    memset(campaign.contenders, true, sizeof campaign.contenders);
    memset(campaign.rows, true, sizeof campaign.rows);
    struct buf help = {0};
    if (print_help(&help) != STATUS_OK) {
        fprintf(stderr, "bench: out of memory\n");
        return status_exit_code(STATUS_NO_MEMORY);
    }
    struct argp argp = {
        .options = options, .parser = parse_option, .doc = (const char *)help.data};
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, count, arguments, 0, NULL, &campaign);
    buf_free(&help);
    interrupt_hold();
    return run(&campaign);
}
