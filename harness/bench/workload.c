/* Each row as a function: what comes before begin() and after end() is not measured. */
#include "workload.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "atomic.h"

enum {
    SEEK_STEPS = 10,
    REOPENINGS = 3,
    HOT_SHARE = 100,
    CHECKS = 100,
    BATCH = 100,
    MATES_MAX = 16
};

const struct row_about rows[ROWS] = {
#define ROW_ABOUT(id, name, session, kind, share, needs, words)                          \
    [ROW_##id] = {name, SESSION_##session, ROW_##kind, share, ROW_##needs, words},
    ROW_TABLE(ROW_ABOUT)
#undef ROW_ABOUT
};

/* ---- measuring ------------------------------------------------------------------- */

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static uint64_t now(const struct work *work) {
    return clock_monotonic_micros(work->options.world->clock);
}

/* How many operations the row is of. */
static uint64_t planned(const struct work *work) {
    uint64_t operations = work->entries.count / rows[work->row].share;
    return operations == 0 ? 1 : operations;
}

static void begin(struct work *work) {
    work->begun_cpu = cpu_seconds();
    work->begun_micros = now(work);
}

/* A row that is measured in parts adds them up. */
static void end(struct work *work, uint64_t operations) {
    struct sample *sample = &work->samples[work->row];
    sample->micros += now(work) - work->begun_micros;
    sample->cpu_seconds += cpu_seconds() - work->begun_cpu;
    sample->operations += operations;
}

static enum status wrong(const struct work *work, const char *what) {
    return error_set(work->error, STATUS_CORRUPT,
                     "what was written is not what is read: %s", what);
}

/* ---- writing --------------------------------------------------------------------- */

static enum status put(struct work *work, uint64_t number) {
    return work->contender->put(work->db, entries_key(&work->entries, number, false),
                                entries_value(&work->entries, number), work->error);
}

static enum status fill_in_order(struct work *work) {
    enum status status = STATUS_OK;
    uint64_t operations = planned(work);
    begin(work);
    for (uint64_t i = 0; i < operations && status == STATUS_OK; i++) {
        status = put(work, i);
    }
    end(work, operations);
    return status;
}

static enum status fill_shuffled(struct work *work) {
    enum status status = STATUS_OK;
    uint64_t operations = planned(work);
    begin(work);
    for (uint64_t i = 0; i < operations && status == STATUS_OK; i++) {
        status = put(work, entries_shuffled(&work->entries, i));
    }
    end(work, operations);
    return status;
}

static enum status overwrite(struct work *work) {
    enum status status = STATUS_OK;
    uint64_t operations = planned(work);
    begin(work);
    for (uint64_t i = 0; i < operations && status == STATUS_OK; i++) {
        status = put(work, entries_any(&work->entries, work->entries.count));
    }
    end(work, operations);
    return status;
}

static enum status remove_shuffled(struct work *work) {
    struct entries *entries = &work->entries;
    enum status status = STATUS_OK;
    uint64_t operations = planned(work);
    begin(work);
    for (uint64_t i = 0; i < operations && status == STATUS_OK; i++) {
        struct slice key = entries_key(entries, entries_shuffled(entries, i), false);
        status = work->contender->remove(work->db, key, work->error);
    }
    end(work, operations);
    return status;
}

static enum status fill_big(struct work *work) {
    struct entries *entries = &work->entries;
    enum status status = STATUS_OK;
    uint64_t operations = planned(work);
    begin(work);
    for (uint64_t i = 0; i < operations && status == STATUS_OK; i++) {
        struct slice key = entries_key(entries, entries_shuffled(entries, i), false);
        status =
            work->contender->put(work->db, key, entries_big_value(entries), work->error);
    }
    end(work, operations);
    return status;
}

static enum status fill_batches(struct work *work) {
    struct entries *entries = &work->entries;
    const struct contender *contender = work->contender;
    enum status status = STATUS_OK;
    uint64_t operations = planned(work);
    begin(work);
    for (uint64_t i = 0; i < operations && status == STATUS_OK; i++) {
        uint64_t number = entries_shuffled(entries, i);
        status = contender->batch_put(work->db, entries_key(entries, number, false),
                                      entries_value(entries, number), work->error);
        if (status == STATUS_OK && (i % BATCH == BATCH - 1 || i == operations - 1)) {
            status = contender->batch_write(work->db, work->error);
        }
    }
    end(work, operations);
    return status;
}

static enum status compact(struct work *work) {
    begin(work);
    enum status status = work->contender->compact(work->db, work->error);
    end(work, 1);
    return status;
}

/* ---- looking up ------------------------------------------------------------------ */

/* Keys below `range`; what is missing must be, what is there must be right. */
static enum status look_up(struct work *work, uint64_t range, bool missing) {
    struct entries *entries = &work->entries;
    uint64_t operations = planned(work);
    uint64_t right = 0;
    begin(work);
    for (uint64_t i = 0; i < operations; i++) {
        struct slice value;
        uint64_t number = entries_any(entries, range);
        struct slice key = entries_key(entries, number, missing);
        enum status status = work->contender->get(work->db, key, &value, work->error);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        right += missing ? status == STATUS_NOT_FOUND
                         : status == STATUS_OK && entries_check(entries, number, value);
    }
    end(work, operations);
    return right == operations ? STATUS_OK : wrong(work, "a lookup");
}

static enum status read_random(struct work *work) {
    return look_up(work, work->entries.count, false);
}

static enum status read_missing(struct work *work) {
    return look_up(work, work->entries.count, true);
}

static enum status read_hot(struct work *work) {
    return look_up(work, (work->entries.count + HOT_SHARE - 1) / HOT_SHARE, false);
}

/* ---- scanning -------------------------------------------------------------------- */

static enum status check_seen(const struct work *work, const struct seen *seen,
                              uint64_t entries) {
    bool right = seen->entries == entries &&
                 seen->bytes == entries * (ENTRIES_KEY_BYTES + ENTRIES_VALUE_BYTES);
    return right ? STATUS_OK : wrong(work, "a scan");
}

static enum status scan(struct work *work, bool forward) {
    struct seen seen = {0};
    begin(work);
    enum status status = work->contender->scan(work->db, forward, &seen, work->error);
    end(work, work->entries.count);
    return status == STATUS_OK ? check_seen(work, &seen, work->entries.count) : status;
}

static enum status read_forward(struct work *work) {
    return scan(work, true);
}

static enum status read_backward(struct work *work) {
    return scan(work, false);
}

static enum status seek_random(struct work *work) {
    struct entries *entries = &work->entries;
    struct seen seen = {0};
    uint64_t operations = planned(work);
    uint64_t expected = 0;
    enum status status = STATUS_OK;
    begin(work);
    for (uint64_t i = 0; i < operations && status == STATUS_OK; i++) {
        uint64_t number = entries_any(entries, entries->count);
        uint64_t behind = entries->count - 1 - number;
        expected += 1 + (behind < SEEK_STEPS ? behind : SEEK_STEPS);
        status = work->contender->seek(work->db, entries_key(entries, number, false),
                                       SEEK_STEPS, &seen, work->error);
    }
    end(work, operations);
    return status == STATUS_OK ? check_seen(work, &seen, expected) : status;
}

/* ---- several threads that do the same ---------------------------------------------- */

/* One of them, with entries and a handle of its own. */
struct mate {
    struct work work;
    struct error error;
    struct thread thread;
    uint64_t first, step; /* the operations that are its own */
    enum status status;
};

static void write_shuffled(void *argument) {
    struct mate *mate = argument;
    struct work *work = &mate->work;
    uint64_t operations = planned(work);
    for (uint64_t i = mate->first; i < operations && mate->status == STATUS_OK;
         i += mate->step) {
        mate->status = put(work, entries_shuffled(&work->entries, i));
    }
}

static void read_any(void *argument) {
    struct mate *mate = argument;
    struct work *work = &mate->work;
    struct entries *entries = &work->entries;
    uint64_t operations = planned(work);
    for (uint64_t i = mate->first; i < operations && mate->status == STATUS_OK;
         i += mate->step) {
        struct slice value;
        uint64_t number = entries_any(entries, entries->count);
        mate->status = work->contender->get(work->db, entries_key(entries, number, false),
                                            &value, work->error);
        if (mate->status == STATUS_NOT_FOUND ||
            (mate->status == STATUS_OK && !entries_check(entries, number, value))) {
            mate->status = wrong(work, "a lookup");
        }
    }
}

static enum status mate_init(struct mate *mate, struct work *work, uint64_t first,
                             uint64_t step) {
    *mate = (struct mate){.work = *work, .first = first, .step = step};
    mate->work.error = &mate->error;
    if (entries_init(&mate->work.entries, work->entries.count, work->entries.seed) !=
        STATUS_OK) {
        return error_no_memory(work->error, "values", 0);
    }
    mate->work.entries.random = (first + 1) << 60; /* other keys than the others */
    enum status status = work->contender->share(work->db, &mate->work.db, work->error);
    if (status != STATUS_OK) {
        entries_free(&mate->work.entries);
    }
    return status;
}

static void mate_free(struct mate *mate) {
    mate->work.contender->unshare(mate->work.db);
    entries_free(&mate->work.entries);
}

/* Measures how long all of them take. */
static enum status run_mates(struct work *work, struct mate *mates, size_t count,
                             thread_body *body) {
    size_t begun = 0;
    enum status status = STATUS_OK;
    begin(work);
    while (begun < count &&
           thread_create(&mates[begun].thread, work->options.world->threads, body,
                         &mates[begun]) == STATUS_OK) {
        begun++;
    }
    for (size_t i = 0; i < begun; i++) {
        thread_join(&mates[i].thread);
    }
    end(work, planned(work));
    for (size_t i = 0; i < begun && status == STATUS_OK; i++) {
        status = mates[i].status;
        *work->error = mates[i].error;
    }
    return begun < count ? error_no_memory(work->error, "a thread", 0) : status;
}

static enum status together(struct work *work, size_t count, thread_body *body) {
    struct mate mates[MATES_MAX];
    size_t made = 0;
    enum status status = STATUS_OK;
    while (made < count && status == STATUS_OK) {
        status = mate_init(&mates[made], work, made, count);
        made += status == STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = run_mates(work, mates, count, body);
    }
    while (made > 0) {
        mate_free(&mates[--made]);
    }
    return status;
}

static enum status fill_with_4(struct work *work) {
    return together(work, 4, write_shuffled);
}

static enum status fill_with_16(struct work *work) {
    return together(work, 16, write_shuffled);
}

static enum status read_with_2(struct work *work) {
    return together(work, 2, read_any);
}

/* ---- two threads ----------------------------------------------------------------- */

/* The second one, with entries of its own. */
struct writer {
    struct work work;
    struct error error;
    struct thread thread;
    struct atomic_u64 end;
    enum status status;
    uint64_t written;
};

static void write_on(void *argument) {
    struct writer *writer = argument;
    struct work *work = &writer->work;
    while (writer->status == STATUS_OK &&
           atomic_u64_load(&writer->end, memory_order_relaxed) == 0) {
        writer->status = put(work, entries_any(&work->entries, work->entries.count));
        writer->written += writer->status == STATUS_OK;
    }
}

static enum status read_beside(struct work *work, struct writer *writer) {
    enum status status =
        thread_create(&writer->thread, work->options.world->threads, write_on, writer);
    if (status != STATUS_OK) {
        return error_no_memory(work->error, "a thread", sizeof writer->thread);
    }
    status = read_random(work);
    atomic_u64_store(&writer->end, 1, memory_order_relaxed);
    thread_join(&writer->thread);
    if (status == STATUS_OK && writer->status != STATUS_OK) {
        *work->error = writer->error;
        return writer->status;
    }
    struct sample *sample = &work->samples[ROW_WRITER];
    *sample = work->samples[work->row];
    sample->operations = writer->written;
    return status;
}

/* The writer begins shortly before and ends shortly after what is measured. */
static enum status read_while_writing(struct work *work) {
    struct writer writer = {.work = *work};
    writer.work.error = &writer.error;
    enum status status =
        entries_init(&writer.work.entries, work->entries.count, work->entries.seed);
    if (status != STATUS_OK) {
        return error_no_memory(work->error, "values", 0);
    }
    writer.work.entries.random = UINT64_C(1) << 62; /* other keys than the reader */
    status = read_beside(work, &writer);
    entries_free(&writer.work.entries);
    return status;
}

/* ---- opening again --------------------------------------------------------------- */

static enum status open_again(struct work *work) {
    begin(work);
    enum status status = work->contender->close(work->db, work->error);
    work->db = NULL;
    if (status == STATUS_OK) {
        status = work->contender->open(work->dir, &work->options, &work->db, work->error);
    }
    end(work, 1);
    return status;
}

static enum status reopen(struct work *work) {
    uint64_t count =
        work->options.write_buffer_bytes / 2 / (ENTRIES_KEY_BYTES + ENTRIES_VALUE_BYTES);
    enum status status = STATUS_OK;
    for (int opening = 0; opening < REOPENINGS && status == STATUS_OK; opening++) {
        for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
            status = put(work, entries_any(&work->entries, work->entries.count));
        }
        if (status == STATUS_OK) {
            status = open_again(work);
        }
    }
    return status;
}

/* ---- looking at what was written ------------------------------------------------- */

/* Of the keys in no order, the first, which all rows that write have written. */
static enum status check_some(struct work *work, bool there) {
    struct entries *entries = &work->entries;
    for (uint64_t i = 0; i < CHECKS && i < planned(work); i++) {
        struct slice value;
        uint64_t number = entries_shuffled(entries, i);
        struct slice key = entries_key(entries, number, false);
        enum status status = work->contender->get(work->db, key, &value, work->error);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        bool right = status == STATUS_OK
                         ? there && (work->row == ROW_FILLBIG
                                         ? value.length == ENTRIES_BIG_BYTES
                                         : entries_check(entries, number, value))
                         : !there;
        if (!right) {
            return wrong(work, "a lookup afterwards");
        }
    }
    return STATUS_OK;
}

static enum status check_there(struct work *work) {
    return check_some(work, true);
}

static enum status check_removed(struct work *work) {
    return check_some(work, false);
}

static enum status check_empty(struct work *work) {
    struct seen seen = {0};
    enum status status = work->contender->scan(work->db, true, &seen, work->error);
    return status == STATUS_OK ? check_seen(work, &seen, 0) : status;
}

/* ---- rows ------------------------------------------------------------------------ */

enum status workload_run(struct work *work) {
    static enum status (*const runs[ROWS])(struct work *) = {
        [ROW_FILLSEQ] = fill_in_order,
        [ROW_FILLRANDOM] = fill_shuffled,
        [ROW_OVERWRITE] = overwrite,
        [ROW_DELETERANDOM] = remove_shuffled,
        [ROW_FILLBIG] = fill_big,
        [ROW_FILLSYNC] = fill_shuffled,
        [ROW_FILLSYNC4] = fill_with_4,
        [ROW_FILLSYNC16] = fill_with_16,
        [ROW_FILLBATCH] = fill_batches,
        [ROW_COMPACT] = compact,
        [ROW_COMPACTDELETED] = compact,
        [ROW_READRANDOM] = read_random,
        [ROW_READRANDOM2] = read_with_2,
        [ROW_READMISSING] = read_missing,
        [ROW_READHOT] = read_hot,
        [ROW_READSEQ] = read_forward,
        [ROW_READREVERSE] = read_backward,
        [ROW_SEEKRANDOM] = seek_random,
        [ROW_READWHILEWRITING] = read_while_writing,
        [ROW_REOPEN] = reopen,
    };
    return runs[work->row](work);
}

enum status workload_check(struct work *work) {
    static enum status (*const checks[ROWS])(struct work *) = {
        [ROW_FILLSEQ] = check_there,   [ROW_FILLRANDOM] = check_there,
        [ROW_OVERWRITE] = check_there, [ROW_FILLBIG] = check_there,
        [ROW_FILLSYNC] = check_there,  [ROW_DELETERANDOM] = check_removed,
        [ROW_FILLSYNC4] = check_there, [ROW_FILLSYNC16] = check_there,
        [ROW_FILLBATCH] = check_there, [ROW_COMPACTDELETED] = check_empty,
    };
    return checks[work->row] == NULL ? STATUS_OK : checks[work->row](work);
}
