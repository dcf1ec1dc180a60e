#include "fuzz.h"

#include <string.h>

#include "counted_memory.h"
#include "log_format.h"

void fuzz_begin(struct fuzz_world *fuzz) {
    *fuzz = (struct fuzz_world){.blocks = counted_memory_blocks()};
    fuzz->disk = disk_new();
    fuzz->scheduler = scheduler_new(NULL, NULL);
    fuzz->world =
        (struct world){disk_files(fuzz->disk), scheduler_threads(fuzz->scheduler),
                       scheduler_clock(fuzz->scheduler)};
    fuzz->options = kv_options_default();
    fuzz->options.world = &fuzz->world;
    fuzz->options.log_region = APPEND_WRITE;
    fuzz->options.log_step_bytes = 4096;
    fuzz->options.write_buffer_bytes = 4096;
    fuzz->options.block_bytes = 256;
    fuzz->options.block_cache_bytes = 64 * 1024;
    fuzz_put(fuzz, "db/LOCK", slice_of(""));
}

void fuzz_end(struct fuzz_world *fuzz) {
    DEMAND(disk_open_handles(fuzz->disk) == 0, "%zu handles",
           disk_open_handles(fuzz->disk));
    disk_free(fuzz->disk);
    DEMAND(scheduler_objects(fuzz->scheduler) == 0, "threads are left, or locks");
    scheduler_free(fuzz->scheduler);
    DEMAND(counted_memory_blocks() == fuzz->blocks, "%zu blocks of memory",
           counted_memory_blocks() - fuzz->blocks);
}

void fuzz_put(struct fuzz_world *fuzz, const char *path, struct slice bytes) {
    disk_put_file(fuzz->disk, path, bytes);
}

/* ---- a store --------------------------------------------------------------------- */

/* FNV-1a, over lengths too. */
static uint64_t mix(uint64_t hash, struct slice bytes) {
    const uint64_t prime = UINT64_C(0x100000001b3);
    hash = (hash ^ bytes.length) * prime;
    for (size_t i = 0; i < bytes.length; i++) {
        hash = (hash ^ bytes.data[i]) * prime;
    }
    return hash;
}

uint64_t fuzz_scan(struct kv *kv, enum status *status) {
    struct iter *iter = NULL;
    struct error error = {0};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    *status = kv_iter(kv, NULL, &iter, &error);
    DEMAND(*status == STATUS_OK, "%s", error.message);
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        hash = mix(mix(hash, iter->key), iter->value);
    }
    *status = iter->error.status;
    DEMAND(*status == STATUS_OK || iter->error.message[0] != '\0', "a failure says why");
    iter_close(iter);
    return hash;
}

/* The power goes; of what was not synced nothing is left. */
static struct disk *lose_power(struct disk *disk) {
    struct crash crash = {.profile = DISK_POSIX, .operation = disk_operations(disk)};
    crash.piece_count = disk_pending(disk, DISK_POSIX, crash.operation);
    memset(crash.fates, FATE_LOST, sizeof crash.fates);
    return disk_crash(disk, &crash);
}

static void expect_the_same(struct fuzz_world *fuzz, uint64_t hash, enum status scanned) {
    struct kv *kv = NULL;
    struct error error = {0};
    enum status status;
    DEMAND(kv_open("db", &fuzz->options, &kv, &error) == STATUS_OK,
           "after a loss of power: %s", error.message);
    DEMAND(fuzz_scan(kv, &status) == hash && status == scanned,
           "what the first open showed is not what the second shows");
    DEMAND(kv_close(kv, &error) == STATUS_OK, "%s", error.message);
}

void fuzz_open_twice(struct fuzz_world *fuzz) {
    struct kv *kv = NULL;
    struct error error = {0};
    enum status scanned;
    enum status status = kv_open("db", &fuzz->options, &kv, &error);
    if (status != STATUS_OK) {
        DEMAND(status == STATUS_CORRUPT || status == STATUS_INVALID ||
                   status == STATUS_LIMIT,
               "%s: %s", status_words(status), error.message);
        DEMAND(strstr(error.message, "db") != NULL, "it names what: %s", error.message);
        return;
    }
    uint64_t hash = fuzz_scan(kv, &scanned);
    struct disk *after = lose_power(fuzz->disk);
    status = kv_close(kv, &error);
    DEMAND(status == STATUS_OK, "%s", error.message);
    disk_free(fuzz->disk);
    fuzz->disk = after;
    fuzz->world.files = disk_files(after);
    expect_the_same(fuzz, hash, scanned);
}

/* ---- checksums ------------------------------------------------------------------- */

void fuzz_repair_log(unsigned char *bytes, size_t count) {
    size_t offset = 0;
    while (offset + LOG_HEADER_BYTES <= count) {
        unsigned char *header = bytes + offset;
        size_t room = log_block_room(offset);
        size_t whole = LOG_HEADER_BYTES + log_header_length(header);
        unsigned char type = header[LOG_HEADER_BYTES - 1];
        if (room < LOG_HEADER_BYTES || (type == LOG_ZERO && whole == LOG_HEADER_BYTES)) {
            offset += room;
            continue;
        }
        if (whole > room || whole > count - offset) {
            return;
        }
        log_header_encode(header, type, header + LOG_HEADER_BYTES,
                          whole - LOG_HEADER_BYTES);
        offset += whole;
    }
}
