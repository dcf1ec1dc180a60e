/* What a manifest says, what of a damaged one is taken, and what is refused. Manifests
 * are built record by record from the documented log format, independently of the writer.
 *
 * tidy: long because it is one list of rules, each with its own small manifest. */
#include "../01-wal/simulation.h"

#include "internal_key.h"
#include "manifest.h"
#include "points.h"

/* ---- manifests by hand ----------------------------------------------------------- */

enum { KEY_BYTES = 16 };

/* Internal keys of one letter, as text: "a1" is version 1 of "a". */
static struct slice key(const char text[2]) {
    static unsigned char keys[64][KEY_BYTES];
    static size_t next;
    unsigned char *bytes = keys[next++ % 64];
    bytes[0] = (unsigned char)text[0];
    encode_fixed64(bytes + 1, tag_make((uint64_t)(text[1] - '0'), KV_PUT));
    return slice_make(bytes, 1 + TAG_BYTES);
}

static void add_table(struct manifest_edit *edit, unsigned level, uint64_t number,
                      const char *smallest, const char *largest) {
    struct manifest_added added = {level, number, 1000 + number, key(smallest),
                                   key(largest)};
    assert_ok(manifest_edit_add(edit, added));
}

static void remove_table(struct manifest_edit *edit, unsigned level, uint64_t number) {
    assert_ok(manifest_edit_remove(edit, (struct manifest_removed){level, number}));
}

static struct manifest_edit numbers(uint64_t log, uint64_t next, uint64_t last) {
    return (struct manifest_edit){.has_log_number = true,
                                  .has_next_number = true,
                                  .has_last_sequence = true,
                                  .log_number = log,
                                  .next_number = next,
                                  .last_sequence = last};
}

static struct manifest_edit first_edit(uint64_t log, uint64_t next, uint64_t last) {
    struct manifest_edit edit = numbers(log, next, last);
    edit.comparator = slice_of(MANIFEST_COMPARATOR);
    return edit;
}

/* Ends the edit. */
static void add_edit(struct buf *manifest, struct manifest_edit *edit) {
    struct buf bytes = {0};
    assert_ok(manifest_edit_encode(edit, &bytes));
    add_record(manifest, buf_slice(&bytes));
    buf_free(&bytes);
    manifest_edit_free(edit);
}

/* MANIFEST-000009: tables 5 and 6 at level 0, log 4; then 5 and 6 become 7 at level 1;
 * then table 8 at level 0, log 11. The bytes at which each edit ends are in ends. */
static void three_edits(struct buf *manifest, size_t ends[3]) {
    struct manifest_edit edit = first_edit(4, 10, 100);
    add_table(&edit, 0, 6, "b1", "d2");
    add_table(&edit, 0, 5, "a1", "c1");
    add_edit(manifest, &edit);
    ends[0] = manifest->length;
    edit = numbers(4, 11, 100);
    remove_table(&edit, 0, 5);
    remove_table(&edit, 0, 6);
    add_table(&edit, 1, 7, "a1", "d2");
    assert_ok(manifest_edit_point(&edit, (struct manifest_pointer){0, key("d2")}));
    add_edit(manifest, &edit);
    ends[1] = manifest->length;
    edit = numbers(11, 12, 120);
    add_table(&edit, 0, 8, "c3", "x4");
    add_edit(manifest, &edit);
    ends[2] = manifest->length;
}

static void place(struct simulation *sim, struct slice bytes) {
    disk_put_file(sim->disk, "db/MANIFEST-000009", bytes);
}

static void place_files(struct simulation *sim, const char *names) {
    char path[64];
    int length;
    for (; *names != '\0'; names += length + (names[length] == ' ')) {
        length = (int)strcspn(names, " ");
        snprintf(path, sizeof path, "db/%.*s", length, names);
        disk_put_file(sim->disk, path, slice_of("x"));
    }
}

#define ALL_FILES "000004.log 000011.log 000005.ldb 000006.sst 000007.ldb 000008.ldb"

struct loaded {
    enum status status;
    struct manifest_state state;
    struct manifest_tail tail;
    struct error error;
};

static struct loaded load(struct simulation *sim) {
    struct loaded loaded = {0};
    loaded.status =
        manifest_load("db", &sim->world, 9, &loaded.state, &loaded.tail, &loaded.error);
    if (loaded.status != STATUS_OK) {
        assert_message_has(loaded.error, "db/MANIFEST-000009");
        assert_int_equal(loaded.state.table_count, 0);
        assert_false(loaded.tail.dropped);
    }
    return loaded;
}

/* "0:5 0:6": levels and numbers of the tables. */
static void print_tables(char text[100], const struct manifest_state *state) {
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < state->table_count; i++) {
        length += (size_t)snprintf(text + length, 100 - length, "%s%u:%" PRIu64,
                                   i == 0 ? "" : " ", state->tables[i]->level,
                                   state->tables[i]->meta.number);
    }
}

static void assert_tables(const struct manifest_state *state, const char *expected) {
    char text[100];
    print_tables(text, state);
    assert_string_equal(text, expected);
}

static void assert_refused(struct simulation *sim, const struct buf *manifest,
                           enum status status, const char *words) {
    place(sim, buf_slice(manifest));
    struct loaded loaded = load(sim);
    if (loaded.status != status) {
        fail_msg("%s: %s", words, status_words(loaded.status));
    }
    assert_message_has(loaded.error, words);
}

/* ---- whole ones ------------------------------------------------------------------ */

static void edits_add_up(void **state) {
    (void)state;
    struct simulation sim;
    struct buf manifest = {0};
    size_t ends[3];
    simulation_begin(&sim);
    three_edits(&manifest, ends);
    place(&sim, buf_slice(&manifest)); /* no table is there: that is not asked */
    struct loaded loaded = load(&sim);
    assert_ok(loaded.status);
    assert_false(loaded.tail.dropped);
    assert_tables(&loaded.state, "1:7 0:8");
    assert_int_equal(loaded.state.log_number, 11);
    assert_int_equal(loaded.state.next_number, 12);
    assert_int_equal(loaded.state.last_sequence, 120);
    assert_int_equal(loaded.state.previous_log_number, 0);
    const struct table_meta *meta = &loaded.state.tables[0]->meta;
    assert_int_equal(meta->bytes, 1007);
    assert_true(slice_equal(buf_slice(&meta->smallest), key("a1")));
    assert_true(slice_equal(buf_slice(&meta->largest), key("d2")));
    assert_true(slice_equal(buf_slice(&loaded.state.pointers[0]), key("d2")));
    manifest_state_free(&loaded.state);
    add_zeros(&manifest, 100000); /* allocated ahead */
    place(&sim, buf_slice(&manifest));
    loaded = load(&sim);
    assert_ok(loaded.status);
    assert_false(loaded.tail.dropped);
    assert_tables(&loaded.state, "1:7 0:8");
    manifest_state_free(&loaded.state);
    buf_free(&manifest);
    simulation_end(&sim);
}

/* LevelDB's first edit holds tables alone; the numbers stand in the second. A table that
 * moves has its number removed and added in one edit. */
static void as_leveldb_writes_it(void **state) {
    (void)state;
    struct simulation sim;
    struct buf manifest = {0};
    simulation_begin(&sim);
    struct manifest_edit edit = {.comparator = slice_of(MANIFEST_COMPARATOR)};
    add_table(&edit, 2, 5, "a1", "c5");
    add_table(&edit, 2, 6, "c4", "d2"); /* versions of "c" in two tables */
    add_edit(&manifest, &edit);
    edit = numbers(7, 8, 50);
    edit.has_previous_log_number = true;
    remove_table(&edit, 2, 5);
    add_table(&edit, 3, 5, "a1", "c5");
    add_edit(&manifest, &edit);
    place(&sim, buf_slice(&manifest));
    struct loaded loaded = load(&sim);
    assert_ok(loaded.status);
    assert_tables(&loaded.state, "3:5 2:6");
    manifest_state_free(&loaded.state);
    buf_free(&manifest);
    simulation_end(&sim);
}

/* ---- whole edits that cannot be -------------------------------------------------- */

struct rule {
    void (*make)(struct buf *manifest);
    const char *words;
};

static void make_twice(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 1);
    add_table(&edit, 0, 5, "a1", "c1");
    add_table(&edit, 0, 5, "a1", "c1");
    add_edit(manifest, &edit);
}

static void make_added_again(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 1);
    add_table(&edit, 0, 5, "a1", "c1");
    add_edit(manifest, &edit);
    edit = numbers(4, 10, 1);
    add_table(&edit, 1, 5, "a1", "c1");
    add_edit(manifest, &edit);
}

static void make_removed_absent(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 1);
    add_table(&edit, 0, 5, "a1", "c1");
    add_edit(manifest, &edit);
    edit = numbers(4, 10, 1);
    remove_table(&edit, 0, 6);
    add_edit(manifest, &edit);
}

static void make_removed_elsewhere(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 1);
    add_table(&edit, 0, 5, "a1", "c1");
    add_edit(manifest, &edit);
    edit = numbers(4, 10, 1);
    remove_table(&edit, 1, 5);
    add_edit(manifest, &edit);
}

static void make_number_back(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 7);
    add_edit(manifest, &edit);
    edit = numbers(4, 9, 7);
    add_edit(manifest, &edit);
}

static void make_log_back(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 7);
    add_edit(manifest, &edit);
    edit = numbers(3, 10, 7);
    add_edit(manifest, &edit);
}

static void make_sequence_back(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 7);
    add_edit(manifest, &edit);
    edit = numbers(4, 10, 6);
    add_edit(manifest, &edit);
}

static void make_second_snapshot(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 7);
    add_edit(manifest, &edit);
    edit = first_edit(4, 10, 7);
    add_edit(manifest, &edit);
}

static void make_foreign_snapshot(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 7);
    add_edit(manifest, &edit);
    edit = first_edit(4, 10, 7);
    edit.comparator = slice_of("another");
    add_edit(manifest, &edit);
}

static void make_mark(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 7);
    add_edit(manifest, &edit);
    add_mark(manifest, 8);
}

static void make_unknown_tag(struct buf *manifest) {
    struct manifest_edit edit = first_edit(4, 10, 7);
    add_edit(manifest, &edit);
    add_record(manifest, slice_of("\x0a\x01"));
}

/* As the last edit such a one is dropped, if all that is named without it is there; in
 * front of another it is corruption. */
static void edits_that_cannot_be(void **state) {
    (void)state;
    static const struct rule rules[] = {
        {make_twice, "next file number"}, /* nothing is left without the first edit */
        {make_added_again, "adds a table that is there already"},
        {make_removed_absent, "removes a table that is not there"},
        {make_removed_elsewhere, "removes a table that is not there"},
        {make_number_back, "numbers go back"},
        {make_log_back, "numbers go back"},
        {make_sequence_back, "numbers go back"},
        {make_second_snapshot, "a snapshot that is not the first"},
        {make_foreign_snapshot, "a snapshot that is not the first"},
        {make_mark, "a mark of a write-ahead log"},
        {make_unknown_tag, "unknown tag"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct simulation sim;
        struct buf manifest = {0};
        simulation_begin(&sim);
        rules[i].make(&manifest);
        if (i > 0) {
            place(&sim, buf_slice(&manifest));
            place_files(&sim, ALL_FILES);
            struct loaded loaded = load(&sim);
            if (loaded.status != STATUS_OK) {
                fail_msg("%s: %s", rules[i].words, loaded.error.message);
            }
            assert_true(loaded.tail.dropped);
            assert_non_null(strstr(loaded.tail.why, rules[i].words));
            manifest_state_free(&loaded.state);
        }
        struct manifest_edit edit = numbers(4, 10, 7);
        add_edit(&manifest, &edit);
        assert_refused(&sim, &manifest, STATUS_CORRUPT, rules[i].words);
        buf_free(&manifest);
        simulation_end(&sim);
    }
}

/* ---- states that cannot be ------------------------------------------------------- */

static void assert_first_refused(struct manifest_edit *edit, enum status status,
                                 const char *words) {
    struct simulation sim;
    struct buf manifest = {0};
    add_edit(&manifest, edit);
    simulation_begin(&sim);
    assert_refused(&sim, &manifest, status, words);
    simulation_end(&sim);
    buf_free(&manifest);
}

static void states_that_cannot_be(void **state) {
    (void)state;
    struct manifest_edit edit = first_edit(4, 10, 1);
    edit.has_next_number = false;
    assert_first_refused(&edit, STATUS_CORRUPT, "no edit has a next file number");
    edit = first_edit(4, 10, 1);
    edit.has_log_number = false;
    assert_first_refused(&edit, STATUS_CORRUPT, "no edit has a log number");
    edit = first_edit(4, 10, 1);
    edit.has_last_sequence = false;
    assert_first_refused(&edit, STATUS_CORRUPT, "no edit has a last sequence");
    edit = numbers(4, 10, 1);
    assert_first_refused(&edit, STATUS_CORRUPT, "the first edit has no comparator");
    edit = first_edit(10, 10, 1);
    assert_first_refused(&edit, STATUS_CORRUPT, "still to be given out");
    edit = first_edit(4, 10, 1);
    edit.has_previous_log_number = true;
    edit.previous_log_number = 11;
    assert_first_refused(&edit, STATUS_CORRUPT, "still to be given out");
    edit = first_edit(4, 10, 1);
    add_table(&edit, 0, 10, "a1", "c1");
    assert_first_refused(&edit, STATUS_CORRUPT, "still to be given out");
    edit = first_edit(4, 10, 1);
    add_table(&edit, 1, 6, "c1", "d1");
    add_table(&edit, 2, 7, "a1", "z1");
    add_table(&edit, 1, 5, "a1", "c1"); /* "c1" in both */
    assert_first_refused(&edit, STATUS_CORRUPT, "overlap");
    edit = first_edit(4, 10, 1);
    edit.comparator = slice_of("leveldb.ReverseComparator");
    assert_first_refused(&edit, STATUS_INVALID, "\"leveldb.ReverseComparator\"");
    edit = first_edit(4, 10, 1);
    edit.comparator = slice_of("leveldb.BytewiseComparator2");
    assert_first_refused(&edit, STATUS_INVALID, "\"leveldb.BytewiseComparator\"");
}

static void a_missing_or_empty_manifest(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    place_files(&sim, "CURRENT");
    assert_int_equal(load(&sim).status, STATUS_CORRUPT);
    place(&sim, slice_of(""));
    assert_int_equal(load(&sim).status, STATUS_CORRUPT);
    place(&sim, slice_make("\0\0\0\0\0\0\0\0\0\0", 10));
    assert_int_equal(load(&sim).status, STATUS_CORRUPT);
    simulation_end(&sim);
}

/* ---- damage ---------------------------------------------------------------------- */

/* Wherever the last edit is cut, what comes before it is taken; so is every cut before
 * that, in its turn, because no whole edit follows. */
static void cut_short(void **state) {
    (void)state;
    struct simulation sim;
    struct buf manifest = {0};
    size_t ends[3];
    simulation_begin(&sim);
    three_edits(&manifest, ends);
    place_files(&sim, ALL_FILES);
    for (size_t length = 1; length < ends[2]; length++) {
        place(&sim, slice_make(manifest.data, length));
        struct loaded loaded = load(&sim);
        size_t whole = length < ends[0] ? 0 : length < ends[1] ? 1 : 2;
        if (whole == 0) {
            assert_int_equal(loaded.status, STATUS_CORRUPT);
            assert_message_has(loaded.error, "offset 0");
            continue;
        }
        assert_ok(loaded.status);
        assert_tables(&loaded.state, whole == 1 ? "0:5 0:6" : "1:7");
        assert_int_equal(loaded.tail.dropped, length != ends[whole - 1]);
        if (loaded.tail.dropped) {
            assert_int_equal(loaded.tail.offset, ends[whole - 1]);
            assert_int_equal(loaded.tail.bytes, length - ends[whole - 1]);
            assert_non_null(loaded.tail.why);
        }
        manifest_state_free(&loaded.state);
    }
    buf_free(&manifest);
    simulation_end(&sim);
}

/* A tail is kept as corruption where the shorter manifest names what is gone. */
static void a_file_is_missing(void **state) {
    (void)state;
    static const struct {
        const char *files, *missing;
    } cases[] = {
        {"000004.log 000008.ldb", "000007.ldb"},
        {"000007.ldb 000003.log 000008.ldb", NULL}, /* for the tables to tell */
        {"000007.ldb 000011.log 000008.ldb", NULL}, /* a later one will do */
        {"000003.log 000005.log 000004.ldb 000007.log 000007.dbtmp", "000007.ldb"},
        {"000004.log 000007.ldb", NULL},
        {"000004.log 000007.sst", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simulation sim;
        struct buf manifest = {0};
        size_t ends[3];
        simulation_begin(&sim);
        three_edits(&manifest, ends);
        place_files(&sim, cases[i].files);
        place(&sim, slice_make(manifest.data, ends[2] - 1));
        struct loaded loaded = load(&sim);
        assert_int_equal(loaded.status,
                         cases[i].missing == NULL ? STATUS_OK : STATUS_CORRUPT);
        if (cases[i].missing != NULL) {
            char offset[40];
            snprintf(offset, sizeof offset, "MANIFEST-000009: offset %zu", ends[1]);
            assert_message_has(loaded.error, cases[i].missing);
            assert_message_has(loaded.error, offset);
        }
        manifest_state_free(&loaded.state);
        buf_free(&manifest);
        simulation_end(&sim);
    }
}

static void previous_log_is_missing(void **state) {
    (void)state;
    struct simulation sim;
    struct buf manifest = {0};
    simulation_begin(&sim);
    struct manifest_edit edit = first_edit(0, 10, 1); /* log 0: none */
    edit.has_previous_log_number = true;
    edit.previous_log_number = 3;
    add_edit(&manifest, &edit);
    add_bytes(&manifest, "torn", 4);
    assert_refused(&sim, &manifest, STATUS_CORRUPT, "000003.log");
    place_files(&sim, "000003.log");
    struct loaded loaded = load(&sim);
    assert_ok(loaded.status);
    assert_true(loaded.tail.dropped);
    manifest_state_free(&loaded.state);
    buf_free(&manifest);
    simulation_end(&sim);
}

/* Under a manifest of LevelDB there is a log, at any time, from the one that it names on;
 * 0: any. */
static void no_log_is_left(void **state) {
    (void)state;
    static const struct {
        uint64_t log;
        const char *missing, *there;
    } cases[] = {{0, "needs a log, which is not there", "000003.log"},
                 {4, "needs 000004.log, which is not there", "000005.log"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simulation sim;
        struct buf manifest = {0};
        simulation_begin(&sim);
        struct manifest_edit edit = first_edit(cases[i].log, 10, 0);
        edit.has_previous_log_number = true;
        add_edit(&manifest, &edit);
        add_bytes(&manifest, "torn", 4);
        if (cases[i].log > 0) {
            place_files(&sim, "000003.log");
        }
        assert_refused(&sim, &manifest, STATUS_CORRUPT, cases[i].missing);
        place_files(&sim, cases[i].there);
        struct loaded loaded = load(&sim);
        assert_ok(loaded.status);
        assert_true(loaded.tail.dropped);
        manifest_state_free(&loaded.state);
        buf_free(&manifest);
        simulation_end(&sim);
    }
}

/* Every bit: the right state, the one without the last edit if the bit is in it, or
 * corruption. Behind the end stand zeros that were allocated ahead. */
static void flipped_bits(void **state) {
    (void)state;
    struct simulation sim;
    struct buf manifest = {0};
    size_t ends[3];
    simulation_begin(&sim);
    three_edits(&manifest, ends);
    add_zeros(&manifest, 300);
    place_files(&sim, ALL_FILES);
    place(&sim, buf_slice(&manifest));
    for (uint64_t bit = 0; bit < 8 * manifest.length; bit++) {
        assert_true(disk_flip_bit(sim.disk, "db/MANIFEST-000009", bit));
        struct loaded loaded = load(&sim);
        bool last = bit / 8 >= ends[1];
        if (loaded.status == STATUS_OK) {
            assert_true(last && loaded.tail.dropped);
            assert_tables(&loaded.state, bit / 8 < ends[2] ? "1:7" : "1:7 0:8");
        } else {
            assert_int_equal(loaded.status, STATUS_CORRUPT);
            assert_false(last);
            assert_message_has(loaded.error, bit / 8 < ends[0] ? "offset 0" : "offset");
        }
        manifest_state_free(&loaded.state);
        assert_true(disk_flip_bit(sim.disk, "db/MANIFEST-000009", bit));
    }
    buf_free(&manifest);
    simulation_end(&sim);
}

/* The same where the later edit does not stand where the damaged length points, nor in
 * the block of the damage; and where it is of several fragments. */
static void damage_before_a_whole_edit(void **state) {
    (void)state;
    static const size_t gaps[] = {0, 1, 500, 32768, 70000};
    for (size_t i = 0; i < 2 * sizeof gaps / sizeof gaps[0]; i++) {
        struct simulation sim;
        struct buf manifest = {0};
        size_t ends[3];
        simulation_begin(&sim);
        three_edits(&manifest, ends);
        manifest.length = ends[1];
        place_files(&sim, ALL_FILES);
        add_bytes(&manifest, "damage", 6);
        for (size_t gap = gaps[i / 2]; gap > 0; gap--) {
            add_bytes(&manifest, "\x5a", 1);
        }
        struct manifest_edit edit = numbers(11, 12, 120);
        for (int n = 0; n < (i % 2 == 0 ? 1 : 2000); n++) {
            add_table(&edit, 0, 8, "c3", "x4");
        }
        add_edit(&manifest, &edit);
        assert_refused(&sim, &manifest, STATUS_CORRUPT, "a whole edit follows it");
        buf_free(&manifest);
        simulation_end(&sim);
    }
}

/* What an older manifest held may show behind the end after a loss of power: it is no
 * later edit of this one. */
static void stale_edits_behind_the_end(void **state) {
    (void)state;
    struct simulation sim;
    struct buf manifest = {0};
    size_t ends[3];
    simulation_begin(&sim);
    three_edits(&manifest, ends);
    place_files(&sim, ALL_FILES);
    struct manifest_edit edit = numbers(4, 9, 90); /* 9 is this manifest's number */
    add_table(&edit, 0, 3, "a1", "b1");
    add_edit(&manifest, &edit);
    edit = numbers(4, 9, 95);
    remove_table(&edit, 0, 3);
    add_edit(&manifest, &edit);
    edit = first_edit(20, 30, 200); /* a snapshot, though its numbers are higher */
    add_edit(&manifest, &edit);
    place(&sim, buf_slice(&manifest));
    struct loaded loaded = load(&sim);
    assert_ok(loaded.status);
    assert_tables(&loaded.state, "1:7 0:8");
    assert_int_equal(loaded.state.next_number, 12);
    assert_true(loaded.tail.dropped);
    assert_int_equal(loaded.tail.offset, ends[2]);
    manifest_state_free(&loaded.state);
    buf_free(&manifest);
    simulation_end(&sim);
}

static void failing_memory_and_calls_of_load(void **state) {
    (void)state;
    struct buf manifest = {0};
    size_t ends[3];
    three_edits(&manifest, ends);
    add_bytes(&manifest, "torn", 4);
    for (int kind = 0; kind < 2; kind++) {
        bool struck = true;
        size_t n;
        for (n = 1; struck; n++) {
            struct simulation sim;
            simulation_begin(&sim);
            place_files(&sim, ALL_FILES);
            place(&sim, buf_slice(&manifest));
            struct loaded loaded = {0};
            counted_memory_fail(kind == 0 ? n : 0, false);
            fail_call(&sim, kind == 0 ? 0 : n, FAULT_BEFORE, EIO, false);
            loaded.status = manifest_load("db", &sim.world, 9, &loaded.state,
                                          &loaded.tail, &loaded.error);
            struck = counted_memory_failed() || disk_fault_struck(sim.disk) != NULL;
            bool of_close = kind == 1 && disk_fault_struck(sim.disk) != NULL &&
                            strncmp(disk_fault_struck(sim.disk), "close", 5) == 0;
            counted_memory_fail(0, false);
            assert_int_equal(loaded.status, !struck || of_close ? STATUS_OK
                                            : kind == 0         ? STATUS_NO_MEMORY
                                                                : STATUS_IO);
            assert_true(loaded.status == STATUS_OK || loaded.error.message[0] != '\0');
            manifest_state_free(&loaded.state);
            simulation_end(&sim);
        }
        assert_true(n > 5);
    }
    buf_free(&manifest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_add_up),
        cmocka_unit_test(as_leveldb_writes_it),
        cmocka_unit_test(edits_that_cannot_be),
        cmocka_unit_test(states_that_cannot_be),
        cmocka_unit_test(a_missing_or_empty_manifest),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(a_file_is_missing),
        cmocka_unit_test(previous_log_is_missing),
        cmocka_unit_test(no_log_is_left),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(damage_before_a_whole_edit),
        cmocka_unit_test(stale_edits_behind_the_end),
        cmocka_unit_test(failing_memory_and_calls_of_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
