#include "../01-wal/simulation.h"

#include "flush.h"
#include "internal_key.h"
#include "layers.h"

/* ---- items ----------------------------------------------------------------------- */

static int compare_items(const void *left, const void *right) {
    const struct item *a = left;
    const struct item *b = right;
    int order = strcmp(a->key, b->key);
    return order != 0 ? order : (a->sequence < b->sequence) - (a->sequence > b->sequence);
}

void layers_sort(struct layers *layers) {
    qsort(layers->items, layers->count, sizeof layers->items[0], compare_items);
}

void item_value(const struct item *item, struct buf *value) {
    buf_clear(value);
    if (item->put) {
        assert_ok(buf_printf(value, "%" PRIu64, item->sequence));
        assert_ok(buf_reserve(value, item->padding));
        memset(value->data + value->length, (int)item->sequence, item->padding);
        value->length += item->padding;
    }
}

const struct item *layers_find(const struct layers *layers, struct slice key) {
    struct slice user = internal_key_user(key);
    uint64_t tag = internal_key_tag(key);
    for (size_t i = 0; i < layers->count; i++) {
        const struct item *item = &layers->items[i];
        if (slice_equal(slice_of(item->key), user) &&
            tag == tag_make(item->sequence, item->put ? KV_PUT : KV_DELETE)) {
            return item;
        }
    }
    return NULL;
}

static void draw_snapshots(struct layers *layers, uint64_t *random) {
    size_t wanted = random_below(random, SNAPSHOTS_MAX + 1);
    uint64_t snapshot = random_below(random, 3);
    for (size_t i = 0; i < wanted; i++) {
        layers->snapshots[layers->snapshot_count++] = snapshot;
        snapshot += 1 + random_below(random, layers->count / 3 + 1);
    }
}

/* Each key rises from the deepest layer as it gets newer versions. */
void layers_draw(struct layers *layers, uint64_t *random) {
    size_t at[64];
    size_t keys = 1 + random_below(random, random_below(random, 2) == 0 ? 5 : 60);
    size_t deepest = random_below(random, 3) == 0 ? LOWER_LAYER : LAYERS - 1;
    bool lower = random_below(random, 4) > 0;
    memset(layers, 0, sizeof *layers);
    layers->level = (unsigned)random_below(random, 4);
    layers->output_level =
        layers->level + (layers->level == 0 || lower || random_below(random, 2) == 0);
    layers->count = 1 + random_below(random, ITEMS_MAX);
    layers->table_bytes = UINT64_C(1) << random_below(random, 14);
    layers->cut_in = 1 + random_below(random, 60);
    layers->deeper_bytes = layers->table_bytes * 12 / (1 + random_below(random, 12));
    for (size_t i = 0; i < 64; i++) {
        at[i] = random_below(random, deepest + 1);
    }
    for (size_t i = 0; i < layers->count; i++) {
        struct item *item = &layers->items[i];
        size_t key = random_below(random, keys);
        at[key] -= at[key] > 0 && random_below(random, 4) == 0;
        item->layer = at[key] - (at[key] == LOWER_LAYER && !lower);
        if (item->layer < LOWER_LAYER && layers->level > 0) {
            item->layer = 0;
        }
        item->sequence = i + 1;
        item->put = random_below(random, 5) > 1;
        item->padding = random_below(random, random_below(random, 20) == 0 ? 5000 : 60);
        snprintf(item->key, sizeof item->key, "%.*s%zu", (int)(key % 9), "kkkkkkkkk",
                 key * key);
    }
    draw_snapshots(layers, random);
    layers_sort(layers);
}

/* ---- tables ---------------------------------------------------------------------- */

struct filling {
    struct layers *layers;
    size_t table;
};

static enum status fill_table(void *context, struct table_writer *writer,
                              struct error *error) {
    const struct filling *filling = context;
    struct buf key = {0};
    struct buf value = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < filling->layers->count && status == STATUS_OK; i++) {
        const struct item *item = &filling->layers->items[i];
        if (item->table == filling->table) {
            assert_ok(internal_key_build(
                &key, slice_of(item->key),
                tag_make(item->sequence, item->put ? KV_PUT : KV_DELETE)));
            item_value(item, &value);
            status = table_writer_add(writer, buf_slice(&key), buf_slice(&value), error);
        }
    }
    buf_free(&key);
    buf_free(&value);
    return status;
}

static void write_table(struct layers *layers, size_t table) {
    struct filling filling = {layers, table};
    char from[NAME_BYTES + 4], to[NAME_BYTES + 4];
    struct table_file *file;
    assert_ok(flush_table(&layers->directory, &layers->sim.options, fill_table, &filling,
                          0, 0, &file, NULL));
    snprintf(from, sizeof from, "db/%06" PRIu64 ".dbtmp", file->meta.number);
    snprintf(to, sizeof to, "db/%06" PRIu64 ".ldb", file->meta.number);
    assert_ok(file_rename(layers->sim.world.files, from, to, NULL));
    layers->files[table] = file;
}

/* A table that nobody opens: its bounds are all that counts. */
static void pretend_table(struct layers *layers, size_t table) {
    struct table_meta meta = {.number = directory_number(&layers->directory),
                              .bytes = layers->deeper_bytes};
    for (size_t i = 0; i < layers->count; i++) {
        const struct item *item = &layers->items[i];
        if (item->table == table) {
            uint64_t tag = tag_make(item->sequence, item->put ? KV_PUT : KV_DELETE);
            if (meta.smallest.length == 0) {
                assert_ok(internal_key_build(&meta.smallest, slice_of(item->key), tag));
            }
            assert_ok(internal_key_build(&meta.largest, slice_of(item->key), tag));
        }
    }
    layers->files[table] = table_file_open(&meta);
    assert_non_null(layers->files[table]);
    table_meta_free(&meta);
}

/* A layer is a table, or a run of tables, which may end anywhere, within a key too. */
static void make_tables(struct layers *layers, uint64_t *random) {
    for (size_t layer = 0; layer < LAYERS; layer++) {
        bool whole = layer < LOWER_LAYER && layers->level == 0;
        bool begun = false;
        layers->first[layer] = layers->file_count;
        for (size_t i = 0; i < layers->count; i++) {
            struct item *item = &layers->items[i];
            if (item->layer != layer) {
                continue;
            }
            if (!begun || (!whole && random_below(random, layers->cut_in) == 0 &&
                           layers->file_count < 8 * (layer + 1))) {
                layers->file_count++;
                begun = true;
            }
            item->table = layers->file_count - 1;
        }
    }
    layers->first[LAYERS] = layers->file_count;
    assert_true(layers->file_count <= LAYER_TABLES_MAX);
    for (size_t i = 0; i < layers->file_count; i++) {
        if (i < layers->first[DEEPER_LAYER]) {
            write_table(layers, i);
        } else {
            pretend_table(layers, i);
        }
    }
}

static unsigned level_of(const struct layers *layers, size_t layer) {
    return layer < LOWER_LAYER ? layers->level
           : layer == LOWER_LAYER
               ? layers->output_level
               : layers->output_level + (unsigned)(layer - LOWER_LAYER);
}

static void make_version(struct layers *layers) {
    struct version *empty;
    struct edit edit = {0};
    struct error error = {0};
    for (size_t layer = LAYERS; layer-- > 0;) {
        for (size_t i = layers->first[layer]; i < layers->first[layer + 1]; i++) {
            assert_ok(edit_add(&edit, level_of(layers, layer), layers->files[i]));
        }
    }
    assert_ok(version_empty(&empty, NULL));
    if (version_apply(empty, &edit, &layers->compaction.version, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    version_unref(empty);
    edit_free(&edit);
}

void layers_open(struct layers *layers, uint64_t *random) {
    struct simulation *sim = &layers->sim;
    simulation_begin(sim);
    sim->options.table_bytes = layers->table_bytes;
    sim->options.block_bytes = 64;
    sim->options.filter_bits = 0;
    assert_ok(directory_open(&layers->directory, "db", &sim->options, NULL));
    assert_ok(block_cache_open(4096, sim->world.threads, &layers->blocks, NULL));
    assert_ok(table_cache_open("db", &sim->world, layers->blocks, &layers->readers, 3,
                               &layers->cache, NULL));
    make_tables(layers, random);
    make_version(layers);
    const size_t *first = layers->first;
    layers->compaction = (struct compaction){
        .version = layers->compaction.version,
        .level = layers->level,
        .output_level = layers->output_level,
        .upper = layers->files,
        .upper_count = first[LOWER_LAYER],
        .lower = layers->files + first[LOWER_LAYER],
        .lower_count = first[DEEPER_LAYER] - first[LOWER_LAYER],
        .grandparents = layers->files + first[DEEPER_LAYER],
        .grandparent_count = first[DEEPER_LAYER + 1] - first[DEEPER_LAYER],
    };
    layers->with = (struct compact_with){.directory = &layers->directory,
                                         .options = &sim->options,
                                         .tables = layers->cache,
                                         .filter = &value_filter_none,
                                         .snapshots = layers->snapshots,
                                         .snapshot_count = layers->snapshot_count};
}

void layers_close(struct layers *layers) {
    version_unref(layers->compaction.version);
    table_cache_close(layers->cache);
    for (size_t i = 0; i < layers->file_count; i++) {
        table_file_unref(layers->files[i]);
    }
    block_cache_close(layers->blocks);
    directory_close(&layers->directory);
    simulation_end(&layers->sim);
}

bool layers_deeper(const struct layers *layers, struct slice user) {
    for (size_t i = layers->first[DEEPER_LAYER]; i < layers->file_count; i++) {
        const struct table_meta *meta = &layers->files[i]->meta;
        if (slice_compare(internal_key_user(buf_slice(&meta->smallest)), user) <= 0 &&
            slice_compare(internal_key_user(buf_slice(&meta->largest)), user) >= 0) {
            return true;
        }
    }
    return false;
}
