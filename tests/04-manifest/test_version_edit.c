/* The bytes of an edit: against LevelDB's format by hand, there and back, and damaged. */
#include "../01-wal/simulation.h"

#include "internal_key.h"
#include "version_edit.h"

static void assert_numbers_equal(const struct manifest_edit *a,
                                 const struct manifest_edit *b) {
    assert_int_equal(a->has_log_number, b->has_log_number);
    assert_int_equal(a->has_previous_log_number, b->has_previous_log_number);
    assert_int_equal(a->has_next_number, b->has_next_number);
    assert_int_equal(a->has_last_sequence, b->has_last_sequence);
    assert_true(!a->has_log_number || a->log_number == b->log_number);
    assert_true(!a->has_previous_log_number ||
                a->previous_log_number == b->previous_log_number);
    assert_true(!a->has_next_number || a->next_number == b->next_number);
    assert_true(!a->has_last_sequence || a->last_sequence == b->last_sequence);
}

static void assert_edits_equal(const struct manifest_edit *a,
                               const struct manifest_edit *b) {
    assert_int_equal(slice_present(a->comparator), slice_present(b->comparator));
    assert_true(slice_equal(a->comparator, b->comparator));
    assert_numbers_equal(a, b);
    assert_int_equal(a->pointer_count, b->pointer_count);
    for (size_t i = 0; i < a->pointer_count; i++) {
        assert_int_equal(a->pointers[i].level, b->pointers[i].level);
        assert_true(slice_equal(a->pointers[i].key, b->pointers[i].key));
    }
    assert_int_equal(a->removed_count, b->removed_count);
    for (size_t i = 0; i < a->removed_count; i++) {
        assert_int_equal(a->removed[i].level, b->removed[i].level);
        assert_true(a->removed[i].number == b->removed[i].number);
    }
    assert_int_equal(a->added_count, b->added_count);
    for (size_t i = 0; i < a->added_count; i++) {
        assert_int_equal(a->added[i].level, b->added[i].level);
        assert_true(a->added[i].number == b->added[i].number);
        assert_true(a->added[i].bytes == b->added[i].bytes);
        assert_true(slice_equal(a->added[i].smallest, b->added[i].smallest));
        assert_true(slice_equal(a->added[i].largest, b->added[i].largest));
    }
}

/* ---- by hand --------------------------------------------------------------------- */

/* User key "a" at sequence 5, put; user key "m" at sequence 0x010203, deleted. */
#define KEY_A "a\x01\x05\0\0\0\0\0\0"
#define KEY_M "m\0\x03\x02\x01\0\0\0\0"

static const char golden[] = "\x01\x1a"
                             "leveldb.BytewiseComparator"
                             "\x02\x07"             /* log number 7 */
                             "\x09\x00"             /* previous log number 0 */
                             "\x03\xac\x02"         /* next file number 300 */
                             "\x04\x83\x84\x04"     /* last sequence 0x010203 */
                             "\x05\x02\x09" KEY_M   /* pointer of level 2 */
                             "\x06\x00\x05"         /* level 0: table 5 removed */
                             "\x06\x06\x80\x01"     /* level 6: table 128 removed */
                             "\x07\x01\x08\xd0\x0f" /* level 1: table 8, 2000 bytes */
                             "\x09" KEY_A "\x09" KEY_M;

static struct slice golden_bytes(void) {
    return slice_make(golden, sizeof golden - 1);
}

static void golden_edit(struct manifest_edit *edit) {
    const struct slice a = slice_make(KEY_A, 9);
    const struct slice m = slice_make(KEY_M, 9);
    *edit = (struct manifest_edit){.comparator = slice_of(MANIFEST_COMPARATOR),
                                   .has_log_number = true,
                                   .has_previous_log_number = true,
                                   .has_next_number = true,
                                   .has_last_sequence = true,
                                   .log_number = 7,
                                   .next_number = 300,
                                   .last_sequence = 0x010203};
    assert_ok(manifest_edit_point(edit, (struct manifest_pointer){2, m}));
    assert_ok(manifest_edit_remove(edit, (struct manifest_removed){0, 5}));
    assert_ok(manifest_edit_remove(edit, (struct manifest_removed){6, 128}));
    assert_ok(manifest_edit_add(edit, (struct manifest_added){1, 8, 2000, a, m}));
}

static void bytes_as_leveldb_has_them(void **state) {
    (void)state;
    struct manifest_edit edit;
    struct manifest_edit decoded = {0};
    struct buf bytes = {0};
    const char *why = NULL;
    golden_edit(&edit);
    assert_ok(manifest_edit_encode(&edit, &bytes));
    assert_int_equal(bytes.length, sizeof golden - 1);
    assert_memory_equal(bytes.data, golden, bytes.length);
    assert_ok(manifest_edit_decode(&decoded, golden_bytes(), &why));
    assert_edits_equal(&decoded, &edit);
    manifest_edit_free(&decoded);
    manifest_edit_free(&edit);
    assert_ok(manifest_edit_encode(&edit, &bytes)); /* an empty edit has no bytes */
    assert_int_equal(bytes.length, 0);
    buf_free(&bytes);
}

#define BYTES(text) slice_make(text, sizeof(text) - 1)

static void what_is_refused(void **state) {
    (void)state;
    const struct {
        struct slice bytes;
        const char *why;
    } cases[] = {
        {BYTES("\x08"), "unknown tag"},
        {BYTES("\x0a\x01"), "unknown tag"},
        {BYTES("\x00"), "unknown tag"},
        {BYTES("\x87\x80\x80\x80\x10"), "a tag is cut short"},
        {BYTES("\x81"), "a tag is cut short"},
        {BYTES("\x01\x05"
               "leve"),
         "comparator's name"},
        {BYTES("\x02"), "the log number"},
        {BYTES("\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "the log number"},
        {BYTES("\x09\x80"), "previous log number"},
        {BYTES("\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "next file number"},
        {BYTES("\x03\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "next file number"},
        {BYTES("\x04\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "last sequence"}, /* 2^56 */
        {BYTES("\x05\x07\x09" KEY_A), "compaction pointer"},
        {BYTES("\x05\x01\x07"
               "1234567"),
         "compaction pointer"},
        {BYTES("\x05\x01\x00"), "compaction pointer"},
        {BYTES("\x06\x07\x05"), "removed table"},
        {BYTES("\x06\x00"), "removed table"},
        {BYTES("\x06\xff\xff\xff\xff\x0f\x05"), "removed table"},
        {BYTES("\x07\x07\x08\x01\x09" KEY_A "\x09" KEY_M), "proper level"},
        {BYTES("\x07\x01\x08"), "proper level, number or size"},
        {BYTES("\x07\x01\x08\x01\x07"
               "1234567\x09" KEY_M),
         "no internal key"},
        {BYTES("\x07\x01\x08\x01\x09" KEY_A "\x09"
               "m\x02\x03\x02\x01\0\0\0\0"), /* type 2 */
         "no internal key"},
        {BYTES("\x07\x01\x08\x01\x09" KEY_A "\x0a" KEY_M), "no internal key"},
        {BYTES("\x07\x01\x08\x01\x09" KEY_M "\x09" KEY_A), "above its largest"},
        /* of one user key, the newer version is the smaller */
        {BYTES("\x07\x01\x08\x01\x09" KEY_A "\x09"
               "a\x01\x06\0\0\0\0\0\0"),
         "above its largest"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct manifest_edit edit = {0};
        const char *why = "nothing";
        enum status status = manifest_edit_decode(&edit, cases[i].bytes, &why);
        if (status != STATUS_CORRUPT || strstr(why, cases[i].why) == NULL) {
            fail_msg("case %zu: %s: %s", i, status_words(status), why);
        }
        assert_null(edit.added);
        assert_int_equal(edit.added_count + edit.removed_count + edit.pointer_count, 0);
    }
}

static void limits_are_taken(void **state) {
    (void)state;
    struct manifest_edit edit = {0};
    const char *why = NULL;
    assert_ok(manifest_edit_decode(
        &edit,
        BYTES("\x03\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
              "\x04\xff\xff\xff\xff\xff\xff\xff\x7f"
              "\x07\x06\x01\x00\x08\x01\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\0"),
        &why));
    assert_true(edit.next_number == MANIFEST_NUMBER_MAX);
    assert_true(edit.last_sequence == SEQUENCE_MAX);
    assert_int_equal(edit.added_count, 1); /* of the empty user key */
    manifest_edit_free(&edit);
}

static void the_last_of_two_numbers_wins(void **state) {
    (void)state;
    struct manifest_edit edit = {0};
    const char *why = NULL;
    assert_ok(manifest_edit_decode(
        &edit,
        BYTES("\x02\x07\x03\x09\x01\x01x\x04\x05\x09\x01\x02\x08\x03\x0a\x01\x01y\x04\x06"
              "\x09\x02"),
        &why));
    assert_true(edit.log_number == 8 && edit.next_number == 10);
    assert_true(edit.last_sequence == 6 && edit.previous_log_number == 2);
    assert_true(slice_equal(edit.comparator, slice_of("y")));
    manifest_edit_free(&edit);
}

/* ---- there and back -------------------------------------------------------------- */

enum { KEYS = 6, KEY_BYTES = 300 };

struct keys {
    unsigned char bytes[KEYS][KEY_BYTES];
    size_t lengths[KEYS];
};

static struct slice draw_key(struct keys *keys, size_t i, uint64_t *seed) {
    size_t user = random_below(seed, KEY_BYTES - TAG_BYTES);
    for (size_t b = 0; b < user; b++) {
        keys->bytes[i][b] = (unsigned char)random_next(seed);
    }
    encode_fixed64(keys->bytes[i] + user,
                   tag_make(random_magnitude(seed) & SEQUENCE_MAX,
                            random_below(seed, 2) ? KV_PUT : KV_DELETE));
    return slice_make(keys->bytes[i], user + TAG_BYTES);
}

static void draw_added(struct manifest_edit *edit, struct keys *keys, size_t i,
                       uint64_t *seed) {
    struct manifest_added added = {.level = (unsigned)random_below(seed, MANIFEST_LEVELS),
                                   .number = random_magnitude(seed) & MANIFEST_NUMBER_MAX,
                                   .bytes = random_magnitude(seed),
                                   .smallest = draw_key(keys, i, seed),
                                   .largest = draw_key(keys, i + 1, seed)};
    if (internal_key_compare(added.smallest, added.largest) > 0) {
        struct slice smallest = added.largest;
        added.largest = added.smallest;
        added.smallest = smallest;
    }
    assert_ok(manifest_edit_add(edit, added));
}

static void draw_edit(struct manifest_edit *edit, struct keys *keys, uint64_t *seed) {
    *edit = (struct manifest_edit){
        .comparator =
            random_below(seed, 2) ? slice_of("any comparator") : slice_make(NULL, 0),
        .has_log_number = random_below(seed, 2),
        .has_previous_log_number = random_below(seed, 2),
        .has_next_number = random_below(seed, 2),
        .has_last_sequence = random_below(seed, 2),
        .log_number = random_magnitude(seed) & MANIFEST_NUMBER_MAX,
        .previous_log_number = random_magnitude(seed) & MANIFEST_NUMBER_MAX,
        .next_number = random_magnitude(seed) & MANIFEST_NUMBER_MAX,
        .last_sequence = random_magnitude(seed) & SEQUENCE_MAX};
    if (random_below(seed, 2)) {
        struct manifest_pointer pointer = {(unsigned)random_below(seed, MANIFEST_LEVELS),
                                           draw_key(keys, 0, seed)};
        assert_ok(manifest_edit_point(edit, pointer));
    }
    for (uint64_t n = random_below(seed, 12); n > 0; n--) {
        struct manifest_removed removed = {(unsigned)random_below(seed, MANIFEST_LEVELS),
                                           random_magnitude(seed) & MANIFEST_NUMBER_MAX};
        assert_ok(manifest_edit_remove(edit, removed));
    }
    for (size_t i = 1; i + 1 < KEYS && random_below(seed, 3) > 0; i += 2) {
        draw_added(edit, keys, i, seed);
    }
}

static void there_and_back(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct buf bytes = {0};
    for (int run = 0; run < 2000; run++) {
        struct keys keys;
        struct manifest_edit edit;
        struct manifest_edit decoded = {0};
        const char *why = "";
        draw_edit(&edit, &keys, &seed);
        assert_ok(manifest_edit_encode(&edit, &bytes));
        if (manifest_edit_decode(&decoded, buf_slice(&bytes), &why) != STATUS_OK) {
            fail_msg("run %d: %s", run, why);
        }
        assert_edits_equal(&decoded, &edit);
        manifest_edit_free(&decoded);
        manifest_edit_free(&edit);
    }
    buf_free(&bytes);
}

/* ---- damage ---------------------------------------------------------------------- */

/* What is taken must be an edit: written again, it says the same. The bytes stand in a
 * block of their own, so that a sanitizer sees a read beyond them. */
static bool survives(const unsigned char *bytes, size_t length) {
    unsigned char *copy = malloc(length == 0 ? 1 : length);
    memcpy(copy, bytes, length);
    struct manifest_edit edit = {0};
    struct manifest_edit again = {0};
    struct buf written = {0};
    const char *why = NULL;
    enum status status = manifest_edit_decode(&edit, slice_make(copy, length), &why);
    if (status == STATUS_OK) {
        assert_ok(manifest_edit_encode(&edit, &written));
        assert_ok(manifest_edit_decode(&again, buf_slice(&written), &why));
        assert_edits_equal(&again, &edit);
    } else {
        assert_int_equal(status, STATUS_CORRUPT);
        assert_non_null(why);
    }
    manifest_edit_free(&edit);
    manifest_edit_free(&again);
    buf_free(&written);
    free(copy);
    return status == STATUS_OK;
}

static void damaged_bytes(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct slice whole = golden_bytes();
    unsigned char bytes[sizeof golden];
    size_t taken = 0;
    for (size_t length = 0; length < whole.length; length++) {
        taken += survives(whole.data, length);
    }
    assert_int_equal(taken, 9); /* cut between two fields */
    for (size_t bit = 0; bit < 8 * whole.length; bit++) {
        memcpy(bytes, whole.data, whole.length);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        survives(bytes, whole.length);
    }
    for (int run = 0; run < 20000; run++) {
        memcpy(bytes, whole.data, whole.length);
        for (uint64_t n = 1 + random_below(&seed, 4); n > 0; n--) {
            bytes[random_below(&seed, whole.length)] = (unsigned char)random_next(&seed);
        }
        survives(bytes, 1 + random_below(&seed, whole.length));
    }
}

static void failing_memory(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    bool failed = true;
    size_t n;
    for (n = 1; failed; n++) {
        struct manifest_edit edit = {0};
        struct manifest_edit whole;
        struct buf bytes = {0};
        const char *why = NULL;
        golden_edit(&whole);
        counted_memory_fail(n, false);
        enum status decoded = manifest_edit_decode(&edit, golden_bytes(), &why);
        enum status encoded = manifest_edit_encode(&whole, &bytes);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_true(decoded == STATUS_OK || decoded == STATUS_NO_MEMORY);
        assert_true(encoded == STATUS_OK || encoded == STATUS_NO_MEMORY);
        assert_int_equal(decoded != STATUS_OK || encoded != STATUS_OK, failed);
        manifest_edit_free(&edit);
        manifest_edit_free(&whole);
        buf_free(&bytes);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_true(n > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_as_leveldb_has_them),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(limits_are_taken),
        cmocka_unit_test(the_last_of_two_numbers_wins),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(damaged_bytes),
        cmocka_unit_test(failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
