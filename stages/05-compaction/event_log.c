/* A line is built in one buffer and written behind the last one:
 *
 *     {"event":"flush_begins","time":…,"at":…,"work":3}
 *
 * The file is opened with the first line, and then begins with a line `tree`, of the
 * version that was in force before. One that is there already is continued: the last line
 * of a process that died may be cut off, so it is ended first.
 *
 * After an edit it may be followed by a new file, which begins with the tree that came of
 * the edit, and with the lines of the work that is still under way. The same is tried
 * again after each edit where no file could be begun: what cannot be told line by line is
 * told by the next tree. */
#include "event_log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "internal_key.h"
#include "memory.h"
#include "table_file.h"

enum { TEXT_BYTES_MAX = 40 };

struct running {
    struct running *next;
    uint64_t work;
    unsigned level, output_level; /* of a compaction */
    struct buf line;              /* that said that it begins */
};

struct event_log {
    const struct directory *directory;
    const struct world *world;
    struct kv_options options;
    uint64_t opened_micros; /* monotonic */

    struct mutex mutex;
    /* guarded by mutex */
    struct version *first; /* in force until the first line; then NULL */
    struct file *file;     /* NULL: none is begun, or could be */
    uint64_t end;          /* of its last line */
    struct buf line;       /* that is being built */
    bool line_failed;      /* there was no memory for it */
    struct running *running;
    uint64_t works, frozen, lost;
};

/* ---- building a line ------------------------------------------------------------- */

static void add(struct event_log *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct event_log *log, const char *format, ...) {
    char text[256]; /* more than any of the formats below comes to */
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log->line_failed |= length < 0 || (size_t)length >= sizeof text ||
                        buf_append(&log->line, text, (size_t)length) != STATUS_OK;
}

/* Printable ASCII stands for itself, but for quote and backslash; every other byte is
 * \xHH, in JSON with two backslashes. */
static void add_text(struct event_log *log, const char *name, struct slice bytes,
                     size_t most) {
    add(log, ",\"%s\":\"", name);
    for (size_t i = 0; i < bytes.length && i < most; i++) {
        unsigned char byte = bytes.data[i];
        bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
        add(log, plain ? "%c" : "\\\\x%02x", byte);
    }
    add(log, "\"");
}

static void begin_line(struct event_log *log, const char *event) {
    const struct clock *clock = log->world->clock;
    buf_clear(&log->line);
    log->line_failed = false;
    add(log, "{\"event\":\"%s\",\"time\":%" PRIu64 ",\"at\":%" PRIu64, event,
        clock_wall_micros(clock), clock_monotonic_micros(clock) - log->opened_micros);
}

static struct slice user_key(const struct buf *internal) {
    struct slice key = buf_slice(internal);
    return internal_key_legal(key) ? internal_key_user(key) : key;
}

/* The rest of an object that begins with `opening`. */
static void add_table(struct event_log *log, const char *opening,
                      const struct table_meta *meta) {
    add(log, "%s\"table\":%" PRIu64 ",\"bytes\":%" PRIu64, opening, meta->number,
        meta->bytes);
    if (meta->entries > 0) {
        add(log, ",\"entries\":%" PRIu64, meta->entries);
    }
    add_text(log, "smallest", user_key(&meta->smallest), TEXT_BYTES_MAX);
    add_text(log, "largest", user_key(&meta->largest), TEXT_BYTES_MAX);
    add(log, "}");
}

static void add_level(struct event_log *log, const struct version *version,
                      unsigned level) {
    const char *opening = "{";
    for (size_t i = 0; i < version->run_count; i++) {
        const struct sorted_run *run = &version->runs[i];
        for (size_t j = 0; run->level == level && j < run->count; j++) {
            add_table(log, opening, &run->files[j]->meta);
            opening = ",{";
        }
    }
}

static void add_numbers(struct event_log *log, const char *name,
                        struct table_file *const *files, size_t count) {
    add(log, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        add(log, "%s%" PRIu64, i == 0 ? "" : ",", files[i]->meta.number);
    }
    add(log, "]");
}

static void add_edit(struct event_log *log, const struct edit *edit) {
    add(log, ",\"removed\":[");
    for (size_t i = 0; i < edit->removed_count; i++) {
        add(log, "%s{\"level\":%u,\"table\":%" PRIu64 "}", i == 0 ? "" : ",",
            edit->removed[i].level, edit->removed[i].number);
    }
    add(log, "],\"added\":[");
    for (size_t i = 0; i < edit->added_count; i++) {
        add(log, "%s{\"level\":%u", i == 0 ? "" : ",", edit->added[i].level);
        add_table(log, ",", &edit->added[i].file->meta);
    }
    add(log, "]");
}

/* ---- the file -------------------------------------------------------------------- */

/* Lines that no tree follows must not fill the disk: a flush that fails again and again
 * would write them. */
static void write_line(struct event_log *log, struct slice line) {
    bool room = log->file != NULL && log->end / 2 <= log->options.event_log_bytes;
    if (room && !log->line_failed &&
        file_write(log->file, log->end, line.data, line.length, NULL) == STATUS_OK) {
        log->end += line.length;
    } else {
        log->lost++;
    }
}

static void end_line(struct event_log *log) {
    add(log, "}\n");
    write_line(log, buf_slice(&log->line));
}

/* Whether what is there ends with a whole line. */
static bool ends_whole(struct event_log *log) {
    char last = '\n';
    size_t done;
    return log->end == 0 ||
           (file_read(log->file, log->end - 1, &last, 1, &done, NULL) == STATUS_OK &&
            done == 1 && last == '\n');
}

/* The file to go on with; NULL if there is none to be had. */
static void open_file(struct event_log *log) {
    const struct file_system *files = log->world->files;
    char *path = path_join(log->directory->path, "LOG");
    char *old = path_join(log->directory->path, "LOG.old");
    struct file *file = log->file;
    uint64_t end = 0;
    enum status status = path == NULL || old == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    if (status == STATUS_OK && file == NULL) {
        status = file_open(files, path, FILE_WRITE, &file, NULL);
    }
    if (status == STATUS_OK) {
        status = file_size(file, &end, NULL);
    }
    if (status == STATUS_OK && end > log->options.event_log_bytes) {
        file_release(file);
        file = NULL;
        status = file_rename(files, path, old, NULL);
        status = status == STATUS_OK ? STATUS_NOT_FOUND : status;
    }
    if (status == STATUS_NOT_FOUND) {
        end = 0;
        status = file_open(files, path, FILE_OVERWRITE, &file, NULL);
    }
    if (status != STATUS_OK) {
        file_release(file);
        file = NULL;
    }
    log->file = file;
    log->end = end;
    memory_give(path);
    memory_give(old);
}

/* Goes on in LOG, or in a new one, with the tree as it is. */
static void begin_file(struct event_log *log, const struct version *version) {
    open_file(log);
    if (log->file == NULL) {
        return;
    }
    begin_line(log, "tree");
    add(log, ",\"write_buffer_bytes\":%" PRIu64 ",\"level0_tables\":%u",
        log->options.write_buffer_bytes, (unsigned)log->options.level0_tables);
    add(log, ",\"frozen\":%" PRIu64 ",\"levels\":[", log->frozen);
    for (unsigned i = 0; i < LEVELS; i++) {
        add(log, i == 0 ? "[" : ",[");
        add_level(log, version, i);
        add(log, "]");
    }
    add(log, "]");
    if (!ends_whole(log)) {
        write_line(log, slice_of("\n"));
    }
    end_line(log);
    for (const struct running *at = log->running; at != NULL; at = at->next) {
        write_line(log, buf_slice(&at->line));
    }
}

/* Begins a line, and with the first one the file. Answers what the caller drops behind
 * the mutex: with the last reference to a version its tables are let go. */
static struct version *begin_event(struct event_log *log, const char *event) {
    struct version *first = log->first;
    log->first = NULL;
    if (first != NULL) {
        begin_file(log, first);
    }
    begin_line(log, event);
    return first;
}

/* ---- open and close -------------------------------------------------------------- */

enum status event_log_open(const struct directory *directory,
                           const struct kv_options *options, struct version *version,
                           struct event_log **out, struct error *error) {
    struct event_log *log = memory_take_zeroed(sizeof *log);
    if (log == NULL) {
        return error_no_memory(error, "the event log", sizeof *log);
    }
    log->directory = directory;
    log->world = directory->world;
    log->options = *options;
    log->opened_micros = clock_monotonic_micros(log->world->clock);
    if (mutex_init(&log->mutex, directory->world->threads) != STATUS_OK) {
        memory_give(log);
        return error_no_memory(error, "a lock", 0);
    }
    if (log->options.event_log_bytes > 0) { /* else nobody would ever let go of it */
        log->first = version;
        version_ref(version);
    }
    *out = log;
    return STATUS_OK;
}

static void running_free(struct running *running) {
    buf_free(&running->line);
    memory_give(running);
}

void event_log_close(struct event_log *log) {
    if (log == NULL) {
        return;
    }
    if (log->file != NULL) {
        begin_line(log, "close");
        end_line(log);
        file_release(log->file); /* a close that fails loses what was never synced */
    }
    while (log->running != NULL) {
        struct running *next = log->running->next;
        running_free(log->running);
        log->running = next;
    }
    version_unref(log->first);
    buf_free(&log->line);
    mutex_free(&log->mutex);
    memory_give(log);
}

/* ---- events ---------------------------------------------------------------------- */

static bool is_off(const struct event_log *log) {
    return log->options.event_log_bytes == 0;
}

void event_log_frozen(struct event_log *log, uint64_t entries, uint64_t bytes,
                      uint64_t frozen) {
    if (is_off(log)) {
        return;
    }
    mutex_lock(&log->mutex);
    struct version *drop = begin_event(log, "frozen");
    log->frozen = frozen;
    add(log, ",\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"frozen\":%" PRIu64,
        entries, bytes, frozen);
    end_line(log);
    mutex_unlock(&log->mutex);
    version_unref(drop);
}

/* The line is kept for the next file; without memory for that, that one lacks it. */
static void remember(struct event_log *log, const struct compaction *compaction) {
    struct running *running = memory_take_zeroed(sizeof *running);
    if (running == NULL) {
        return;
    }
    running->work = log->works;
    if (compaction != NULL) {
        running->level = compaction->level;
        running->output_level = compaction->output_level;
    }
    if (log->line_failed ||
        buf_assign(&running->line, buf_slice(&log->line)) != STATUS_OK) {
        running_free(running);
        return;
    }
    running->next = log->running;
    log->running = running;
}

uint64_t event_log_flush_begins(struct event_log *log) {
    if (is_off(log)) {
        return 0;
    }
    mutex_lock(&log->mutex);
    struct version *drop = begin_event(log, "flush_begins");
    uint64_t work = ++log->works;
    add(log, ",\"work\":%" PRIu64, work);
    end_line(log);
    remember(log, NULL);
    mutex_unlock(&log->mutex);
    version_unref(drop);
    return work;
}

static uint64_t bytes_of(struct table_file *const *files, size_t count) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += files[i]->meta.bytes;
    }
    return bytes;
}

uint64_t event_log_compaction_begins(struct event_log *log,
                                     const struct compaction *compaction) {
    if (is_off(log)) {
        return 0;
    }
    mutex_lock(&log->mutex);
    struct version *drop = begin_event(log, "compaction_begins");
    uint64_t work = ++log->works;
    add(log, ",\"work\":%" PRIu64 ",\"level\":%u,\"output_level\":%u", work,
        compaction->level, compaction->output_level);
    add_numbers(log, "upper", compaction->upper, compaction->upper_count);
    add_numbers(log, "lower", compaction->lower, compaction->lower_count);
    add(log, ",\"bytes\":%" PRIu64,
        bytes_of(compaction->upper, compaction->upper_count) +
            bytes_of(compaction->lower, compaction->lower_count));
    end_line(log);
    remember(log, compaction);
    mutex_unlock(&log->mutex);
    version_unref(drop);
    return work;
}

/* The caller frees it; NULL if it is not known. */
static struct running *forget(struct event_log *log, uint64_t work) {
    struct running **at = &log->running;
    while (*at != NULL && (*at)->work != work) {
        at = &(*at)->next;
    }
    struct running *found = *at;
    if (found != NULL) {
        *at = found->next;
    }
    return found;
}

static void add_counts(struct event_log *log, const struct compact_counts *counts) {
    add(log, ",\"read_bytes\":%" PRIu64 ",\"written_bytes\":%" PRIu64, counts->read_bytes,
        counts->written_bytes);
    add(log, ",\"entries_in\":%" PRIu64 ",\"entries_out\":%" PRIu64, counts->entries_in,
        counts->entries_out);
    add(log, ",\"tombstones_dropped\":%" PRIu64 ",\"tables_moved\":%" PRIu64,
        counts->tombstones_dropped, counts->tables_moved);
}

void event_log_ends(struct event_log *log, uint64_t work, const struct edit *edit,
                    const struct version *after, const struct compact_counts *counts,
                    uint64_t micros, const struct error *error) {
    if (is_off(log)) {
        return;
    }
    mutex_lock(&log->mutex);
    struct version *drop = begin_event(log, counts == NULL ? "flush" : "compaction");
    struct running *running = forget(log, work);
    add(log, ",\"work\":%" PRIu64, work);
    if (counts != NULL && running != NULL) {
        add(log, ",\"level\":%u,\"output_level\":%u", running->level,
            running->output_level);
    }
    add(log, ",\"micros\":%" PRIu64, micros);
    if (error->status != STATUS_OK) {
        add_text(log, "error", slice_of(error->message), ERROR_MESSAGE_BYTES);
        add(log, error->status == STATUS_STALLED ? ",\"stopped\":true" : "");
    } else {
        if (counts != NULL) {
            add_counts(log, counts);
        } else if (log->frozen > 0) {
            log->frozen--;
        }
        add_edit(log, edit);
    }
    end_line(log);
    bool due = log->file == NULL || log->end > log->options.event_log_bytes;
    if (error->status == STATUS_OK && due) {
        begin_file(log, after);
    }
    mutex_unlock(&log->mutex);
    version_unref(drop);
    if (running != NULL) {
        running_free(running);
    }
}

void event_log_erased(struct event_log *log, const struct version *after) {
    if (is_off(log)) {
        return;
    }
    mutex_lock(&log->mutex);
    struct version *drop = log->first;
    log->first = NULL;
    log->frozen = 0;
    begin_file(log, after);
    mutex_unlock(&log->mutex);
    version_unref(drop);
}

void event_log_stalled(struct event_log *log, const char *why, uint64_t micros) {
    if (is_off(log)) {
        return;
    }
    mutex_lock(&log->mutex);
    struct version *drop = begin_event(log, "stall");
    add_text(log, "why", slice_of(why), ERROR_MESSAGE_BYTES);
    add(log, ",\"micros\":%" PRIu64, micros);
    end_line(log);
    mutex_unlock(&log->mutex);
    version_unref(drop);
}

uint64_t event_log_lost(struct event_log *log) {
    mutex_lock(&log->mutex);
    uint64_t lost = log->lost;
    mutex_unlock(&log->mutex);
    return lost;
}
