/* Strata, of the last stage, with the settings that the command line gives. It verifies
 * the checksum of every block that it reads; there is no other mode. */
#include <stdio.h>

#include "contender.h"
#include "kv_batch.h"
#include "memory.h"
#include "stage.h"

struct strata {
    struct kv *kv;
    struct buf value; /* of the last get: its memory serves again */
    struct kv_batch *batch;
};

static void strata_version(char *text, size_t bytes) {
    snprintf(text, bytes, "stage %s", stage.name);
}

static void strata_unshare(void *other) {
    struct strata *strata = other;
    kv_batch_close(strata->batch);
    buf_free(&strata->value);
    memory_give(strata);
}

static enum status strata_open(const char *dir, const struct kv_options *options,
                               void **db, struct error *error) {
    struct strata *strata = memory_take_zeroed(sizeof *strata);
    if (strata == NULL) {
        return error_no_memory(error, "a contender", sizeof *strata);
    }
    enum status status = kv_batch_open(0, &strata->batch, error);
    if (status == STATUS_OK) {
        status = kv_open(dir, options, &strata->kv, error);
    }
    if (status != STATUS_OK) {
        strata_unshare(strata);
        return status;
    }
    *db = strata;
    return STATUS_OK;
}

static enum status strata_close(void *db, struct error *error) {
    enum status status = kv_close(((struct strata *)db)->kv, error);
    strata_unshare(db);
    return status;
}

static enum status strata_share(void *db, void **other, struct error *error) {
    struct strata *strata = memory_take_zeroed(sizeof *strata);
    if (strata == NULL) {
        return error_no_memory(error, "a contender", sizeof *strata);
    }
    strata->kv = ((struct strata *)db)->kv;
    *other = strata;
    return STATUS_OK;
}

static enum status strata_put(void *db, struct slice key, struct slice value,
                              struct error *error) {
    return kv_put(((struct strata *)db)->kv, key, value, NULL, error);
}

static enum status strata_remove(void *db, struct slice key, struct error *error) {
    return kv_delete(((struct strata *)db)->kv, key, NULL, error);
}

static enum status strata_batch_put(void *db, struct slice key, struct slice value,
                                    struct error *error) {
    return kv_batch_put(((struct strata *)db)->batch, key, value, error);
}

static enum status strata_batch_write(void *db, struct error *error) {
    struct strata *strata = db;
    enum status status = kv_batch_write(strata->kv, strata->batch, NULL, error);
    kv_batch_clear(strata->batch);
    return status;
}

static enum status strata_get(void *db, struct slice key, struct slice *value,
                              struct error *error) {
    struct strata *strata = db;
    enum status status = kv_get(strata->kv, key, &strata->value, NULL, error);
    if (status == STATUS_OK) {
        *value = buf_slice(&strata->value);
    }
    return status;
}

static enum status end_scan(struct iter *iter, struct error *error) {
    enum status status = iter->error.status;
    if (status != STATUS_OK) {
        *error = iter->error;
    }
    iter_close(iter);
    return status;
}

static enum status strata_scan(void *db, bool forward, struct seen *seen,
                               struct error *error) {
    struct iter *iter;
    enum status status = kv_iter(((struct strata *)db)->kv, NULL, &iter, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (forward) {
        for (iter_first(iter); iter->valid; iter_next(iter)) {
            seen_add(seen, iter->key, iter->value);
        }
    } else {
        for (iter_last(iter); iter->valid; iter_prev(iter)) {
            seen_add(seen, iter->key, iter->value);
        }
    }
    return end_scan(iter, error);
}

static enum status strata_seek(void *db, struct slice key, unsigned int steps,
                               struct seen *seen, struct error *error) {
    struct iter *iter;
    enum status status = kv_iter(((struct strata *)db)->kv, NULL, &iter, error);
    if (status != STATUS_OK) {
        return status;
    }
    iter_seek(iter, key);
    while (iter->valid) {
        seen_add(seen, iter->key, iter->value);
        if (steps-- == 0) {
            break;
        }
        iter_next(iter);
    }
    return end_scan(iter, error);
}

static enum status strata_compact(void *db, struct error *error) {
    static const struct slice all = {0};
    return kv_compact(((struct strata *)db)->kv, all, all, error);
}

const struct contender contender_strata = {
    .name = "strata",
    .version = strata_version,
    .open = strata_open,
    .close = strata_close,
    .put = strata_put,
    .remove = strata_remove,
    .batch_put = strata_batch_put,
    .batch_write = strata_batch_write,
    .share = strata_share,
    .unshare = strata_unshare,
    .get = strata_get,
    .scan = strata_scan,
    .seek = strata_seek,
    .compact = strata_compact,
};

const struct contender *const contenders[CONTENDERS] = {
    &contender_strata, &contender_leveldb, &contender_rocksdb};
