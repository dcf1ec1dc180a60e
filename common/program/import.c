/* import: lines into the database, in their order.
 *
 *     read a line → parse it into the batch → a full batch is one write → acknowledge
 *
 * What was acknowledged is never taken back: a bad line, an interrupt or an end of the
 * input first hands over the lines before it.
 *
 * Several files are read at the same time, each by a thread of its own, which is a writer
 * beside others to the store; so what is in order is each file in itself. One that fails
 * ends, and the others go on. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "interrupt.h"
#include "lines.h"
#include "memory.h"
#include "output.h"
#include "progress.h"
#include "record.h"
#include "settings.h"
#include "thread.h"

/* A batch is written when it holds this much, whatever --batch says. */
enum { BATCH_BYTES = 4 * 1024 * 1024, BATCH_LINES_MAX = 1000000, FILES_MAX = 64 };

enum { KEY_JSON = 0x100, KEY_BATCH, KEY_ACKNOWLEDGE };

struct import_values {
    bool json, acknowledge;
    uint64_t batch; /* lines a write; 0: not given */
};

struct import {
    struct command_run *run;
    const struct import_values *values;
    struct lines lines;
    struct progress progress;
    struct record *records; /* `batch` of them, the first `held` filled */
    struct kv_op *ops;
    size_t batch, held;
    size_t held_bytes;
    uint64_t written;        /* lines */
    uint64_t flushes_before; /* the store's, when the import began */
};

static error_t parse_option(int key, char *argument, struct argp_state *state) {
    struct command_run *run = state->input;
    struct import_values *values = run->values;
    switch (key) {
    case KEY_JSON:
        values->json = true;
        return 0;
    case KEY_BATCH:
        return command_number(run, "batch", argument, 1, BATCH_LINES_MAX, &values->batch);
    case KEY_ACKNOWLEDGE:
        values->acknowledge = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* "interval (at most 1000ms or 1m at risk)": what a crash may cost, on screen before the
 * work begins. */
static enum status announce(const struct import *import) {
    struct buf text = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < setting_count && status == STATUS_OK; i++) {
        bool shown = strcmp(settings[i].name, "durability") == 0 ||
                     (import->run->options->durability == DURABILITY_INTERVAL &&
                      strncmp(settings[i].name, "interval-", 9) == 0);
        if (shown) {
            status =
                buf_printf(&text, "%s%s ", text.length > 0 ? ", " : "", settings[i].name);
        }
        if (shown && status == STATUS_OK) {
            status = settings_print(import->run->options, i, &text);
        }
    }
    if (status == STATUS_OK) {
        fprintf(stderr, "importing %s into %s: %.*s\n", import->lines.name,
                import->run->dir, (int)text.length, (const char *)buf_slice(&text).data);
    }
    buf_free(&text);
    return status == STATUS_OK ? status
                               : error_no_memory(import->run->error, "a line", 100);
}

/* Whether others import beside it. */
static bool in_company(const struct import *import) {
    return import->run->count > 1;
}

static uint64_t flushes(const struct import *import) {
    struct kv_stats stats;
    kv_stats(import->run->kv, &stats);
    return stats.flushes;
}

static void summarise(const struct import *import) {
    uint64_t micros =
        clock_monotonic_micros(import->progress.clock) - import->progress.began_micros;
    char lines[27], rate[27];
    progress_print_count(lines, import->written);
    progress_print_count(rate, micros == 0 ? 0 : import->written * 1000000 / micros);
    char flushed[64] = "";
    uint64_t flushed_count = flushes(import) - import->flushes_before;
    if (flushed_count > 0 && !in_company(import)) {
        snprintf(flushed, sizeof flushed, ", %" PRIu64 " flush%s to tables",
                 flushed_count, flushed_count == 1 ? "" : "es");
    }
    fprintf(stderr, "%s%s%s lines in %" PRIu64 ".%02" PRIu64 " s, %s a second%s%s\n",
            in_company(import) ? import->lines.name : "", in_company(import) ? ": " : "",
            lines, micros / 1000000, micros % 1000000 / 10000, rate, flushed,
            import->run->interrupted ? "; interrupted, what was read is kept" : "");
}

static enum status acknowledge(const struct import *import, struct error *error) {
    struct buf line = {0};
    enum status status = STATUS_OK;
    for (size_t i = import->held; i > 0 && status == STATUS_OK; i--) {
        buf_clear(&line);
        status = buf_printf(&line, "%" PRIu64 "%s%s\n", import->lines.number - i + 1,
                            in_company(import) ? " " : "",
                            in_company(import) ? import->lines.name : "");
        status = status == STATUS_OK ? output_write(buf_slice(&line), error)
                                     : error_no_memory(error, "a line", 100);
        if (status == STATUS_OK) {
            status = output_flush(error);
        }
    }
    buf_free(&line);
    return status;
}

/* Hands the batch over as one change. */
static enum status write_batch(struct import *import, struct error *error) {
    if (import->held == 0) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < import->held; i++) {
        const struct record *record = &import->records[i];
        import->ops[i] =
            (struct kv_op){KV_PUT, buf_slice(&record->key), buf_slice(&record->value)};
    }
    enum status status =
        kv_write(import->run->kv, import->ops, import->held, NULL, error);
    if (status == STATUS_OK && import->values->acknowledge) {
        status = acknowledge(import, error);
    }
    if (status == STATUS_OK) {
        import->written += import->held;
        import->held = 0;
        import->held_bytes = 0;
    }
    return status;
}

/* A line that cannot be written is found before it joins others in a batch. */
static enum status check_limits(const struct record *record, struct error *error) {
    if (record->key.length > KV_KEY_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT,
                         "a key of %zu bytes, at most %d are allowed", record->key.length,
                         KV_KEY_BYTES_MAX);
    }
    if (record->value.length > KV_VALUE_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT,
                         "a value of %zu bytes, at most %d are allowed",
                         record->value.length, KV_VALUE_BYTES_MAX);
    }
    return STATUS_OK;
}

static enum status take_line(struct import *import, struct slice line) {
    struct error *error = import->run->error;
    struct record *record = &import->records[import->held];
    struct error fault = {0};
    enum record_format format = import->values->json ? RECORD_JSON : RECORD_TEXT;
    enum status status = record_parse(format, line, record, &fault);
    if (status == STATUS_OK) {
        status = check_limits(record, &fault);
    }
    if (status != STATUS_OK) {
        import->lines.number--; /* the batch ends before this line */
        enum status before = write_batch(import, error);
        return before != STATUS_OK
                   ? before
                   : error_set(error, status,
                               "%s: line %" PRIu64 ": %s; the lines before it are kept",
                               import->lines.name, import->lines.number + 1,
                               fault.message);
    }
    import->held++;
    import->held_bytes += record->key.length + record->value.length;
    return import->held == import->batch || import->held_bytes >= BATCH_BYTES
               ? write_batch(import, error)
               : STATUS_OK;
}

static enum status import_lines(struct import *import) {
    for (;;) {
        struct slice line;
        bool more = false;
        enum status status = lines_next(&import->lines, &line, &more, import->run->error);
        if (status == STATUS_OK && more) {
            status = take_line(import, line);
            progress_show(&import->progress, import->lines.number, import->lines.bytes);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (!more || interrupt_seen()) {
            import->run->interrupted = interrupt_seen();
            return write_batch(import, import->run->error);
        }
    }
}

static uint64_t size_of(int fd) {
    struct stat found;
    bool known = fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
    return known ? (uint64_t)found.st_size : 0;
}

static enum status import_from(struct command_run *run, int fd, const char *name) {
    struct import import = {.run = run, .values = run->values};
    import.batch = import.values->batch == 0 ? 1 : (size_t)import.values->batch;
    import.records = memory_take_zeroed(import.batch * sizeof *import.records);
    import.ops = memory_take_zeroed(import.batch * sizeof *import.ops);
    lines_init(&import.lines, fd, name);
    enum status status = STATUS_OK;
    if (import.records == NULL || import.ops == NULL) {
        status = error_no_memory(run->error, "a batch of lines",
                                 import.batch * sizeof *import.records);
    }
    if (status == STATUS_OK) {
        status = announce(&import);
    }
    if (status == STATUS_OK) {
        import.flushes_before = flushes(&import);
        import.progress = progress_begin(run->options->world->clock, size_of(fd));
        import.progress.shown =
            import.progress.shown && !in_company(&import) && !run->beside;
        status = import_lines(&import);
        progress_end(&import.progress);
        summarise(&import);
    }
    for (size_t i = 0; import.records != NULL && i < import.batch; i++) {
        record_free(&import.records[i]);
    }
    memory_give(import.records);
    memory_give(import.ops);
    lines_free(&import.lines);
    return status;
}

static enum status import_named(struct command_run *run, const char *name) {
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        enum status status = errno == ENOENT ? STATUS_INVALID : STATUS_IO;
        return error_set(run->error, status, "%s: %s", name, strerror(errno));
    }
    enum status status = import_from(run, fd, name);
    close(fd); /* only read from: nothing can be lost */
    return status;
}

/* ---- several files --------------------------------------------------------------- */

struct importer {
    struct command_run run; /* its own */
    struct error error;
    enum status status;
    struct thread thread;
    const char *name;
};

static void import_beside(void *argument) {
    struct importer *importer = argument;
    importer->status = import_named(&importer->run, importer->name);
}

/* Waits for all. The first failure is the command's, the others are told here. */
static enum status join_all(struct command_run *run, struct importer *importers,
                            int count) {
    enum status status = STATUS_OK;
    for (int i = 0; i < count; i++) {
        struct importer *importer = &importers[i];
        thread_join(&importer->thread);
        run->interrupted = run->interrupted || importer->run.interrupted;
        if (status == STATUS_OK && importer->status != STATUS_OK) {
            status = importer->status;
            *run->error = importer->error;
        } else if (importer->status != STATUS_OK) {
            fprintf(stderr, "%s: import: %s\n", run->program, importer->error.message);
        }
    }
    return status;
}

static enum status import_all(struct command_run *run) {
    struct importer *importers =
        memory_take_zeroed((size_t)run->count * sizeof *importers);
    int begun = 0;
    if (importers == NULL) {
        return error_no_memory(run->error, "importers",
                               (size_t)run->count * sizeof *importers);
    }
    while (begun < run->count) {
        struct importer *importer = &importers[begun];
        importer->run = *run;
        importer->run.error = &importer->error;
        importer->name = run->arguments[begun];
        if (thread_create(&importer->thread, run->options->world->threads, import_beside,
                          importer) != STATUS_OK) {
            break;
        }
        begun++;
    }
    enum status status = join_all(run, importers, begun);
    if (status == STATUS_OK && begun < run->count) {
        status = error_no_memory(run->error, "a thread", 0);
    }
    memory_give(importers);
    return status;
}

/* ---- the command ----------------------------------------------------------------- */

static bool names_standard_input(const struct command_run *run) {
    bool found = run->count == 0;
    for (int i = 0; i < run->count; i++) {
        found = found || strcmp(run->arguments[i], "-") == 0;
    }
    return found;
}

static enum status run_import(struct command_run *run) {
    if (run->batch != NULL) {
        return error_set(run->error, STATUS_INVALID,
                         "not into a batch that has begun: an import is changes of its "
                         "own; .commit or .abandon it first");
    }
    bool input = names_standard_input(run);
    if (input && run->in_shell) {
        return error_set(run->error, STATUS_INVALID,
                         "standard input is the shell's own; name a file");
    }
    if (input && run->count > 1) {
        return error_set(run->error, STATUS_INVALID,
                         "standard input is imported alone, not beside files");
    }
    if (input) {
        return import_from(run, STDIN_FILENO, "standard input");
    }
    return run->count > 1 ? import_all(run) : import_named(run, run->arguments[0]);
}

static const struct argp_option options[] = {
    {"json", KEY_JSON, NULL, 0, "JSON Lines instead of KEY<tab>VALUE", 0},
    {"batch", KEY_BATCH, "N", 0,
     "Write N lines as one change (default 1; a change ends at 4 MiB in any case)", 0},
    {"acknowledge", KEY_ACKNOWLEDGE, NULL, 0,
     "Print the number of each line once its write has returned, at once; of several "
     "files, with the file's name behind it",
     0},
    {0}};

const struct command command_import = {
    .name = "import",
    .arguments = "[FILE...|-]",
    .summary = "Store every line of the files, or of standard input",
    .help =
        "Each line is KEY<tab>VALUE. \\t \\n \\r \\\\ stand for those bytes and \\xHH "
        "for any byte; a carriage return before the line end belongs to the value. "
        "With --json each line is {\"key\":\"...\",\"value\":\"...\"}; key_base64 and "
        "value_base64 carry bytes that are no text. Lines are written in their order, "
        "a later one for the same key wins. Several files are imported at the same time, "
        "each in its own order, and from stage 06 on they share writes and syncs.\n\n"
        "--durability decides what a crash may cost; with always each write waits for "
        "the disk, so raise --batch, or use interval.\n\n"
        "Examples:\n"
        "  $0 import entries.tsv\n"
        "  $0 import --durability interval --batch 100 entries.tsv\n"
        "  $0 import --batch 50 north.tsv south.tsv\n"
        "  zcat entries.json.gz | $0 import --json -\n\n"
        "Exit code 2: a line is malformed; its number is named, the lines before it "
        "are kept; other files are imported all the same. 130: Ctrl-C; what was read is "
        "kept and the database is closed "
        "cleanly.",
    .options = options,
    .parse = parse_option,
    .values_bytes = sizeof(struct import_values),
    .arguments_least = 0,
    .arguments_most = FILES_MAX,
    .directory = DIRECTORY_CREATE,
    .interruptible = true,
    .run = run_import};
