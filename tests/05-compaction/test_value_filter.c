/* A compaction that is told which values are dead writes tombstones for some of them. The
 * items are turned as a naive reading of the rule wants it, and then what came of the
 * compaction must be what the rule of versions wants of those. */
#include "../01-wal/simulation.h"

#include "outcome.h"

/* Values of more bytes than there are milliseconds. */
static bool is_long(struct slice value, uint64_t now_millis) {
    return value.length > now_millis;
}

static const struct value_filter_ops longest = {true, is_long};

static bool is_dead(const struct layers *l, const struct item *item) {
    char text[24];
    int digits = snprintf(text, sizeof text, "%" PRIu64, item->sequence);
    return item->put && (uint64_t)digits + item->padding > l->with.now_millis;
}

static bool is_newest_input(const struct layers *l, const struct item *item) {
    for (size_t i = 0; i < l->count; i++) {
        const struct item *other = &l->items[i];
        if (other->layer < DEEPER_LAYER && other->sequence > item->sequence &&
            strcmp(other->key, item->key) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_seen(const struct layers *l, const struct item *item) {
    return l->snapshot_count > 0 && l->snapshots[l->snapshot_count - 1] >= item->sequence;
}

/* Answers how many. */
static size_t turn_dead(struct layers *l) {
    size_t turned = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct item *item = &l->items[i];
        if (item->layer < DEEPER_LAYER && is_dead(l, item) && is_newest_input(l, item) &&
            !is_seen(l, item)) {
            item->put = false;
            turned++;
        }
    }
    return turned;
}

static void dead_values_become_tombstones(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct layers l;
    size_t turned = 0;
    for (size_t round = 0; round < 1500; round++) {
        struct outcome r = {0};
        struct error error = {0};
        layers_draw(&l, &random);
        layers_open(&l, &random);
        l.with.filter = &longest;
        l.with.now_millis = random_below(&random, 60);
        if (compact(&l.with, &l.compaction, &r.edit, &r.counts, &error) != STATUS_OK) {
            fail_msg("round %zu: %s", round, error.message);
        }
        size_t dead = turn_dead(&l);
        assert_int_equal(r.counts.values_dead, dead);
        outcome_check(&l, &r);
        turned += dead;
        edit_free(&r.edit);
        layers_close(&l);
    }
    printf("%zu dead\n", turned);
    assert_true(turned > 2000);
}

/* ---- an example, by eye ---------------------------------------------------------- */

struct example {
    const char *upper; /* "a9! b8": a dead put of a with sequence 9, one of b with 8 */
    const char *lower;
    const char *deeper;
    uint64_t snapshot; /* 0: none */
    const char *kept;
};

static const struct example examples[] = {
    {"a9!", "a4", "a1", 0, "a9-"},    /* it must go on hiding a1 */
    {"a9!", "a4", NULL, 0, ""},       /* at the bottom it dies with what it hid */
    {"a9!", "a4", NULL, 4, "a9- a4"}, /* which a snapshot sees */
    {"a9!", "a4", "a1", 9, "a9!"},    /* a snapshot sees it itself */
    {"a9", "a4!", "a1", 5, "a9 a4!"}, /* a snapshot sees it behind a newer one */
    {"a9!", "a4!", NULL, 5, "a9- a4!"}, {"a9-", "a4!", "a1", 0, "a9-"},
};

static void add_items(struct layers *l, size_t layer, const char *text) {
    while (text != NULL && *text != '\0') {
        struct item *item = &l->items[l->count++];
        char *end;
        item->key[0] = *text;
        item->sequence = strtoull(text + 1, &end, 10);
        item->put = *end != '-';
        item->padding = *end == '!' ? 10 : 0;
        item->layer = layer;
        text = end + (*end == '-' || *end == '!');
        text += *text == ' ';
    }
}

static void print_kept(const struct layers *l, const bool *there, struct buf *text) {
    for (size_t i = 0; i < l->count; i++) {
        const struct item *item = &l->items[i];
        if (there[i] && item->layer < DEEPER_LAYER) {
            assert_ok(buf_printf(text, "%s%s%" PRIu64 "%s", text->length > 0 ? " " : "",
                                 item->key, item->sequence,
                                 !item->put          ? "-"
                                 : item->padding > 0 ? "!"
                                                     : ""));
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
        add_items(&l, 0, example->upper);
        add_items(&l, LOWER_LAYER, example->lower);
        add_items(&l, DEEPER_LAYER, example->deeper);
        layers_sort(&l);
        l.snapshot_count = example->snapshot > 0;
        l.snapshots[0] = example->snapshot;
        layers_open(&l, &random);
        l.with.filter = &longest;
        l.with.now_millis = 5;
        assert_ok(compact(&l.with, &l.compaction, &r.edit, &r.counts, NULL));
        turn_dead(&l);
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
        cmocka_unit_test(dead_values_become_tombstones),
        cmocka_unit_test(examples_by_eye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
