/* Nobody's lock is taken, so that a database can be looked at while it works. Its tables
 * are those that the manifest names; what is under way, and how many write buffers wait,
 * is what the event log said last.
 *
 * Between two looks a live database may write another manifest and remove files that the
 * old one names: then a look fails, and is taken again. */
#include "levels.h"

#include <inttypes.h>
#include <stdio.h>

#include "catalog_manifest.h"
#include "current.h"
#include "directory.h"
#include "memory.h"
#include "program/holder.h"
#include "program/interrupt.h"
#include "program/output.h"
#include "program/screen.h"
#include "tree_draw.h"

enum { WATCH_MILLIS = 200, AGAIN_MILLIS = 20, LOOKS_MOST = 10 };
enum { CHUNK_BYTES = 64 * 1024, LINE_BYTES_MAX = 16 * 1024 * 1024 };

struct levels_values {
    bool watch, replay, step;
};

/* ---- the lines of an event log --------------------------------------------------- */

/* true ends the reading. */
typedef enum status line_visitor(void *context, struct slice line, bool *ends);

/* Hands over the whole lines of what was read, and keeps the rest. */
static enum status take_lines(struct buf *read, line_visitor *visit, void *context,
                              bool *ends) {
    struct slice rest = buf_slice(read);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !*ends && rest.length > 0) {
        const unsigned char *end = memchr(rest.data, '\n', rest.length);
        if (end == NULL) {
            break;
        }
        size_t length = (size_t)(end - rest.data);
        status = visit(context, slice_make(rest.data, length), ends);
        slice_advance(&rest, length + 1);
    }
    if (rest.length > LINE_BYTES_MAX) { /* no line of ours */
        rest.length = 0;
    }
    if (rest.length > 0) {
        memmove(read->data, rest.data, rest.length);
    }
    read->length = rest.length;
    return status;
}

/* A line without its end is still being written, or was cut off, and is left out. */
static enum status each_line(struct file *file, line_visitor *visit, void *context,
                             struct error *error) {
    struct buf read = {0};
    uint64_t offset = 0;
    size_t done = 1;
    bool ends = false;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && done > 0 && !ends && !interrupt_seen()) {
        status = buf_reserve(&read, CHUNK_BYTES);
        if (status != STATUS_OK) {
            status = error_no_memory(error, "a line of an event log", read.length);
            break;
        }
        status =
            file_read(file, offset, read.data + read.length, CHUNK_BYTES, &done, error);
        if (status == STATUS_OK) {
            offset += done;
            read.length += done;
            status = take_lines(&read, visit, context, &ends);
        }
    }
    buf_free(&read);
    return status;
}

/* ---- the present tree ------------------------------------------------------------ */

struct look {
    struct command_run *run;
    struct tree tree;
    struct tree log;  /* as the event log has it */
    struct buf words; /* of its last line */
    bool held;        /* somebody has the database open */
    struct buf text;
};

static enum status apply_line(void *context, struct slice line, bool *ends) {
    struct look *look = context;
    enum tree_step step;
    *ends = false;
    enum status status = tree_apply(&look->log, line, &look->words, &step);
    return status == STATUS_OK ? status
                               : error_no_memory(look->run->error, "a tree", line.length);
}

static enum status read_log(struct look *look) {
    const struct command_run *run = look->run;
    struct file *file = NULL;
    struct error error;
    char *path = path_join(run->dir, "LOG");
    if (path == NULL) {
        return error_no_memory(run->error, "a path", 0);
    }
    enum status status =
        file_open(run->options->world->files, path, FILE_READ, &file, &error);
    memory_give(path);
    if (status == STATUS_OK) {
        status = each_line(file, apply_line, look, run->error);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK; /* none was begun */
    } else {
        *run->error = error;
    }
    file_release(file);
    return status;
}

static bool holds_database(const struct listing *listing) {
    return listing->current || listing->lock || listing->log_count > 0 ||
           listing->tables > 0 || listing->manifests > 0;
}

static enum status look_at_tables(struct look *look, char *path) {
    struct command_run *run = look->run;
    struct directory directory = {.path = path, .world = run->options->world};
    struct catalog_found found = {0};
    enum status status =
        listing_read(&directory.listing, path, directory.world, run->error);
    if (status == STATUS_OK && !holds_database(&directory.listing)) {
        status = error_set(run->error, STATUS_NOT_FOUND, "%s: no database here", path);
    } else if (status == STATUS_OK) {
        status = catalog_manifest.inspect(&directory, &found, run->error);
    }
    if (status == STATUS_OK) {
        status = tree_from_version(&look->tree, found.version);
        if (status != STATUS_OK) {
            error_no_memory(run->error, "a tree", 0);
        }
    }
    version_unref(found.version);
    listing_free(&directory.listing);
    return status;
}

static enum status read_tables(struct look *look) {
    char *path = memory_copy_text(look->run->dir);
    if (path == NULL) {
        return error_no_memory(look->run->error, "a path", 0);
    }
    enum status status = look_at_tables(look, path);
    for (int i = 1; i < LOOKS_MOST && look->held && status != STATUS_OK &&
                    status != STATUS_NO_MEMORY && !interrupt_seen();
         i++) {
        interrupt_wait(AGAIN_MILLIS);
        status = look_at_tables(look, path);
    }
    memory_give(path);
    return status;
}

static enum status print_title(struct look *look) {
    char *path = path_join(look->run->dir, "LOCK");
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct holder holder;
    enum status status = buf_printf(&look->text, "%s: ", look->run->dir);
    if (status == STATUS_OK && !look->held) {
        status = buf_append_text(&look->text, "nobody has it open\n");
    } else if (status == STATUS_OK && holder_find(path, &holder)) {
        status = buf_printf(&look->text, "%s has it open, process %ld\n", holder.name,
                            holder.process);
    } else if (status == STATUS_OK) {
        status = buf_append_text(&look->text,
                                 look->run->kv != NULL ? "open here\n" : "open\n");
    }
    memory_give(path);
    return status;
}

static bool is_held(const struct command_run *run) {
    char *path = path_join(run->dir, "LOCK");
    bool held = path != NULL && holder_locked(path);
    memory_give(path);
    return held;
}

static enum status print_look(struct look *look) {
    const struct kv_options *options = look->run->options;
    enum status status = STATUS_OK;
    if (look->log.write_buffer_bytes == 0) {
        look->log.write_buffer_bytes = options->write_buffer_bytes;
        look->log.level0_tables = options->level0_tables;
    }
    if (look->held) {
        status = tree_take_work(&look->tree, &look->log);
    } else { /* whatever was under way has ended with its process */
        look->tree.write_buffer_bytes = look->log.write_buffer_bytes;
        look->tree.level0_tables = look->log.level0_tables;
    }
    if (status == STATUS_OK) {
        status = print_title(look);
    }
    if (status == STATUS_OK) {
        status = tree_draw(&look->tree, screen_columns(), screen_shown(), &look->text);
    }
    return status == STATUS_OK ? status
                               : error_no_memory(look->run->error, "a picture", 0);
}

/* Replaces *text by the present picture. */
static enum status look_now(struct command_run *run, struct buf *text) {
    struct look look = {.run = run, .held = is_held(run)};
    enum status status = read_log(&look);
    if (status == STATUS_OK) {
        status = read_tables(&look);
    }
    if (status == STATUS_OK) {
        status = print_look(&look);
    }
    tree_free(&look.tree);
    tree_free(&look.log);
    buf_free(&look.words);
    buf_free(text);
    *text = look.text;
    return status;
}

/* ---- watching -------------------------------------------------------------------- */

/* What is cheap to ask, and another when there is something new to be seen. */
struct signature {
    uint64_t manifest, manifest_bytes, log_bytes;
    bool held;
};

static uint64_t bytes_of(const struct command_run *run, const char *name) {
    uint64_t bytes = 0;
    struct file *file = NULL;
    char *path = path_join(run->dir, name);
    if (path != NULL &&
        file_open(run->options->world->files, path, FILE_READ, &file, NULL) ==
            STATUS_OK &&
        file_size(file, &bytes, NULL) != STATUS_OK) {
        bytes = 0;
    }
    file_release(file);
    memory_give(path);
    return bytes;
}

static struct signature signature_of(const struct command_run *run) {
    struct signature now = {.held = is_held(run), .log_bytes = bytes_of(run, "LOG")};
    struct current current;
    if (current_read(run->dir, run->options->world, &current, NULL) == STATUS_OK &&
        current.kind == CURRENT_MANIFEST) {
        char name[NAME_BYTES];
        name_print(name, NAME_MANIFEST, current.number);
        now.manifest = current.number;
        now.manifest_bytes = bytes_of(run, name);
    }
    return now;
}

static bool same(const struct signature *a, const struct signature *b) {
    return a->manifest == b->manifest && a->manifest_bytes == b->manifest_bytes &&
           a->log_bytes == b->log_bytes && a->held == b->held;
}

/* On a terminal over the one before: line by line, each wiped behind its end. */
static enum status show(struct slice text, bool first, struct error *error) {
    bool screen = screen_shown();
    enum status status = STATUS_OK;
    if (screen) {
        status = output_write(slice_of(first ? "\033[2J\033[H" : "\033[H"), error);
    } else if (!first) {
        status = output_write(slice_of("\n"), error);
    }
    while (status == STATUS_OK && text.length > 0) {
        const unsigned char *end = memchr(text.data, '\n', text.length);
        size_t length = end == NULL ? text.length : (size_t)(end - text.data);
        status = output_write(slice_make(text.data, length), error);
        if (status == STATUS_OK) {
            status = output_write(slice_of(screen ? "\033[K\n" : "\n"), error);
        }
        slice_advance(&text, end == NULL ? length : length + 1);
    }
    if (status == STATUS_OK && screen) {
        status = output_write(slice_of("\033[J"), error);
    }
    return status == STATUS_OK ? output_flush(error) : status;
}

/* Looks that fail behind the first are left out: a database that works changes its files
 * faster than they can be read now and then. */
static enum status watch(struct command_run *run) {
    struct buf text = {0};
    struct signature shown = signature_of(run);
    enum status status = look_now(run, &text);
    if (status == STATUS_OK) {
        status = show(buf_slice(&text), true, run->error);
    }
    while (status == STATUS_OK && !interrupt_seen()) {
        interrupt_wait(WATCH_MILLIS);
        struct signature now = signature_of(run);
        if (!interrupt_seen() && !same(&now, &shown) &&
            look_now(run, &text) == STATUS_OK) {
            shown = now;
            status = show(buf_slice(&text), false, run->error);
        }
    }
    buf_free(&text);
    run->interrupted = status == STATUS_OK && !interrupt_take(); /* by another signal */
    return status;
}

/* ---- replaying ------------------------------------------------------------------- */

struct replaying {
    struct command_run *run;
    bool step;
    struct tree tree;
    struct buf words, text;
};

/* False: that was enough. */
static bool wait_for_enter(void) {
    char line[64];
    fprintf(stderr, "-- Enter: go on; Ctrl-D: end\n");
    interrupt_wait_readable(0);
    return !interrupt_seen() && fgets(line, sizeof line, stdin) != NULL;
}

static enum status replay_line(void *context, struct slice line, bool *ends) {
    struct replaying *replaying = context;
    struct error *error = replaying->run->error;
    enum tree_step step;
    buf_clear(&replaying->text);
    enum status status = tree_apply(&replaying->tree, line, &replaying->words, &step);
    if (status == STATUS_OK && step != TREE_PASSED) {
        status = buf_printf(&replaying->text, "%.*s\n", (int)replaying->words.length,
                            (const char *)replaying->words.data);
    }
    if (status == STATUS_OK && step == TREE_CHANGED) {
        status = tree_draw(&replaying->tree, screen_columns(), screen_shown(),
                           &replaying->text);
        if (status == STATUS_OK) {
            status = buf_append_text(&replaying->text, "\n");
        }
    }
    if (status != STATUS_OK) {
        return error_no_memory(error, "a picture", line.length);
    }
    status = output_write(buf_slice(&replaying->text), error);
    *ends = false;
    if (status == STATUS_OK && step == TREE_CHANGED && replaying->step) {
        status = output_flush(error);
        *ends = status == STATUS_OK && !wait_for_enter();
    }
    return status;
}

static enum status replay(struct command_run *run, bool step) {
    struct replaying replaying = {.run = run, .step = step};
    struct file *file = NULL;
    char *path =
        run->count > 0 ? memory_copy_text(run->arguments[0]) : path_join(run->dir, "LOG");
    if (path == NULL) {
        return error_no_memory(run->error, "a path", 0);
    }
    enum status status =
        file_open(run->options->world->files, path, FILE_READ, &file, run->error);
    if (status == STATUS_OK) {
        status = each_line(file, replay_line, &replaying, run->error);
        run->interrupted = interrupt_seen();
    }
    file_release(file);
    tree_free(&replaying.tree);
    buf_free(&replaying.words);
    buf_free(&replaying.text);
    memory_give(path);
    return status;
}

/* ---- the command ----------------------------------------------------------------- */

enum { KEY_WATCH = 0x100, KEY_REPLAY, KEY_STEP };

static error_t parse_option(int key, char *argument, struct argp_state *state) {
    struct command_run *run = state->input;
    struct levels_values *values = run->values;
    (void)argument;
    switch (key) {
    case KEY_WATCH:
        values->watch = true;
        return 0;
    case KEY_REPLAY:
        values->replay = true;
        return 0;
    case KEY_STEP:
        values->step = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static enum status run_levels(struct command_run *run) {
    const struct levels_values *values = run->values;
    if (values->watch && values->replay) {
        return error_set(run->error, STATUS_INVALID,
                         "--watch shows what is, --replay what was: one of the two");
    }
    if (!values->replay && (values->step || run->count > 0)) {
        return error_set(run->error, STATUS_INVALID, "%s is for --replay",
                         values->step ? "--step" : "a file");
    }
    if (values->step && run->in_shell) {
        return error_set(run->error, STATUS_INVALID,
                         "--step reads lines, and here they are the shell's");
    }
    if (values->replay) {
        return replay(run, values->step);
    }
    if (values->watch) {
        return watch(run);
    }
    struct buf text = {0};
    enum status status = look_now(run, &text);
    if (status == STATUS_OK) {
        status = output_write(buf_slice(&text), run->error);
    }
    buf_free(&text);
    return status;
}

static const struct argp_option options[] = {
    {"watch", KEY_WATCH, NULL, 0, "Draw again whenever something changes, until Ctrl-C",
     0},
    {"replay", KEY_REPLAY, NULL, 0,
     "Draw the trees that an event log tells of, DIR/LOG or FILE", 0},
    {"step", KEY_STEP, NULL, 0, "With --replay: wait for Enter behind each", 0},
    {0}};

const struct command command_levels = {
    .name = "levels",
    .arguments = "[FILE]",
    .summary = "Draw the tree: levels, their tables, what is under way",
    .help =
        "From left to right are the keys: a table stands where its keys do. In level 0 "
        "each table has a line, the newest first, since they may overlap; the tables of "
        "a level below do not. Beside the level stand its tables and bytes, its target, "
        "and its score: from 1 on it is compacted, the highest score first. Double "
        "lines (on a terminal in colour) are tables that a compaction reads just now; a "
        "digit is so many tables in a column that has no room for them.\n\n"
        "It takes no lock: it may be asked while another process has the database open. "
        "The tables are those that the manifest names. Work that is under way, and "
        "write buffers that wait, are what the event log, DIR/LOG, said last "
        "(event-log-bytes). --replay draws what that log tells from its beginning on, "
        "with a line for each flush, compaction and stall.\n\n"
        "Examples:\n"
        "  $0 levels\n"
        "  $0 -d /srv/fruit levels --watch\n"
        "  $0 levels --replay --step\n"
        "  $0 levels --replay data/LOG.old | less\n\n"
        "Exit code 3: the manifest is damaged.",
    .options = options,
    .parse = parse_option,
    .values_bytes = sizeof(struct levels_values),
    .arguments_most = 1,
    .directory = DIRECTORY_BESIDE,
    .interruptible = true,
    .run = run_levels};
