#include "../01-wal/simulation.h"

#include "internal_key.h"
#include "outcome.h"

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

static bool is_moved(const struct layers *l, const struct table_file *file) {
    for (size_t i = 0; i < l->file_count; i++) {
        if (l->files[i] == file) {
            return true;
        }
    }
    return false;
}

/* An output gets its name, and what it holds is marked. Answers how much that is. */
static size_t read_output(struct layers *l, struct table_file *file, struct outcome *r) {
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

static void check_counts(const struct layers *l, const struct outcome *r) {
    uint64_t bytes = 0;
    size_t entries = 0;
    for (size_t t = 0; t < l->first[DEEPER_LAYER]; t++) {
        bytes += r->rewritten[t] ? l->files[t]->meta.bytes : 0;
        entries += r->rewritten[t] ? l->files[t]->meta.entries : 0;
    }
    assert_int_equal(r->counts.read_bytes, bytes);
    assert_int_equal(r->counts.entries_in, entries);
}

void outcome_read(struct layers *l, struct outcome *r) {
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

static void check_contents(const struct layers *l, const struct outcome *r) {
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

void outcome_check(struct layers *l, struct outcome *r) {
    for (size_t i = 0; i < l->count; i++) {
        r->inputs[i] = is_input(l, i);
        r->there[i] = !r->inputs[i];
    }
    mark_rewritten(l, r->rewritten);
    outcome_read(l, r);
    check_counts(l, r);
    check_contents(l, r);
}

static void note_temporary(void *context, const char *path) {
    *(size_t *)context += strstr(path, ".dbtmp") != NULL;
}

size_t layers_temporaries(const struct layers *l) {
    size_t count = 0;
    disk_list_files(l->sim.disk, note_temporary, &count);
    return count;
}
