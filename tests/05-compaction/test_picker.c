/* What is chosen of small trees that are drawn.
 *
 * In a drawing a table is its first and its last key, and bytes if they are not those of
 * one output table: "a-c5*3" from user key a to sequence 5 of c, as large as three. A key
 * without a sequence stands for all of its versions. Level 0 is drawn newest first. */
#include "../common/support.h"

#include <ctype.h>

#include "counted_memory.h"
#include "internal_key.h"
#include "picker.h"
#include "table_file.h"

enum { TABLES_MAX = 20, TABLE_BYTES = 10, NEWEST = 9, OLDEST = 1 };

enum { NOT_BELOW = 1 << 2 }; /* for `busy`: nothing is to be chosen of levels 1 and 2 */

static const struct picker_options options = {
    .level0_tables = 2, .base_bytes = 20, .table_bytes = TABLE_BYTES};

/* ---- trees ----------------------------------------------------------------------- */

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

struct tree {
    struct version *version;
    const char *words[TABLES_MAX]; /* by number: how the table is drawn */
};

static const char *parse_key(const char *at, unsigned sequence, struct buf *key) {
    struct slice user = slice_make(at++, 1);
    if (isdigit((unsigned char)*at)) {
        sequence = (unsigned)strtoul(at, NULL, 10);
        at += strspn(at, "0123456789");
    }
    assert_ok(internal_key_build(key, user, tag_make(sequence, KV_PUT)));
    return at;
}

static struct table_meta parse_table(const char *word, uint64_t number) {
    struct table_meta meta = {.number = number, .bytes = TABLE_BYTES};
    const char *at = parse_key(word, NEWEST, &meta.smallest);
    at = parse_key(at + 1, OLDEST, &meta.largest);
    if (*at == '*') {
        meta.bytes = TABLE_BYTES * strtoull(at + 1, NULL, 10);
    }
    return meta;
}

/* "0: c-f a-d; 1: a-b". The drawing must outlive the tree. */
static struct tree draw(const char *drawing) {
    struct tree tree = {0};
    unsigned levels[TABLES_MAX];
    size_t count = 0;
    unsigned level = 0;
    for (const char *at = drawing; *at != '\0';) {
        size_t length = strcspn(at, " ;");
        if (isdigit((unsigned char)*at)) {
            level = (unsigned)(*at - '0');
        } else if (length > 0) {
            levels[count] = level;
            tree.words[count++] = at;
        }
        at += length + strspn(at + length, " ;");
    }
    struct edit edit = {0};
    for (size_t i = count; i-- > 0;) {
        struct table_meta meta = parse_table(tree.words[i], i);
        add_table(&edit, levels[i], &meta);
        table_meta_free(&meta);
    }
    tree.version = version_of(&edit);
    return tree;
}

/* ---- compactions as words: "0>1: c-f a-d + a-b / a-z", "1>2: a-b moves" ---------- */

static void say_tables(struct buf *words, const struct tree *tree, const char *before,
                       struct table_file **files, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *word = tree->words[files[i]->meta.number];
        assert_ok(buf_append_text(words, i == 0 ? before : " "));
        assert_ok(buf_append(words, word, strcspn(word, " ;")));
    }
}

static void assert_says(const struct tree *tree, const struct compaction *compaction,
                        const char *expected) {
    struct buf words = {0};
    if (compaction == NULL) {
        assert_ok(buf_append_text(&words, "nothing"));
    } else {
        assert_ok(
            buf_printf(&words, "%u>%u:", compaction->level, compaction->output_level));
        say_tables(&words, tree, " ", compaction->upper, compaction->upper_count);
        say_tables(&words, tree, " + ", compaction->lower, compaction->lower_count);
        say_tables(&words, tree, " / ", compaction->grandparents,
                   compaction->grandparent_count);
        assert_ok(buf_append_text(&words, compaction->may_move ? " moves" : ""));
    }
    assert_ok(buf_append(&words, "", 1));
    assert_string_equal((const char *)words.data, expected);
    buf_free(&words);
}

/* `behind` is the pointer of all levels, or "". */
static void assert_picks(const char *drawing, const char *behind, unsigned busy,
                         const char *expected) {
    struct tree tree = draw(drawing);
    struct buf pointers[LEVELS] = {0};
    struct compaction *compaction;
    for (unsigned i = 0; i < LEVELS && *behind != '\0'; i++) {
        parse_key(behind, OLDEST, &pointers[i]);
    }
    assert_ok(picker_pick(tree.version, &options, pointers, busy, &compaction, NULL));
    assert_says(&tree, compaction, expected);
    compaction_free(compaction);
    for (unsigned i = 0; i < LEVELS; i++) {
        buf_free(&pointers[i]);
    }
    version_unref(tree.version);
}

/* A bound of NULL is absent. */
static void assert_picks_range(const char *drawing, unsigned level, unsigned output,
                               const char *from, const char *to, const char *expected) {
    struct tree tree = draw(drawing);
    struct compaction *compaction;
    assert_ok(picker_pick_range(tree.version, &options, level, output,
                                slice_make(from, from ? strlen(from) : 0),
                                slice_make(to, to ? strlen(to) : 0), &compaction, NULL));
    assert_says(&tree, compaction, expected);
    compaction_free(compaction);
    version_unref(tree.version);
}

/* ---- drawn trees ----------------------------------------------------------------- */

static void the_fullest_level_is_chosen(void **state) {
    (void)state;
    assert_picks("", "", 0, "nothing");
    assert_picks("0: a-b; 1: a-b; 2: a-b*19; 6: a-b*999999", "", 0, "nothing");
    assert_picks("0: c-f a-d; 1: d-e", "", 0, "0>1: c-f a-d + d-e");
    assert_picks("0: c-f a-d; 1: d-e*2", "", 0, "0>1: c-f a-d + d-e*2"); /* a draw */
    assert_picks("0: c-f a-d; 1: d-e*3", "", 0, "1>2: d-e*3 moves");
    assert_picks("2: a-b*20", "", 0, "2>3: a-b*20 moves");
    assert_picks("5: a-b*20000", "", 0, "5>6: a-b*20000 moves");
    struct tree tree = draw("0: a-b b-c a-c; 1: a-b*5 c-d; 3: a-b; 6: a-b*999999");
    const double scores[LEVELS] = {1.5, 3, 0, 10 / 2000.0, 0, 0, 0};
    for (unsigned level = 0; level < LEVELS; level++) {
        assert_true(picker_score(tree.version, &options, level) == scores[level]);
    }
    version_unref(tree.version);
    assert_int_equal(picker_target(&options, 1), 20);
    assert_int_equal(picker_target(&options, 6), 2000000);
    struct picker_options huge = options;
    huge.base_bytes = UINT64_MAX / 100;
    assert_true(picker_target(&huge, 3) <= UINT64_MAX - 1);
    assert_true(picker_target(&huge, 4) == UINT64_MAX);
}

static void level_0_goes_as_a_whole(void **state) {
    (void)state;
    assert_picks("0: b-c h-i c-f; 1: a-a b-d e-k x-z; 2: a-z", "", NOT_BELOW,
                 "0>1: b-c h-i c-f + b-d e-k / a-z");
    /* what only touches */
    assert_picks("0: c-c c-d; 1: a-c d-k; 2: a-a k-k l-l", "", NOT_BELOW,
                 "0>1: c-c c-d + a-c d-k / a-a k-k");
}

/* An ascending load is moved, and of other loads the oldest tables, up to the first that
 * may not. */
static void the_oldest_tables_may_move(void **state) {
    (void)state;
    assert_picks("0: g-h e-f c-d; 1: a-b; 2: a-h", "", NOT_BELOW,
                 "0>1: g-h e-f c-d / a-h moves");
    assert_picks("0: g-h d-e c-d a-b; 1: i-j", "", NOT_BELOW, "0>1: c-d a-b moves");
    assert_picks("0: g-h c-d; 1: d-e", "", NOT_BELOW, "0>1: g-h c-d + d-e");
    /* between the two there is one that outputs of a merge could overlap */
    assert_picks("0: x-z a-b; 1: m-n", "", NOT_BELOW, "0>1: a-b moves");
    assert_picks("0: x-z a-b; 2: a-b*10 x-z*10", "", NOT_BELOW,
                 "0>1: x-z a-b / a-b*10 x-z*10 moves");
    assert_picks("0: x-z a-b; 2: a-b*10 x-z*11", "", NOT_BELOW,
                 "0>1: a-b / a-b*10 moves");
    assert_picks("0: x-z a-b; 2: a-b*11", "", NOT_BELOW, "0>1: x-z a-b / a-b*11");
}

static void tables_are_compacted_in_turn(void **state) {
    (void)state;
    const char *tree = "1: a-b d-e g-h";
    assert_picks(tree, "", 0, "1>2: a-b moves");
    assert_picks(tree, "b", 0, "1>2: d-e moves");
    assert_picks(tree, "c", 0, "1>2: d-e moves");
    assert_picks(tree, "d", 0, "1>2: d-e moves");
    assert_picks(tree, "e", 0, "1>2: g-h moves");
    assert_picks(tree, "h", 0, "1>2: a-b moves");
    assert_picks(tree, "z", 0, "1>2: a-b moves");
}

/* What overlaps much below is not moved there: it would cost much when it is its turn. */
static void moves_look_ahead(void **state) {
    (void)state;
    assert_picks("1: a-c f-g; 3: a-a*5 c-c*5", "", 0, "1>2: a-c / a-a*5 c-c*5 moves");
    assert_picks("1: a-c f-g; 3: a-a*5 c-c*6", "", 0, "1>2: a-c / a-a*5 c-c*6");
}

/* LevelDB may have split the versions of a key: newer ones first. */
static void a_split_key_is_taken_whole(void **state) {
    (void)state;
    assert_picks("1: a-c5 c4-e f-g", "", 0, "1>2: a-c5 c4-e");
    assert_picks("1: a-c5 c4-e f-g", "c", 0, "1>2: a-c5 c4-e");
    assert_picks("1: a-c5 c4-e f-g", "c5", 0, "1>2: a-c5 c4-e");
    assert_picks("1: a-b8 b7-b5 b4-d e-f", "", 0, "1>2: a-b8 b7-b5 b4-d");
    assert_picks("1: a-b m-n; 2: a-c5 c4-e f-g", "", 0, "1>2: a-b + a-c5 c4-e");
    assert_picks("1: d-e m-n; 2: a-c5 c4-e f-g", "", 0, "1>2: d-e + a-c5 c4-e");
    assert_picks("0: d-d d-e; 1: a-c5 c4-e f-g", "", NOT_BELOW,
                 "0>1: d-d d-e + a-c5 c4-e");
    assert_picks_range("6: a-c5 c4-d x-z", 6, 6, "d", "e", "6>6: a-c5 c4-d");
    assert_picks_range("6: a-c5 c4-d x-z", 6, 6, "a", "b", "6>6: a-c5 c4-d");
}

static void inputs_grow_for_nothing(void **state) {
    (void)state;
    assert_picks("1: a-b c-d e-f; 2: a-d", "", 0, "1>2: a-b c-d + a-d");
    assert_picks("1: a-b c-f; 2: a-d e-g", "", 0, "1>2: a-b + a-d");
    assert_picks("1: a-b e-f; 2: b-e", "e", 0, "1>2: a-b e-f + b-e");
    assert_picks("1: a-b c-d*23; 2: a-d", "", 0, "1>2: a-b c-d*23 + a-d");
    assert_picks("1: a-b c-d*24; 2: a-d", "", 0, "1>2: a-b + a-d");
    /* with the rest of its keys, or not at all */
    assert_picks("1: a-b c-d5 d4-e; 2: a-d f-g", "", 0, "1>2: a-b c-d5 d4-e + a-d");
    assert_picks("1: a-b c-d5 d4-e; 2: a-d e-g", "", 0, "1>2: a-b + a-d");
}

static void busy_levels_are_left_alone(void **state) {
    (void)state;
    const char *tree = "0: b-d a-c; 1: a-b*4; 3: a-b*300"; /* 1, 2, 1.5 */
    const char *first = "1>2: a-b*4 / a-b*300";
    const char *second = "3>4: a-b*300 moves";
    const char *third = "0>1: b-d a-c + a-b*4";
    assert_picks(tree, "", 0, first);
    assert_picks(tree, "", 1u << 0 | 1u << 3 | 1u << 4, first);
    assert_picks(tree, "", 1u << 1, second);
    assert_picks(tree, "", 1u << 2, second);
    assert_picks(tree, "", 1u << 2 | 1u << 3, third);
    assert_picks(tree, "", 1u << 2 | 1u << 4, third);
    assert_picks(tree, "", 1u << 1 | 1u << 3, "nothing");
    assert_picks(tree, "", 1u << 0 | 1u << 2 | 1u << 3, "nothing");
}

static void ranges_are_chosen_whole(void **state) {
    (void)state;
    const char *tree = "1: a-b d-e g-h; 2: e-f; 3: a-d";
    assert_picks_range(tree, 1, 2, NULL, NULL, "1>2: a-b d-e g-h + e-f / a-d");
    assert_picks_range(tree, 1, 2, "c", "d", "nothing");
    assert_picks_range(tree, 1, 2, "b", "d", "1>2: a-b / a-d moves");
    assert_picks_range(tree, 1, 2, "e", "g", "1>2: d-e + e-f / a-d");
    assert_picks_range(tree, 1, 2, "f", NULL, "1>2: g-h moves");
    assert_picks_range(tree, 1, 2, NULL, "a", "nothing");
    assert_picks_range(tree, 1, 1, "b", "e", "1>1: a-b d-e / e-f");
    assert_picks_range(tree, 2, 3, NULL, NULL, "2>3: e-f moves");
    assert_picks_range(tree, 4, 5, NULL, NULL, "nothing");
    assert_picks_range("6: a-e", 6, 6, "d", "d", "nothing");
    assert_picks_range("6: a-e", 6, 6, "d", "c", "nothing");
    assert_picks_range("6: a-e", 6, 6, "b", "c", "6>6: a-e");
    assert_picks_range("0: a-b x-z c-f", 0, 1, "a", "b", "0>1: a-b x-z c-f moves");
    assert_picks_range("0: a-b x-z a-f", 0, 1, "x", NULL, "0>1: a-b x-z a-f");
    assert_picks_range("0: a-b x-z a-f", 0, 1, "g", "h", "nothing");
}

static void deeper_keys_are_known(void **state) {
    (void)state;
    struct tree tree = draw("0: a-z a-z; 1: a-z; 2: e-g9 g8-k; 4: i-m; 6: p-p");
    struct buf pointers[LEVELS] = {0};
    struct compaction *compaction;
    assert_ok(picker_pick(tree.version, &options, pointers, 0, &compaction, NULL));
    assert_int_equal(compaction->output_level, 1);
    for (char key = 'a'; key <= 'z'; key++) {
        bool deeper = (key >= 'e' && key <= 'm') || key == 'p';
        assert_int_equal(compaction_key_is_deeper(compaction, slice_make(&key, 1)),
                         deeper);
    }
    assert_false(compaction_key_is_deeper(compaction, slice_of("")));
    assert_false(compaction_key_is_deeper(compaction, slice_of("p\001")));
    compaction_free(compaction);
    version_unref(tree.version);
}

/* ---- memory ---------------------------------------------------------------------- */

static enum status pick_either(struct version *version, bool range,
                               struct compaction **compaction, struct error *error) {
    const struct buf pointers[LEVELS] = {0};
    struct slice none = {0};
    return range
               ? picker_pick_range(version, &options, 0, 1, none, none, compaction, error)
               : picker_pick(version, &options, pointers, NOT_BELOW, compaction, error);
}

static void no_memory_leaves_nothing(void **state) {
    (void)state;
    struct tree tree = draw("0: c-f a-d; 1: a-b e-k x-z; 2: a-z");
    for (int range = 0; range < 2; range++) {
        size_t blocks = counted_memory_blocks();
        size_t failures = 0;
        for (bool failed = true; failed; failures += failed) {
            struct compaction *compaction = NULL;
            struct error error = {0};
            counted_memory_fail(failures + 1, false);
            enum status status = pick_either(tree.version, range, &compaction, &error);
            failed = counted_memory_failed();
            counted_memory_fail(0, false);
            assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
            assert_int_equal(error.status, status);
            assert_int_equal(compaction == NULL, failed);
            compaction_free(compaction);
            assert_int_equal(counted_memory_blocks(), blocks);
        }
        assert_int_equal(failures, 2); /* the compaction, its pointer */
    }
    version_unref(tree.version);
    compaction_free(NULL);
}

/* What was chosen lives on when the database has moved on. */
static void a_compaction_holds_its_tables(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    struct tree tree = draw("0: c-f a-d; 1: a-b e-k x-z; 2: a-z");
    struct compaction *compaction;
    assert_ok(pick_either(tree.version, false, &compaction, NULL));
    version_unref(tree.version);
    assert_says(&tree, compaction, "0>1: c-f a-d + a-b e-k / a-z");
    assert_true(compaction_key_is_deeper(compaction, slice_of("q")));
    compaction_free(compaction);
    assert_int_equal(counted_memory_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fullest_level_is_chosen),
        cmocka_unit_test(level_0_goes_as_a_whole),
        cmocka_unit_test(the_oldest_tables_may_move),
        cmocka_unit_test(tables_are_compacted_in_turn),
        cmocka_unit_test(moves_look_ahead),
        cmocka_unit_test(a_split_key_is_taken_whole),
        cmocka_unit_test(inputs_grow_for_nothing),
        cmocka_unit_test(busy_levels_are_left_alone),
        cmocka_unit_test(ranges_are_chosen_whole),
        cmocka_unit_test(deeper_keys_are_known),
        cmocka_unit_test(no_memory_leaves_nothing),
        cmocka_unit_test(a_compaction_holds_its_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
