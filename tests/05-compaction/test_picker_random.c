/* What is chosen of random trees, against the same choice made by looking at every table.
 */
#include "../common/support.h"

#include "internal_key.h"
#include "picker.h"
#include "table_file.h"

enum { TABLES_MAX = 100, TABLE_BYTES = 10, NEWEST = 9 };

static const struct picker_options options = {
    .level0_tables = 2, .base_bytes = 20, .table_bytes = TABLE_BYTES};

struct listed {
    unsigned level;
    struct table_file *file;
    struct slice first, last; /* user keys */
};

/* All tables as readers search them: newest first. */
struct list {
    struct listed tables[TABLES_MAX];
    size_t count;
};

struct set {
    bool has[TABLES_MAX];
};

static void list_version(struct list *list, const struct version *version) {
    list->count = 0;
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t f = 0; f < version->runs[i].count; f++) {
            struct table_file *file = version->runs[i].files[f];
            list->tables[list->count++] =
                (struct listed){version->runs[i].level, file,
                                internal_key_user(buf_slice(&file->meta.smallest)),
                                internal_key_user(buf_slice(&file->meta.largest))};
        }
    }
}

static bool touch(const struct listed *a, const struct listed *b) {
    return slice_compare(a->first, b->last) <= 0 && slice_compare(b->first, a->last) <= 0;
}

static struct listed hull(const struct list *list, const struct set *set) {
    struct listed all = {0};
    for (size_t i = 0; i < list->count; i++) {
        const struct listed *table = &list->tables[i];
        if (set->has[i] &&
            (all.file == NULL || slice_compare(table->first, all.first) < 0)) {
            all.first = table->first;
        }
        if (set->has[i] &&
            (all.file == NULL || slice_compare(table->last, all.last) > 0)) {
            all.last = table->last;
        }
        all.file = set->has[i] ? table->file : all.file;
    }
    return all;
}

static struct set over(const struct list *list, unsigned level, struct listed range) {
    struct set set = {0};
    for (size_t i = 0; i < list->count; i++) {
        set.has[i] = list->tables[i].level == level && touch(&list->tables[i], &range);
    }
    return set;
}

/* All that is linked by common user keys to what is in the set, in their level. */
static void add_linked(const struct list *list, struct set *set) {
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < list->count; i++) {
            for (size_t other = 0; other < list->count && !set->has[i]; other++) {
                set->has[i] = set->has[other] &&
                              list->tables[i].level == list->tables[other].level &&
                              touch(&list->tables[i], &list->tables[other]);
                again = again || set->has[i];
            }
        }
    }
}

static struct set both(const struct set *a, const struct set *b) {
    struct set set;
    for (size_t i = 0; i < TABLES_MAX; i++) {
        set.has[i] = a->has[i] || b->has[i];
    }
    return set;
}

static size_t count_of(const struct set *set) {
    size_t count = 0;
    for (size_t i = 0; i < TABLES_MAX; i++) {
        count += set->has[i];
    }
    return count;
}

static uint64_t bytes_in(const struct list *list, const struct set *set) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < list->count; i++) {
        bytes += set->has[i] ? list->tables[i].file->meta.bytes : 0;
    }
    return bytes;
}

static struct set lower_of(const struct list *list, unsigned output_level,
                           const struct set *upper) {
    struct set lower = over(list, output_level, hull(list, upper));
    add_linked(list, &lower);
    return lower;
}

static bool moves(const struct list *list, unsigned output_level,
                  const struct set *upper) {
    struct set lower = lower_of(list, output_level, upper);
    bool may = count_of(&lower) == 0;
    for (size_t i = 0; i < list->count; i++) {
        for (size_t other = 0; other < i && upper->has[i]; other++) {
            may = may &&
                  !(upper->has[other] && touch(&list->tables[i], &list->tables[other]));
        }
        struct set below = over(list, output_level + 1, list->tables[i]);
        may = may && (!upper->has[i] || bytes_in(list, &below) <= 10 * TABLE_BYTES);
    }
    return may;
}

static double score_of(const struct list *list, unsigned level) {
    double count = 0, bytes = 0, target = 20;
    for (size_t i = 0; i < list->count; i++) {
        count += list->tables[i].level == level;
        bytes +=
            list->tables[i].level == level ? (double)list->tables[i].file->meta.bytes : 0;
    }
    for (unsigned i = 1; i < level; i++) {
        target *= 10;
    }
    return level == 0 ? count / 2 : level < 6 ? bytes / target : 0;
}

static unsigned level_of(const struct list *list, unsigned busy) {
    unsigned best = LEVELS;
    for (unsigned level = LEVELS - 1; level-- > 0;) {
        double score = score_of(list, level);
        if (score >= 1 && (busy >> level & 1) == 0 && (busy >> (level + 1) & 1) == 0 &&
            (best == LEVELS || score >= score_of(list, best))) {
            best = level;
        }
    }
    return best;
}

static struct set upper_of_0(const struct list *list) {
    struct set all = {0}, moving = {0};
    for (size_t i = list->count; i-- > 0;) {
        all.has[i] = list->tables[i].level == 0;
    }
    for (size_t i = count_of(&all); i-- > 0;) {
        moving.has[i] = true;
        if (!moves(list, 1, &moving)) {
            moving.has[i] = false;
            break;
        }
    }
    return count_of(&moving) > 0 ? moving : all;
}

static void grow(const struct list *list, unsigned level, struct set *upper) {
    struct set lower = lower_of(list, level + 1, upper);
    struct set inputs = both(upper, &lower);
    struct set wide = over(list, level, hull(list, &inputs));
    add_linked(list, &wide);
    struct set wide_lower = lower_of(list, level + 1, &wide);
    if (count_of(&lower) > 0 && count_of(&wide_lower) == count_of(&lower) &&
        bytes_in(list, &wide) + bytes_in(list, &lower) <= 25 * TABLE_BYTES) {
        *upper = wide;
    }
}

static struct set upper_of(const struct list *list, unsigned level,
                           const struct buf *pointer) {
    struct set upper = {0};
    for (int lap = pointer->length > 0 ? 0 : 1; lap < 2 && count_of(&upper) == 0; lap++) {
        for (size_t i = 0; i < list->count && count_of(&upper) == 0; i++) {
            upper.has[i] =
                list->tables[i].level == level &&
                (lap == 1 || slice_compare(list->tables[i].last,
                                           internal_key_user(buf_slice(pointer))) > 0);
        }
    }
    add_linked(list, &upper);
    grow(list, level, &upper);
    return upper;
}

static void assert_set(const struct list *list, const struct set *set,
                       struct table_file **files, size_t count) {
    size_t at = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (set->has[i]) {
            assert_true(at < count);
            assert_ptr_equal(files[at++], list->tables[i].file);
        }
    }
    assert_int_equal(at, count);
}

/* All of a compaction but how the upper tables were chosen; and what it must keep true,
 * said without how that is brought about. */
static void assert_follows(const struct list *list, const struct compaction *compaction,
                           const struct set *upper) {
    struct set lower = {0};
    unsigned output = compaction->output_level;
    if (output > compaction->level) {
        lower = lower_of(list, output, upper);
    }
    struct set inputs = both(upper, &lower);
    struct listed range = hull(list, &inputs);
    struct set below = over(list, output + 1, range);
    assert_set(list, upper, compaction->upper, compaction->upper_count);
    assert_set(list, &lower, compaction->lower, compaction->lower_count);
    assert_set(list, &below, compaction->grandparents, compaction->grandparent_count);
    assert_int_equal(compaction->may_move,
                     output > compaction->level && moves(list, output, upper));
    struct slice next = buf_slice(&compaction->next_pointer);
    bool reached = false;
    for (size_t i = 0; i < list->count; i++) {
        for (size_t older = i + 1; older < list->count; older++) {
            bool stays_above = list->tables[older].level == compaction->level &&
                               upper->has[i] && !upper->has[older] &&
                               touch(&list->tables[i], &list->tables[older]);
            assert_false(stays_above);
        }
        bool overlaps = list->tables[i].level == output && !inputs.has[i] &&
                        touch(&list->tables[i], &range);
        assert_false(overlaps);
        struct slice largest = buf_slice(&list->tables[i].file->meta.largest);
        assert_true(!upper->has[i] || internal_key_compare(largest, next) <= 0);
        reached = reached || (upper->has[i] && slice_equal(largest, next));
    }
    assert_true(reached);
}

/* ---- random trees ----------------------------------------------------------------- */

static void add_table(struct edit *edit, unsigned level, const struct table_meta *meta) {
    struct table_file *file = table_file_open(meta);
    assert_non_null(file);
    assert_ok(edit_add(edit, level, file));
    table_file_unref(file);
}

/* The last table of level 0 in the edit is the newest. */
static struct version *version_of(struct edit *edit) {
    struct version *empty, *version;
    struct error error = {0};
    assert_ok(version_empty(&empty, NULL));
    if (version_apply(empty, edit, &version, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    version_unref(empty);
    edit_free(edit);
    return version;
}

/* Positions are internal keys in order, four to a user key. */
static void key_at(struct buf *key, uint64_t position) {
    unsigned char user = (unsigned char)(position / 4);
    assert_ok(internal_key_build(key, slice_make(&user, 1),
                                 tag_make(NEWEST - position % 4, KV_PUT)));
}

static void random_level(struct edit *edit, unsigned level, uint64_t *random) {
    uint64_t gap = 1 + random_below(random, 16);
    uint64_t length = 1 + random_below(random, 16);
    uint64_t bytes = 1 + random_below(random, 6) * TABLE_BYTES;
    uint64_t at = random_below(random, 40);
    for (size_t count = random_below(random, 12); count > 0; count--) {
        struct table_meta meta = {.number = edit->added_count,
                                  .bytes = 1 + random_below(random, bytes)};
        uint64_t end = at + random_below(random, length);
        key_at(&meta.smallest, at);
        key_at(&meta.largest, end);
        add_table(edit, level, &meta);
        table_meta_free(&meta);
        at = level == 0 ? random_below(random, 100) : end + 1 + random_below(random, gap);
    }
}

static struct version *random_version(uint64_t *random) {
    struct edit edit = {0};
    for (unsigned level = 0; level < LEVELS; level++) {
        if (random_below(random, 4) > 0) {
            random_level(&edit, level, random);
        }
    }
    return version_of(&edit);
}

static void random_trees_are_picked_as_searched(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t moved = 0, merged = 0, linked = 0, nothing = 0, several = 0;
    for (int round = 0; round < 6000; round++) {
        static struct list list;
        struct version *version = random_version(&random);
        struct buf pointers[LEVELS] = {0};
        struct compaction *compaction;
        unsigned busy = (unsigned)(random_next(&random) & random_next(&random)) & 0x7f;
        for (unsigned level = 0; level < LEVELS && random_below(&random, 3) > 0;
             level++) {
            key_at(&pointers[level], random_below(&random, 200));
        }
        list_version(&list, version);
        unsigned level = level_of(&list, busy);
        assert_ok(picker_pick(version, &options, pointers, busy, &compaction, NULL));
        assert_int_equal(compaction == NULL, level == LEVELS);
        nothing += compaction == NULL;
        if (compaction != NULL) {
            struct set upper =
                level == 0 ? upper_of_0(&list) : upper_of(&list, level, &pointers[level]);
            assert_int_equal(compaction->level, level);
            assert_int_equal(compaction->output_level, level + 1);
            assert_follows(&list, compaction, &upper);
            moved += compaction->may_move;
            merged += compaction->lower_count > 0;
            several += compaction->may_move && compaction->upper_count > 1;
            linked +=
                compaction->upper_count > 1 && compaction->lower_count == 0 && level > 0;
        }
        compaction_free(compaction);
        for (unsigned i = 0; i < LEVELS; i++) {
            buf_free(&pointers[i]);
        }
        version_unref(version);
    }
    assert_true(moved > 100 && merged > 1000 && linked > 30 && nothing > 100);
    assert_true(several > 10);
}

static void random_ranges_are_picked_as_searched(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t found = 0;
    for (int round = 0; round < 3000; round++) {
        static struct list list;
        struct version *version = random_version(&random);
        struct compaction *compaction;
        unsigned level = (unsigned)random_below(&random, LEVELS);
        bool in_place =
            level == LEVELS - 1 || (level > 0 && random_below(&random, 3) == 0);
        unsigned char from = (unsigned char)random_below(&random, 40);
        unsigned char last = (unsigned char)(from + random_below(&random, 8));
        unsigned char to = (unsigned char)(last + 1);
        list_version(&list, version);
        struct set upper =
            over(&list, level, (struct listed){.first = {&from, 1}, .last = {&last, 1}});
        size_t wanted = count_of(&upper);
        if (level == 0 && wanted > 0) {
            upper = over(
                &list, 0,
                (struct listed){.first = {&from, 0}, .last = {(const void *)"\377", 1}});
        } else if (wanted > 0) {
            add_linked(&list, &upper);
            if (!in_place) {
                grow(&list, level, &upper);
            }
        }
        assert_ok(picker_pick_range(version, &options, level,
                                    in_place ? level : level + 1, slice_make(&from, 1),
                                    slice_make(&to, 1), &compaction, NULL));
        assert_int_equal(compaction == NULL, wanted == 0);
        if (compaction != NULL) {
            assert_int_equal(compaction->output_level, in_place ? level : level + 1);
            assert_follows(&list, compaction, &upper);
            found++;
        }
        compaction_free(compaction);
        version_unref(version);
    }
    assert_true(found > 500);
}

/* No table is forgotten: as many compactions as there are tables reach each of them. */
static void every_table_has_its_turn(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < 500; round++) {
        static struct list list;
        struct version *version = random_version(&random);
        struct buf pointers[LEVELS] = {0};
        struct set reached = {0};
        unsigned busy = 1;
        list_version(&list, version);
        unsigned level = level_of(&list, busy);
        for (size_t i = 0; i < list.count && level < LEVELS; i++) {
            struct compaction *compaction;
            assert_ok(picker_pick(version, &options, pointers, busy, &compaction, NULL));
            for (size_t f = 0; f < compaction->upper_count; f++) {
                reached.has[compaction->upper[f]->meta.number] = true;
            }
            assert_ok(buf_assign(&pointers[level], buf_slice(&compaction->next_pointer)));
            compaction_free(compaction);
        }
        for (size_t i = 0; i < list.count; i++) {
            assert_true(list.tables[i].level != level ||
                        reached.has[list.tables[i].file->meta.number]);
        }
        buf_free(&pointers[level < LEVELS ? level : 0]);
        version_unref(version);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_trees_are_picked_as_searched),
        cmocka_unit_test(random_ranges_are_picked_as_searched),
        cmocka_unit_test(every_table_has_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
