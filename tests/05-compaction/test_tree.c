/* A picture of a tree: from the lines of an event log, and as it is drawn. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "tree_draw.h"

static enum tree_step apply(struct tree *tree, const char *line, struct buf *words) {
    enum tree_step step;
    assert_ok(tree_apply(tree, slice_of(line), words, &step));
    return step;
}

static void expect_text(struct buf *text, const char *expected) {
    assert_ok(buf_append(text, "", 1));
    assert_string_equal((const char *)text->data, expected);
    buf_clear(text);
}

static void expect_drawn(const struct tree *tree, bool colour, const char *expected) {
    struct buf out = {0};
    assert_ok(tree_draw(tree, 80, colour, &out));
    expect_text(&out, expected);
    buf_free(&out);
}

static const char small_tree[] =
    "{\"event\":\"tree\",\"time\":1,\"at\":2,\"write_buffer_bytes\":4000000,"
    "\"level0_tables\":4,\"frozen\":0,\"levels\":["
    "[{\"table\":14,\"bytes\":4100000,\"smallest\":\"c\",\"largest\":\"t\"},"
    "{\"table\":12,\"bytes\":2100000,\"smallest\":\"a\",\"largest\":\"k\"}],"
    "[{\"table\":9,\"bytes\":2000000,\"smallest\":\"a\",\"largest\":\"f\"},"
    "{\"table\":10,\"bytes\":2000000,\"smallest\":\"g\",\"largest\":\"m\"},"
    "{\"table\":11,\"bytes\":100,\"smallest\":\"n\",\"largest\":\"n\"},"
    "{\"table\":13,\"bytes\":1900000,\"smallest\":\"p\",\"largest\":\"zz\\\\x00\"}],"
    "[],[{\"table\":3,\"bytes\":900000,\"smallest\":\"b\",\"largest\":\"y\"}]]}";

static void a_tree_is_drawn(void **state) {
    (void)state;
    struct tree tree = {0};
    struct buf words = {0};
    expect_drawn(&tree, false, "no tables\n");
    assert_int_equal(apply(&tree, small_tree, &words), TREE_CHANGED);
    expect_text(&words, "the tree: 7 tables 13.0 MB");
    expect_drawn(
        &tree, true,
        "memory  ├ active ┤\n"
        "level 0      2 tables    6.2 MB of 4 tables   score 0.50\n"
        "              ├─────────────────────── 14 4.1 MB ───────────────────────┤\n"
        "  ├──────────────── 12 2.1 MB ─────────────────┤\n"
        "level 1      4 tables    5.9 MB of 16.0 MB    score 0.37\n"
        "  ├─────── 9 2.0 MB ───────┤   ├────── 10 2.0 MB ──────┤  ├┤  ├── 13 1.9 MB "
        "───┤\n"
        "level 2      0 tables       0 B of 160.0 MB   score 0.00\n"
        "level 3      1 table   900.0 kB of 1.6 GB     score 0.00\n"
        "        ├─────────────────────────── 3 900.0 kB ────────────────────────────┤\n"
        "  a                                                                       "
        "zz\\x00\n");
    tree_free(&tree);
    buf_free(&words);
}

/* One compaction from its beginning to its end, and a flush beside it.
 * tidy: long because it has whole drawings in it. */
static void work_is_marked(void **state) {
    (void)state;
    struct tree tree = {0};
    struct buf words = {0};
    apply(&tree, small_tree, &words);
    assert_int_equal(apply(&tree,
                           "{\"event\":\"compaction_begins\",\"time\":3,\"at\":4,"
                           "\"work\":7,\"level\":1,\"output_level\":2,\"upper\":[10,11],"
                           "\"lower\":[],\"bytes\":2000100}",
                           &words),
                     TREE_CHANGED);
    expect_text(&words, "compaction 7 begins: level 1 + 2, 2 tables 2.0 MB");
    assert_int_equal(apply(&tree, "{\"event\":\"frozen\",\"frozen\":2}", &words),
                     TREE_PASSED);
    assert_int_equal(apply(&tree, "{\"event\":\"flush_begins\",\"work\":8}", &words),
                     TREE_PASSED);
    expect_drawn(
        &tree, false,
        "memory  ├ active ┤ ├ frozen ┤ ╠ frozen ╣\n"
        "level 0      2 tables    6.2 MB of 4 tables   score 0.50\n"
        "              ├─────────────────────── 14 4.1 MB ───────────────────────┤\n"
        "  ├──────────────── 12 2.1 MB ─────────────────┤\n"
        "level 1      4 tables    5.9 MB of 16.0 MB    score 0.37\n"
        "  ├─────── 9 2.0 MB ───────┤   ╠══════ 10 2.0 MB ══════╣  ╠╣  ├── 13 1.9 MB "
        "───┤\n"
        "level 2      0 tables       0 B of 160.0 MB   score 0.00\n"
        "level 3      1 table   900.0 kB of 1.6 GB     score 0.00\n"
        "        ├─────────────────────────── 3 900.0 kB ────────────────────────────┤\n"
        "  a                                                                       "
        "zz\\x00\n"
        "compaction 7 is under way: level 1 to 2, 2 tables 2.0 MB\n"
        "flush 8 is under way\n");
    expect_drawn(
        &tree, true,
        "memory  ├ active ┤ ├ frozen ┤ ╠ frozen ╣\n"
        "level 0      2 tables    6.2 MB of 4 tables   score 0.50\n"
        "              ├─────────────────────── 14 4.1 MB ───────────────────────┤\n"
        "  ├──────────────── 12 2.1 MB ─────────────────┤\n"
        "level 1      4 tables    5.9 MB of 16.0 MB    score 0.37\n"
        "  ├─────── 9 2.0 MB ───────┤   \033[33m╠══════ 10 2.0 MB ══════╣\033[0m  "
        "\033[33m╠╣\033[0m  ├── 13 1.9 MB ───┤\n"
        "level 2      0 tables       0 B of 160.0 MB   score 0.00\n"
        "level 3      1 table   900.0 kB of 1.6 GB     score 0.00\n"
        "        ├─────────────────────────── 3 900.0 kB ────────────────────────────┤\n"
        "  a                                                                       "
        "zz\\x00\n"
        "compaction 7 is under way: level 1 to 2, 2 tables 2.0 MB\n"
        "flush 8 is under way\n");

    assert_int_equal(
        apply(&tree,
              "{\"event\":\"flush\",\"work\":8,\"micros\":120000,\"removed\":[],"
              "\"added\":[{\"level\":0,\"table\":15,\"bytes\":1234567,"
              "\"smallest\":\"b\",\"largest\":\"b\"}]}",
              &words),
        TREE_CHANGED);
    expect_text(&words, "flush 8: 1 table 1.2 MB, 0.12 s");
    assert_int_equal(tree.frozen, 1);
    assert_int_equal(tree.levels[0].tables[0].number, 15);
    assert_int_equal(tree.levels[0].count, 3);
    assert_int_equal(
        apply(&tree,
              "{\"event\":\"compaction\",\"work\":7,\"level\":1,\"output_level\":2,"
              "\"micros\":210000,\"read_bytes\":2000100,\"written_bytes\":1500000,"
              "\"tables_moved\":0,\"removed\":[{\"level\":1,\"table\":10},"
              "{\"level\":1,\"table\":11}],\"added\":[{\"level\":2,\"table\":17,"
              "\"bytes\":500000,\"smallest\":\"j\",\"largest\":\"m\"},{\"level\":2,"
              "\"table\":16,\"bytes\":1000000,\"smallest\":\"g\",\"largest\":\"i\"}]}",
              &words),
        TREE_CHANGED);
    expect_text(&words, "compaction 7: level 1 + 2, 2 tables 2.0 MB → 2 tables 1.5 MB, "
                        "0.21 s");
    assert_int_equal(tree.work_count, 0);
    assert_int_equal(tree.levels[1].count, 2);
    assert_int_equal(tree.levels[2].count, 2);
    assert_int_equal(tree.levels[2].tables[0].number, 16); /* by key */
    assert_int_equal(apply(&tree, "{\"event\":\"close\"}", &words), TREE_TOLD);
    assert_false(tree.open);
    tree_free(&tree);
    buf_free(&words);
}

static void other_events_are_told(void **state) {
    (void)state;
    struct tree tree = {0};
    struct buf words = {0};
    apply(&tree, small_tree, &words);
    apply(&tree, "{\"event\":\"compaction_begins\",\"work\":7,\"upper\":[10]}", &words);
    expect_text(&words, "compaction 7 begins: 1 table 0 B");
    assert_int_equal(tree.levels[1].tables[1].work, 7);
    assert_int_equal(apply(&tree,
                           "{\"event\":\"compaction\",\"work\":7,\"micros\":1,"
                           "\"error\":\"no\\\\x0aroom\"}",
                           &words),
                     TREE_CHANGED);
    expect_text(&words, "compaction 7 failed: no\\nroom");
    assert_int_equal(tree.levels[1].tables[1].work, 0);
    assert_int_equal(tree.levels[1].count, 4);
    assert_int_equal(apply(&tree,
                           "{\"event\":\"compaction\",\"work\":8,\"micros\":1,"
                           "\"error\":\"told to stop\",\"stopped\":true}",
                           &words),
                     TREE_CHANGED);
    expect_text(&words, "compaction 8 was cut off");
    assert_int_equal(apply(&tree,
                           "{\"event\":\"stall\",\"why\":\"level 0\",\"micros\":2500000}",
                           &words),
                     TREE_TOLD);
    expect_text(&words, "a writer waited 2.50 s: level 0");
    assert_int_equal(apply(&tree,
                           "{\"event\":\"compaction\",\"work\":9,\"micros\":0,"
                           "\"level\":1,\"output_level\":2,\"tables_moved\":1,"
                           "\"removed\":[{\"level\":1,\"table\":9}],\"added\":[{"
                           "\"level\":2,\"table\":9,\"bytes\":2000000}]}",
                           &words),
                     TREE_CHANGED);
    expect_text(&words, "compaction 9: level 1 + 2, 1 table 2.0 MB moved → 1 table 2.0 "
                        "MB, 0.00 s");
    tree_free(&tree);
    buf_free(&words);
}

/* 400 tables of 2 MB in level 3, 40 in level 2, 12 in level 0: too many for a column
 * each. */
static void many_are_digits(void **state) {
    (void)state;
    struct tree tree = {0};
    struct buf line = {0}, words = {0};
    assert_ok(buf_append_text(&line, "{\"event\":\"tree\",\"write_buffer_bytes\":4000000,"
                                     "\"level0_tables\":4,\"levels\":["));
    static const unsigned counts[] = {12, 0, 40, 400};
    for (unsigned level = 0; level < 4; level++) {
        assert_ok(buf_append_text(&line, level == 0 ? "[" : "],["));
        for (unsigned i = 0; i < counts[level]; i++) {
            unsigned width = level == 0 ? 30000 : 100000 / counts[level];
            unsigned from = level == 0 ? i * 5000 : i * width;
            assert_ok(buf_printf(&line,
                                 "%s{\"table\":%u,\"bytes\":2000000,\"smallest\":\"k%06u"
                                 "\",\"largest\":\"k%06u\"}",
                                 i == 0 ? "" : ",", level * 1000 + i, from,
                                 from + width - 10));
        }
    }
    assert_ok(buf_append(&line, "]]}", 4));
    assert_int_equal(apply(&tree, (const char *)line.data, &words), TREE_CHANGED);
    apply(
        &tree,
        "{\"event\":\"compaction_begins\",\"work\":7,\"level\":2,\"output_level\":3,"
        "\"upper\":[2010],\"lower\":[3100,3101,3102,3103,3104,3105,3106,3107,3108,3109]}",
        &words);
    expect_drawn(
        &tree, false,
        "memory  ├ active ┤\n"
        "level 0     12 tables   24.0 MB of 4 tables   score 3.00\n"
        "  ├───── 0 2.0 MB ──────┤\n"
        "      ├───── 1 2.0 MB ──────┤\n"
        "          ├───── 2 2.0 MB ──────┤\n"
        "              ├───── 3 2.0 MB ──────┤\n"
        "                 ├────── 4 2.0 MB ──────┤\n"
        "                     ├────── 5 2.0 MB ──────┤\n"
        "                         ├────── 6 2.0 MB ──────┤\n"
        "                             1111222233334444555555554444333322221111\n"
        "level 1      0 tables       0 B of 16.0 MB    score 0.00\n"
        "level 2     40 tables   80.0 MB of 160.0 MB   score 0.50\n"
        "  "
        "├┤├┤├┤├┤├┤├┤├┤1├┤├┤╠╣├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤1├┤├┤├┤├┤\n"
        "level 3    400 tables  800.0 MB of 1.6 GB     score 0.50\n"
        "  "
        "3565555655555565555***55555555555565555555555555555556555555655556555655655567\n"
        "  k000000                                                                "
        "k099990\n"
        "  (a digit: so many tables in that column; + ten or more; * under way)\n"
        "compaction 7 is under way: level 2 to 3, 11 tables 0 B\n");
    tree_free(&tree);
    buf_free(&line);
    buf_free(&words);
}

/* It stands where it begins. */
static void a_table_ends_before_it_begins(void **state) {
    (void)state;
    struct tree tree = {0};
    struct buf words = {0};
    apply(&tree,
          "{\"event\":\"tree\",\"levels\":[[],[{\"table\":5,\"bytes\":1000,"
          "\"smallest\":\"c\",\"largest\":\"a\"},{\"table\":6,\"bytes\":3000,"
          "\"smallest\":\"x\",\"largest\":\"z\"}]]}",
          &words);
    expect_drawn(&tree, false,
                 "memory  ├ active ┤\n"
                 "level 0      0 tables       0 B\n"
                 "level 1      2 tables    4.0 kB\n"
                 "  ├──── 5 1.0 kB ────┤├─────────────────────── 6 3.0 kB "
                 "───────────────────────┤\n"
                 "  a                                                          "
                 "                  z\n");
    tree_free(&tree);
    buf_free(&words);
}

/* Whatever a line says: no crash, no leak, and the tree can be drawn. The sanitizers look
 * on. */
static void hostile_lines(void **state) {
    (void)state;
    static const char *const lines[] = {
        small_tree,
        "2026/01/01-12:00:00.000000 7f Level-0 table #5: started",
        "{\"event\":\"tree\"}",
        "{\"event\":\"tree\",\"levels\":{\"a\":[{}],\"b\":7},\"frozen\":1e300}",
        ("{\"event\":\"tree\",\"levels\":[[{},{\"table\":-1,\"bytes\":1e400,"
         "\"smallest\":\"z\",\"largest\":\"a\"}],[],[],[],[],[],[{}],[{}],[{}]]}"),
        "{\"event\":\"compaction_begins\",\"work\":0,\"upper\":[9]}",
        ("{\"event\":\"compaction_begins\",\"work\":5,\"level\":99,\"output_level\":-1,"
         "\"upper\":[9,\"x\",-3,1e200,null],\"lower\":\"no\"}"),
        "{\"event\":\"flush_begins\",\"work\":3}",
        ("{\"event\":\"flush\",\"work\":3,\"added\":[{\"level\":7},{\"level\":\"0\"},"
         "{\"level\":0,\"smallest\":\"\\\\q\",\"largest\":\"\\u0000\"},7],"
         "\"removed\":[{\"level\":0,\"table\":99},[],{\"level\":-1}]}"),
        "{\"event\":\"compaction\",\"error\":\"\\u001b[2J\"}",
        "{\"event\":\"frozen\",\"frozen\":9007199254740992}",
        "{\"event\":\"stall\",\"why\":\"\\u001b[2J\",\"micros\":-1}",
        "{\"event\":[]}",
        "{",
        "[1]",
        "",
    };
    enum { LINES = sizeof lines / sizeof lines[0], RUNS = 4000 };
    uint64_t seed = test_seed();
    struct tree tree = {0};
    struct buf words = {0}, line = {0}, out = {0};
    for (int i = 0; i < RUNS; i++) {
        enum tree_step step;
        assert_ok(buf_assign(&line, slice_of(lines[random_below(&seed, LINES)])));
        size_t changes = random_below(&seed, 4);
        for (size_t j = 0; j < changes && line.length > 0; j++) {
            line.data[random_below(&seed, line.length)] =
                (unsigned char)random_next(&seed);
        }
        if (random_below(&seed, 8) == 0) {
            line.length = random_below(&seed, line.length + 1);
        }
        assert_ok(tree_apply(&tree, buf_slice(&line), &words, &step));
        assert_int_equal(step == TREE_PASSED, words.length == 0);
        buf_clear(&out);
        assert_ok(tree_draw(&tree, (unsigned)random_below(&seed, 500), i % 2 == 0, &out));
        assert_null(memchr(words.data == NULL ? out.data : words.data, '\033',
                           words.data == NULL ? 0 : words.length));
    }
    tree_free(&tree);
    buf_free(&words);
    buf_free(&line);
    buf_free(&out);
}

static void without_memory(void **state) {
    (void)state;
    size_t before = counted_memory_blocks();
    bool whole = false;
    for (size_t n = 1; !whole; n++) {
        struct tree tree = {0};
        struct buf words = {0}, out = {0};
        enum tree_step step;
        counted_memory_fail(n, false);
        enum status status = tree_apply(&tree, slice_of(small_tree), &words, &step);
        if (status == STATUS_OK) {
            status = tree_apply(
                &tree,
                slice_of("{\"event\":\"compaction_begins\",\"work\":1,\"upper\":[9]}"),
                &words, &step);
        }
        if (status == STATUS_OK) {
            status = tree_draw(&tree, 80, true, &out);
        }
        whole = !counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, whole ? STATUS_OK : STATUS_NO_MEMORY);
        tree_free(&tree);
        buf_free(&words);
        buf_free(&out);
        assert_int_equal(counted_memory_blocks(), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_is_drawn),
        cmocka_unit_test(work_is_marked),
        cmocka_unit_test(other_events_are_told),
        cmocka_unit_test(many_are_digits),
        cmocka_unit_test(a_table_ends_before_it_begins),
        cmocka_unit_test(hostile_lines),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
