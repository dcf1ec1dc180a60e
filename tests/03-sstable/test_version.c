/* Versions against a plain list of tables: which edits are possible, what comes of them,
 * and who holds what. */
#include "../common/support.h"

#include "counted_memory.h"
#include "fake_tables.h"
#include "version.h"

enum { TABLES_MAX = 400, POSITIONS = 40 };

/* A table covers the keys at positions smallest to largest. */
struct listed {
    unsigned level;
    uint64_t number;
    unsigned smallest;
    unsigned largest;
};

/* In the order of coming. */
struct list {
    struct listed tables[TABLES_MAX];
    size_t count;
};

/* Four positions are versions of one user key. */
static enum status key_at(struct buf *key, unsigned position) {
    unsigned char user = (unsigned char)(position / 4);
    return internal_key_build(key, slice_make(&user, 1),
                              tag_make(9 - position % 4, KV_PUT));
}

static struct table_file *listed_file(const struct listed *listed) {
    struct table_meta meta = {.number = listed->number};
    assert_ok(key_at(&meta.smallest, listed->smallest));
    assert_ok(key_at(&meta.largest, listed->largest));
    struct table_file *file = table_file_open(&meta);
    table_meta_free(&meta);
    assert_non_null(file);
    return file;
}

static bool overlap(const struct listed *a, const struct listed *b) {
    return a->level == b->level && a->level > 0 && a->smallest <= b->largest &&
           b->smallest <= a->largest;
}

/* Whether the list is that of a version. */
static bool possible(const struct list *list) {
    for (size_t i = 0; i < list->count; i++) {
        const struct listed *table = &list->tables[i];
        if (table->level >= LEVELS || table->smallest > table->largest) {
            return false;
        }
        for (size_t other = 0; other < i; other++) {
            if (table->number == list->tables[other].number ||
                overlap(table, &list->tables[other])) {
                return false;
            }
        }
    }
    return true;
}

static bool list_remove(struct list *list, unsigned level, uint64_t number) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->tables[i].level == level && list->tables[i].number == number) {
            list->count--;
            memmove(&list->tables[i], &list->tables[i + 1],
                    (list->count - i) * sizeof list->tables[0]);
            return true;
        }
    }
    return false;
}

/* Mostly edits that are possible, each also in the list. Answers whether what goes was
 * there. */
static bool random_edit(struct edit *edit, struct list *list, uint64_t *next,
                        uint64_t *random) {
    bool there = true;
    size_t removals = random_below(random, 2) == 0 ? 0 : random_below(random, 4);
    for (size_t i = 0; i < removals && list->count > 0; i++) {
        struct listed gone = list->tables[random_below(random, list->count)];
        gone.level += random_below(random, 30) == 0;
        there = list_remove(list, gone.level, gone.number) && there;
        assert_ok(edit_remove(edit, gone.level, gone.number));
        if (random_below(random, 60) == 0) {
            there = false;
            assert_ok(edit_remove(edit, gone.level, gone.number));
        }
    }
    size_t additions = random_below(random, 4);
    for (size_t i = 0; i < additions; i++) {
        struct listed added = {.level = (unsigned)random_below(random, LEVELS),
                               .number = ++*next,
                               .smallest = (unsigned)random_below(random, POSITIONS)};
        added.largest = added.smallest + (unsigned)random_below(random, 4);
        if (random_below(random, 40) == 0) {
            added.number = 1 + random_below(random, *next);
            added.level += (unsigned)random_below(random, 3);
            added.largest -= (unsigned)random_below(random, 2);
        }
        struct table_file *file = listed_file(&added);
        assert_ok(edit_add(edit, added.level, file));
        table_file_unref(file);
        list->tables[list->count++] = added;
    }
    return there;
}

static void assert_file(const struct table_file *file, const struct listed *listed) {
    struct buf key = {0};
    assert_int_equal(file->meta.number, listed->number);
    assert_ok(key_at(&key, listed->smallest));
    assert_true(slice_equal(buf_slice(&file->meta.smallest), buf_slice(&key)));
    buf_free(&key);
}

static const struct listed *smallest_behind(const struct list *list, unsigned level,
                                            const struct listed *last) {
    const struct listed *found = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const struct listed *table = &list->tables[i];
        if (table->level == level && (last == NULL || table->smallest > last->smallest) &&
            (found == NULL || table->smallest < found->smallest)) {
            found = table;
        }
    }
    return found;
}

static void assert_version(const struct version *version, const struct list *list) {
    size_t at = 0;
    for (size_t i = list->count; i-- > 0;) { /* level 0, newest first */
        if (list->tables[i].level == 0) {
            assert_true(at < version->run_count);
            const struct sorted_run *run = &version->runs[at++];
            assert_int_equal(run->level, 0);
            assert_int_equal(run->count, 1);
            assert_file(run->files[0], &list->tables[i]);
        }
    }
    for (unsigned level = 1; level < LEVELS; level++) {
        const struct listed *table = smallest_behind(list, level, NULL);
        if (table == NULL) {
            continue;
        }
        assert_true(at < version->run_count);
        const struct sorted_run *run = &version->runs[at++];
        size_t count = 0;
        assert_int_equal(run->level, level);
        for (; table != NULL; table = smallest_behind(list, level, table)) {
            assert_true(count < run->count);
            assert_file(run->files[count++], table);
        }
        assert_int_equal(count, run->count);
    }
    assert_int_equal(at, version->run_count);
}

/* A version that is refused leaves the one before as it was, and no references. */
static void edits_are_applied_or_refused(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t blocks = counted_memory_blocks();
    size_t refused = 0;
    for (int round = 0; round < 300; round++) {
        static struct list list, wanted;
        struct version *version;
        uint64_t next = 0;
        list.count = 0;
        assert_ok(version_empty(&version, NULL));
        for (int i = 0; i < 40; i++) {
            struct edit edit = {0};
            struct version *after = NULL;
            struct error error = {0};
            wanted = list;
            bool there = random_edit(&edit, &wanted, &next, &random);
            bool expected = possible(&wanted) && there;
            enum status status = version_apply(version, &edit, &after, &error);
            assert_int_equal(status, expected ? STATUS_OK : STATUS_CORRUPT);
            assert_int_equal(error.status, status);
            edit_free(&edit);
            if (status == STATUS_OK) {
                version_unref(version);
                version = after;
                list = wanted;
            } else {
                assert_null(after);
                refused++;
            }
            assert_version(version, &list);
        }
        version_unref(version);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_in_range(refused, 500, 8000);
}

static void assert_refused(const struct version *base, const struct edit *edit,
                           const char *words) {
    struct version *version = NULL;
    struct error error = {0};
    assert_int_equal(version_apply(base, edit, &version, &error), STATUS_CORRUPT);
    assert_null(version);
    assert_message_has(error, words);
}

static struct version *apply_one(const struct version *base, unsigned level,
                                 struct table_file *file) {
    struct edit edit = {0};
    struct version *version;
    assert_ok(edit_add(&edit, level, file));
    assert_ok(version_apply(base, &edit, &version, NULL));
    edit_free(&edit);
    return version;
}

/* Each refusal names the table. */
static void refusals_say_why(void **state) {
    (void)state;
    struct version *empty;
    struct table_file *file = listed_file(&(struct listed){2, 7, 5, 9});
    struct table_file *over = listed_file(&(struct listed){2, 8, 9, 12});
    struct edit edit = {0};
    assert_ok(version_empty(&empty, NULL));
    struct version *version = apply_one(empty, 2, file);
    assert_ok(edit_add(&edit, 2, over));
    assert_refused(version, &edit, "tables 000007 and 000008 overlap in level 2");
    edit_free(&edit);
    assert_ok(edit_add(&edit, 0, file));
    assert_refused(version, &edit, "table 000007 is added and is there already");
    assert_ok(edit_add(&edit, 1, file));
    assert_refused(empty, &edit, "table 000007 is added twice");
    edit_free(&edit);
    assert_ok(edit_remove(&edit, 1, 7));
    assert_refused(version, &edit, "table 000007 is removed from level 1, where");
    edit_free(&edit);
    assert_ok(edit_remove(&edit, 2, 7));
    assert_ok(edit_remove(&edit, 2, 7));
    assert_refused(version, &edit, "table 000007 is removed from level 2 twice");
    edit_free(&edit);
    assert_ok(edit_add(&edit, LEVELS, over));
    assert_refused(version, &edit, "table 000008 is added to level 7, which is none");
    edit_free(&edit);
    over->meta.largest.length = TAG_BYTES - 1;
    assert_ok(edit_add(&edit, 0, over));
    assert_refused(version, &edit, "table 000008 has bounds that are no internal keys");
    edit_free(&edit);
    version_unref(version);
    version_unref(empty);
    table_file_unref(over);
    table_file_unref(file);
}

static uint64_t references(const struct table_file *file) {
    return atomic_u64_load(&file->references, memory_order_relaxed);
}

/* A version holds its tables until the last one drops it. */
static void versions_hold_their_tables(void **state) {
    (void)state;
    struct version *empty, *moved;
    struct edit edit = {0};
    struct table_file *file = listed_file(&(struct listed){0, 7, 5, 9});
    assert_ok(version_empty(&empty, NULL));
    struct version *version = apply_one(empty, 0, file);
    assert_int_equal(references(file), 2);
    version_ref(version);
    version_unref(version);
    assert_int_equal(references(file), 2);
    assert_ok(edit_remove(&edit, 0, 7));
    assert_ok(edit_add(&edit, 3, file));
    assert_ok(version_apply(version, &edit, &moved, NULL));
    edit_free(&edit);
    assert_int_equal(references(file), 3);
    assert_int_equal(moved->run_count, 1);
    assert_int_equal(moved->runs[0].level, 3);
    version_unref(version);
    assert_int_equal(references(file), 2);
    version_unref(moved);
    version_unref(empty);
    version_unref(NULL);
    assert_int_equal(references(file), 1);
    table_file_unref(file);
}

/* A newer table that cannot be read may hold the key: what older ones hold is no answer.
 */
static void failures_end_a_lookup(void **state) {
    (void)state;
    static struct table_cache cache;
    struct entry entry = {.key = "k\1", .key_bytes = 1 + TAG_BYTES, .number = 5};
    struct version *empty;
    struct search_key key;
    struct buf value = {0};
    enum lookup answer = LOOKUP_ABSENT;
    assert_ok(version_empty(&empty, NULL));
    assert_ok(search_key_init(&key, slice_of("k"), 9, NULL));
    struct table_file *older = fake_file(&cache, 1, &entry, 1);
    struct table_file *newer = fake_file(&cache, 2, &entry, 1);
    struct version *version = apply_one(empty, 2, older);
    struct version *flushed = apply_one(version, 0, newer);
    cache.tables[2].entries = NULL;
    assert_ok(version_get(version, &cache, &key, &value, &answer, NULL));
    assert_int_equal(answer, LOOKUP_FOUND);
    answer = LOOKUP_ABSENT;
    assert_int_equal(version_get(flushed, &cache, &key, &value, &answer, NULL),
                     STATUS_CORRUPT);
    assert_int_equal(answer, LOOKUP_ABSENT); /* not written */
    buf_free(&value);
    search_key_free(&key);
    version_unref(flushed);
    version_unref(version);
    version_unref(empty);
    table_file_unref(newer);
    table_file_unref(older);
}

/* Any allocation may fail: of an edit, of a version, of its iterators. */
static void no_memory_changes_nothing(void **state) {
    (void)state;
    struct version *base;
    struct table_file *old = listed_file(&(struct listed){2, 7, 5, 9});
    struct table_file *file = listed_file(&(struct listed){2, 8, 10, 12});
    struct version *empty;
    size_t failures = 0;
    assert_ok(version_empty(&empty, NULL));
    base = apply_one(empty, 2, old);
    size_t blocks = counted_memory_blocks();
    for (bool failed = true; failed; failures += failed) {
        struct edit edit = {0};
        struct version *version = NULL;
        struct iter *children[8] = {0};
        size_t count = 0;
        struct table_cache cache = {0};
        counted_memory_fail(failures + 1, false);
        enum status status = edit_add(&edit, 2, file);
        status = status != STATUS_OK ? status : edit_add(&edit, 0, old);
        status = status != STATUS_OK ? status : edit_remove(&edit, 2, 7);
        status =
            status != STATUS_OK ? status : version_apply(base, &edit, &version, NULL);
        status = status != STATUS_OK
                     ? status
                     : version_iters(version, &cache, children, &count, NULL);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        assert_int_equal(count, failed ? 0 : 2);
        for (size_t i = 0; i < count; i++) {
            iter_close(children[i]);
        }
        edit_free(&edit);
        version_unref(version);
        assert_int_equal(counted_memory_blocks(), blocks);
        assert_int_equal(references(file), 1);
        assert_int_equal(references(old), 2);
    }
    assert_int_equal(failures, 6); /* two lists, the names, the version, two runs */
    version_unref(base);
    version_unref(empty);
    counted_memory_fail(1, false);
    assert_int_equal(version_empty(&empty, NULL), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    table_file_unref(file);
    table_file_unref(old);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edits_are_applied_or_refused),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(versions_hold_their_tables),
        cmocka_unit_test(failures_end_a_lookup),
        cmocka_unit_test(no_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
