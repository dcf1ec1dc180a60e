#include "replay.h"

#include <inttypes.h>

#include "failpoint.h"
#include "log_reader.h"
#include "memory.h"

const struct replay_options replay_everything = {
    .last_log = UINT64_MAX, .last_end = UINT64_MAX, .cut_above = UINT64_MAX};

/* One run, and what its parts share. */
struct run {
    struct replay *replay;
    const char *dir;
    const struct world *world;
    const struct replay_options *options;
    replay_visit *visit;
    void *context;
};

/* Ends the reading of a log. */
static void stop(struct replay_log *log, const char *why) {
    log->clean = false;
    log->why = why;
}

/* Notes where a change in turn stands. */
static void place(struct replay_log *log, uint64_t sequence, const struct log_item *item,
                  uint64_t cut_above) {
    if (log->first == 0) {
        log->first = sequence;
    }
    log->changes_end = item->end;
    if (sequence > cut_above && log->cut == 0) {
        log->cut = log->end; /* what the reader passed over since goes, too */
    }
}

/* The first change of all decides where the chain begins, if it may. */
static void begin_chain(struct run *run, const struct change_reader *change) {
    struct replay *replay = run->replay;
    if (run->options->begins_before && !replay->begun && change->count > 0 &&
        change->sequence > 0 && change->sequence <= replay->last) {
        replay->base = change->sequence - 1;
        replay->last = replay->base;
        replay->durable = replay->base;
    }
    replay->begun |= change->count > 0;
}

/* Takes one change by the chain rule; false in *goes_on if the log has to end here. */
static enum status take(struct run *run, size_t index, const struct log_item *item,
                        bool *goes_on, struct error *error) {
    struct replay *replay = run->replay;
    struct replay_log *log = &replay->logs[index];
    struct change_reader change;
    const char *why;
    *goes_on = false;
    if (!change_read(&change, item->payload, &why)) {
        stop(log, why);
        return STATUS_OK;
    }
    uint64_t last = change.sequence + change.count - 1;
    begin_chain(run, &change);
    if (change.sequence > replay->last + 1) {
        stop(log, "a change is missing before it");
        return STATUS_OK;
    }
    if (change.sequence <= replay->last && last > replay->last) {
        stop(log, "it overlaps the change before it");
        return STATUS_OK;
    }
    *goes_on = true;
    if (change.count == 0) {
        return STATUS_OK;
    }
    place(log, change.sequence, item, run->options->cut_above);
    if (last <= replay->last) {
        return STATUS_OK; /* repeats what an older log held */
    }
    replay->last = last;
    replay->changes++;
    return run->visit == NULL ? STATUS_OK
                              : run->visit(run->context, &change, item->payload, error);
}

static void believe(struct replay *replay, uint64_t mark) {
    if (mark > 0 && mark - 1 > replay->durable) {
        replay->durable = mark - 1;
    }
    if (mark > 0 && mark - 1 > replay->marked) {
        replay->marked = mark - 1;
    }
}

/* Reads the log from its start to its end, or to what ends it. */
static enum status read_log(struct run *run, size_t index, struct log_reader *reader,
                            struct error *error) {
    struct replay_log *log = &run->replay->logs[index];
    bool goes_on = true;
    while (goes_on) {
        struct log_item item;
        enum status status = log_reader_next(reader, &item, error);
        if (status != STATUS_OK) {
            return status;
        }
        switch (item.kind) {
        case LOG_MARK:
            believe(run->replay, item.sequence);
            break;
        case LOG_RECORD:
            log->foreign |= log->end == 0;
            status = take(run, index, &item, &goes_on, error);
            if (status != STATUS_OK) {
                return status;
            }
            break;
        case LOG_END:
            log->clean = true;
            goes_on = false;
            break;
        case LOG_DAMAGE:
            stop(log, item.why);
            log->cut_short = item.cut_short;
            goes_on = false;
            break;
        }
        if (goes_on) {
            log->end = item.end;
        }
    }
    return STATUS_OK;
}

static enum status run_log(struct run *run, size_t index, uint64_t limit,
                           struct error *error) {
    struct replay_log *log = &run->replay->logs[index];
    struct file *file = NULL;
    struct log_reader reader = {0};
    enum status status = directory_file(run->dir, run->world, NAME_LOG, log->number,
                                        FILE_READ, &file, error);
    if (status == STATUS_OK) {
        status = file_size(file, &log->bytes, error);
    }
    if (status == STATUS_OK) {
        status = log_reader_init(&reader, file, limit, error);
    }
    if (status == STATUS_OK) {
        status = read_log(run, index, &reader, error);
        run->replay->bytes += log->end;
        log->cut = log->cut == 0 ? log->end : log->cut;
    }
    if (status == STATUS_OK && !log->clean) {
        uint64_t mark;
        status = log_find_mark(file, log->end, limit, &mark, NULL, error);
        if (status == STATUS_OK) {
            believe(run->replay, mark);
        }
    }
    log_reader_free(&reader);
    file_release(file);
    return status;
}

/* Says where the chain broke, and what is lost by it. */
static enum status corrupt(const struct run *run, struct error *error) {
    const struct replay *replay = run->replay;
    const struct replay_log *broken = NULL;
    for (size_t i = 0; i < replay->log_count && broken == NULL; i++) {
        if (!replay->logs[i].clean) {
            broken = &replay->logs[i];
        }
    }
    if (broken == NULL) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: a log is missing: changes up to sequence %" PRIu64
                         " were durable, they end at %" PRIu64,
                         run->dir, replay->durable, replay->last);
    }
    char name[NAME_BYTES];
    name_print(name, NAME_LOG, broken->number);
    return error_set(error, STATUS_CORRUPT,
                     "%s/%s: offset %" PRIu64 ": %s; changes up to sequence %" PRIu64
                     " were durable, they can be read up to %" PRIu64,
                     run->dir, name, broken->end, broken->why, replay->durable,
                     replay->last);
}

enum status replay_run(struct replay *replay, const char *dir, const struct world *world,
                       const struct listing *listing,
                       const struct replay_options *options, replay_visit *visit,
                       void *context, struct error *error) {
    struct run run = {.replay = replay,
                      .dir = dir,
                      .world = world,
                      .options = options,
                      .visit = visit,
                      .context = context};
    *replay = (struct replay){
        .base = options->behind, .last = options->behind, .durable = options->behind};
    if (failpoint(recovery_read)) {
        return error_set(error, STATUS_IO, "%s: failpoint recovery_read", dir);
    }
    size_t bytes = listing->log_count * sizeof *replay->logs;
    replay->logs = memory_take_zeroed(bytes);
    if (replay->logs == NULL) {
        return error_no_memory(error, "the list of logs", bytes);
    }
    for (size_t i = 0; i < listing->log_count; i++) {
        uint64_t number = listing->logs[i];
        if (number > options->last_log) {
            break;
        }
        if (number < options->first_log) {
            continue;
        }
        size_t index = replay->log_count++;
        replay->logs[index].number = number;
        enum status status =
            run_log(&run, index,
                    number == options->last_log ? options->last_end : UINT64_MAX, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return replay->durable > replay->last ? corrupt(&run, error) : STATUS_OK;
}

void replay_free(struct replay *replay) {
    memory_give(replay->logs);
    *replay = (struct replay){0};
}
