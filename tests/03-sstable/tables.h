/* What the tests of tables share: random entries, sorted, as the model of a table; a
 * simulated disk with the table as a file on it; and a comparison of the two. */
#ifndef STRATA_TESTS_TABLES_H
#define STRATA_TESTS_TABLES_H

#include "disk.h"
#include "table.h"
#include "table_writer.h"

#define TABLE_PATH "000007.ldb"

enum { TABLE_NUMBER = 7, MODEL_MAX = 700, CREATED = 1700000000 };

struct entry {
    struct buf key; /* internal */
    struct buf value;
};

struct model {
    struct entry entries[MODEL_MAX]; /* in the order of internal keys */
    size_t count;
    uint64_t keys; /* how many different ones are drawn */
    bool long_keys;
};

/* Drops the entries behind the first `count`. */
void model_cut(struct model *model, size_t count);
void model_free(struct model *model);

/* The number-th user key: the empty one, ones with 0xff, many that begin alike, and long
 * ones if asked for. Replaces *key. */
struct slice model_user_key(const struct model *model, struct buf *key, uint64_t number);

/* Half of the models with many versions of few keys, half with few. */
void model_draw(struct model *model, uint64_t *random, size_t block_bytes);

/* The index of the first entry at or after the internal key. */
size_t model_find(const struct model *model, struct slice key);

/* Writes the model as a table to the disk. *meta may be NULL. */
enum status model_write(const struct model *model, struct disk *disk,
                        const struct table_options *options, struct table_meta *meta,
                        struct error *error);

/* Opens it again, as table TABLE_NUMBER. */
enum status open_table(struct disk *disk, struct block_cache *cache, struct table **table,
                       struct error *error);

struct block_cache *open_cache(uint64_t bytes);

/* A get, which must answer what the model does, or fail: the failure is answered. */
enum status check_get(struct table *table, const struct model *model, struct slice user,
                      uint64_t sequence, struct error *error);

/* `at` == count: nowhere. */
void assert_at(const struct iter *iter, const struct model *model, size_t at);

/* Gets of all keys, and scans in both directions, each right or a failure. Answers OK or
 * the last failure. */
enum status check_all(struct table *table, const struct model *model,
                      struct error *error);

/* A kv_report that fails the test. */
void no_faults(void *context, const char *line);

#endif
