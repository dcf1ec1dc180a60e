/* What the tests of copies share: a store of numbers on the simulated disk, whether a
 * directory holds exactly those, and what may stand there after a loss of power. */
#ifndef STRATA_TESTS_COPIES_H
#define STRATA_TESTS_COPIES_H

#include "../01-wal/simulation.h"
#include "kv_checkpoint.h"

/* The simulated disk without links, as across file systems. */
struct other_disk {
    struct file_system files;
    struct file_system_ops ops;
};

static inline int refuse_link(void *state, const char *from, const char *to) {
    (void)state;
    (void)from;
    (void)to;
    return EXDEV;
}

static inline void use_disk(struct simulation *sim, struct disk *disk, bool links,
                            struct other_disk *other) {
    simulation_use(sim, disk);
    sim->options.world = &sim->world;
    if (!links) {
        other->ops = *disk_files(disk)->ops;
        other->ops.link = refuse_link;
        other->files = (struct file_system){&other->ops, disk_files(disk)->state};
        sim->world.files = &other->files;
    }
}

/* An error fails the test, with its words. */
static inline void assert_fine(enum status status, const struct error *error) {
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_words(status), error->message);
    }
}

/* NULL: there is none, or it does not open. */
static inline struct kv *try_open(struct simulation *sim, const char *path) {
    struct kv *kv = NULL;
    struct kv_options options = sim->options;
    options.create = false;
    return kv_open(path, &options, &kv, NULL) == STATUS_OK ? kv : NULL;
}

/* Three tables, and changes in memory: k1 … k`last`, all durable. */
static inline struct kv *begin_numbers(struct simulation *sim, uint64_t last) {
    struct kv *kv = open_store(sim);
    for (uint64_t i = 1; i <= last; i++) {
        put_number(kv, i, DURABILITY_ALWAYS);
        if (i % (last / 4) == 0 && i < last) {
            assert_ok(kv_flush(kv, NULL));
        }
    }
    return kv;
}

/* The directory is a database with k1 … k`last`, and without fault. */
static inline void assert_holds(struct simulation *sim, const char *path, uint64_t last) {
    struct error error = {0};
    struct kv *kv = NULL;
    struct kv_options options = sim->options;
    options.create = false;
    assert_fine(kv_verify(path, &options, NULL, NULL, &error), &error);
    assert_fine(kv_open(path, &options, &kv, &error), &error);
    assert_numbers(kv, last);
    assert_ok(kv_close(kv, NULL));
}

struct counting {
    size_t names;
};

static inline void count_one(void *context, const char *name) {
    (void)name;
    ((struct counting *)context)->names++;
}

static inline bool is_there(struct simulation *sim, const char *path) {
    struct counting counting = {0};
    return directory_list(sim->world.files, path, count_one, &counting, NULL) ==
           STATUS_OK;
}

/* Whole, or not there; what is there under the other name is whole, or holds nothing, or
 * does not open. */
static inline void assert_whole_or_none(struct simulation *sim, const char *path,
                                        uint64_t last, bool must) {
    char unfinished[64];
    if (must || is_there(sim, path)) {
        assert_holds(sim, path, last);
    }
    snprintf(unfinished, sizeof unfinished, "%s.unfinished", path);
    struct kv *kv = try_open(sim, unfinished);
    if (kv != NULL) {
        struct kv_progress progress;
        kv_progress(kv, &progress);
        assert_numbers(kv, progress.written == 0 ? 0 : last);
        assert_ok(kv_close(kv, NULL));
    }
}

/* What is looked at after each loss of power: an image, and whether what was asked for
 * was done before the operation. */
typedef void image_checker(struct simulation *image, size_t state, bool done);

/* Loses the power before each operation from `first` on. */
static inline void lose_power_everywhere(struct simulation *sim, bool links, size_t first,
                                         size_t done, image_checker *check,
                                         uint64_t *seed) {
    size_t states = 0;
    size_t operations = disk_operations(sim->disk);
    for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
        for (size_t i = first; i <= operations; i++) {
            struct exploration exploration;
            disk_explore_begin(&exploration, (enum disk_profile)profile, i);
            for (int n = 0; n < 12; n++) {
                if (!disk_explore_next(sim->disk, &exploration, n < 8 ? NULL : seed)) {
                    n = n < 8 ? 7 : 12;
                    continue;
                }
                struct simulation image = *sim;
                struct other_disk other;
                use_disk(&image, disk_crash(sim->disk, &exploration.crash), links,
                         &other);
                check(&image, states++, i >= done);
                assert_int_equal(disk_open_handles(image.disk), 0);
                disk_free(image.disk);
            }
        }
    }
    printf("%zu states\n", states);
    assert_true(states > 100);
}

#endif
