/* What the tests of stage 01 share: a world of the simulated disk and the simulated
 * threads, and logs built byte by byte from the documented format (log_format.h),
 * independently of the writer.
 *
 * tidy: long because it is functions that every test of the folder includes. */
#ifndef STRATA_TESTS_SIMULATION_H
#define STRATA_TESTS_SIMULATION_H

#define TEST_HAS_STAGE
#include "../common/support.h"

#include <errno.h>

#include "atomic.h"
#include "change.h"
#include "counted_memory.h"
#include "disk.h"
#include "log_format.h"
#include "memory.h"
#include "names.h"
#include "scheduler.h"

/* ---- the world ------------------------------------------------------------------- */

struct simulation {
    struct disk *disk;
    struct scheduler *scheduler;
    struct world world;
    struct kv_options options;
    struct atomic_u64 numbers; /* of files */
    size_t blocks;             /* of memory, outstanding at the beginning */
};

static inline void simulation_use(struct simulation *sim, struct disk *disk) {
    sim->disk = disk;
    sim->world.files = disk_files(disk);
}

static inline void simulation_begin_with(struct simulation *sim,
                                         scheduler_chooser *chooser, void *context) {
    *sim = (struct simulation){.blocks = counted_memory_blocks()};
    sim->scheduler = scheduler_new(chooser, context);
    sim->world.threads = scheduler_threads(sim->scheduler);
    sim->world.clock = scheduler_clock(sim->scheduler);
    simulation_use(sim, disk_new());
    sim->options = kv_options_default();
    sim->options.world = &sim->world;
    sim->options.log_region = APPEND_WRITE;
    sim->options.log_step_bytes = 4096;
    atomic_u64_store(&sim->numbers, 1, memory_order_relaxed);
}

static inline void simulation_begin(struct simulation *sim) {
    simulation_begin_with(sim, NULL, NULL);
}

/* Nothing may be left behind. */
static inline void simulation_end(struct simulation *sim) {
    assert_int_equal(disk_open_handles(sim->disk), 0);
    assert_int_equal(scheduler_objects(sim->scheduler), 0);
    disk_free(sim->disk);
    scheduler_free(sim->scheduler);
    assert_int_equal(counted_memory_blocks(), sim->blocks);
}

/* The power goes; of what was not synced everything is kept, or nothing. */
static inline void lose_power(struct simulation *sim, bool keep) {
    struct crash crash = {.profile = DISK_POSIX, .operation = disk_operations(sim->disk)};
    crash.piece_count = disk_pending(sim->disk, DISK_POSIX, crash.operation);
    memset(crash.fates, keep ? FATE_KEPT : FATE_LOST, sizeof crash.fates);
    struct disk *after = disk_crash(sim->disk, &crash);
    disk_free(sim->disk);
    simulation_use(sim, after);
}

/* How many of the operations from `from` on have these words: "sync db/000001.log". */
static inline size_t count_operations(struct simulation *sim, size_t from,
                                      const char *words) {
    size_t count = 0;
    for (size_t i = from; i < disk_operations(sim->disk); i++) {
        char *text = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&text, &length);
        disk_print_operation(sim->disk, i, out);
        fclose(out);
        count += strstr(text, words) != NULL;
        free(text);
    }
    return count;
}

static inline void fail_call(struct simulation *sim, size_t countdown,
                             enum fault_effect effect, int errnum, bool persistent) {
    struct fault fault = {countdown, effect, errnum, persistent};
    disk_set_fault(sim->disk, &fault);
}

static inline void fail_nothing(struct simulation *sim) {
    fail_call(sim, 0, FAULT_BEFORE, 0, false);
}

static inline bool has_file(struct simulation *sim, const char *path) {
    struct slice contents;
    return disk_read_file(sim->disk, path, &contents);
}

static inline struct slice file_bytes(struct simulation *sim, const char *path) {
    struct slice contents;
    if (!disk_read_file(sim->disk, path, &contents)) {
        fail_msg("%s is not there", path);
    }
    return contents;
}

/* ---- logs, byte by byte ---------------------------------------------------------- */

static inline void add_bytes(struct buf *log, const void *bytes, size_t count) {
    assert_ok(buf_append(log, bytes, count));
}

static inline void add_zeros(struct buf *log, size_t count) {
    static const unsigned char zeros[LOG_BLOCK_BYTES];
    for (; count > sizeof zeros; count -= sizeof zeros) {
        add_bytes(log, zeros, sizeof zeros);
    }
    add_bytes(log, zeros, count);
}

static inline void add_fragment(struct buf *log, unsigned type, const void *data,
                                size_t length) {
    unsigned char header[7];
    unsigned char kind = (unsigned char)type;
    uint32_t crc = checksum_mask(checksum_extend(checksum(&kind, 1), data, length));
    for (unsigned i = 0; i < 4; i++) {
        header[i] = (unsigned char)(crc >> (8 * i));
    }
    header[4] = (unsigned char)(length % 256);
    header[5] = (unsigned char)(length / 256);
    header[6] = kind;
    add_bytes(log, header, 7);
    add_bytes(log, data, length);
}

static inline size_t room_left(const struct buf *log) {
    return 32768 - log->length % 32768;
}

static inline void add_record(struct buf *log, struct slice payload) {
    bool first = true;
    do {
        if (room_left(log) < 7) {
            add_zeros(log, room_left(log));
        }
        size_t room = room_left(log) - 7;
        size_t piece = payload.length < room ? payload.length : room;
        bool last = piece == payload.length;
        add_fragment(log,
                     first && last ? 1
                     : first       ? 2
                     : last        ? 4
                                   : 3,
                     payload.data, piece);
        slice_advance(&payload, piece);
        first = false;
        if (last) {
            return;
        }
    } while (true);
}

static inline void add_mark(struct buf *log, uint64_t sequence) {
    unsigned char data[12] = {0};
    if (room_left(log) < 26) {
        size_t room = room_left(log);
        for (; room >= 7; room -= 7) {
            add_fragment(log, 2, "", 0);
        }
        add_zeros(log, room);
    }
    for (unsigned i = 0; i < 8; i++) {
        data[i] = (unsigned char)(sequence >> (8 * i));
    }
    add_fragment(log, 2, "", 0);
    add_fragment(log, 4, data, 12);
}

static inline struct kv_op put_op(const char *key, const char *value) {
    return (struct kv_op){KV_PUT, slice_of(key), slice_of(value)};
}

static inline void add_change(struct buf *log, uint64_t sequence, const struct kv_op *ops,
                              size_t count) {
    size_t bytes = change_bytes(ops, count);
    unsigned char *change = malloc(bytes);
    change_encode(change, sequence, ops, count);
    add_record(log, slice_make(change, bytes));
    free(change);
}

/* Changes [first, last], each one put of key "kN" and value "vN". */
static inline void add_puts(struct buf *log, uint64_t first, uint64_t last) {
    for (uint64_t i = first; i <= last; i++) {
        char key[24], value[24];
        snprintf(key, sizeof key, "k%" PRIu64, i);
        snprintf(value, sizeof value, "v%" PRIu64, i);
        struct kv_op op = put_op(key, value);
        add_change(log, i, &op, 1);
    }
}

/* Makes it a durable file of the database "db", and empties the buffer. */
static inline void place_log(struct simulation *sim, uint64_t number, struct buf *log) {
    char name[NAME_BYTES], path[NAME_BYTES + 4];
    name_print(name, NAME_LOG, number);
    snprintf(path, sizeof path, "db/%s", name);
    disk_put_file(sim->disk, path, buf_slice(log));
    buf_free(log);
}

/* ---- a store --------------------------------------------------------------------- */

static inline struct kv *open_store(struct simulation *sim) {
    struct kv *kv = NULL;
    struct error error = {0};
    if (kv_open("db", &sim->options, &kv, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return kv;
}

static inline void put_number(struct kv *kv, uint64_t i, enum durability durability) {
    char key[24], value[24];
    struct kv_write_options options = {.durability = durability};
    snprintf(key, sizeof key, "k%" PRIu64, i);
    snprintf(value, sizeof value, "v%" PRIu64, i);
    assert_ok(kv_put(kv, slice_of(key), slice_of(value), &options, NULL));
}

static inline bool has_number(struct kv *kv, uint64_t i) {
    char key[24], value[24];
    struct buf found = {0};
    snprintf(key, sizeof key, "k%" PRIu64, i);
    snprintf(value, sizeof value, "v%" PRIu64, i);
    enum status status = kv_get(kv, slice_of(key), &found, NULL, NULL);
    bool equal = status == STATUS_OK && slice_equal(buf_slice(&found), slice_of(value));
    assert_true(equal || status == STATUS_NOT_FOUND);
    buf_free(&found);
    return equal;
}

/* The store holds k1 … k`last` and no k after them. */
static inline void assert_numbers(struct kv *kv, uint64_t last) {
    for (uint64_t i = 1; i <= last + 3; i++) {
        if (has_number(kv, i) != (i <= last)) {
            fail_msg("k%" PRIu64 " of %" PRIu64, i, last);
        }
    }
    struct kv_progress progress;
    kv_progress(kv, &progress);
    assert_int_equal(progress.written, last);
}

#endif
