/* A compaction against a naive reading of its rule, and against what readers see. */
#include "../01-wal/simulation.h"

#include "outcome.h"

static void draw_moves(struct layers *l, uint64_t *random) {
    l->compaction.may_move =
        l->compaction.lower_count == 0 && l->output_level > l->level &&
        (l->level > 0 || l->compaction.upper_count == 1) && random_below(random, 3) > 0;
}

static void keeps_what_is_seen_and_no_more(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct layers l;
    size_t moved = 0, dropped = 0, many = 0, rewritten = 0;
    for (size_t round = 0; round < 2500; round++) {
        struct outcome r = {0};
        struct error error = {0};
        layers_draw(&l, &random);
        layers_open(&l, &random);
        draw_moves(&l, &random);
        if (compact(&l.with, &l.compaction, &r.edit, &r.counts, &error) != STATUS_OK) {
            fail_msg("round %zu: %s", round, error.message);
        }
        outcome_check(&l, &r);
        assert_int_equal(layers_temporaries(&l), 0);
        moved += r.counts.tables_moved;
        dropped += r.counts.tombstones_dropped;
        many += r.outputs > 2;
        rewritten += l.compaction.may_move && r.outputs > 0;
        edit_free(&r.edit);
        layers_close(&l);
    }
    printf("%zu moved, %zu tombstones dropped, %zu with many outputs, %zu rewritten\n",
           moved, dropped, many, rewritten);
    assert_true(moved > 100 && dropped > 1000 && many > 500 && rewritten > 20);
}

/* ---- an example, by eye ---------------------------------------------------------- */

/* "a9 b8-": a put of a with sequence 9, a delete of b with 8. */
static void add_items(struct layers *l, size_t layer, const char *text) {
    while (text != NULL && *text != '\0') {
        struct item *item = &l->items[l->count++];
        char *end;
        item->key[0] = *text;
        item->sequence = strtoull(text + 1, &end, 10);
        item->put = *end != '-';
        item->layer = layer;
        text = end + !item->put;
        text += *text == ' ';
    }
}

struct example {
    const char *upper[2]; /* level 0, newest first */
    const char *lower;
    const char *deeper;
    uint64_t snapshots[2];
    size_t snapshot_count;
    const char *kept; /* outputs parted by | */
};

static const struct example examples[] = {
    {{"a9 b8- c7", "a5 b4 c2-"}, "a1 b1 d3-", "c1 e1", {0}, 0, "a9 c7 d3-"},
    {{"a9 b8- c7-", "a5 b4 c2"}, "a1 b1 d3-", "c1 e1", {0}, 0, "a9 c7- d3-"},
    {{"a9 b8- c7", "a5 b4 c2-"}, "a1 b1 d3-", "c1 e1", {4}, 1, "a9 a1 b8- b4 c7 c2- d3-"},
    {{"a9 b8- c7", "a5 b4 c2-"}, "a1 b1 d3-", NULL, {4}, 1, "a9 a1 b8- b4 c7"},
    {{"a9-", "a5-"}, "a4 a2", NULL, {5, 8}, 2, "a9-"}, /* nobody is older than a5 */
    {{"a9-", "a5-"}, "a4 a2", NULL, {4, 8}, 2, "a9- a5- a4"},
    {{"a9-", "a5-"}, "a4 a2", NULL, {9}, 1, ""},
    {{"a9", "b5-"}, "b4", NULL, {0}, 1, "a9 b5-"}, /* before all changes: it sees none */
    {{"b8-", NULL}, "b4-", "b2", {5, 8}, 2, "b8- b4-"},
};

static void print_kept(const struct layers *l, const bool *there, struct buf *text) {
    for (size_t i = 0; i < l->count; i++) {
        if (there[i] && l->items[i].layer < DEEPER_LAYER) {
            assert_ok(buf_printf(text, "%s%s%" PRIu64 "%s", text->length > 0 ? " " : "",
                                 l->items[i].key, l->items[i].sequence,
                                 l->items[i].put ? "" : "-"));
        }
    }
}

static void examples_by_eye(void **state) {
    (void)state;
    static struct layers l;
    for (size_t e = 0; e < sizeof examples / sizeof examples[0]; e++) {
        const struct example *example = &examples[e];
        struct outcome r = {0};
        struct buf text = {0};
        uint64_t random = 1;
        l = (struct layers){.output_level = 1, .table_bytes = 1 << 20, .cut_in = 1000};
        add_items(&l, 0, example->upper[0]);
        add_items(&l, 1, example->upper[1]);
        add_items(&l, LOWER_LAYER, example->lower);
        add_items(&l, DEEPER_LAYER, example->deeper);
        layers_sort(&l);
        l.snapshot_count = example->snapshot_count;
        memcpy(l.snapshots, example->snapshots, sizeof example->snapshots);
        layers_open(&l, &random);
        assert_ok(compact(&l.with, &l.compaction, &r.edit, &r.counts, NULL));
        outcome_read(&l, &r);
        print_kept(&l, r.there, &text);
        if (!slice_equal(buf_slice(&text), slice_of(example->kept))) {
            fail_msg("example %zu: %.*s", e, (int)text.length, (const char *)text.data);
        }
        buf_free(&text);
        edit_free(&r.edit);
        layers_close(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_seen_and_no_more),
        cmocka_unit_test(examples_by_eye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
