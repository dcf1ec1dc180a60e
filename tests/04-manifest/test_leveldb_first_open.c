/* The first open by Strata of a directory that LevelDB left, without closing it, under
 * loss of power: what LevelDB had synced is there after a crash at any operation of that
 * open, and what the open has returned stays. LevelDB's manifest counts changes that
 * stand in its logs only, so the chain of logs begins before what it says.
 *
 * LevelDB writes in a process of its own, this program again, which ends without a close.
 * Its files are then put on the simulated disk. Files that it had removed, but not
 * durably, may be there again. */
#include "../01-wal/simulation.h"
#include "both.h"

#include <sys/wait.h>

#include "current.h"
#include "log_reader.h"
#include "manifest.h"
#include "replay.h"

/* LevelDB begins a manifest with two records, and syncs them before CURRENT names it. */
enum { UNSYNCED = 3, RANDOM_STATES = 1, STATES_MAX = 3, MANIFEST_BEGINNING = 2 };

/* What LevelDB's process tells: the contents when all was synced, and after each change
 * that was not; with where its log ended then. */
struct left {
    struct both models[UNSYNCED + 1];
    uint64_t log_number[UNSYNCED + 1];
    uint64_t log_bytes[UNSYNCED + 1];
};

struct fixture {
    char path[BOTH_PATH_BYTES]; /* LevelDB's directory */
    char gone[BOTH_PATH_BYTES]; /* every log, table and manifest that it ever had */
    char told[BOTH_PATH_BYTES]; /* a file with a struct left */
    struct left left;
    bool again;         /* removed files are there again */
    bool unsynced;      /* the last changes, in the log, are not durable … */
    bool edit_unsynced; /* … nor is the last edit of the manifest */
};

/* ---- LevelDB's process ----------------------------------------------------------- */

struct walking {
    const char *from, *to;
    uint64_t log_number, log_bytes; /* the last log */
};

static void keep_file(void *context, const char *name) {
    struct walking *walking = context;
    struct name parsed = name_parse(name);
    char from[200], to[200];
    struct stat status;
    snprintf(from, sizeof from, "%s/%s", walking->from, name);
    snprintf(to, sizeof to, "%s/%s", walking->to, name);
    if (parsed.kind == NAME_LOG || parsed.kind == NAME_MANIFEST ||
        parsed.kind == NAME_TABLE) {
        int linked = link(from, to); /* perhaps it is there, or the file has gone */
        (void)linked;
    }
    if (parsed.kind == NAME_LOG && parsed.number >= walking->log_number &&
        stat(from, &status) == 0) {
        walking->log_number = parsed.number;
        walking->log_bytes = (uint64_t)status.st_size;
    }
}

static void keep_files(struct walking *walking) {
    assert_ok(
        directory_list(&file_system_posix, walking->from, keep_file, walking, NULL));
}

static int leave(char *const *arguments) {
    struct walking walking = {.from = arguments[1], .to = arguments[2]};
    struct left left = {0};
    struct leveldb_opened opened;
    struct both both = {.seed = strtoull(arguments[4], NULL, 10)};
    const struct leveldb_kind kind = {65536, 1024, 8, (int)(both.seed % 2) * 10, 1};
    uint64_t openings = both.seed % 3;
    leveldb_begin(&opened, walking.from, &kind, true);
    keep_files(&walking);
    for (uint64_t i = strtoull(arguments[5], NULL, 10); i > 0; i--) {
        leveldb_write_some(&opened, &both, 1 + random_below(&both.seed, 60));
        keep_files(&walking);
        if (openings > 0 && random_below(&both.seed, 6) == 0) {
            openings--;
            leveldb_end(&opened);
            leveldb_begin(&opened, walking.from, &kind, false);
        }
    }
    for (size_t i = 0; i <= UNSYNCED; i++) {
        walking.log_number = 0;
        keep_files(&walking);
        left.models[i] = both;
        left.log_number[i] = walking.log_number;
        left.log_bytes[i] = walking.log_bytes;
        if (i < UNSYNCED) {
            leveldb_write_some(&opened, &both, 1);
        }
    }
    FILE *file = fopen(arguments[3], "wb");
    bool told = file != NULL && fwrite(&left, sizeof left, 1, file) == 1;
    _exit(told && fclose(file) == 0 ? 0 : 1);
}

/* ---- the directory as LevelDB left it -------------------------------------------- */

static void begin_once(struct fixture *f, uint64_t seed, unsigned chunks) {
    char seed_text[32], chunks_text[32];
    *f = (struct fixture){0};
    both_directory(f->path);
    both_directory(f->gone);
    strcpy(f->told, "/tmp/strata-test-XXXXXX");
    int descriptor = mkstemp(f->told);
    assert_true(descriptor >= 0);
    close(descriptor);
    snprintf(seed_text, sizeof seed_text, "%" PRIu64, seed);
    snprintf(chunks_text, sizeof chunks_text, "%u", chunks);
    fflush(stdout);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        execl("/proc/self/exe", "leave", f->path, f->gone, f->told, seed_text,
              chunks_text, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_int_equal(status, 0);
    FILE *file = fopen(f->told, "rb");
    assert_non_null(file);
    assert_int_equal(fread(&f->left, sizeof f->left, 1, file), 1);
    fclose(file);
}

static void end(struct fixture *f) {
    both_remove(f->path);
    both_remove(f->gone);
    assert_int_equal(unlink(f->told), 0);
}

/* Until what is not synced is in one log. */
static void begin(struct fixture *f, uint64_t *seed, unsigned chunks) {
    begin_once(f, random_next(seed), chunks);
    while (f->left.log_number[0] != f->left.log_number[UNSYNCED]) {
        end(f);
        begin_once(f, random_next(seed), chunks);
    }
}

struct putting {
    struct simulation *sim;
    const char *from;
    uint64_t unsynced_log; /* of this log, what was not synced is left out; 0: none */
    uint64_t synced_bytes;
};

static void put_file(void *context, const char *name) {
    struct putting *putting = context;
    struct buf contents = {0};
    struct name parsed = name_parse(name);
    char path[200];
    snprintf(path, sizeof path, "%s/%s", putting->from, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (int byte = getc(file); byte != EOF; byte = getc(file)) {
        unsigned char one = (unsigned char)byte;
        assert_ok(buf_append(&contents, &one, 1));
    }
    fclose(file);
    struct slice bytes = buf_slice(&contents);
    if (parsed.kind == NAME_LOG && parsed.number == putting->unsynced_log) {
        bytes.length = putting->synced_bytes;
    }
    snprintf(path, sizeof path, "db/%s", name);
    disk_put_file(putting->sim->disk, path, bytes);
    buf_free(&contents);
}

/* What LevelDB has handed to the system and not synced. */
static void write_unsynced(struct simulation *sim, const struct fixture *f) {
    const struct left *left = &f->left;
    char path[200];
    unsigned char bytes[BOTH_VALUE_BYTES];
    struct file *file = NULL;
    snprintf(path, sizeof path, "%s/%06" PRIu64 ".log", f->path, left->log_number[0]);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_ok(directory_file("db", &sim->world, NAME_LOG, left->log_number[0], FILE_WRITE,
                             &file, NULL));
    for (size_t i = 0; i < UNSYNCED; i++) {
        uint64_t from = left->log_bytes[i];
        size_t count = (size_t)(left->log_bytes[i + 1] - from);
        assert_true(count <= sizeof bytes);
        assert_int_equal(fseek(in, (long)from, SEEK_SET), 0);
        assert_int_equal(fread(bytes, 1, count, in), count);
        assert_ok(file_write(file, from, bytes, count, NULL));
    }
    fclose(in);
    assert_ok(file_close(file, NULL));
}

/* The path of the manifest, how many records it has, and where the last one begins. */
static size_t manifest_records(struct simulation *sim, char path[NAME_BYTES + 4],
                               uint64_t *last) {
    struct current current;
    struct file *file = NULL;
    struct log_reader reader;
    struct log_item item;
    char name[NAME_BYTES];
    size_t count = 0;
    assert_ok(current_read("db", &sim->world, &current, NULL));
    assert_int_equal(current.kind, CURRENT_MANIFEST);
    name_print(name, NAME_MANIFEST, current.number);
    snprintf(path, NAME_BYTES + 4, "db/%s", name);
    assert_ok(file_open(sim->world.files, path, FILE_READ, &file, NULL));
    assert_ok(log_reader_init(&reader, file, UINT64_MAX, NULL));
    assert_ok(log_reader_next(&reader, &item, NULL));
    while (item.kind == LOG_RECORD) {
        *last = item.offset;
        count++;
        assert_ok(log_reader_next(&reader, &item, NULL));
    }
    log_reader_free(&reader);
    assert_ok(file_close(file, NULL));
    return count;
}

/* The last edit of the manifest is what the system has and the disk has not. */
static void unsync_edit(struct simulation *sim) {
    struct file *file = NULL;
    struct buf contents = {0};
    char path[NAME_BYTES + 4];
    uint64_t last = 0;
    assert_true(manifest_records(sim, path, &last) > MANIFEST_BEGINNING);
    assert_ok(buf_assign(&contents, file_bytes(sim, path)));
    assert_ok(file_open(sim->world.files, path, FILE_WRITE, &file, NULL));
    disk_put_file(sim->disk, path, slice_make(contents.data, last));
    assert_ok(file_write(file, last, contents.data + last, contents.length - last, NULL));
    assert_ok(file_close(file, NULL));
    buf_free(&contents);
}

static void place_directory(struct simulation *sim, const struct fixture *f) {
    struct putting putting = {.sim = sim, .from = f->gone};
    if (f->again) {
        assert_ok(directory_list(&file_system_posix, f->gone, put_file, &putting, NULL));
    }
    putting.from = f->path;
    putting.unsynced_log = f->left.log_number[0];
    putting.synced_bytes = f->left.log_bytes[0];
    assert_ok(directory_list(&file_system_posix, f->path, put_file, &putting, NULL));
    if (f->unsynced) {
        write_unsynced(sim, f);
    }
    if (f->edit_unsynced) {
        unsync_edit(sim);
    }
}

/* Whether the manifest may lack its last edit after a loss of power. */
static bool edited(struct simulation *sim) {
    char path[NAME_BYTES + 4];
    uint64_t last = 0;
    return manifest_records(sim, path, &last) > MANIFEST_BEGINNING;
}

/* Whether the changes in the logs begin before what the manifest counts. */
static bool counts_logs(struct simulation *sim) {
    struct current current;
    struct manifest_state state = {0};
    struct manifest_tail tail;
    struct listing listing = {0};
    struct replay replay = {0};
    struct replay_options options = replay_everything;
    assert_ok(current_read("db", &sim->world, &current, NULL));
    assert_int_equal(current.kind, CURRENT_MANIFEST);
    assert_ok(manifest_load("db", &sim->world, current.number, &state, &tail, NULL));
    assert_ok(listing_read(&listing, "db", &sim->world, NULL));
    options.first_log = state.log_number;
    options.behind = state.last_sequence;
    options.begins_before = true;
    assert_ok(
        replay_run(&replay, "db", &sim->world, &listing, &options, NULL, NULL, NULL));
    bool counts = replay.base < state.last_sequence;
    replay_free(&replay);
    listing_free(&listing);
    manifest_state_free(&state);
    return counts;
}

/* ---- states ---------------------------------------------------------------------- */

static bool holds(struct kv *kv, const struct both *both) {
    for (size_t i = 0; i < BOTH_KEYS; i++) {
        char text[BOTH_KEY_BYTES];
        struct buf value = {0};
        enum status status = kv_get(kv, both_key(text, i), &value, NULL, NULL);
        bool equal = status == STATUS_OK
                         ? both->keys[i].present &&
                               slice_equal(buf_slice(&value), both_value(&both->keys[i]))
                         : status == STATUS_NOT_FOUND && !both->keys[i].present;
        buf_free(&value);
        if (!equal) {
            return false;
        }
    }
    return true;
}

struct looking {
    struct simulation sim; /* of the first open */
    const struct left *left;
    uint64_t seed;
    size_t states, nested;
    size_t opened_at; /* operation at which the open had returned */
};

/* The machine after the crash; to be ended by disk_free. */
static void restart(struct simulation *after, const struct simulation *before,
                    const struct crash *crash) {
    *after = *before;
    after->options.world = &after->world;
    simulation_use(after, disk_crash(before->disk, crash));
}

static struct kv *open_after(struct simulation *after, const struct simulation *before,
                             const struct crash *crash) {
    struct error error = {0};
    struct kv *kv = NULL;
    if (kv_open("db", &after->options, &kv, &error) != STATUS_OK) {
        disk_print_crash(before->disk, crash, stdout);
        fail_msg("%s", error.message);
    }
    return kv;
}

static struct crash draw_crash(struct disk *disk, enum disk_profile profile,
                               size_t operation, uint64_t *seed) {
    struct crash crash = {.profile = profile, .operation = operation};
    crash.piece_count = disk_pending(disk, profile, operation);
    for (size_t i = 0; i < CRASH_PIECES_MAX; i++) {
        crash.fates[i] = (unsigned char)random_below(seed, 2);
        if (random_below(seed, 4) == 0) {
            crash.fates[i] = (unsigned char)random_below(seed, FATE_COUNT);
        }
    }
    return crash;
}

/* Which of the contents from `least` on the store has, checked in full; the crash is told
 * of if it is none. */
static size_t expect_one(struct kv *kv, const struct looking *looking, size_t least,
                         const struct simulation *before, const struct crash *crash) {
    const struct both *models = looking->left->models;
    size_t index = least;
    while (index <= UNSYNCED && !holds(kv, &models[index])) {
        index++;
    }
    if (index > UNSYNCED) {
        disk_print_crash(before->disk, crash, stdout);
        index = UNSYNCED;
    }
    strata_expect(kv, &models[index]);
    return index;
}

/* Opens, and again after a crash within that. */
static void look(struct looking *looking, const struct crash *crash, size_t least) {
    struct simulation after;
    restart(&after, &looking->sim, crash);
    struct kv *kv = open_after(&after, &looking->sim, crash);
    size_t found = expect_one(kv, looking, least, &looking->sim, crash);
    assert_ok(kv_close(kv, NULL));
    if (random_below(&looking->seed, 5) == 0) {
        struct simulation again;
        size_t operation =
            (size_t)random_below(&looking->seed, disk_operations(after.disk) + 1);
        struct crash inner =
            draw_crash(after.disk, crash->profile, operation, &looking->seed);
        restart(&again, &after, &inner);
        kv = open_after(&again, &after, &inner);
        expect_one(kv, looking, found, &after, &inner);
        assert_ok(kv_close(kv, NULL));
        disk_free(again.disk);
        looking->nested++;
    }
    disk_free(after.disk);
    looking->states++;
}

static void explore(struct looking *looking, enum disk_profile profile, size_t operation,
                    size_t least) {
    struct exploration exploration;
    disk_explore_begin(&exploration, profile, operation);
    for (int i = 0;
         i < STATES_MAX && disk_explore_next(looking->sim.disk, &exploration, NULL);
         i++) {
        look(looking, &exploration.crash, least);
    }
    for (int i = 0; i < RANDOM_STATES; i++) {
        struct crash crash =
            draw_crash(looking->sim.disk, profile, operation, &looking->seed);
        look(looking, &crash, least);
    }
}

/* Opens, looks, and closes on the whole directory; then the same under every crash. */
static void first_open(struct looking *looking, const struct fixture *f,
                       uint64_t write_buffer_bytes) {
    simulation_begin(&looking->sim);
    looking->sim.options.write_buffer_bytes = write_buffer_bytes;
    looking->left = &f->left;
    place_directory(&looking->sim, f);
    size_t all = f->unsynced ? UNSYNCED : 0;
    size_t begun = disk_operations(looking->sim.disk);
    struct kv *kv = open_store(&looking->sim);
    looking->opened_at = disk_operations(looking->sim.disk);
    strata_expect(kv, &f->left.models[all]);
    assert_ok(kv_close(kv, NULL));
    size_t operations = disk_operations(looking->sim.disk);
    for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
        for (size_t i = begun; i <= operations; i++) {
            explore(looking, (enum disk_profile)profile, i,
                    i >= looking->opened_at ? all : 0);
        }
    }
    simulation_end(&looking->sim);
}

/* Until the manifest has an edit to lose, should one be lost: whether LevelDB wrote one
 * since its last open hangs on the time of its threads. */
static void begin_run(struct fixture *f, uint64_t *seed, bool again, bool lose_edit,
                      size_t *counted) {
    bool fits;
    do {
        struct simulation sim;
        begin(f, seed, 10);
        f->again = again;
        simulation_begin(&sim);
        place_directory(&sim, f);
        fits = !lose_edit || edited(&sim);
        *counted += fits && counts_logs(&sim);
        simulation_end(&sim);
        if (!fits) {
            end(f);
        }
    } while (!fits);
    f->edit_unsynced = lose_edit;
}

static void crashes_in_the_first_open(void **state) {
    (void)state;
    struct looking looking = {.seed = test_seed()};
    size_t counted = 0;
    for (int run = 0; run < 5; run++) {
        struct fixture f;
        begin_run(&f, &looking.seed, run % 2 == 1, run == 3, &counted);
        f.unsynced = run == 2 || run == 3;
        first_open(&looking, &f, run >= 3 ? 20000 : 4 << 20);
        end(&f);
    }
    printf("states=%zu nested=%zu counted=%zu\n", looking.states, looking.nested,
           counted);
    assert_true(counted > 0);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return leave(argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashes_in_the_first_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
