/* The event log: what its lines say, and where they go. */
#define TEST_HAS_STAGE
#include "../common/directory.h"

#include "counted_memory.h"
#include "event_log.h"
#include "internal_key.h"
#include "table_file.h"
#include "tree.h"

/* ---- a world whose clocks stand, and whose files can be refused ------------------ */

static uint64_t stands_at(void *state) {
    (void)state;
    return 1790000000000000;
}

static const struct clock_ops standing = {stands_at, stands_at};
static const struct clock standing_clock = {&standing, NULL};

static int refuse(void *state, const char *path, enum file_mode mode,
                  struct file **file) {
    (void)state;
    (void)path;
    (void)mode;
    (void)file;
    return 13; /* EACCES */
}

struct place {
    struct file_system_ops ops;
    struct file_system files;
    struct world world;
    struct directory directory;
    struct kv_options options;
    struct version *version;
    char file[80], old[80];
};

static void place_begin(struct place *place, void **state) {
    memset(place, 0, sizeof *place);
    place->ops = *file_system_posix.ops;
    place->files = (struct file_system){&place->ops, file_system_posix.state};
    place->world = world_system;
    place->world.files = &place->files;
    place->world.clock = &standing_clock;
    place->directory.path = *state;
    place->directory.world = &place->world;
    place->options = kv_options_default();
    place->options.write_buffer_bytes = 4000000;
    assert_ok(version_empty(&place->version, NULL));
    snprintf(place->file, sizeof place->file, "%s/LOG", (char *)*state);
    snprintf(place->old, sizeof place->old, "%s/LOG.old", (char *)*state);
    (void)unlink(place->file);
    (void)unlink(place->old);
}

static struct event_log *open_log(struct place *place) {
    struct event_log *log = NULL;
    assert_ok(
        event_log_open(&place->directory, &place->options, place->version, &log, NULL));
    return log;
}

static const char *text_of(const char *path, struct buf *text) {
    static char bytes[1 << 20];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    assert_true(length < sizeof bytes);
    fclose(file);
    buf_clear(text);
    assert_ok(buf_append(text, bytes, length));
    assert_ok(buf_append(text, "", 1));
    return (const char *)text->data;
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* ---- edits ----------------------------------------------------------------------- */

static struct table_file *table(uint64_t number, uint64_t bytes, struct slice smallest,
                                struct slice largest) {
    struct table_meta meta = {.number = number, .bytes = bytes};
    meta.entries = number % 3 == 0 ? 0 : 100 * number;
    assert_ok(internal_key_build(&meta.smallest, smallest, tag_make(9, KV_PUT)));
    assert_ok(internal_key_build(&meta.largest, largest, tag_make(5, KV_PUT)));
    struct table_file *file = table_file_open(&meta);
    assert_non_null(file);
    table_meta_free(&meta);
    return file;
}

static void edit_table(struct edit *edit, unsigned level, struct table_file *file) {
    assert_ok(edit_add(edit, level, file));
    table_file_unref(file);
}

/* The edit comes into force, and is told. */
static void install(struct place *place, struct event_log *log, uint64_t work,
                    struct edit *edit, const struct compact_counts *counts) {
    static const struct error none = {0};
    struct version *after = NULL;
    assert_ok(version_apply(place->version, edit, &after, NULL));
    event_log_ends(log, work, edit, after, counts, 1500000, &none);
    version_unref(place->version);
    place->version = after;
    edit_free(edit);
    *edit = (struct edit){0};
}

static void place_end(struct place *place) {
    version_unref(place->version);
    place->version = NULL;
}

/* ---- tests ----------------------------------------------------------------------- */

#define AT ",\"time\":1790000000000000,\"at\":0"

static const char golden[] =
    "{\"event\":\"tree\"" AT ",\"write_buffer_bytes\":4000000,\"level0_tables\":4,"
    "\"frozen\":0,\"levels\":[[],[],[],[],[],[],[]]}\n"
    "{\"event\":\"frozen\"" AT ",\"entries\":3,\"bytes\":500,\"frozen\":1}\n"
    "{\"event\":\"flush_begins\"" AT ",\"work\":1}\n"
    "{\"event\":\"flush\"" AT ",\"work\":1,\"micros\":1500000,\"removed\":[],\"added\":"
    "[{\"level\":0,\"table\":5,\"bytes\":900,\"entries\":500,\"smallest\":\"apple\","
    "\"largest\":\"p\\\\xc3\\\\xa4\\\\x22r\\\\x5c\"}]}\n"
    "{\"event\":\"compaction_begins\"" AT ",\"work\":2,\"level\":0,\"output_level\":1,"
    "\"upper\":[5],\"lower\":[],\"bytes\":900}\n"
    "{\"event\":\"compaction\"" AT ",\"work\":2,\"level\":0,\"output_level\":1,"
    "\"micros\":1500000,\"read_bytes\":900,\"written_bytes\":800,\"entries_in\":500,"
    "\"entries_out\":400,\"tombstones_dropped\":7,\"tables_moved\":0,"
    "\"removed\":[{\"level\":0,\"table\":5}],\"added\":[{\"level\":1,\"table\":6,"
    "\"bytes\":800,\"smallest\":\"apple\",\"largest\":\"apple\"}]}\n"
    "{\"event\":\"compaction_begins\"" AT ",\"work\":3,\"level\":1,\"output_level\":2,"
    "\"upper\":[6],\"lower\":[],\"bytes\":800}\n"
    "{\"event\":\"compaction\"" AT ",\"work\":3,\"level\":1,\"output_level\":2,"
    "\"micros\":20,\"error\":\"data/000007.dbtmp: no space left\"}\n"
    "{\"event\":\"stall\"" AT ",\"why\":\"level 0 has 12 tables\",\"micros\":250000}\n"
    "{\"event\":\"compaction_begins\"" AT ",\"work\":4,\"level\":1,\"output_level\":2,"
    "\"upper\":[6],\"lower\":[],\"bytes\":800}\n"
    "{\"event\":\"compaction\"" AT ",\"work\":4,\"level\":1,\"output_level\":2,"
    "\"micros\":30,\"error\":\"a compaction was told to stop\",\"stopped\":true}\n"
    "{\"event\":\"close\"" AT "}\n";

static void write_golden(struct place *place, struct event_log *log) {
    struct edit edit = {0};
    struct error error = {0};
    event_log_frozen(log, 3, 500, 1);
    uint64_t work = event_log_flush_begins(log);
    edit_table(&edit, 0, table(5, 900, slice_of("apple"), slice_of("p\xc3\xa4\"r\\")));
    install(place, log, work, &edit, NULL);
    struct compaction compaction = {.level = 0,
                                    .output_level = 1,
                                    .upper = place->version->runs[0].files,
                                    .upper_count = 1};
    work = event_log_compaction_begins(log, &compaction);
    assert_ok(edit_remove(&edit, 0, 5));
    edit_table(&edit, 1, table(6, 800, slice_of("apple"), slice_of("apple")));
    install(place, log, work, &edit,
            &(const struct compact_counts){.read_bytes = 900,
                                           .written_bytes = 800,
                                           .entries_in = 500,
                                           .entries_out = 400,
                                           .tombstones_dropped = 7,
                                           .micros = 1500000});
    compaction = (struct compaction){.level = 1,
                                     .output_level = 2,
                                     .upper = place->version->runs[0].files,
                                     .upper_count = 1};
    work = event_log_compaction_begins(log, &compaction);
    error_set(&error, STATUS_NO_SPACE, "data/000007.dbtmp: no space left");
    event_log_ends(log, work, NULL, NULL, &(const struct compact_counts){0}, 20, &error);
    event_log_stalled(log, "level 0 has 12 tables", 250000);
    work = event_log_compaction_begins(log, &compaction);
    error_set(&error, STATUS_STALLED, "a compaction was told to stop");
    event_log_ends(log, work, NULL, NULL, &(const struct compact_counts){0}, 30, &error);
}

/* And the notes show these very lines. */
static void lines_are_as_described(void **state) {
    struct place place;
    struct buf text = {0};
    place_begin(&place, state);
    struct event_log *log = open_log(&place);
    write_golden(&place, log);
    assert_int_equal(event_log_lost(log), 0);
    event_log_close(log);
    assert_string_equal(text_of(place.file, &text), golden);
    assert_non_null(strstr(text_of("notes/formats.md", &text), golden));
    buf_free(&text);
    place_end(&place);
}

static void a_look_leaves_no_trace(void **state) {
    struct place place;
    struct buf text = {0};
    place_begin(&place, state);
    event_log_close(open_log(&place));
    assert_int_equal(access(place.file, F_OK), -1);
    place.options.event_log_bytes = 0;
    struct event_log *log = open_log(&place);
    write_golden(&place, log);
    assert_int_equal(event_log_lost(log), 0);
    event_log_close(log);
    assert_int_equal(access(place.file, F_OK), -1);
    event_log_close(NULL);
    buf_free(&text);
    place_end(&place);
}

/* Behind LevelDB's words, and behind a line of a process that died in it. */
static void it_goes_on_behind_what_is_there(void **state) {
    struct place place;
    struct buf text = {0};
    place_begin(&place, state);
    write_text(place.file, "2026/01/01 words\n{\"event\":\"flu");
    struct event_log *log = open_log(&place);
    event_log_stalled(log, "", 1);
    event_log_close(log);
    const char *written = text_of(place.file, &text);
    static const char begins[] =
        "2026/01/01 words\n{\"event\":\"flu\n{\"event\":\"tree\",";
    assert_memory_equal(written, begins, sizeof begins - 1);
    assert_non_null(strstr(written, "\n{\"event\":\"stall\""));
    buf_free(&text);
    place_end(&place);
}

static size_t count(const char *text, const char *part) {
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        found++;
    }
    return found;
}

/* Work that is under way is told again at the top of the new file. */
static void a_long_file_becomes_old(void **state) {
    struct place place;
    struct buf text = {0};
    struct edit edit = {0};
    place_begin(&place, state);
    place.options.event_log_bytes = 600;
    struct event_log *log = open_log(&place);
    uint64_t other = event_log_flush_begins(log);
    event_log_frozen(log, 1, 2, 5);
    for (int i = 0; i < 100 && access(place.old, F_OK) != 0; i++) {
        uint64_t work = event_log_flush_begins(log);
        struct slice key = slice_of("k");
        edit_table(&edit, 0, table(work + 10, 1, key, key));
        install(&place, log, work, &edit, NULL);
    }
    assert_int_equal(access(place.old, F_OK), 0);
    const char *written = text_of(place.file, &text);
    assert_memory_equal(written, "{\"event\":\"tree\",", 16);
    assert_int_equal(count(written, "\n"), 2);
    assert_int_equal(count(written, "\"table\":"), place.version->run_count);
    assert_int_equal(count(written, "{\"event\":\"flush_begins\""), 1);
    assert_int_equal(count(written, "\"work\":1}"), other);
    assert_int_equal(count(text_of(place.old, &text), "{\"event\":\"tree\""), 1);
    event_log_close(log);

    /* One that is found too long is set aside at once. */
    while (text.length < 2000) {
        assert_ok(buf_append(&text, "\nxx", 4));
        text.length--;
    }
    write_text(place.file, (const char *)text.data);
    log = open_log(&place);
    event_log_stalled(log, "", 1);
    event_log_close(log);
    assert_memory_equal(text_of(place.file, &text), "{\"event\":\"tree\",", 16);
    assert_int_equal(event_log_lost(log = open_log(&place)), 0);
    event_log_close(log);
    buf_free(&text);
    place_end(&place);
}

/* Lines without end that no edit follows: as in a flush that fails for ever. */
static void it_does_not_grow_for_ever(void **state) {
    struct place place;
    struct buf text = {0};
    place_begin(&place, state);
    place.options.event_log_bytes = 1000;
    struct event_log *log = open_log(&place);
    for (int i = 0; i < 200; i++) {
        event_log_stalled(log, "no room", 1);
    }
    assert_true(event_log_lost(log) > 100);
    event_log_close(log);
    assert_true(strlen(text_of(place.file, &text)) < 2500);
    buf_free(&text);
    place_end(&place);
}

/* ---- what is told is what is ----------------------------------------------------- */

static void replay(const char *path, struct tree *tree) {
    struct buf text = {0}, words = {0};
    const char *at = text_of(path, &text);
    for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        enum tree_step step;
        assert_ok(tree_apply(tree, slice_make(at, (size_t)(end - at)), &words, &step));
    }
    assert_int_equal(*at, 0);
    buf_free(&text);
    buf_free(&words);
}

static void expect_same(const struct tree *told, const struct version *version) {
    struct tree is = {0};
    assert_ok(tree_from_version(&is, version));
    for (size_t i = 0; i < LEVELS; i++) {
        assert_int_equal(told->levels[i].count, is.levels[i].count);
        for (size_t j = 0; j < is.levels[i].count; j++) {
            const struct tree_table *a = &told->levels[i].tables[j];
            const struct tree_table *b = &is.levels[i].tables[j];
            assert_int_equal(a->number, b->number);
            assert_int_equal(a->bytes, b->bytes);
            assert_true(slice_equal(buf_slice(&a->smallest), buf_slice(&b->smallest)));
            assert_true(slice_equal(buf_slice(&a->largest), buf_slice(&b->largest)));
        }
    }
    tree_free(&is);
}

/* Some tables go, of any level, and some come to one. Keys are of any bytes. */
static void draw_edit(const struct place *place, uint64_t *seed, uint64_t *number,
                      struct edit *edit) {
    for (size_t i = 0; i < place->version->run_count; i++) {
        const struct sorted_run *run = &place->version->runs[i];
        for (size_t j = 0; j < run->count; j++) {
            if (random_below(seed, 20) == 0) {
                assert_ok(edit_remove(edit, run->level, run->files[j]->meta.number));
            }
        }
    }
    unsigned level = (unsigned)random_below(seed, LEVELS);
    size_t tables = 1 + random_below(seed, 2);
    for (size_t i = 0; i < tables; i++) {
        unsigned char smallest[2] = {(unsigned char)random_next(seed), 7};
        unsigned char largest[3] = {smallest[0], 8, (unsigned char)random_next(seed)};
        edit_table(edit, level,
                   table(++*number, random_below(seed, 1000000), slice_make(smallest, 2),
                         slice_make(largest, 3)));
    }
}

static bool fits(const struct place *place, const struct edit *edit) {
    struct version *after = NULL;
    bool legal = version_apply(place->version, edit, &after, NULL) == STATUS_OK;
    version_unref(after);
    return legal;
}

static void replayed_it_is_the_version(void **state) {
    struct place place;
    uint64_t seed = test_seed();
    uint64_t number = 10;
    size_t compared = 0;
    place_begin(&place, state);
    place.options.event_log_bytes = 20000;
    struct event_log *log = open_log(&place);
    for (int i = 0; i < 400; i++) {
        struct edit edit = {0};
        draw_edit(&place, &seed, &number, &edit);
        if (!fits(&place, &edit)) {
            edit_free(&edit);
            continue;
        }
        struct compaction compaction = {.level = 1, .output_level = 2};
        bool flush = random_below(&seed, 2) == 0;
        uint64_t work = flush ? event_log_flush_begins(log)
                              : event_log_compaction_begins(log, &compaction);
        install(&place, log, work, &edit,
                flush ? NULL : &(const struct compact_counts){0});
        struct tree told = {0};
        replay(place.file, &told);
        expect_same(&told, place.version);
        for (size_t j = 0; j < LEVELS; j++) {
            compared += told.levels[j].count;
        }
        tree_free(&told);
        if (random_below(&seed, 50) == 0) {
            event_log_close(log);
            log = open_log(&place);
        }
    }
    assert_true(compared > 1000);
    event_log_close(log);
    assert_int_equal(access(place.old, F_OK), 0);
    place_end(&place);
}

/* ---- what goes wrong ------------------------------------------------------------- */

/* The lines are lost, and counted; the next edit behind which there is a file begins it
 * with the tree. */
static void without_a_file(void **state) {
    struct place place;
    struct edit edit = {0};
    struct tree told = {0};
    place_begin(&place, state);
    place.ops.open = refuse;
    struct event_log *log = open_log(&place);
    write_golden(&place, log);
    assert_int_equal(event_log_lost(log), 10);
    place.ops.open = file_system_posix.ops->open;
    edit_table(&edit, 0, table(7, 1, slice_of("a"), slice_of("b")));
    install(&place, log, event_log_flush_begins(log), &edit, NULL);
    assert_int_equal(event_log_lost(log), 12);
    replay(place.file, &told);
    expect_same(&told, place.version);
    tree_free(&told);
    event_log_close(log);
    place_end(&place);
}

static void without_memory(void **state) {
    bool whole = false;
    struct place place;
    for (size_t n = 1; !whole; n++) {
        place_begin(&place, state);
        struct event_log *log = NULL;
        struct edit edit = {0};
        size_t before = counted_memory_blocks();
        struct table_file *file = table(5, 900, slice_of("a"), slice_of("b"));
        edit_table(&edit, 0, file);
        struct version *after = NULL;
        assert_ok(version_apply(place.version, &edit, &after, NULL));
        static const struct error none = {0};
        place.options.event_log_bytes = 100; /* so that the edit begins a new file */
        counted_memory_fail(n, false);
        enum status status =
            event_log_open(&place.directory, &place.options, place.version, &log, NULL);
        if (status == STATUS_OK) {
            uint64_t work = event_log_flush_begins(log);
            event_log_ends(log, work, &edit, after, NULL, 1, &none);
        }
        whole = !counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, n == 1 ? STATUS_NO_MEMORY : STATUS_OK);
        event_log_close(log);
        version_unref(after);
        edit_free(&edit);
        assert_int_equal(counted_memory_blocks(), before);
        place_end(&place);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_as_described),
        cmocka_unit_test(a_look_leaves_no_trace),
        cmocka_unit_test(it_goes_on_behind_what_is_there),
        cmocka_unit_test(a_long_file_becomes_old),
        cmocka_unit_test(it_does_not_grow_for_ever),
        cmocka_unit_test(replayed_it_is_the_version),
        cmocka_unit_test(without_a_file),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
