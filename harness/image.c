#include "image.h"

#include <string.h>

struct kv_options image_options(const struct run *run, const struct world *world) {
    struct kv_options options = run->options;
    options.world = world;
    return options;
}

bool image_left_nothing(struct run *run, struct disk *disk, size_t blocks,
                        const char *when) {
    size_t memory = counted_memory_blocks() - blocks;
    size_t handles = disk_open_handles(disk);
    size_t objects = scheduler_objects(run->scheduler);
    return memory + handles + objects == 0 ||
           run_fails(run,
                     "%s: left behind are %zu allocations, %zu files, mappings or locks, "
                     "%zu threads, mutexes or conditions",
                     when, memory, handles, objects);
}

static bool open_and_read(struct run *run, struct disk *disk, struct law law,
                          const char *when, size_t *changes) {
    struct world world = run_world_on(run, disk);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct kv *kv = NULL;
    enum status status = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    if (status != STATUS_OK) {
        return run_fails(run, "%s: open refuses: %s: %s", when, status_words(status),
                         error.message);
    }
    char words[600] = "";
    status = run_read_all(&run->model, kv, law, true, changes, words, sizeof words);
    if (status != STATUS_OK) {
        return run_fails(run, "%s: %s", when, words);
    }
    status = kv_close(kv, &error);
    return status == STATUS_OK || run_fails(run, "%s: close fails: %s: %s", when,
                                            status_words(status), error.message);
}

bool image_holds(struct run *run, struct disk *disk, struct law law, const char *when,
                 size_t *changes) {
    size_t found = 0;
    size_t blocks = counted_memory_blocks();
    bool holds = open_and_read(run, disk, law, when, &found) &&
                 image_left_nothing(run, disk, blocks, when);
    if (!holds) {
        run_kill(run, disk);
    } else if (changes != NULL) {
        *changes = found;
    }
    return holds;
}

bool image_error_told(struct run *run, const char *what, enum status status,
                      const struct error *error) {
    if (status == STATUS_OK || (status <= STATUS_STALLED && status != STATUS_CORRUPT &&
                                error->message[0] != '\0')) {
        return true;
    }
    return run_fails(run, "%s under a fault answers %d (%s): \"%s\"", what, (int)status,
                     status <= STATUS_STALLED ? status_words(status) : "no status",
                     error->message);
}

static struct disk *copy(struct disk *disk, enum disk_profile profile, enum fate fate) {
    struct crash crash = {.profile = profile, .operation = disk_operations(disk)};
    size_t pieces = disk_pending(disk, profile, crash.operation);
    crash.piece_count = pieces < CRASH_PIECES_MAX ? pieces : CRASH_PIECES_MAX;
    memset(crash.fates, (int)fate, sizeof crash.fates);
    return disk_crash(disk, &crash);
}

struct disk *image_copy(struct disk *disk) {
    return copy(disk, DISK_POSIX, FATE_KEPT);
}

struct disk *image_powerless(struct disk *disk, enum disk_profile profile) {
    return copy(disk, profile, FATE_LOST);
}
