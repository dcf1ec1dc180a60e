/* The order of exploration, and that every state explored is a legal one: random programs
 * run on the disk and are noted down here; what may be left of them is then decided from
 * the notes alone.
 *
 * tidy: long because the judge of states needs the program that it judges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "disk.h"

static const struct file_system_ops *ops_of(struct disk *disk) {
    return disk_files(disk)->ops;
}

static struct file *must_open(struct disk *disk, const char *path, enum file_mode mode) {
    struct file *file = NULL;
    assert_int_equal(ops_of(disk)->open(disk, path, mode, &file), 0);
    return file;
}

static void put(struct file *file, uint64_t offset, size_t count, int byte) {
    unsigned char bytes[5000];
    struct error error = {0};
    memset(bytes, byte, sizeof bytes);
    assert_int_equal(file_write(file, offset, bytes, count, &error), STATUS_OK);
}

static uint64_t seed;

static size_t draw(size_t bound) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % bound);
}

/* ---- the order, counted by hand -------------------------------------------------- */

static size_t count_plans(struct disk *disk, enum disk_profile profile) {
    struct exploration at;
    size_t count = 0;
    disk_explore_begin(&at, profile, disk_operations(disk));
    while (disk_explore_next(disk, &at, NULL)) {
        count++;
    }
    assert_false(disk_explore_next(disk, &at, NULL));
    return count;
}

static size_t count_enumerated(struct disk *disk, enum disk_profile profile) {
    struct exploration at;
    size_t count = 0;
    disk_explore_begin(&at, profile, disk_operations(disk));
    while (disk_enumerate_next(disk, &at)) {
        count++;
    }
    return count;
}

static void test_counts(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of("0123456789"));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    uint64_t random = 1;
    struct exploration at;
    disk_explore_begin(&at, DISK_POSIX, disk_operations(disk));
    assert_true(disk_explore_next(disk, &at, &random));
    assert_false(disk_explore_next(disk, &at, &random)); /* nothing is pending */
    assert_int_equal(count_enumerated(disk, DISK_POSIX), 1);

    put(file, 10, 20, 'a'); /* behind the end */
    put(file, 0, 4, 'b');   /* in place */
    struct file *made = must_open(disk, "new", FILE_CREATE);
    put(file, 30, 1200, 'c'); /* behind the end, 3 sectors */
    assert_int_equal(made->ops->close(made), 0);
    /* 5 prefixes, 4 omitted and 3 of them as zeros, 2 boundaries with and without the
     * rest, 6 pairs. */
    assert_int_equal(disk_pending(disk, DISK_POSIX, disk_operations(disk)), 4);
    assert_int_equal(count_plans(disk, DISK_POSIX), 5 + 4 + 3 + 2 * 2 + 6);
    assert_int_equal(count_enumerated(disk, DISK_POSIX), 3 * 3 * 2 * 3);
    /* In place there are no zeros. With the name lost, the later extension is lost; with
     * it kept, a: 3, b: 2, c: 3. */
    assert_int_equal(count_enumerated(disk, DISK_EXT4), 3 * 2 * (3 + 1));
    for (size_t i = 0; i < 8; i++) {
        put(file, 2000 + 10 * i, 5, 'd');
    }
    assert_int_equal(disk_pending(disk, DISK_POSIX, disk_operations(disk)), 12);
    put(file, 1999, 1, 'e');
    assert_int_equal(count_enumerated(disk, DISK_POSIX), 0); /* 13 are too many */
    disk_free(disk);
}

static void test_order(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of(""));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    put(file, 0, 10, 'a');
    put(file, 10, 10, 'b');
    put(file, 20, 10, 'c');
    static const char *const plans[] = {"kkk", "kkl", "kll", "lll", "lkk", "zkk", "klk",
                                        "kzk", "kkl", "kkz", "llk", "lkl", "kll"};
    struct exploration at;
    disk_explore_begin(&at, DISK_POSIX, disk_operations(disk));
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        assert_true(disk_explore_next(disk, &at, NULL));
        assert_int_equal(at.crash.piece_count, 3);
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal("klzns"[at.crash.fates[k]], plans[i][k]);
        }
    }
    assert_false(disk_explore_next(disk, &at, NULL));
    disk_free(disk);
}

static void test_random_plans(void **state) {
    (void)state;
    for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
        struct disk *disk = disk_new();
        disk_put_file(disk, "log", slice_of("01"));
        struct file *file = must_open(disk, "log", FILE_WRITE);
        put(file, 0, 2, 'a');
        put(file, 2, 3000, 'b');
        uint64_t random = 7;
        uint64_t same = 7;
        struct exploration at;
        struct exploration twin;
        disk_explore_begin(&at, (enum disk_profile)profile, disk_operations(disk));
        disk_explore_begin(&twin, (enum disk_profile)profile, disk_operations(disk));
        size_t seen[2][FATE_COUNT] = {{0}};
        size_t torn = 0;
        for (size_t i = 0; i < 1000; i++) {
            assert_true(disk_explore_next(disk, &at, &random));
            assert_true(disk_explore_next(disk, &twin, &same));
            assert_memory_equal(at.crash.fates, twin.crash.fates, CRASH_PIECES_MAX);
            assert_int_equal(at.crash.split_sectors, twin.crash.split_sectors);
            seen[0][at.crash.fates[0]]++;
            seen[1][at.crash.fates[1]]++;
            torn += at.crash.split_sectors > 0;
        }
        bool posix = profile == DISK_POSIX;
        assert_true(torn > 100);
        assert_true(seen[0][FATE_KEPT] > 100 && seen[1][FATE_LOST] > 20);
        assert_true(seen[1][FATE_ZERO] > 20);
        assert_int_equal(seen[0][FATE_ZERO] > 20, posix); /* in place */
        assert_int_equal(seen[1][FATE_NOISE] > 20, posix);
        assert_int_equal(seen[1][FATE_STALE] > 20, posix);
        assert_true(posix || seen[1][FATE_NOISE] + seen[1][FATE_STALE] == 0);
        disk_free(disk);
    }
}

/* ---- legality -------------------------------------------------------------------- */

enum { PATHS = 3, BYTES = 1600, STEPS = 14, EVENTS = STEPS + 4 };

static const char *const paths[PATHS] = {"0.log", "1.log", "CURRENT"};

enum what { WROTE, CUT, GREW, SYNCED, FAILED, MADE, REMOVED, RENAMED, SYNCED_NAMES };

/* What the program did. Files are numbered as they are made; at most one a step. */
struct event {
    enum what what;
    size_t file;
    size_t path, to;
    size_t first, behind; /* CUT: behind is the new size */
    unsigned char byte;   /* every byte written differs from step to step */
};

struct notes {
    struct event events[EVENTS];
    size_t count;
    size_t files;
    size_t live[PATHS]; /* the file at each path; SIZE_MAX: none */
    size_t sizes[EVENTS];
    struct file *handles[EVENTS];
    struct disk *disk;
};

static void note(struct notes *notes, struct event event) {
    notes->events[notes->count++] = event;
}

static void make(struct notes *notes, size_t path) {
    size_t file = notes->files++;
    notes->handles[file] = must_open(notes->disk, paths[path], FILE_CREATE);
    notes->live[path] = file;
    note(notes, (struct event){.what = MADE, .file = file, .path = path});
}

static void change_contents(struct notes *notes, size_t file) {
    struct file *handle = notes->handles[file];
    size_t *size = &notes->sizes[file];
    size_t first = draw(3) == 0 ? draw(BYTES / 2) : *size % (BYTES / 2);
    size_t behind = first + 1 + draw(draw(2) == 0 ? BYTES / 2 : 60);
    struct event event = {.file = file, .first = first, .behind = behind};
    size_t kind = draw(8);
    if (kind == 0 && first != *size) {
        event.what = CUT;
        event.behind = first;
        assert_int_equal(handle->ops->truncate(handle, first), 0);
        *size = first;
    } else if (kind == 1 && behind > *size) {
        event.what = GREW;
        assert_int_equal(handle->ops->allocate(handle, first, behind - first), 0);
        *size = behind;
    } else {
        event.what = WROTE;
        event.byte = (unsigned char)(notes->count + 1);
        put(handle, first, behind - first, event.byte);
        *size = behind > *size ? behind : *size;
    }
    note(notes, event);
}

static void sync_something(struct notes *notes, size_t file) {
    struct file *handle = notes->handles[file];
    size_t kind = draw(4);
    if (kind == 0) {
        assert_int_equal(ops_of(notes->disk)->sync_directory(notes->disk, "."), 0);
        note(notes, (struct event){.what = SYNCED_NAMES});
    } else if (kind == 1) {
        disk_set_fault(notes->disk, &(struct fault){1, FAULT_BEFORE, 5, false});
        assert_int_equal(handle->ops->sync(handle), 5);
        note(notes, (struct event){.what = FAILED, .file = file});
    } else {
        assert_int_equal(handle->ops->sync(handle), 0);
        note(notes, (struct event){.what = SYNCED, .file = file});
    }
}

static void step(struct notes *notes) {
    size_t path = draw(PATHS);
    size_t to = draw(PATHS);
    size_t file = notes->live[path];
    size_t kind = draw(10);
    if (file == SIZE_MAX) {
        make(notes, path);
    } else if (kind == 0) {
        assert_int_equal(ops_of(notes->disk)->remove(notes->disk, paths[path]), 0);
        notes->live[path] = SIZE_MAX;
        note(notes, (struct event){.what = REMOVED, .file = file, .path = path});
    } else if (kind == 1 && to != path) {
        assert_int_equal(ops_of(notes->disk)->rename(notes->disk, paths[path], paths[to]),
                         0);
        notes->live[path] = SIZE_MAX;
        notes->live[to] = file;
        note(notes,
             (struct event){.what = RENAMED, .file = file, .path = path, .to = to});
    } else if (kind < 4) {
        sync_something(notes, file);
    } else {
        change_contents(notes, file);
    }
}

static bool is_name(enum what what) {
    return what == MADE || what == REMOVED || what == RENAMED;
}

/* Whether event `i` has been made durable before `operation`. */
static bool durable(const struct notes *notes, enum disk_profile profile, size_t i,
                    size_t operation) {
    const struct event *event = &notes->events[i];
    for (size_t k = i + 1; k < operation; k++) {
        const struct event *later = &notes->events[k];
        bool sync = later->what == SYNCED || later->what == SYNCED_NAMES;
        if (event->what == WROTE && later->file == event->file) {
            if (later->what == FAILED) {
                return false;
            }
            if (later->what == SYNCED) {
                return true;
            }
        } else if (event->what != WROTE && sync) {
            bool own = is_name(event->what)
                           ? later->what == SYNCED_NAMES
                           : later->what == SYNCED && later->file == event->file;
            if (own || profile == DISK_EXT4) {
                return true;
            }
        }
    }
    return false;
}

static bool dropped(const struct notes *notes, size_t i, size_t operation) {
    for (size_t k = i + 1; k < operation && notes->events[i].what == WROTE; k++) {
        if (notes->events[k].file == notes->events[i].file &&
            (notes->events[k].what == FAILED || notes->events[k].what == SYNCED)) {
            return notes->events[k].what == FAILED;
        }
    }
    return false;
}

static void apply_name(const struct event *event, size_t *names) {
    names[event->path] = event->what == MADE ? event->file : SIZE_MAX;
    if (event->what == RENAMED) {
        for (size_t i = 0; i < PATHS; i++) {
            names[i] = names[i] == event->file ? SIZE_MAX : names[i];
        }
        names[event->to] = event->file;
    }
}

/* One byte of a file, which may hold `byte` after the crash if
 * - it was written there by the last durable write, or is a zero that durably nobody
 *   wrote over; or
 * - a pending write covers it: then in posix anything, in ext4 that write's byte, or, not
 *   durably written, a zero; or
 * - a pending change of size may have cut it off or added it. */
static bool byte_legal(const struct notes *notes, enum disk_profile profile, size_t file,
                       size_t at, size_t operation, unsigned char byte) {
    unsigned char settled = 0;
    bool inside = false; /* durably */
    bool legal = false;
    bool covered = false;
    for (size_t i = 0; i < operation; i++) {
        const struct event *event = &notes->events[i];
        bool mine = !is_name(event->what) && event->what <= GREW && event->file == file;
        if (!mine || dropped(notes, i, operation)) {
            continue;
        }
        bool within = at >= event->first && at < event->behind;
        bool sure = durable(notes, profile, i, operation);
        if (event->what == WROTE && within) {
            legal = legal || (!sure && (profile == DISK_POSIX || byte == event->byte));
            settled = sure ? event->byte : settled;
            inside = inside || sure;
            covered = covered || !sure;
        } else if (event->what == CUT && at >= event->behind) {
            settled = sure ? 0 : settled;
            inside = sure ? false : inside;
            legal = legal || (!sure && byte == 0);
        } else if (event->what == GREW) {
            legal = legal || (!sure && byte == 0 && !inside);
        }
    }
    return legal || byte == settled || (covered && byte == 0 && !inside);
}

/* The names after some prefix of the pending entries (ext4), or any subset (posix). */
static bool names_legal(const struct notes *notes, enum disk_profile profile,
                        size_t operation, const size_t *found) {
    size_t pending[EVENTS];
    size_t count = 0;
    for (size_t i = 0; i < operation; i++) {
        bool metadata = is_name(notes->events[i].what) || notes->events[i].what == CUT ||
                        notes->events[i].what == GREW;
        if (metadata && !durable(notes, profile, i, operation) &&
            (profile == DISK_EXT4 || is_name(notes->events[i].what))) {
            pending[count++] = i;
        }
    }
    size_t plans = profile == DISK_EXT4 ? count + 1 : (size_t)1 << count;
    for (size_t plan = 0; plan < plans; plan++) {
        size_t names[PATHS] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
        size_t next = 0;
        for (size_t i = 0; i < operation; i++) {
            bool kept = is_name(notes->events[i].what);
            if (next < count && pending[next] == i) {
                kept = kept && (profile == DISK_EXT4 ? next < plan : (plan >> next) & 1);
                next++;
            }
            if (kept) {
                apply_name(&notes->events[i], names);
            }
        }
        if (memcmp(names, found, sizeof names) == 0) {
            return true;
        }
    }
    return false;
}

/* Files are told apart by nothing but their bytes, so any file that fits is looked for.
 */
static bool image_legal(const struct notes *notes, const struct crash *crash,
                        struct disk *image) {
    size_t found[PATHS];
    size_t choices = 1;
    bool fits[PATHS][EVENTS + 1];
    for (size_t path = 0; path < PATHS; path++) {
        struct slice contents;
        bool there = disk_read_file(image, paths[path], &contents);
        for (size_t file = 0; file < notes->files; file++) {
            bool fit = there;
            for (size_t at = 0; fit && at < contents.length; at++) {
                fit = byte_legal(notes, crash->profile, file, at, crash->operation,
                                 contents.data[at]);
            }
            fits[path][file] = fit;
        }
        fits[path][notes->files] = !there;
        choices *= notes->files + 1;
    }
    for (size_t choice = 0; choice < choices; choice++) {
        size_t digits = choice;
        bool fit = true;
        for (size_t path = 0; path < PATHS; path++) {
            size_t file = digits % (notes->files + 1);
            digits /= notes->files + 1;
            fit = fit && fits[path][file];
            found[path] = file == notes->files ? SIZE_MAX : file;
        }
        if (fit && names_legal(notes, crash->profile, crash->operation, found)) {
            return true;
        }
    }
    return false;
}

/* Up to the first durable end no byte is missing, unless a size is pending. */
static bool sizes_legal(const struct notes *notes, const struct crash *crash,
                        struct disk *image) {
    size_t shortest = SIZE_MAX;
    size_t longest = 0;
    for (size_t file = 0; file < notes->files; file++) {
        size_t least = 0;
        size_t most = 0;
        for (size_t i = 0; i < crash->operation; i++) {
            const struct event *event = &notes->events[i];
            if (event->file != file || event->what > GREW) {
                continue;
            }
            bool sure = durable(notes, crash->profile, i, crash->operation);
            if (event->what == CUT) {
                least = sure || event->behind < least ? event->behind : least;
                most = sure || event->behind > most ? event->behind : most;
            } else if (!dropped(notes, i, crash->operation)) {
                least = sure && event->behind > least ? event->behind : least;
                most = event->behind > most ? event->behind : most;
            }
        }
        shortest = least < shortest ? least : shortest;
        longest = most > longest ? most : longest;
    }
    bool legal = true;
    for (size_t path = 0; path < PATHS; path++) {
        struct slice contents;
        if (disk_read_file(image, paths[path], &contents)) {
            legal = legal && contents.length >= shortest && contents.length <= longest;
        }
    }
    return legal;
}

static void check_plan(struct notes *notes, const struct crash *crash) {
    struct disk *image = disk_crash(notes->disk, crash);
    if (!image_legal(notes, crash, image) || !sizes_legal(notes, crash, image)) {
        for (size_t i = 0; i < crash->operation; i++) {
            disk_print_operation(notes->disk, i, stderr);
            fputc('\n', stderr);
        }
        disk_print_crash(notes->disk, crash, stderr);
        disk_print(image, stderr);
        fail_msg("an illegal state");
    }
    disk_free(image);
}

/* Everything kept is the cache, but for what failed syncs threw away; the process's death
 * changes nothing. */
static void check_extremes(struct notes *notes) {
    bool failed = false;
    for (size_t i = 0; i < notes->count; i++) {
        failed = failed || notes->events[i].what == FAILED;
    }
    struct crash crash = {.operation = notes->count};
    struct disk *image = disk_crash(notes->disk, &crash);
    if (!failed) {
        assert_int_equal(disk_fingerprint(image), disk_fingerprint(notes->disk));
    }
    disk_free(image);
    uint64_t before = disk_fingerprint(notes->disk);
    disk_kill(notes->disk);
    assert_int_equal(disk_fingerprint(notes->disk), before);
}

static void test_every_state_is_legal(void **state) {
    (void)state;
    size_t states = 0;
    print_message("seeds 1 to 60\n");
    for (uint64_t run = 1; run <= 60; run++) {
        seed = run * UINT64_C(0x9e3779b97f4a7c15);
        struct notes notes = {.disk = disk_new(), .live = {SIZE_MAX, SIZE_MAX, SIZE_MAX}};
        for (size_t i = 0; i < STEPS; i++) {
            step(&notes);
        }
        assert_int_equal(disk_operations(notes.disk), notes.count);
        for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
            for (size_t operation = 0; operation <= notes.count; operation += 2) {
                struct exploration at;
                uint64_t random = run;
                disk_explore_begin(&at, (enum disk_profile)profile, operation);
                for (size_t i = 0; i < 60 && disk_explore_next(notes.disk, &at, &random);
                     i++, states++) {
                    check_plan(&notes, &at.crash);
                }
            }
        }
        check_extremes(&notes);
        disk_free(notes.disk);
    }
    print_message("%zu states\n", states);
    assert_true(states > 10000);
}

/* With everything pending lost, what is left is what was synced last. */
static void test_all_lost_is_the_last_sync(void **state) {
    (void)state;
    for (uint64_t run = 1; run <= 100; run++) {
        seed = run * UINT64_C(0x9e3779b97f4a7c15);
        unsigned char cache[BYTES] = {0};
        unsigned char synced[BYTES] = {0};
        size_t size = 0;
        size_t synced_size = 0;
        struct disk *disk = disk_new();
        disk_put_file(disk, "log", slice_of(""));
        struct file *file = must_open(disk, "log", FILE_WRITE);
        for (size_t i = 1; i <= 40; i++) {
            size_t first = draw(BYTES - 100);
            size_t count = 1 + draw(100);
            if (draw(4) == 0) {
                assert_int_equal(file->ops->sync(file), 0);
                memcpy(synced, cache, BYTES);
                synced_size = size;
            } else if (draw(5) == 0) {
                assert_int_equal(file->ops->truncate(file, first), 0);
                memset(cache + first, 0, BYTES - first);
                size = first;
            } else {
                put(file, first, count, (int)i);
                memset(cache + first, (int)i, count);
                size = first + count > size ? first + count : size;
            }
            struct crash crash = {.operation = disk_operations(disk)};
            memset(crash.fates, FATE_LOST, sizeof crash.fates);
            struct disk *image = disk_crash(disk, &crash);
            struct slice contents;
            assert_true(disk_read_file(image, "log", &contents));
            assert_true(slice_equal(contents, slice_make(synced, synced_size)));
            disk_free(image);
        }
        disk_free(disk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_random_plans),
        cmocka_unit_test(test_every_state_is_legal),
        cmocka_unit_test(test_all_lost_is_the_last_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
