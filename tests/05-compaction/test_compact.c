/* A compaction against a naive reading of its rule, and against what readers see. */
#include "../01-wal/simulation.h"

#include "internal_key.h"
#include "layers.h"

/* As the picker answers it. */
__attribute__((weak)) bool compaction_key_is_deeper(const struct compaction *compaction,
                                                    struct slice user) {
    const struct version *version = compaction->version;
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t f = 0; f < version->runs[i].count; f++) {
            const struct table_meta *meta = &version->runs[i].files[f]->meta;
            if (version->runs[i].level > compaction->output_level &&
                slice_compare(internal_key_user(buf_slice(&meta->smallest)), user) <= 0 &&
                slice_compare(internal_key_user(buf_slice(&meta->largest)), user) >= 0) {
                return true;
            }
        }
    }
    return false;
}

/* ---- the rule, naively ----------------------------------------------------------- */

static bool same_key(const struct layers *l, size_t a, size_t b) {
    return strcmp(l->items[a].key, l->items[b].key) == 0;
}

static bool is_input(const struct layers *l, size_t i) {
    return l->items[i].layer < DEEPER_LAYER;
}

/* The newest version of the key of item `of` that a reader at the sequence finds among
 * those that are there; ITEMS_MAX: none. The items of one key are next to each other. */
static size_t newest(const struct layers *l, size_t of, uint64_t sequence,
                     const bool *there) {
    for (size_t i = 0; i < l->count; i++) {
        if (same_key(l, i, of) && there[i] && l->items[i].sequence <= sequence) {
            return i;
        }
    }
    return ITEMS_MAX;
}

static bool stays(const struct layers *l, size_t i, const bool *inputs) {
    bool wanted = newest(l, i, UINT64_MAX, inputs) == i;
    bool older_snapshot = false;
    for (size_t s = 0; s < l->snapshot_count; s++) {
        wanted = wanted || newest(l, i, l->snapshots[s], inputs) == i;
        older_snapshot = older_snapshot || l->snapshots[s] < l->items[i].sequence;
    }
    return wanted && (l->items[i].put || older_snapshot ||
                      layers_deeper(l, slice_of(l->items[i].key)));
}

/* Whether a table of the upper level would be written anew rather than moved. */
static bool has_dying(const struct layers *l, size_t table) {
    uint64_t smallest = UINT64_MAX;
    size_t tombstones = 0;
    const struct table_meta *meta = &l->files[table]->meta;
    for (size_t i = 0; i < l->count; i++) {
        if (is_input(l, i) && l->items[i].table == table) {
            tombstones += !l->items[i].put;
            smallest = l->items[i].sequence < smallest ? l->items[i].sequence : smallest;
        }
    }
    for (size_t i = l->first[DEEPER_LAYER]; i < l->file_count; i++) {
        const struct table_meta *deeper = &l->files[i]->meta;
        if (slice_compare(internal_key_user(buf_slice(&deeper->smallest)),
                          internal_key_user(buf_slice(&meta->largest))) <= 0 &&
            slice_compare(internal_key_user(buf_slice(&deeper->largest)),
                          internal_key_user(buf_slice(&meta->smallest))) >= 0) {
            return false;
        }
    }
    return tombstones > 0 && (l->snapshot_count == 0 || l->snapshots[0] >= smallest);
}

static void mark_rewritten(const struct layers *l, bool rewritten[LAYER_TABLES_MAX]) {
    size_t count = l->compaction.upper_count;
    for (size_t t = 0; t < count; t++) {
        rewritten[t] = !l->compaction.may_move || has_dying(l, t);
    }
    for (size_t again = 0; again < count; again++) {
        for (size_t t = 1; t < count; t++) {
            if (slice_equal(internal_key_user(buf_slice(&l->files[t - 1]->meta.largest)),
                            internal_key_user(buf_slice(&l->files[t]->meta.smallest)))) {
                rewritten[t - 1] = rewritten[t] = rewritten[t - 1] || rewritten[t];
            }
        }
    }
    for (size_t t = count; t < l->first[DEEPER_LAYER]; t++) {
        rewritten[t] = true;
    }
}

/* ---- what came of it ------------------------------------------------------------- */

struct result {
    bool inputs[ITEMS_MAX];
    bool there[ITEMS_MAX]; /* in an output or deeper */
    bool rewritten[LAYER_TABLES_MAX];
    size_t outputs;
    struct edit edit;
    struct compact_counts counts;
};

static bool is_moved(const struct layers *l, const struct table_file *file) {
    for (size_t i = 0; i < l->file_count; i++) {
        if (l->files[i] == file) {
            return true;
        }
    }
    return false;
}

/* An output gets its name, and what it holds is marked. Answers how much that is. */
static size_t read_output(struct layers *l, struct table_file *file, struct result *r) {
    char from[NAME_BYTES + 4], to[NAME_BYTES + 4];
    const struct table_meta *meta = &file->meta;
    struct table *table;
    struct iter *iter;
    struct buf value = {0};
    size_t entries = 0;
    uint64_t smallest = UINT64_MAX, largest = 0;
    if (!is_moved(l, file)) {
        r->outputs++;
        snprintf(from, sizeof from, "db/%06" PRIu64 ".dbtmp", meta->number);
        snprintf(to, sizeof to, "db/%06" PRIu64 ".ldb", meta->number);
        assert_ok(file_rename(l->sim.world.files, from, to, NULL));
    }
    assert_ok(table_cache_pin(l->cache, file, &table, NULL));
    assert_ok(table_iter(table, &iter, NULL));
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        const struct item *item = layers_find(l, iter->key);
        assert_non_null(item);
        item_value(item, &value);
        assert_true(slice_equal(buf_slice(&value), iter->value));
        assert_false(r->there[item - l->items]);
        r->there[item - l->items] = true;
        smallest = item->sequence < smallest ? item->sequence : smallest;
        largest = item->sequence > largest ? item->sequence : largest;
        if (entries++ == 0) {
            assert_true(slice_equal(iter->key, buf_slice(&meta->smallest)));
        }
    }
    assert_ok(iter->error.status);
    assert_int_equal(meta->entries, entries);
    assert_int_equal(meta->smallest_sequence, smallest);
    assert_int_equal(meta->largest_sequence, largest);
    assert_int_equal(table_properties(table)->largest_sequence, largest);
    iter_close(iter);
    table_unref(table);
    buf_free(&value);
    return entries;
}

static uint64_t overlapped(const struct layers *l, struct slice from, struct slice to) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < l->compaction.grandparent_count; i++) {
        const struct table_meta *meta = &l->compaction.grandparents[i]->meta;
        if (slice_compare(internal_key_user(buf_slice(&meta->smallest)), to) <= 0 &&
            slice_compare(internal_key_user(buf_slice(&meta->largest)), from) >= 0) {
            bytes += meta->bytes;
        }
    }
    return bytes;
}

/* Whether two neighbours among the outputs were parted for a reason, between keys. */
static void assert_parted(const struct layers *l, const struct table_meta *a,
                          const struct table_meta *b) {
    struct slice from = internal_key_user(buf_slice(&a->smallest));
    struct slice to = internal_key_user(buf_slice(&b->smallest));
    assert_true(slice_compare(internal_key_user(buf_slice(&a->largest)), to) < 0);
    assert_true(a->bytes >= l->table_bytes ||
                overlapped(l, from, to) > 10 * l->table_bytes);
}

/* It overlaps too much only where its first key does that alone. */
static void assert_not_too_long(const struct layers *l, const struct table_meta *a) {
    struct slice from = internal_key_user(buf_slice(&a->smallest));
    struct slice to = internal_key_user(buf_slice(&a->largest));
    uint64_t bytes = overlapped(l, from, to);
    assert_true(bytes <= 10 * l->table_bytes || bytes == overlapped(l, from, from));
}

static void check_counts(const struct layers *l, const struct result *r) {
    uint64_t bytes = 0;
    size_t entries = 0;
    for (size_t t = 0; t < l->first[DEEPER_LAYER]; t++) {
        bytes += r->rewritten[t] ? l->files[t]->meta.bytes : 0;
        entries += r->rewritten[t] ? l->files[t]->meta.entries : 0;
    }
    assert_int_equal(r->counts.read_bytes, bytes);
    assert_int_equal(r->counts.entries_in, entries);
}

static void check_edit(struct layers *l, struct result *r) {
    struct version *after;
    struct error error = {0};
    const struct table_meta *before = NULL;
    size_t moved = 0, entries = 0;
    assert_int_equal(r->edit.removed_count, l->first[DEEPER_LAYER]);
    for (size_t i = 0; i < r->edit.added_count; i++) {
        struct table_file *file = r->edit.added[i].file;
        assert_int_equal(r->edit.added[i].level, l->output_level);
        size_t held = read_output(l, file, r);
        if (is_moved(l, file)) {
            moved++;
            before = NULL;
            continue;
        }
        entries += held;
        assert_not_too_long(l, &file->meta);
        if (before != NULL && !l->compaction.may_move) {
            assert_parted(l, before, &file->meta);
        }
        before = &file->meta;
    }
    assert_int_equal(r->counts.tables_moved, moved);
    assert_int_equal(r->counts.entries_out, entries);
    if (version_apply(l->compaction.version, &r->edit, &after, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    version_unref(after);
}

static void check_contents(const struct layers *l, const struct result *r) {
    bool all[ITEMS_MAX];
    memset(all, true, sizeof all);
    for (size_t i = 0; i < l->count; i++) {
        bool wanted =
            !is_input(l, i) || !r->rewritten[l->items[i].table] || stays(l, i, r->inputs);
        if (r->there[i] != wanted) {
            fail_msg("%s at %" PRIu64 " is %s", l->items[i].key, l->items[i].sequence,
                     wanted ? "missing" : "there");
        }
        for (size_t s = 0; s <= l->snapshot_count; s++) {
            uint64_t at = s < l->snapshot_count ? l->snapshots[s] : UINT64_MAX;
            size_t was = newest(l, i, at, all);
            size_t is = newest(l, i, at, r->there);
            bool had = was < ITEMS_MAX && l->items[was].put;
            bool has = is < ITEMS_MAX && l->items[is].put;
            if (had != has || (has && was != is)) {
                fail_msg("%s changes for a reader at %" PRIu64, l->items[i].key, at);
            }
        }
    }
}

static void check_result(struct layers *l, struct result *r) {
    for (size_t i = 0; i < l->count; i++) {
        r->inputs[i] = is_input(l, i);
        r->there[i] = !r->inputs[i];
    }
    mark_rewritten(l, r->rewritten);
    check_edit(l, r);
    check_counts(l, r);
    check_contents(l, r);
}

static void note_temporary(void *context, const char *path) {
    *(size_t *)context += strstr(path, ".dbtmp") != NULL;
}

static size_t temporaries(const struct layers *l) {
    size_t count = 0;
    disk_list_files(l->sim.disk, note_temporary, &count);
    return count;
}

/* ---- properties ------------------------------------------------------------------ */

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
        struct result r = {0};
        struct error error = {0};
        layers_draw(&l, &random);
        layers_open(&l, &random);
        draw_moves(&l, &random);
        if (compact(&l.with, &l.compaction, &r.edit, &r.counts, &error) != STATUS_OK) {
            fail_msg("round %zu: %s", round, error.message);
        }
        check_result(&l, &r);
        assert_int_equal(temporaries(&l), 0);
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
        if (there[i] && is_input(l, i)) {
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
        struct result r = {0};
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
        check_edit(&l, &r);
        print_kept(&l, r.there, &text);
        if (!slice_equal(buf_slice(&text), slice_of(example->kept))) {
            fail_msg("example %zu: %.*s", e, (int)text.length, (const char *)text.data);
        }
        buf_free(&text);
        edit_free(&r.edit);
        layers_close(&l);
    }
}

/* ---- failures -------------------------------------------------------------------- */

/* One whose outputs are several. */
static void open_several(struct layers *l, uint64_t seed) {
    uint64_t random = seed;
    do {
        layers_draw(l, &random);
    } while (l->count < 80 || l->table_bytes > 400 || l->table_bytes < 100 ||
             l->items[0].layer >= DEEPER_LAYER);
    layers_open(l, &random);
}

/* Nothing is left of a compaction that failed; it can be tried again. */
static void assert_undone(struct layers *l, struct result *r) {
    struct error error = {0};
    assert_int_equal(r->edit.added_count + r->edit.removed_count, 0);
    assert_int_equal(temporaries(l), 0);
    if (compact(&l->with, &l->compaction, &r->edit, &r->counts, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static void a_failing_call_leaves_nothing(void **state) {
    (void)state;
    static struct layers l;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER, FAULT_SHORT};
    for (size_t e = 0; e < 3; e++) {
        bool struck = true;
        size_t failures = 0;
        for (size_t countdown = 1; struck; countdown++) {
            struct result r = {0};
            struct error error = {0};
            open_several(&l, 3);
            fail_call(&l.sim, countdown, effects[e], EIO, false);
            enum status status =
                compact(&l.with, &l.compaction, &r.edit, &r.counts, &error);
            struck = disk_fault_struck(l.sim.disk) != NULL;
            fail_nothing(&l.sim);
            if (status != STATUS_OK) {
                assert_int_equal(status, STATUS_IO);
                assert_message_has(error, "db/");
                failures++;
                assert_undone(&l, &r);
            }
            check_result(&l, &r);
            edit_free(&r.edit);
            layers_close(&l);
        }
        printf("%zu failures\n", failures);
        assert_true(failures > 10 || effects[e] == FAULT_SHORT);
    }
}

static void no_memory_leaves_nothing(void **state) {
    (void)state;
    static struct layers l;
    bool failed = true;
    size_t failures = 0;
    for (size_t countdown = 1; failed; countdown++) {
        struct result r = {0};
        struct error error = {0};
        open_several(&l, 3);
        counted_memory_fail(countdown, false);
        enum status status = compact(&l.with, &l.compaction, &r.edit, &r.counts, &error);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_MEMORY);
            failures++;
            assert_undone(&l, &r);
        }
        check_result(&l, &r);
        edit_free(&r.edit);
        layers_close(&l);
    }
    printf("%zu failures\n", failures);
    assert_true(failures > 50);
}

/* Half a megabyte, in one run. */
static void open_many(struct layers *l) {
    uint64_t random = 5;
    *l = (struct layers){
        .level = 1, .output_level = 2, .table_bytes = 30000, .cut_in = 50};
    for (; l->count < ITEMS_MAX; l->count++) {
        struct item *item = &l->items[l->count];
        snprintf(item->key, sizeof item->key, "%05zu", l->count);
        item->sequence = l->count + 1;
        item->put = true;
        item->padding = 1000 + item->sequence % 30;
    }
    layers_open(l, &random);
    l->sim.options.compression = TABLE_COMPRESSION_NONE;
}

static bool stop_at_last(void *context) {
    size_t *left = context;
    return (*left)-- == 0;
}

static void a_stopped_one_leaves_nothing(void **state) {
    (void)state;
    static struct layers l;
    struct result r = {0};
    struct error error = {0};
    size_t left = 0;
    size_t asked = 0;
    open_many(&l);
    l.with.stop = stop_at_last;
    l.with.context = &left;
    for (;; left = ++asked) {
        enum status status = compact(&l.with, &l.compaction, &r.edit, &r.counts, &error);
        if (status == STATUS_OK) {
            break;
        }
        assert_int_equal(status, STATUS_STALLED);
        assert_int_equal(r.edit.added_count + r.edit.removed_count, 0);
        assert_int_equal(temporaries(&l), 0);
    }
    assert_in_range(asked, 5, 7); /* every 64 KiB of entries */
    check_result(&l, &r);
    edit_free(&r.edit);
    layers_close(&l);
}

/* So many bytes a second; what is written is known, and the simulated clock moves for
 * nothing else. The entries are read and written in the same order as without. */
static void a_limit_slows_it_down(void **state) {
    (void)state;
    static struct layers l;
    struct result r = {0};
    struct rate_limit *limit;
    open_many(&l);
    assert_ok(rate_limit_open(100000, &l.sim.world, &limit, NULL));
    l.with.limit = limit;
    uint64_t began = clock_monotonic_micros(l.sim.world.clock);
    assert_ok(compact(&l.with, &l.compaction, &r.edit, &r.counts, NULL));
    uint64_t micros = clock_monotonic_micros(l.sim.world.clock) - began;
    assert_int_equal(r.counts.micros, micros);
    assert_true(r.counts.written_bytes > 100000);
    assert_in_range(micros, (r.counts.written_bytes - 10000) * 10 - 300000,
                    r.counts.written_bytes * 10);
    check_result(&l, &r);
    edit_free(&r.edit);
    rate_limit_close(limit);
    layers_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_seen_and_no_more),
        cmocka_unit_test(examples_by_eye),
        cmocka_unit_test(a_failing_call_leaves_nothing),
        cmocka_unit_test(no_memory_leaves_nothing),
        cmocka_unit_test(a_stopped_one_leaves_nothing),
        cmocka_unit_test(a_limit_slows_it_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
