/* What the tests of a compaction share: entries in layers, as levels and tables hold
 * them, on a simulated disk; and the compaction of some of those layers. */
#ifndef STRATA_TESTS_LAYERS_H
#define STRATA_TESTS_LAYERS_H

#include "compact.h"
#include "table.h"

enum {
    ITEMS_MAX = 400,
    LAYER_TABLES_MAX = 64,
    SNAPSHOTS_MAX = 6,
    ITEM_KEY_BYTES_MAX = 16,

    /* layers, newest first; each key's versions are older from layer to layer */
    UPPER_LAYERS = 4, /* in level 0; in others the first alone is used */
    LOWER_LAYER = UPPER_LAYERS,
    DEEPER_LAYER, /* two levels */
    LAYERS = DEEPER_LAYER + 2
};

struct item {
    char key[ITEM_KEY_BYTES_MAX];
    uint64_t sequence;
    bool put;
    size_t padding; /* bytes of its value, besides the first */
    size_t layer;
    size_t table; /* in layer_files, which holds it */
};

struct layers {
    struct item items[ITEMS_MAX]; /* in the order of internal keys */
    size_t count;
    uint64_t snapshots[SNAPSHOTS_MAX];
    size_t snapshot_count;
    unsigned level;
    unsigned output_level;
    uint64_t table_bytes; /* of an output */
    uint64_t cut_in;      /* a table of a run ends after one in so many entries */
    uint64_t deeper_bytes;

    struct simulation sim;
    struct directory directory;
    struct readers readers;
    struct block_cache *blocks;
    struct table_cache *cache;
    struct table_file *files[LAYER_TABLES_MAX]; /* by layers, each in its order */
    size_t file_count;
    size_t first[LAYERS + 1]; /* in files, of each layer */
    struct compaction compaction;
    struct compact_with with;
};

/* Sorts the items. */
void layers_sort(struct layers *layers);

/* Fills items, snapshots and all above sim. */
void layers_draw(struct layers *layers, uint64_t *random);

/* Makes tables of them, and a compaction of all but the deeper ones. */
void layers_open(struct layers *layers, uint64_t *random);
void layers_close(struct layers *layers);

/* Replaces *value. */
void item_value(const struct item *item, struct buf *value);

/* The item of that internal key, or NULL. */
const struct item *layers_find(const struct layers *layers, struct slice key);

/* Whether a table of a deeper level has the key between its bounds. */
bool layers_deeper(const struct layers *layers, struct slice user);

#endif
